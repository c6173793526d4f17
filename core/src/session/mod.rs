//! [`Session`]: continuous profiling in consecutive chunks, by the rules of Sentry's `profileLifecycle`.

mod chunker;
mod delivery;
mod options;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use uuid::Uuid;

use self::chunker::Chunker;
pub(crate) use self::delivery::Delivery;
pub use self::delivery::{MIN_SAMPLES, SessionStats};
pub use self::options::{
    CHUNK_DURATION_RANGE, Chunk, DEFAULT_CHUNK_DURATION, DEFAULT_QUIET, Lifecycle, SessionOptions, Sink,
};
use crate::error::Error;
use crate::recorder::Recorder;
use crate::sentry::Id;
use crate::stream::{Event, Mark};
use crate::time::Monotonic;

/// How long disposing waits for chunks to be delivered.
pub const DISPOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a call to a session did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is recording now.
    Started,
    /// It is not recording any more.
    Stopped,
    /// Start while recording: nothing changed.
    AlreadyRunning,
    /// Stop while not recording: nothing changed.
    NotRunning,
    /// The session is not sampled: it never records.
    NotSampled,
    /// Spans start and stop this session: nothing changed.
    TraceLifecycle,
    /// The operating system cannot create a thread. The session records once it can, unless it is stopped before.
    NoThread,
}

/// Records an isolate chunk by chunk. For use on the isolate's thread. Dropping it closes it.
pub struct Session {
    recorder: Rc<Recorder>,
    delivery: Arc<Delivery>,
    consumer: u64,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    recording: bool,
    spans: usize,
    closed: bool,
}

impl Session {
    pub(crate) fn new(recorder: Rc<Recorder>, options: SessionOptions) -> Result<Self, Error> {
        options.check()?;
        recorder.check()?;
        let sampled = is_sampled(options.sample_rate);
        let delivery = Arc::new(Delivery::new(options, sampled, recorder.stream.threads, recorder.stream.logger()));
        let consumer = recorder.attach(Box::new(Chunker::new(delivery.clone(), recorder.stream.interval_us)));
        Ok(Self { recorder, delivery, consumer, state: RefCell::default() })
    }

    /// The id that links events to the session's chunks.
    pub fn profiler_id(&self) -> Id {
        self.delivery.options.metadata.profiler_id
    }

    /// Whether it is sampled; if not, it never records.
    pub fn is_sampled(&self) -> bool {
        self.delivery.sampled
    }

    /// Whether it is recording now.
    pub fn is_recording(&self) -> bool {
        // Disposing of the profiler ends the recording without a call on its sessions.
        let open = || !matches!(self.recorder.check(), Err(Error::Closed));
        self.state.borrow().recording && open() && !self.recorder.waits(self.consumer)
    }

    pub(crate) fn delivery(&self) -> Weak<Delivery> {
        Arc::downgrade(&self.delivery)
    }

    /// Sets the debug ids by plain path of the file, for chunks that are encoded from now on.
    pub fn set_debug_ids(&self, debug_ids: HashMap<String, String>) {
        self.delivery.set_debug_ids(debug_ids);
    }

    /// Starts recording, in the manual lifecycle; after [`Outcome::NoThread`] as soon as it can.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::WrongThread`], [`Error::Forked`], [`Error::StartRefused`], [`Error::StartFailed`],
    /// [`Error::Unsupported`].
    pub fn start(&self) -> Result<Outcome, Error> {
        if let Some(outcome) = self.refusal()? {
            return Ok(outcome);
        }
        if !self.state.borrow().recording {
            return self.begin(true);
        }
        if !self.recorder.waits(self.consumer) {
            return Ok(Outcome::AlreadyRunning);
        }
        let records = self.recorder.retry(true)?;
        Ok(if records { Outcome::Started } else { Outcome::NoThread })
    }

    /// Stops recording, in the manual lifecycle, and delivers the last chunk.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn stop(&self) -> Result<Outcome, Error> {
        if let Some(outcome) = self.refusal()? {
            return Ok(outcome);
        }
        if !self.state.borrow().recording {
            return Ok(Outcome::NotRunning);
        }
        self.finish()?;
        Ok(Outcome::Stopped)
    }

    /// Reports that a span has started. In the trace lifecycle the first one starts recording. If no thread can be
    /// had, this is not an error: it is logged, and recording starts later by itself.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn span_started(&self) -> Result<(), Error> {
        if !self.follows_spans()? {
            return Ok(());
        }
        self.state.borrow_mut().spans += 1;
        if self.state.borrow().recording {
            return Ok(());
        }
        self.begin(false).map(drop)
    }

    /// Reports that a span has ended. After the last one recording pauses. A span that was not started is ignored.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn span_ended(&self) -> Result<(), Error> {
        if !self.follows_spans()? {
            return Ok(());
        }
        let mut state = self.state.borrow_mut();
        state.spans = state.spans.saturating_sub(1);
        if state.spans > 0 || !state.recording {
            return Ok(());
        }
        state.recording = false;
        let now_us = Monotonic::now();
        if !self.recorder.waits_in_vain(self.consumer) {
            self.recorder.mark(self.consumer, Mark::Idle(now_us));
        }
        // The recording lives on for as long as the chunk waits.
        self.recorder.release(now_us, self.delivery.options.quiet_us());
        Ok(())
    }

    /// Closes the open chunk and waits, at most `timeout`, until every chunk so far was delivered. Returns whether
    /// they were. The session keeps recording.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn flush(&self, timeout: Duration) -> Result<bool, Error> {
        self.check()?;
        self.hand_out(Mark::Flush(Monotonic::now()));
        Ok(self.delivery.wait(timeout))
    }

    /// Ends the current recording and delivers its chunk. A later start or span records again.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn finish(&self) -> Result<(), Error> {
        self.check()?;
        let now_us = Monotonic::now();
        self.let_go(now_us);
        self.hand_out(Mark::End(now_us));
        Ok(())
    }

    /// Finishes, waits at most `timeout` until all chunks are delivered, and closes the session. Returns whether all
    /// were; the rest is dropped. Waits for a running call of the sink, which is not called any more afterwards. Does
    /// nothing if the session is closed or its profiler disposed of.
    pub fn close(&self, timeout: Duration) -> bool {
        let finished = self.finish();
        if std::mem::replace(&mut self.state.borrow_mut().closed, true) || self.recorder.is_foreign() {
            return true;
        }
        // The isolate may not be entered any more, for example at a thread's end.
        let handed_out = !matches!(finished, Err(Error::WrongThread)) || self.finish_outside();
        let delivered = self.delivery.close(timeout);
        self.recorder.detach(self.consumer);
        // V8's last recordings were read, so free them now instead of with the next one.
        for _ in 0..self.recorder.stream.captured_count() {
            self.recorder.maintain();
        }
        handed_out && delivered
    }

    /// Like [`Session::finish`], but without the isolate entered, when V8 can end a recording but not start one.
    /// Returns whether everything is delivered: samples in a recording that others still need are not.
    fn finish_outside(&self) -> bool {
        let now_us = Monotonic::now();
        self.let_go(now_us);
        if self.recorder.is_running() {
            return false;
        }
        self.delivery.ask_flush();
        self.recorder.mark(self.consumer, Mark::End(now_us));
        self.recorder.stream.push(Event::Quiet(now_us));
        self.recorder.stream.schedule();
        true
    }

    /// Stops taking samples from now on.
    fn let_go(&self, now_us: Monotonic) {
        if std::mem::take(&mut self.state.borrow_mut().recording) {
            self.recorder.waits_in_vain(self.consumer);
            self.recorder.release(now_us, 0);
        }
    }

    /// Counts of the chunks so far.
    pub fn stats(&self) -> SessionStats {
        self.delivery.stats(self.recorder.stream.dropped_slices.load(Ordering::Relaxed))
    }

    fn check(&self) -> Result<(), Error> {
        if self.state.borrow().closed {
            return Err(Error::Closed);
        }
        self.recorder.check()?;
        // Without a ticker nothing else would retry. Other errors are reported by the next start.
        let _ = self.recorder.retry(false);
        Ok(())
    }

    /// Why a manual call does nothing, if there is a reason.
    fn refusal(&self) -> Result<Option<Outcome>, Error> {
        self.check()?;
        Ok(match (self.delivery.sampled, self.delivery.options.lifecycle) {
            (false, _) => Some(Outcome::NotSampled),
            (true, Lifecycle::Trace) => Some(Outcome::TraceLifecycle),
            (true, Lifecycle::Manual) => None,
        })
    }

    fn follows_spans(&self) -> Result<bool, Error> {
        self.check()?;
        Ok(self.delivery.sampled && self.delivery.options.lifecycle == Lifecycle::Trace)
    }

    fn begin(&self, insist: bool) -> Result<Outcome, Error> {
        let records = self.recorder.hold_for(self.consumer, insist)?;
        self.state.borrow_mut().recording = true;
        Ok(if records { Outcome::Started } else { Outcome::NoThread })
    }

    /// Adds a mark and lets the stream process everything up to it.
    fn hand_out(&self, mark: Mark) {
        self.delivery.ask_flush();
        self.recorder.mark(self.consumer, mark);
        self.recorder.end_linger();
        self.recorder.cut_now();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close(DISPOSE_TIMEOUT);
    }
}

fn is_sampled(rate: f64) -> bool {
    // 48 random bits of a v4 UUID, none of them fixed. The quotient is always below 1.
    let bits = Uuid::new_v4().as_u128() >> 80;
    (bits as f64) / (1u64 << 48) as f64 <= rate && rate > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_decides() {
        assert!((0..100).all(|_| is_sampled(1.0) && !is_sampled(0.0)));
        let half = (0..1_000).filter(|_| is_sampled(0.5)).count();
        assert!((300..700).contains(&half), "{half}");
    }
}
