//! What a shared library needs and exports, on every system, and the rules that the add-on's file follows.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use object::macho::{BIND_SPECIAL_DYLIB_FLAT_LOOKUP, CS_ADHOC, LC_CODE_SIGNATURE};
use object::read::elf::ElfFile64;
use object::read::macho::{LoadCommandVariant, MachOFile64};
use object::read::{ImportFlags, NameOrOrdinal};
use object::{Architecture, BigEndian, BinaryFormat, Endianness, File, Object, elf};
use sentry_profiler::v8::abi::SYMBOLS;

/// Where Node enters the file.
const ENTRY_POINT: &str = "napi_register_module_v1";

/// The names of Node-API that a file may export, and nothing else. The second asks for a newer Node-API than every
/// Node has.
const ALLOWED: [&str; 2] = [ENTRY_POINT, "node_api_module_get_api_version_v1"];

/// What a shared library asks of others and gives to others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Linkage {
    /// The processor that it is for, as Rust calls it.
    pub processor: String,
    /// What programs that link it remember it by, if it has a name of its own.
    pub id: Option<String>,
    /// Libraries that it needs.
    pub needed: Vec<String>,
    /// Names that it expects from others, and does without.
    pub weak: BTreeSet<String>,
    /// Names that it cannot be loaded without.
    pub required: BTreeSet<String>,
    /// Those of both that only one library may have; macOS knows such.
    pub bound: BTreeSet<String>,
    /// Names that others can use.
    pub exported: BTreeSet<String>,
    /// The newest version of glibc that it asks for, if of any.
    pub glibc: Option<Version>,
    /// The oldest macOS that loads it, if one does.
    pub macos: Option<Version>,
    /// Whether it has a signature, of nobody in particular, of all that is in it.
    pub signed: bool,
}

/// A version of glibc or macOS, such as 2.17.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split('.').map(str::parse).collect::<Result<_, _>>();
        numbers.map(Self).with_context(|| format!("{text} is not a version"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// Reads a shared library or a program.
pub fn of(file: &Path) -> Result<Linkage> {
    let data = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    read(&data).with_context(|| format!("{} is not a shared library that this can read", file.display()))
}

fn read(data: &[u8]) -> Result<Linkage> {
    let file = File::parse(data)?;
    // C's names begin with an underscore on macOS.
    let prefix = if file.format() == BinaryFormat::MachO { "_" } else { "" };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let name_of = |name: NameOrOrdinal<&[u8]>| match name {
        NameOrOrdinal::Name(name) => text(name).strip_prefix(prefix).map(str::to_owned).unwrap_or_else(|| text(name)),
        NameOrOrdinal::Ordinal(ordinal) => format!("#{ordinal}"),
    };
    let processor = match file.architecture() {
        Architecture::X86_64 => "x86_64".to_owned(),
        Architecture::Aarch64 => "aarch64".to_owned(),
        other => format!("{other:?}"),
    };
    let mut linkage = Linkage { processor, ..Linkage::default() };

    for library in file.import_libraries()? {
        linkage.needed.push(text(library?.name()));
    }
    for import in file.imports()? {
        let import = import?;
        let name = name_of(import.name());
        match import.flags() {
            ImportFlags::Elf { version: Some(version), .. } => {
                let glibc = text(version).strip_prefix("GLIBC_").and_then(|version| version.parse().ok());
                linkage.glibc = linkage.glibc.max(glibc);
            }
            ImportFlags::MachOBind { dylib, .. } if dylib != BIND_SPECIAL_DYLIB_FLAT_LOOKUP => {
                linkage.bound.insert(name.clone());
            }
            _ => {}
        }
        let names = if import.is_weak() { &mut linkage.weak } else { &mut linkage.required };
        names.insert(name);
    }
    for export in file.exports()? {
        linkage.exported.insert(name_of(export?.name()));
    }
    match &file {
        File::Elf64(file) => read_elf(file, &mut linkage)?,
        File::MachO64(file) => read_macho(file, data, &mut linkage)?,
        _ => {}
    }
    Ok(linkage)
}

fn read_elf(file: &ElfFile64<'_, Endianness>, linkage: &mut Linkage) -> Result<()> {
    let dynamic = file.elf_dynamic_table()?;
    if let Some(name) = dynamic.iter().find(|entry| entry.tag == elf::DT_SONAME) {
        linkage.id = Some(String::from_utf8_lossy(dynamic.string(name)?).into_owned());
    }
    Ok(())
}

fn read_macho(file: &MachOFile64<'_, Endianness>, data: &[u8], linkage: &mut Linkage) -> Result<()> {
    let endian = file.endian();
    if let Some((build, _)) = file.build_version()? {
        let oldest = build.minos.get(endian);
        linkage.macos = Some(Version(vec![oldest.major().into(), oldest.minor().into()]));
    }
    let mut commands = file.macho_load_commands()?;
    while let Some(command) = commands.next()? {
        match command.variant()? {
            LoadCommandVariant::IdDylib(id) => {
                linkage.id = Some(String::from_utf8_lossy(command.string(endian, id.dylib.name)?).into_owned());
            }
            LoadCommandVariant::LinkeditData(place) if command.cmd() == LC_CODE_SIGNATURE => {
                let mut blobs = place.code_signature(endian, data)?.blobs();
                while let Some(blob) = blobs.next()? {
                    let Some(directory) = blob.code_directory()? else { continue };
                    let ad_hoc = directory.header().flags.get(BigEndian).contains(CS_ADHOC);
                    linkage.signed |= ad_hoc && directory.code_limit() == u64::from(place.dataoff.get(endian));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Those of the names that are V8's.
pub fn v8_names(names: &BTreeSet<String>) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str).filter(|name| name.starts_with("_ZN2v8") || name.starts_with("_ZNK2v8"))
}

/// Checks the rules that make one file serve every Node.
pub fn check_addon(linkage: &Linkage) -> Result<()> {
    check_v8(linkage)?;
    check_entry_points(linkage)?;
    if let Some(library) = linkage.needed.iter().find(|name| name.contains("stdc++") || name.contains("libc++")) {
        bail!("the add-on needs {library}, which old systems have too old");
    }
    Ok(())
}

/// Checks that V8's functions are those of the host, if it has them.
pub fn check_v8(linkage: &Linkage) -> Result<()> {
    let strong: Vec<_> = v8_names(&linkage.required).collect();
    ensure!(strong.is_empty(), "it cannot be loaded without V8's {}: every reference must be weak", strong.join(", "));
    let bound: Vec<_> = v8_names(&linkage.bound).collect();
    ensure!(bound.is_empty(), "it looks for V8's {} in one library only", bound.join(", "));
    let missing: Vec<_> = link_names().filter(|name| !linkage.weak.contains(*name)).collect();
    ensure!(missing.is_empty(), "the symbol table is not in it, or not all of it: {} are missing", missing.join(", "));
    Ok(())
}

/// The names of V8's functions on Linux and macOS.
fn link_names() -> impl Iterator<Item = &'static str> {
    SYMBOLS.iter().map(|symbol| symbol.link_name)
}

/// Checks that the add-on exports what Node enters it by, and nothing else.
pub fn check_entry_points(linkage: &Linkage) -> Result<()> {
    let extra: Vec<_> = linkage.exported.iter().filter(|name| !ALLOWED.contains(&name.as_str())).collect();
    ensure!(extra.is_empty(), "the add-on exports {extra:?} beside Node-API's entry points");
    ensure!(linkage.exported.contains(ENTRY_POINT), "the add-on does not export {ENTRY_POINT}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Linkage {
        Linkage {
            needed: vec!["libc.so.6".into(), "libgcc_s.so.1".into()],
            weak: link_names().chain(["__cxa_finalize"]).map(str::to_owned).collect(),
            required: ["malloc".to_owned(), "napi_create_object".to_owned()].into(),
            exported: [ENTRY_POINT.to_owned()].into(),
            glibc: Some(Version(vec![2, 17])),
            ..Linkage::default()
        }
    }

    #[test]
    fn a_file_that_breaks_no_rule_passes() {
        check_addon(&good()).unwrap();
    }

    #[test]
    fn each_broken_rule_is_caught() {
        let name = |name: &str| BTreeSet::from([name.to_owned()]);
        for (word, broken) in [
            ("weak", Linkage { required: name("_ZNK2v810CpuProfile9GetSampleEi"), ..good() }),
            ("one library", Linkage { bound: name("_ZN2v811CpuProfiler4StopEj"), ..good() }),
            ("symbol table", Linkage { weak: name("__cxa_finalize"), ..good() }),
            ("libstdc++", Linkage { needed: vec!["libstdc++.so.6".to_owned()], ..good() }),
            ("beside", Linkage { exported: &good().exported | &name("sentry_profiler_new"), ..good() }),
            ("does not export", Linkage { exported: BTreeSet::new(), ..good() }),
        ] {
            let error = check_addon(&broken).unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!("2.17".parse::<Version>().unwrap().to_string(), "2.17");
        assert!("2.x".parse::<Version>().is_err());
        assert!(Version(vec![2, 9]) < Version(vec![2, 17]));
        assert!(Some(Version(vec![2, 2, 5])) > None);
    }

    /// This very program is an ELF file that needs libc.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_real_file_is_read() {
        let linkage = of(&std::env::current_exe().unwrap()).unwrap();
        assert!(linkage.needed.iter().any(|name| name.starts_with("libc.so")), "{linkage:?}");
        assert!(linkage.required.iter().any(|name| name == "malloc" || name == "write"), "{linkage:?}");
        assert!(linkage.glibc.is_some(), "{linkage:?}");
    }
}
