//! What may be behind a denied deletion at AWS. A policy can deny it by the waiting period and by the time since the last use of the key. AWS
//! says which kind of policy denies a call, and never which condition. So the message names both, with the values of this call.
//!
//! Sources: AWS KMS Developer Guide, "Condition keys for AWS KMS": `kms:ScheduleKeyDeletionPendingWindowInDays` and
//! `kms:TrailingDaysWithoutKeyUsage`.

use jiff::tz::TimeZone;

use crate::domain::{
    deletion::LastUse,
    failure::{Failure, FailureKind},
};

/// Adds to a denial of a scheduled deletion which conditions may be behind it.
pub(super) fn of_deletion(failure: Failure, days: i32, last_use: LastUse) -> Failure {
    let idle = idle(last_use);
    let conditions = format!(
        "if it is kms:ScheduleKeyDeletionPendingWindowInDays, declare a longer waiting period than the {days} days of this call; \
         if it is {idle}"
    );
    explained(failure, &conditions)
}

/// The same for a denial to disable a key.
pub(super) fn of_disabling(failure: Failure, last_use: LastUse) -> Failure {
    let idle = idle(last_use);
    explained(failure, &format!("if it is {idle}"))
}

fn explained(failure: Failure, conditions: &str) -> Failure {
    if failure.kind != FailureKind::Denied {
        return failure;
    }
    let message = format!("{}; AWS does not say whether a condition of a policy denies it: {conditions}", failure.message);
    Failure { message, ..failure }
}

/// It names the date of the last use and not the days since then, so that the message is the same every day.
fn idle(last_use: LastUse) -> String {
    let told = match last_use {
        LastUse::At(used) => format!("AWS reports its last use on {}", used.to_zoned(TimeZone::UTC).date()),
        LastUse::Never => "AWS reports no use of it, and counts the days since it was created".to_owned(),
        LastUse::Untold | LastUse::NotAsked => "its last use is not known here".to_owned(),
    };
    format!("kms:TrailingDaysWithoutKeyUsage, wait until the key was not used for longer ({told})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::failure::Outcome;

    fn failure(kind: FailureKind) -> Failure {
        Failure { kind, operation: "x", message: "AWS denies it".into(), outcome: Outcome::Refused, source: None }
    }

    #[test]
    fn a_denial_names_the_conditions_and_the_values_of_the_call() {
        let used = LastUse::At("2026-11-20T23:59:59Z".parse().unwrap());
        let denied = |last_use| of_deletion(failure(FailureKind::Denied), 9, last_use).message;
        assert_eq!(
            denied(used),
            "AWS denies it; AWS does not say whether a condition of a policy denies it: if it is kms:ScheduleKeyDeletionPendingWindowInDays, \
             declare a longer waiting period than the 9 days of this call; if it is kms:TrailingDaysWithoutKeyUsage, wait until the key was not \
             used for longer (AWS reports its last use on 2026-11-20)"
        );
        assert!(denied(LastUse::Never).ends_with("(AWS reports no use of it, and counts the days since it was created)"));
        assert!(denied(LastUse::Untold).ends_with("(its last use is not known here)"));
        let disabling = of_disabling(failure(FailureKind::Denied), used).message;
        assert!(disabling.contains("TrailingDaysWithoutKeyUsage") && !disabling.contains("PendingWindow"), "{disabling}");
    }

    #[test]
    fn only_a_denial_is_explained() {
        for kind in FailureKind::ALL.into_iter().filter(|kind| *kind != FailureKind::Denied) {
            assert_eq!(of_deletion(failure(kind), 7, LastUse::Never).message, "AWS denies it", "{kind:?}");
            assert_eq!(of_disabling(failure(kind), LastUse::Never).message, "AWS denies it", "{kind:?}");
        }
    }
}
