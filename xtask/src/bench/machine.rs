//! The machine on which the figures were measured.

use std::fs;
use std::time::Instant;

/// The processor, how many cores of it, and memory, such as `Intel Xeon at 2.50 GHz, 2 cores, 24 GiB`.
pub fn describe() -> String {
    let value = |file: &str, key: &str| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value("/proc/cpuinfo", "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = value("/proc/meminfo", "MemTotal").and_then(|total| total.split(' ').next()?.parse::<f64>().ok());
    let memory = memory.map_or(String::new(), |kib| format!(", {:.0} GiB", kib / f64::from(1 << 20)));
    format!("{model}, {cores} cores{memory}, {}", std::env::consts::OS)
}

/// The load average of the last minute.
pub fn load() -> String {
    fs::read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| Some(text.split(' ').next()?.to_owned()))
        .unwrap_or_default()
}

/// Measures how much of the cores' time was stolen by the host of a virtual machine.
pub struct Stolen {
    begin: Instant,
    ticks: u64,
}

impl Stolen {
    pub fn from_now_on() -> Self {
        Self { begin: Instant::now(), ticks: stolen_ticks() }
    }

    /// The stolen share of all cores' time, 0 to 1.
    pub fn share(&self) -> f64 {
        const TICKS_PER_SECOND: f64 = 100.0;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let seconds = (stolen_ticks() - self.ticks) as f64 / TICKS_PER_SECOND;
        seconds / (self.begin.elapsed().as_secs_f64() * cores)
    }
}

fn stolen_ticks() -> u64 {
    // cpu user nice system idle iowait irq softirq steal
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    text.split_whitespace().nth(8).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// Today's date, such as `2026-11-22`.
pub fn today() -> String {
    humantime::format_rfc3339(std::time::SystemTime::now()).to_string()[..10].to_owned()
}
