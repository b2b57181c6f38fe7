//! How long a call to a KMS may take, and how long it waits for an answer, a retry, a turn within a quota, or a refresh. How fast requests follow each other is
//! in `src/kms/quota/rate.rs`.

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
/// After a failed login no login is sent for this time. A valid token is still used.
pub const LOGIN_PAUSE: Duration = Duration::from_mins(1);

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
