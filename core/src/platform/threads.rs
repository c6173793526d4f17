//! Threads as the system gives them.

use std::io;
#[cfg(unix)]
use std::ptr;

/// The stack that V8 asks for its sampling thread.
const V8_STACK_BYTES: usize = 256 << 10;

/// What the processor reports of the code that runs. Where it is blocked the kernel ends the process without asking
/// the handler of the host, whose callbacks run on our threads.
#[cfg(unix)]
const FAULTS: [libc::c_int; 6] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];

/// Signals are the host's: none is delivered to our threads but faults.
pub(crate) fn block_signals() {
    #[cfg(unix)]
    // SAFETY: both sets are ours; the mask is this thread's own.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&mut all);
        for fault in FAULTS {
            libc::sigdelset(&mut all, fault);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &all, std::ptr::null_mut());
    }
}

/// Starts a thread as V8 does, and waits for its end, so that its place is free again.
///
/// Not by the standard library, which enlarges a stack that is too small for the program's static thread-local
/// variables: V8 does not.
#[cfg(unix)]
pub(crate) fn probe() -> io::Result<()> {
    extern "C" fn nothing(argument: *mut libc::c_void) -> *mut libc::c_void {
        argument
    }
    let check = |status: libc::c_int| if status == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(status)) };
    // SAFETY: the attributes and the handle are ours, initialized before they are read, and the thread touches
    // nothing.
    unsafe {
        let mut attributes = std::mem::zeroed();
        check(libc::pthread_attr_init(&mut attributes))?;
        // A size that the system does not take leaves its own; V8 does not ask either.
        libc::pthread_attr_setstacksize(&mut attributes, V8_STACK_BYTES);
        let mut thread = std::mem::zeroed();
        let status = libc::pthread_create(&mut thread, &attributes, nothing, ptr::null_mut());
        libc::pthread_attr_destroy(&mut attributes);
        check(status)?;
        check(libc::pthread_join(thread, ptr::null_mut()))
    }
}

#[cfg(not(unix))]
pub(crate) fn probe() -> io::Result<()> {
    let thread = std::thread::Builder::new().stack_size(V8_STACK_BYTES).spawn(|| {})?;
    let _ = thread.join();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn faults_reach_the_handlers_of_the_host() {
        let blocked = std::thread::spawn(|| {
            block_signals();
            // SAFETY: the set is ours, and only read from the thread's mask.
            unsafe {
                let mut mask = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &mut mask);
                [libc::SIGSEGV, libc::SIGBUS, libc::SIGTERM, libc::SIGPROF].map(|s| libc::sigismember(&mask, s))
            }
        });
        assert_eq!(blocked.join().unwrap(), [0, 0, 1, 1]);
    }

    #[test]
    fn a_thread_can_be_had() {
        probe().unwrap();
    }
}
