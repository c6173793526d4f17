//! The size of a package with its dependencies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// Bytes and files of a package and its dependencies.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub bytes: u64,
    pub files: u64,
}

/// Measures a package in `dir`'s node_modules and its dependencies, except those that the package `without` has too.
pub fn size_of(dir: &Path, package: &str, without: Option<&str>) -> Result<Size> {
    let modules = dir.join("node_modules");
    let mut folders = closure(&modules, package)?;
    if let Some(without) = without {
        let others = closure(&modules, without)?;
        folders.retain(|folder| !others.contains(folder));
    }
    let mut size = Size { bytes: 0, files: 0 };
    folders.iter().try_for_each(|folder| add(folder, &mut size))?;
    Ok(size)
}

fn closure(modules: &Path, package: &str) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![package.to_owned()];
    while let Some(package) = open.pop() {
        let folder = modules.join(package);
        // Packages of other platforms are not installed. A dependency with a version of its own is in the folder of
        // the package that needs it, and counted there.
        if !folder.is_dir() || !found.insert(folder.clone()) {
            continue;
        }
        let manifest = manifest(&folder)?;
        open.extend(manifest["dependencies"].as_object().into_iter().flat_map(|map| map.keys().cloned()));
        open.extend(manifest["optionalDependencies"].as_object().into_iter().flat_map(|map| map.keys().cloned()));
    }
    Ok(found)
}

pub fn manifest(folder: &Path) -> Result<Value> {
    let file = folder.join("package.json");
    Ok(serde_json::from_slice(&fs::read(&file).with_context(|| format!("reading {}", file.display()))?)?)
}

fn add(folder: &Path, size: &mut Size) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            add(&entry.path(), size)?;
        } else {
            size.bytes += entry.metadata()?.len();
            size.files += 1;
        }
    }
    Ok(())
}
