//! The toolchain with the sources of its standard library: cargo builds one where there is none that fits.
//!
//! The sources come from rustup, or from Debian, next to a copy of the toolchain. The system is not changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::platforms::fetch;
use crate::{cache, process, system, workspace};

/// Where Debian has the sources of recent toolchains.
const SUITE: &str = "trixie-backports";
/// The package is the same for every architecture.
const ARCH: &str = "amd64";
/// Of a sysroot.
const SOURCES: &str = "lib/rustlib/src/rust";

/// A toolchain that can build its standard library.
#[derive(Clone, Debug)]
pub struct Sysroot(PathBuf);

impl Sysroot {
    pub fn with_sources() -> Result<Self> {
        let own = own()?;
        if has_sources(&own) {
            return Ok(Self(own));
        }
        let version = rustc(&["-vV"])?;
        let field = |name: &str| {
            let mut lines = version.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).with_context(|| format!("no {name}"))
        };
        let (release, commit) = (field("release")?, field("commit-hash")?);
        let made = cache::once(&format!("rust/{release}-{commit:.9}"), |folder| {
            let sources = sources(release)?;
            copy(&own, folder)?;
            let place = folder.join(SOURCES);
            fs::create_dir_all(place.parent().expect("it is in a folder"))?;
            system::symlink(&sources, &place)?;
            ensure!(has_sources(folder), "there is no library in {}", sources.display());
            Ok(())
        })?;
        Ok(Self(made))
    }

    pub fn bin(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// One of its programs, which may use what is unstable.
    pub fn command(&self, program: impl AsRef<Path>) -> Result<Command> {
        let mut command = Command::new(self.bin().join(program));
        command.env("PATH", workspace::path_with([self.bin()])?).env("RUSTC_BOOTSTRAP", "1");
        // Those are of the cargo that runs us.
        for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        Ok(command)
    }
}

/// Whether the toolchain has a standard library for a target.
pub fn has_target(triple: &str) -> Result<bool> {
    let libraries = PathBuf::from(rustc(&["--print", "target-libdir", "--target", triple])?);
    let Ok(entries) = fs::read_dir(libraries) else { return Ok(false) };
    Ok(entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

/// The folder of the toolchain.
pub fn own() -> Result<PathBuf> {
    rustc(&["--print", "sysroot"]).map(PathBuf::from)
}

/// The target that this machine is.
pub fn host() -> Result<String> {
    rustc(&["--print", "host-tuple"])
}

fn rustc(arguments: &[&str]) -> Result<String> {
    Ok(process::output(Command::new("rustc").current_dir(workspace::root()).args(arguments))?.trim().to_owned())
}

fn has_sources(sysroot: &Path) -> bool {
    sysroot.join(SOURCES).join("library/Cargo.lock").exists()
}

/// Debian's package with the sources of exactly this release.
fn sources(release: &str) -> Result<PathBuf> {
    let versions = fetch::debian_versions(SUITE, ARCH, "rust-src")?;
    let wanted = format!("{release}+");
    let Some(version) = versions.iter().find(|version| version.starts_with(&wanted)) else {
        bail!(
            "the standard library's sources must be of the compiler's own version, {release}: Debian's {SUITE} has {}. \
             `rustup component add rust-src` brings them, or another compiler from the list",
            versions.join(", ")
        );
    };
    let unpacked = fetch::debian(SUITE, ARCH, &[&format!("rust-src={version}")])?;
    Ok(unpacked.join("usr/src").join(format!("rustc-{release}")))
}

/// A copy: rustc follows symbolic links back to where it came from. Hard links do where the file system has them.
fn copy(toolchain: &Path, to: &Path) -> Result<()> {
    for part in ["bin", "lib", "libexec"].map(|part| toolchain.join(part)).iter().filter(|part| part.exists()) {
        let copied = |how: &str| process::output(Command::new("cp").arg(how).arg(part).arg(to)).map(drop);
        copied("-al").or_else(|_| {
            workspace::remove(&to.join(part.file_name().context("no name")?))?;
            copied("-a")
        })?;
    }
    Ok(())
}
