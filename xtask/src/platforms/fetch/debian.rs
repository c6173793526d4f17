//! Debian's packages, of any suite and architecture, unpacked in the cache: apt with lists of packages of our own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::fetched;
use crate::{cache, process, workspace};

const MIRROR: &str = "http://deb.debian.org/debian";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Packages (`name` or `name=version`) of a suite and an architecture (`amd64`), unpacked together in one folder.
pub fn debian(suite: &str, arch: &str, packages: &[&str]) -> Result<PathBuf> {
    unpacked(suite, arch, packages, &["download"])
}

/// The versions of a package that a suite has.
pub fn debian_versions(suite: &str, arch: &str, package: &str) -> Result<Vec<String>> {
    let apt = Apt::of(suite, arch)?;
    let known = apt.with_fresh_lists(|| {
        let known = apt.output("apt-cache", &["madison", package])?;
        ensure!(!known.trim().is_empty(), "Debian's {suite} has no package {package}");
        Ok(known)
    })?;
    // `package | version | where from`
    Ok(known.lines().filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned())).collect())
}

fn unpacked(suite: &str, arch: &str, packages: &[&str], how: &[&str]) -> Result<PathBuf> {
    let first = packages.first().and_then(|package| package.split('=').next()).context("no package")?;
    let name = format!("debian/{suite}-{arch}-{first}-{}", cache::hash((packages, how)));
    cache::once(&name, |folder| {
        let apt = Apt::of(suite, arch)?;
        let archives = folder.join("archives");
        let files = apt.with_fresh_lists(|| apt.fetch(&archives, packages, how))?;
        let mut unpacked = 0;
        for entry in fs::read_dir(&archives)? {
            let package = entry?.path();
            if package.extension().is_some_and(|extension| extension == "deb") {
                process::output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(folder))?;
                unpacked += 1;
            }
        }
        ensure!(unpacked == files, "{unpacked} packages came for {}, not {files}", listed(packages));
        workspace::remove(&archives)
    })
}

/// A list of packages for a person.
fn listed(packages: &[&str]) -> String {
    match packages {
        [few @ .., last] if few.len() < 4 => few.iter().chain([last]).copied().collect::<Vec<_>>().join(", "),
        _ => format!("{} and {} more", packages[..3].join(", "), packages.len() - 3),
    }
}

/// How many files apt would fetch, and their bytes: `'address' name bytes hash`, a line each.
fn sizes(uris: &str) -> (usize, u64) {
    let sizes =
        uris.lines().filter(|line| line.starts_with('\'')).filter_map(|line| line.split(' ').nth(2)?.parse().ok());
    sizes.fold((0, 0), |(files, bytes), size: u64| (files + 1, bytes + size))
}

/// apt, with one suite's packages for one architecture, and none that is installed.
struct Apt {
    root: PathBuf,
    suite: String,
    arch: String,
    /// One at a time uses these lists.
    _lock: fs::File,
}

impl Apt {
    fn of(suite: &str, arch: &str) -> Result<Self> {
        let root = cache::once(&format!("apt/{suite}-{arch}"), |folder| {
            ensure!(
                Path::new(KEYS).exists() && Path::new("/usr/bin/apt-get").exists(),
                "packages of Debian take apt and Debian's keys, {KEYS} (package debian-archive-keyring)"
            );
            let made = [
                "etc/apt/apt.conf.d",
                "etc/apt/preferences.d",
                "var/lib/apt/lists/partial",
                "var/cache/apt/archives/partial",
                "var/lib/dpkg",
            ];
            made.iter().try_for_each(|made| fs::create_dir_all(folder.join(made)))?;
            fs::write(folder.join("var/lib/dpkg/status"), "")?;
            let source = format!("deb [signed-by={KEYS}] {MIRROR} {suite} main\n");
            Ok(fs::write(folder.join("etc/apt/sources.list"), source)?)
        })?;
        let lock = cache::lock(&root.join("lock"))?;
        let apt = Self { root, suite: suite.to_owned(), arch: arch.to_owned(), _lock: lock };
        apt.configure()?;
        Ok(apt)
    }

    fn configure(&self) -> Result<()> {
        // How this machine reaches the network.
        let system = process::output(Command::new("apt-config").arg("dump"))?;
        let proxies = system.lines().filter(|line| line.starts_with("Acquire::http") && line.contains("Proxy"));
        let settings = format!(
            "{proxies}\nDir \"{root}\";\nDir::State::status \"{root}/var/lib/dpkg/status\";\n\
             APT::Architecture \"{arch}\";\nAPT::Architectures {{ \"{arch}\"; }};\n\
             Acquire::Languages \"none\";\nAcquire::Check-Valid-Until \"false\";\nAcquire::Retries \"3\";\n\
             APT::Sandbox::User \"root\";\n",
            proxies = proxies.collect::<Vec<_>>().join("\n"),
            root = self.root.display(),
            arch = self.arch,
        );
        let file = self.configuration();
        fs::write(&file, settings).with_context(|| format!("writing {}", file.display()))
    }

    fn configuration(&self) -> PathBuf {
        self.root.join("apt.conf")
    }

    fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        process::output(command.args(arguments).current_dir(&self.root).env("APT_CONFIG", self.configuration()))
    }

    /// apt-get, which puts packages into a folder.
    fn get(&self, archives: &Path, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new("apt-get");
        command.arg("-q").arg("-o").arg(format!("Dir::Cache::archives={}", archives.display())).args(arguments);
        process::output(command.current_dir(archives).env("APT_CONFIG", self.configuration()))
    }

    /// Puts packages into a folder; returns how many.
    fn fetch(&self, archives: &Path, packages: &[&str], how: &[&str]) -> Result<usize> {
        workspace::remove(archives)?;
        // Where apt wants to find its own.
        fs::create_dir_all(archives.join("partial"))?;
        let what = format!("Debian's {} of {} for {}", listed(packages), self.suite, self.arch);
        let arguments: Vec<&str> = how.iter().chain(packages).copied().collect();
        let known = self.get(archives, &[&["--print-uris"], &*arguments].concat());
        let (files, size) = sizes(&known.with_context(|| format!("{what} cannot be found"))?);
        let what = if files > packages.len() { format!("{what}, {files} packages") } else { what };
        fetched(&what, archives, Some(size), || self.get(archives, &arguments).map(drop))?;
        Ok(files)
    }

    /// Tries again with new lists of packages where the present ones do not do: they are too old.
    fn with_fresh_lists<T>(&self, attempt: impl Fn() -> Result<T>) -> Result<T> {
        if !self.has_lists() {
            self.update()?;
            return attempt();
        }
        attempt().or_else(|error| {
            self.update().with_context(|| error.to_string())?;
            attempt()
        })
    }

    fn has_lists(&self) -> bool {
        let Ok(entries) = fs::read_dir(self.lists()) else { return false };
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().ends_with("_Packages"))
    }

    fn lists(&self) -> PathBuf {
        self.root.join("var/lib/apt/lists")
    }

    fn update(&self) -> Result<()> {
        let what = format!("the list of packages of Debian's {} for {}", self.suite, self.arch);
        fetched(&what, &self.lists(), None, || self.output("apt-get", &["update", "-q", "--error-on=any"]).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_what_apt_says() {
        let uris =
            "Reading package lists...\n'http://a/b.deb' b_1_amd64.deb 1200 SHA256:00\n'http://a/c.deb' c.deb 34 \n";
        assert_eq!(sizes(uris), (2, 1234));
    }

    #[test]
    fn a_list_names_few() {
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c", "d"]), "a, b, c, d");
        assert_eq!(listed(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
