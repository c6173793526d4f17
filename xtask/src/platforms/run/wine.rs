//! Windows' programs: Wine, in a root of Debian's packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::place::Place;
use crate::platforms::fetch;
use crate::{cache, process};

/// Wine 8 of Debian 12 lacks a library that Node 24 takes. What draws, plays and prints is left out.
const SUITE: &str = "trixie";
const PACKAGES: [&str; 8] =
    ["wine64", "libwine", "libc6", "libgcc-s1", "libunwind8", "liblzma5", "libz-mingw-w64", "dash"];
/// Where Wine has its own parts of Windows.
const BUILTIN: &str = "usr/lib/x86_64-linux-gnu/wine/x86_64-windows";

const WINE: &str = "/usr/lib/wine/wine64";
const VARIABLES: &[(&str, &str)] = &[
    ("WINEPREFIX", "/prefix"),
    ("WINESERVER", "/usr/lib/wine/wineserver64"),
    ("WINEDEBUG", "-all"),
    // Neither .NET nor a browser is offered.
    ("WINEDLLOVERRIDES", "mscoree,mshtml="),
    ("NODE_SKIP_PLATFORM_CHECK", "1"),
];

/// What Wine makes of an empty folder when it first runs, the registry and drive C, is written by its server, which
/// ends some seconds after the last program.
const BOOT: &str = "/usr/lib/wine/wine64 wineboot.exe --init && /usr/lib/wine/wineserver64 --wait";

pub fn place() -> Result<Place> {
    let packages = fetch::debian(SUITE, "amd64", &PACKAGES)?;
    let prefix = prefix(&packages)?;
    Ok(Place::root("under Wine", vec![prefix, packages], Some(WINE), VARIABLES))
}

/// A layer with what Wine lacks of Windows, and with Wine's prefix.
fn prefix(packages: &Path) -> Result<PathBuf> {
    cache::once("wine/10", |layer| {
        add_zlib(packages, layer)?;
        let made = layer.join("prefix");
        fs::create_dir_all(&made)?;
        let place = Place::root("under Wine", vec![layer.to_owned(), packages.to_owned()], None, VARIABLES);
        eprintln!("letting Wine make its drive C");
        let mut boot = place.command(&[&place.folder(&made, "prefix")], Path::new("/usr/bin/dash"))?;
        process::output(boot.args(["-c", BOOT])).context("Wine cannot make its drive C")?;
        share(&packages.join(BUILTIN), &made.join("drive_c/windows/system32"))
    })
}

/// What the package's script does when it is installed: Wine takes a zlib that says to be a part of it.
fn add_zlib(packages: &Path, layer: &Path) -> Result<()> {
    const HEADER: std::ops::Range<usize> = 64..96;
    let mut zlib = fs::read(packages.join("usr/x86_64-w64-mingw32/lib/zlib1.dll"))?;
    let header = zlib.get_mut(HEADER).context("zlib1.dll is empty")?;
    header.fill(0);
    header[..16].copy_from_slice(b"Wine builtin DLL");
    fs::create_dir_all(layer.join(BUILTIN))?;
    Ok(fs::write(layer.join(BUILTIN).join("zlib1.dll"), zlib)?)
}

/// Drive C has copies of all parts of Wine, 700 MB: they become links.
fn share(originals: &Path, copies: &Path) -> Result<()> {
    for entry in fs::read_dir(originals)? {
        let original = entry?.path();
        let copy = copies.join(original.file_name().context("a file has a name")?);
        if copy.is_file() && fs::read(&original)? == fs::read(&copy)? {
            fs::remove_file(&copy)?;
            fs::hard_link(&original, &copy)?;
        }
    }
    Ok(())
}
