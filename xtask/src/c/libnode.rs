//! Debian's libnode, the V8 that the tests embed.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{debian_packages, node_releases, process, workspace};

/// The Debian packages of libnode. Its V8 is that of the oldest tested Node release, whose headers fit it.
const LIBNODE: &[&str] = &["libnode108", "libc-ares2"];

pub struct Libnode {
    pub include: PathBuf,
    /// In link order.
    pub libraries: Vec<PathBuf>,
    pub folder: PathBuf,
}

/// Unpacks Debian's packages without installing them: they conflict with a Node from elsewhere.
pub fn libnode() -> Result<Libnode> {
    let folder = workspace::target()?.join("libnode");
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let lib = folder.join("usr/lib").join(&triplet);
    if !lib.join("libnode.so.108").exists() || !lib.join("libcares.so.2").exists() {
        eprintln!("fetching {}", LIBNODE.join(" and "));
        workspace::remove(&folder)?;
        fs::create_dir_all(&folder)?;
        let download = || process::output(Command::new("apt-get").arg("download").args(LIBNODE).current_dir(&folder));
        // On a fresh machine there are no lists of packages yet.
        download().or_else(|_| debian_packages::update().and_then(|()| download()))?;
        for entry in fs::read_dir(&folder)? {
            let package = entry?.path();
            if package.extension().is_some_and(|extension| extension == "deb") {
                process::output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&folder))?;
            }
        }
    }
    Ok(Libnode {
        include: node_releases::fetch(node_releases::oldest().version)?.include(),
        libraries: ["libnode.so.108", "libcares.so.2"].map(|name| lib.join(name)).into(),
        folder: lib,
    })
}
