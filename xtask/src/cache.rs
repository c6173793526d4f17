//! What takes long to fetch or to build, and stays between checkouts.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Moves the cache.
const VARIABLE: &str = "SENTRY_PROFILER_CACHE";

/// Where it is: the folder of the environment variable, else one in the user's cache, else one in the target folder.
pub fn folder() -> Result<PathBuf> {
    if let Some(moved) = env::var_os(VARIABLE).filter(|moved| !moved.is_empty()) {
        let moved = PathBuf::from(moved);
        ensure!(moved.is_absolute(), "{VARIABLE} must be an absolute path, and is {}", moved.display());
        return Ok(moved);
    }
    let user = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    match user.filter(|path| path.is_absolute()).or_else(home) {
        Some(cache) => Ok(cache.join("libsentry_profiler")),
        None => Ok(workspace::target()?.join("tools")),
    }
}

/// A folder of the cache, which `make` fills unless it is there.
///
/// It is filled under another name and moved to its own when it is whole, so one that was interrupted is made again.
/// Names say all that the content depends on.
pub fn once(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    once_in(&folder()?, name, make)
}

fn once_in(cache: &Path, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let made = cache.join(name);
    if made.is_dir() {
        return Ok(made);
    }
    let (parent, last) = (made.parent().context("no folder")?, made.file_name().context("no name")?.display());
    fs::create_dir_all(parent)
        .with_context(|| format!("making {}: set {VARIABLE} to a folder that can be written", parent.display()))?;
    // Two who want it at once: the second waits for the first.
    let _lock = lock(&parent.join(format!(".{last}.lock")))?;
    if made.is_dir() {
        return Ok(made);
    }
    let partial = parent.join(format!(".{last}.partial"));
    workspace::remove(&partial)?;
    fs::create_dir_all(&partial)?;
    make(&partial)?;
    fs::rename(&partial, &made).with_context(|| format!("moving {} to its place", partial.display()))?;
    Ok(made)
}

/// What stands in a name for the many things that a folder's content depends on.
pub fn hash(of: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    format!("{:08x}", hasher.finish() as u32)
}

/// Waits until nobody else has this file locked; it is free again when what this returns is dropped.
pub fn lock(file: &Path) -> Result<File> {
    let lock = File::create(file).with_context(|| format!("making {}", file.display()))?;
    lock.lock().with_context(|| format!("locking {}", file.display()))?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn what_was_interrupted_is_made_again_and_what_is_whole_is_not() {
        let cache = env::temp_dir().join(format!("sentry-profiler-cache-{}", std::process::id()));
        let file = |folder: &Path| folder.join("file");

        let interrupted = once_in(&cache, "a/b", |folder| {
            fs::write(file(folder), "half")?;
            bail!("the network is gone")
        });
        assert!(interrupted.is_err());
        assert!(!cache.join("a/b").exists());

        let whole = once_in(&cache, "a/b", |folder| {
            assert!(!file(folder).exists(), "the half is still there");
            Ok(fs::write(file(folder), "whole")?)
        });
        let again = once_in(&cache, "a/b", |_| bail!("it is made twice"));
        assert_eq!(whole.unwrap(), again.unwrap());
        assert_eq!(fs::read_to_string(cache.join("a/b/file")).unwrap(), "whole");
        workspace::remove(&cache).unwrap();
    }
}
