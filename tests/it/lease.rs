//! Leader election on a real API server, while everything around it fails.
//!
//! Each test is a way in which two replicas could come to act at once, or in which none would.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use k8s_openapi::api::coordination::v1::Lease;
use keyward::lease::{Candidate, Election, Held, Lost, Timing};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use crate::support::control_plane::{ControlPlane, shared};
use crate::support::eventually;
use crate::support::program::{Killed, signal, tied};
use crate::support::proxy::{Mode, Proxy};

const LEASE: &str = "keyward";
const WITHIN: Duration = Duration::from_mins(1);

/// Short, but with a tenure (duration less grace) that a busy machine does not use up between two turns.
const TIMING: Timing = Timing {
    duration: Duration::from_secs(6),
    grace: Duration::from_secs(2),
    retry_period: Duration::from_millis(200),
    timeout: Duration::from_millis(1500),
};

/// A namespace of the test's own, with the operator's rights in it and no others.
struct Place {
    namespace: String,
    kubeconfig: PathBuf,
}

impl Place {
    async fn new() -> Self {
        let namespace = shared().namespace("lease").await;
        let kubeconfig = shared().service_account_kubeconfig(&namespace).await;
        Self { namespace, kubeconfig }
    }

    fn candidate(&self, identity: &str, timing: Timing) -> Candidate {
        Candidate { namespace: self.namespace.clone(), lease: LEASE.into(), identity: identity.into(), timing }
    }

    async fn stand(&self, identity: &str) -> Election {
        Election::stand(shared().client_of(&self.kubeconfig).await, self.candidate(identity, TIMING))
    }

    /// Stands and waits until the lease is held.
    async fn lead(&self, identity: &str) -> Election {
        let election = self.stand(identity).await;
        acquired(&election.held()).await;
        election
    }

    /// Stands and waits until it has seen the lease.
    async fn stand_by(&self, identity: &str) -> Election {
        let election = self.stand(identity).await;
        joined(&election.held()).await;
        election
    }

    /// Leads, with all its traffic through a proxy.
    async fn lead_through_proxy(&self, identity: &str) -> (Election, Proxy) {
        let mut config =
            Config::from_custom_kubeconfig(Kubeconfig::read_from(&self.kubeconfig).unwrap(), &KubeConfigOptions::default()).await.unwrap();
        let target = format!("127.0.0.1:{}", config.cluster_url.port_u16().unwrap());
        let proxy = Proxy::start(target.parse().unwrap()).await;
        config.cluster_url = format!("https://{}", proxy.address).parse().unwrap();
        let election = Election::stand(Client::try_from(config).unwrap(), self.candidate(identity, TIMING));
        acquired(&election.held()).await;
        (election, proxy)
    }

    /// The Lease, as an administrator sees and changes it.
    async fn leases(&self) -> Api<Lease> {
        Api::namespaced(shared().client().await, &self.namespace)
    }

    async fn holder(&self) -> Option<String> {
        self.leases().await.get(LEASE).await.unwrap().spec.unwrap().holder_identity
    }
}

async fn joined(held: &Held) {
    tokio::time::timeout(WITHIN, held.joined()).await.expect("reads the lease");
}

async fn acquired(held: &Held) {
    tokio::time::timeout(WITHIN, held.acquired()).await.expect("holds the lease");
}

async fn lost(held: &Held) -> Lost {
    tokio::time::timeout(WITHIN, held.lost()).await.expect("loses the lease")
}

/// Asks two candidates all the time who of them holds.
struct Watch {
    stop: Arc<AtomicBool>,
    asking: std::thread::JoinHandle<Seen>,
}

#[derive(Default)]
struct Seen {
    both: u64,
    last_of_first: Option<Instant>,
    first_of_second: Option<Instant>,
}

impl Watch {
    /// `first` is the one that holds now.
    fn over(first: Held, second: Held) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let (asked_once, starts) = std::sync::mpsc::channel();
        let asking = std::thread::spawn(move || {
            let mut seen = Seen::default();
            loop {
                // Read before the last round, so that this round sees what the test has seen. Unless the test stops
                // it, the thread ends with the test's process.
                let last_round = stopped.load(Ordering::Relaxed);
                let asked = Instant::now();
                let (before, meanwhile, after) = (first.is_held(), second.is_held(), first.is_held());
                // The questions come one after the other, and this thread may be halted between them. What was lost
                // never comes back; so a yes before and after the other's yes is a yes at the same time.
                seen.both += u64::from(before && meanwhile && after);
                seen.last_of_first = if before { Some(asked) } else { seen.last_of_first };
                seen.first_of_second = seen.first_of_second.or_else(|| meanwhile.then(Instant::now));
                // After the first round nobody listens any more.
                let _ = asked_once.send(());
                if last_round {
                    return seen;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        starts.recv().unwrap();
        Self { stop, asking }
    }

    /// Fails if both ever held.
    fn never_both(self) {
        self.seen();
    }

    /// Fails if both ever held. Returns for how long neither did when the lease passed from the first to the second:
    /// never less than it was, as the thread asks every now and then.
    fn gap(self) -> Duration {
        let seen = self.seen();
        match (seen.last_of_first, seen.first_of_second) {
            (Some(last), Some(first)) => first.saturating_duration_since(last),
            _ => panic!("the lease did not pass from the first to the second"),
        }
    }

    fn seen(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.asking.join().unwrap();
        assert_eq!(seen.both, 0, "both held the lease at the same time");
        seen
    }
}

/// The leader is cut off, and later the network comes back, with what was on its way.
async fn partition(mode: Mode) {
    let place = Place::new().await;
    let (leader, proxy) = place.lead_through_proxy("leader").await;
    let standby = place.stand_by("standby").await;
    let (leader_held, standby_held) = (leader.held(), standby.held());
    let watch = Watch::over(leader_held.clone(), standby_held.clone());

    proxy.set(mode);
    let cut = Instant::now();
    assert!(matches!(lost(&leader_held).await, Lost::Expired { .. }));
    assert!(cut.elapsed() <= TIMING.duration, "stopped after {:?}", cut.elapsed());
    acquired(&standby_held).await;

    proxy.set(Mode::Open);
    // The old leader's last request may arrive only now. Two renewals later it has not taken the lease back.
    let renewed = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.renew_time.clone()).map(|time| time.0);
    let leases = place.leases().await;
    let mut seen = renewed(&leases.get(LEASE).await.unwrap());
    for _ in 0..2 {
        seen = eventually("another renewal", WITHIN, async || {
            let lease = leases.get(LEASE).await.unwrap();
            assert_eq!(lease.spec.as_ref().unwrap().holder_identity.as_deref(), Some("standby"));
            Some(renewed(&lease)).filter(|now| *now != seen).ok_or("unchanged")
        })
        .await;
    }
    assert!(standby_held.is_held() && !leader_held.is_held());
    // What the old leader had begun has this long to end.
    let gap = watch.gap();
    assert!(gap >= TIMING.grace, "only {gap:?} between the two leaders");
}

#[tokio::test]
async fn a_leader_whose_requests_hang_stops_before_another_starts() {
    partition(Mode::Silent).await;
}

#[tokio::test]
async fn a_leader_whose_connections_break_stops_before_another_starts() {
    partition(Mode::Cut).await;
}

#[tokio::test]
async fn a_short_partition_costs_nothing() {
    let place = Place::new().await;
    let (leader, proxy) = place.lead_through_proxy("leader").await;
    let standby = place.stand_by("standby").await;
    for mode in [Mode::Cut, Mode::Silent] {
        let leases = place.leases().await;
        let before = leases.get(LEASE).await.unwrap().metadata.resource_version;
        proxy.set(mode);
        tokio::time::sleep(TIMING.retry_period * 2).await; // the length of the partition, not a wait for something
        proxy.set(Mode::Open);
        eventually("a renewal after the partition", WITHIN, async || {
            let now = leases.get(LEASE).await.unwrap().metadata.resource_version;
            if now == before { Err("unchanged") } else { Ok(()) }
        })
        .await;
        assert!(leader.held().is_held() && !standby.held().is_held());
    }
}

#[tokio::test]
async fn a_leader_stops_when_the_api_server_is_gone() {
    let control_plane = tokio::task::spawn_blocking(ControlPlane::start).await.unwrap().unwrap();
    let candidate =
        |identity: &str| Candidate { namespace: "default".into(), lease: LEASE.into(), identity: identity.into(), timing: TIMING };
    let leader = Election::stand(control_plane.client().await, candidate("leader"));
    acquired(&leader.held()).await;
    let standby = Election::stand(control_plane.client().await, candidate("standby"));
    joined(&standby.held()).await;

    signal(control_plane.pids.apiserver, "KILL");
    let killed = Instant::now();
    assert!(matches!(lost(&leader.held()).await, Lost::Expired { .. }));
    assert!(killed.elapsed() <= TIMING.duration, "stopped after {:?}", killed.elapsed());
    assert!(!standby.held().is_held());
    // Nobody answers. Giving up the lease must not wait for an answer.
    let withdrawn = tokio::time::timeout(WITHIN, async { tokio::join!(leader.withdraw(), standby.withdraw()) });
    withdrawn.await.expect("ends without an answer");
}

#[tokio::test]
async fn a_leader_whose_name_is_overwritten_stops_and_leaves_the_lease_alone() {
    let place = Place::new().await;
    let leader = place.lead("leader").await;
    let leases = place.leases().await;
    let theirs = json!({"spec": {"holderIdentity": "somebody"}});
    leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(&theirs)).await.unwrap();
    let overwritten = Instant::now();
    let expected = Lost::Taken { lease: format!("{}/{LEASE}", place.namespace), by: "somebody".into() };
    assert_eq!(lost(&leader.held()).await, expected);
    assert!(overwritten.elapsed() + TIMING.grace < TIMING.duration, "noticed after {:?}", overwritten.elapsed());
    leader.withdraw().await;
    assert_eq!(place.holder().await.as_deref(), Some("somebody"));
}

#[tokio::test]
async fn a_leader_whose_name_is_removed_stops() {
    let place = Place::new().await;
    let leader = place.lead("leader").await;
    let cleared = json!({"spec": {"holderIdentity": null}});
    place.leases().await.patch(LEASE, &PatchParams::default(), &Patch::Merge(&cleared)).await.unwrap();
    assert_eq!(lost(&leader.held()).await, Lost::Cleared { lease: format!("{}/{LEASE}", place.namespace) });
}

#[tokio::test]
async fn a_deleted_lease_is_created_again_by_its_holder_and_not_by_a_standby() {
    let place = Place::new().await;
    let leader = place.lead("leader").await;
    let standby = place.stand_by("standby").await;
    let watch = Watch::over(leader.held(), standby.held());
    let leases = place.leases().await;
    for _ in 0..3 {
        let uid = leases.get(LEASE).await.unwrap().metadata.uid;
        leases.delete(LEASE, &DeleteParams::default()).await.unwrap();
        let again = eventually("a new lease", WITHIN, async || match leases.get_opt(LEASE).await.unwrap() {
            Some(lease) if lease.metadata.uid != uid => Ok(lease),
            other => Err(format!("{other:?}")),
        })
        .await;
        assert_eq!(again.spec.unwrap().holder_identity.as_deref(), Some("leader"));
        assert!(leader.held().is_held());
    }
    watch.never_both();
}

#[tokio::test]
async fn a_released_lease_is_taken_at_the_next_attempt() {
    let place = Place::new().await;
    // With the usual duration, so that a take-over by patience could not be mistaken for one by release.
    let timing = Timing { retry_period: TIMING.retry_period, ..Timing::default() };
    let client = shared().client_of(&place.kubeconfig).await;
    let leader = Election::stand(client.clone(), place.candidate("leader", timing));
    acquired(&leader.held()).await;
    let standby = Election::stand(client, place.candidate("standby", timing));
    joined(&standby.held()).await;
    let (leader_held, standby_held) = (leader.held(), standby.held());
    let watch = Watch::over(leader_held.clone(), standby_held.clone());

    leader.withdraw().await;
    let released = Instant::now();
    assert_eq!(lost(&leader_held).await, Lost::Withdrawn);
    acquired(&standby_held).await;
    assert!(released.elapsed() < timing.duration / 3, "taken after {:?}", released.elapsed());
    let spec = place.leases().await.get(LEASE).await.unwrap().spec.unwrap();
    assert_eq!(
        (spec.holder_identity.as_deref(), spec.lease_transitions, spec.lease_duration_seconds),
        (Some("standby"), Some(1), Some(15))
    );
    watch.never_both();
}

#[tokio::test]
async fn the_lease_of_a_leader_that_dies_is_taken_after_its_duration() {
    let place = Place::new().await;
    let leader = place.lead("leader").await;
    let standby = place.stand_by("standby").await;
    let watch = Watch::over(leader.held(), standby.held());
    drop(leader); // without a release; what it had handed out goes on saying yes for the rest of the tenure
    acquired(&standby.held()).await;
    let gap = watch.gap();
    assert!(gap >= TIMING.grace, "only {gap:?} between the two leaders");
}

#[tokio::test]
async fn of_two_replicas_that_start_together_one_holds_the_lease() {
    let place = Place::new().await;
    let (one, other) = tokio::join!(place.stand("one"), place.stand("other"));
    let watch = Watch::over(one.held(), other.held());
    let (one_held, other_held) = (one.held(), other.held());
    tokio::select! {
        () = acquired(&one_held) => {}
        () = acquired(&other_held) => {}
    }
    tokio::join!(joined(&one_held), joined(&other_held));
    let (winner, loser) = if one_held.is_held() { (one, other_held) } else { (other, one_held) };
    assert!(winner.held().is_held() && !loser.is_held());
    winner.withdraw().await;
    acquired(&loser).await;
    watch.never_both();
}

/// A stopped process wakes up in the middle of an action. It must not go on.
#[tokio::test]
async fn a_stopped_process_finds_that_it_does_not_hold_the_lease_when_it_wakes() {
    let place = Place::new().await;
    let child = tied(&std::env::current_exe().unwrap())
        .args(["lease::acts_while_it_holds_the_lease", "--exact", "--ignored", "--nocapture"])
        .env("KEYWARD_TEST_KUBECONFIG", &place.kubeconfig)
        .env("KEYWARD_TEST_NAMESPACE", &place.namespace)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Killed(child.unwrap());
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let (send, mut acts) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some((_, at)) = line.split_once("acts at ") {
                send.send(at.parse::<u128>().unwrap()).unwrap();
            }
        }
    });
    let next = tokio::time::timeout(WITHIN, acts.recv());
    next.await.expect("the child acts").expect("the child lives");

    signal(child.0.id(), "STOP");
    let standby = place.lead("standby").await;
    let taken = micros();
    signal(child.0.id(), "CONT");
    let status = eventually("the end of the child", WITHIN, async || child.0.try_wait().unwrap().ok_or("it still runs")).await;
    assert!(status.success(), "the child says otherwise: {status}");
    while let Some(at) = acts.recv().await {
        assert!(at < taken, "acted {} µs after another had taken the lease", at - taken);
    }
    assert!(standby.held().is_held());
    assert_eq!(place.holder().await.as_deref(), Some("standby"));
}

/// The child of the test above.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is started by another test, as a process of its own"]
async fn acts_while_it_holds_the_lease() {
    let variable = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is missing: another test starts this one"));
    let kubeconfig = Kubeconfig::read_from(variable("KEYWARD_TEST_KUBECONFIG")).unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let place =
        Candidate { namespace: variable("KEYWARD_TEST_NAMESPACE"), lease: LEASE.into(), identity: "stopped".into(), timing: TIMING };
    let election = Election::stand(Client::try_from(config).unwrap(), place);
    let held = election.held();
    let acting = held.clone();
    std::thread::spawn(move || {
        loop {
            // The time from before the question: between the question and the act it may be stopped, as anything may.
            let at = micros();
            if acting.is_held() {
                println!("acts at {at}");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let lost = lost(&held).await;
    assert!(matches!(lost, Lost::Expired { .. } | Lost::Taken { .. }), "{lost}");
}

fn micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()
}
