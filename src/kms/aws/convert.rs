//! Converts AWS's answers to the types of the domain.
//!
//! If a required member is missing, or a value is not known, the answer cannot be used. An absent optional member stays unknown: nothing is
//! guessed.

use aws_sdk_kms::{
    operation::{
        get_key_last_usage::GetKeyLastUsageOutput, get_key_rotation_status::GetKeyRotationStatusOutput,
        schedule_key_deletion::ScheduleKeyDeletionOutput,
    },
    primitives::DateTime,
    types::{
        AliasListEntry, KeyLastUsageData, KeyListEntry, KeyManagerType, KeyMetadata, KeySpec, KeyState, KeyUsageType,
        MultiRegionConfiguration, MultiRegionKey, MultiRegionKeyType, OriginType, RotationType as AwsRotation, RotationsListEntry,
    },
};
use jiff::Timestamp;

use super::arn::{self, Arn};
use crate::{
    api::managed_key::{KeyTemplate, RotationType},
    domain::{
        deletion::LastUse,
        observed::{Facets, Key, MultiRegion, Rotated, Rotation, Rotations, State},
        orphans::Pointer,
    },
    kms::Scheduled,
};

/// Why an answer cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

pub(super) fn missing(member: &str) -> Unusable {
    Unusable(format!("it has no {member}"))
}

/// What was asked about, and where. It completes an answer that has no ARN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// An id, an ARN or an alias; empty for a key that was just made.
    pub(super) reference: &'a str,
    /// The client's Region.
    pub(super) region: &'a str,
    /// The client's account, once it is known.
    pub(super) account: Option<&'a str>,
}

/// A key, without rotation, tags and aliases. AWS's model requires only `KeyId`. Without an ARN, it follows from what was asked about. If
/// nothing tells the state, the answer cannot be used. Everything else that is absent stays unknown.
pub(super) fn key(metadata: &KeyMetadata, asked: Asked<'_>) -> Result<Key, Unusable> {
    let state = match metadata.key_state() {
        Some(known) => state(Some(known))?,
        None => by_the_rest(metadata)?,
    };
    key_in(state, metadata, asked)
}

/// A replica that was just made. If nothing tells its state, it is the one that every new replica has (API reference of `ReplicateKey`).
pub(super) fn new_replica(metadata: &KeyMetadata, asked: Asked<'_>) -> Result<Key, Unusable> {
    let state = metadata.key_state().map_or(Ok(State::Creating), |known| state(Some(known)))?;
    key_in(state, metadata, asked)
}

fn key_in(state: State, metadata: &KeyMetadata, asked: Asked<'_>) -> Result<Key, Unusable> {
    let id = text(Some(metadata.key_id()), "KeyId")?;
    let arn = if let Some(arn) = filled(metadata.arn()) {
        arn.to_owned()
    } else {
        let account = filled(metadata.aws_account_id()).or(asked.account);
        arn::of_key(&id, asked.reference, asked.region, account).ok_or_else(|| missing("Arn"))?
    };
    let parts = Arn::parse(&arn).ok_or_else(|| Unusable(format!("its Arn is {arn}")))?;
    let (region, account) = (parts.region.to_owned(), parts.account.to_owned());
    Ok(Key {
        id,
        // The ARN has it as well.
        account: metadata.aws_account_id().map_or(account, str::to_owned),
        region,
        state,
        deletion_date: time(metadata.deletion_date())?.filter(|_| state == State::PendingDeletion),
        kind: KeyTemplate {
            spec: metadata.key_spec().map(KeySpec::as_str).or(older_spec(metadata)).unwrap_or_default().to_owned(),
            usage: metadata.key_usage().map(KeyUsageType::as_str).unwrap_or_default().to_owned(),
            origin: metadata.origin().map(OriginType::as_str).unwrap_or_default().to_owned(),
            multi_region: is_multi_region(metadata),
            custom_key_store_id: filled(metadata.custom_key_store_id()).map(str::to_owned),
            xks_key_id: metadata.xks_key_configuration().and_then(|external| filled(external.id())).map(str::to_owned),
        },
        customer_managed: match metadata.key_manager() {
            // Nobody can tag a key that AWS manages.
            Some(KeyManagerType::Customer) | None => true,
            Some(KeyManagerType::Aws) => false,
            Some(other) => return Err(Unusable(format!("its KeyManager is {other}"))),
        },
        multi_region: match metadata.multi_region_configuration().filter(|_| is_multi_region(metadata)) {
            Some(configuration) => multi_region(configuration)?,
            None => None,
        },
        description: metadata.description().map(str::to_owned),
        creation_time: time(metadata.creation_date())?,
        age: None,
        arn,
        name: None,
        rotation: None,
        rotations: None,
        tags: None,
        aliases: None,
        policy: None,
        unread: Facets::NONE,
    })
}

/// Whether it is a multi-Region key. The id tells it as well (AWS KMS Developer Guide, "How multi-Region keys work").
fn is_multi_region(metadata: &KeyMetadata) -> bool {
    metadata.multi_region().unwrap_or_else(|| metadata.key_id().starts_with("mrk-"))
}

/// The spec, from the member with the older name.
#[allow(deprecated, clippy::redundant_closure_for_method_calls, reason = "the name of its type is deprecated, and AWS answers both")]
fn older_spec(metadata: &KeyMetadata) -> Option<&str> {
    metadata.customer_master_key_spec().map(|spec| spec.as_str())
}

/// Whether the key is a primary or a replica; `None` if AWS does not tell it.
fn multi_region(configuration: &MultiRegionConfiguration) -> Result<Option<MultiRegion>, Unusable> {
    let arn = |key: &MultiRegionKey| filled(key.arn()).map(str::to_owned);
    match configuration.multi_region_key_type() {
        Some(MultiRegionKeyType::Primary) => Ok(Some(MultiRegion::Primary(configuration.replica_keys().iter().filter_map(arn).collect()))),
        Some(MultiRegionKeyType::Replica) => Ok(configuration.primary_key().and_then(arn).map(MultiRegion::Replica)),
        Some(other) => Err(Unusable(format!("its MultiRegionKeyType is {other}"))),
        None => Ok(None),
    }
}

/// The state of a key, if AWS leaves out `KeyState`, which is optional: the only one that fits the other members, or an error. `call` has
/// checked that the answer tells something about the state, so `Enabled` is really false and not absent.
fn by_the_rest(metadata: &KeyMetadata) -> Result<State, Unusable> {
    let ordinary = metadata.origin() == Some(&OriginType::AwsKms) && !is_multi_region(metadata);
    match (metadata.deletion_date(), metadata.pending_deletion_window_in_days(), metadata.enabled()) {
        (Some(_), _, _) => Ok(State::PendingDeletion),
        (None, Some(_), _) => Ok(State::PendingReplicaDeletion),
        (None, None, true) => Ok(State::Enabled),
        // Only a key of another origin, or one with replicas, can have a state besides enabled, disabled and pending.
        (None, None, false) if ordinary => Ok(State::Disabled),
        (None, None, false) => Err(missing("KeyState")),
    }
}

fn state(state: Option<&KeyState>) -> Result<State, Unusable> {
    match state {
        Some(KeyState::Creating) => Ok(State::Creating),
        Some(KeyState::Enabled) => Ok(State::Enabled),
        Some(KeyState::Disabled) => Ok(State::Disabled),
        Some(KeyState::PendingDeletion) => Ok(State::PendingDeletion),
        Some(KeyState::PendingImport) => Ok(State::PendingImport),
        Some(KeyState::PendingReplicaDeletion) => Ok(State::PendingReplicaDeletion),
        Some(KeyState::Unavailable) => Ok(State::Unavailable),
        Some(KeyState::Updating) => Ok(State::Updating),
        Some(other) => Err(Unusable(format!("its KeyState is {other}"))),
        None => Err(missing("KeyState")),
    }
}

/// The ARN of a key from the list of all keys.
pub(super) fn listed(entry: &KeyListEntry, asked: Asked<'_>) -> Result<String, Unusable> {
    let made = || filled(entry.key_id()).and_then(|id| arn::of_key(id, asked.reference, asked.region, asked.account));
    filled(entry.key_arn()).map(str::to_owned).or_else(made).ok_or_else(|| missing("KeyArn"))
}

/// An alias from the list of all aliases, with its key if the answer has it.
pub(super) fn pointer(entry: &AliasListEntry, asked: Asked<'_>) -> Result<Pointer, Unusable> {
    let alias = text(entry.alias_name(), "AliasName")?;
    // The ARN of the alias names the account and Region of its key.
    let reference = filled(entry.alias_arn()).unwrap_or(asked.reference);
    let key = filled(entry.target_key_id())
        .map(|id| arn::of_key(id, reference, asked.region, asked.account).ok_or_else(|| missing("AliasArn")))
        .transpose()?;
    Ok(Pointer { alias, key })
}

/// The answer to `ScheduleKeyDeletion`.
pub(super) fn scheduled(output: &ScheduleKeyDeletionOutput) -> Result<Scheduled, Unusable> {
    let state = match (output.key_state(), output.deletion_date()) {
        (Some(known), _) => state(Some(known))?,
        // With a date the key is pending; without one it waits for its replicas.
        (None, Some(_)) => State::PendingDeletion,
        (None, None) if output.pending_window_in_days().is_some() => State::PendingReplicaDeletion,
        (None, None) => return Err(missing("KeyState")),
    };
    Ok(Scheduled { state, deletion_date: time(output.deletion_date())? })
}

/// The answer to `GetKeyRotationStatus`.
pub(super) fn rotation(output: &GetKeyRotationStatusOutput) -> Result<Rotation, Unusable> {
    Ok(Rotation {
        enabled: output.key_rotation_enabled(),
        period_days: output.rotation_period_in_days(),
        next: time(output.next_rotation_date())?,
        last: None,
        rotating_since: time(output.on_demand_rotation_start_date())?,
    })
}

/// The rotations in a page of `ListKeyRotations`. An entry without a date is not a past rotation.
pub(super) fn rotations(entries: &[RotationsListEntry]) -> Result<Rotations, Unusable> {
    let mut listed = Vec::new();
    for entry in entries {
        let kind = match entry.rotation_type() {
            Some(AwsRotation::Automatic) => Some(RotationType::Automatic),
            Some(AwsRotation::OnDemand) => Some(RotationType::OnDemand),
            _ => None,
        };
        listed.extend(time(entry.rotation_date())?.map(|date| Rotated { date, kind }));
    }
    Ok(Rotations(listed))
}

pub(super) fn last_use(usage: &GetKeyLastUsageOutput) -> Result<LastUse, Unusable> {
    let used = usage.key_last_usage().and_then(KeyLastUsageData::timestamp);
    if let Some(used) = time(used)? {
        return Ok(LastUse::At(used));
    }
    let (made, tracked) = (time(usage.key_creation_date())?, time(usage.tracking_start_date())?);
    Ok(if made.zip(tracked).is_some_and(|(made, tracked)| made >= tracked) { LastUse::Never } else { LastUse::Untold })
}

/// A time in whole seconds. AWS tells fractions of a second only sometimes, and a status must not change because of them.
fn time(time: Option<&DateTime>) -> Result<Option<Timestamp>, Unusable> {
    let read = |time: &DateTime| Timestamp::from_second(time.secs()).map_err(|_| Unusable(format!("a time in it is {time:?}")));
    time.map(read).transpose()
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// A required text. The SDK puts an empty text for a required member that is missing.
pub(super) fn text(text: Option<&str>, member: &str) -> Result<String, Unusable> {
    filled(text).map(str::to_owned).ok_or_else(|| missing(member))
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::types::builders::KeyMetadataBuilder;

    use super::*;

    const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234";

    fn metadata() -> KeyMetadataBuilder {
        KeyMetadata::builder()
            .aws_account_id("111122223333")
            .key_id("1234")
            .arn(ARN)
            .creation_date(DateTime::from_secs_and_nanos(1_700_000_000, 987_000_000))
            .description("order signing")
            .key_state(KeyState::Enabled)
            .key_manager(KeyManagerType::Customer)
            .key_spec(KeySpec::Rsa2048)
            .key_usage(KeyUsageType::SignVerify)
            .origin(OriginType::External)
            .multi_region(false)
    }

    fn asked<'a>(reference: &'a str, account: Option<&'a str>) -> Asked<'a> {
        Asked { reference, region: "eu-west-1", account }
    }

    fn read(metadata: KeyMetadataBuilder) -> Result<Key, Unusable> {
        key(&metadata.build().unwrap(), asked("1234", Some("111122223333")))
    }

    #[test]
    fn a_key_was_never_used_only_if_all_its_life_is_on_record() {
        let at = DateTime::from_secs;
        let usage = |made: Option<i64>, used: Option<i64>, tracked: Option<i64>| {
            let usage = GetKeyLastUsageOutput::builder().key_id(ARN);
            let data = KeyLastUsageData::builder().set_timestamp(used.map(at)).build();
            last_use(&usage.key_last_usage(data).set_key_creation_date(made.map(at)).set_tracking_start_date(tracked.map(at)).build())
                .unwrap()
        };
        assert_eq!(usage(Some(5), Some(9), Some(7)), LastUse::At(Timestamp::from_second(9).unwrap()));
        assert_eq!(usage(Some(7), None, Some(7)), LastUse::Never);
        assert_eq!(usage(Some(6), None, Some(7)), LastUse::Untold);
        assert_eq!((usage(None, None, Some(7)), usage(Some(7), None, None)), (LastUse::Untold, LastUse::Untold));
        assert!(
            last_use(&GetKeyLastUsageOutput::builder().key_last_usage(KeyLastUsageData::builder().timestamp(at(i64::MAX)).build()).build())
                .is_err()
        );
    }

    #[test]
    fn every_member_is_converted() {
        assert_eq!(
            read(metadata()).unwrap(),
            Key {
                id: "1234".into(),
                arn: ARN.into(),
                account: "111122223333".into(),
                region: "eu-west-1".into(),
                state: State::Enabled,
                deletion_date: None,
                kind: KeyTemplate {
                    spec: "RSA_2048".into(),
                    usage: "SIGN_VERIFY".into(),
                    origin: "EXTERNAL".into(),
                    ..KeyTemplate::default()
                },
                customer_managed: true,
                multi_region: None,
                description: Some("order signing".into()),
                creation_time: Some(Timestamp::from_second(1_700_000_000).unwrap()),
                age: None,
                name: None,
                rotation: None,
                rotations: None,
                tags: None,
                aliases: None,
                policy: None,
                unread: Facets::NONE,
            }
        );
    }

    #[test]
    fn every_state_is_read_and_no_other_is_guessed() {
        let known = [
            ("Creating", State::Creating),
            ("Enabled", State::Enabled),
            ("Disabled", State::Disabled),
            ("PendingDeletion", State::PendingDeletion),
            ("PendingImport", State::PendingImport),
            ("PendingReplicaDeletion", State::PendingReplicaDeletion),
            ("Unavailable", State::Unavailable),
            ("Updating", State::Updating),
        ];
        assert_eq!(known.map(|(_, state)| state), State::ALL);
        for (name, expected) in known {
            assert_eq!(read(metadata().key_state(KeyState::from(name))).unwrap().state, expected);
        }
        let unknown = read(metadata().key_state(KeyState::from("Dreaming"))).unwrap_err();
        assert_eq!(unknown, Unusable("its KeyState is Dreaming".into()));
    }

    #[test]
    fn a_missing_state_follows_from_the_other_members() {
        let unsaid = || metadata().set_key_state(None).enabled(false).origin(OriginType::AwsKms);
        let date = DateTime::from_secs(1_800_000_000);
        for (metadata, state) in [
            (unsaid().enabled(true), Some(State::Enabled)),
            (unsaid(), Some(State::Disabled)),
            (unsaid().deletion_date(date), Some(State::PendingDeletion)),
            (unsaid().pending_deletion_window_in_days(7), Some(State::PendingReplicaDeletion)),
            (unsaid().key_id("mrk-1").arn(format!("{ARN}mrk-1")).set_multi_region(None), None),
            (unsaid().multi_region(true), None),
            (unsaid().origin(OriginType::External), None),
            (unsaid().origin(OriginType::AwsCloudhsm), None),
        ] {
            assert_eq!(read(metadata).ok().map(|key| key.state), state);
        }
        let output = ScheduleKeyDeletionOutput::builder().key_id(ARN);
        let pending = scheduled(&output.clone().deletion_date(date).build()).unwrap();
        assert_eq!((pending.state, pending.deletion_date.is_some()), (State::PendingDeletion, true));
        assert_eq!(scheduled(&output.pending_window_in_days(7).build()).unwrap().state, State::PendingReplicaDeletion);
    }

    #[test]
    fn a_deletion_date_is_told_only_while_pending() {
        let dated = |state: KeyState| read(metadata().key_state(state).deletion_date(DateTime::from_secs(1_800_000_000))).unwrap();
        assert_eq!(dated(KeyState::PendingDeletion).deletion_date, Some(Timestamp::from_second(1_800_000_000).unwrap()));
        assert_eq!(dated(KeyState::Enabled).deletion_date, None);
        assert_eq!(dated(KeyState::PendingReplicaDeletion).deletion_date, None);
    }

    #[test]
    fn a_missing_member_is_named() {
        let cases: [(KeyMetadataBuilder, &str); 3] = [
            (metadata().key_id(""), "KeyId"),
            (metadata().set_key_state(None).enabled(false).origin(OriginType::External), "KeyState"),
            (metadata().set_key_state(None).enabled(false).set_origin(None), "KeyState"),
        ];
        for (metadata, member) in cases {
            assert_eq!(read(metadata).unwrap_err(), missing(member));
        }
        assert_eq!(read(metadata().arn("no arn")).unwrap_err(), Unusable("its Arn is no arn".into()));
        let nobody_s = key(&metadata().set_arn(None).set_aws_account_id(None).build().unwrap(), asked("1234", None));
        assert_eq!(nobody_s.unwrap_err(), missing("Arn"));
    }

    #[test]
    fn each_optional_member_may_be_absent_and_none_is_guessed() {
        let whole = read(metadata()).unwrap();
        let kind = |change: fn(&mut KeyTemplate)| {
            let mut kind = whole.kind.clone();
            change(&mut kind);
            Key { kind, ..whole.clone() }
        };
        let cases = [
            ("AWSAccountId", metadata().set_aws_account_id(None), whole.clone()),
            ("Arn", metadata().set_arn(None), whole.clone()),
            ("an empty Arn", metadata().arn(""), whole.clone()),
            ("CreationDate", metadata().set_creation_date(None), Key { creation_time: None, ..whole.clone() }),
            ("Description", metadata().set_description(None), Key { description: None, ..whole.clone() }),
            ("KeyManager", metadata().set_key_manager(None), whole.clone()),
            ("KeySpec", metadata().set_key_spec(None), kind(|kind| kind.spec.clear())),
            ("KeyUsage", metadata().set_key_usage(None), kind(|kind| kind.usage.clear())),
            ("Origin", metadata().set_origin(None), kind(|kind| kind.origin.clear())),
            ("MultiRegion", metadata().set_multi_region(None), whole.clone()),
            ("MultiRegionConfiguration", metadata().multi_region(true), kind(|kind| kind.multi_region = true)),
        ];
        for (member, metadata, expected) in cases {
            assert_eq!(read(metadata).unwrap(), expected, "{member}");
        }
        let bare = key(&KeyMetadata::builder().key_id("mrk-1").key_state(KeyState::Disabled).build().unwrap(), asked("mrk-1", Some("2")));
        let bare = bare.unwrap();
        assert_eq!(
            (bare.arn.as_str(), bare.account.as_str(), bare.region.as_str()),
            ("arn:aws:kms:eu-west-1:2:key/mrk-1", "2", "eu-west-1")
        );
        assert_eq!((bare.state, bare.kind.multi_region, bare.multi_region), (State::Disabled, true, None));
        #[allow(deprecated, reason = "AWS answers both")]
        let older = metadata().set_key_spec(None).customer_master_key_spec(aws_sdk_kms::types::CustomerMasterKeySpec::Rsa2048);
        assert_eq!(read(older).unwrap(), whole);
    }

    #[test]
    fn names_that_are_new_are_kept_as_they_are() {
        let new =
            metadata().key_spec(KeySpec::from("FUTURE_1")).key_usage(KeyUsageType::from("FUTURE_2")).origin(OriginType::from("FUTURE_3"));
        let kind = read(new).unwrap().kind;
        assert_eq!((kind.spec.as_str(), kind.usage.as_str(), kind.origin.as_str()), ("FUTURE_1", "FUTURE_2", "FUTURE_3"));
    }

    #[test]
    fn keys_of_an_aws_service_are_told_apart() {
        assert!(!read(metadata().key_manager(KeyManagerType::Aws)).unwrap().customer_managed);
        assert!(read(metadata().key_manager(KeyManagerType::from("ROBOT"))).is_err());
    }

    #[test]
    fn primaries_list_their_replicas_and_replicas_their_primary() {
        let at = |arn: &str| MultiRegionKey::builder().arn(arn).region("us-east-1").build();
        let configured = |configuration: MultiRegionConfiguration| {
            read(metadata().multi_region(true).multi_region_configuration(configuration)).map(|key| key.multi_region)
        };
        let primary = MultiRegionConfiguration::builder().multi_region_key_type(MultiRegionKeyType::Primary).primary_key(at(ARN));
        assert_eq!(configured(primary.clone().build()).unwrap(), Some(MultiRegion::Primary(Vec::new())));
        assert_eq!(
            configured(primary.clone().replica_keys(at("a")).replica_keys(at("b")).build()).unwrap(),
            Some(MultiRegion::Primary(vec!["a".into(), "b".into()]))
        );
        let replica = primary.replica_keys(at("a")).multi_region_key_type(MultiRegionKeyType::Replica);
        assert_eq!(configured(replica.build()).unwrap(), Some(MultiRegion::Replica(ARN.into())));
        assert_eq!(configured(MultiRegionConfiguration::builder().build()).unwrap(), None, "it is not told");
        let nameless = MultiRegionConfiguration::builder().multi_region_key_type(MultiRegionKeyType::Replica).build();
        assert_eq!(configured(nameless).unwrap(), None);
        let unheard = MultiRegionConfiguration::builder().multi_region_key_type(MultiRegionKeyType::from("COUSIN"));
        assert!(configured(unheard.build()).is_err());
    }

    #[test]
    fn a_schedule_may_have_no_date() {
        let output = ScheduleKeyDeletionOutput::builder().key_id(ARN).key_state(KeyState::PendingReplicaDeletion).build();
        assert_eq!(scheduled(&output).unwrap(), Scheduled { state: State::PendingReplicaDeletion, deletion_date: None });
        assert_eq!(scheduled(&ScheduleKeyDeletionOutput::builder().build()).unwrap_err(), missing("KeyState"));
    }
}
