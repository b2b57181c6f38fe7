//! Turns what AWS answers into the words of the domain.
//!
//! What is missing or not known makes the answer unusable: it is never guessed, and nothing takes its place.

use aws_sdk_kms::{
    operation::{get_key_rotation_status::GetKeyRotationStatusOutput, schedule_key_deletion::ScheduleKeyDeletionOutput},
    primitives::DateTime,
    types::{
        KeyManagerType, KeyMetadata, KeySpec, KeyState, KeyUsageType, MultiRegionConfiguration, MultiRegionKey, MultiRegionKeyType,
        OriginType, RotationsListEntry,
    },
};
use jiff::Timestamp;

use super::arn::Arn;
use crate::{
    api::managed_key::KeyTemplate,
    domain::observed::{Key, MultiRegion, Rotation, State},
    kms::Scheduled,
};

/// What in an answer cannot be used, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

fn missing(member: &str) -> Unusable {
    Unusable(format!("it has no {member}"))
}

/// A key, without rotation, tags and aliases.
pub(super) fn key(metadata: &KeyMetadata) -> Result<Key, Unusable> {
    let arn = text(metadata.arn(), "Arn")?;
    let parts = Arn::parse(&arn).ok_or_else(|| Unusable(format!("its Arn is {arn}")))?;
    let (region, account) = (parts.region.to_owned(), parts.account.to_owned());
    let state = match metadata.key_state() {
        Some(known) => state(Some(known))?,
        None => by_the_rest(metadata)?,
    };
    Ok(Key {
        id: text(Some(metadata.key_id()), "KeyId")?,
        // The ARN has it as well, and is not optional to us.
        account: metadata.aws_account_id().map_or(account, str::to_owned),
        region,
        state,
        deletion_date: time(metadata.deletion_date())?.filter(|_| state == State::PendingDeletion),
        kind: KeyTemplate {
            spec: text(metadata.key_spec().map(KeySpec::as_str), "KeySpec")?,
            usage: text(metadata.key_usage().map(KeyUsageType::as_str), "KeyUsage")?,
            origin: text(metadata.origin().map(OriginType::as_str), "Origin")?,
            multi_region: metadata.multi_region().unwrap_or(false),
        },
        customer_managed: match metadata.key_manager() {
            Some(KeyManagerType::Customer) => true,
            Some(KeyManagerType::Aws) => false,
            Some(other) => return Err(Unusable(format!("its KeyManager is {other}"))),
            None => return Err(missing("KeyManager")),
        },
        multi_region: match (metadata.multi_region(), metadata.multi_region_configuration()) {
            (Some(true), Some(configuration)) => Some(multi_region(configuration)?),
            (Some(true), None) => return Err(missing("MultiRegionConfiguration")),
            _ => None,
        },
        description: metadata.description().unwrap_or_default().to_owned(),
        creation_time: time(metadata.creation_date())?,
        age: None,
        arn,
        rotation: None,
        rotations: None,
        tags: None,
        aliases: None,
        unread: std::collections::BTreeSet::new(),
        other_owner_exists: None,
    })
}

fn multi_region(configuration: &MultiRegionConfiguration) -> Result<MultiRegion, Unusable> {
    let arn = |key: &MultiRegionKey| text(key.arn(), "Arn in MultiRegionConfiguration");
    match configuration.multi_region_key_type() {
        Some(MultiRegionKeyType::Primary) => {
            Ok(MultiRegion::Primary(configuration.replica_keys().iter().map(arn).collect::<Result<_, _>>()?))
        }
        Some(MultiRegionKeyType::Replica) => {
            Ok(MultiRegion::Replica(arn(configuration.primary_key().ok_or_else(|| missing("PrimaryKey"))?)?))
        }
        Some(other) => Err(Unusable(format!("its MultiRegionKeyType is {other}"))),
        None => Err(missing("MultiRegionKeyType")),
    }
}

/// The state of a key of which AWS does not say `KeyState`, which it calls optional: what the other members leave, and nothing if they leave more than one.
fn by_the_rest(metadata: &KeyMetadata) -> Result<State, Unusable> {
    let ordinary = metadata.origin() == Some(&OriginType::AwsKms) && metadata.multi_region() != Some(true);
    match (metadata.deletion_date(), metadata.pending_deletion_window_in_days(), metadata.enabled()) {
        (Some(_), _, _) => Ok(State::PendingDeletion),
        (None, Some(_), _) => Ok(State::PendingReplicaDeletion),
        (None, None, true) => Ok(State::Enabled),
        // Only a key of another origin, or with replicas, can be neither enabled, disabled nor pending.
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

/// What `ScheduleKeyDeletion` answered.
pub(super) fn scheduled(output: &ScheduleKeyDeletionOutput) -> Result<Scheduled, Unusable> {
    let state = match (output.key_state(), output.deletion_date()) {
        (Some(known), _) => state(Some(known))?,
        // A date says that the key is pending; without one, its replicas hold it up.
        (None, Some(_)) => State::PendingDeletion,
        (None, None) if output.pending_window_in_days().is_some() => State::PendingReplicaDeletion,
        (None, None) => return Err(missing("KeyState")),
    };
    Ok(Scheduled { state, deletion_date: time(output.deletion_date())? })
}

/// What `GetKeyRotationStatus` answered.
pub(super) fn rotation(output: &GetKeyRotationStatusOutput) -> Result<Rotation, Unusable> {
    Ok(Rotation {
        enabled: output.key_rotation_enabled(),
        period_days: output.rotation_period_in_days(),
        next: time(output.next_rotation_date())?,
        last: None,
    })
}

/// The dates in a page of `ListKeyRotations`. An entry without one is of no rotation that was.
pub(super) fn rotations(entries: &[RotationsListEntry]) -> Result<Vec<Timestamp>, Unusable> {
    entries.iter().filter_map(|entry| time(entry.rotation_date()).transpose()).collect()
}

/// Whole seconds: AWS tells fractions for some times and not for others, and a status must not change for them.
fn time(time: Option<&DateTime>) -> Result<Option<Timestamp>, Unusable> {
    let read = |time: &DateTime| Timestamp::from_second(time.secs()).map_err(|_| Unusable(format!("a time in it is {time:?}")));
    time.map(read).transpose()
}

/// A text that has to be there. The SDK puts an empty one for a member that AWS calls required and that did not come.
pub(super) fn text(text: Option<&str>, member: &str) -> Result<String, Unusable> {
    text.filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| missing(member))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A test says what it expects by panicking.
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

    fn read(metadata: KeyMetadataBuilder) -> Result<Key, Unusable> {
        key(&metadata.build().unwrap())
    }

    #[test]
    fn every_member_finds_its_place() {
        assert_eq!(
            read(metadata()).unwrap(),
            Key {
                id: "1234".into(),
                arn: ARN.into(),
                account: "111122223333".into(),
                region: "eu-west-1".into(),
                state: State::Enabled,
                deletion_date: None,
                kind: KeyTemplate { spec: "RSA_2048".into(), usage: "SIGN_VERIFY".into(), origin: "EXTERNAL".into(), multi_region: false },
                customer_managed: true,
                multi_region: None,
                description: "order signing".into(),
                creation_time: Some(Timestamp::from_second(1_700_000_000).unwrap()),
                age: None,
                rotation: None,
                rotations: None,
                tags: None,
                aliases: None,
                unread: std::collections::BTreeSet::new(),
                other_owner_exists: None,
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
    fn a_state_that_is_not_said_is_what_the_rest_leaves() {
        let unsaid = || metadata().set_key_state(None).enabled(false).origin(OriginType::AwsKms);
        let date = DateTime::from_secs(1_800_000_000);
        for (metadata, state) in [
            (unsaid().enabled(true), Some(State::Enabled)),
            (unsaid(), Some(State::Disabled)),
            (unsaid().deletion_date(date), Some(State::PendingDeletion)),
            (unsaid().pending_deletion_window_in_days(7), Some(State::PendingReplicaDeletion)),
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
    fn what_is_missing_is_said() {
        let cases: [(KeyMetadataBuilder, &str); 8] = [
            (metadata().key_id(""), "KeyId"),
            (metadata().set_arn(None), "Arn"),
            (metadata().arn(""), "Arn"),
            (metadata().set_key_state(None).enabled(false).origin(OriginType::External), "KeyState"),
            (metadata().set_key_manager(None), "KeyManager"),
            (metadata().set_key_spec(None), "KeySpec"),
            (metadata().set_key_usage(None), "KeyUsage"),
            (metadata().set_origin(None), "Origin"),
        ];
        for (metadata, member) in cases {
            assert_eq!(read(metadata).unwrap_err(), missing(member));
        }
        assert_eq!(read(metadata().arn("no arn")).unwrap_err(), Unusable("its Arn is no arn".into()));
        assert_eq!(read(metadata().multi_region(true)).unwrap_err(), missing("MultiRegionConfiguration"));
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
        assert!(configured(MultiRegionConfiguration::builder().build()).is_err());
    }

    #[test]
    fn a_schedule_may_have_no_date() {
        let output = ScheduleKeyDeletionOutput::builder().key_id(ARN).key_state(KeyState::PendingReplicaDeletion).build();
        assert_eq!(scheduled(&output).unwrap(), Scheduled { state: State::PendingReplicaDeletion, deletion_date: None });
        assert_eq!(scheduled(&ScheduleKeyDeletionOutput::builder().build()).unwrap_err(), missing("KeyState"));
    }
}
