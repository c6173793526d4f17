//! cargo for another platform: its standard library, and its linker.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::build::Profile;
use super::fetch;
use super::targets::{GLIBC, MACOS, System, Target};
use crate::sysroot::{self, Sysroot};
use crate::{cache, system, workspace};

const ZIG: &str = "0.17.1";
const ZIGBUILD: &str = "0.24.1";
/// GNU's tools for Windows.
const MINGW_SUITE: &str = "bookworm";
const MINGW: &[&str] = &[
    "gcc-mingw-w64-x86-64-win32",
    "gcc-mingw-w64-x86-64-win32-runtime",
    "binutils-mingw-w64-x86-64",
    "mingw-w64-common",
    "mingw-w64-x86-64-dev",
];
const MINGW_GCC: &str = "x86_64-w64-mingw32-gcc-win32";
/// Debian's architecture that this machine has.
const ARCH: &str = "amd64";
/// LLVM's linker takes no argument of a C compiler, of which build scripts have some.
const APPLE_LINKER: &str = r#"#!/bin/sh
# Spells out what is meant for a C compiler, which would pass it to the linker.
set -f
left=$#
while [ "$left" -gt 0 ]; do
  argument=$1
  shift
  left=$((left - 1))
  case $argument in
    -Wl) ;;
    -Wl,*)
      IFS=,
      for part in ${argument#-Wl,}; do set -- "$@" "$part"; done
      unset IFS
      ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec "$SENTRY_PROFILER_LLD" "$@"
"#;
/// Apple's own programs are for other kinds of arm64, whose libraries have the same symbols.
const KINDS_OF_ARM64: [&str; 2] = ["arm64e.x1-", "arm64e-"];
/// What the standard library takes of macOS besides libSystem.
const LIBICONV: &str = "--- !tapi-tbd
tbd-version:     4
targets:         [ x86_64-macos, arm64-macos ]
install-name:    '/usr/lib/libiconv.2.dylib'
current-version: 7
compatibility-version: 7
exports:
  - targets:     [ x86_64-macos, arm64-macos ]
    symbols:     [ _iconv, _iconv_close, _iconv_open ]
...
";

/// A cargo that builds for a target; packages are added to it. What is published has a standard library that is built for
/// its size, also where the toolchain has one.
pub fn cargo_build(target: &Target, profile: Profile) -> Result<Command> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "other platforms are built on Linux on x64: what builds them there comes from Debian and PyPI for it"
    );
    let linker = match target.system {
        System::Glibc | System::Musl => zigbuild(target)?,
        System::Windows => mingw(target)?,
        System::MacOs => lld(target)?,
    };
    let has_target = matches!(profile, Profile::Tested) && sysroot::has_target(target.triple)?;
    let sysroot = if has_target { None } else { Some(Sysroot::with_sources()?) };
    let mut cargo = match &sysroot {
        Some(sysroot) => sysroot.command(&linker.cargo)?,
        None => Command::new(&linker.cargo),
    };
    let folders = sysroot.iter().map(Sysroot::bin).chain(linker.tools);
    cargo.env("PATH", workspace::path_with(folders)?).args(linker.arguments).envs(linker.variables);
    if sysroot.is_some() {
        // A panic is reported by its message and place. What would name the callers is a fifth of a file, and the
        // fastest ways to sort are a tenth.
        cargo.args(["-Z", "build-std=std,panic_abort", "-Z", "build-std-features=panic-unwind,optimize_for_size"]);
    }
    // They would take the place of the target's own.
    cargo.args(["--profile", profile.name()]).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    Ok(workspace::in_repository(cargo))
}

/// A compiler for C programs that use what was built; there is none for macOS.
pub fn c_compiler(target: &Target) -> Result<Command> {
    let libc = match target.system {
        System::Glibc => format!("gnu.{GLIBC}"),
        System::Musl => "musl".to_owned(),
        System::Windows => return Ok(Command::new(mingw_tools()?.join(MINGW_GCC))),
        System::MacOs => bail!("there are no headers of macOS here"),
    };
    let mut zig_cc = Command::new(zig()?.join("zig"));
    zig_cc.env("ZIG_GLOBAL_CACHE_DIR", zig_cache()?).env("ZIG_LOCAL_CACHE_DIR", zig_cache()?);
    zig_cc.arg("cc").arg(format!("--target={}-linux-{libc}", target.processor()));
    Ok(zig_cc)
}

/// What makes import libraries for Windows.
pub fn dlltool() -> Result<Command> {
    Ok(Command::new(mingw_tools()?.join("x86_64-w64-mingw32-dlltool")))
}

/// LLVM's tool for the same. Its libraries are of the short kind, which Microsoft's linker takes as well as GNU's.
pub fn llvm_dlltool() -> Result<Command> {
    let mut dlltool = Command::new(zig()?.join("zig"));
    dlltool.args(["dlltool", "-m", "i386:x86-64"]);
    Ok(dlltool)
}

/// How cargo is made to link for a target.
struct Linker {
    /// cargo, or what takes its place.
    cargo: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, OsString)>,
    /// What must be on the PATH.
    tools: Option<PathBuf>,
}

/// The environment variable of one of cargo's settings for a target.
fn setting(target: &Target, name: &str) -> String {
    format!("CARGO_TARGET_{}_{name}", target.triple.to_uppercase().replace('-', "_"))
}

fn zigbuild(target: &Target) -> Result<Linker> {
    let zig = zig()?.join("zig");
    let cargo = fetch::wheel("cargo-zigbuild", ZIGBUILD, None)?.join("bin/cargo-zigbuild");
    let mut variables = vec![
        ("CARGO_ZIGBUILD_ZIG_PATH".to_owned(), zig.into()),
        ("CARGO_ZIGBUILD_CACHE_DIR".to_owned(), zig_cache()?.into()),
        ("ZIG_GLOBAL_CACHE_DIR".to_owned(), zig_cache()?.into()),
    ];
    let version = match target.system {
        System::Glibc => format!(".{GLIBC}"),
        _ => String::new(),
    };
    if target.system == System::Musl {
        // By itself Rust links musl statically, and then there are no shared libraries.
        variables.push((setting(target, "RUSTFLAGS"), "-Ctarget-feature=-crt-static".into()));
    }
    let arguments = vec!["zigbuild".to_owned(), "--target".to_owned(), format!("{}{version}", target.triple)];
    Ok(Linker { cargo, arguments, variables, tools: None })
}

/// The folder of zig, and of all that it knows of C libraries.
fn zig() -> Result<PathBuf> {
    Ok(fetch::wheel("ziglang", ZIG, None)?.join("ziglang"))
}

/// What zig compiles of a C library, the first time that it links with it.
fn zig_cache() -> Result<PathBuf> {
    let folder = cache::folder()?.join("zig");
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn mingw(target: &Target) -> Result<Linker> {
    let tools = mingw_tools()?;
    let variables = vec![
        (setting(target, "LINKER"), tools.join(MINGW_GCC).into()),
        ("LIBNODE_PATH".to_owned(), empty_libnode()?.into()),
    ];
    Ok(Linker { cargo: "cargo".into(), arguments: build(target), variables, tools: Some(tools) })
}

fn build(target: &Target) -> Vec<String> {
    vec!["build".to_owned(), "--target".to_owned(), target.triple.to_owned()]
}

fn mingw_tools() -> Result<PathBuf> {
    Ok(fetch::debian(MINGW_SUITE, ARCH, MINGW)?.join("usr/bin"))
}

/// napi's build script links a library of Node's functions, all of which the add-on looks up when it is loaded.
fn empty_libnode() -> Result<PathBuf> {
    cache::once("empty-libnode", |folder| {
        fs::write(folder.join("libnode.dll"), "")?;
        Ok(fs::write(folder.join("libnode.a"), "!<arch>\n")?)
    })
}

fn lld(target: &Target) -> Result<Linker> {
    let linker = sysroot::own()?.join("lib/rustlib").join(sysroot::host()?).join("bin/rust-lld");
    ensure!(
        linker.exists(),
        "there is no {}, which links for macOS: rustup's toolchains have it, those of distributions do not",
        linker.display()
    );
    let sdk = apple_sdk()?;
    let flags = [
        // rustc speaks to it as to Apple's own, and the wrapper translates what build scripts say to a C compiler.
        "-Clinker-flavor=ld64.lld",
        // What runs on arm64 must be signed, and is stripped as it is linked: what is stripped later lacks a signature.
        "-Clink-arg=-adhoc_codesign",
        "-Clink-arg=-S",
        "-Clink-arg=-x",
        "-Cstrip=none",
    ];
    let variables = vec![
        (setting(target, "LINKER"), sdk.join("linker").into()),
        (setting(target, "RUSTFLAGS"), flags.join(" ").into()),
        ("SDKROOT".to_owned(), sdk.into()),
        ("SENTRY_PROFILER_LLD".to_owned(), linker.into()),
        ("MACOSX_DEPLOYMENT_TARGET".to_owned(), MACOS.into()),
    ];
    Ok(Linker { cargo: "cargo".into(), arguments: build(target), variables, tools: None })
}

/// As much of an SDK as linking takes, and the linker.
fn apple_sdk() -> Result<PathBuf> {
    let zig = zig()?;
    let version = cache::hash((ZIG, KINDS_OF_ARM64, APPLE_LINKER, LIBICONV));
    cache::once(&format!("apple-sdk-{version}"), |folder| {
        let libraries = folder.join("usr/lib");
        fs::create_dir_all(&libraries)?;
        let source = zig.join("lib/libc/darwin/libSystem.tbd");
        let system = fs::read_to_string(&source).with_context(|| format!("reading {}", source.display()))?;
        let system = KINDS_OF_ARM64.iter().fold(system, |system, kind| system.replace(kind, "arm64-"));
        fs::write(libraries.join("libSystem.tbd"), system)?;
        for part in ["libc.tbd", "libm.tbd"] {
            system::symlink(Path::new("libSystem.tbd"), &libraries.join(part))?;
        }
        fs::write(libraries.join("libiconv.tbd"), LIBICONV)?;
        let linker = folder.join("linker");
        fs::write(&linker, APPLE_LINKER)?;
        Ok(system::set_mode(&linker, 0o755)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    #[test]
    fn a_linker_is_told_what_a_compiler_would_pass_on() {
        let given = ["-o", "a b", "-Wl", "-Wl,-undefined,dynamic_lookup", "*", "-Wl,-install_name,@rpath/a.dylib", ""];
        let mut linker = Command::new("sh");
        // It prints each argument, by the format that is the first.
        linker.args(["-c", APPLE_LINKER, "sh", "%s\\n"]).args(given).env("SENTRY_PROFILER_LLD", "printf");
        let said = process::output(&mut linker).unwrap();
        let expected = ["-o", "a b", "-undefined", "dynamic_lookup", "*", "-install_name", "@rpath/a.dylib", ""];
        assert_eq!(said, expected.map(|line| line.to_owned() + "\n").concat());
    }

    #[test]
    fn settings_are_cargos() {
        let target = Target::named("win32-x64").unwrap();
        assert_eq!(setting(target, "LINKER"), "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER");
    }
}
