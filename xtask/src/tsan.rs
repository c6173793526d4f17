//! The core's tests of what meets between threads, under ThreadSanitizer.
//!
//! It sees only what was compiled for it, the standard library included, so that one is built too.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::sysroot::{self, Sysroot};
use crate::{process, workspace};

/// The modules whose tests make threads meet.
const TESTS: &[&str] = &[
    "clock::",
    "encoder::",
    "lifetime::",
    "panics::",
    "platform::",
    "recorder::",
    "reliability::",
    "session::",
    "stream::",
    "supply::",
    "ticker::",
];
/// A child of a process with threads has only one, of which ThreadSanitizer knows too little.
const LEFT_OUT: &[&str] = &["a_child_"];
/// Two threads and a variable.
const RACE: &str = "fn main() {
    static mut SHARED: u64 = 0;
    let write = || for _ in 0..100_000 { unsafe { (&raw mut SHARED).write((&raw const SHARED).read() + 1) } };
    let other = std::thread::spawn(write);
    write();
    other.join().unwrap();
}";
/// How a program ends in which something was found.
const FOUND: i32 = 66;

pub fn run() -> Result<String> {
    let folder = workspace::target()?.join("tsan");
    fs::create_dir_all(&folder)?;
    let sysroot = Sysroot::with_sources()?;
    must_find_a_race(&folder, &sysroot)?;

    let mut cargo = workspace::in_repository(sanitized(&sysroot, "cargo")?);
    cargo.args(["test", "-Zbuild-std", "--package", "sentry-profiler", "--lib"]);
    cargo.args(["--target", &sysroot::host()?, "--target-dir"]).arg(folder.join("target"));
    cargo.env("RUSTFLAGS", "-Zsanitizer=thread -Cdebuginfo=1").arg("--").args(TESTS);
    cargo.args(LEFT_OUT.iter().flat_map(|test| ["--skip", test]));
    let said = process::output(&mut cargo)?;
    let result = said.lines().find(|line| line.starts_with("test result")).context("no test ran")?;
    ensure!(!result.contains(" 0 passed"), "no test ran: {result}");
    Ok(result.to_owned())
}

/// A program of the toolchain, and what ThreadSanitizer takes.
fn sanitized(sysroot: &Sysroot, program: &str) -> Result<Command> {
    let mut command = sysroot.command(program)?;
    command.env("TSAN_OPTIONS", options());
    Ok(command)
}

fn options() -> String {
    format!("exitcode={FOUND}")
}

/// A tool that is not there finds nothing.
fn must_find_a_race(folder: &Path, sysroot: &Sysroot) -> Result<()> {
    let (source, program) = (folder.join("race.rs"), folder.join("race"));
    fs::write(&source, RACE)?;
    let mut rustc = sanitized(sysroot, "rustc")?;
    // With a standard library that knows nothing of it, which is enough here.
    rustc.args(["-Zsanitizer=thread", "-Cunsafe-allow-abi-mismatch=sanitizer", "--edition=2024"]);
    process::output(rustc.arg("-o").arg(&program).arg(&source))?;
    let mut race = Command::new(&program);
    let output = race.env("TSAN_OPTIONS", options()).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(FOUND) && said.contains("data race"), "no race was found in {RACE}:\n{said}");
    Ok(())
}
