//! Random calls of every function of the C library.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::checkers::{SANITIZERS, check_sanitizers, set_sanitizers};
use super::compile::{compiler, scratch, shared_with, sources};
use super::install::test_library;
use super::libnode::{Libnode, libnode};
use crate::fuzz::Plan;
use crate::process;

/// In tests/c.
const SOURCES: [&str; 5] = ["fuzz.cc", "fuzz_any_thread.cc", "fuzz_callbacks.cc", "fuzz_isolate.cc", "fuzz_tools.cc"];

/// Runs the fuzzer plain and under the sanitizers.
pub fn fuzz(plan: Plan) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let plain = build("fuzz", &lib, &libnode, &[])?;
    let plain = run(Command::new("timeout"), &plain, plan).context("without sanitizers")?;
    let sanitized = build("fuzz-sanitizers", &lib, &libnode, SANITIZERS)?;
    check_sanitizers(&sanitized)?;
    let mut command = Command::new("timeout");
    set_sanitizers(&mut command);
    let sanitized = run(command, &sanitized, plan).context("under the sanitizers")?;
    Ok(format!("{plain}; under the sanitizers {sanitized}"))
}

fn build(name: &str, lib: &Path, libnode: &Libnode, flags: &[&str]) -> Result<PathBuf> {
    let program = scratch(name)?.join("fuzz");
    let mut command = compiler("g++", "c++17");
    command
        .args(["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-rtti", "-isystem"])
        .arg(&libnode.include)
        .args(flags);
    command.args(SOURCES.map(|source| sources().join(source))).arg("-o").arg(&program);
    command.args(shared_with(lib, libnode));
    command.arg(format!("-Wl,--disable-new-dtags,-rpath,{}", libnode.folder.display()));
    process::output(&mut command)?;
    Ok(program)
}

/// Returns the fuzzer's last line, which counts its calls. Its watchdog ends it when a call hangs, `timeout` when the
/// program does not end.
fn run(mut timeout: Command, program: &Path, plan: Plan) -> Result<String> {
    let seconds = plan.c_seconds();
    timeout.arg("--kill-after=5").arg((seconds + 120).to_string());
    timeout.arg(program).args([plan.seed, seconds].map(|number| number.to_string())).env("RUST_BACKTRACE", "0");
    let said = process::output(&mut timeout)?;
    said.lines().last().map(str::to_owned).context("the fuzzer printed nothing")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workspace;

    #[test]
    fn every_function_of_the_library_is_called() {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let symbols = read(workspace::root().join("bindings-c/abi/symbols.txt"));
        let sources = SOURCES.map(|source| read(sources().join(source))).concat();
        let words: BTreeSet<_> = sources.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let forgotten: Vec<_> = symbols.lines().filter(|name| !words.contains(name)).collect();
        assert!(symbols.lines().count() > 40 && forgotten.is_empty(), "{forgotten:?}");
    }
}
