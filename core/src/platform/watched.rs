//! Whether what runs on a thread ran when another thread looked at it.
//!
//! A thread that waits for a core is not at rest: what it did goes on when it gets one. The clock cannot tell that from
//! a thread that slept. Elsewhere than on Linux nothing is seen.

pub(crate) use self::system::{Running, Watched};

#[cfg(target_os = "linux")]
mod system {
    use std::mem::zeroed;

    use crate::platform::unix::read;

    /// What was seen of a thread that ran, or waited for a core.
    #[derive(Clone, Copy)]
    pub(crate) struct Running {
        cpu_us: i64,
        /// How often it has slept.
        sleeps: i64,
    }

    impl Running {
        /// What this thread has done so far.
        pub(super) fn this_thread() -> Option<Self> {
            // SAFETY: the structure is ours.
            let (status, usage) = unsafe {
                let mut usage: libc::rusage = zeroed();
                (libc::getrusage(libc::RUSAGE_THREAD, &mut usage), usage)
            };
            let cpu_us = read(libc::CLOCK_THREAD_CPUTIME_ID);
            (status == 0).then_some(Self { cpu_us, sleeps: usage.ru_nvcsw })
        }

        /// The CPU time that this thread, which was looked at, has used since then, µs; `None` if it has slept.
        pub(crate) fn ran_us(self) -> Option<i64> {
            let now = Self::this_thread()?;
            (now.sleeps == self.sleeps).then(|| now.cpu_us - self.cpu_us)
        }
    }

    /// A thread that others look at.
    pub(crate) struct Watched {
        /// What the kernel says of it.
        status: String,
        cpu: Option<libc::clockid_t>,
    }

    impl Watched {
        pub(crate) fn this_thread() -> Self {
            // SAFETY: both only ask for this thread, and the clock is ours.
            let (id, cpu) = unsafe {
                let mut cpu = zeroed();
                let status = libc::pthread_getcpuclockid(libc::pthread_self(), &mut cpu);
                (libc::syscall(libc::SYS_gettid), (status == 0).then_some(cpu))
            };
            Self { status: format!("/proc/self/task/{id}/status"), cpu }
        }

        /// `None` if it waits for anything but a core, has ended, or cannot be seen.
        pub(crate) fn look(&self) -> Option<Running> {
            let status = std::fs::read_to_string(&self.status).ok()?;
            let field = |name: &str| status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim_start()));
            if !field("State:")?.starts_with('R') {
                return None;
            }
            let sleeps = field("voluntary_ctxt_switches:")?.parse().ok()?;
            // Of a thread that has ended by now it is 0, which counts as long ago.
            Some(Running { cpu_us: read(self.cpu?), sleeps })
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    /// There is none.
    #[derive(Clone, Copy)]
    pub(crate) enum Running {}

    impl Running {
        pub(crate) fn ran_us(self) -> Option<i64> {
            match self {}
        }
    }

    pub(crate) struct Watched;

    impl Watched {
        pub(crate) fn this_thread() -> Self {
            Self
        }

        pub(crate) fn look(&self) -> Option<Running> {
            None
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc::{Sender, channel};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A thread that is looked at, and what then becomes of it.
    fn seen(then: impl FnOnce() + Send + 'static) -> Option<i64> {
        let (tell, told) = channel();
        let (show, shown) = channel::<Running>();
        let thread = thread::spawn(move || {
            tell.send(Watched::this_thread()).unwrap();
            let running = loop {
                if let Ok(running) = shown.try_recv() {
                    break running;
                }
            };
            then();
            running.ran_us()
        });
        let watched = told.recv().unwrap();
        show.send(watched.look().expect("it runs")).unwrap();
        thread.join().unwrap()
    }

    #[test]
    fn what_runs_on_is_told_from_what_slept() {
        assert!(seen(|| {}).is_some());
        let burnt = seen(|| {
            let begin = Running::this_thread().unwrap();
            while begin.ran_us().unwrap() < 20_000 {}
        });
        assert!(burnt.is_some_and(|ran_us| ran_us >= 20_000), "{burnt:?}");
        assert_eq!(seen(|| thread::sleep(Duration::from_millis(1))), None);
    }

    #[test]
    fn a_thread_that_sleeps_or_has_ended_is_not_seen_to_run() {
        let (tell, told) = channel();
        let (end, ended): (Sender<()>, _) = channel();
        let thread = thread::spawn(move || {
            tell.send(Watched::this_thread()).unwrap();
            let _ = ended.recv();
        });
        let watched = told.recv().unwrap();
        // It may still be on its way to sleep.
        while watched.look().is_some() {}
        drop(end);
        thread.join().unwrap();
        assert!(watched.look().is_none());
    }
}
