//! The two threads of a process, and when they begin and end. This rendezvous is the library's only global state.

use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::encoder::Encoder;
use crate::platform::{process, stay_loaded};
use crate::supply::{Supply, lock};
use crate::ticker::Ticker;

pub(crate) struct Threads {
    process: u64,
    pub(crate) supply: &'static Supply,
    pub(crate) encoder: &'static Encoder,
    pub(crate) ticker: &'static Ticker,
    /// Recorders alive; locked across the end of the threads.
    recorders: Mutex<usize>,
}

impl Threads {
    /// They live for ever: a thread that is about to end may use them longer than anybody knows.
    pub(crate) fn new(supply: Supply) -> &'static Self {
        let supply: &Supply = Box::leak(Box::new(supply));
        let encoder: &Encoder = Box::leak(Box::new(Encoder::new(supply)));
        let ticker: &Ticker = Box::leak(Box::new(Ticker::new(supply, encoder)));
        Box::leak(Box::new(Self { process: process::id(), supply, encoder, ticker, recorders: Mutex::new(0) }))
    }

    /// Those of this process. A child of a fork has some of its own: its parent's do not run in it, and their locks
    /// may be held.
    pub(crate) fn get() -> &'static Self {
        static CURRENT: AtomicPtr<Threads> = AtomicPtr::new(ptr::null_mut());
        let current = CURRENT.load(Ordering::Acquire);
        // SAFETY: what is put there lives for ever.
        if let Some(threads) = unsafe { current.as_ref() }.filter(|threads| !threads.are_foreign()) {
            return threads;
        }
        stay_loaded();
        let made = Self::new(Supply::system());
        // Whoever is second leaves some words behind, once in the life of a process.
        match CURRENT.compare_exchange(current, ptr::from_ref(made).cast_mut(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            // SAFETY: as above.
            Err(other) => unsafe { &*other },
        }
    }

    /// Whether they belong to the process that this one was forked from.
    pub(crate) fn are_foreign(&self) -> bool {
        self.process != process::id()
    }

    /// A recorder was made: the threads may start from now on.
    pub(crate) fn enter(&self) {
        *lock(&self.recorders) += 1;
    }

    /// A recorder is gone; with the last one both threads end, which this waits for.
    pub(crate) fn leave(&self) {
        let mut recorders = lock(&self.recorders);
        *recorders -= 1;
        if *recorders == 0 {
            self.ticker.end();
            self.encoder.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::supply::testing::supply;
    use crate::ticker::testing::probe;

    const PATIENT: Duration = Duration::from_secs(10);

    #[test]
    fn a_process_has_its_threads_once() {
        assert!(ptr::eq(Threads::get(), Threads::get()));
        assert!(!Threads::get().are_foreign());
    }

    #[test]
    fn who_comes_while_the_threads_end_waits_and_gets_new_ones() {
        let threads = Threads::new(supply().0);
        let (stream, ends) = probe(1);
        threads.enter();
        threads.ticker.register(stream.clone()).unwrap();
        ends.begun.recv_timeout(PATIENT).unwrap();
        // The last one leaves in the middle of a tick, and the next one comes.
        let leave = std::thread::spawn(|| threads.leave());
        while threads.recorders.try_lock().is_ok() {
            std::thread::yield_now();
        }
        let enter = std::thread::spawn(|| threads.enter());
        std::thread::sleep(Duration::from_millis(30));
        assert!(!leave.is_finished() && !enter.is_finished());
        ends.go_on.send(()).unwrap();
        leave.join().unwrap();
        enter.join().unwrap();
        assert!(!threads.ticker.is_running());
        threads.ticker.register(stream).unwrap();
        ends.begun.recv_timeout(PATIENT).unwrap();
        ends.go_on.send(()).unwrap();
        drop(ends);
        threads.leave();
        assert!(!threads.ticker.is_running());
    }
}
