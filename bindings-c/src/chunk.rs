//! `sentry_profiler_chunk_t`: what a session delivers.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use sentry_profiler::sentry::Metadata;
use sentry_profiler::sentry::envelope::envelope;
use sentry_profiler::{Chunk, Sink};

use crate::callback::{Callback, Gate};

/// A finished chunk of a session. Later versions append fields: those beyond `struct_size` do not exist.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sentry_profiler_chunk_t {
    /// Size of this structure in bytes, as the library knows it.
    pub struct_size: usize,
    /// The chunk's own id: 32 lower-case hexadecimal digits and a NUL.
    pub chunk_id: *const c_char,
    /// The session's id, the same for all its chunks: 32 lower-case hexadecimal digits and a NUL.
    pub profiler_id: *const c_char,
    /// A whole envelope, ready to POST to Sentry: its header, then the item.
    pub envelope: *const c_char,
    /// Length of the envelope in bytes.
    pub envelope_len: usize,
    /// The last part of the envelope: the item with its header, to append to an envelope of the host's own.
    pub item: *const c_char,
    /// Length of the item in bytes.
    pub item_len: usize,
    /// The part of the item that is the chunk itself: JSON, sample format V2.
    pub payload: *const c_char,
    /// Length of the payload in bytes.
    pub payload_len: usize,
    /// Samples in the chunk, without idle samples.
    pub sample_count: u64,
    /// When the chunk begins: Unix time in microseconds.
    pub start_us: i64,
    /// When the chunk ends: Unix time in microseconds.
    pub end_us: i64,
}

/// Receives a finished chunk of a session. The chunk and all that it points to are valid during the call only: copy
/// what must last longer.
///
/// Called on the encoder thread only, whose stack has `SENTRY_PROFILER_CALLBACK_STACK_BYTES`, one chunk at a time,
/// until `sentry_profiler_session_free` or `sentry_profiler_free` has returned. While it runs, no other chunk of the
/// process is encoded, so hand long work, such as sending, to another thread. It must not throw and must not wait for
/// the isolate's thread. Inside it, calls on profilers and sessions return `SENTRY_PROFILER_IN_CALLBACK`.
pub type sentry_profiler_chunk_callback_t =
    Option<unsafe extern "C" fn(chunk: *const sentry_profiler_chunk_t, user_data: *mut c_void)>;

/// The host's chunk callback.
pub type ChunkCallback = Callback<unsafe extern "C" fn(*const sentry_profiler_chunk_t, *mut c_void)>;

/// Passes chunks to the host, each in an envelope.
pub fn sink(callback: ChunkCallback, metadata: Metadata, gate: Gate) -> Sink {
    Arc::new(move |chunk: Chunk| {
        let callback = &callback;
        let header = metadata.envelope_header(&chunk.chunk_id);
        let bytes = envelope(&header, &chunk.platform, &chunk.payload);
        // The header's line, the item's line, the payload, a line feed.
        let item = bytes.iter().position(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let payload = bytes.len().saturating_sub(chunk.payload.len() + 1);
        let (chunk_id, profiler_id) = (format!("{}\0", chunk.chunk_id), format!("{}\0", chunk.profiler_id));
        let from = |at: usize| bytes.get(at..).unwrap_or_default().as_ptr().cast::<c_char>();
        let view = sentry_profiler_chunk_t {
            struct_size: size_of::<sentry_profiler_chunk_t>(),
            chunk_id: chunk_id.as_ptr().cast(),
            profiler_id: profiler_id.as_ptr().cast(),
            envelope: from(0),
            envelope_len: bytes.len(),
            item: from(item),
            item_len: bytes.len() - item,
            payload: from(payload),
            payload_len: chunk.payload.len(),
            sample_count: chunk.sample_count as u64,
            start_us: chunk.start.us(),
            end_us: chunk.end.us(),
        };
        // SAFETY: the host guarantees that its function and data are valid until the gate is closed.
        gate.pass(|| unsafe { (callback.function)(&raw const view, callback.user_data) });
    })
}
