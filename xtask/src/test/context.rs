//! What the steps of a run share.

use std::cell::OnceCell;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};

use crate::npm_package::{self, Package};
use crate::{fuzz, ingest};

/// The outcome of a check that did not fail.
pub enum Outcome {
    /// With a remark, such as how many tests ran.
    Passed(String),
    /// With the reason.
    Skipped(String),
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Passed(String::new())
    }
}

/// Which tests of a step run.
#[derive(Debug, Default)]
pub struct Selection {
    /// Part of the names of Node test files.
    pub file: Option<String>,
    /// Which tests of a file, or of a C program.
    pub name: Option<String>,
    /// Only the fast Node test files.
    pub quick: bool,
}

/// What several steps need, made once by the first step that asks for it.
pub struct Context {
    pub selection: Selection,
    package: OnceCell<Result<Package, String>>,
    ingest: OnceCell<Result<PathBuf, String>>,
    pub fuzz: fuzz::Plan,
}

impl Context {
    pub fn new(selection: Selection, fuzz: fuzz::Plan) -> Self {
        Self { selection, package: OnceCell::new(), ingest: OnceCell::new(), fuzz }
    }

    pub fn package(&self) -> Result<&Package> {
        once(&self.package, npm_package::build).context("building the package")
    }

    /// The ingest as a program, for tests that are not written in Rust.
    pub fn ingest(&self) -> Result<&PathBuf> {
        once(&self.ingest, ingest::program).context("building the ingest")
    }
}

/// Keeps a failure too, so that later steps do not try again.
fn once<T>(cell: &OnceCell<Result<T, String>>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    let made = cell.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    made.as_ref().map_err(|error| anyhow!(error.clone()))
}
