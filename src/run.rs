//! `keyward controller`: starts the parts of the program, and stops them in the right order.
//!
//! It must never let work continue after the lease is lost. It must never release the lease while work continues. It must end in bounded
//! time after SIGTERM, even if a server does not answer.

use anyhow::Context;
use axum::http::{self, HeaderValue, header};
use kube::client::ClientBuilder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use crate::cli::{LookOptions, Options, OrphanOptions, Output, ReleaseOptions};
use crate::controller::{self, Signs, uninstall::LeaseName};
use crate::lease::{Candidate, Election, Held, Timing};
use crate::metrics::Metrics;
use crate::server::{Readiness, Server};
use crate::startup;
use crate::waits::CONTROLLER_STOP;

/// The exit status after a panic, the same as Rust's own.
const PANICKED: i32 = 101;

/// Runs the operator until SIGTERM or SIGINT. After an error the process must end with a failure at once.
pub async fn controller(options: Options) -> anyhow::Result<()> {
    end_on_panic();
    let stop = CancellationToken::new();
    let (term, int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(stop_on(term, "SIGTERM", stop.clone()));
    tokio::spawn(stop_on(int, "SIGINT", stop.clone()));

    let signs = Signs::default();
    let (client, api_server) = client(&signs).await?;
    let metrics = Metrics::new(options.per_object_metrics);
    let readiness = Readiness::default();
    let server =
        Server::bind(options.listen).await.with_context(|| format!("cannot listen on {}; choose another --listen", options.listen))?;
    info!(version = env!("CARGO_PKG_VERSION"), cluster_id = options.cluster_id, address = %server.address(), "keyward starts");

    let closing = CancellationToken::new();
    let serving = server.run(readiness.clone(), metrics.clone(), closing.clone());
    let work = async {
        let ended = Box::pin(lead(&options, client, api_server, metrics, readiness, signs, stop)).await;
        closing.cancel();
        ended
    };
    tokio::pin!(serving);
    tokio::select! {
        ended = work => {
            if let Err(error) = serving.await {
                warn!(error = &error as &dyn std::error::Error, "the server for probes and metrics ended with an error");
            }
            ended
        }
        ended = &mut serving => ended.context("the server for probes and metrics failed"),
    }
}

/// Lists what is left behind at a provider: the text for stdout, and the exit code. It changes nothing.
///
/// # Errors
/// The cluster, the provider or its KMS cannot be reached.
pub async fn orphans(options: &OrphanOptions) -> anyhow::Result<(String, u8)> {
    let (client, _) = client(&Signs::default()).await?;
    let report = controller::orphans::list(client, &options.query()).await?;
    let text = match options.output {
        Output::Table => report.to_string(),
        Output::Json => format!("{}\n", serde_json::to_string_pretty(&report)?),
    };
    Ok((text, report.exit_code()))
}

/// Says what an uninstall leaves behind: the text for stdout, and the exit code. It changes nothing.
///
/// # Errors
/// There is no client for the cluster.
pub async fn uninstall_check(options: &LookOptions) -> anyhow::Result<(String, u8)> {
    let (client, _) = client(&Signs::default()).await?;
    let check = controller::uninstall::check(client, &options.leaving()).await;
    Ok((check.to_string(), check.exit_code()))
}

/// Lets all objects go: the text for stdout, and the exit code. It calls no KMS.
///
/// # Errors
/// There is no client for the cluster.
pub async fn release_all(options: &ReleaseOptions) -> anyhow::Result<(String, u8)> {
    let (client, _) = client(&Signs::default()).await?;
    let lease = LeaseName { namespace: options.namespace.clone(), name: options.lease_name.clone() };
    let released = controller::uninstall::release_all(&client, &lease).await;
    Ok((released.to_string(), released.exit_code()))
}

/// Competes for the lease, works while it holds the lease, and releases it.
async fn lead(
    options: &Options,
    client: kube::Client,
    api_server: startup::Server,
    metrics: Metrics,
    readiness: Readiness,
    signs: Signs,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let begun = CancellationToken::new();
    let _looking = {
        let (begun, gate) = (begun.clone(), readiness.gate("cluster"));
        let check = startup::check_cluster(client.clone(), api_server, options.scope(), move || {
            gate.open();
            begun.cancel();
        });
        AbortOnDropHandle::new(tokio::spawn(check))
    };
    let election = options.leader_election.then(|| {
        let candidate = Candidate {
            namespace: options.namespace.clone(),
            lease: options.lease_name.clone(),
            // The name alone is not enough. A process that finds its own name in a Lease assumes that it holds the Lease. But two processes
            // on one machine, or two successive containers in one pod, have the same name.
            identity: format!("{}_{}", options.pod_name, uuid::Uuid::new_v4()),
            timing: Timing::default(),
        };
        Election::stand(client.clone(), candidate)
    });
    let held = election.as_ref().map_or_else(Held::always, Election::held);
    let may_release = tokio::select! {
        biased;
        lost = held.lost() => return Err(lost.into()),
        worked = work(options, client, &held, &begun, metrics, readiness, signs, &stop) => worked?,
    };
    match election {
        Some(election) if may_release => election.withdraw().await,
        // The process ends without releasing the lease, because calls to a KMS may still be in progress. The lease expires later than these
        // calls can end.
        _ => {}
    }
    info!("keyward ends");
    Ok(())
}

/// Waits for the lease and for the cluster to be ready, then runs the controller until `stop`. Returns whether everything that it started
/// has ended.
#[allow(clippy::too_many_arguments, reason = "each is a part of the program, named once")]
async fn work(
    options: &Options,
    client: kube::Client,
    held: &Held,
    begun: &CancellationToken,
    metrics: Metrics,
    readiness: Readiness,
    signs: Signs,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    // A standby replica is ready as soon as it has read the Lease. So a rollout continues only if the new replica reaches the API server
    // and has its rights.
    let joined = readiness.gate("lease");
    tokio::select! {
        () = stop.cancelled() => return Ok(true),
        () = async { held.joined().await; joined.open(); held.acquired().await } => {}
    }
    tokio::select! {
        () = stop.cancelled() => return Ok(true),
        () = begun.cancelled() => {}
    }
    let running = controller::run(client, options.settings(), held.clone(), metrics, readiness, signs, stop.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => {
            ended.context("the controller failed")?;
            anyhow::ensure!(stop.is_cancelled(), "the controller ended without a request to stop");
            Ok(true)
        }
        () = async { stop.cancelled().await; tokio::time::sleep(CONTROLLER_STOP).await } => {
            warn!(seconds = CONTROLLER_STOP.as_secs(), "the controller did not end in time; ending without it");
            Ok(false)
        }
    }
}

/// The client of the API server, and its address. It uses KUBECONFIG or `~/.kube/config`, or else the pod's `ServiceAccount`.
async fn client(signs: &Signs) -> anyhow::Result<(kube::Client, startup::Server)> {
    let mut config = kube::Config::infer().await.with_context(|| {
        let asked = std::env::var("KUBECONFIG").map(|files| format!(" (now {files})")).unwrap_or_default();
        format!("no configuration for an API server was found; set KUBECONFIG{asked}, or run in a pod with a ServiceAccount")
    })?;
    // The API server uses the part before the slash as the field manager of writes that do not name one.
    let agent = HeaderValue::from_static(concat!("keyward/", env!("CARGO_PKG_VERSION")));
    config.headers.push((header::USER_AGENT, agent));
    let server = startup::Server { url: config.cluster_url.to_string(), proxy: config.proxy_url.as_ref().map(shown) };
    let builder = ClientBuilder::try_from(config).with_context(|| {
        format!(
            "cannot make a client for {server}; check the kubeconfig, and check that HTTPS_PROXY begins with http://, https:// or socks5://"
        )
    })?;
    Ok((builder.with_layer(signs).build(), server))
}

/// The URL of a proxy without a password.
fn shown(proxy: &http::Uri) -> String {
    let host = proxy.authority().map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default()).unwrap_or_default();
    format!("{}://{host}", proxy.scheme_str().unwrap_or("http"))
}

async fn stop_on(mut signal: Signal, name: &'static str, stop: CancellationToken) {
    if signal.recv().await.is_some() {
        info!(signal = name, "stopping");
        stop.cancel();
    }
}

/// Makes a panic in any task end the process. A panic in a round is [contained](crate::controller::contained) and only logged.
///
/// Without this, tokio catches the panic of a task. Then nobody does the work of that task, but the probes still succeed. A restart by the
/// kubelet is better, because the operator then observes everything again. This is a hook instead of `panic = "abort"` in the profile,
/// because a hook logs in the same format as other lines and works the same in every build.
pub fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        if controller::is_contained() {
            let backtrace = std::backtrace::Backtrace::capture();
            error!(message, location, %backtrace, "a panic in a round; its object is not reconciled for a while; please report this bug");
            return;
        }
        error!(message, location, backtrace = %std::backtrace::Backtrace::capture(), "a panic; the process ends");
        std::process::exit(PANICKED);
    }));
}
