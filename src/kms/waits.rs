//! How long a call to a KMS may take, how long it waits for an answer, a retry, a turn within a quota, or a refresh, and how long a token lives. How fast
//! requests follow each other is in `src/kms/quota/rate.rs`.

use std::time::Duration;

// Calls.

/// The deadline of a connection.
pub const CONNECT: Duration = Duration::from_secs(2);
/// The deadline of one attempt. It is shorter than the grace period of the lease.
pub const ATTEMPT: Duration = Duration::from_secs(3);
/// The deadline of a call, with all its attempts and the waits between them.
pub const CALL: Duration = Duration::from_secs(10);
/// The wait before the second attempt. The next wait is twice as long. Both have jitter.
pub const FIRST_RETRY: Duration = Duration::from_millis(200);
/// How long an unused connection is kept.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(30);

// Tokens.

/// After a failed login no login is sent for this time. A valid token is still used.
pub const LOGIN_PAUSE: Duration = Duration::from_mins(1);
/// No token is taken to live longer.
pub const LONGEST_TOKEN: Duration = Duration::from_hours(24);
/// How long a token of `CipherTrust` lives if the server does not say it: 300 seconds.
pub const CIPHERTRUST_TOKEN: Duration = Duration::from_mins(5);
/// How long before its end a token of `CipherTrust` is renewed, and at most this part of its life.
pub const CIPHERTRUST_RENEWAL: (Duration, u32) = (Duration::from_mins(1), 5);
/// How long a token of `CipherTrust` is kept that was refused and never accepted. A refusal of a token that new is not caused by its age.
pub const CIPHERTRUST_UNPROVED: Duration = Duration::from_secs(30);
/// How long a token of Huawei's IAM lives if IAM does not say it, and at most.
pub const HUAWEI_TOKEN: Duration = Duration::from_hours(24);
/// How long a refused token of Huawei's IAM is kept after another was replaced.
pub const HUAWEI_REPLACED: Duration = Duration::from_mins(1);

// Turns within a quota.

/// A wait for a turn that is so short that the round keeps its worker permit.
pub const SHORT_TURN: Duration = Duration::from_millis(50);
/// The longest wait for a turn. After a longer one, what the round read before would be too old.
pub const LONGEST_TURN: Duration = Duration::from_mins(2);
/// The longest wait of a call that can destroy a key or harm another's. Its evidence was read right before, and must still hold when the request is sent.
pub const LONGEST_HASTE: Duration = Duration::from_secs(2);
/// The longest wait of a rescue. Its turns come before all others, so a longer wait means that something else is wrong.
pub const LONGEST_RESCUE: Duration = Duration::from_secs(10);
/// Spreads callers that waited, by at most half a turn. Without it, a program that keeps exactly to the pace of an exhausted quota would get every turn, and
/// others none.
pub const TURN_JITTER: Duration = Duration::from_millis(100);
/// How long a request without an answer counts as one that may not have arrived.
pub const ON_ITS_WAY: Duration = Duration::from_secs(1);
/// How late a client or a request may be and still catch up: timers are not exact.
pub const CATCH_UP: Duration = Duration::from_millis(50);
/// How soon to check again whether requests under way have arrived.
pub const ARRIVAL_CHECK: Duration = Duration::from_millis(20);
/// How long a caller that gives way waits before it checks again.
pub const GIVE_WAY: Duration = Duration::from_millis(20);

// CipherTrust.

/// How long a read waits for the request before it. A request that hangs must not delay the others.
pub const BATCH: Duration = Duration::from_secs(1);
/// How long to wait for the refresh of a key, from when it was requested.
pub const REFRESH: Duration = Duration::from_millis(2500);
/// How long an unfinished refresh prevents another one of the same key.
pub const REFRESH_UNFINISHED: Duration = Duration::from_mins(1);
/// How long one search waits for the end of a synchronisation.
pub const SYNCHRONISATION: Duration = Duration::from_secs(3);
/// How long after its start a finished synchronisation counts for further searches.
pub const SYNCHRONISED: Duration = Duration::from_secs(30);
/// The first wait for a refresh or a synchronisation. Each next wait is twice as long.
pub const FIRST_POLL: Duration = Duration::from_millis(50);

// Huawei.

/// The waits, one after the other, for a new key that Huawei does not show yet.
pub const NOT_SHOWN_YET: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800)];
