//! Tests of the program as users run it: which repository it works on, and what it changes on the system.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A temporary folder of one test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sentry-profiler-xtask-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder.canonicalize().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the program in a folder. Returns whether it succeeded, and its output.
fn call(folder: &Path, arguments: &[&str], path: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    // A user has none of the variables that cargo sets for this test.
    command.env_clear().env("PATH", path).env("HOME", std::env::var_os("HOME").unwrap_or_default());
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn path() -> String {
    std::env::var("PATH").unwrap()
}

#[test]
fn outside_of_a_repository_it_says_so() {
    let folder = Folder::new("outside");
    let (succeeded, said) = call(&folder.0, &["nodes"], &path());
    assert!(!succeeded);
    let place = folder.0.display();
    assert!(said.contains(&format!("error: {place} is not in a repository of libsentry_profiler")), "{said}");
}

/// The program was compiled elsewhere, as where the sources were copied with their target folder.
#[test]
fn it_works_on_the_repository_that_it_is_run_in() {
    let folder = Folder::new("tree");
    for (file, text) in [
        ("Cargo.toml", "[workspace]\nmembers = [\"xtask\"]\n"),
        ("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n\n[[bin]]\nname = \"xtask\"\npath = \"main.rs\"\n"),
        ("xtask/main.rs", "fn main() {}\n"),
        ("bindings-node/package.json", "{}\n"),
        ("target/nodes/1.2.3/bin/node", ""),
    ] {
        let file = folder.0.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let (succeeded, said) = call(&folder.0.join("bindings-node"), &["nodes", "1.2.3"], &path());
    assert!(succeeded, "{said}");
    assert!(said.contains(&folder.0.join("target/nodes/1.2.3/bin/node").display().to_string()), "{said}");
}

/// A system without packages that can install none: its `apt-get` and `dpkg-query` come first in PATH and only log how
/// they were called.
fn system(folder: &Folder) -> (String, PathBuf) {
    let log = folder.0.join("log");
    for (name, script) in [
        (
            "apt-get",
            format!("#!/bin/sh\necho \"apt-get $*\" >> {}\necho apt-get was called >&2\nexit 100\n", log.display()),
        ),
        ("dpkg-query", "#!/bin/sh\nexit 1\n".to_owned()),
    ] {
        let program = folder.0.join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    (format!("{}:{}", folder.0.display(), path()), log)
}

#[test]
fn packages_are_installed_by_setup_and_by_a_test_that_says_so_first() {
    if !Path::new("/usr/bin/dpkg-query").exists() {
        // Nothing is installed on such a system.
        return;
    }
    let root = rustix::process::geteuid().is_root();
    let folder = Folder::new("packages");
    let (path, log) = system(&folder);
    let here = std::env::current_dir().unwrap();
    let calls = || fs::read_to_string(&log).unwrap_or_default();

    let (succeeded, said) = call(&here, &["test", "--only", "c-header", "--no-install"], &path);
    assert!(!succeeded);
    assert!(said.contains("packages are missing: abigail-tools, cmake,"), "{said}");
    assert!(
        said.contains(if root { "`cargo xtask setup` installs them" } else { "`sudo apt-get install abigail-tools" }),
        "{said}"
    );

    assert_eq!(calls(), "");

    let (succeeded, said) = call(&here, &["test", "--only", "c-header"], &path);
    assert!(!succeeded, "{said}");
    if root {
        let announced =
            said.find("`cargo xtask test --no-install` installs nothing").unwrap_or_else(|| panic!("{said}"));
        let called = said.find("apt-get was called").unwrap_or_else(|| panic!("{said}"));
        assert!(announced < called, "{said}");
    }
    assert_eq!(calls(), if root { "apt-get update -q\n" } else { "" });

    let (succeeded, said) = call(&here, &["setup"], &path);
    assert!(!succeeded, "{said}");
    assert_eq!(calls(), if root { "apt-get update -q\n".repeat(2) } else { String::new() });
}
