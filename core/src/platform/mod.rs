//! All that differs between operating systems, but for the table of V8's symbols. Each system has a file, with the
//! same functions in it; what only one of them has is in a file of its own.

mod on_time;
pub mod process;
#[cfg(unix)]
mod unix;
mod watched;
#[cfg(windows)]
mod windows;

pub(crate) use self::on_time::OnTime;
#[cfg(unix)]
pub(crate) use self::unix::*;
pub(crate) use self::watched::{Running, Watched};
#[cfg(windows)]
pub(crate) use self::windows::*;

/// The stack that V8 asks for its sampling thread.
const V8_STACK_BYTES: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant, SystemTime};

    use super::*;

    #[test]
    fn the_clocks_are_those_of_the_standard_library() {
        let (instant, before_us) = (Instant::now(), monotonic_us());
        std::thread::sleep(Duration::from_millis(30));
        let (after_us, elapsed_us) = (monotonic_us(), instant.elapsed().as_micros() as i64);
        let passed_us = after_us - before_us;
        assert!((29_999..=elapsed_us + 1).contains(&passed_us), "{passed_us} µs, the standard library {elapsed_us}");

        let unix_us = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as i64;
        let (before_us, now_us, after_us) = (unix_us(), wall_us(), unix_us());
        assert!((before_us..=after_us).contains(&now_us), "{before_us}, {now_us}, {after_us}");
    }

    #[test]
    fn cpu_time_passes_while_code_runs() {
        let (begin_us, cpu_us) = (monotonic_us(), process_cpu_us());
        while process_cpu_us() - cpu_us < 50_000 {
            assert!(monotonic_us() - begin_us < 10_000_000, "{} µs in 10 s", process_cpu_us() - cpu_us);
        }
    }

    #[test]
    fn a_thread_can_be_had() {
        probe_thread().unwrap();
    }

    #[test]
    fn a_program_stays_loaded_anyway() {
        stay_loaded();
        stay_loaded();
    }
}
