//! When the first tick comes.

use super::*;

#[test]
fn the_first_tick_comes_once_and_at_a_moment_of_its_own() {
    let fixture = Fixture::with(|_| {});
    let from_us = fixture.begin();
    assert!(fixture.first_us().is_some());
    let mut heap = 0;
    let served_us = fixture.spin_until(|| {
        let before = std::mem::replace(&mut heap, fixture.fake.heap_readings.load(SeqCst));
        assert!(fixture.starts() == 1 || before == heap, "one thing in an interrupt");
        fixture.starts() == 2
    });
    assert_eq!(fixture.first_us(), None);
    let tick_us = fixture.recorder.tick_us().unwrap();
    assert!((served_us..served_us + 100_000).contains(&tick_us), "{tick_us:?} {served_us:?}");
    let began_us = Monotonic::now();
    fixture.spin_until(|| Monotonic::now() >= began_us + 20_000);
    assert_eq!((fixture.starts(), fixture.running()), (2, 1));
    let to_us = fixture.let_go();
    fixture.drain();
    assert_whole(&fixture.notes, from_us, to_us);
    assert_eq!(fixture.fake.beginnings.lock().last(), Some(&Beginning::Tick));
}

#[test]
fn a_fresh_start_has_a_first_tick_of_its_own() {
    let fixture = Fixture::with(|_| {});
    fixture.begin();
    fixture.spin_until(|| fixture.first_us().is_none());
    fixture.recorder.cut_now();
    assert!(fixture.first_us().is_some());
    fixture.spin_until(|| fixture.first_us().is_none());
    fixture.let_go();
    fixture.drain();
    let beginnings = fixture.fake.beginnings.lock();
    assert!(matches!(beginnings[..], [Beginning::HostCall(_), .., Beginning::Anew, Beginning::Tick]), "{beginnings:?}");
}

#[test]
fn the_ticker_hears_of_each_first_tick_once() {
    let fixture = Fixture::with(|_| {});
    let ticker = fixture.recorder.stream.threads.ticker;
    fixture.begin();
    // Its thread would have heard by now.
    ticker.end();
    assert!(!ticker.is_hurried());
    fixture.recorder.maintain();
    assert!(!ticker.is_hurried(), "it knows of this one");
    std::thread::sleep(Duration::from_millis(2));
    fixture.recorder.cut_now();
    assert!(ticker.is_hurried());
}

#[test]
fn an_interrupt_that_comes_late_is_no_first_tick() {
    let fixture = Fixture::with(|_| {});
    fixture.begin();
    // Asked for within an interval; nothing runs.
    std::thread::sleep(Duration::from_millis(30));
    assert!(fixture.fake.serve::<Recorders>());
    assert_eq!(fixture.starts(), 1);
    let next_us = fixture.first_us().expect("another try");
    assert!(next_us > Monotonic::now() - 2_000);
    fixture.let_go();
    fixture.drain();
    assert!(!fixture.fake.muted.lock().is_empty());
    assert!(fixture.recorder.state.borrow().rhythm.muted().is_empty(), "of that recording only");
    assert_eq!(fixture.first_us(), None);
}

#[test]
fn after_a_late_interrupt_the_next_try_may_succeed() {
    let fixture = Fixture::with(|_| {});
    fixture.begin();
    std::thread::sleep(Duration::from_millis(30));
    assert!(fixture.fake.serve::<Recorders>());
    assert_eq!(fixture.starts(), 1);
    fixture.spin_until(|| fixture.starts() == 2);
    assert_eq!(fixture.first_us(), None);
    fixture.let_go();
    fixture.drain();
    assert_eq!(*fixture.fake.beginnings.lock().last().unwrap(), Beginning::Tick);
    let muted = fixture.fake.muted.lock().len();
    assert!(muted > 0);
    // What follows has none of that recording's.
    fixture.begin();
    fixture.let_go();
    fixture.drain();
    assert_eq!(fixture.fake.muted.lock().len(), muted);
}

#[test]
fn a_machine_that_is_never_prompt_holds_nothing_else_up() {
    let fixture = Fixture::with(|_| {});
    fixture.begin();
    for _ in 0..25 {
        std::thread::sleep(Duration::from_millis(20));
        fixture.fake.serve::<Recorders>();
    }
    assert!(fixture.first_us().is_some(), "it is still tried");
    fixture.drain();
    assert!(!fixture.fake.beginnings.lock().is_empty(), "the first slice did not end");
    assert!(fixture.fake.heap_readings.load(SeqCst) > 1);
}

#[test]
fn what_was_muted_is_over_with_a_fresh_start() {
    let fixture = Fixture::with(|_| {});
    fixture.begin();
    std::thread::sleep(Duration::from_millis(30));
    assert!(fixture.fake.serve::<Recorders>());
    fixture.recorder.cut_now();
    fixture.drain();
    assert_eq!(fixture.fake.muted.lock().len(), 1);
    fixture.let_go();
    fixture.drain();
    assert_eq!(fixture.fake.muted.lock().len(), 1);
}

#[test]
fn a_fixture_may_have_no_first_ticks() {
    let fixture = Fixture::new();
    fixture.begin();
    fixture.run_for_ms(30);
    assert_eq!(fixture.starts(), 1);
}
