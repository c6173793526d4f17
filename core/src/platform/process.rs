//! Which process this is: after a `fork` the child has neither our threads nor V8's, and a lock that one of them held
//! stays locked.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// A word that the kernel sets to 0 in a child, so that asking costs a load and no call. This one when the kernel
/// does not.
static NOT_WIPED: AtomicU64 = AtomicU64::new(0);

/// Another number in a child than in its parent.
pub fn id() -> u64 {
    let word = word();
    if ptr::eq(word, &raw const NOT_WIPED) {
        return std::process::id().into();
    }
    match word.load(Ordering::Acquire) {
        0 => claim(word),
        id => id,
    }
}

#[cold]
fn claim(word: &AtomicU64) -> u64 {
    // Copied to the child, where it goes on counting.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    // Another thread may have been quicker.
    word.compare_exchange(0, id, Ordering::AcqRel, Ordering::Acquire).map_or_else(|other| other, |_| id)
}

fn word() -> &'static AtomicU64 {
    // No `OnceLock`: a child that was forked while another thread filled it would wait for ever.
    static WORD: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
    let mut word = WORD.load(Ordering::Acquire);
    if word.is_null() {
        let made = wiped_at_fork().unwrap_or((&raw const NOT_WIPED).cast_mut());
        // Whoever is second leaves a page behind, once in the life of a process.
        word = WORD
            .compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire)
            .map_or_else(|w| w, |_| made);
    }
    // SAFETY: a static, or the beginning of a page that is never unmapped; both are valid as zeroes.
    unsafe { &*word }
}

#[cfg(target_os = "linux")]
fn wiped_at_fork() -> Option<*mut AtomicU64> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // The kernel rounds it up to a page.
    let len = size_of::<AtomicU64>();
    // SAFETY: a new mapping, which only this function knows until it returns.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        // Linux 4.14 and later.
        if libc::madvise(page, len, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, len);
            return None;
        }
        Some(page.cast())
    }
}

#[cfg(not(target_os = "linux"))]
fn wiped_at_fork() -> Option<*mut AtomicU64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_another_process() {
        let parent = id();
        assert_eq!(id(), parent);
        // SAFETY: the child only reads and writes atomics and ends without running anything of this program's.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let (once, twice) = (id(), id());
            // SAFETY: as above.
            unsafe { libc::_exit(i32::from(once == parent || once != twice)) };
        }
        let mut status = -1;
        // SAFETY: the child is ours.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child took itself for its parent");
        assert_eq!(id(), parent);
    }
}
