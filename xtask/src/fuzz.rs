//! Settings of the C library's and the add-on's fuzzers: how long they run (seconds in every test run, minutes with
//! `--long`), and the seed that repeats a run.

use std::hash::{BuildHasher, Hasher, RandomState};

use anyhow::{Context, Result};

/// Sets the seed, as `--seed` does.
pub const SEED: &str = "SENTRY_PROFILER_FUZZ_SEED";
/// Sets how long the Node fuzz tests run.
pub const SECONDS: &str = "SENTRY_PROFILER_FUZZ_SECONDS";

/// How long to fuzz, and with which seed.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub long: bool,
}

impl Plan {
    /// Takes this seed, else that of the environment, else a new one.
    pub fn new(seed: Option<u64>, long: bool) -> Result<Self> {
        let given = match (seed, std::env::var(SEED)) {
            (None, Ok(text)) => Some(text.parse().with_context(|| format!("{SEED} must be a number, not {text}"))?),
            (seed, _) => seed,
        };
        // 32 bits, which a JavaScript number holds exactly.
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
        Ok(Self { seed, long })
    }

    /// Runs a step and prints its settings. Its error says how to repeat it.
    pub fn follow<T>(&self, step: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let again = self.again(step);
        println!("seed {}: {again}", self.seed);
        run().with_context(|| format!("to repeat it: {again}"))
    }

    fn again(&self, step: &str) -> String {
        let long = if self.long { " --long" } else { "" };
        format!("cargo xtask test --only {step} --seed {}{long}", self.seed)
    }

    pub fn c_seconds(&self) -> u64 {
        if self.long { 600 } else { 10 }
    }

    pub fn node_seconds(&self) -> u64 {
        if self.long { 90 } else { 12 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_repeats_the_run() {
        let plan = Plan { seed: 7, long: false };
        assert_eq!(plan.again("c-fuzz"), "cargo xtask test --only c-fuzz --seed 7");
        let plan = Plan { long: true, ..plan };
        let error = plan.follow("node-fuzz", || anyhow::bail!("it crashed") as Result<()>).unwrap_err();
        let told = format!("{error:#}");
        assert_eq!(told, "to repeat it: cargo xtask test --only node-fuzz --seed 7 --long: it crashed");
    }
}
