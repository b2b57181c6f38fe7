//! The endpoints for the kubelet and Prometheus: `/livez`, `/readyz`, `/healthz`, `/metrics`. They are read-only and show no secrets.
//!
//! A replica must never be "not ready" because another replica is the leader; otherwise a rollout would wait for ever for a standby
//! replica. It must never be "not alive" because something outside is down; a restart does not help there.
use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::{Compression, write::GzEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    metrics::{Format, Metrics},
    waits::{BEAT, SERVER_STOP, STUCK},
};

/// The gates of this replica. It is ready if all gates are open, and also if there are none.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, bool>>>);

/// One condition of readiness.
#[derive(Clone, Debug)]
pub struct Gate {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// A new gate, closed. If the name exists already, this is the same gate, closed again.
    #[must_use]
    pub fn gate(&self, name: &'static str) -> Gate {
        self.set(name, false);
        Gate { name, readiness: self.clone() }
    }

    /// Whether all gates are open.
    #[cfg(test)]
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.gates().values().all(|open| *open)
    }

    fn gates(&self) -> BTreeMap<&'static str, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, name: &'static str, open: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, open);
    }
}

impl Gate {
    /// The condition is met.
    pub fn open(&self) {
        self.readiness.set(self.name, true);
    }

    /// The condition is not met, or not any more.
    pub fn close(&self) {
        self.readiness.set(self.name, false);
    }
}

/// The time of the last heartbeat of the runtime. A task of the runtime writes it. If all workers are stuck, the heartbeat stops, even if a
/// request still gets an answer.
#[derive(Clone, Debug)]
struct Heart(Arc<Mutex<Instant>>);

impl Heart {
    fn still(&self, now: Instant) -> Option<Duration> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(now.saturating_duration_since(last)).filter(|quiet| *quiet > STUCK)
    }

    async fn beat(self) {
        loop {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            tokio::time::sleep(BEAT).await;
        }
    }
}

#[derive(Clone)]
struct Shown {
    readiness: Readiness,
    metrics: Metrics,
    heart: Heart,
}

/// A server that has its port. It answers when it [runs](Self::run).
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the port. With port 0 it takes a free port, which [`address`](Self::address) returns.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`, and ends within a second after that, whatever its clients do.
    pub async fn run(self, readiness: Readiness, metrics: Metrics, stop: CancellationToken) -> std::io::Result<()> {
        let heart = Heart(Arc::new(Mutex::new(Instant::now())));
        let _beating = AbortOnDropHandle::new(tokio::spawn(heart.clone().beat()));
        let routes = Router::new()
            .route("/livez", get(livez))
            .route("/healthz", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics_text))
            .with_state(Shown { readiness, metrics, heart });
        let stopped = stop.clone();
        let serving = axum::serve(self.listener, routes).with_graceful_shutdown(async move { stopped.cancelled().await });
        tokio::select! {
            ended = serving.into_future() => ended,
            () = async { stop.cancelled().await; tokio::time::sleep(SERVER_STOP).await } => Ok(()),
        }
    }
}

async fn livez(State(shown): State<Shown>) -> Response {
    match shown.heart.still(Instant::now()) {
        None => "ok\n".into_response(),
        Some(quiet) => (StatusCode::SERVICE_UNAVAILABLE, format!("the runtime has been stuck for {} s\n", quiet.as_secs())).into_response(),
    }
}

/// With `?verbose` it lists all gates, as kube-apiserver does. Otherwise it lists the closed gates.
async fn readyz(State(shown): State<Shown>, RawQuery(query): RawQuery) -> Response {
    let verbose = query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part.starts_with("verbose=")));
    let gates = shown.readiness.gates();
    let ready = gates.values().all(|open| *open);
    let lines = gates.into_iter().filter(|(_, open)| verbose || !open);
    let mut text: String =
        lines.map(|(name, open)| if open { format!("[+] {name} ok\n") } else { format!("[-] {name} not ready\n") }).collect();
    text += if ready { "ok\n" } else { "not ready\n" };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}

/// In the format and the encoding that the scraper asks for.
async fn metrics_text(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let format = if takes(&headers, header::ACCEPT, "application/openmetrics-text") { Format::OpenMetrics } else { Format::Text };
    let text = shown.metrics.encode_as(format);
    let of_type = (header::CONTENT_TYPE, format.media_type());
    if takes(&headers, header::ACCEPT_ENCODING, "gzip") {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        if let Ok(body) = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()) {
            return ([of_type, (header::CONTENT_ENCODING, "gzip")], body).into_response();
        }
    }
    ([of_type], text).into_response()
}

/// Whether a list such as `Accept` names this. A name with `q=0` is one that the client does not take.
fn takes(headers: &HeaderMap, list: HeaderName, name: &str) -> bool {
    let lists = headers.get_all(list);
    lists.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|named| named.eq_ignore_ascii_case(name));
        is_named && !parts.any(|part| part.strip_prefix("q=").and_then(|weight| weight.parse().ok()) == Some(0.0))
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    struct Running {
        address: SocketAddr,
        readiness: Readiness,
        metrics: Metrics,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<std::io::Result<()>>,
    }

    async fn running() -> Running {
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (readiness, metrics, stop) = (Readiness::default(), Metrics::new(true), CancellationToken::new());
        let address = server.address();
        let task = tokio::spawn(server.run(readiness.clone(), metrics.clone(), stop.clone()));
        Running { address, readiness, metrics, stop, task }
    }

    async fn ask(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: keyward\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    #[tokio::test]
    async fn ready_when_every_gate_is_open_and_says_which_is_not() {
        let server = running().await;
        assert_eq!(ask(server.address, "/readyz").await.0, 200, "without gates, as a replica that stands by");
        let (lease, caches) = (server.readiness.gate("lease"), server.readiness.gate("caches"));
        lease.open();
        let (status, text) = ask(server.address, "/readyz").await;
        assert!(status == 503 && text.contains("[-] caches not ready") && !text.contains("lease"), "{text}");
        let (status, text) = ask(server.address, "/readyz?verbose").await;
        assert!(status == 503 && text.contains("[-] caches not ready\n[+] lease ok\nnot ready"), "{text}");
        caches.open();
        assert!(server.readiness.is_ready());
        assert_eq!(ask(server.address, "/readyz").await.0, 200);
        lease.close();
        assert_eq!(ask(server.address, "/readyz").await.0, 503);
        assert_eq!(ask(server.address, "/livez").await.0, 200, "alive all the same");
    }

    #[tokio::test]
    async fn the_other_paths() {
        let server = running().await;
        server.metrics.set_leader(true);
        let (status, text) = ask(server.address, "/metrics").await;
        assert!(status == 200 && text.contains("text/plain; version=0.0.4") && text.contains("keyward_leader 1"), "{text}");
        assert!(text.contains("\n# TYPE keyward_build_info gauge\n") && !text.contains("# EOF"), "{text}");
        assert_eq!(ask(server.address, "/healthz").await.0, 200);
        assert_eq!(ask(server.address, "/").await.0, 404);
    }

    #[tokio::test]
    async fn metrics_come_in_the_format_that_is_asked_for() {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = running().await;
        let get = async |accept: &str, encoding: &str| {
            let url = format!("http://{}/metrics", server.address);
            reqwest::Client::new().get(url).header("accept", accept).header("accept-encoding", encoding).send().await.unwrap()
        };
        // As Prometheus asks.
        let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        let answer = get(accept, "gzip").await;
        let header = |answer: &reqwest::Response, name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header(&answer, "content-type").unwrap(), Format::OpenMetrics.media_type());
        assert_eq!(header(&answer, "content-encoding").as_deref(), Some("gzip"));
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*answer.bytes().await.unwrap()), &mut text).unwrap();
        assert!(text.contains("# TYPE keyward_build info\n") && text.ends_with("# EOF\n"), "{text}");
        for (accept, encoding) in [("*/*", "identity"), ("text/plain", "br, gzip;q=0"), ("application/openmetrics-text;q=0", "")] {
            let answer = get(accept, encoding).await;
            assert_eq!(header(&answer, "content-type").unwrap(), Format::Text.media_type(), "{accept}");
            assert_eq!(header(&answer, "content-encoding"), None, "{encoding}");
            let text = answer.text().await.unwrap();
            for name in ["cpu_seconds_total", "start_time_seconds", "resident_memory_bytes", "virtual_memory_bytes", "open_fds"] {
                let value = text.lines().find_map(|line| line.strip_prefix("process_")?.strip_prefix(name)?.trim().parse::<f64>().ok());
                assert!(value.is_some_and(|value| value >= 0.0), "{name}: {text}");
            }
        }
    }

    #[tokio::test]
    async fn a_stop_does_not_wait_for_a_client_that_keeps_its_connection() {
        let server = running().await;
        let mut idle = TcpStream::connect(server.address).await.unwrap();
        // Half a request: the server has to wait for the rest, and a stop must not.
        idle.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
        assert_eq!(ask(server.address, "/livez").await.0, 200);
        server.stop.cancel();
        tokio::time::timeout(Duration::from_secs(20), server.task).await.expect("ends").unwrap().unwrap();
        TcpStream::connect(server.address).await.expect_err("the port is closed");
    }

    #[test]
    fn not_alive_only_after_a_long_silence() {
        let start = Instant::now();
        let heart = Heart(Arc::new(Mutex::new(start)));
        assert_eq!(heart.still(start + STUCK), None);
        assert_eq!(heart.still(start + 2 * STUCK), Some(2 * STUCK));
    }
}
