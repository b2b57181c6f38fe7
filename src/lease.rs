//! Leader election with a `coordination.k8s.io/v1` Lease, so that only one of several replicas acts on keys.
//!
//! Two replicas that act at the same time can work against each other on a key. So this module must never let two of them believe that they
//! hold the lease at the same time, whatever the network, the clocks and the scheduler do:
//!
//! - A renewal is valid until a deadline that is counted from **before** its request was sent. It ends earlier, by a grace period, than
//!   others wait. The grace period covers calls to a KMS that had already begun.
//! - The deadline is kept on two clocks. Every change checks both first ([`Held::is_held`]).
//! - Every write carries the resourceVersion that was read, so the API server lets one of two writers win.
//! - A lease of another process is taken only after this process has seen it unchanged for its whole duration, on its own clock.
//! - When it stops, it first reports "not held", and then writes the release.
//!
//! Because it reads the Lease all the time, it also notices when the Lease goes back to an earlier version (`Revision`).
//!
//! A lease does not fence calls: a call that was sent while the lease was held may arrive later. So the calls to a KMS are guarded as well.
//! One case is left open on purpose. If a person deletes the Lease of a running leader, and a replica starts in the same second, that
//! replica creates the Lease, and both act until the leader's next attempt. To close this case, every first start would have to wait for the
//! whole duration.
//!
//! Rights: `get`, `create` and `update` on leases, in the operator's namespace.
mod held;
mod revision;
mod step;

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

pub use self::held::{Held, Lost};
use self::held::{Moment, Standing};
pub(crate) use self::revision::{Revision, is_before};
use self::step::{Me, Record, Rival, Step, step};
use crate::telemetry::causes;

/// The timing of an election. All candidates for one lease use the same values.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long other candidates wait after the last renewal. It is written into the Lease, in whole seconds.
    pub duration: Duration,
    /// How much earlier than `duration` the holder stops. It is longer than one attempt of a call to a KMS.
    pub grace: Duration,
    /// The time from the start of one attempt to acquire or renew the lease to the start of the next.
    pub retry_period: Duration,
    /// The timeout of an attempt, and of the release.
    pub timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            grace: Duration::from_secs(5),
            retry_period: Duration::from_secs(2),
            timeout: Duration::from_secs(4),
        }
    }
}

impl Timing {
    /// How long the holder may act after a renewal.
    fn tenure(&self) -> Duration {
        self.duration.saturating_sub(self.grace)
    }
}

/// A candidate, and the lease that it wants.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The namespace of the Lease, which is the operator's own namespace.
    pub namespace: String,
    /// The name of the Lease.
    pub lease: String,
    /// The value for `spec.holderIdentity`. No two processes may share it, not even one after the other. A process that finds its own name
    /// there assumes that it holds the lease.
    pub identity: String,
    /// The timing.
    pub timing: Timing,
}

/// One candidacy, from the first read of the Lease to its release. Dropping it stops the renewals without a release.
#[derive(Debug)]
pub struct Election {
    standing: watch::Sender<Standing>,
    set_back: watch::Sender<u64>,
    campaign: AbortOnDropHandle<()>,
    api: Api<Lease>,
    candidate: Candidate,
}

impl Election {
    /// Starts to compete for the lease, in a task of its own.
    #[must_use]
    pub fn stand(client: kube::Client, candidate: Candidate) -> Self {
        let standing = watch::Sender::new(Standing::Joining);
        let set_back = watch::Sender::new(0);
        let api = Api::namespaced(client, &candidate.namespace);
        let elector = Elector {
            api: api.clone(),
            candidate: candidate.clone(),
            standing: standing.clone(),
            set_back: set_back.clone(),
            revision: Revision::default(),
            rival: None,
        };
        Self { standing, set_back, campaign: AbortOnDropHandle::new(tokio::spawn(elector.campaign())), api, candidate }
    }

    /// The leader check, for all code that changes something.
    #[must_use]
    pub fn held(&self) -> Held {
        Held::of(self.standing.subscribe(), self.set_back.subscribe())
    }

    /// Reports "not held", stops the renewals, and then writes the release, so that another replica can take over at once.
    ///
    /// Call it only when all work that began under the lease has ended. It takes at most the timeout of an attempt. If the release fails, that
    /// is logged, and the lease expires.
    pub async fn withdraw(self) {
        let Self { standing, set_back: _, campaign, api, candidate } = self;
        let before = standing.send_replace(Standing::Over(Lost::Withdrawn));
        campaign.abort();
        // The error of an aborted task says only that it was aborted. It cannot be a panic, because a panic ends the process.
        let _ended = campaign.await;
        if matches!(before, Standing::Joining | Standing::Over(_)) {
            return;
        }
        match tokio::time::timeout(candidate.timing.timeout, release(&api, &candidate)).await {
            Ok(Ok(true)) => info!(lease = candidate.lease, "released the lease"),
            Ok(Ok(false)) => debug!(lease = candidate.lease, "had no lease to release"),
            Ok(Err(error)) => {
                warn!(lease = candidate.lease, error = &error as &dyn std::error::Error, "could not release the lease; it will expire");
            }
            Err(_) => warn!(lease = candidate.lease, "no answer to the release of the lease; it will expire"),
        }
    }
}

/// Removes our name from the Lease. Returns false if it was not there.
async fn release(api: &Api<Lease>, candidate: &Candidate) -> kube::Result<bool> {
    let Some(mut lease) = api.get_opt(&candidate.lease).await? else { return Ok(false) };
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(candidate.identity.as_str()) {
        return Ok(false);
    }
    spec.holder_identity = None;
    // client-go does the same, for electors that check only the duration.
    spec.lease_duration_seconds = Some(1);
    spec.renew_time = Some(MicroTime(jiff::Timestamp::now()));
    api.replace(&candidate.lease, &PostParams::default(), &lease).await?;
    Ok(true)
}

/// The task that acquires and renews the lease.
struct Elector {
    api: Api<Lease>,
    candidate: Candidate,
    standing: watch::Sender<Standing>,
    /// Counts how often the storage of the API server went back to an earlier state.
    set_back: watch::Sender<u64>,
    revision: Revision,
    rival: Option<Rival>,
}

impl Elector {
    /// Tries again and again, until the lease is lost.
    async fn campaign(mut self) {
        let timing = self.candidate.timing;
        let mut failing = false;
        loop {
            let began = Instant::now();
            // The timeout is not longer than the rest of our time, so that a lost lease is reported at once and not one attempt later.
            let outcome = tokio::time::timeout(timing.timeout.min(self.left()), self.attempt()).await;
            let problem = match outcome {
                Ok(Ok(standing)) => {
                    self.tell(standing);
                    None
                }
                Ok(Err(error)) => Some(causes(&error)),
                Err(_) => Some("no answer in time".to_owned()),
            };
            match (&problem, failing) {
                (Some(problem), false) => {
                    warn!(lease = self.candidate.lease, problem, "an attempt to acquire or renew the lease failed; trying again");
                }
                (Some(problem), true) => {
                    debug!(lease = self.candidate.lease, problem, "an attempt to acquire or renew the lease failed again");
                }
                (None, true) => info!(lease = self.candidate.lease, "the leader election works again"),
                (None, false) => {}
            }
            failing = problem.is_some();
            if self.over() {
                return;
            }
            tokio::time::sleep(timing.retry_period.saturating_sub(began.elapsed()).min(self.left())).await;
        }
    }

    /// Reads the Lease, and writes it if we may.
    async fn attempt(&mut self) -> kube::Result<Standing> {
        let found = self.api.get_opt(&self.candidate.lease).await?;
        self.note(found.as_ref());
        let now = Instant::now();
        let record = found.as_ref().map(Record::from);
        let me = Me {
            identity: &self.candidate.identity,
            holds: matches!(*self.standing.borrow(), Standing::Holding(_)),
            duration: self.candidate.timing.duration,
        };
        let rival = Rival::remember(self.rival.take(), record.as_ref(), me, now);
        let step = step(record.as_ref(), rival.as_ref(), me, now);
        self.rival = rival;
        // The time counts from here, before the request is sent, because the API server cannot have accepted the write earlier.
        let until = Moment::now().plus(self.candidate.timing.tenure());
        let lease = found.unwrap_or_else(|| self.blank());
        match step {
            Step::Create => {
                let written = self.api.create(&PostParams::default(), &self.signed(lease, true)).await?;
                self.note(Some(&written));
                Ok(Standing::Holding(until))
            }
            Step::Take | Step::Renew => {
                let lease = self.signed(lease, step == Step::Take);
                let written = self.api.replace(&self.candidate.lease, &PostParams::default(), &lease).await?;
                self.note(Some(&written));
                Ok(Standing::Holding(until))
            }
            Step::Wait(holder) => {
                debug!(lease = self.candidate.lease, holder, "waiting for the lease");
                Ok(Standing::Waiting)
            }
            Step::Yield(Some(by)) => Ok(Standing::Over(Lost::Taken { lease: self.title(), by })),
            Step::Yield(None) => Ok(Standing::Over(Lost::Cleared { lease: self.title() })),
        }
    }

    /// Reports if the Lease is older than before. Then everything that was read may be from a state that no longer exists.
    fn note(&mut self, lease: Option<&Lease>) {
        let version = lease.and_then(|lease| lease.metadata.resource_version.as_deref());
        if self.revision.went_back(version) {
            self.set_back.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn blank(&self) -> Lease {
        let metadata = ObjectMeta {
            name: Some(self.candidate.lease.clone()),
            namespace: Some(self.candidate.namespace.clone()),
            ..ObjectMeta::default()
        };
        Lease { metadata, spec: None }
    }

    /// The Lease with our name in it. All other fields stay, and most importantly its resourceVersion.
    fn signed(&self, mut lease: Lease, taken: bool) -> Lease {
        let now = Some(MicroTime(jiff::Timestamp::now()));
        let spec: &mut LeaseSpec = lease.spec.get_or_insert_default();
        if taken {
            spec.acquire_time.clone_from(&now);
            spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |count| count.saturating_add(1)));
        }
        spec.renew_time = now;
        spec.holder_identity = Some(self.candidate.identity.clone());
        spec.lease_duration_seconds = Some(i32::try_from(self.candidate.timing.duration.as_secs()).unwrap_or(i32::MAX));
        lease
    }

    /// Namespace and name, for messages.
    fn title(&self) -> String {
        format!("{}/{}", self.candidate.namespace, self.candidate.lease)
    }

    /// How long we still hold the lease without another renewal. `Duration::MAX` if we do not hold it.
    fn left(&self) -> Duration {
        match *self.standing.borrow() {
            Standing::Holding(until) => until.remaining(Moment::now()),
            _ => Duration::MAX,
        }
    }

    /// Publishes the outcome of an attempt.
    fn tell(&self, next: Standing) {
        let (first, wait) = match (&*self.standing.borrow(), &next) {
            (Standing::Joining | Standing::Waiting, Standing::Holding(_)) => (true, false),
            (Standing::Joining, Standing::Waiting) => (false, true),
            _ => (false, false),
        };
        self.standing.send_if_modified(|standing| match standing {
            // After a withdrawal nothing changes any more. And a late renewal must not bring back a lease that others already know as lost.
            Standing::Over(_) => false,
            Standing::Holding(until) if until.passed(Moment::now()) => false,
            _ => {
                *standing = next;
                true
            }
        });
        if first {
            info!(lease = self.candidate.lease, identity = self.candidate.identity, "this process holds the lease and is the leader");
        } else if wait {
            info!(lease = self.candidate.lease, identity = self.candidate.identity, "waiting for the lease, which another process holds");
        }
    }

    /// Whether the candidacy has ended. It also notices when our time is over.
    fn over(&self) -> bool {
        let title = self.title();
        self.standing.send_if_modified(|standing| match standing {
            Standing::Holding(until) if until.passed(Moment::now()) => {
                *standing = Standing::Over(Lost::Expired { lease: title });
                true
            }
            _ => false,
        });
        matches!(*self.standing.borrow(), Standing::Over(_))
    }
}
