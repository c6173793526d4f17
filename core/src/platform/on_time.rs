//! Threads that run on time although other work keeps the cores busy.
//!
//! On Linux a thread that has something to do waits until the one on its core has had its slice, 3 ms or more, unless
//! its own slice is shorter. From Linux 6.12 on a thread can ask for one, and threads that it starts inherit it. It
//! gets no more of the core for that. On older kernels, and on other systems, all of this does nothing.

#[cfg(target_os = "linux")]
use self::linux::exchange_slice;

/// While this lives, threads that this thread starts run on time, and it does itself.
pub(crate) struct OnTime {
    /// What to go back to.
    slice_ns: Option<u64>,
}

/// The shortest slice that the kernel grants.
const SLICE_NS: u64 = 100_000;

impl OnTime {
    pub(crate) fn begin() -> Self {
        Self { slice_ns: exchange_slice(SLICE_NS) }
    }

    /// For as long as this thread lives.
    pub(crate) fn forever() {
        std::mem::forget(Self::begin());
    }
}

impl Drop for OnTime {
    fn drop(&mut self) {
        if let Some(slice_ns) = self.slice_ns {
            exchange_slice(slice_ns);
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn exchange_slice(_: u64) -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Sets this thread's slice. Returns what it was, `None` if it stays as it is.
    pub(super) fn exchange_slice(slice_ns: u64) -> Option<u64> {
        // Whoever refuses it may write a line about that each time.
        static IS_REFUSED: AtomicBool = AtomicBool::new(false);
        if IS_REFUSED.load(Ordering::Relaxed) || calls_are_filtered() {
            return None;
        }
        let mut attributes = attributes()?;
        let before_ns = std::mem::replace(&mut attributes.sched_runtime, slice_ns);
        // SAFETY: the structure is ours, and 0 is this thread.
        let status = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &attributes, 0) };
        IS_REFUSED.store(status != 0, Ordering::Relaxed);
        (status == 0).then_some(before_ns)
    }

    /// A filter may end the process for a call that it does not expect, as those of systemd do.
    fn calls_are_filtered() -> bool {
        // SAFETY: it only answers; without filters in the kernel it fails.
        unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) > 0 }
    }

    /// How this thread is scheduled, `None` if it has no slice of its own: it is a real-time thread, or the kernel is
    /// older.
    pub(super) fn attributes() -> Option<libc::sched_attr> {
        // SAFETY: zeroes are valid, and the kernel writes no more than the given size. 0 is this thread.
        let (status, attributes) = unsafe {
            let mut attributes: libc::sched_attr = std::mem::zeroed();
            let size = size_of::<libc::sched_attr>();
            (libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0), attributes)
        };
        let policies = [libc::SCHED_OTHER, libc::SCHED_BATCH].map(|policy| policy as u32);
        let is_fair = status == 0 && policies.contains(&attributes.sched_policy);
        (is_fair && attributes.sched_runtime > 0).then_some(attributes)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::linux::attributes;
    use super::*;

    #[test]
    fn threads_that_are_started_meanwhile_have_short_slices() {
        let slice_ns = || attributes().map(|attributes| attributes.sched_runtime);
        let of_a_child = || std::thread::spawn(slice_ns).join().unwrap();
        let Some(usual_ns) = slice_ns() else {
            eprintln!("not tested: threads of this kernel cannot choose their slices");
            return;
        };
        assert_ne!(usual_ns, SLICE_NS);
        {
            let _on_time = OnTime::begin();
            assert_eq!(of_a_child(), Some(SLICE_NS));
        }
        assert_eq!((slice_ns(), of_a_child()), (Some(usual_ns), Some(usual_ns)));
        let forever = std::thread::spawn(move || {
            OnTime::forever();
            slice_ns()
        });
        assert_eq!(forever.join().unwrap(), Some(SLICE_NS));
    }
}
