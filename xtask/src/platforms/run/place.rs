//! Where the programs of a platform run: on this system, or in a root that is made of packages.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, system, workspace};

/// The script that mounts a root's layers and folders, and starts the program.
const ENTER: &str = "xtask/src/platforms/run/enter.sh";

/// A system on which programs run.
pub struct Place {
    /// How that is called: `under Wine`.
    pub how: &'static str,
    root: Option<Root>,
}

struct Root {
    /// The folders that it is made of; the first goes before the others.
    layers: Vec<PathBuf>,
    /// The program that runs the platform's programs, in the root.
    runner: Option<&'static str>,
    variables: &'static [(&'static str, &'static str)],
}

/// A folder, and how it is called where the program runs.
#[derive(Clone, Debug)]
pub struct Folder {
    outside: PathBuf,
    inside: PathBuf,
}

impl Folder {
    /// A path below it, as the program knows it.
    pub fn path(&self, below: &str) -> PathBuf {
        if below.is_empty() { self.inside.clone() } else { self.inside.join(below) }
    }
}

impl Place {
    pub fn here() -> Self {
        Self { how: "natively", root: None }
    }

    pub fn root(
        how: &'static str,
        layers: Vec<PathBuf>,
        runner: Option<&'static str>,
        variables: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { how, root: Some(Root { layers, runner, variables }) }
    }

    /// A folder of this system, as programs know it: under another name where they run in a root.
    pub fn folder(&self, outside: &Path, name: &str) -> Folder {
        let inside = if self.root.is_some() { Path::new("/").join(name) } else { outside.to_owned() };
        Folder { outside: outside.to_owned(), inside }
    }

    /// The command that runs a program of one of the folders. Its environment is empty but for what programs need.
    pub fn command(&self, folders: &[&Folder], program: &Path) -> Result<Command> {
        let mut words: Vec<OsString> = Vec::new();
        let Some(root) = &self.root else {
            if system::is_root() {
                // As in enter.sh.
                words.extend(["setpriv", "--bounding-set=-dac_override,-dac_read_search"].map(OsString::from));
            }
            words.push(program.into());
            // Windows' programs do not start without some of its variables.
            return Ok(if cfg!(windows) { Command::new(program) } else { clean(words) });
        };
        words.extend(enter(&root.layers)?);
        for folder in folders {
            words.extend([&folder.outside, &folder.inside].map(OsString::from));
        }
        words.push("--".into());
        words.extend(root.runner.map(OsString::from));
        words.push(program.into());
        let mut command = clean(words);
        command.envs(root.variables.iter().copied());
        Ok(command)
    }

    /// Why nothing can run here, if so: a container may forbid to mount.
    pub fn forbidden(&self) -> Result<Option<String>> {
        let Some(root) = &self.root else { return Ok(None) };
        let mut command = clean(enter(&root.layers)?);
        command.arg("--");
        Ok(process::output(&mut command).err().map(|error| {
            let error = format!("{error:#}");
            let last = error.lines().last().unwrap_or_default();
            format!(
                "this system lets nobody mount a root ({last}); it takes root, or user namespaces, and no container"
            )
        }))
    }
}

/// The words that enter a root, in namespaces of its own: for mounts, and for processes, which end with the first one.
fn enter(layers: &[PathBuf]) -> Result<Vec<OsString>> {
    let mount_point = workspace::target()?.join("platforms/root");
    fs::create_dir_all(&mount_point).with_context(|| format!("making {}", mount_point.display()))?;
    let user = (!system::is_root()).then_some("--map-root-user");
    let namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"].into_iter().chain(user);
    let script = workspace::root().join(ENTER);
    let words = namespaces.chain(["sh"]).map(OsString::from);
    Ok(words.chain([script.into(), mount_point.into(), lower(layers)]).collect())
}

/// The layers as overlayfs takes them: between colons, which names have escaped.
fn lower(layers: &[PathBuf]) -> OsString {
    let escaped = layers.iter().map(|layer| {
        let layer = layer.display().to_string();
        [("\\", "\\\\"), (":", "\\:"), (",", "\\,")].iter().fold(layer, |layer, (from, to)| layer.replace(from, to))
    });
    escaped.collect::<Vec<_>>().join(":").into()
}

/// What a person has set for another service must not change a test.
fn clean(words: Vec<OsString>) -> Command {
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).env_clear();
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/tmp");
    command
}
