//! The npm package: `cargo xtask build` makes it with this machine's add-on, `cargo xtask dist` with those of all
//! platforms.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::platforms::targets::System;
use crate::{linkage, node_releases, npm, process, workspace};

/// The package, ready to install.
#[derive(Clone, Debug)]
pub struct Package {
    /// Unpacked.
    pub dir: PathBuf,
    /// As npm would upload it.
    pub tarball: PathBuf,
}

impl Package {
    /// The native file in it.
    pub fn addon(&self) -> PathBuf {
        self.dir.join(binary_name())
    }

    /// Puts the package among those that are installed in a folder.
    pub fn put_into(&self, dir: &Path) -> Result<()> {
        // A copy and no link: Node looks for the SDK from the place where a file really is.
        let ours = dir.join("node_modules/sentry-profiler-node");
        workspace::remove(&ours)?;
        workspace::copy(&self.dir, &ours)
    }
}

/// Builds the add-on and the package, checks both, and tells what came out.
pub fn build() -> Result<Package> {
    let addon = build_addon()?;
    pack(&[(binary_name(), addon)], &workspace::target()?.join("dist"))
}

/// Makes the package of its scripts and of these add-ons, by the names that its loader knows, and checks it. The
/// tarball is put into a folder, and next to it `node`, which is the tarball unpacked.
pub fn pack(addons: &[(String, PathBuf)], to: &Path) -> Result<Package> {
    build_scripts()?;
    let package = assemble(addons, to)?;
    check(&package, addons)?;
    Ok(package)
}

fn build_addon() -> Result<PathBuf> {
    process::run(workspace::cargo().args(["build", "--release", "--package", "sentry-profiler-node"]))?;
    let file = workspace::target()?.join("release").join(System::HOST.cdylib("sentry_profiler_node"));
    let linkage = linkage::of(&file)?;
    linkage::check_addon(&linkage)?;
    println!(
        "add-on: {}, needs {}, glibc {}, {} names of V8 all weak",
        kilobytes(fs::metadata(&file)?.len()),
        linkage.needed.join(", "),
        linkage.glibc.as_ref().map_or("of any version".to_owned(), |version| format!("{version} or newer")),
        linkage::v8_names(&linkage.weak).count(),
    );
    Ok(file)
}

fn build_scripts() -> Result<()> {
    let package = source();
    let inputs = |names: &[&str]| names.iter().map(|name| package.join(name)).collect::<Vec<_>>();
    workspace::when_changed("npm-ci", &inputs(&["package-lock.json"]), &package.join("node_modules"), || {
        eprintln!("installing what the package is built with");
        npm::ci(&package)
    })?;
    let inputs = inputs(&["package.json", "package-lock.json", "tsconfig.json", "ts"]);
    workspace::when_changed("npm-build", &inputs, &package.join("dist"), || {
        eprintln!("compiling the package's TypeScript");
        // Files that the sources no longer produce must not be published.
        workspace::remove(&package.join("dist"))?;
        process::output(npm::npm(&package).args(["run", "--silent", "build"])).map(drop)
    })
}

fn source() -> PathBuf {
    workspace::root().join("bindings-node")
}

/// Lets npm choose the files, from a copy with the binaries in it, and unpacks what it would upload.
fn assemble(addons: &[(String, PathBuf)], dist: &Path) -> Result<Package> {
    let staged = dist.join("staged");
    workspace::remove(&staged)?;
    fs::create_dir_all(&staged)?;
    workspace::copy(&source().join("dist"), &staged.join("dist"))?;
    for name in ["package.json", "README.md"] {
        fs::copy(source().join(name), staged.join(name)).with_context(|| format!("copying {name}"))?;
    }
    for name in ["LICENSE", "NOTICE"] {
        fs::copy(workspace::root().join(name), staged.join(name)).with_context(|| format!("copying {name}"))?;
    }
    for (name, addon) in addons {
        fs::copy(addon, staged.join(name)).with_context(|| format!("copying {}", addon.display()))?;
    }

    for entry in fs::read_dir(dist)? {
        let old = entry?.path();
        if old.extension().is_some_and(|extension| extension == "tgz") {
            workspace::remove(&old)?;
        }
    }
    process::output(npm::npm(&staged).args(["pack", "--ignore-scripts", "--pack-destination"]).arg(dist))?;
    let manifest = manifest(&staged)?;
    let [name, version] = ["name", "version"].map(|key| manifest[key].as_str().unwrap_or_default());
    let package = Package { dir: dist.join("node"), tarball: dist.join(format!("{name}-{version}.tgz")) };

    // Unpacked next to its place, so that the folder is never there by half.
    let unpacked = dist.join("unpacked");
    workspace::remove(&unpacked)?;
    let tarball =
        fs::File::open(&package.tarball).with_context(|| format!("npm left no {}", package.tarball.display()))?;
    tar::Archive::new(GzDecoder::new(tarball)).unpack(&unpacked)?;
    workspace::remove(&package.dir)?;
    fs::rename(unpacked.join("package"), &package.dir)?;
    workspace::remove(&unpacked)?;
    workspace::remove(&staged)?;
    Ok(package)
}

/// The name under which the package's loader looks for this machine's file.
fn binary_name() -> String {
    let arch = node_releases::node_arch();
    match System::HOST {
        System::Glibc => format!("sentry_profiler-linux-{arch}-glibc.node"),
        System::Musl => format!("sentry_profiler-linux-{arch}-musl.node"),
        System::Windows => format!("sentry_profiler-win32-{arch}.node"),
        System::MacOs => format!("sentry_profiler-darwin-{arch}.node"),
    }
}

fn manifest(dir: &Path) -> Result<Value> {
    let file = dir.join("package.json");
    let text = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// What users were promised: every entry is there, nothing runs at installation, nothing else is installed, and it is
/// installed everywhere.
fn check(package: &Package, addons: &[(String, PathBuf)]) -> Result<()> {
    let manifest = manifest(&package.dir)?;
    let entries = files_in(&[&manifest["main"], &manifest["types"], &manifest["exports"]]);
    ensure!(!entries.is_empty(), "the package has no entry");
    let binaries = addons.iter().map(|(name, _)| name.as_str());
    for entry in entries.into_iter().chain(binaries).chain(["README.md", "LICENSE", "NOTICE"]) {
        ensure!(package.dir.join(entry).is_file(), "the package lacks {entry}");
    }
    for script in ["preinstall", "install", "postinstall", "prepare"] {
        ensure!(manifest["scripts"][script].is_null(), "the package has a script {script}");
    }
    for kind in ["dependencies", "optionalDependencies"] {
        if let Some(dependencies) = manifest[kind].as_object().filter(|map| !map.is_empty()) {
            bail!("the package has {kind}: {dependencies:?}");
        }
    }
    // With one of them npm would not install it on other systems, from where node_modules may be copied.
    for restriction in ["os", "cpu", "libc"] {
        ensure!(manifest[restriction].is_null(), "the package is installed on some systems only: {restriction}");
    }
    let (files, bytes) = size(&package.dir)?;
    println!("package: {files} files, {}, in {}", kilobytes(bytes), workspace::show(&package.dir));
    Ok(())
}

/// All the strings in these values: paths, where they are a package's entries.
fn files_in<'a>(values: &[&'a Value]) -> Vec<&'a str> {
    let mut files = Vec::new();
    for value in values {
        match value {
            Value::String(file) => files.push(file.as_str()),
            Value::Object(map) => files.extend(files_in(&map.values().collect::<Vec<_>>())),
            _ => {}
        }
    }
    files
}

/// Number of files and sum of their bytes.
pub fn size(dir: &Path) -> Result<(usize, u64)> {
    let mut sum = (0, 0);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (files, bytes) =
            if entry.file_type()?.is_dir() { size(&entry.path())? } else { (1, entry.metadata()?.len()) };
        sum = (sum.0 + files, sum.1 + bytes);
    }
    Ok(sum)
}

fn kilobytes(bytes: u64) -> String {
    format!("{} kB", bytes.div_ceil(1000))
}
