//! Linux and macOS.

use std::ffi::{CStr, c_void};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::JoinHandle;
use std::{io, ptr};

/// Waits end when they should.
pub(crate) const WAITS_ARE_COARSE: bool = false;

/// Nothing has to be done for that.
pub(crate) struct FineWaits;

impl FineWaits {
    pub(crate) fn begin() -> Self {
        Self
    }
}

/// Now, on V8's clock, microseconds.
pub(crate) fn monotonic_us() -> i64 {
    // V8's TimeTicks are mach_absolute_time on macOS, CLOCK_MONOTONIC elsewhere.
    #[cfg(target_os = "macos")]
    const CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;
    #[cfg(not(target_os = "macos"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    read(CLOCK)
}

/// Now, Unix time, microseconds.
pub(crate) fn wall_us() -> i64 {
    read(libc::CLOCK_REALTIME)
}

/// CPU time that this process has used, microseconds.
pub(crate) fn process_cpu_us() -> i64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// A clock's time, microseconds; 0 where there is no such clock.
pub(super) fn read(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours; a clock that does not exist leaves it as it is.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

/// Creates a file that only its owner can read, and that is not there yet.
pub(crate) fn create_private(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

/// What the processor reports of the code that runs. Where it is blocked the kernel ends the process without asking
/// the handler of the host, whose callbacks run on our threads.
const FAULTS: [libc::c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// Signals are the host's: none is delivered to our threads but faults.
pub(crate) fn block_signals() {
    // SAFETY: both sets are ours; the mask is this thread's own.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        for fault in FAULTS {
            libc::sigdelset(&mut all, fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, ptr::null_mut());
    }
}

/// Starts a thread as V8 does, and waits for its end, so that its place is free again.
///
/// Not by the standard library, which enlarges a stack that is too small for the program's static thread-local
/// variables: V8 does not.
pub(crate) fn probe_thread() -> io::Result<()> {
    extern "C" fn nothing(argument: *mut c_void) -> *mut c_void {
        argument
    }
    let check = |status: libc::c_int| if status == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(status)) };
    // SAFETY: the attributes and the handle are ours, initialized before they are read, and the thread touches
    // nothing.
    unsafe {
        let mut attributes = std::mem::zeroed();
        check(libc::pthread_attr_init(&mut attributes))?;
        // A size that the system does not take leaves its own; V8 does not ask either.
        libc::pthread_attr_setstacksize(&mut attributes, super::V8_STACK_BYTES);
        let mut thread = std::mem::zeroed();
        let status = libc::pthread_create(&mut thread, &attributes, nothing, ptr::null_mut());
        libc::pthread_attr_destroy(&mut attributes);
        check(status)?;
        check(libc::pthread_join(thread, ptr::null_mut()))
    }
}

/// Waits for a thread's end, so that its place is free again.
pub(crate) fn wait_for(thread: JoinHandle<()>) {
    // Ours catch the panics of what they call, so there is nothing to hear.
    let _ = thread.join();
}

/// Where a host's functions are found by name: in whatever was loaded so that others see it.
pub(crate) struct Host;

impl Host {
    /// The host that exports a name.
    pub(crate) fn that_exports(_name: &CStr) -> Self {
        Self
    }

    /// The address of a function, null when there is none.
    pub(crate) fn symbol(&self, name: &CStr) -> *const c_void {
        // SAFETY: the name ends with a NUL.
        unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
    }
}

/// Keeps the library that this is in loaded from now on: threads of ours may be in it, and callbacks of V8's may come
/// late. Linux's linker is told so by the bindings (`-z nodelete`).
pub(crate) fn stay_loaded() {
    #[cfg(target_os = "macos")]
    // SAFETY: the structure is ours, and its name is the loader's own. Nothing is loaded, and the handle, which counts
    // as a use, is never closed.
    unsafe {
        let mut library: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(stay_loaded as *const c_void, &mut library) != 0 {
            libc::dlopen(library.dli_fname, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_NODELETE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_reach_the_handlers_of_the_host() {
        let blocked = std::thread::spawn(|| {
            block_signals();
            // SAFETY: the set is ours, and only read from the thread's mask.
            unsafe {
                let mut mask = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut mask);
                [libc::SIGSEGV, libc::SIGBUS, libc::SIGTERM, libc::SIGPROF].map(|s| libc::sigismember(&mask, s))
            }
        });
        assert_eq!(blocked.join().unwrap(), [0, 0, 1, 1]);
    }
}
