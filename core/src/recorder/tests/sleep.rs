//! A stream sleeps while nothing runs.

use super::*;

/// An isolate whose host polls when it is woken. No JavaScript runs but what a test serves.
struct Idle {
    fixture: Fixture,
    woken: Arc<Mutex<bool>>,
}

impl Idle {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut RecorderOptions)) -> Self {
        let woken = Arc::new(Mutex::new(false));
        let wake = woken.clone();
        let fixture = Fixture::with(|options| {
            options.wake = Some(Arc::new(move || *wake.lock() = true));
            change(options);
        });
        Self { fixture, woken }
    }

    fn wait_until(&self, mut holds: impl FnMut() -> bool) {
        let end_us = Monotonic::now() + 10_000_000;
        while !holds() {
            assert!(Monotonic::now() < end_us, "it took too long");
            if std::mem::take(&mut *self.woken.lock()) {
                self.fixture.recorder.maintain();
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn wait_for_ms(&self, ms: i64) {
        let end_us = Monotonic::now() + ms * 1_000;
        self.wait_until(|| Monotonic::now() >= end_us);
    }

    fn sleeps(&self) -> bool {
        self.fixture.recorder.lives() && !self.fixture.recorder.is_running()
    }

    /// JavaScript runs for a moment.
    fn run(&self) {
        self.fixture.fake.serve::<Recorders>();
    }
}

#[test]
fn it_sleeps_when_nothing_has_run_for_long_and_wakes_up_with_what_runs() {
    let idle = Idle::new();
    let fixture = &idle.fixture;
    assert!(!fixture.recorder.stream.rests(), "the ticker may look at it while it begins");
    let from_us = fixture.begin();
    idle.wait_until(|| idle.sleeps());
    let asleep_us = Monotonic::now();
    assert!(asleep_us - from_us >= 3_000_000, "{}", asleep_us - from_us);
    let slices = fixture.starts();
    assert_eq!((fixture.running(), fixture.first_us()), (0, None));
    assert!(fixture.is_looked_after() && fixture.recorder.stream.rests());
    idle.wait_for_ms(300);
    assert_eq!(fixture.starts(), slices);

    let before_us = Monotonic::now();
    idle.run();
    assert_eq!((fixture.starts(), fixture.running()), (slices + 1, 1));
    assert!(fixture.first_us().is_some() && !fixture.recorder.stream.rests());
    fixture.run_for_ms(30);
    let to_us = fixture.let_go();
    fixture.drain();
    let stretches = fixture.notes.stretches();
    assert!(matches!(fixture.fake.beginnings.lock()[slices], Beginning::HostCall(at_us) if at_us >= before_us));
    assert!((0..100_000).contains(&(asleep_us - stretches[slices - 1].1)), "{stretches:?}");
    assert!((before_us..before_us + 100_000).contains(&stretches[slices].0), "{stretches:?}");
    assert!(stretches.last().unwrap().1 >= to_us && stretches.last().unwrap().2, "{stretches:?}");
    assert_eq!(stretches.iter().filter(|stretch| stretch.2).count(), 1, "it sleeps in the middle: {stretches:?}");
    let heap: Vec<_> = fixture.notes.readings().into_iter().filter_map(|reading| reading.1).collect();
    assert!(heap.len() >= 10 && heap.iter().all(|&bytes| bytes == HEAP_BYTES), "{heap:?}");
}

#[test]
fn it_stays_awake_while_something_runs_now_and_then() {
    let idle = Idle::new();
    idle.fixture.begin();
    for _ in 0..5 {
        idle.wait_for_ms(1_000);
        assert!(!idle.sleeps());
        idle.run();
    }
}

#[test]
fn what_lives_on_for_the_next_span_sleeps_sooner_and_ends_on_time() {
    let idle = Idle::new();
    let fixture = &idle.fixture;
    fixture.begin();
    let released_us = Monotonic::now();
    fixture.recorder.release(released_us, 600_000);
    idle.wait_until(|| idle.sleeps());
    let awake_us = Monotonic::now() - released_us;
    assert!((100_000..500_000).contains(&awake_us), "{awake_us}");
    // The next span.
    fixture.recorder.hold().unwrap();
    assert_eq!((fixture.starts(), fixture.running()), (2, 1));
    let released_us = Monotonic::now();
    fixture.recorder.release(released_us, 600_000);
    idle.wait_until(|| idle.sleeps());
    idle.wait_until(|| !fixture.recorder.lives());
    let lived_us = Monotonic::now() - released_us;
    assert!((600_000..1_000_000).contains(&lived_us), "{lived_us}");
    assert!(!fixture.is_looked_after());
    fixture.drain();
    let (_, to_us, _) = *fixture.notes.stretches().last().unwrap();
    assert!(to_us >= released_us + 600_000, "a consumer hears that its time is over");
}

#[test]
fn a_consumer_hears_on_time_that_nothing_has_run() {
    let idle = Idle::new();
    let fixture = &idle.fixture;
    let from_us = fixture.begin();
    let boundary_us = from_us + 3_500_000;
    *fixture.notes.boundary_us.lock() = Some(boundary_us);
    idle.wait_until(|| idle.sleeps());
    let last = || fixture.notes.stretches().last().unwrap().1;
    idle.wait_until(|| last() >= boundary_us);
    assert!(idle.sleeps() && Monotonic::now() - boundary_us < 500_000);
    let heard = fixture.notes.stretches().len();
    idle.wait_for_ms(200);
    assert_eq!(fixture.notes.stretches().len(), heard, "once");
}

#[test]
fn whoever_stops_a_sleeping_stream_gets_all_of_it() {
    let end: [fn(&Fixture); 5] = [
        |fixture| {
            fixture.let_go();
        },
        |fixture| {
            fixture.recorder.release(Monotonic::now(), 60_000_000);
            assert!(fixture.recorder.lives());
            fixture.recorder.end_linger();
        },
        |fixture| fixture.recorder.suspend(),
        |fixture| fixture.recorder.cut_now(),
        |fixture| fixture.recorder.dispose(|| {}),
    ];
    for (at, end) in end.into_iter().enumerate() {
        let idle = Idle::new();
        let from_us = idle.fixture.begin();
        idle.wait_until(|| idle.sleeps());
        idle.wait_for_ms(20);
        let now_us = Monotonic::now();
        end(&idle.fixture);
        idle.fixture.drain();
        let stretches = idle.fixture.notes.stretches();
        assert!(stretches[0].0 == from_us && stretches.last().unwrap().1 >= now_us, "{at}: {stretches:?}");
        assert_eq!(idle.fixture.recorder.lives(), at == 3, "{at}: only the cut leaves it alive");
        idle.run();
        assert_eq!(idle.fixture.running(), usize::from(at == 3), "{at}");
        assert_eq!(idle.fixture.log.lock()[..], [], "{at}");
    }
}

#[test]
fn it_goes_on_sleeping_until_there_is_a_thread() {
    let idle = Idle::new();
    let fixture = &idle.fixture;
    fixture.begin();
    idle.wait_until(|| idle.sleeps());
    idle.wait_for_ms(200);
    fixture.refusal.set(true);
    idle.run();
    assert!(idle.sleeps());
    fixture.refusal.set(false);
    // The ticker asks once more.
    fixture.run_until(|| fixture.running() == 1);

    // What nobody holds ends.
    fixture.recorder.release(Monotonic::now(), 60_000_000);
    idle.wait_until(|| idle.sleeps());
    idle.wait_for_ms(200);
    fixture.refusal.set(true);
    idle.run();
    assert!(!fixture.recorder.lives() && !fixture.is_looked_after());
    assert_eq!(fixture.log.lock()[..], []);
}

#[test]
fn a_source_that_starts_no_more_ends_it_with_a_warning() {
    let idle = Idle::new();
    let fixture = &idle.fixture;
    fixture.begin();
    idle.wait_until(|| idle.sleeps());
    fixture.fake.refuses.store(true, SeqCst);
    idle.run();
    assert!(!fixture.recorder.lives() && !fixture.is_looked_after());
    assert_eq!(fixture.said(LogLevel::Warning, "profiling ends"), 1);
}

#[test]
fn what_only_recordings_need_is_given_back_after_a_while_without_any() {
    let idle = Idle::with(|options| options.gives_back_after_us = Some(400_000));
    let fixture = &idle.fixture;
    let given_back = || fixture.fake.given_back.load(SeqCst);
    fixture.begin();
    fixture.let_go();
    idle.wait_for_ms(250);
    // Another one comes in time.
    fixture.begin();
    idle.wait_for_ms(700);
    fixture.let_go();
    let ended_us = Monotonic::now();
    assert_eq!(given_back(), 0);
    assert!(fixture.is_looked_after());
    idle.wait_until(|| given_back() == 1);
    assert!((400_000..1_000_000).contains(&(Monotonic::now() - ended_us)));
    assert!(!fixture.is_looked_after());
    // While JavaScript runs, in its interrupts.
    fixture.begin();
    fixture.let_go();
    fixture.run_until(|| given_back() == 2);

    let idle = Idle::new();
    idle.fixture.begin();
    idle.fixture.let_go();
    assert!(!idle.fixture.is_looked_after(), "this one keeps it");
}
