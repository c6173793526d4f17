//! What other platforms take: packages of Debian, of Python and of npm, kept in the cache. The system stays as it is.

mod debian;
mod progress;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

use crate::{cache, npm, process};
pub use debian::{debian, debian_versions};
use progress::watched;

/// A package of Python, unpacked: the folder that would be on its path. Its programs are in `bin`.
///
/// Of this machine's platform, or of another one as pip calls it (`musllinux_1_2_x86_64`).
pub fn wheel(name: &str, version: &str, platform: Option<&str>) -> Result<PathBuf> {
    let wanted = format!("{name}=={version}");
    cache::once(&format!("python/{name}-{version}-{}", platform.unwrap_or("native")), |folder| {
        let mut pip = Command::new(pip()?);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-compile"]);
        pip.args(["--only-binary=:all:", "--target"]).arg(folder);
        pip.args(platform.map(|platform| format!("--platform={platform}"))).arg(&wanted);
        let what = match platform {
            Some(platform) => format!("Python's {wanted} for {platform}"),
            None => format!("Python's {wanted}"),
        };
        fetched(&what, folder, None, || process::output(&mut pip).map(drop))
    })
}

/// pip, in an environment of its own: many systems have none, or guard it.
fn pip() -> Result<PathBuf> {
    let home = cache::once("python/pip", |folder| {
        process::output(Command::new("python3").args(["-m", "venv"]).arg(folder))
            .map(drop)
            .context("packages of Python take Python 3 with its venv module (Debian: python3-venv)")
    })?;
    Ok(home.join("bin/python3"))
}

/// A package of npm, unpacked. Its platform does not matter.
pub fn npm(name: &str, version: &str) -> Result<PathBuf> {
    let wanted = format!("{name}@{version}");
    let folder = cache::once(&format!("npm/{wanted}"), |folder| {
        let packed = folder.join("packed");
        fs::create_dir(&packed)?;
        let mut pack = npm::npm(&packed);
        pack.args(["pack", "--silent", "--prefer-offline", &wanted]);
        fetched(&format!("npm's {wanted}"), &packed, None, || process::output(&mut pack).map(drop))?;
        let tarball = only_entry(&packed)?;
        tar::Archive::new(GzDecoder::new(File::open(&tarball)?)).unpack(folder)?;
        fs::remove_dir_all(&packed)?;
        // Most call it so; all have one.
        let unpacked = only_entry(folder)?;
        Ok(fs::rename(unpacked, folder.join("package"))?)
    })?;
    Ok(folder.join("package"))
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    ensure!(entries.len() == 1, "{} should have one entry, and has {entries:?}", folder.display());
    Ok(entries.into_iter().next().expect("there is one"))
}

/// Fetches something into a folder, shows how far it is, and says what to do when it cannot be had.
fn fetched(what: &str, folder: &Path, size: Option<u64>, fetch: impl FnOnce() -> Result<()>) -> Result<()> {
    watched(what, folder, size, fetch).with_context(|| {
        let cache = cache::folder().unwrap_or_default();
        format!(
            "{what} cannot be fetched. Call the command again when the network is there: what was fetched stays in {}. \
             `--only` builds the platforms that do not take it",
            cache.display()
        )
    })
}
