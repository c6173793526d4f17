//! `cargo xtask release`: what is left to do for a release once its files are built and run.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::platforms::targets::TARGETS;
use crate::{dist, npm, process, workspace};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Check and publish a release whose files `cargo xtask dist` built
#[derive(clap::Subcommand)]
pub enum Step {
    /// Fail unless a tag names the version that the crates, the npm package and the changelog have
    Check {
        /// Such as v1.2.3
        tag: String,
    },
    /// Print what the changelog says of this version
    Notes,
    /// Publish the npm package
    Npm(Publish),
    /// Publish the crate
    Crate(Publish),
    /// Make the release on GitHub, with the changelog's text and the files
    Github(Publish),
}

/// How to publish.
#[derive(clap::Args)]
pub struct Publish {
    /// Do all but publish
    #[arg(long)]
    dry_run: bool,
}

pub fn run(step: &Step) -> Result<()> {
    match step {
        Step::Check { tag } => check(tag),
        Step::Notes => notes(&changelog()?, VERSION).map(|notes| println!("{notes}")),
        Step::Npm(publish) => npm(publish.dry_run),
        Step::Crate(publish) => crates(publish.dry_run),
        Step::Github(publish) => github(publish.dry_run),
    }
}

fn check(tag: &str) -> Result<()> {
    let package = fs::read_to_string(workspace::root().join("bindings-node/package.json"))?;
    let package: Value = serde_json::from_str(&package).context("bindings-node/package.json")?;
    let npm = package["version"].as_str().unwrap_or_default();
    ensure!(tag == format!("v{VERSION}"), "the tag is {tag}, and Cargo.toml has {VERSION}");
    ensure!(npm == VERSION, "bindings-node/package.json has {npm}, and Cargo.toml has {VERSION}");
    let notes = notes(&changelog()?, VERSION)?;
    ensure!(!notes.is_empty(), "CHANGELOG.md says nothing of {VERSION}");
    println!("{VERSION} everywhere");
    Ok(())
}

fn changelog() -> Result<String> {
    fs::read_to_string(workspace::root().join("CHANGELOG.md")).context("reading CHANGELOG.md")
}

/// The section of a version, without its heading.
fn notes(changelog: &str, version: &str) -> Result<String> {
    let heading = format!("## [{version}]");
    let mut lines = changelog.lines().skip_while(|line| !line.starts_with(&heading));
    ensure!(lines.next().is_some(), "CHANGELOG.md has no section `{heading}`");
    let section: Vec<_> = lines.take_while(|line| !line.starts_with("## ") && !line.starts_with('[')).collect();
    Ok(section.join("\n").trim().to_owned())
}

/// A version with a hyphen is one to try.
fn is_prerelease() -> bool {
    VERSION.contains('-')
}

fn npm(dry_run: bool) -> Result<()> {
    let tarball = dist::folder()?.join(format!("sentry-profiler-node-{VERSION}.tgz"));
    let listed = process::output(Command::new("tar").arg("-tzf").arg(&tarball))
        .context("`cargo xtask dist` builds the package")?;
    let missing: Vec<_> =
        TARGETS.iter().filter(|target| !listed.lines().any(|line| line.ends_with(&target.addon()))).collect();
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|target| target.name).collect();
        bail!("{} is without {}", workspace::show(&tarball), names.join(", "));
    }
    let mut publish = npm::npm(workspace::root());
    publish.arg("publish").arg(&tarball).args(["--access", "public"]);
    publish.args(["--tag", if is_prerelease() { "next" } else { "latest" }]);
    // A provenance can be made only where the registry trusts the machine.
    publish.arg(if dry_run { "--dry-run" } else { "--provenance" });
    process::run(&mut publish)
}

fn crates(dry_run: bool) -> Result<()> {
    let mut publish = workspace::cargo();
    publish.args(["publish", "--package", "sentry-profiler", "--locked"]).args(dry_run.then_some("--dry-run"));
    process::run(&mut publish)
}

fn github(dry_run: bool) -> Result<()> {
    let folder = dist::folder()?;
    let mut files: Vec<_> = fs::read_dir(&folder)
        .context("`cargo xtask dist` builds the files")?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    ensure!(files.len() == TARGETS.len() + 2, "{} has {} files: is one missing?", folder.display(), files.len());
    let mut release = Command::new("gh");
    release.current_dir(workspace::root()).args(["release", "create", &format!("v{VERSION}"), "--verify-tag"]);
    release.args(["--title", VERSION, "--notes", &notes(&changelog()?, VERSION)?]);
    release.args(is_prerelease().then_some("--prerelease")).args(&files);
    if dry_run {
        println!("{}", process::show(&release));
        return Ok(());
    }
    process::run(&mut release)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "\
        # Changelog\n\n## [Unreleased]\n\n- Soon.\n\n## [0.2.0] - 2026-12-01\n\n### Added\n\n- It.\n\n\
        ## [0.1.0] - 2026-11-30\n\n- All.\n\n[Unreleased]: https://example.com\n";

    #[test]
    fn notes_are_those_of_a_version() {
        assert_eq!(notes(CHANGELOG, "0.2.0").unwrap(), "### Added\n\n- It.");
        assert_eq!(notes(CHANGELOG, "0.1.0").unwrap(), "- All.");
        let error = notes(CHANGELOG, "0.2").unwrap_err().to_string();
        assert!(error.contains("no section `## [0.2]`"), "{error}");
    }
}
