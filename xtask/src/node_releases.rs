//! The Node releases that the project is tested on, from npm's `node-<platform>-<arch>` packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{npm, process, workspace};

/// Fetch the Node releases that the tests run on into target/nodes
#[derive(clap::Args)]
pub struct Arguments {
    /// Majors (22) or versions (22.9.0); without any, all that the tests use
    releases: Vec<String>,
}

/// A release that the tests run on.
pub struct Release {
    /// The exact version, so that a result does not depend on the day.
    pub version: &'static str,
    /// Why it is in the list.
    pub why: &'static str,
    /// Whether npm has it for Linux on arm64 too.
    arm64: bool,
    /// Whether it lies between two releases that are tested in full. The slowest tests are left out here.
    pub between: bool,
}

/// Every release that the tests run on. A major means its last release in this list.
pub const RELEASES: &[Release] = &[
    Release { version: "18.20.8", why: "the oldest supported", arm64: true, between: false },
    Release { version: "20.20.2", why: "long-term support", arm64: true, between: false },
    Release {
        version: "22.9.0",
        why: "its V8 can hang when garbage collection meets a logged code event",
        arm64: false,
        between: true,
    },
    Release { version: "22.23.3", why: "long-term support", arm64: true, between: false },
    Release { version: "24.21.0", why: "long-term support", arm64: true, between: false },
    Release { version: "25.9.0", why: "an odd major", arm64: false, between: true },
    Release { version: "26.10.0", why: "the newest", arm64: true, between: false },
];

/// The major for tests that need only one: the most widely used.
pub const USUAL: &str = "24";
/// The majors that AWS Lambda offers.
pub const ON_LAMBDA: [&str; 2] = ["22", "24"];
/// The majors that are measured.
pub const MEASURED: [&str; 3] = ["22", "24", "26"];
/// The last version that is too old.
pub const TOO_OLD: &str = "16.20.2";

/// The last release of a major.
///
/// # Panics
/// If the tests do not run on this major.
pub fn pinned(major: &str) -> &'static Release {
    last_of(major).expect("a major that is in the list")
}

fn last_of(major: &str) -> Option<&'static Release> {
    RELEASES.iter().rev().find(|release| release.major() == major)
}

pub fn oldest() -> &'static Release {
    &RELEASES[0]
}

pub fn newest() -> &'static Release {
    &RELEASES[RELEASES.len() - 1]
}

impl Release {
    /// Why there is no such release for this machine, if there is none.
    pub fn unavailable(&self) -> Option<String> {
        (cfg!(target_arch = "aarch64") && !self.arm64).then(|| format!("npm has no {}@{}", package(), self.version))
    }

    pub fn major(&self) -> &'static str {
        self.version.split('.').next().expect("a version begins with its major")
    }
}

/// A release on this machine.
#[derive(Clone, Debug)]
pub struct Node {
    pub version: String,
    dir: PathBuf,
}

impl Node {
    pub fn program(&self) -> PathBuf {
        self.dir.join("bin/node")
    }

    /// Where `v8.h` and `node_api.h` are.
    pub fn include(&self) -> PathBuf {
        self.dir.join("include/node")
    }

    /// Where both are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn command(&self) -> Command {
        Command::new(self.program())
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let asked: Vec<&str> = if arguments.releases.is_empty() {
        RELEASES.iter().filter(|release| release.unavailable().is_none()).map(|release| release.version).collect()
    } else {
        arguments.releases.iter().map(String::as_str).collect()
    };
    for release in asked {
        let node = fetch(release)?;
        println!("{:8}  {}", node.version, workspace::show(&node.program()));
    }
    Ok(())
}

/// The release with this version, or the last one of this major. Fetches it unless it is cached.
pub fn fetch(release: &str) -> Result<Node> {
    let version = version_of(release)?;
    let cache = workspace::target()?.join("nodes");
    let node = Node { dir: cache.join(&version), version };
    if !node.program().is_file() {
        eprintln!("fetching Node {}", node.version);
        download(&cache, &node).with_context(|| format!("fetching {}@{}", package(), node.version))?;
    }
    Ok(node)
}

fn version_of(release: &str) -> Result<String> {
    if release.split('.').count() == 3 {
        return Ok(release.to_owned());
    }
    let pinned = last_of(release).with_context(|| {
        let mut majors: Vec<_> = RELEASES.iter().map(Release::major).collect();
        majors.dedup();
        format!("no release of Node {release} is pinned: give a full version, or one of {}", majors.join(", "))
    })?;
    Ok(pinned.version.to_owned())
}

fn package() -> String {
    let platform = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
    format!("node-{platform}-{}", node_arch())
}

fn download(cache: &Path, node: &Node) -> Result<()> {
    // Unpack next to the final place and rename at the end, so that nobody sees half a folder.
    let temporary = cache.join(format!(".{}-{}", node.version, std::process::id()));
    fs::create_dir_all(&temporary)?;
    let done = install(&temporary, node).and_then(|unpacked| match fs::rename(&unpacked, &node.dir) {
        // Another process may have been faster.
        Err(error) if !node.program().is_file() => {
            Err(error).with_context(|| format!("moving it to {}", node.dir.display()))
        }
        _ => Ok(()),
    });
    workspace::remove(&temporary)?;
    done
}

/// Lets npm unpack the release's package below `dir` and checks that its program runs.
fn install(dir: &Path, node: &Node) -> Result<PathBuf> {
    let package = package();
    let options =
        ["install", "--prefix", ".", "--no-save", "--no-package-lock", "--ignore-scripts", "--prefer-offline"];
    process::output(npm::npm(dir).args(options).arg(format!("{package}@{}", node.version)))?;
    let unpacked = dir.join("node_modules").join(package);
    // Manuals, which only take space.
    for part in ["share", "CHANGELOG.md"] {
        workspace::remove(&unpacked.join(part))?;
    }
    let version = process::output(Command::new(unpacked.join("bin/node")).arg("--version"))?;
    if version.trim() != format!("v{}", node.version) {
        bail!("the package's program says that it is {}", version.trim());
    }
    Ok(unpacked)
}

/// The architecture this runs on, as Node calls it.
pub fn node_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_major_stands_for_its_last_release() {
        assert_eq!(version_of("22").unwrap(), "22.23.3");
        assert_eq!(version_of("22.9.0").unwrap(), "22.9.0");
        assert!(version_of("19").unwrap_err().to_string().contains("one of 18, 20, 22"));
        for major in [USUAL].iter().chain(&ON_LAMBDA).chain(&MEASURED) {
            assert!(!pinned(major).between, "{major}");
        }
    }
}
