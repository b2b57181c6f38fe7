//! How long something counts in a decision about a key. When an object is looked at again is in [`super::requeue`].

use jiff::SignedDuration;

// Clocks.

/// By how much the clock of the KMS and ours may differ. If they differ by more, AWS refuses the requests (IAM User Guide, "Troubleshoot
/// Signature Version 4").
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);
/// An attempt that began so long before its object was made is certainly not that object's own. Clocks differ by less. A KMS shows the key of an attempt
/// sooner, so there is nothing to wait for. If a clock was further behind than this, then an object's own attempt of an earlier version is void as well.
pub const SURELY_BEFORE: SignedDuration = SignedDuration::from_mins(15);
/// A record of times has whole seconds, so a time in it may be earlier than the event by almost this much.
pub const ROUNDED: SignedDuration = SignedDuration::from_secs(1);

// Deletions.

/// How long an open call of ours may be sent again.
pub const OPEN_CALL: SignedDuration = SignedDuration::from_mins(15);
/// For how long after a take-up a deletion needs a confirmation: the name alone is weak evidence that the key is this object's.
pub const TAKEN_UP_LATELY: SignedDuration = SignedDuration::from_hours(24);
/// For how long an entry of the provider's book counts.
pub const BOOKED: SignedDuration = SignedDuration::from_hours(1);
/// After its date, a key can stay for this time: AWS deletes a key up to 24 hours after its date (AWS KMS, "Delete an AWS KMS key").
pub const AFTER_ITS_DATE: SignedDuration = SignedDuration::from_hours(24);

// Rotations.

/// AWS refuses a rotation on demand if an automatic one is as near as this (AWS KMS API reference, `RotateKeyOnDemand`, `ConflictException`).
pub const AUTOMATIC_ROTATION_NEAR: SignedDuration = SignedDuration::from_mins(20);
/// How long the KMS is asked in each round for a rotation that it accepted. After that it is asked only together with something else.
pub const ROTATION_AWAITED: SignedDuration = SignedDuration::from_hours(1);
