//! How long the parts of the program outside of the controller wait: the flags, the server for probes, the start and the stop. The times of the leader election are in
//! `Timing` of `src/lease.rs`.

use std::time::Duration;

/// The longest duration that a flag accepts. No flag needs more.
pub const LONGEST_FLAG: Duration = Duration::from_hours(24);
/// The time between two heartbeats.
pub const BEAT: Duration = Duration::from_secs(1);
/// If the last heartbeat is older than this, the process is not alive. A busy machine delays a task much less than this.
pub const STUCK: Duration = Duration::from_secs(30);
/// How long a stop of the server waits for requests in progress.
pub const SERVER_STOP: Duration = Duration::from_secs(1);
/// How long the controller may take to end after a stop. The limit is needed because a round may wait for a server that does not answer.
pub const CONTROLLER_STOP: Duration = Duration::from_secs(5);
/// The deadline of one request of the check at the start. Even after two in a row, the problem is logged within ten seconds.
pub const START_REQUEST: Duration = Duration::from_secs(4);
/// The time between two checks at the start while something is wrong.
pub const START_CHECK: Duration = Duration::from_secs(5);
