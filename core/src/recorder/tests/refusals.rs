//! What is refused, lost or makes no sense.

use super::*;

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
fn a_fresh_start_that_is_refused_ends_the_stream() {
    let fixture = Fixture::with(|_| {});
    fixture.begin();
    fixture.fake.refuses.store(true, SeqCst);
    fixture.recorder.cut_now();
    assert_eq!(fixture.said(LogLevel::Warning, "profiling ends"), 1);
    assert_eq!(fixture.running(), 0);
    assert!(!fixture.is_looked_after());
    assert_eq!(fixture.first_us(), None, "an interrupt that still comes would begin to record");
    fixture.fake.refuses.store(false, SeqCst);
    fixture.begin();
    assert_eq!(fixture.running(), 1);
}

#[test]
fn a_start_that_is_refused_changes_nothing() {
    let fixture = Fixture::with(|_| {});
    fixture.fake.refuses.store(true, SeqCst);
    assert!(matches!(fixture.recorder.hold(), Err(Error::StartRefused(1))));
    let stream = &fixture.recorder.stream;
    assert!(!fixture.is_looked_after());
    assert_eq!((fixture.first_us(), stream.first_tick_due_us()), (None, None));
    assert!(stream.first_tick_request().is_none());
    assert!(matches!(fixture.recorder.hold_for(fixture.consumer, false), Err(Error::StartRefused(1))));
    assert!(!fixture.recorder.waits(fixture.consumer) && !fixture.recorder.is_running());
    assert!(!fixture.is_looked_after());
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
    let stream = &fixture.recorder.stream;
    let from_us = fixture.recorder.state.borrow().running.unwrap().from_us;
    assert_eq!(stream.next_look_us(), Some(stream.slice_due_us(from_us)));
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
fn who_comes_while_it_records_has_samples_at_once() {
    let fixture = Fixture::new();
    let from_us = fixture.recorder.hold().unwrap();
    assert!(fixture.recorder.hold_for(fixture.consumer, false).unwrap());
    assert!(!fixture.recorder.waits(fixture.consumer));
    assert_eq!((fixture.starts(), fixture.before_starts.get()), (1, 1));
    fixture.recorder.release(Monotonic::now(), 0);
    assert!(fixture.recorder.is_running(), "two hold it");
    fixture.let_go();
    fixture.drain();
    assert!(matches!(fixture.notes.marks()[..], [Mark::Active(at_us), Mark::End(_)] if at_us >= from_us));
}

#[test]
fn the_ticker_looks_after_who_waits_and_after_nobody_else() {
    let fixture = Fixture::new();
    let stream = &fixture.recorder.stream;
    // The ticker has its thread and lingers. V8's was there just now, which counts for a while.
    fixture.begin();
    fixture.let_go();
    fixture.drain();
    fixture.recorder.reclaim_all();
    fixture.refusal.set(true);
    std::thread::sleep(Duration::from_millis(260));
    assert!(matches!(fixture.recorder.hold(), Err(Error::Thread(_))));
    assert!(!fixture.is_looked_after());
    let before_us = Monotonic::now();
    assert!(!fixture.recorder.hold_for(fixture.consumer, false).unwrap());
    let retry_us = stream.next_look_us().expect("it is tried again");
    assert!(fixture.is_looked_after() && retry_us >= before_us + 1_000_000);
    assert!(fixture.recorder.waits_in_vain(fixture.consumer));
    fixture.recorder.release(Monotonic::now(), 0);
    assert!(!fixture.is_looked_after());
    assert_eq!(stream.next_look_us(), None);
    // Before it is time to try again.
    assert!(!fixture.recorder.hold_for(fixture.consumer, false).unwrap());
    assert!(fixture.is_looked_after());
    assert_eq!(stream.next_look_us(), Some(retry_us));
    fixture.recorder.dispose(|| {});
    assert!(!fixture.is_looked_after());
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
