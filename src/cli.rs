//! The command line. Every flag has an environment variable. `--help` prints the doc comments of this file.
//!
//! It must never accept a value that cannot work. It must never choose a value that a person has to choose.
// `--help` prints these comments without change, so they have no backticks around names.
#![allow(clippy::doc_markdown)]

use std::net::SocketAddr;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::controller::{Settings, orphans::Query, uninstall::Leaving};
use crate::manifests::{NAME, NAMESPACE, rbac::Scope};
use crate::telemetry::{LogFormat, LogLevel};
use crate::waits::LONGEST_FLAG;

/// Manages the lifecycle of KMS keys as `ManagedKey` objects declare it.
#[derive(Debug, Parser)]
#[command(name = "keyward", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator, inside a cluster, or outside of it with KUBECONFIG
    Controller(Options),
    /// Print the CustomResourceDefinitions that this version expects
    Crds,
    /// Print the ServiceAccount of the operator and its RBAC rules, each rule with its reason
    Rbac(RbacOptions),
    /// List keys with this cluster's marks that no ManagedKey has, and what else is left behind at a KeyProvider; changes nothing
    ///
    /// It uses the KeyProvider's own credentials, from its Secret in the operator's namespace, and KUBECONFIG for the cluster.
    /// Exit code: 0 if nothing is found, 2 if something is found, 1 if it failed or not everything could be read.
    Orphans(OrphanOptions),
    /// Say what an uninstall leaves behind: objects that only Keyward lets go, keys that are pending deletion, keys that no object has; changes nothing
    ///
    /// It uses the credentials of each KeyProvider, from its Secret in the operator's namespace, and KUBECONFIG for the cluster.
    /// Exit code: 0 if nothing is found, 2 if something is found, 1 if it failed or not everything could be read.
    UninstallCheck(LookOptions),
    /// Let objects go: set their deletionPolicy to Retain and remove Keyward's finalizer; keys and grants stay as they are
    ///
    /// It calls no KMS. Use it after you removed Keyward, also if objects or namespaces wait already.
    /// Exit code: 0 if all objects are let go, 2 if Keyward still runs and KeyGrants exist, 1 if something could not be let go.
    Release(ReleaseOptions),
}

/// The flags of `keyward rbac`.
#[derive(Clone, Debug, Args)]
pub struct RbacOptions {
    /// The operator's own namespace
    #[arg(long, env = "KEYWARD_NAMESPACE", value_name = "NAME", default_value_t = own_namespace())]
    pub namespace: String,

    /// The same value as for the operator: the only namespaces in which it changes objects, separated by commas [default: all]
    #[arg(long, env = "KEYWARD_WATCH_NAMESPACES", value_name = "NAMES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
}

impl RbacOptions {
    /// What the operator needs rights for.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { namespace: self.namespace.clone(), watch_namespaces: named(&self.watch_namespaces) }
    }
}

/// The flags of a command that looks at keys without the operator.
#[derive(Clone, Debug, Args)]
pub struct LookOptions {
    /// The same value as for the operator: the cluster id on the keys
    #[arg(long, env = "KEYWARD_CLUSTER_ID", value_name = "ID", value_parser = cluster_id)]
    pub cluster_id: String,

    /// The operator's own namespace, which has the Secrets of its providers
    #[arg(long, env = "KEYWARD_NAMESPACE", value_name = "NAME", default_value_t = own_namespace())]
    pub namespace: String,

    /// The same value as for the operator: how long after its start a CreateKey may have made a key
    #[arg(long, env = "KEYWARD_ATTEMPT_WAIT", value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub attempt_wait: Duration,

    /// Format of the log on stderr; auto is text on a terminal, and JSON otherwise
    #[arg(long, env = "KEYWARD_LOG_FORMAT", value_name = "FORMAT", default_value = "auto")]
    pub log_format: LogFormat,

    /// Log level: error, warn, info, debug, trace, or directives such as info,keyward=debug
    #[arg(long, env = "KEYWARD_LOG_LEVEL", value_name = "LEVEL", default_value = "warn")]
    pub log_level: LogLevel,
}

impl LookOptions {
    /// What to look for.
    #[must_use]
    pub fn leaving(&self) -> Leaving {
        Leaving {
            cluster_id: self.cluster_id.clone(),
            namespace: self.namespace.clone(),
            attempt_wait: self.attempt_wait.try_into().unwrap_or(jiff::SignedDuration::MAX),
        }
    }
}

/// The flags of `keyward orphans`.
#[derive(Clone, Debug, Args)]
pub struct OrphanOptions {
    /// Name of the KeyProvider whose account and Region are looked at
    #[arg(long, env = "KEYWARD_PROVIDER", value_name = "NAME")]
    pub provider: String,

    /// Where to look
    #[command(flatten)]
    pub look: LookOptions,

    /// Format of the list on stdout
    #[arg(short, long, env = "KEYWARD_OUTPUT", value_name = "FORMAT", default_value = "table")]
    pub output: Output,
}

/// The flags of `keyward release`.
#[derive(Clone, Debug, Args)]
pub struct ReleaseOptions {
    /// All ManagedKeys and KeyGrants of the cluster
    #[arg(long, env = "KEYWARD_ALL", required = true)]
    pub all: bool,

    /// The operator's own namespace, whose Lease shows whether Keyward still runs
    #[arg(long, env = "KEYWARD_NAMESPACE", value_name = "NAME", default_value_t = own_namespace())]
    pub namespace: String,

    /// Name of the Lease that the replicas share
    #[arg(long, env = "KEYWARD_LEASE_NAME", value_name = "NAME", default_value = NAME)]
    pub lease_name: String,
}

/// A format of what a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Tables for people.
    Table,
    /// One JSON object, whose fields docs/orphans.md describes.
    Json,
}

impl OrphanOptions {
    /// What to search for.
    #[must_use]
    pub fn query(&self) -> Query {
        let Leaving { cluster_id, namespace, attempt_wait } = self.look.leaving();
        Query { cluster_id, namespace, provider: self.provider.clone(), attempt_wait }
    }
}

/// The flags of `keyward controller`.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Unique name of this cluster among all clusters that have keys in the same accounts: 1 to 36 of lower-case letters, digits and '-'
    ///
    /// Keyward writes it on every key, and finds the keys of this cluster by it. Choose it yourself, and keep it when you rebuild the
    /// cluster. Under another name Keyward does not recognize the keys as its own.
    #[arg(long, env = "KEYWARD_CLUSTER_ID", value_name = "ID", value_parser = cluster_id)]
    pub cluster_id: String,

    /// The operator's own namespace, which has its Lease and the Secrets of its providers
    #[arg(long, env = "KEYWARD_NAMESPACE", value_name = "NAME", default_value_t = own_namespace())]
    pub namespace: String,

    /// Work only on objects of these namespaces, separated by commas [default: all]
    ///
    /// Keyward then needs rights to change objects in these namespaces alone. It still reads the objects of all namespaces: without them it
    /// could not tell whose a key is.
    #[arg(long, env = "KEYWARD_WATCH_NAMESPACES", value_name = "NAMES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// Name of this replica, for the Lease and for events [default: POD_NAME, or else the host name]
    #[arg(long, env = "KEYWARD_POD_NAME", value_name = "NAME", default_value_t = own_name(), hide_default_value = true)]
    pub pod_name: String,

    /// Enable leader election; disable it only if there is never more than one replica
    #[arg(long, env = "KEYWARD_LEADER_ELECTION", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub leader_election: bool,

    /// Name of the Lease that the replicas share
    #[arg(long, env = "KEYWARD_LEASE_NAME", value_name = "NAME", default_value = NAME)]
    pub lease_name: String,

    /// Address of /livez, /readyz and /metrics; with port 0, Keyward takes a free port and logs it
    ///
    /// The default is all addresses of the pod, because probes come from outside of the pod.
    #[arg(long, env = "KEYWARD_LISTEN", value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// How many objects of each KeyProvider are reconciled at the same time; objects whose keys must be brought back do not count
    #[arg(long, env = "KEYWARD_CONCURRENCY", value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,

    /// How long after a change a KMS may still answer with the old state
    #[arg(long, env = "KEYWARD_CONSISTENCY", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub consistency: Duration,

    /// How long a key must be absent, in at least 3 answers, before it counts as gone
    #[arg(long, env = "KEYWARD_MISSING_AFTER", value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub missing_after: Duration,

    /// How long a CreateKey with an unknown outcome prevents a second CreateKey
    #[arg(long, env = "KEYWARD_ATTEMPT_WAIT", value_name = "DURATION", default_value = "15m", value_parser = duration)]
    pub attempt_wait: Duration,

    /// How often the keys without an object are counted for /metrics; a count reads the tags of every key of an account
    #[arg(long, env = "KEYWARD_ORPHANS_EVERY", value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub orphans_every: Duration,

    /// Include series for each ManagedKey in /metrics; disable it if there are very many objects
    #[arg(long, env = "KEYWARD_PER_OBJECT_METRICS", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub per_object_metrics: bool,

    /// Format of the log on stderr; auto is text on a terminal, and JSON otherwise
    #[arg(long, env = "KEYWARD_LOG_FORMAT", value_name = "FORMAT", default_value = "auto")]
    pub log_format: LogFormat,

    /// Log level: error, warn, info, debug, trace, or directives such as info,keyward=debug
    #[arg(long, env = "KEYWARD_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
}

impl Options {
    /// What the operator needs rights for.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { namespace: self.namespace.clone(), watch_namespaces: named(&self.watch_namespaces) }
    }

    /// The settings of the controller.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            cluster_id: self.cluster_id.clone(),
            namespace: self.namespace.clone(),
            watch_namespaces: named(&self.watch_namespaces),
            instance: self.pod_name.clone(),
            concurrency: self.concurrency,
            consistency: self.consistency,
            missing_after: self.missing_after,
            attempt_wait: self.attempt_wait,
            principal_wait: Settings::PRINCIPAL_WAIT,
            orphans_every: self.orphans_every,
            per_object_metrics: self.per_object_metrics,
        }
    }
}

/// The names in a list. An empty variable has none.
fn named(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn cluster_id(text: &str) -> Result<String, String> {
    let fits = (1..=36).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if fits { Ok(text.to_owned()) } else { Err("use 1 to 36 lower-case letters, digits or '-'".to_owned()) }
}

/// A duration as people write it: `10s`, `5m`, `1h30m`. At most [`LONGEST_FLAG`].
fn duration(text: &str) -> Result<Duration, String> {
    let say = "use a duration above zero and up to 24h, such as 10s, 5m or 1h30m";
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| say.to_owned())?;
    Duration::try_from(parsed).ok().filter(|span| !span.is_zero() && *span <= LONGEST_FLAG).ok_or_else(|| say.to_owned())
}

/// The value of POD_NAMESPACE, which the Deployment sets with the downward API. If it is not set, the namespace of the manifests.
fn own_namespace() -> String {
    variable("POD_NAMESPACE").unwrap_or_else(|| NAMESPACE.to_owned())
}

/// The name of the pod, which is its host name too. Outside of a pod, the host name of the machine.
fn own_name() -> String {
    variable("POD_NAME")
        .or_else(|| variable("HOSTNAME"))
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned()))
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| NAME.to_owned())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, clap::Error> {
        match Cli::try_parse_from(["keyward", "controller"].iter().chain(arguments))?.command {
            Command::Controller(options) => Ok(options),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let options = options(&["--cluster-id", "prod-eu"]).unwrap();
        assert_eq!((options.consistency, options.missing_after), (Duration::from_secs(10), Duration::from_mins(5)));
        assert_eq!((options.attempt_wait, options.concurrency), (Duration::from_mins(15), 16));
        assert_eq!(options.orphans_every, Duration::from_hours(24));
        assert!(options.leader_election && options.per_object_metrics);
        assert_eq!(options.listen.to_string(), "0.0.0.0:8080");
        assert!(!options.pod_name.is_empty());
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_way_out() {
        let rows: &[(&[&str], &str)] = &[
            (&[], "--cluster-id"),
            (&["--cluster-id", ""], "lower-case"),
            (&["--cluster-id", "Prod"], "lower-case"),
            (&["--cluster-id", "a.b"], "lower-case"),
            (&["--cluster-id", "0123456789012345678901234567890123456"], "1 to 36"),
            (&["--cluster-id", "a", "--missing-after", "5"], "5m"),
            (&["--cluster-id", "a", "--missing-after", "0s"], "above zero"),
            (&["--cluster-id", "a", "--consistency=-1s"], "above zero"),
            (&["--cluster-id", "a", "--attempt-wait", "25h"], "24h"),
            (&["--cluster-id", "a", "--concurrency", "0"], "1..=256"),
            (&["--cluster-id", "a", "--leader-election", "perhaps"], "true, false"),
            (&["--cluster-id", "a", "--log-level", "info,keyward=loud"], "log-level"),
        ];
        for (arguments, expected) in rows {
            let error = options(arguments).expect_err("is refused").to_string();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
        assert!(options(&["--cluster-id", "012345678901234567890123456789012345", "--attempt-wait", "1h30m"]).is_ok());
    }

    #[test]
    fn namespaces_are_a_list_and_none_means_all() {
        let settings = |names: &[&str]| options(&[&["--cluster-id", "prod-eu"], names].concat()).unwrap().settings();
        let some = settings(&["--watch-namespaces", "shop, bank"]);
        assert_eq!(["shop", "bank", "shop, bank", "other", ""].map(|name| some.works_in(name)), [true, true, false, false, false]);
        for all in [settings(&[]), settings(&["--watch-namespaces", ""])] {
            assert!(all.works_in("shop") && all.watch_namespaces.is_empty());
        }
    }

    #[test]
    fn the_list_of_orphans_needs_a_provider_and_a_cluster() {
        let options = |arguments: &[&str]| -> Result<OrphanOptions, clap::Error> {
            match Cli::try_parse_from(["keyward", "orphans"].iter().chain(arguments))?.command {
                Command::Orphans(options) => Ok(options),
                other => panic!("{other:?}"),
            }
        };
        let found = options(&["--provider", "aws", "--cluster-id", "prod-eu"]).unwrap();
        assert_eq!((found.output, found.query().attempt_wait), (Output::Table, jiff::SignedDuration::from_mins(15)));
        assert_eq!(options(&["--provider", "aws", "--cluster-id", "prod-eu", "-o", "json"]).unwrap().output, Output::Json);
        for (arguments, expected) in [
            (&["--cluster-id", "prod-eu"][..], "--provider"),
            (&["--provider", "aws"], "--cluster-id"),
            (&["--provider", "aws", "--cluster-id", "Prod"], "lower-case"),
            (&["--provider", "aws", "--cluster-id", "prod", "-o", "yaml"], "table, json"),
        ] {
            let error = options(arguments).expect_err("is refused").to_string();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn every_flag_has_its_environment_variable() {
        let mut command = Cli::command();
        command.build();
        for sub in command.get_subcommands() {
            for flag in sub.get_arguments().filter(|flag| !["help", "version"].contains(&flag.get_id().as_str())) {
                let expected = format!("KEYWARD_{}", flag.get_id().as_str().to_uppercase());
                assert_eq!(flag.get_env().and_then(|name| name.to_str()), Some(expected.as_str()));
                assert!(flag.get_help().is_some(), "{expected} has no help");
            }
        }
        command.debug_assert();
    }
}
