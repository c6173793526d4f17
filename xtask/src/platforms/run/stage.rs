//! What the programs find: themselves, the SDK, the package with the files of all platforms, and broken copies of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::platforms::targets::{TARGETS, Target};
use crate::{npm, system, workspace};

const PACKAGE: &str = "node_modules/sentry-profiler-node";
/// The SDK, with its package-lock.json.
const SDK: &str = "tests/node/sdk11";

/// In what ways the copies of the package are broken, as tests/platforms/broken.cjs knows them.
const BROKEN: [&str; 4] = ["renamed", "truncated", "unreadable", "foreign"];

/// A folder like that of a service.
pub struct Stage {
    pub folder: PathBuf,
}

/// Broken copies of the package.
pub struct Broken {
    /// Their folders, in that of the stage.
    pub folders: Vec<String>,
    /// Whose file the foreign one is. Where only one platform was built there is none.
    pub foreign: Option<&'static Target>,
}

impl Stage {
    /// Puts the package next to the SDK.
    pub fn new(package: &Path) -> Result<Self> {
        let folder = workspace::target()?.join("platforms/service");
        npm::installed("platforms", &workspace::root().join(SDK), &folder)?;
        let installed = folder.join(PACKAGE);
        workspace::remove(&installed)?;
        workspace::copy(package, &installed)?;
        for entry in fs::read_dir(workspace::root().join("tests/platforms"))? {
            let program = entry?.path();
            if program.extension().is_some_and(|extension| extension == "cjs") {
                fs::copy(&program, folder.join(program.file_name().context("a program has a name")?))?;
            }
        }
        Ok(Self { folder })
    }

    /// Copies of the package, each with a native file for `target` that is broken in one way.
    pub fn broken(&self, target: &Target) -> Result<Broken> {
        let whole = self.folder.join(PACKAGE);
        let foreign = TARGETS.iter().find(|other| *other != target && whole.join(other.addon()).exists());
        let addon = whole.join(target.addon());
        let mut folders = Vec::new();
        for how in BROKEN.into_iter().filter(|how| *how != "foreign" || foreign.is_some()) {
            let name = format!("broken/{}/{how}", target.name);
            let copy = self.folder.join(&name).join(PACKAGE);
            workspace::remove(&copy)?;
            workspace::copy(&whole.join("dist"), &copy.join("dist"))?;
            fs::copy(whole.join("package.json"), copy.join("package.json"))?;
            let file = copy.join(target.addon());
            match (how, foreign) {
                ("renamed", _) => drop(fs::copy(&addon, copy.join("renamed.node"))?),
                ("foreign", Some(foreign)) => drop(fs::copy(whole.join(foreign.addon()), &file)?),
                ("truncated", _) => {
                    let bytes = fs::read(&addon)?;
                    fs::write(&file, &bytes[..bytes.len() / 2])?;
                }
                _ => {
                    fs::copy(&addon, &file)?;
                    system::set_mode(&file, 0)?;
                }
            }
            folders.push(name);
        }
        Ok(Broken { folders, foreign })
    }
}
