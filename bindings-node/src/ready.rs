//! Finished chunks that wait for JavaScript.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use napi::bindgen_prelude::*;
use napi_derive::napi;
use parking_lot::Mutex;

/// The maximum size of waiting chunks: JavaScript may be in a loop that never ends.
const MAX_BYTES: usize = 64 << 20;

/// A finished chunk.
#[napi(object, object_from_js = false)]
pub struct Chunk {
    /// 32 hexadecimal digits.
    pub chunk_id: String,
    /// JSON, the payload of a `profile_chunk` item.
    pub payload: Uint8Array,
    /// The number of samples.
    pub sample_count: u32,
}

/// One session's finished chunks, and the function to call when there are any.
pub struct Ready {
    env: Env,
    queue: Arc<Mutex<Queue>>,
    /// Dropped when the session is closed, because what the function refers to, such as the session, cannot be
    /// garbage-collected before.
    on_ready: RefCell<Option<FunctionRef<(), ()>>>,
}

#[derive(Default)]
struct Queue {
    chunks: VecDeque<sentry_profiler::Chunk>,
    /// The size of their payloads.
    bytes: usize,
    dropped: u64,
}

impl Queue {
    /// Adds a chunk, and drops the oldest ones if there is no room for it.
    fn push(&mut self, chunk: sentry_profiler::Chunk) {
        self.bytes += chunk.payload.len();
        self.chunks.push_back(chunk);
        while self.bytes > MAX_BYTES
            && self.chunks.len() > 1
            && let Some(oldest) = self.chunks.pop_front()
        {
            self.bytes -= oldest.payload.len();
            self.dropped += 1;
        }
    }

    fn take(&mut self) -> VecDeque<sentry_profiler::Chunk> {
        self.bytes = 0;
        std::mem::take(&mut self.chunks)
    }
}

impl Ready {
    pub fn new(env: Env, on_ready: &Function<'_, (), ()>) -> Result<Rc<Self>> {
        let on_ready = RefCell::new(Some(on_ready.create_ref()?));
        Ok(Rc::new(Self { env, queue: Arc::default(), on_ready }))
    }

    /// Receives the core's chunks on any thread, and wakes up this one.
    pub fn sink(&self, wake: sentry_profiler::Waker) -> sentry_profiler::Sink {
        let queue = self.queue.clone();
        Arc::new(move |chunk| {
            queue.lock().push(chunk);
            wake();
        })
    }

    pub fn has_chunks(&self) -> bool {
        !self.queue.lock().chunks.is_empty()
    }

    /// How many were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.queue.lock().dropped
    }

    pub fn notify(&self) -> Result<()> {
        // The function may close the session.
        let on_ready = self.on_ready.borrow().as_ref().map(|on_ready| on_ready.borrow_back(&self.env)).transpose()?;
        on_ready.map_or(Ok(()), |on_ready| on_ready.call(()))
    }

    pub fn take(&self) -> Vec<Chunk> {
        let chunks = self.queue.lock().take();
        chunks
            .into_iter()
            .map(|chunk| Chunk {
                chunk_id: chunk.chunk_id.to_string(),
                payload: chunk.payload.into(),
                sample_count: chunk.sample_count as u32,
            })
            .collect()
    }

    /// Never calls the function again.
    pub fn close(&self) {
        self.on_ready.take();
    }
}
