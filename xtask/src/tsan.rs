//! Runs the core's tests of threads under ThreadSanitizer.
//!
//! ThreadSanitizer sees only code that was compiled for it, so the standard library is built too.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::sysroot::{self, Sysroot};
use crate::{process, workspace};

/// The modules whose tests use several threads.
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
    "ticker::",
];
/// Tests that fork: ThreadSanitizer does not support threads in a child of a process with threads.
const LEFT_OUT: &[&str] = &["a_child_"];
/// A program with a data race.
const RACE: &str = "fn main() {
    static mut SHARED: u64 = 0;
    let write = || for _ in 0..100_000 { unsafe { (&raw mut SHARED).write((&raw const SHARED).read() + 1) } };
    let other = std::thread::spawn(write);
    write();
    other.join().unwrap();
}";
/// How often it is run at most: on a busy machine the two do not always meet.
const RACES: usize = 20;
/// The exit status of a program in which a race was found.
const FOUND: i32 = 66;

pub fn run() -> Result<String> {
    let folder = workspace::target()?.join("tsan");
    fs::create_dir_all(&folder)?;
    let sysroot = Sysroot::with_sources()?;
    must_find_a_race(&folder, &sysroot)?;

    let mut cargo = workspace::in_repository(sanitized(&sysroot, "cargo")?);
    cargo.args(["test", "-Zbuild-std", "--package", "sentry-profiler", "--lib"]);
    cargo.args(["--target", &sysroot::host()?, "--target-dir"]).arg(folder.join("target"));
    // Tests that panic on purpose would look up symbols in all of it, for seconds.
    cargo.env("RUST_BACKTRACE", "0");
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

/// Checks that ThreadSanitizer works: a missing one would find nothing in any test.
fn must_find_a_race(folder: &Path, sysroot: &Sysroot) -> Result<()> {
    let (source, program) = (folder.join("race.rs"), folder.join("race"));
    fs::write(&source, RACE)?;
    let mut rustc = sanitized(sysroot, "rustc")?;
    // The standard library is not instrumented here, which is enough for this program.
    rustc.args(["-Zsanitizer=thread", "-Cunsafe-allow-abi-mismatch=sanitizer", "--edition=2024"]);
    process::output(rustc.arg("-o").arg(&program).arg(&source))?;
    let mut said = String::new();
    for _ in 0..RACES {
        let output = Command::new(&program).env("TSAN_OPTIONS", options()).stdin(Stdio::null()).output()?;
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() == Some(FOUND) && said.contains("data race") {
            return Ok(());
        }
    }
    bail!("no race was found in {RACE}:\n{said}")
}
