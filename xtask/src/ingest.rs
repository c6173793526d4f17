//! The ingest as a program, for tests that are not written in Rust.

use std::path::PathBuf;

use anyhow::Result;

use crate::{process, workspace};

/// Builds it.
pub fn program() -> Result<PathBuf> {
    process::run(workspace::cargo().args(["build", "--quiet", "--package", "sentry-profiler-ingest"]))?;
    Ok(workspace::target()?.join("debug/ingest"))
}
