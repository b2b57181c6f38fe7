//! A server that keeps what it was sent, to the byte, and answers as it is told.
//!
//! The double takes a request apart and keeps what it understood. Where a document prints a request, the bytes themselves are what has to be seen.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Recorded {
    /// The value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// It ends with the runtime of the test.
#[derive(Debug)]
pub struct Recorder {
    pub endpoint: String,
    requests: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    /// A server that gives each request the answer that `answer` makes of it; the number says how many came before.
    pub async fn answering<R: IntoResponse>(answer: impl Fn(&Recorded, usize) -> R + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<Recorded>>>::default();
        let kept = Arc::clone(&requests);
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let request = Recorded { method, target: uri.to_string(), headers, body: String::from_utf8(body.to_vec()).unwrap() };
            let mut kept = kept.lock().unwrap();
            let response: Response = answer(&request, kept.len()).into_response();
            kept.push(request);
            async move { response }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, requests }
    }

    /// All that came so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap().clone()
    }
}
