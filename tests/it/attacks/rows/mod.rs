//! The rows, by what the attacker writes.

mod keys;
mod objects;
mod places;
mod policies;
mod publish;
mod settings;
mod sizes;
mod statuses;
mod texts;

pub use self::texts::TEXT;
use super::{Act, Admission, Attack, Ends, Foreign, World};

/// An attack that has a test of its own, with admission on and with it bypassed, because it needs more than one object or one write.
pub struct Own {
    /// What is tried, for the page.
    pub what: &'static str,
    /// What becomes of it if admission is on.
    pub admission: &'static str,
    /// What becomes of it if admission is bypassed.
    pub bypassed: &'static str,
    /// The test with admission on. `None`: the other one is run in both ways.
    pub admitted: Option<&'static str>,
    /// The test with admission bypassed.
    pub test: &'static str,
}

/// The test that tries every row with admission on. Some rows are the one write of a longer attack that admission sees.
pub const ROWS: &str = "attacks::admitted::every_attack_through_admission_is_refused_or_harmless";

/// The rows under one heading.
pub struct Group {
    pub title: &'static str,
    pub rows: fn() -> Vec<Attack>,
}

/// Every group of rows.
pub const GROUPS: &[Group] = &[
    Group { title: "Somebody else's key", rows: keys::rows },
    Group { title: "Marks, claims and aliases in the spec", rows: settings::rows },
    Group { title: "Key policies", rows: policies::rows },
    Group { title: "Providers, namespaces and Secrets", rows: places::rows },
    Group { title: "What is published", rows: publish::rows },
    Group { title: "A forged status", rows: statuses::rows },
    Group { title: "Names, annotations, finalizers and owners", rows: objects::rows },
    Group { title: "Texts that look like something else", rows: texts::rows },
    Group { title: "Sizes", rows: sizes::rows },
];

/// Every row.
pub fn all() -> Vec<Attack> {
    GROUPS.iter().flat_map(|group| (group.rows)()).collect()
}

/// Attacks with a test of their own.
pub const OWN: &[Own] = &[
    Own {
        what: "10,000 objects in one namespace, so that the one object of another namespace waits behind them",
        admission: "accepted, as many as the ResourceQuota of the namespace lets through",
        bypassed: "namespaces take turns: at most the rounds that were begun already come first",
        admitted: Some("attacks::admitted::a_quota_bounds_the_objects_of_a_namespace"),
        test: "attacks::shared::ten_thousand_objects_do_not_delay_the_one_of_another_namespace",
    },
    Own {
        what: "Many objects whose annotation `keyward.dev/create-attempt` says that a creation was begun, so that the marks of all keys are read for each",
        admission: "accepted; the marks of all keys are read once in ten minutes at most, and these objects wait",
        bypassed: "the same",
        admitted: Some(ROWS),
        test: "attacks::shared::a_forged_record_of_a_creation_has_no_keys_read",
    },
    Own {
        what: "Objects in masses, whose keys cost money",
        admission: "refused by a ResourceQuota on `count/managedkeys.keyward.dev`",
        bypassed: "not limited by Keyward; the KMS has a quota of keys per account",
        admitted: Some("attacks::admitted::a_quota_bounds_the_objects_of_a_namespace"),
        test: "attacks::shared::ten_thousand_objects_do_not_delay_the_one_of_another_namespace",
    },
    Own {
        what: "`deletionScheduleDays` is set and removed again and again, and then on many objects, to use up the budget that all share",
        admission: "accepted; refused with the optional policies, unless the user has the verb `schedule-deletion`",
        bypassed: "a key counts once in the budget, and has one round at a time. With many keys the brake stops all deletions through the provider. Others lose this: their own deletions are held until an administrator resumes and each has its token. Bringing keys back goes on",
        admitted: Some("admission::policies::each_verb_lets_its_own_thing_pass_and_taking_back_is_for_everybody"),
        test: "attacks::shared::a_tenant_who_trips_the_brake_keeps_nobody_from_bringing_a_key_back",
    },
    Own {
        what: "A status says that a deletion was confirmed and is under way, where the provider demands a confirmation",
        admission: "refused: “only Keyward may write this status”",
        bypassed: "held: the word on the key does not say so",
        admitted: None,
        test: "attacks::shared::a_status_confirms_no_deletion",
    },
    Own {
        what: "Keyward's finalizer is removed by hand from an object with `deletionPolicy: Delete`, and the object is deleted",
        admission: "accepted; the object goes, and its key stays",
        bypassed: "the same",
        admitted: None,
        test: "attacks::shared::a_finalizer_that_is_removed_by_hand_takes_no_key_along",
    },
    Own {
        what: "`spec.primary` on a replica of a key that nobody has, so that the primary key of others becomes a replica",
        admission: "accepted; `OwnedByAnother`: a primary key is moved only if its marks name this namespace",
        bypassed: "the same",
        admitted: Some("attacks::admitted::the_primary_key_of_others_is_not_moved"),
        test: "replicas::moved::the_primary_key_of_others_is_not_moved",
    },
    Own {
        what: "A token that was used is used again",
        admission: "accepted; refused with the optional policies, unless the user has the verb `confirm-deletion`",
        bypassed: "held: a token is spent when its deletion was scheduled",
        admitted: None,
        test: "reconcile::held::a_token_is_spent",
    },
    Own {
        what: "A namespace is deleted and created again by another team, which creates an object of the same name",
        admission: "accepted; the object takes the key up, because the name is the identity",
        bypassed: "the same; for a day a deletion needs a token",
        admitted: None,
        test: "attacks::shared::a_namespace_that_changes_hands_gives_no_deletion",
    },
    Own {
        what: "A name in the spec comes back in the error of the KMS, with line feeds and escape sequences",
        admission: "accepted; told on one line",
        bypassed: "the same",
        admitted: None,
        test: "attacks::shared::the_text_of_an_error_is_told_on_one_line",
    },
    Own {
        what: "Such a text in a line of the log",
        admission: "accepted; one line, escaped",
        bypassed: "the same",
        admitted: Some(ROWS),
        test: "telemetry::tests::no_text_of_others_looks_like_a_line_of_its_own",
    },
    Own {
        what: "Such a text in the label of a metric",
        admission: "refused: names have no such characters",
        bypassed: "escaped",
        admitted: Some(ROWS),
        test: "metrics::tests::no_label_ends_before_its_end",
    },
    Own {
        what: "Metadata of 1.4 MB in many objects, to use up the operator's memory",
        admission: "accepted",
        bypassed: "a few kilobytes are kept of each, and lists are read 50 objects at a time",
        admitted: Some(ROWS),
        test: "controller::watched::tests::of_metadata_of_a_megabyte_little_is_kept",
    },
    Own {
        what: "Metadata that cannot be decoded, to end the watch of all objects",
        admission: "refused by the API server",
        bypassed: "that object is left alone, and the others are watched",
        admitted: Some("attacks::admitted::metadata_that_cannot_be_decoded_is_refused"),
        test: "controller::watched::tests::an_object_whose_metadata_cannot_be_decoded_keeps_its_name",
    },
    Own {
        what: "An older object with a forged status keeps a key from the object that may have it",
        admission: "refused: “only Keyward may write this status”",
        bypassed: "an object counts only if its own rules let it have the key",
        admitted: Some(ROWS),
        test: "reconcile::adoption::an_older_object_that_does_not_take_the_key_blocks_no_other",
    },
    Own {
        what: "A status says that the object had another's key, which is pending deletion and has no object any more. The object is deleted, to take the alert over",
        admission: "refused: “only Keyward may write this status”",
        bypassed: "the alert stays as it is: what only a status says replaces no entry of another object",
        admitted: Some(ROWS),
        test: "attacks::shared::a_forged_status_takes_over_no_alert",
    },
    Own {
        what: "Conditions of others fill a status, so that a deletion cannot be told",
        admission: "refused: “only Keyward may write this status”",
        bypassed: "Keyward makes room, or does not schedule",
        admitted: Some(ROWS),
        test: "faults::told::a_deletion_is_reported_in_a_status_that_others_filled",
    },
    Own {
        what: "`spec.publishTo` names a ConfigMap that others trust, or that another object publishes to; a status says that it is this object's",
        admission: "accepted, if the operator has the right to publish; a status is refused: “only Keyward may write this status”",
        bypassed: "the ConfigMap is left as it is: its controlling owner is not this object",
        admitted: Some("publishing::a_secret_of_somebody_else_is_left_and_never_logged"),
        test: "reconcile::publish::what_is_not_this_objects_is_neither_adopted_nor_overwritten_nor_removed",
    },
    Own {
        what: "`spec.publishTo` names a Secret of the namespace, to overwrite it, or to read it in the log",
        admission: "accepted, if the operator has the right to publish to Secrets",
        bypassed: "the Secret is left as it is, and no content of a Secret is logged",
        admitted: Some("publishing::a_secret_of_somebody_else_is_left_and_never_logged"),
        test: "reconcile::publish::what_is_not_this_objects_is_neither_adopted_nor_overwritten_nor_removed",
    },
    Own {
        what: "`spec.publishTo` in Keyward's own namespace, to write its cluster id or its credentials",
        admission: "refused: a tenant has no right in that namespace",
        bypassed: "`InvalidSpec`: Keyward publishes nothing in its own namespace",
        admitted: Some("attacks::admitted::a_tenant_writes_nothing_in_the_namespace_of_the_operator"),
        test: "reconcile::publish::nothing_is_published_in_keywards_own_namespace",
    },
    Own {
        what: "A status names another's key, or the spec another's alias, so that applications use that key",
        admission: "refused: “only Keyward may write this status”; the alias is accepted",
        bypassed: "what is published is a key with this object's marks, and an alias that this key has",
        admitted: Some(ROWS),
        test: "reconcile::publish::neither_a_forged_status_nor_a_wish_is_published",
    },
    Own {
        what: "An alias is taken from the key of another namespace, because its object no longer declares it",
        admission: "accepted",
        bypassed: "an alias moves only within one namespace and provider",
        admitted: Some(ROWS),
        test: "domain::tests::handover",
    },
    Own {
        what: "A `KeyGrant` asks for a grant of a key of another namespace: the `ManagedKey` that it names has a forged status",
        admission: "`keyRef` has no namespace; a status is refused: “only Keyward may write this status”",
        bypassed: "`OwnedByAnother`: the marks on the key say whose it is",
        admitted: Some(ROWS),
        test: "grants::refused::no_grant_is_made_of_the_key_of_another_namespace",
    },
    Own {
        what: "A `KeyGrant` for a principal or an operation that the provider does not list",
        admission: "accepted; `GrantNotAllowed`, and nothing is called",
        bypassed: "the same",
        admitted: Some("attacks::shared::grants_that_may_not_be_made"),
        test: "grants::refused::by_default_no_grant_is_made_and_nothing_is_called",
    },
    Own {
        what: "A principal that a pattern in `allow.grants` matches and that is somebody else: wildcards, colons in the name, other partitions, full-width digits",
        admission: "refused, or accepted; `InvalidSpec`",
        bypassed: "`InvalidSpec`: only the ARN of one principal is taken",
        admitted: Some("attacks::shared::grants_that_may_not_be_made"),
        test: "domain::tests::grant::a_grantee_is_the_arn_of_one_principal",
    },
    Own {
        what: "A grant of `CreateGrant` to an allowed principal, so that it gives access to others",
        admission: "accepted; `GrantNotAllowed`, unless the provider lists `CreateGrant` or `*`",
        bypassed: "the same",
        admitted: Some("attacks::shared::grants_that_may_not_be_made"),
        test: "domain::tests::grant::a_provider_admits_principals_and_operations_each_by_itself",
    },
    Own {
        what: "The status of a `KeyGrant` names the grant of another object, so that it is revoked",
        admission: "refused: “only Keyward may write this status”",
        bypassed: "only grants whose name has the UID of the object are revoked",
        admitted: Some("admission::status::nobody_but_the_operator_writes_a_status_unless_an_administrator_lets_them"),
        test: "grants::released::a_forged_status_leads_to_no_grant_of_another_object",
    },
];

const fn ready(reason: &'static str) -> Ends {
    Ends::Ready(reason)
}

/// Accepted, and the end is the same with and without admission.
fn accepted(name: &'static str, what: &'static str, act: Act, reason: &'static str) -> Attack {
    Attack { name, what, act, admission: Admission::Accepted(ready(reason)), bypassed: ready(reason) }
}

/// Refused by admission.
fn refused(name: &'static str, what: &'static str, act: Act, words: &'static str, bypassed: Ends) -> Attack {
    Attack { name, what, act, admission: Admission::Refused(words), bypassed }
}
