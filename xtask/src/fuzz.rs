//! Random calls of the C library and of the add-on: for seconds in every run of the tests, for minutes with `--long`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{c, process};

/// Repeats what a seed found, as `--seed` does.
pub const SEED: &str = "SENTRY_PROFILER_FUZZ_SEED";
/// How long the Node tests go on.
pub const SECONDS: &str = "SENTRY_PROFILER_FUZZ_SECONDS";

/// Of the C library's fuzz, in tests/c.
const SOURCES: [&str; 5] = ["fuzz.cc", "fuzz_any_thread.cc", "fuzz_callbacks.cc", "fuzz_isolate.cc", "fuzz_tools.cc"];

/// Which choices are made.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub long: bool,
}

impl Plan {
    /// With this seed, else with that of the environment, else with a new one.
    pub fn new(seed: Option<u64>, long: bool) -> Result<Self> {
        let given = match (seed, std::env::var(SEED)) {
            (None, Ok(text)) => Some(text.parse().with_context(|| format!("{SEED} must be a number, not {text}"))?),
            (seed, _) => seed,
        };
        // JavaScript has it as a number, too.
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
        Ok(Self { seed, long })
    }

    /// Runs a step, and says on what terms; when it fails, also how to repeat it.
    pub fn follow<T>(&self, step: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let again = self.again(step);
        println!("seed {}: {again}", self.seed);
        run().with_context(|| format!("to repeat it: {again}"))
    }

    fn again(&self, step: &str) -> String {
        let long = if self.long { " --long" } else { "" };
        format!("cargo xtask test --only {step} --seed {}{long}", self.seed)
    }

    fn c_seconds(&self) -> u64 {
        if self.long { 600 } else { 10 }
    }

    pub fn node_seconds(&self) -> u64 {
        if self.long { 90 } else { 12 }
    }
}

/// The C library's: as it is, and under the sanitizers.
pub fn c(plan: Plan) -> Result<String> {
    let (lib, libnode) = (c::test_library()?, c::libnode()?);
    let plain = build("fuzz", &lib, &libnode, &[])?;
    let plain = run(Command::new("timeout"), &plain, plan).context("without sanitizers")?;
    let sanitized = build("fuzz-sanitizers", &lib, &libnode, c::SANITIZERS)?;
    c::check_sanitizers(&sanitized)?;
    let mut command = Command::new("timeout");
    c::set_sanitizers(&mut command);
    let sanitized = run(command, &sanitized, plan).context("under the sanitizers")?;
    Ok(format!("{plain}; under the sanitizers {sanitized}"))
}

fn build(name: &str, lib: &Path, libnode: &c::Libnode, flags: &[&str]) -> Result<PathBuf> {
    let program = c::scratch(name)?.join("fuzz");
    let mut command = c::compiler("g++", "c++17");
    command
        .args(["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-rtti", "-isystem"])
        .arg(&libnode.include)
        .args(flags);
    command.args(SOURCES.map(|source| c::sources().join(source))).arg("-o").arg(&program);
    command.args(c::shared_with(lib, libnode));
    command.arg(format!("-Wl,--disable-new-dtags,-rpath,{}", libnode.folder.display()));
    process::output(&mut command)?;
    Ok(program)
}

/// Answers the line in which it counts what it did. Its watchdog ends it when a call hangs, `timeout` when it does not end.
fn run(mut timeout: Command, program: &Path, plan: Plan) -> Result<String> {
    let seconds = plan.c_seconds();
    timeout.arg("--kill-after=5").arg((seconds + 120).to_string());
    timeout.arg(program).args([plan.seed, seconds].map(|number| number.to_string())).env("RUST_BACKTRACE", "0");
    let said = process::output(&mut timeout)?;
    said.lines().last().map(str::to_owned).context("it said nothing")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::tree;

    #[test]
    fn the_message_repeats_the_run() {
        let plan = Plan { seed: 7, long: false };
        assert_eq!(plan.again("c-fuzz"), "cargo xtask test --only c-fuzz --seed 7");
        let plan = Plan { long: true, ..plan };
        let error = plan.follow("node-fuzz", || anyhow::bail!("it crashed") as Result<()>).unwrap_err();
        let told = format!("{error:#}");
        assert_eq!(told, "to repeat it: cargo xtask test --only node-fuzz --seed 7 --long: it crashed");
    }

    #[test]
    fn every_function_of_the_library_is_called() {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let symbols = read(tree::root().join("bindings-c/abi/symbols.txt"));
        let sources = SOURCES.map(|source| read(c::sources().join(source))).concat();
        let words: BTreeSet<_> = sources.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let forgotten: Vec<_> = symbols.lines().filter(|name| !words.contains(name)).collect();
        assert!(symbols.lines().count() > 40 && forgotten.is_empty(), "{forgotten:?}");
    }
}
