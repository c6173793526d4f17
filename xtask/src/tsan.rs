//! Runs the core's tests of threads under ThreadSanitizer.
//!
//! ThreadSanitizer sees only code that was compiled for it, so the standard library is built too, from Debian's
//! package of its sources, in a copy of the toolchain. The system is not changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::{process, workspace};

/// Where Debian has the sources of recent toolchains.
const SUITE: &str = "trixie-backports";
/// The modules whose tests use several threads.
const TESTS: &[&str] = &[
    "clock::",
    "encoder::",
    "lifetime::",
    "panics::",
    "platform::",
    "recorder::",
    "reliability::",
    "session::",
    "stream::",
    "ticker::",
];
/// Tests that fork: ThreadSanitizer does not support threads in a child of a process with threads.
const LEFT_OUT: &[&str] = &["a_child_"];
/// A program with a data race.
const RACE: &str = "fn main() {
    static mut SHARED: u64 = 0;
    let write = || for _ in 0..100_000 { unsafe { (&raw mut SHARED).write((&raw const SHARED).read() + 1) } };
    let other = std::thread::spawn(write);
    write();
    other.join().unwrap();
}";
/// How often it is run at most: on a busy machine the two do not always meet.
const RACES: usize = 20;
/// The exit status of a program in which a race was found.
const FOUND: i32 = 66;

pub fn run() -> Result<String> {
    let folder = workspace::target()?.join("tsan");
    let sysroot = sysroot(&folder)?;
    must_find_a_race(&folder, &sysroot)?;

    let host = host()?;
    let mut cargo = sanitized(&sysroot, "cargo");
    cargo.current_dir(workspace::root()).args(["test", "-Zbuild-std", "--package", "sentry-profiler", "--lib"]);
    cargo.args(["--target", &host, "--target-dir"]).arg(folder.join("target"));
    // Tests that panic on purpose would look up symbols in all of it, for seconds.
    cargo.env("RUST_BACKTRACE", "0");
    cargo.env("RUSTFLAGS", "-Zsanitizer=thread -Cdebuginfo=1").arg("--").args(TESTS);
    cargo.args(LEFT_OUT.iter().flat_map(|test| ["--skip", test]));
    let said = process::output(&mut cargo)?;
    let result = said.lines().find(|line| line.starts_with("test result")).context("no test ran")?;
    ensure!(!result.contains(" 0 passed"), "no test ran: {result}");
    Ok(result.to_owned())
}

/// A program of the toolchain, with what ThreadSanitizer needs.
fn sanitized(sysroot: &Path, program: &str) -> Command {
    let mut command = Command::new(sysroot.join("bin").join(program));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(sysroot.join("bin")).chain(std::env::split_paths(&path));
    if let Ok(paths) = std::env::join_paths(paths) {
        command.env("PATH", paths);
    }
    // These belong to the toolchain of the cargo that runs us.
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    command.env("RUSTC_BOOTSTRAP", "1").env("TSAN_OPTIONS", options());
    command
}

fn options() -> String {
    format!("exitcode={FOUND}")
}

/// Checks that ThreadSanitizer works: a missing one would find nothing in any test.
fn must_find_a_race(folder: &Path, sysroot: &Path) -> Result<()> {
    let (source, program) = (folder.join("race.rs"), folder.join("race"));
    fs::write(&source, RACE)?;
    let mut rustc = sanitized(sysroot, "rustc");
    // The standard library is not instrumented here, which is enough for this program.
    rustc.args(["-Zsanitizer=thread", "-Cunsafe-allow-abi-mismatch=sanitizer", "--edition=2024"]);
    process::output(rustc.arg("-o").arg(&program).arg(&source))?;
    let mut said = String::new();
    for _ in 0..RACES {
        let output = Command::new(&program).env("TSAN_OPTIONS", options()).stdin(Stdio::null()).output()?;
        said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.code() == Some(FOUND) && said.contains("data race") {
            return Ok(());
        }
    }
    bail!("no race was found in {RACE}:\n{said}")
}

fn rustc(arguments: &[&str]) -> Result<String> {
    Ok(process::output(Command::new("rustc").current_dir(workspace::root()).args(arguments))?.trim().to_owned())
}

fn host() -> Result<String> {
    let version = rustc(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    Ok(host.to_owned())
}

/// A toolchain that has the sources of its standard library.
fn sysroot(folder: &Path) -> Result<PathBuf> {
    let version = rustc(&["--version"])?;
    let number = version.split(' ').nth(1).context("rustc has no version")?;
    let made = folder.join(number);
    let source = made.join("lib/rustlib/src/rust");
    if source.join("library/Cargo.lock").exists() {
        return Ok(made);
    }
    workspace::remove(&made)?;
    fs::create_dir_all(&made)?;
    let own = PathBuf::from(rustc(&["--print", "sysroot"])?);
    // A copy, because rustc would follow links back to the original toolchain.
    for part in ["bin", "lib", "libexec"].map(|part| own.join(part)).into_iter().filter(|part| part.exists()) {
        process::output(Command::new("cp").arg("-a").arg(part).arg(&made))?;
    }
    if source.join("library/Cargo.lock").exists() {
        // `rustup component add rust-src` was used.
        return Ok(made);
    }
    eprintln!("fetching the sources of Rust {number}");
    let package = fetch(&folder.join("apt"), number)?;
    let unpacked = folder.join(format!("rust-src-{number}"));
    process::output(Command::new("dpkg-deb").arg("-x").arg(package).arg(&unpacked))?;
    fs::create_dir_all(made.join("lib/rustlib/src"))?;
    std::os::unix::fs::symlink(unpacked.join("usr/src").join(format!("rustc-{number}")), &source)?;
    ensure!(source.join("library/Cargo.lock").exists(), "there is no library in {}", unpacked.display());
    Ok(made)
}

/// Downloads Debian's package of the sources, with package lists separate from the system's.
fn fetch(folder: &Path, number: &str) -> Result<PathBuf> {
    workspace::remove(folder)?;
    for made in ["etc/apt/apt.conf.d", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"] {
        fs::create_dir_all(folder.join(made))?;
    }
    fs::write(folder.join("var/lib/dpkg/status"), "")?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let source = format!("deb [signed-by={keys}] http://deb.debian.org/debian {SUITE} main\n");
    fs::write(folder.join("etc/apt/sources.list"), source)?;
    let configuration = folder.join("apt.conf");
    let settings = format!(
        "Dir \"{0}\";\nDir::State::status \"{0}/var/lib/dpkg/status\";\nAcquire::Languages \"none\";\n\
         Acquire::Check-Valid-Until \"false\";\nAPT::Sandbox::User \"root\";\n",
        folder.display()
    );
    fs::write(&configuration, settings)?;
    let apt = |program: &str, arguments: &[&str]| {
        process::output(Command::new(program).args(arguments).env("APT_CONFIG", &configuration).current_dir(folder))
    };
    apt("apt-get", &["update", "-q"])?;
    let known = apt("apt-cache", &["madison", "rust-src"])?;
    let mut versions = known.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim);
    let wanted = format!("{number}+");
    let Some(version) = versions.find(|version| version.starts_with(&wanted)) else {
        bail!("Debian's {SUITE} has no rust-src of {number}; run `rustup component add rust-src`:\n{known}");
    };
    apt("apt-get", &["download", "-q", &format!("rust-src={version}")])?;
    let mut files = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|file| file.extension().is_some_and(|extension| extension == "deb")).context("no package was fetched")
}
