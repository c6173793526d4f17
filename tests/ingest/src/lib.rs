//! A local stand-in for Sentry's ingestion: it receives envelopes and checks every profile chunk in them.
//!
//! It checks what the profiler sends, so it shares no code with the profiler. It knows only the protocol: Sentry's
//! documentation of sample format V2, the rules of `getsentry/relay`, and what Sentry's processors do with a chunk.

mod chunk;
mod envelope;
mod server;

pub use chunk::{ChunkSummary, HotFunction, Rule, ThreadSummary, Violation, validate_chunk};
pub use envelope::{Envelope, EnvelopeError, Item, parse_envelope};
pub use server::{Ingest, Received, ReceivedEnvelope, ReceivedItem};
