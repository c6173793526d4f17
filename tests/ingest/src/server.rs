//! The HTTP server for SDKs and tests.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;
use serde::Serialize;
use serde_json::{Value, json};
use tiny_http::{Method, Request, Response, Server};

use crate::{ChunkSummary, Envelope, Violation, parse_envelope, validate_chunk};

/// Larger bodies are refused. Twice Sentry's limit.
const MAX_BODY: u64 = 100 << 20;

/// Everything received since the start or the last reset.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Received {
    /// In order of arrival.
    pub envelopes: Vec<ReceivedEnvelope>,
    /// Why requests were refused.
    pub errors: Vec<String>,
}

impl Received {
    /// The items that are profile chunks.
    pub fn chunks(&self) -> impl Iterator<Item = &ReceivedItem> {
        self.envelopes.iter().flat_map(|envelope| &envelope.items).filter(|item| item.violations.is_some())
    }
}

/// A received envelope.
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedEnvelope {
    /// Unix time, milliseconds.
    pub received_at_ms: u64,
    /// Its header.
    pub header: Value,
    /// Its items.
    pub items: Vec<ReceivedItem>,
}

/// An item of a received envelope.
#[derive(Clone, Debug, Serialize)]
pub struct ReceivedItem {
    /// Its header.
    pub header: Value,
    /// Its payload, null when it is not JSON.
    pub payload: Value,
    /// The payload's size.
    pub bytes: usize,
    /// For a profile chunk, the rules that it breaks (empty if it is valid); `None` for other items.
    pub violations: Option<Vec<String>>,
    /// For a valid profile chunk, its summary.
    pub summary: Option<ChunkSummary>,
}

impl ReceivedEnvelope {
    fn new(envelope: Envelope) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let items = envelope.items.into_iter().map(|item| {
            let verdict = (item.header["type"] == "profile_chunk").then(|| validate_chunk(&item.header, &item.payload));
            let (violations, summary) = match verdict {
                None => (None, None),
                Some(Ok(summary)) => (Some(Vec::new()), Some(summary)),
                Some(Err(broken)) => (Some(broken.iter().map(Violation::to_string).collect()), None),
            };
            ReceivedItem {
                payload: serde_json::from_slice(&item.payload).unwrap_or_default(),
                bytes: item.payload.len(),
                header: item.header,
                violations,
                summary,
            }
        });
        Self { received_at_ms: now.as_millis() as u64, header: envelope.header, items: items.collect() }
    }
}

/// A server on a free port of 127.0.0.1, until it is dropped.
///
/// | request | response |
/// |---|---|
/// | `POST /api/<project>/envelope/` | `{"id": …}`, or 400 with the reason; plain or gzip |
/// | `GET /received` | [`Received`] as JSON |
/// | `POST /reset` | forgets everything received |
/// | `GET /health` | `{"ok": true}` |
pub struct Ingest {
    address: SocketAddr,
    server: Arc<Server>,
    received: Arc<Mutex<Received>>,
    thread: Option<JoinHandle<()>>,
}

impl Ingest {
    /// Starts to listen. When this returns, requests are accepted.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn start() -> io::Result<Self> {
        let server = Arc::new(Server::http("127.0.0.1:0").map_err(io::Error::other)?);
        let address = server.server_addr().to_ip().ok_or_else(|| io::Error::other("no IP address"))?;
        let received = Arc::new(Mutex::new(Received::default()));
        let thread = std::thread::spawn({
            let (server, received) = (server.clone(), received.clone());
            move || {
                for request in server.incoming_requests() {
                    answer(request, &received);
                }
            }
        });
        Ok(Self { address, server, received, thread: Some(thread) })
    }

    /// Where it listens: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The DSN for an SDK.
    pub fn dsn(&self) -> String {
        format!("http://public@{}/1", self.address)
    }

    /// What was received so far.
    pub fn received(&self) -> Received {
        lock(&self.received).clone()
    }

    /// Forgets everything received.
    pub fn reset(&self) {
        *lock(&self.received) = Received::default();
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the ingest's thread panicked");
        }
    }
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(mut request: Request, received: &Mutex<Received>) {
    let path = request.url().split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (status, body) = match (request.method(), &*segments) {
        (Method::Get, ["health"]) => (200, json!({"ok": true})),
        (Method::Get, ["received"]) => (200, json!(*lock(received))),
        (Method::Post, ["reset"]) => {
            *lock(received) = Received::default();
            (200, json!({"ok": true}))
        }
        (Method::Post, ["api", _, "envelope"]) => match read(&mut request) {
            Ok(envelope) => {
                let id = envelope.header["event_id"].clone();
                // Before the response, so that a client that has the response finds its envelope in `received`.
                let envelope = ReceivedEnvelope::new(envelope);
                lock(received).envelopes.push(envelope);
                (200, json!({"id": id}))
            }
            Err(reason) => {
                lock(received).errors.push(reason.clone());
                (400, json!({"detail": reason}))
            }
        },
        _ => (404, json!({"detail": "no such resource"})),
    };
    let json = tiny_http::Header::from_bytes("Content-Type", "application/json").expect("a valid header");
    let response = Response::from_data(body.to_string()).with_status_code(status).with_header(json);
    // A client may be gone before its response, for example because it exits.
    let _gone = request.respond(response);
}

fn read(request: &mut Request) -> Result<Envelope, String> {
    let encoding = request.headers().iter().find(|header| header.field.equiv("Content-Encoding"));
    let encoding = encoding.map(|header| header.value.to_string());
    let body = request.as_reader();
    let mut bytes = Vec::new();
    let read = match encoding.as_deref() {
        None | Some("identity") => body.take(MAX_BODY + 1).read_to_end(&mut bytes),
        Some("gzip") => MultiGzDecoder::new(body).take(MAX_BODY + 1).read_to_end(&mut bytes),
        Some(other) => return Err(format!("content encoding {other} is not supported")),
    };
    read.map_err(|error| format!("the body cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(format!("the body is larger than {MAX_BODY} bytes"));
    }
    parse_envelope(&bytes).map_err(|error| error.to_string())
}
