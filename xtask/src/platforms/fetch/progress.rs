//! What is being fetched, and how far it is.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How often it is said.
const EVERY: Duration = Duration::from_secs(10);

/// Does some work that fills a folder, and says now and then how far it is.
pub fn watched(what: &str, folder: &Path, size: Option<u64>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    match size {
        Some(size) => eprintln!("fetching {what} ({})", megabytes(size)),
        None => eprintln!("fetching {what}"),
    }
    let began = Instant::now();
    let (done, waiting) = channel::<()>();
    let result = thread::scope(|scope| {
        scope.spawn(move || {
            while waiting.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let so_far = match (bytes_in(folder), size) {
                    (0, _) => String::new(),
                    (bytes, None) => format!(", {}", megabytes(bytes)),
                    (bytes, Some(size)) => format!(", {} of {}", megabytes(bytes), megabytes(size)),
                };
                eprintln!("fetching {what}: {} s{so_far}", began.elapsed().as_secs());
            }
        });
        let result = work();
        drop(done);
        result
    });
    if result.is_ok() {
        eprintln!("fetched {what}: {} in {} s", megabytes(bytes_in(folder)), began.elapsed().as_secs());
    }
    result
}

/// What is in a folder; what vanishes meanwhile does not count.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    });
    bytes.sum()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
