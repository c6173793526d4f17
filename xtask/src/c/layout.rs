//! Where the files of the C library go on each system, and what pkg-config and CMake read there.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::import_library;
use crate::platforms::targets::System;
use crate::{system, workspace};

/// The number in the shared library's name: `SENTRY_PROFILER_ABI_VERSION`.
pub const ABI: &str = "1";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the static library needs of the system, as `rustc --print native-static-libs` says.
pub const fn private_libs(system: System) -> &'static [&'static str] {
    match system {
        System::Glibc => &["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"],
        System::Musl => &["-lgcc_s", "-lc"],
        System::Windows => &["-lkernel32", "-lntdll", "-luserenv", "-lws2_32", "-ldbghelp"],
        System::MacOs => &["-liconv", "-lSystem", "-lc", "-lm"],
    }
}

/// The folders of an installation.
pub struct Folders {
    prefix: PathBuf,
    lib: PathBuf,
    /// Put in front of what is written; nothing that is written names it.
    root: PathBuf,
}

impl Folders {
    /// `lib` is below the prefix, unless it is absolute.
    pub fn new(prefix: &Path, lib: &Path, root: Option<&Path>) -> Result<Self> {
        let prefix = std::path::absolute(prefix)?;
        let parent = prefix.components().chain(lib.components()).find(|part| *part == Component::ParentDir);
        ensure!(parent.is_none(), "{} and {} must be without `..`", prefix.display(), lib.display());
        let root = root.map(std::path::absolute).transpose()?.unwrap_or_else(|| PathBuf::from("/"));
        Ok(Self { lib: prefix.join(lib), prefix, root })
    }

    /// One in a folder of its own.
    pub fn below(prefix: &Path) -> Result<Self> {
        Self::new(prefix, Path::new("lib"), None)
    }

    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Where a folder of the installation is written.
    pub fn written(&self, folder: &Path) -> PathBuf {
        self.root.join(folder.strip_prefix("/").unwrap_or(folder))
    }

    /// Where the libraries are written.
    pub fn lib(&self) -> PathBuf {
        self.written(&self.lib)
    }

    /// The prefix as a file in a folder below the folder of libraries names it: by the way that leads there from its
    /// own place, so that the whole can be moved; else by its path.
    fn prefix_from(&self, below_lib: &str, own_place: &str) -> String {
        match self.lib.strip_prefix(&self.prefix) {
            Ok(lib) => {
                let up = lib.components().count() + Path::new(below_lib).components().count();
                format!("{own_place}{}", "/..".repeat(up))
            }
            Err(_) => self.prefix.display().to_string(),
        }
    }
}

/// Puts the libraries that cargo built for a system where compilers look for them.
pub fn lay_out(shared: &Path, archive: &Path, system: System, folders: &Folders) -> Result<()> {
    let [include, bin] = ["include", "bin"].map(|name| folders.written(&folders.prefix.join(name)));
    let lib = folders.lib();
    make(&include)?;
    for header in ["sentry_profiler.h", "sentry_profiler.hpp"] {
        copy(&workspace::root().join("include").join(header), &include.join(header))?;
    }
    make(&lib)?;
    copy(archive, &lib.join("libsentry_profiler.a"))?;
    match system {
        System::Glibc | System::Musl => {
            versions(shared, &lib, |version| format!("libsentry_profiler.so{version}"))?;
        }
        System::MacOs => versions(shared, &lib, |version| format!("libsentry_profiler{version}.dylib"))?,
        System::Windows => {
            make(&bin)?;
            copy(shared, &bin.join(dll()))?;
            let import = import_library::of(shared, &dll())?;
            // Each is what one kind of linker looks for: GNU's, and Microsoft's.
            for name in ["libsentry_profiler.dll.a", "sentry_profiler.lib"] {
                fs::write(lib.join(name), &import).with_context(|| format!("writing {name}"))?;
            }
        }
    }
    describe(system, folders, &lib)
}

/// The libraries in an installation in a folder of its own, and what programs for Windows link.
pub fn libraries(prefix: &Path, system: System) -> (PathBuf, PathBuf, Option<PathBuf>) {
    let lib = prefix.join("lib");
    let (shared, import) = match system {
        System::Glibc | System::Musl => (lib.join(format!("libsentry_profiler.so.{VERSION}")), None),
        System::MacOs => (lib.join(format!("libsentry_profiler.{VERSION}.dylib")), None),
        System::Windows => (prefix.join("bin").join(dll()), Some(lib.join("libsentry_profiler.dll.a"))),
    };
    (shared, lib.join("libsentry_profiler.a"), import)
}

/// The name of the DLL, with the number that the other systems have in the name of the library.
fn dll() -> String {
    format!("sentry_profiler-{ABI}.dll")
}

/// The shared library by its version, and its name for loaders and the one for linkers, which lead to it.
fn versions(shared: &Path, lib: &Path, name: impl Fn(&str) -> String) -> Result<()> {
    let [file, loaded, linked] = [format!(".{VERSION}"), format!(".{ABI}"), String::new()].map(|part| name(&part));
    copy(shared, &lib.join(&file))?;
    link(&file, &lib.join(&loaded))?;
    link(&loaded, &lib.join(&linked))
}

/// What pkg-config and CMake read.
fn describe(system: System, folders: &Folders, lib: &Path) -> Result<()> {
    let [pkgconfig, cmake] = ["pkgconfig", "cmake/sentry_profiler"];
    let libdir = folders
        .lib
        .strip_prefix(&folders.prefix)
        .map_or_else(|_| folders.lib.display().to_string(), |below| format!("${{prefix}}/{}", below.display()));
    let properties = match system {
        System::Glibc | System::Musl => {
            let name = format!("libsentry_profiler.so.{ABI}");
            format!(r#"IMPORTED_LOCATION "${{_sentry_profiler_lib}}/{name}" IMPORTED_SONAME "{name}""#)
        }
        System::MacOs => {
            let name = format!("libsentry_profiler.{ABI}.dylib");
            format!(r#"IMPORTED_LOCATION "${{_sentry_profiler_lib}}/{name}" IMPORTED_SONAME "@rpath/{name}""#)
        }
        System::Windows => format!(
            "IMPORTED_LOCATION \"${{_sentry_profiler_prefix}}/bin/{}\"\n    \
             IMPORTED_IMPLIB \"${{_sentry_profiler_lib}}/sentry_profiler.lib\"",
            dll()
        ),
    };
    for (template, folder) in [
        ("sentry_profiler.pc", pkgconfig),
        ("sentry_profiler-config.cmake", cmake),
        ("sentry_profiler-config-version.cmake", cmake),
    ] {
        // CMake wants a list, pkg-config a line.
        let (separator, own_place) =
            if folder == pkgconfig { (" ", "${pcfiledir}") } else { (";", "${CMAKE_CURRENT_LIST_DIR}") };
        let source = workspace::root().join("bindings-c/install").join(template);
        let text = fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
        let text = text
            .replace("@VERSION@", VERSION)
            .replace("@URL@", env!("CARGO_PKG_REPOSITORY"))
            .replace("@PREFIX@", &folders.prefix_from(folder, own_place))
            .replace("@LIBDIR@", &libdir)
            .replace("@SHARED_PROPERTIES@", &properties)
            .replace("@PRIVATE_LIBS@", &private_libs(system).join(separator));
        let folder = lib.join(folder);
        make(&folder)?;
        fs::write(folder.join(template), text).with_context(|| format!("writing {template}"))?;
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}

pub fn copy(from: &Path, to: &Path) -> Result<()> {
    // Not over the old one: a program may have it open.
    workspace::remove(to)?;
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display())).map(drop)
}

fn link(target: &str, at: &Path) -> Result<()> {
    workspace::remove(at)?;
    system::symlink(Path::new(target), at).with_context(|| format!("linking {}", at.display()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process;

    /// An installation of libraries that are none, in a folder of a test's own, and what pkg-config and CMake read.
    fn installed(name: &str, system: System, libdir: &str) -> (PathBuf, String, String) {
        let root = std::env::temp_dir().join(format!("sentry-profiler-layout-{name}-{}", std::process::id()));
        workspace::remove(&root).unwrap();
        fs::create_dir_all(&root).unwrap();
        let [shared, archive] = ["shared", "archive"].map(|name| root.join(name));
        for file in [&shared, &archive] {
            fs::write(file, file.to_str().unwrap()).unwrap();
        }
        let destdir = root.join("destdir");
        let folders = Folders::new(Path::new("/opt/sentry"), Path::new(libdir), Some(&destdir)).unwrap();
        lay_out(&shared, &archive, system, &folders).unwrap();
        let lib = folders.lib();
        let read = |file: &str| fs::read_to_string(lib.join(file)).unwrap();
        let texts = ["pkgconfig/sentry_profiler.pc", "cmake/sentry_profiler/sentry_profiler-config.cmake"].map(read);
        for text in &texts {
            assert!(!text.contains("destdir") && !text.contains("@SHARED") && !text.contains("@P"), "{text}");
        }
        let [pkgconfig, cmake] = texts;
        (destdir, pkgconfig, cmake)
    }

    #[test]
    fn linux_below_the_prefix_can_be_moved() {
        let (destdir, pkgconfig, cmake) = installed("linux", System::Glibc, "lib/x86_64-linux-gnu");
        let lib = destdir.join("opt/sentry/lib/x86_64-linux-gnu");
        for name in ["libsentry_profiler.so".to_owned(), format!("libsentry_profiler.so.{ABI}")] {
            assert!(fs::read_to_string(lib.join(&name)).unwrap().ends_with("/shared"), "{name}");
        }
        assert!(fs::read_to_string(lib.join("libsentry_profiler.a")).unwrap().ends_with("/archive"));
        assert!(destdir.join("opt/sentry/include/sentry_profiler.h").is_file());
        assert!(pkgconfig.starts_with("prefix=${pcfiledir}/../../..\n"), "{pkgconfig}");
        assert!(pkgconfig.contains("\nlibdir=${prefix}/lib/x86_64-linux-gnu\n"), "{pkgconfig}");
        assert!(cmake.contains("\"${CMAKE_CURRENT_LIST_DIR}/../../../..\" ABSOLUTE"), "{cmake}");
        assert!(cmake.contains("/libsentry_profiler.so.1\" IMPORTED_SONAME \"libsentry_profiler.so.1\"\n"), "{cmake}");
        workspace::remove(destdir.parent().unwrap()).unwrap();
    }

    #[test]
    fn libraries_elsewhere_are_named_by_their_path() {
        let (destdir, pkgconfig, cmake) = installed("elsewhere", System::Musl, "/usr/lib64");
        assert!(destdir.join("usr/lib64/libsentry_profiler.so").is_file());
        assert!(pkgconfig.starts_with("prefix=/opt/sentry\n"), "{pkgconfig}");
        assert!(pkgconfig.contains("\nlibdir=/usr/lib64\n"), "{pkgconfig}");
        assert!(cmake.contains("(_sentry_profiler_prefix \"/opt/sentry\" ABSOLUTE)"), "{cmake}");
        workspace::remove(destdir.parent().unwrap()).unwrap();
    }

    #[test]
    fn macos_has_its_own_names() {
        let (destdir, pkgconfig, cmake) = installed("macos", System::MacOs, "lib");
        let lib = destdir.join("opt/sentry/lib");
        for name in ["libsentry_profiler.dylib", "libsentry_profiler.1.dylib"] {
            assert!(fs::read_to_string(lib.join(name)).unwrap().ends_with("/shared"), "{name}");
        }
        assert!(cmake.contains("IMPORTED_SONAME \"@rpath/libsentry_profiler.1.dylib\"\n"), "{cmake}");
        assert!(pkgconfig.contains("\nLibs.private: -liconv -lSystem"), "{pkgconfig}");
        workspace::remove(destdir.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_way_back_is_refused() {
        for (prefix, lib) in [("/opt/../usr", "lib"), ("/usr", "../lib")] {
            assert!(Folders::new(Path::new(prefix), Path::new(lib), None).is_err(), "{prefix} {lib}");
        }
    }

    /// What rustc says of this system; it says so when it makes a static library.
    #[test]
    fn private_libraries_are_those_of_rustc() {
        let folder = std::env::temp_dir().join(format!("sentry-profiler-private-libs-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("empty.rs"), "").unwrap();
        let mut rustc = Command::new("rustc");
        rustc.current_dir(&folder).args(["--crate-type=staticlib", "--print=native-static-libs=libs", "empty.rs"]);
        process::output(&mut rustc).unwrap();
        let libs = fs::read_to_string(folder.join("libs")).unwrap();
        assert_eq!(libs.split_whitespace().collect::<Vec<_>>(), private_libs(System::HOST));
        workspace::remove(&folder).unwrap();
    }
}
