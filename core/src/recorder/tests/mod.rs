//! The recorder on a source that does what a test wishes.

mod ends;
mod first_tick;
mod refusals;
mod sleep;
mod stream;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::host::LogLevel;
use crate::source::Serve;
use crate::source::fake::{Fake, FakeSource, HEAP_BYTES};
use crate::stream::Input;
use crate::supply::testing::{self, Refusal};
use crate::ticker::Ticked;
use crate::time::{Monotonic, Unix};

const INTERVAL_US: u32 = 1_000;

#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Mark(Mark),
    /// From, to, ticks in between, whether it is the last one, and whether the source was started anew for it.
    Slice {
        from_us: Monotonic,
        to_us: Monotonic,
        ticks: Vec<Monotonic>,
        last: bool,
        anew: bool,
        /// Times and bytes of the heap.
        readings: Vec<(Monotonic, Option<u64>)>,
    },
}

/// Writes down what a consumer gets.
#[derive(Clone, Default)]
struct Notes {
    seen: Arc<Mutex<Vec<Seen>>>,
    /// When a slice must end.
    boundary_us: Arc<Mutex<Option<Monotonic>>>,
}

impl Consumer for Notes {
    fn mark(&mut self, mark: Mark) {
        self.seen.lock().push(Seen::Mark(mark));
    }

    fn input(&mut self, input: &Input<'_>) {
        let ticks = input.slice.ticks.iter().map(|tick| tick.time_us);
        let ticks = ticks.filter(|at| (input.from_us..input.to_us).contains(at)).collect();
        let readings = input.readings.iter().map(|reading| (reading.time_us, reading.heap_bytes)).collect();
        let Input { from_us, to_us, last, .. } = *input;
        self.seen.lock().push(Seen::Slice { from_us, to_us, ticks, last, anew: input.slice.anew, readings });
    }

    fn is_done(&self) -> bool {
        false
    }

    fn boundary_us(&self) -> Option<Monotonic> {
        *self.boundary_us.lock()
    }
}

impl Notes {
    fn marks(&self) -> Vec<Mark> {
        let marks = |seen: &Seen| if let Seen::Mark(mark) = seen { Some(*mark) } else { None };
        self.seen.lock().iter().filter_map(marks).collect()
    }

    /// All stretches that follow each other: (from, to, whether the stream ended there).
    fn stretches(&self) -> Vec<(Monotonic, Monotonic, bool)> {
        let stretch = |seen: &Seen| match *seen {
            Seen::Slice { from_us, to_us, last, .. } => Some((from_us, to_us, last)),
            Seen::Mark(_) => None,
        };
        self.seen.lock().iter().filter_map(stretch).collect()
    }

    fn ticks(&self) -> Vec<Monotonic> {
        let ticks = |seen: &Seen| if let Seen::Slice { ticks, .. } = seen { ticks.clone() } else { vec![] };
        self.seen.lock().iter().flat_map(ticks).collect()
    }

    fn readings(&self) -> Vec<(Monotonic, Option<u64>)> {
        let readings = |seen: &Seen| if let Seen::Slice { readings, .. } = seen { readings.clone() } else { vec![] };
        self.seen.lock().iter().flat_map(readings).collect()
    }
}

struct Fixture {
    recorder: Rc<Recorder>,
    fake: Arc<Fake>,
    refusal: Refusal,
    notes: Notes,
    consumer: u64,
    log: Arc<Mutex<Vec<(LogLevel, String)>>>,
    before_starts: Rc<Cell<usize>>,
}

impl Fixture {
    fn new() -> Self {
        // Times are checked without a first tick in between.
        let fixture = Self::with(|_| {});
        fixture.recorder.has_first_ticks.set(false);
        fixture
    }

    fn with(change: impl FnOnce(&mut RecorderOptions)) -> Self {
        let fake = Arc::<Fake>::default();
        let (supply, refusal) = testing::supply();
        let log = Arc::new(Mutex::new(vec![]));
        let messages = log.clone();
        let before_starts = Rc::new(Cell::new(0));
        let counted = before_starts.clone();
        let mut options = RecorderOptions {
            gives_back_after_us: None,
            interval_us: INTERVAL_US,
            wake: None,
            log: Some(Arc::new(move |level, text| messages.lock().push((level, text.to_owned())))),
            before_start: Some(Rc::new(move || counted.set(counted.get() + 1))),
            threads: Threads::new(supply),
        };
        change(&mut options);
        let recorder = Recorder::new(Box::new(FakeSource::new(&fake, options.interval_us)), options);
        let notes = Notes::default();
        let consumer = recorder.attach(Box::new(notes.clone()));
        Self { recorder, fake, refusal, notes, consumer, log, before_starts }
    }

    /// JavaScript runs until this holds.
    fn run_until(&self, mut holds: impl FnMut() -> bool) {
        let end_us = Monotonic::now() + 10_000_000;
        while !holds() {
            assert!(Monotonic::now() < end_us, "it took too long");
            self.fake.serve::<Recorders>();
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn run_for_ms(&self, ms: i64) {
        let end_us = Monotonic::now() + ms * 1_000;
        self.run_until(|| Monotonic::now() >= end_us);
    }

    /// JavaScript runs and serves each interrupt at once, as a first tick wants it, until this holds. Returns when
    /// the last one that came was served.
    fn spin_until(&self, mut holds: impl FnMut() -> bool) -> Monotonic {
        let end_us = Monotonic::now() + 5_000_000;
        let mut served_us = Monotonic::now();
        while !holds() {
            let now_us = Monotonic::now();
            assert!(now_us < end_us, "it took too long");
            if self.fake.serve::<Recorders>() {
                served_us = now_us;
            }
            // On a busy machine the ticker has this core.
            std::thread::yield_now();
        }
        served_us
    }

    /// The ticker does nothing for the stream any more.
    fn leave_alone(&self) {
        self.recorder.stream.threads.ticker.unregister(self.recorder.stream.id);
    }

    fn is_looked_after(&self) -> bool {
        self.recorder.stream.threads.ticker.looks_after(self.recorder.stream.id)
    }

    /// When there is to be a first tick.
    fn first_us(&self) -> Option<Monotonic> {
        self.recorder.state.borrow().rhythm.first_us()
    }

    /// Everything that was recorded has come to the consumers.
    fn drain(&self) {
        self.recorder.stream.drain();
    }

    fn starts(&self) -> usize {
        self.fake.starts.load(SeqCst)
    }

    fn running(&self) -> usize {
        self.fake.running.load(SeqCst)
    }

    fn said(&self, level: LogLevel, part: &str) -> usize {
        self.log.lock().iter().filter(|(other, text)| *other == level && text.contains(part)).count()
    }

    fn begin(&self) -> Monotonic {
        let from_us = self.recorder.hold().unwrap();
        self.recorder.mark(self.consumer, Mark::Active(from_us));
        from_us
    }

    fn let_go(&self) -> Monotonic {
        let now_us = Monotonic::now();
        self.recorder.mark(self.consumer, Mark::End(now_us));
        self.recorder.release(now_us, 0);
        now_us
    }
}

/// Other threads see to it.
fn eventually(holds: impl Fn() -> bool) {
    let end_us = Monotonic::now() + 10_000_000;
    while !holds() {
        assert!(Monotonic::now() < end_us, "nobody saw to it");
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Nothing was missed, but for the moments of a fresh start, and nothing came twice.
fn assert_whole(notes: &Notes, from_us: Monotonic, to_us: Monotonic) {
    let stretches = notes.stretches();
    assert!(stretches.windows(2).all(|pair| (0..5_000).contains(&(pair[1].0 - pair[0].1))), "{stretches:?}");
    assert!(stretches[0].0 <= from_us && stretches.last().unwrap().1 >= to_us, "{stretches:?}");
    let ticks = notes.ticks();
    assert!(ticks.is_sorted_by(|one, two| one < two), "{ticks:?}");
}
