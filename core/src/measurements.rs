//! CPU and memory while something records.

use crate::platform::process_cpu_us;
use crate::time::Monotonic;

/// One reading of both, on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) time_us: Monotonic,
    /// Percent of all cores that this process may use, since the reading before.
    pub(crate) cpu_usage: Option<f64>,
    /// Used heap of the isolate. While no JavaScript runs, the heap stays as it was read last.
    pub(crate) heap_bytes: Option<u64>,
}

/// This process's share of the cores it may use.
pub(crate) struct CpuUsage {
    cores: f64,
    read_at: Monotonic,
    cpu_us: i64,
}

impl CpuUsage {
    pub(crate) fn new() -> Self {
        // Counts what affinity and control groups leave to this process.
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        Self { cores, read_at: Monotonic::now(), cpu_us: process_cpu_us() }
    }

    /// Since the last call, 0 to 100 percent; `None` when no time has passed.
    pub(crate) fn read(&mut self) -> Option<f64> {
        let (now, cpu_us) = (Monotonic::now(), process_cpu_us());
        let elapsed = now - self.read_at;
        if elapsed <= 0 {
            return None;
        }
        let used = (cpu_us - self.cpu_us) as f64 / (elapsed as f64 * self.cores) * 100.0;
        (self.read_at, self.cpu_us) = (now, cpu_us);
        // More digits than that are noise, and bytes.
        Some((used.clamp(0.0, 100.0) * 100.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_shows_and_percent_is_of_all_cores() {
        let mut usage = CpuUsage::new();
        let end = Monotonic::now() + 200_000;
        while Monotonic::now() < end {
            std::hint::spin_loop();
        }
        let busy = usage.read().unwrap();
        assert!((1.0..=100.0).contains(&busy), "{busy}");
    }
}
