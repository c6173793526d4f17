//! The platforms for which there are binaries.

use anyhow::{Result, bail};

/// The oldest glibc that the files ask for: that of Amazon Linux 2 and CentOS 7, and the oldest that Rust supports.
pub const GLIBC: &str = "2.17";
/// The oldest macOS that they ask for: the first one for arm64.
pub const MACOS: &str = "11.0";

/// A platform.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// As the package's files are called: Node's `process.platform` and `process.arch`, and the C library of Linux.
    pub name: &'static str,
    /// As Rust calls it.
    pub triple: &'static str,
    pub system: System,
    /// What runs its files on Linux on x64.
    runs: Runs,
}

/// What a file's format and its linker depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux with glibc; linked by zig, which has the symbols of every version.
    Glibc,
    /// Linux with musl; linked by zig.
    Musl,
    /// Linked by GNU's linker for Windows.
    Windows,
    /// Linked by LLVM's linker, with a small SDK.
    MacOs,
}

/// What runs a platform's files on Linux on x64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The machine itself; with musl's loader where the files are for musl.
    Natively,
    /// qemu's emulation of the other processor.
    Qemu,
    Wine,
    /// Nothing, and why.
    Nowhere(&'static str),
}

const NO_MACOS: Runs = Runs::Nowhere("macOS runs on Apple's machines only");

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "linux-x64-glibc", triple: "x86_64-unknown-linux-gnu", system: System::Glibc, runs: Runs::Natively },
    Target { name: "linux-x64-musl", triple: "x86_64-unknown-linux-musl", system: System::Musl, runs: Runs::Natively },
    Target { name: "linux-arm64-glibc", triple: "aarch64-unknown-linux-gnu", system: System::Glibc, runs: Runs::Qemu },
    Target { name: "linux-arm64-musl", triple: "aarch64-unknown-linux-musl", system: System::Musl, runs: Runs::Qemu },
    Target { name: "win32-x64", triple: "x86_64-pc-windows-gnu", system: System::Windows, runs: Runs::Wine },
    Target { name: "darwin-x64", triple: "x86_64-apple-darwin", system: System::MacOs, runs: NO_MACOS },
    Target { name: "darwin-arm64", triple: "aarch64-apple-darwin", system: System::MacOs, runs: NO_MACOS },
];

impl Target {
    pub fn named(name: &str) -> Result<&'static Self> {
        let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            bail!("there is no platform {name}; there are {}", names.join(", "));
        };
        Ok(target)
    }

    /// What runs its files on this machine.
    pub fn runs(&self) -> Runs {
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return self.runs;
        }
        let musl_on_linux = cfg!(target_os = "linux") && self.system == System::Musl;
        if self.processor() == std::env::consts::ARCH && (self.system == System::HOST || musl_on_linux) {
            Runs::Natively
        } else {
            Runs::Nowhere("it is not this machine's, and nothing emulates it here")
        }
    }

    /// The processor, as Rust and qemu call it.
    pub fn processor(&self) -> &'static str {
        self.triple.split('-').next().expect("a target begins with its processor")
    }

    /// The add-on's file in the package.
    pub fn addon(&self) -> String {
        format!("sentry_profiler-{}.node", self.name)
    }
}

impl System {
    /// That of this machine.
    pub const HOST: Self = if cfg!(windows) {
        Self::Windows
    } else if cfg!(target_os = "macos") {
        Self::MacOs
    } else if cfg!(target_env = "musl") {
        Self::Musl
    } else {
        Self::Glibc
    };

    /// What cargo calls a shared library.
    pub fn cdylib(self, name: &str) -> String {
        match self {
            Self::Glibc | Self::Musl => format!("lib{name}.so"),
            Self::Windows => format!("{name}.dll"),
            Self::MacOs => format!("lib{name}.dylib"),
        }
    }

    /// What cargo calls a static library, with GNU's tools on Windows.
    pub fn staticlib(self, name: &str) -> String {
        format!("lib{name}.a")
    }

    /// What cargo calls the library through which programs for Windows link a DLL.
    pub fn import_library(self, name: &str) -> Option<String> {
        (self == Self::Windows).then(|| format!("lib{name}.dll.a"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_says_which_there_are() {
        assert_eq!(Target::named("win32-x64").unwrap().triple, "x86_64-pc-windows-gnu");
        let error = Target::named("windows").unwrap_err().to_string();
        assert!(error.contains("linux-x64-glibc, linux-x64-musl") && error.contains("darwin-arm64"), "{error}");
    }

    #[test]
    fn processors_are_those_of_the_names() {
        for target in TARGETS {
            let expected = if target.name.contains("arm64") { "aarch64" } else { "x86_64" };
            assert_eq!(target.processor(), expected, "{}", target.name);
        }
    }
}
