//! Encodes finished windows and passes the chunks to the host, on the encoder's thread.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::options::{Chunk, SessionOptions};
use crate::encode::{Format, encode};
use crate::host::{LogLevel, Logger};
use crate::lifetime::Threads;
use crate::panics::contain;
use crate::profile::Profile;
use crate::sentry::{Id, Metadata};
use crate::ticker::TICK;

/// A chunk with fewer samples is dropped.
pub const MIN_SAMPLES: usize = 2;

/// Finished chunks that may wait for the encoder.
const MAX_QUEUED_CHUNKS: usize = 16;

/// Counts of a session's chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStats {
    /// Chunks passed to the sink.
    pub delivered_chunks: u64,
    /// Samples in them, without idle samples.
    pub delivered_samples: u64,
    /// Chunks dropped because they had fewer than [`MIN_SAMPLES`] samples.
    pub dropped_too_short: u64,
    /// Chunks dropped because too many waited for the encoder, or because closing stopped waiting for them.
    pub dropped_overflow: u64,
    /// Slices of the isolate's stream dropped because too many waited for the encoder.
    pub dropped_slices: u64,
}

/// What a session shares with the encoder.
pub(crate) struct Delivery {
    pub(super) options: SessionOptions,
    pub(super) sampled: bool,
    debug_ids: Mutex<Arc<HashMap<String, String>>>,
    output: Mutex<Output>,
    /// Notifies [`Delivery::wait`] and [`Delivery::close`].
    delivered: Condvar,
    stats: Stats,
    threads: &'static Threads,
    log: Option<Logger>,
}

#[derive(Default)]
struct Output {
    queue: VecDeque<Profile>,
    /// Whether the encoder has a job for the queue: at most one per session, and always if the queue is not empty.
    scheduled: bool,
    /// Whether the sink is running or about to be called.
    delivering: bool,
    /// Whether nothing is delivered any more.
    closed: bool,
    /// Requested flushes, and those whose chunks are at least in the queue.
    flushes_asked: u64,
    flushes_applied: u64,
}

#[derive(Default)]
struct Stats {
    delivered_chunks: AtomicU64,
    delivered_samples: AtomicU64,
    dropped_too_short: AtomicU64,
    dropped_overflow: AtomicU64,
}

impl Delivery {
    pub(super) fn new(options: SessionOptions, sampled: bool, threads: &'static Threads, log: Option<Logger>) -> Self {
        Self {
            sampled,
            debug_ids: Mutex::new(options.metadata.debug_ids.clone()),
            output: Mutex::default(),
            delivered: Condvar::new(),
            stats: Stats::default(),
            threads,
            log,
            options,
        }
    }

    /// Waits until every flush was applied and every chunk delivered.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let deadline = Instant::now().checked_add(timeout);
        let mut output = self.output.lock();
        let asked = output.flushes_asked;
        while !output.closed && (output.flushes_applied < asked || output.scheduled) {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return false;
            }
            // There may be no encoder thread yet, and no tick that starts one.
            self.threads.encoder.ensure();
            let look = now + TICK;
            self.delivered.wait_until(&mut output, deadline.map_or(look, |deadline| deadline.min(look)));
        }
        true
    }

    /// Waits, then stops all delivery. Returns whether everything was delivered.
    pub(crate) fn close(&self, timeout: Duration) -> bool {
        let delivered = self.wait(timeout);
        let mut output = self.output.lock();
        output.closed = true;
        let left = std::mem::take(&mut output.queue);
        self.stats.dropped_overflow.fetch_add(left.len() as u64, Ordering::Relaxed);
        while output.delivering {
            self.delivered.wait(&mut output);
        }
        delivered
    }

    /// Counts of the chunks so far. Slices are dropped elsewhere.
    pub(super) fn stats(&self, dropped_slices: u64) -> SessionStats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SessionStats {
            delivered_chunks: count(&self.stats.delivered_chunks),
            delivered_samples: count(&self.stats.delivered_samples),
            dropped_too_short: count(&self.stats.dropped_too_short),
            dropped_overflow: count(&self.stats.dropped_overflow),
            dropped_slices,
        }
    }

    pub(super) fn set_debug_ids(&self, debug_ids: HashMap<String, String>) {
        *self.debug_ids.lock() = Arc::new(debug_ids);
    }

    /// Called before the mark of a flush or of the session's end, for which [`Delivery::wait`] will wait.
    pub(super) fn ask_flush(&self) {
        self.output.lock().flushes_asked += 1;
    }

    pub(super) fn flush_applied(&self) {
        self.output.lock().flushes_applied += 1;
        self.delivered.notify_all();
    }

    /// Lets the encoder thread encode and deliver a chunk.
    pub(super) fn put(self: &Arc<Self>, profile: Profile) {
        if profile.active_samples() < MIN_SAMPLES {
            self.stats.dropped_too_short.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut output = self.output.lock();
        if output.closed || output.queue.len() == MAX_QUEUED_CHUNKS {
            self.stats.dropped_overflow.fetch_add(1, Ordering::Relaxed);
        }
        if output.closed {
            return;
        }
        if output.queue.len() == MAX_QUEUED_CHUNKS {
            output.queue.pop_front();
        }
        output.queue.push_back(profile);
        let scheduled = std::mem::replace(&mut output.scheduled, true);
        drop(output);
        if !scheduled {
            self.schedule();
        }
    }

    fn schedule(self: &Arc<Self>) {
        let delivery = self.clone();
        let job = move || {
            if let Err(panic) = contain(|| delivery.deliver_next())
                && let Some(log) = &delivery.log
            {
                // The log may be what panicked.
                let _ = contain(|| log(LogLevel::Warning, &format!("a chunk could not be delivered: {panic}")));
            }
        };
        self.threads.encoder.submit(Box::new(job));
    }

    fn deliver_next(self: &Arc<Self>) {
        /// Ends the delivery even if the host's sink panics, because others wait for it.
        struct Delivered<'a>(&'a Arc<Delivery>);
        impl Drop for Delivered<'_> {
            fn drop(&mut self) {
                let mut output = self.0.output.lock();
                output.delivering = false;
                output.scheduled = !output.queue.is_empty();
                let more = output.scheduled;
                drop(output);
                self.0.delivered.notify_all();
                if more {
                    // After the waiting jobs of others.
                    self.0.schedule();
                }
            }
        }
        let _delivered = Delivered(self);
        let profile = {
            let mut output = self.output.lock();
            let Some(profile) = output.queue.pop_front() else { return };
            output.delivering = true;
            profile
        };
        let options = &self.options;
        let debug_ids = self.debug_ids.lock().clone();
        let metadata = Metadata { chunk_id: Id::random(), debug_ids, ..options.metadata.clone() };
        let sample_count = profile.active_samples();
        let payload = encode(&profile, Format::SampleV2, &metadata);
        self.stats.delivered_chunks.fetch_add(1, Ordering::Relaxed);
        self.stats.delivered_samples.fetch_add(sample_count as u64, Ordering::Relaxed);
        (options.sink)(Chunk {
            chunk_id: metadata.chunk_id,
            profiler_id: metadata.profiler_id,
            platform: metadata.platform,
            payload,
            sample_count,
            start: profile.start(),
            end: profile.end(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::slice::{Merge, Slice};
    use crate::time::Monotonic;
    use crate::window::Window;

    #[test]
    fn when_the_encoder_is_stuck_the_oldest_chunk_goes() {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let options = SessionOptions::new(Arc::new(move |_| {
            let _ = wait.lock().recv();
        }));
        let delivery = Arc::new(Delivery::new(options, true, Threads::get(), None));
        let profile = || {
            let mut window = Window::new(Monotonic::from_us(0), 10, 10);
            let slice = Slice::of([1, 2, 3]);
            let clock = Clock::with_anchors(&[(0, 1_700_000_000_000_000)]);
            let mut merge = Merge::new(&slice);
            slice.ticks.iter().for_each(|&tick| window.tick(tick, &mut merge, &clock));
            window.finish(Monotonic::from_us(10), &clock)
        };
        let count = MAX_QUEUED_CHUNKS as u64 + 5;
        (0..count).for_each(|_| delivery.put(profile()));
        assert!(!delivery.wait(Duration::from_millis(50)), "the encoder is stuck");
        drop(release);
        assert!(delivery.wait(Duration::from_secs(10)));
        let stats = delivery.stats(0);
        let (delivered, dropped) = (stats.delivered_chunks, stats.dropped_overflow);
        assert_eq!(delivered + dropped, count);
        assert!(dropped >= 4, "{dropped}");
    }
}
