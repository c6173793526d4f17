//! A program of tests/platforms: how it is started, waited for and judged.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::Background;

/// An emulated program takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(240);

/// With what a program says that it got to its end: no other failure has this status.
const END: i32 = 7;

/// Runs a program whose checks all pass; returns how many they are. What it says goes to a file: Wine has no pipes.
pub fn run(command: &mut Command, log: &Path) -> Result<usize> {
    fs::write(log, "")?;
    let output = OpenOptions::new().append(true).open(log)?;
    command.stdout(output.try_clone()?).stderr(output);
    let status = wait(Background::start(command)?);
    let said = String::from_utf8_lossy(&fs::read(log)?).into_owned();
    status.and_then(|status| judge(status.code(), &said)).with_context(|| format!("it said:\n{}", said.trim_end()))
}

fn wait(mut program: Background) -> Result<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = program.child().try_wait()? {
            return Ok(status);
        }
        ensure!(Instant::now() < deadline, "it did not end within {} s", PATIENCE.as_secs());
        sleep(Duration::from_millis(50));
    }
}

fn judge(code: Option<i32>, said: &str) -> Result<usize> {
    let failed = said.lines().filter(|line| line.starts_with("not ok - ")).count();
    let passed = said.lines().filter(|line| line.starts_with("ok - ")).count();
    ensure!(failed == 0, "{failed} checks failed");
    ensure!(said.lines().any(|line| line == "end"), "it ended before its end");
    match code {
        Some(END) if passed > 0 => Ok(passed),
        Some(END) => bail!("it checked nothing"),
        Some(code) => bail!("its exit code is {code}, not {END}"),
        None => bail!("a signal ended it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_judged() {
        let said = "Node 22\nok - one: of two\nok - two\nend\n";
        assert_eq!(judge(Some(END), said).unwrap(), 2);
        for (code, said, reason) in [
            (Some(1), said, "exit code is 1"),
            (Some(0), said, "exit code is 0"),
            (None, said, "signal"),
            (Some(END), "ok - one\n", "before its end"),
            (Some(END), "end\n", "nothing"),
            (Some(END), "ok - one\nnot ok - two: it is not\nend\n", "1 checks failed"),
        ] {
            let error = judge(code, said).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_program_that_does_not_get_to_its_end_shows_what_it_said() {
        let log = std::env::temp_dir().join(format!("sentry-profiler-program-{}", std::process::id()));
        let error = run(Command::new("sh").args(["-c", "echo ok - one; echo but >&2; exit 3"]), &log).unwrap_err();
        let passed = run(Command::new("sh").args(["-c", "echo ok - one; echo end; exit 7"]), &log);
        fs::remove_file(&log).unwrap();
        assert!(format!("{error:#}").contains("ok - one\nbut"), "{error:#}");
        assert_eq!(passed.unwrap(), 1);
    }
}
