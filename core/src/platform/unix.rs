//! What time it is.

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

fn read(clock: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours; a clock that does not exist leaves it as it is.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}
