//! `cargo xtask dist`: what a release publishes.

mod archive;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;

use crate::c::{Folders, lay_out, libraries};
use crate::platforms::targets::{System, TARGETS, Target};
use crate::platforms::{self, Built};
use crate::{npm_package, workspace};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How large an add-on may be, in bytes.
const ADDON_LIMIT: u64 = 1_300_000;
/// How large the npm package may be, unpacked and as it is downloaded.
const PACKAGE_LIMIT: u64 = 9 << 20;
const TARBALL_LIMIT: u64 = 9 << 19;

/// Build what a release publishes, in target/dist/release: the npm package with the add-ons of all platforms, an
/// archive of the C library for each, and their checksums
#[derive(clap::Args)]
pub struct Arguments {
    /// Only these platforms: the package is not one to publish then
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let chosen = platforms::chosen(&arguments.only)?;
    let dist = workspace::target()?.join("dist");
    let release = folder()?;
    for folder in [&release, &dist.join("all")] {
        workspace::remove(folder)?;
        fs::create_dir_all(folder)?;
    }
    let built = platforms::release(&chosen)?;

    let addons: Vec<_> = built.iter().map(|(target, built)| (target.addon(), built.addon.clone())).collect();
    let package = npm_package::pack(&addons, &dist.join("all"))?;
    let tarball = release.join(package.tarball.file_name().context("the package has a name")?);
    fs::copy(&package.tarball, &tarball)?;
    for (target, built) in &built {
        archive(target, built, &dist.join("archives"), &release)?;
    }
    archive::sums(&release)?;

    println!("{}", table(&release)?);
    let mut sizes = vec![
        ("the package".to_owned(), npm_package::size(&package.dir)?.1, PACKAGE_LIMIT),
        ("its tarball".to_owned(), fs::metadata(&tarball)?.len(), TARBALL_LIMIT),
    ];
    for (target, built) in &built {
        sizes.push((target.addon(), fs::metadata(&built.addon)?.len(), ADDON_LIMIT));
    }
    let over = sizes.into_iter().filter(|(_, bytes, limit)| bytes > limit);
    let too_large: Vec<_> = over.map(|(name, bytes, limit)| format!("{name}: {bytes} bytes of {limit}")).collect();
    ensure!(too_large.is_empty(), "too large: {}", too_large.join("; "));
    if chosen.len() < TARGETS.len() {
        println!("Without {} platforms this is no release.", TARGETS.len() - chosen.len());
    }
    Ok(())
}

/// What [`run`] left in a folder: the npm package, and the files of these platforms.
pub fn unpack(folder: &Path, targets: &[&Target]) -> Result<(PathBuf, Vec<Built>)> {
    let unpacked = workspace::target()?.join("platforms/released");
    workspace::remove(&unpacked)?;
    let open = |name: &str| {
        File::open(folder.join(name))
            .with_context(|| format!("{} has no {name}: `cargo xtask dist` makes it", folder.display()))
    };
    let tarball = open(&format!("sentry-profiler-node-{VERSION}.tgz"))?;
    tar::Archive::new(GzDecoder::new(tarball)).unpack(&unpacked)?;
    let package = unpacked.join("package");
    let mut all = Vec::new();
    for target in targets {
        let name = c_archive(target);
        if target.system == System::Windows {
            zip::ZipArchive::new(open(&format!("{name}.zip"))?)?.extract(&unpacked)?;
        } else {
            tar::Archive::new(GzDecoder::new(open(&format!("{name}.tar.gz"))?)).unpack(&unpacked)?;
        }
        let (shared, archive, import_library) = libraries(&unpacked.join(name), target.system);
        all.push(Built { addon: package.join(target.addon()), shared, archive, import_library });
    }
    Ok((package, all))
}

/// The name of the archive, and of the folder in it.
fn c_archive(target: &Target) -> String {
    format!("libsentry_profiler-{VERSION}-{}", target.name)
}

/// Where the files are that are published.
pub fn folder() -> Result<PathBuf> {
    Ok(workspace::target()?.join("dist/release"))
}

/// Packs the C library as it is installed, with its licences and its guide.
fn archive(target: &Target, built: &Built, folder: &Path, to: &Path) -> Result<()> {
    let name = c_archive(target);
    let tree = folder.join(&name);
    workspace::remove(&tree)?;
    lay_out(&built.shared, &built.archive, target.system, &Folders::below(&tree)?)?;
    for (file, name) in [("bindings-c/README.md", "README.md"), ("LICENSE", "LICENSE"), ("NOTICE", "NOTICE")] {
        fs::copy(workspace::root().join(file), tree.join(name)).with_context(|| format!("copying {file}"))?;
    }
    match target.system {
        System::Windows => archive::zip(&tree, &to.join(format!("{name}.zip"))),
        _ => archive::tar_gz(&tree, &to.join(format!("{name}.tar.gz"))),
    }
}

/// The files with their sizes.
fn table(folder: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        lines.push(format!("{:>9} {}", entry.metadata()?.len(), workspace::show(&entry.path())));
    }
    if lines.is_empty() {
        bail!("nothing is in {}", folder.display());
    }
    lines.sort_by(|a, b| a[10..].cmp(&b[10..]));
    Ok(lines.join("\n"))
}
