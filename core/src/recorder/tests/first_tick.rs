//! When the first tick comes.

use super::*;

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
