//! A source that a test controls.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use parking_lot::Mutex;

use super::{Beginning, Circumstances, Entered, Home, Interrupts, Raw, RecordingId, Serve, Source};
use crate::error::Error;
use crate::slice::Slice;
use crate::time::Monotonic;

/// What the heap takes, bytes.
pub(crate) const HEAP_BYTES: u64 = 1 << 20;

/// The test's end: settings, and what happened.
#[derive(Default)]
pub(crate) struct Fake {
    /// The isolate is not entered.
    pub(crate) left: AtomicBool,
    /// Starts are refused.
    pub(crate) refuses: AtomicBool,
    /// Recordings are lost.
    pub(crate) loses: AtomicBool,
    /// Recordings have no samples.
    pub(crate) silent: AtomicBool,
    /// Recordings are inconsistent.
    pub(crate) senseless: AtomicBool,
    /// Reading recordings panics.
    pub(crate) panics: AtomicBool,
    pub(crate) starts: AtomicUsize,
    pub(crate) running: AtomicUsize,
    /// The maximum number that ran at the same time.
    pub(crate) most_running: AtomicUsize,
    /// Recordings that were not reclaimed.
    pub(crate) unreclaimed: AtomicUsize,
    pub(crate) heap_readings: AtomicUsize,
    pub(crate) given_back: AtomicUsize,
    pub(crate) disposed: AtomicBool,
    /// How the captured recordings were started.
    pub(crate) beginnings: Mutex<Vec<Beginning>>,
    pub(crate) muted: Mutex<Vec<(Monotonic, Monotonic)>>,
    pub(crate) hidden: Mutex<Vec<String>>,
    requests: Mutex<Vec<u64>>,
}

impl Fake {
    /// Serves the requests so far, as when JavaScript runs. Returns whether there were any.
    pub(crate) fn serve<S: Serve>(&self) -> bool {
        let due = std::mem::take(&mut *self.requests.lock());
        due.iter().for_each(|&stream| S::serve(stream));
        !due.is_empty()
    }
}

/// The source, which ticks every interval in one function.
pub(crate) struct FakeSource {
    fake: Arc<Fake>,
    interval_us: i64,
    started: RefCell<Vec<(RecordingId, Monotonic)>>,
    /// It stays on its thread.
    _here: Rc<()>,
}

impl FakeSource {
    pub(crate) fn new(fake: &Arc<Fake>, interval_us: u32) -> Self {
        let (fake, interval_us) = (fake.clone(), interval_us.into());
        Self { fake, interval_us, started: RefCell::default(), _here: Rc::default() }
    }
}

impl Source for FakeSource {
    fn is_entered(&self) -> bool {
        !self.fake.left.load(SeqCst)
    }

    fn start(&self, _entered: Entered<'_>) -> Result<RecordingId, Error> {
        if self.fake.refuses.load(SeqCst) {
            return Err(Error::StartRefused(1));
        }
        let id = RecordingId(self.fake.starts.fetch_add(1, SeqCst) as u32);
        let running = self.fake.running.fetch_add(1, SeqCst) + 1;
        self.fake.most_running.fetch_max(running, SeqCst);
        self.started.borrow_mut().push((id, Monotonic::now()));
        Ok(id)
    }

    fn stop(&self, id: RecordingId) -> Option<Box<dyn Raw>> {
        let mut started = self.started.borrow_mut();
        let at = started.iter().position(|(other, _)| *other == id).expect("it runs");
        let (_, from_us) = started.swap_remove(at);
        self.fake.running.fetch_sub(1, SeqCst);
        if self.fake.loses.load(SeqCst) {
            return None;
        }
        self.fake.unreclaimed.fetch_add(1, SeqCst);
        let (to_us, interval_us) = (Monotonic::now(), self.interval_us);
        Some(Box::new(FakeRaw { fake: self.fake.clone(), from_us, to_us, interval_us }))
    }

    fn heap_bytes(&self) -> u64 {
        self.fake.heap_readings.fetch_add(1, SeqCst);
        HEAP_BYTES
    }

    fn hide_file(&self, file: String) {
        self.fake.hidden.lock().push(file);
    }

    fn interrupts(&self) -> Box<dyn Interrupts> {
        Box::new(FakeInterrupts(self.fake.clone()))
    }

    fn version(&self) -> String {
        "1-fake".to_owned()
    }

    fn give_back(&self) {
        self.assert_unused();
        self.fake.given_back.fetch_add(1, SeqCst);
    }

    fn dispose(self: Box<Self>) {
        self.assert_unused();
        self.fake.disposed.store(true, SeqCst);
    }
}

impl FakeSource {
    fn assert_unused(&self) {
        assert_eq!(self.fake.running.load(SeqCst), 0, "the source is disposed of while it records");
        assert_eq!(self.fake.unreclaimed.load(SeqCst), 0, "the source is disposed of before its recordings");
    }
}

struct FakeInterrupts(Arc<Fake>);

impl Interrupts for FakeInterrupts {
    fn request(&self, stream: u64) {
        assert!(!self.0.disposed.load(SeqCst), "an interrupt is requested after the source was disposed of");
        self.0.requests.lock().push(stream);
    }
}

struct FakeRaw {
    fake: Arc<Fake>,
    from_us: Monotonic,
    to_us: Monotonic,
    interval_us: i64,
}

impl FakeRaw {
    fn ticks(&self) -> impl DoubleEndedIterator<Item = Monotonic> {
        let (from_us, interval_us) = (self.from_us, self.interval_us);
        let count = if self.fake.silent.load(SeqCst) { 0 } else { (self.to_us - from_us) / interval_us };
        (1..=count).map(move |at| from_us + at * interval_us)
    }
}

impl Raw for FakeRaw {
    fn last_sample_us(&self, before_us: Monotonic) -> Option<Monotonic> {
        self.ticks().rev().find(|&at_us| at_us < before_us)
    }

    fn capture(&mut self, circumstances: &Circumstances) -> Result<Slice, String> {
        assert!(!self.fake.panics.load(SeqCst), "as the test wishes");
        if self.fake.senseless.load(SeqCst) {
            return Err("it has no root".to_owned());
        }
        let Circumstances { beginning, ref muted, .. } = *circumstances;
        self.fake.beginnings.lock().push(beginning);
        self.fake.muted.lock().extend(muted);
        let first = (beginning == Beginning::Tick).then_some(self.from_us);
        let mut slice = Slice::of(first.into_iter().chain(self.ticks()).map(Monotonic::us));
        slice.anew = beginning != Beginning::Overlap;
        Ok(slice)
    }

    fn reclaim(self: Box<Self>, _home: Home<'_>) {
        self.fake.unreclaimed.fetch_sub(1, SeqCst);
    }
}
