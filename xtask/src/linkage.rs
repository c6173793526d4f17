//! What a shared object needs and exports, and the rules that the add-on's file follows.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use object::elf::{FileHeader64, STB_WEAK};
use object::read::elf::{Dyn, FileHeader, Sym};
use object::{Endianness, elf};

/// Where Node enters the file.
const ENTRY_POINT: &str = "napi_register_module_v1";

/// The names of Node-API that a file may export, and nothing else. The second asks for a newer Node-API than every
/// Node has.
const ALLOWED: [&str; 2] = [ENTRY_POINT, "node_api_module_get_api_version_v1"];

/// What a shared object asks of others and gives to others.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Linkage {
    /// Libraries that it needs.
    pub needed: Vec<String>,
    /// Names that it expects from others, and does without.
    pub weak: BTreeSet<String>,
    /// Names that it cannot be loaded without.
    pub required: BTreeSet<String>,
    /// Names that others can use.
    pub exported: BTreeSet<String>,
    /// The newest version of glibc that it asks for, if of any.
    pub glibc: Option<Version>,
}

/// A version of glibc, such as 2.17.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

/// Reads an ELF shared object.
pub fn of(file: &Path) -> Result<Linkage> {
    let data = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    read(&data).with_context(|| format!("{} is not a shared object this can read", file.display()))
}

fn read(data: &[u8]) -> Result<Linkage> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
    let strings = symbols.strings();
    let mut linkage = Linkage::default();

    for symbol in symbols.iter() {
        let name = String::from_utf8_lossy(symbol.name(endian, strings)?).into_owned();
        if name.is_empty() || symbol.is_local() {
            continue;
        }
        let names = match (symbol.is_undefined(endian), symbol.st_bind() == STB_WEAK) {
            (true, true) => &mut linkage.weak,
            (true, false) => &mut linkage.required,
            (false, _) => &mut linkage.exported,
        };
        names.insert(name);
    }
    if let Some((entries, strings)) = sections.dynamic(endian, data)? {
        let strings = sections.strings(endian, data, strings)?;
        for entry in entries.iter().filter(|entry| entry.tag(endian) == elf::DT_NEEDED) {
            linkage.needed.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
        }
    }
    if let Some((mut needs, strings)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, strings)?;
        while let Some((_, mut versions)) = needs.next()? {
            while let Some(version) = versions.next()? {
                let name = String::from_utf8_lossy(version.name(endian, strings)?).into_owned();
                if let Some(numbers) = name.strip_prefix("GLIBC_") {
                    let numbers: Result<Vec<u32>, _> = numbers.split('.').map(str::parse).collect();
                    linkage.glibc = linkage.glibc.max(numbers.ok().map(Version));
                }
            }
        }
    }
    Ok(linkage)
}

/// Those of the names that are V8's.
pub fn v8_names(names: &BTreeSet<String>) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str).filter(|name| name.starts_with("_ZN2v8") || name.starts_with("_ZNK2v8"))
}

/// Checks the rules that make one file serve every Node.
pub fn check_addon(linkage: &Linkage) -> Result<()> {
    let mut broken = Vec::new();
    let strong: Vec<_> = v8_names(&linkage.required).collect();
    if !strong.is_empty() {
        broken.push(format!("it cannot be loaded without V8's {}: every reference must be weak", strong.join(", ")));
    }
    if v8_names(&linkage.weak).next().is_none() {
        broken.push("it refers to nothing of V8: the symbol table is not in it".to_owned());
    }
    if let Some(library) = linkage.needed.iter().find(|name| name.contains("stdc++") || name.contains("libc++")) {
        broken.push(format!("it needs {library}, which old systems have too old"));
    }
    let extra: Vec<_> = linkage.exported.iter().filter(|name| !ALLOWED.contains(&name.as_str())).collect();
    if !extra.is_empty() {
        broken.push(format!("it exports {extra:?} beside Node-API's entry points"));
    }
    if !linkage.exported.contains(ENTRY_POINT) {
        broken.push(format!("it does not export {ENTRY_POINT}"));
    }
    if !broken.is_empty() {
        bail!("the add-on breaks its rules: {}", broken.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Linkage {
        Linkage {
            needed: vec!["libc.so.6".into(), "libgcc_s.so.1".into()],
            weak: ["_ZN2v811CpuProfiler4StopEj".to_owned(), "__cxa_finalize".to_owned()].into(),
            required: ["malloc".to_owned(), "napi_create_object".to_owned()].into(),
            exported: [ENTRY_POINT.to_owned()].into(),
            glibc: Some(Version(vec![2, 17])),
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
