//! The rules that the files of a platform follow.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use sentry_profiler::v8::abi::SYMBOLS;

use super::build::Built;
use super::targets::{GLIBC, MACOS, System, Target};
use crate::linkage::{self, Linkage, Version};
use crate::workspace;

/// Checks them, and says what was found.
pub fn check(target: &Target, built: &Built) -> Result<String> {
    let of = |file: &Path| linkage::of(file).with_context(|| format!("{} for {}", file.display(), target.name));
    let (addon, shared) = (of(&built.addon)?, of(&built.shared)?);
    linkage::check_entry_points(&addon)?;
    let expected = c_functions()?;
    ensure!(
        shared.exported == expected,
        "the C library for {} exports other functions than bindings-c/abi/symbols.txt has: {:?}",
        target.name,
        shared.exported.symmetric_difference(&expected)
    );
    for (file, linkage) in [(&built.addon, &addon), (&built.shared, &shared)] {
        let data = fs::read(file)?;
        check_file(target, linkage, &data).with_context(|| format!("{} breaks a rule", file.display()))?;
    }
    ensure!(fs::read(&built.archive)?.starts_with(b"!<arch>\n"), "{} is not a static library", built.archive.display());
    Ok(match target.system {
        System::Glibc => format!("glibc {}", addon.glibc.max(shared.glibc).unwrap_or_default()),
        System::Musl => "musl".to_owned(),
        System::Windows => "Windows' own DLLs".to_owned(),
        System::MacOs => format!("macOS {}, signed ad hoc", addon.macos.unwrap_or_default()),
    })
}

/// The functions of the C library, as they are committed.
fn c_functions() -> Result<BTreeSet<String>> {
    let list = workspace::root().join("bindings-c/abi/symbols.txt");
    let list = fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    Ok(list.lines().map(str::to_owned).collect())
}

fn check_file(target: &Target, linkage: &Linkage, data: &[u8]) -> Result<()> {
    ensure!(linkage.processor == target.processor(), "it is for {}, not {}", linkage.processor, target.processor());
    let foreign: Vec<_> = linkage.needed.iter().filter(|library| !is_of_system(target.system, library)).collect();
    ensure!(foreign.is_empty(), "it needs {foreign:?}, which not every system has");
    if let Some(id) = &linkage.id {
        ensure!(!id.starts_with('/'), "it remembers where it was built, {id}");
    }
    let floor = |what: &str, found: &Option<Version>, floor: &str| {
        let floor: Version = floor.parse()?;
        let Some(found) = found else { bail!("it does not say which {what} it asks for") };
        ensure!(*found <= floor, "it asks for {what} {found}, not {floor}");
        Ok(())
    };
    match target.system {
        System::Glibc => floor("glibc", &linkage.glibc, GLIBC)?,
        System::Musl => ensure!(linkage.glibc.is_none(), "it asks for glibc, and is for musl"),
        System::MacOs => {
            floor("macOS", &linkage.macos, MACOS)?;
            ensure!(linkage.signed, "it has no signature, without which arm64 loads nothing");
        }
        System::Windows => {}
    }
    if target.system == System::Windows {
        // It asks for V8's functions by name.
        let names = SYMBOLS.iter().map(|symbol| symbol.microsoft_name);
        let missing: Vec<_> = names.filter(|name| !has_string(data, name)).collect();
        ensure!(
            missing.is_empty(),
            "the symbol table is not in it, or not all of it: {} are missing",
            missing.join(", ")
        );
    } else {
        linkage::check_v8(linkage)?;
    }
    Ok(())
}

/// Whether every system of this kind brings a library.
fn is_of_system(system: System, library: &str) -> bool {
    let lower = library.to_ascii_lowercase();
    match system {
        System::Glibc => {
            let name = library.split(".so").next().unwrap_or_default();
            ["libc", "libdl", "libgcc_s", "libm", "libpthread", "librt"].contains(&name) || name.starts_with("ld-linux")
        }
        // Whatever begins so is musl itself.
        System::Musl => library.starts_with("libc."),
        System::Windows => {
            let known =
                ["advapi32", "bcrypt", "bcryptprimitives", "kernel32", "msvcrt", "ntdll", "userenv", "winmm", "ws2_32"];
            let name = lower.strip_suffix(".dll").unwrap_or_default();
            known.contains(&name) || name.starts_with("api-ms-win-")
        }
        System::MacOs => ["/usr/lib/libSystem.B.dylib", "/usr/lib/libiconv.2.dylib"].contains(&library),
    }
}

/// Whether one of C's strings in a file is this one, or ends with it.
fn has_string(data: &[u8], text: &str) -> bool {
    let text = [text.as_bytes(), b"\0"].concat();
    data.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_bring_some_libraries() {
        for (system, library, brought) in [
            (System::Glibc, "libpthread.so.0", true),
            (System::Glibc, "ld-linux-aarch64.so.1", true),
            (System::Glibc, "libcrypto.so.3", false),
            (System::Musl, "libc.so", true),
            (System::Musl, "libgcc_s.so.1", false),
            (System::Windows, "KERNEL32.dll", true),
            (System::Windows, "api-ms-win-core-synch-l1-2-0.dll", true),
            (System::Windows, "libgcc_s_seh-1.dll", false),
            (System::Windows, "node.exe", false),
            (System::MacOs, "/usr/lib/libSystem.B.dylib", true),
            (System::MacOs, "/opt/homebrew/lib/libiconv.2.dylib", false),
        ] {
            assert_eq!(is_of_system(system, library), brought, "{library}");
        }
    }

    /// A file that follows the rules of a platform.
    fn good(name: &str) -> (&'static Target, Linkage, Vec<u8>) {
        let target = Target::named(name).unwrap();
        let (needed, id) = match target.system {
            System::Glibc => ("libc.so.6", Some("libsentry_profiler.so.1")),
            System::Musl => ("libc.so", None),
            System::Windows => ("KERNEL32.dll", None),
            System::MacOs => ("/usr/lib/libSystem.B.dylib", Some("@rpath/libsentry_profiler.1.dylib")),
        };
        let names: String = SYMBOLS.iter().map(|symbol| format!("{}\0", symbol.microsoft_name)).collect();
        let linkage = Linkage {
            processor: target.processor().to_owned(),
            id: id.map(str::to_owned),
            needed: vec![needed.to_owned()],
            weak: SYMBOLS.iter().map(|symbol| symbol.link_name.to_owned()).collect(),
            glibc: (target.system == System::Glibc).then(|| GLIBC.parse().unwrap()),
            macos: (target.system == System::MacOs).then(|| MACOS.parse().unwrap()),
            signed: target.system == System::MacOs,
            ..Linkage::default()
        };
        (target, linkage, names.into_bytes())
    }

    #[test]
    fn a_file_that_breaks_no_rule_passes() {
        for name in ["linux-x64-glibc", "linux-arm64-musl", "win32-x64", "darwin-arm64"] {
            let (target, linkage, data) = good(name);
            check_file(target, &linkage, &data).unwrap();
        }
    }

    #[test]
    fn each_broken_rule_is_caught() {
        type Break = fn(&mut Linkage);
        let cases: [(&str, &str, Break); 9] = [
            ("linux-x64-glibc", "glibc 2.18, not 2.17", |file| file.glibc = Some("2.18".parse().unwrap())),
            ("linux-x64-glibc", "is for aarch64", |file| file.processor = "aarch64".to_owned()),
            ("linux-x64-glibc", "libssl", |file| file.needed.push("libssl.so.3".to_owned())),
            ("linux-x64-glibc", "symbol table", |file| file.weak.clear()),
            ("linux-arm64-musl", "asks for glibc", |file| file.glibc = Some("2.2.5".parse().unwrap())),
            ("darwin-x64", "macOS 12.0, not 11.0", |file| file.macos = Some("12.0".parse().unwrap())),
            ("darwin-arm64", "no signature", |file| file.signed = false),
            ("darwin-arm64", "/home/", |file| file.id = Some("/home/me/libsentry_profiler_c.dylib".to_owned())),
            ("darwin-arm64", "one library only", |file| file.bound = file.weak.clone()),
        ];
        for (name, expected, break_it) in cases {
            let (target, mut linkage, data) = good(name);
            break_it(&mut linkage);
            let error = check_file(target, &linkage, &data).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        let (target, linkage, data) = good("win32-x64");
        let error = check_file(target, &linkage, &data[1..]).unwrap_err().to_string();
        assert!(error.contains("symbol table"), "{error}");
    }

    #[test]
    fn strings_are_found_whole() {
        let data = b"before?GetVersion@V8@v8@@SAPEBDXZ\0after";
        assert!(has_string(data, "?GetVersion@V8@v8@@SAPEBDXZ"));
        assert!(!has_string(data, "?GetVersion@V8@v8@@"));
        assert!(!has_string(data, "after"));
    }
}
