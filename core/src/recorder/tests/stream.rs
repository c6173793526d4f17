//! A stream from its first hold to its last release: slices, cuts, and what is read meanwhile.

use super::*;

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
    let (ticks, expected) = (fixture.notes.ticks().len() as i64, (to_us - from_us) / i64::from(INTERVAL_US));
    assert!((expected - ticks).abs() <= 5, "{ticks} of {expected}");
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
    fixture.let_go();
    assert!(!fixture.recorder.is_running(), "nothing keeps it alive any more");
}

#[test]
fn a_cut_hands_out_all_up_to_now_and_goes_on() {
    let fixture = Fixture::new();
    let from_us = fixture.begin();
    std::thread::sleep(Duration::from_millis(10));
    let (stream, now_us) = (&fixture.recorder.stream, Monotonic::now());
    fixture.recorder.cut_now();
    assert!(stream.next_look_us() >= Some(stream.slice_due_us(now_us)), "when the next slice is over");
    fixture.drain();
    assert_whole(&fixture.notes, from_us, now_us);
    assert_eq!(fixture.notes.readings(), [(from_us, Some(HEAP_BYTES))]);
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
fn a_cut_while_two_slices_run_ends_both() {
    let fixture = Fixture::new();
    let from_us = fixture.begin();
    fixture.run_until(|| fixture.running() == 2);
    fixture.recorder.cut_now();
    assert_eq!(fixture.running(), 1);
    fixture.run_until(|| fixture.running() == 2);
    // The next one begins next to these two.
    fixture.refusal.set(true);
    fixture.recorder.cut_now();
    assert_eq!(fixture.running(), 1);
    let to_us = fixture.let_go();
    assert_eq!(fixture.running(), 0);
    fixture.drain();
    assert_whole(&fixture.notes, from_us, to_us);
    assert_eq!((fixture.starts(), fixture.notes.stretches().len()), (5, 5));
}

#[test]
fn the_ticker_looks_after_a_stream_for_as_long_as_it_records() {
    let fixture = Fixture::new();
    let stream = &fixture.recorder.stream;
    assert!(!fixture.is_looked_after());
    let from_us = fixture.begin();
    assert!(fixture.is_looked_after());
    assert_eq!(stream.next_look_us(), Some(stream.slice_due_us(from_us)));
    fixture.let_go();
    assert!(!fixture.is_looked_after());
    assert_eq!(stream.next_look_us(), None);
}

#[test]
fn what_has_ended_goes_to_the_encoder_at_once() {
    let fixture = Fixture::new();
    fixture.begin();
    // With its next tick the ticker would see to it, too.
    fixture.leave_alone();
    fixture.recorder.cut_now();
    eventually(|| fixture.notes.stretches().len() == 1);
    fixture.let_go();
    eventually(|| fixture.notes.stretches().len() == 2);
    let now_us = Monotonic::now();
    fixture.recorder.mark(fixture.consumer, Mark::Flush(now_us));
    fixture.recorder.cut_now();
    eventually(|| fixture.notes.marks().last() == Some(&Mark::Flush(now_us)));
}

#[test]
fn an_isolate_that_is_only_polled_moves_on_as_well() {
    let fixture = Fixture::new();
    let stream = &fixture.recorder.stream;
    let from_us = fixture.begin();
    fixture.leave_alone();
    std::thread::sleep(Duration::from_millis(260));
    fixture.recorder.maintain();
    assert_eq!((fixture.starts(), fixture.running()), (2, 2));
    let (_, cut_us) = fixture.recorder.state.borrow().closing.expect("the slice before");
    assert_eq!(stream.next_look_us(), Some(cut_us + 3 * i64::from(INTERVAL_US)), "it runs on for three intervals");
    std::thread::sleep(Duration::from_millis(5));
    fixture.recorder.maintain();
    assert_eq!(fixture.running(), 1);
    eventually(|| !fixture.notes.stretches().is_empty());
    assert_eq!(fixture.notes.stretches(), [(from_us, cut_us, false)]);
    assert_eq!(fixture.notes.readings(), [(from_us, Some(HEAP_BYTES))]);
}

#[test]
fn each_stream_has_readings_of_its_own_heap_from_its_beginning_on() {
    let fixture = Fixture::new();
    let mut readings = vec![];
    for _ in 0..2 {
        let from_us = fixture.begin();
        fixture.leave_alone();
        std::thread::sleep(Duration::from_millis(1));
        let tick_us = Monotonic::now();
        fixture.recorder.stream.clone().tick(tick_us, None);
        std::thread::sleep(Duration::from_millis(1));
        fixture.let_go();
        fixture.drain();
        // The ticker cannot read the heap, and what was read for the stream before is old.
        readings.extend([(from_us, Some(HEAP_BYTES)), (tick_us, None)]);
    }
    assert_eq!(fixture.notes.readings(), readings);
}

#[test]
fn the_wall_clock_is_read_where_a_stream_begins_and_where_it_ends() {
    let fixture = Fixture::new();
    let clock = &fixture.recorder.stream.clock;
    let is_right = || (clock.wall(Monotonic::now()) - Unix::now()).abs() < 1_000_000;
    clock.fall_behind();
    assert!(!is_right());
    fixture.begin();
    assert!(is_right());
    fixture.leave_alone();
    clock.fall_behind();
    fixture.let_go();
    assert!(is_right());
}

#[test]
fn v8_takes_the_thread_that_was_proven_and_gives_it_back() {
    let fixture = Fixture::new();
    let is_proven = || fixture.recorder.stream.threads.supply.is_proven(Monotonic::now());
    fixture.begin();
    assert!(!is_proven());
    fixture.recorder.cut_now();
    assert!(!is_proven());
    fixture.let_go();
    assert!(is_proven());
}

#[test]
fn each_call_is_measured_once() {
    let fixture = Fixture::new();
    let recorder = &fixture.recorder;
    let measured = |what: &str, call: &dyn Fn()| {
        recorder.busy.take();
        call();
        assert_eq!(recorder.busy.take().count, 1, "{what}");
    };
    measured("hold", &|| _ = recorder.hold().unwrap());
    measured("hold_for", &|| _ = recorder.hold_for(fixture.consumer, false).unwrap());
    measured("cut_now", &|| recorder.cut_now());
    measured("maintain", &|| recorder.maintain());
    measured("release", &|| recorder.release(Monotonic::now(), 0));
    measured("end_linger", &|| recorder.end_linger());
    measured("suspend", &|| recorder.suspend());
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
    assert!(fixture.recorder.stream.next_look_us().unwrap() < Monotonic::now() + 100_000, "the others come soon");
    fixture.run_until(|| fixture.fake.unreclaimed.load(SeqCst) == 0);
    (0..5).for_each(|_| fixture.recorder.cut_now());
    fixture.drain();
    assert!(fixture.fake.unreclaimed.load(SeqCst) >= 5);
    fixture.recorder.reclaim_all();
    assert_eq!(fixture.fake.unreclaimed.load(SeqCst), 0);
    fixture.recorder.hide_file("/own.js".to_owned());
    assert_eq!(*fixture.fake.hidden.lock(), ["/own.js"]);
}
