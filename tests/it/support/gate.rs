//! A gate before the API server, where an operator can be stopped in the middle of a write, and its watches silenced.
//!
//! For a program it takes plain HTTP and passes everything on with the rights of the operator, whose kubeconfig it stands in for. For an operator in this
//! process it is a client.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{Method, Request, Response, StatusCode, header},
};
use futures::StreamExt;
use kube::Client;
use tokio::{
    net::TcpListener,
    sync::{Notify, watch},
};
use tokio_util::task::AbortOnDropHandle;

/// Where in a request its sender dies.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// The request was sent and had no effect.
    Before,
    /// It took effect and the reply was never seen.
    After,
}

/// What happens to a request of the operator to a KMS.
#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// The operator is killed before or after it takes effect.
    Killed(At),
    /// It takes effect, and the reply is lost.
    Lost,
    /// The connection is cut before it takes effect.
    Cut,
}

impl Fate {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Killed(At::Before), Self::Killed(At::After), Self::Lost, Self::Cut];
}

/// What becomes of each request but watches, as long as there is trouble at the API server.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// It is refused with that HTTP status.
    Refused(StatusCode),
    /// It is answered with something that nobody can read.
    Garbled,
    /// It takes effect, and the answer ends in its middle.
    Torn,
    /// It takes effect, and is answered only when the trouble is over.
    Unanswered,
}

/// A running gate. It ends when dropped.
pub struct Gate {
    onward: Client,
    held: Arc<Held>,
    serving: Option<(SocketAddr, AbortOnDropHandle<()>)>,
}

#[derive(Default)]
struct Held {
    writes: Mutex<Writes>,
    opened: Notify,
    silent: watch::Sender<bool>,
    lists: Mutex<Lists>,
    overtaken: Mutex<Overtaken>,
    trouble: watch::Sender<Option<Trouble>>,
    troubled: Mutex<Vec<Method>>,
}

/// Who writes to a provider right before writes of its status, how many are still to be overtaken, and how many were refused because of one.
#[derive(Default)]
struct Overtaken {
    by: Option<Client>,
    left: usize,
    conflicts: usize,
}

/// The kind whose lists are refused, and how often one was.
#[derive(Default)]
struct Lists {
    refused: Option<&'static str>,
    times: usize,
}

/// The writes of `ManagedKey`s, of `KeyGrant`s, of their status and of what is published that came, and the one that is not answered.
#[derive(Default)]
struct Writes {
    seen: usize,
    held: Option<(usize, At)>,
    struck: bool,
}

impl Gate {
    /// One that passes on to where `client` leads.
    pub fn over(client: Client) -> Self {
        Self { onward: client, held: Arc::default(), serving: None }
    }

    /// Starts one that listens on loopback as well.
    pub async fn start(client: Client) -> Self {
        let mut gate = Self::over(client);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(serve).with_state((gate.onward.clone(), Arc::clone(&gate.held)));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        gate.serving = Some((address, AbortOnDropHandle::new(serving)));
        gate
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.serving.as_ref().expect("it listens").0
    }

    /// What makes a client that goes through it, in the runtime that calls.
    pub fn way(&self) -> impl Fn() -> Client + Send + Sync + 'static {
        let (onward, held) = (self.onward.clone(), Arc::clone(&self.held));
        move || {
            let (onward, held) = (onward.clone(), Arc::clone(&held));
            let service = tower::service_fn(move |request: Request<kube::client::Body>| {
                let (onward, held) = (onward.clone(), Arc::clone(&held));
                async move { Ok::<_, Infallible>(pass(onward, held, request.map(Body::new)).await) }
            });
            Client::new(service, "default")
        }
    }

    fn writes(&self) -> MutexGuard<'_, Writes> {
        self.held.writes.lock().unwrap()
    }

    /// Counts anew, and does not answer the `nth` write from here on.
    pub fn hold(&self, nth: usize, at: At) {
        *self.writes() = Writes { held: Some((nth, at)), ..Writes::default() };
    }

    /// Answers every write. One that is held gets its answer if it took effect, and has none and is refused if not.
    pub fn open(&self) {
        *self.writes() = Writes::default();
        self.held.opened.notify_waiters();
    }

    /// Passes on nothing more of what watches bring, without ending them.
    pub fn silence(&self) {
        self.held.silent.send_replace(true);
    }

    /// Refuses to list a kind, as if the right to it had been taken away.
    pub fn refuse_lists(&self, plural: &'static str) {
        *self.held.lists.lock().unwrap() = Lists { refused: Some(plural), times: 0 };
    }

    /// Begins that trouble, or ends it.
    pub fn trouble(&self, trouble: Option<Trouble>) {
        self.held.troubled.lock().unwrap().clear();
        self.held.trouble.send_replace(trouble);
    }

    /// How many reads, and how many writes, came to grief in this trouble.
    pub fn troubled(&self) -> (usize, usize) {
        let troubled = self.held.troubled.lock().unwrap();
        let reads = troubled.iter().filter(|method| **method == Method::GET).count();
        (reads, troubled.len() - reads)
    }

    /// Has an administrator write to a provider right before each of the next writes of its status.
    pub fn overtake(&self, by: Client, writes: usize) {
        *self.held.overtaken.lock().unwrap() = Overtaken { by: Some(by), left: writes, conflicts: 0 };
    }

    /// How many writes of a provider's status were refused since, because the provider was not as it was read.
    pub fn conflicts(&self) -> usize {
        self.held.overtaken.lock().unwrap().conflicts
    }

    /// How often a list was refused.
    pub fn refusals(&self) -> usize {
        self.held.lists.lock().unwrap().times
    }

    /// Whether the write that is to be held has come.
    pub fn is_reached(&self) -> bool {
        let writes = self.writes();
        writes.held.is_some_and(|(nth, _)| writes.seen >= nth)
    }

    /// Whether it is held, and its effect, if it is to have one, is there.
    pub fn has_struck(&self) -> bool {
        self.writes().struck
    }
}

async fn serve(State((client, shared)): State<(Client, Arc<Held>)>, request: Request<Body>) -> Response<Body> {
    pass(client, shared, request).await
}

async fn pass(client: Client, shared: Arc<Held>, request: Request<Body>) -> Response<Body> {
    // What Keyward writes beside its own kinds is where it publishes keys.
    let counts = ["/managedkeys/", "/keygrants/", "/configmaps", "/secrets"].iter().any(|part| request.uri().path().contains(part));
    let at = if *request.method() != Method::GET && counts {
        let mut writes = shared.writes.lock().unwrap();
        writes.seen += 1;
        writes.held.filter(|(nth, _)| *nth == writes.seen).map(|(_, at)| at)
    } else {
        None
    };
    let opening = async || {
        let opened = shared.opened.notified();
        shared.writes.lock().unwrap().struck = true;
        opened.await;
    };
    if let Some(At::Before) = at {
        opening().await;
        return refuse("the gate was opened");
    }
    if *request.method() == Method::GET {
        let mut lists = shared.lists.lock().unwrap();
        if lists.refused.is_some_and(|plural| request.uri().path().ends_with(&format!("/{plural}"))) {
            lists.times += 1;
            return refuse("the right to list was taken away");
        }
    }
    let path = request.uri().path();
    let book = path.strip_suffix("/status").filter(|provider| *request.method() != Method::GET && provider.contains("/keyproviders/"));
    let book = book.map(str::to_owned);
    if let Some(provider) = &book {
        let by = {
            let mut overtaken = shared.overtaken.lock().unwrap();
            let is_next = overtaken.left > 0;
            overtaken.left = overtaken.left.saturating_sub(1);
            overtaken.by.clone().filter(|_| is_next)
        };
        if let Some(by) = by {
            annotate(&by, provider).await;
        }
    }
    let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
    let trouble = (*shared.trouble.borrow()).filter(|_| !watches);
    if trouble.is_some() {
        shared.troubled.lock().unwrap().push(request.method().clone());
    }
    match trouble {
        Some(Trouble::Refused(status)) => {
            let reason = status.canonical_reason().unwrap_or_default();
            let body = format!(
                "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"{reason}\",\"reason\":\"{reason}\",\"code\":{}}}",
                status.as_u16()
            );
            return Response::builder().status(status).header(header::CONTENT_TYPE, "application/json").body(Body::from(body)).unwrap();
        }
        Some(Trouble::Garbled) => return Response::new(Body::from("<html>{")),
        _ => {}
    }
    let answer = forward(&client, request).await;
    let answer = match trouble {
        Some(Trouble::Torn) => torn(answer).await,
        Some(Trouble::Unanswered) => {
            let mut trouble = shared.trouble.subscribe();
            // An error means that the gate is gone.
            let _ = trouble.wait_for(Option::is_none).await;
            answer
        }
        _ => answer,
    };
    if book.is_some() && answer.status() == StatusCode::CONFLICT {
        shared.overtaken.lock().unwrap().conflicts += 1;
    }
    if let Some(At::After) = at {
        opening().await;
    }
    if watches { answer.map(|body| unless(shared.silent.subscribe(), body)) } else { answer }
}

/// The body, as long as there is no silence.
fn unless(silent: watch::Receiver<bool>, body: Body) -> Body {
    Body::from_stream(body.into_data_stream().then(move |piece| {
        let mut silent = silent.clone();
        async move {
            // An error means that the gate is gone.
            let _ = silent.wait_for(|silent| !silent).await;
            piece
        }
    }))
}

fn refuse(why: &str) -> Response<Body> {
    Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::from(why.to_owned())).unwrap()
}

/// The first half of an answer, after which the connection ends.
async fn torn(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut bytes = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    bytes.truncate(bytes.len() / 2);
    let pieces = [Ok(bytes), Err(std::io::Error::other("torn"))];
    Response::from_parts(parts, Body::from_stream(futures::stream::iter(pieces)))
}

/// Another writer of the same object.
async fn annotate(client: &Client, provider: &str) {
    let patch = format!("{{\"metadata\":{{\"annotations\":{{\"tests/overtook\":\"{}\"}}}}}}", uuid::Uuid::new_v4());
    let request = Request::patch(format!("{provider}?fieldManager=tests")).header(header::CONTENT_TYPE, "application/merge-patch+json");
    let answer = client.send(request.body(patch.into_bytes().into()).unwrap()).await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

async fn forward(client: &Client, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut onward = Request::builder().method(parts.method).uri(parts.uri);
    for name in [header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT] {
        if let Some(value) = parts.headers.get(&name) {
            onward = onward.header(name, value);
        }
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    match client.send(onward.body(body.to_vec().into()).unwrap()).await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => refuse(&error.to_string()),
    }
}
