//! The recorder on a source that does what a test wishes.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::host::LogLevel;
use crate::source::Serve;
use crate::source::fake::{Fake, FakeSource};
use crate::stream::Input;
use crate::supply::testing::{self, Refusal};
use crate::ticker::Ticked;
use crate::time::Monotonic;

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
    },
}

/// Writes down what a consumer gets.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Seen>>>);

impl Consumer for Notes {
    fn mark(&mut self, mark: Mark) {
        self.0.lock().push(Seen::Mark(mark));
    }

    fn input(&mut self, input: &Input<'_>) {
        let ticks = input.slice.ticks.iter().map(|tick| tick.0);
        let ticks = ticks.filter(|at| (input.from_us..input.to_us).contains(at)).collect();
        let Input { from_us, to_us, last, .. } = *input;
        self.0.lock().push(Seen::Slice { from_us, to_us, ticks, last, anew: input.slice.anew });
    }

    fn is_done(&self) -> bool {
        false
    }
}

impl Notes {
    fn marks(&self) -> Vec<Mark> {
        let marks = |seen: &Seen| if let Seen::Mark(mark) = seen { Some(*mark) } else { None };
        self.0.lock().iter().filter_map(marks).collect()
    }

    /// All stretches that follow each other: (from, to, whether the stream ended there).
    fn stretches(&self) -> Vec<(Monotonic, Monotonic, bool)> {
        let stretch = |seen: &Seen| match *seen {
            Seen::Slice { from_us, to_us, last, .. } => Some((from_us, to_us, last)),
            Seen::Mark(_) => None,
        };
        self.0.lock().iter().filter_map(stretch).collect()
    }

    fn ticks(&self) -> Vec<Monotonic> {
        let ticks = |seen: &Seen| if let Seen::Slice { ticks, .. } = seen { ticks.clone() } else { vec![] };
        self.0.lock().iter().flat_map(ticks).collect()
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
        Self::with(|options| options.starts_are_dear = true)
    }

    fn with(change: impl FnOnce(&mut RecorderOptions)) -> Self {
        let fake = Arc::<Fake>::default();
        let (supply, refusal) = testing::supply();
        let log = Arc::new(Mutex::new(vec![]));
        let messages = log.clone();
        let before_starts = Rc::new(Cell::new(0));
        let counted = before_starts.clone();
        let mut options = RecorderOptions {
            starts_are_dear: false,
            interval_us: INTERVAL_US,
            wake: None,
            log: Some(Arc::new(move |level, text| messages.lock().push((level, text.to_owned())))),
            before_start: Some(Rc::new(move || counted.set(counted.get() + 1))),
            threads: Threads::new(supply),
        };
        change(&mut options);
        let recorder = Recorder::new(Box::new(FakeSource::new(&fake, INTERVAL_US)), options);
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

/// Nothing was missed, but for the moments of a fresh start, and nothing came twice.
fn assert_whole(notes: &Notes, from_us: Monotonic, to_us: Monotonic) {
    let stretches = notes.stretches();
    assert!(stretches.windows(2).all(|pair| (0..5_000).contains(&(pair[1].0 - pair[0].1))), "{stretches:?}");
    assert!(stretches[0].0 <= from_us && stretches.last().unwrap().1 >= to_us, "{stretches:?}");
    let ticks = notes.ticks();
    assert!(ticks.is_sorted_by(|one, two| one < two), "{ticks:?}");
}

#[test]
fn recording_is_one_slice_from_hold_to_release() {
    let fixture = Fixture::new();
    let before_us = Monotonic::now();
    let from_us = fixture.begin();
    assert!(from_us >= before_us && fixture.recorder.is_running());
    assert_eq!((fixture.starts(), fixture.running(), fixture.before_starts.get()), (1, 1, 1));
    std::thread::sleep(Duration::from_millis(20));
    let to_us = fixture.let_go();
    assert!(!fixture.recorder.is_running());
    assert_eq!((fixture.starts(), fixture.running()), (1, 0));
    fixture.drain();
    let stretches = fixture.notes.stretches();
    assert_eq!(stretches.len(), 1);
    assert_eq!((stretches[0].0, stretches[0].2), (from_us, true));
    assert_whole(&fixture.notes, from_us, to_us);
    assert!((15..=20 + 5).contains(&fixture.notes.ticks().len()));
    assert_eq!(fixture.notes.marks(), [Mark::Active(from_us), Mark::End(to_us)]);
    assert!(matches!(fixture.fake.beginnings.lock()[..], [Beginning::HostCall(at_us)] if at_us >= from_us));
    assert_eq!(fixture.fake.heap_readings.load(SeqCst), 1, "also what ends before an interrupt has a reading");
}

#[test]
fn many_hold_one_stream_and_the_last_release_ends_it() {
    let fixture = Fixture::new();
    let from_us = fixture.begin();
    (0..10).for_each(|_| assert!(fixture.recorder.hold().unwrap() >= from_us));
    assert_eq!((fixture.starts(), fixture.before_starts.get()), (1, 1));
    (0..10).for_each(|_| fixture.recorder.release(Monotonic::now(), 0));
    assert!(fixture.recorder.is_running());
    fixture.let_go();
    assert!(!fixture.recorder.is_running());
    fixture.recorder.release(Monotonic::now(), 0);
    fixture.begin();
    assert_eq!(fixture.starts(), 2, "one release too many takes nothing away");
}

#[test]
fn slices_overlap_and_nothing_is_missed() {
    let fixture = Fixture::new();
    let from_us = fixture.begin();
    fixture.run_until(|| fixture.running() == 2);
    assert!(fixture.recorder.stream.next_look_us().unwrap() < Monotonic::now() + 100_000, "the one before ends soon");
    fixture.run_until(|| fixture.starts() == 3 && fixture.running() == 1);
    assert_eq!(fixture.fake.most_running.load(SeqCst), 2);
    let to_us = fixture.let_go();
    fixture.drain();
    assert_whole(&fixture.notes, from_us, to_us);
    let stretches = fixture.notes.stretches();
    assert_eq!(stretches.iter().map(|stretch| stretch.2).collect::<Vec<_>>(), [false, false, true]);
    assert!(stretches.windows(2).all(|pair| pair[0].1 == pair[1].0), "{stretches:?}");
    let ticks = fixture.notes.ticks();
    let expected = (to_us - from_us) / i64::from(INTERVAL_US);
    assert!((expected - ticks.len() as i64).abs() <= 5, "{} of {expected}", ticks.len());
    let beginnings = fixture.fake.beginnings.lock().clone();
    assert_eq!(beginnings[1..], [Beginning::Overlap, Beginning::Overlap]);
    let heap = fixture.fake.heap_readings.load(SeqCst);
    assert!((4..=20).contains(&heap), "{heap} readings of the heap in about 0.8 s");
}

#[test]
fn a_successor_that_is_refused_leaves_the_slice_running() {
    let fixture = Fixture::new();
    let from_us = fixture.begin();
    fixture.fake.refuses.store(true, SeqCst);
    fixture.run_until(|| fixture.said(LogLevel::Warning, "the slice goes on") > 0);
    assert_eq!((fixture.starts(), fixture.running()), (1, 1));
    fixture.fake.refuses.store(false, SeqCst);
    fixture.run_until(|| fixture.starts() == 2);
    let to_us = fixture.let_go();
    fixture.drain();
    assert_whole(&fixture.notes, from_us, to_us);
}

#[test]
fn a_stream_lives_on_for_the_next_one() {
    let fixture = Fixture::new();
    fixture.begin();
    let now_us = Monotonic::now();
    fixture.recorder.release(now_us, 60_000);
    assert!(fixture.recorder.is_running());
    assert!(fixture.recorder.stream.next_look_us().unwrap() < now_us + 200_000, "before the slice is over");
    fixture.recorder.hold().unwrap();
    assert_eq!(fixture.starts(), 1);
    let now_us = Monotonic::now();
    fixture.recorder.release(now_us, 60_000);
    // Shorter ones take nothing of it away.
    fixture.recorder.hold().unwrap();
    fixture.recorder.release(Monotonic::now(), 0);
    assert!(fixture.recorder.is_running());
    fixture.run_until(|| !fixture.recorder.is_running());
    let lived_us = Monotonic::now() - now_us;
    assert!((60_000..400_000).contains(&lived_us), "{lived_us}");

    fixture.begin();
    fixture.recorder.release(Monotonic::now(), 60_000_000);
    fixture.recorder.end_linger();
    assert!(!fixture.recorder.is_running());
    fixture.begin();
    fixture.recorder.end_linger();
    assert!(fixture.recorder.is_running(), "it is held");
}

#[test]
fn a_cut_hands_out_all_up_to_now_and_goes_on() {
    let fixture = Fixture::new();
    let from_us = fixture.begin();
    std::thread::sleep(Duration::from_millis(10));
    let now_us = Monotonic::now();
    fixture.recorder.cut_now();
    fixture.drain();
    assert_whole(&fixture.notes, from_us, now_us);
    assert_eq!((fixture.starts(), fixture.running(), fixture.fake.most_running.load(SeqCst)), (2, 1, 1));
    fixture.let_go();
    fixture.drain();
    assert_eq!(fixture.fake.beginnings.lock().last(), Some(&Beginning::Anew));

    // Where there is no thread for a fresh start the next slice begins next to this one.
    fixture.begin();
    fixture.refusal.set(true);
    let cut_us = Monotonic::now();
    fixture.recorder.cut_now();
    fixture.drain();
    assert_eq!(fixture.running(), 1);
    assert!(fixture.notes.stretches().last().unwrap().1 >= cut_us);
    fixture.refusal.set(false);
    fixture.let_go();
    fixture.drain();
    assert_eq!(fixture.fake.beginnings.lock().last(), Some(&Beginning::Overlap));

    // While nothing records, time passes all the same.
    let now_us = Monotonic::now();
    fixture.recorder.mark(fixture.consumer, Mark::Flush(now_us));
    fixture.recorder.cut_now();
    fixture.drain();
    assert!(fixture.notes.stretches().last().unwrap().1 >= now_us);
    assert_eq!(fixture.notes.marks().last(), Some(&Mark::Flush(now_us)));
}

#[test]
fn a_fresh_start_that_is_refused_ends_the_stream() {
    let fixture = Fixture::new();
    fixture.begin();
    fixture.fake.refuses.store(true, SeqCst);
    fixture.recorder.cut_now();
    assert_eq!(fixture.said(LogLevel::Warning, "profiling ends"), 1);
    assert_eq!(fixture.running(), 0);
    fixture.fake.refuses.store(false, SeqCst);
    fixture.begin();
    assert_eq!(fixture.running(), 1);
}

#[test]
fn a_start_that_is_refused_changes_nothing() {
    let fixture = Fixture::new();
    fixture.fake.refuses.store(true, SeqCst);
    assert!(matches!(fixture.recorder.hold(), Err(Error::StartRefused(1))));
    assert!(matches!(fixture.recorder.hold_for(fixture.consumer, false), Err(Error::StartRefused(1))));
    assert!(!fixture.recorder.waits(fixture.consumer) && !fixture.recorder.is_running());
    fixture.fake.refuses.store(false, SeqCst);
    fixture.begin();
    fixture.let_go();
    assert_eq!(fixture.running(), 0, "the refused ones hold nothing");
}

#[test]
fn who_gets_no_thread_waits_and_is_told_when_there_is_one() {
    let fixture = Fixture::new();
    fixture.refusal.set(true);
    assert!(matches!(fixture.recorder.hold(), Err(Error::Thread(_))));
    assert!(!fixture.recorder.hold_for(fixture.consumer, false).unwrap());
    assert!(fixture.recorder.waits(fixture.consumer));
    assert!(!fixture.recorder.retry(true).unwrap());
    assert_eq!(fixture.said(LogLevel::Warning, "it is tried again"), 1);
    fixture.refusal.set(false);
    assert!(!fixture.recorder.retry(false).unwrap(), "it is not time yet");
    assert!(fixture.recorder.retry(true).unwrap());
    assert!(!fixture.recorder.waits(fixture.consumer) && fixture.recorder.is_running());
    assert_eq!(fixture.said(LogLevel::Debug, "a thread could be had again"), 1);
    fixture.let_go();
    fixture.drain();
    assert!(matches!(fixture.notes.marks()[..], [Mark::Active(_), Mark::End(_)]));
    assert_eq!(fixture.running(), 0);

    fixture.refusal.set(true);
    std::thread::sleep(Duration::from_millis(260));
    assert!(!fixture.recorder.hold_for(fixture.consumer, false).unwrap());
    assert!(fixture.recorder.waits_in_vain(fixture.consumer) && !fixture.recorder.waits_in_vain(fixture.consumer));
    fixture.recorder.release(Monotonic::now(), 0);
    fixture.refusal.set(false);
    assert!(!fixture.recorder.retry(true).unwrap(), "nobody waits");
}

#[test]
fn a_recording_that_is_lost_is_time_without_samples() {
    let fixture = Fixture::new();
    fixture.begin();
    fixture.fake.loses.store(true, SeqCst);
    let to_us = fixture.let_go();
    fixture.drain();
    assert_eq!(fixture.said(LogLevel::Warning, "lost a recording"), 1);
    assert!(fixture.notes.ticks().is_empty());
    assert!(fixture.notes.stretches().last().unwrap().1 >= to_us);
    assert_eq!(fixture.notes.marks().len(), 2);
}

#[test]
fn a_source_that_stalls_is_started_anew() {
    let fixture = Fixture::new();
    fixture.begin();
    fixture.fake.silent.store(true, SeqCst);
    fixture.run_until(|| fixture.said(LogLevel::Debug, "is started anew") > 0);
    fixture.fake.silent.store(false, SeqCst);
    assert_eq!(fixture.running(), 1);
    fixture.run_for_ms(20);
    fixture.let_go();
    fixture.drain();
    assert!(fixture.notes.ticks().len() > 10);
    assert_eq!(fixture.fake.beginnings.lock().last(), Some(&Beginning::Anew));
}

#[test]
fn what_makes_no_sense_stops_everything_for_good() {
    for panics in [false, true] {
        let fixture = Fixture::new();
        fixture.begin();
        (if panics { &fixture.fake.panics } else { &fixture.fake.senseless }).store(true, SeqCst);
        fixture.run_until(|| fixture.recorder.stream.broken().is_some());
        fixture.run_until(|| fixture.running() == 0);
        let Err(Error::Unsupported(why)) = fixture.recorder.check() else { panic!("it is supported") };
        let why = why.to_string();
        assert!(why.contains(if panics { "as the test wishes" } else { "it has no root" }), "{why}");
        assert!(why.contains("1-fake"));
        assert!(matches!(fixture.recorder.hold(), Err(Error::Unsupported(_))));
        assert_eq!(fixture.said(LogLevel::Warning, "makes no sense"), 1);
        assert!(fixture.notes.ticks().is_empty());
    }
}

#[test]
fn a_check_stops_what_makes_no_sense() {
    let fixture = Fixture::new();
    fixture.begin();
    fixture.fake.senseless.store(true, SeqCst);
    fixture.recorder.cut_now();
    fixture.drain();
    assert_eq!(fixture.running(), 1, "nobody was on the isolate's thread since");
    assert!(matches!(fixture.recorder.check(), Err(Error::Unsupported(_))));
    assert_eq!(fixture.running(), 0);
}

#[test]
fn calls_without_the_isolate_entered_are_refused_and_change_nothing() {
    let fixture = Fixture::new();
    fixture.begin();
    fixture.fake.left.store(true, SeqCst);
    assert!(matches!(fixture.recorder.check(), Err(Error::WrongThread)));
    assert!(matches!(fixture.recorder.hold(), Err(Error::WrongThread)));
    std::thread::sleep(Duration::from_millis(300));
    let readings = fixture.fake.heap_readings.load(SeqCst);
    fixture.recorder.maintain();
    assert_eq!((fixture.starts(), fixture.fake.heap_readings.load(SeqCst)), (1, readings));
    fixture.fake.left.store(false, SeqCst);
    fixture.recorder.maintain();
    assert_eq!(fixture.starts(), 2, "the next slice is due");
}

#[test]
fn a_call_from_inside_another_is_refused() {
    let fixture = Fixture::new();
    let _inside = fixture.recorder.state.borrow_mut();
    assert!(matches!(fixture.recorder.check(), Err(Error::Reentrant)));
    fixture.recorder.maintain();
    assert!(fixture.recorder.retry(true).unwrap());
    assert!(!fixture.recorder.is_running() && !fixture.recorder.waits(1));
}

#[test]
fn a_suspended_recorder_hands_out_and_starts_nothing() {
    let fixture = Fixture::new();
    let from_us = fixture.begin();
    std::thread::sleep(Duration::from_millis(5));
    let to_us = Monotonic::now();
    fixture.recorder.suspend();
    assert_eq!(fixture.running(), 0);
    fixture.drain();
    assert_whole(&fixture.notes, from_us, to_us);
    assert!(matches!(fixture.recorder.hold(), Err(Error::Closed)));
    fixture.recorder.maintain();
    assert!(!fixture.recorder.retry(true).unwrap());
    assert_eq!(fixture.starts(), 1);
}

#[test]
fn the_first_tick_comes_once_and_at_a_moment_of_its_own() {
    let fixture = Fixture::with(|_| {});
    let from_us = fixture.begin();
    // Spins, because what is served late does not count.
    let end_us = Monotonic::now() + 5_000_000;
    while fixture.starts() == 1 {
        assert!(Monotonic::now() < end_us, "no first tick");
        fixture.fake.serve::<Recorders>();
    }
    assert!(fixture.recorder.state.borrow().rhythm.first_us().is_none());
    assert!((fixture.recorder.tick_us().unwrap() - Monotonic::now()).abs() < 100_000);
    let began_us = Monotonic::now();
    while Monotonic::now() < began_us + 20_000 {
        fixture.fake.serve::<Recorders>();
    }
    assert_eq!((fixture.starts(), fixture.running()), (2, 1));
    let to_us = fixture.let_go();
    fixture.drain();
    assert_whole(&fixture.notes, from_us, to_us);
    assert_eq!(fixture.fake.beginnings.lock().last(), Some(&Beginning::Tick));
}

#[test]
fn an_interrupt_that_comes_late_is_no_first_tick() {
    let fixture = Fixture::with(|_| {});
    fixture.begin();
    // Asked for within an interval; nothing runs.
    std::thread::sleep(Duration::from_millis(30));
    assert!(fixture.fake.serve::<Recorders>());
    assert_eq!(fixture.starts(), 1);
    let next_us = fixture.recorder.state.borrow().rhythm.first_us().expect("another try");
    assert!(next_us > Monotonic::now() - 2_000);
    fixture.let_go();
    fixture.drain();
    assert!(!fixture.fake.muted.lock().is_empty());
    assert!(fixture.recorder.state.borrow().rhythm.muted().is_empty(), "of that recording only");
    assert!(fixture.recorder.state.borrow().rhythm.first_us().is_none());
}

#[test]
fn dear_starts_have_no_first_tick() {
    let fixture = Fixture::new();
    fixture.begin();
    fixture.run_for_ms(30);
    assert_eq!(fixture.starts(), 1);
}

#[test]
fn it_can_be_disposed_of_at_each_moment() {
    type Moment = fn(&Fixture);
    let moments: [(&str, Moment); 6] = [
        ("before anything", |_| {}),
        ("while it records", |fixture| _ = fixture.begin()),
        ("while two slices run", |fixture| {
            fixture.begin();
            fixture.run_until(|| fixture.running() == 2);
        }),
        ("with what was not reclaimed", |fixture| {
            fixture.begin();
            fixture.recorder.cut_now();
            fixture.drain();
            assert!(fixture.recorder.stream.captured_count() > 0);
        }),
        ("after the end", |fixture| {
            fixture.begin();
            fixture.let_go();
        }),
        ("while it waits for a thread", |fixture| {
            fixture.refusal.set(true);
            fixture.recorder.hold_for(fixture.consumer, false).unwrap();
        }),
    ];
    for (what, moment) in moments {
        let fixture = Fixture::new();
        moment(&fixture);
        fixture.fake.left.store(true, SeqCst);
        let handed_out = Cell::new(false);
        fixture.recorder.dispose(|| {
            // Whoever delivers may ask.
            assert!(matches!(fixture.recorder.check(), Err(Error::Closed)), "{what}");
            handed_out.set(true);
        });
        assert!(handed_out.get() && fixture.fake.disposed.load(SeqCst), "{what}");
        assert_eq!((fixture.running(), fixture.fake.unreclaimed.load(SeqCst)), (0, 0), "{what}");
        assert!(matches!(fixture.notes.marks().last(), Some(Mark::End(_))), "{what}");
        assert!(matches!(fixture.recorder.check(), Err(Error::Closed)), "{what}");
        assert!(matches!(fixture.recorder.hold(), Err(Error::Closed)), "{what}");
        // What comes later, and a second time, is harmless.
        fixture.fake.serve::<Recorders>();
        fixture.recorder.maintain();
        fixture.recorder.reclaim_all();
        fixture.recorder.hide_file("/late.js".to_owned());
        fixture.recorder.dispose(|| panic!("{what}: twice"));
        assert!(fixture.fake.hidden.lock().is_empty());
    }
}

#[test]
fn dropping_it_disposes_of_it_and_ends_the_threads() {
    let fixture = Fixture::new();
    let (fake, threads) = (fixture.fake.clone(), fixture.recorder.stream.threads);
    fixture.begin();
    drop(fixture);
    assert!(fake.disposed.load(SeqCst));
    assert!(!threads.ticker.is_running());
}

#[test]
fn an_interrupt_for_a_recorder_that_is_gone_is_ignored() {
    let fixture = Fixture::new();
    let stream = fixture.recorder.stream.id;
    drop(fixture);
    Recorders::serve(stream);
    RECORDERS.with(|recorders| assert!(!recorders.borrow().contains_key(&stream)));
}

#[test]
fn who_is_detached_hears_no_more_and_others_do() {
    let fixture = Fixture::new();
    let other = Notes::default();
    let id = fixture.recorder.attach(Box::new(other.clone()));
    assert_ne!(id, fixture.consumer);
    fixture.begin();
    fixture.recorder.mark(id, Mark::Idle(Monotonic::from_us(1)));
    fixture.recorder.cut_now();
    fixture.drain();
    assert_eq!(other.marks(), [Mark::Idle(Monotonic::from_us(1))]);
    assert_eq!(other.stretches().len(), 1);
    fixture.recorder.detach(id);
    fixture.let_go();
    fixture.drain();
    assert_eq!(other.stretches().len(), 1);
    assert_eq!(fixture.notes.stretches().len(), 2);
}

#[test]
fn what_was_captured_is_reclaimed_by_and_by() {
    let fixture = Fixture::new();
    fixture.begin();
    for _ in 0..5 {
        fixture.recorder.cut_now();
    }
    fixture.drain();
    assert_eq!(fixture.fake.unreclaimed.load(SeqCst), 5);
    fixture.recorder.maintain();
    assert_eq!(fixture.fake.unreclaimed.load(SeqCst), 4, "one at a time");
    fixture.run_until(|| fixture.fake.unreclaimed.load(SeqCst) == 0);
    fixture.recorder.hide_file("/own.js".to_owned());
    assert_eq!(*fixture.fake.hidden.lock(), ["/own.js"]);
}
