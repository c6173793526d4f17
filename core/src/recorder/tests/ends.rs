//! How a recorder ends.

use super::*;

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
        assert!(!fixture.is_looked_after());
        fixture.recorder.stream.clone().tick(Monotonic::now(), None);
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

/// A lock that another thread holds when the process forks is never given back in the child.
#[test]
#[cfg(unix)]
fn a_child_leaves_all_that_is_its_parents_alone() {
    let fixture = Fixture::new();
    fixture.begin();
    let hidden = fixture.fake.hidden.lock();
    // SAFETY: the child runs this recorder's code, memory's, and ends without running anything else of this program.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // A child that waits is killed.
        // SAFETY: as above.
        unsafe { libc::alarm(10) };
        let recorder = &fixture.recorder;
        let mut right = matches!(recorder.check(), Err(Error::Forked));
        right &= matches!(recorder.hold(), Err(Error::Forked));
        recorder.hide_file("/child.js".to_owned());
        let heap = fixture.fake.heap_readings.load(SeqCst);
        Recorders::serve(recorder.stream.id);
        right &= fixture.fake.heap_readings.load(SeqCst) == heap;
        let mut handed_out = false;
        recorder.dispose(|| handed_out = true);
        right &= !handed_out && !fixture.fake.disposed.load(SeqCst) && fixture.running() == 1;
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!right)) };
    }
    drop(hidden);
    let mut status = -1;
    // SAFETY: the child is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child waited, or was wrong");
}
