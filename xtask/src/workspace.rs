//! Paths in the repository, and whether files changed.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::process;

/// Selects the repository around the current directory. The path that this program was compiled in would be wrong
/// where a target folder was copied or is shared.
pub fn enter() -> Result<()> {
    let root = around()?;
    ROOT.get_or_init(|| root);
    Ok(())
}

static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// The top of the repository.
///
/// # Panics
/// If [`enter`] has not succeeded.
pub fn root() -> &'static Path {
    ROOT.get_or_init(|| around().expect("the repository was entered"))
}

fn around() -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current directory is gone")?;
    let root = top(&here).with_context(|| {
        format!("{} is not in a repository of libsentry_profiler: run this command inside one", here.display())
    })?;
    Ok(root.to_owned())
}

fn top(folder: &Path) -> Option<&Path> {
    let mut folders = folder.ancestors();
    folders.find(|folder| folder.join("xtask/Cargo.toml").is_file() && folder.join("bindings-node").is_dir())
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    in_repository(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// A cargo that works on the repository.
pub fn in_repository(mut command: Command) -> Command {
    command.current_dir(root());
    // Variables that cargo sets for this package would make every other package look changed.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// The PATH, with these folders before all others.
pub fn path_with(folders: impl IntoIterator<Item = PathBuf>) -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path))).context("a folder cannot be on PATH")
}

/// cargo's target folder, where these commands also put everything that they make.
pub fn target() -> Result<&'static Path> {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    if let Some(target) = TARGET.get() {
        return Ok(target);
    }
    let metadata = process::output(cargo().args(["metadata", "--format-version=1", "--no-deps", "--offline"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(TARGET.get_or_init(|| PathBuf::from(target)))
}

/// A path to print: relative to the current directory if it is inside.
pub fn show(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// Runs `make` unless it last succeeded on the same inputs and `made` still exists.
///
/// Inputs are files, or folders with all their files. An input that does not exist counts as empty.
pub fn when_changed(name: &str, inputs: &[PathBuf], made: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let stamp = target()?.join("stamps").join(name);
    let mut hasher = DefaultHasher::new();
    for input in inputs {
        hash(input, &mut hasher)?;
    }
    let now = format!("{:016x}", hasher.finish());
    if made.exists() && fs::read_to_string(&stamp).is_ok_and(|last| last == now) {
        return Ok(());
    }
    let _ = fs::remove_file(&stamp);
    make()?;
    fs::create_dir_all(stamp.parent().expect("a stamp lies in a folder"))?;
    fs::write(&stamp, now).with_context(|| format!("writing {}", stamp.display()))
}

fn hash(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    path.hash(hasher);
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        entries.sort();
        entries.iter().try_for_each(|entry| hash(entry, hasher))
    } else if path.exists() {
        fs::read(path).with_context(|| format!("reading {}", path.display()))?.hash(hasher);
        Ok(())
    } else {
        Ok(())
    }
}

/// Copies a folder recursively.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copying to {}", target.display()))?;
        }
    }
    Ok(())
}

/// Removes a folder or file if it is there.
pub fn remove(path: &Path) -> Result<()> {
    match if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_the_one_around_a_folder() {
        let here = std::env::current_dir().unwrap();
        let own = top(&here).unwrap();
        assert_eq!(top(&own.join("tests/node/support")), Some(own));
        assert_eq!(top(Path::new("/")), None);
    }
}
