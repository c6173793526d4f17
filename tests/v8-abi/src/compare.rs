//! The comparison itself.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use cpp_demangle::{DemangleOptions, Symbol};

use crate::class::{Names, Signature};
use crate::headers::{Headers, enum_key, parameters};

/// The core's table, its types classified.
pub struct Table {
    functions: Vec<Function>,
    constants: Vec<Constant>,
}

struct Function {
    name: String,
    link_name: String,
    signature: Signature,
}

struct Constant {
    path: String,
    enum_key: String,
    enumerator: String,
    value: i64,
}

/// One thing in which the table and a release differ.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    pub item: String,
    pub what: &'static str,
    pub ours: String,
    pub theirs: String,
}

impl Table {
    /// From field name, mangled name and Rust type of each function, and path and value of each enumerator.
    pub fn new<'a>(
        functions: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
        constants: &[(&str, i64)],
    ) -> Result<Self> {
        let names = Names::of_the_table();
        let functions = functions
            .into_iter()
            .map(|(name, link_name, signature)| {
                let context = || format!("the signature of {name}: {signature}");
                let function: syn::TypeBareFn = syn::parse_str(signature).with_context(context)?;
                let signature = names.signature(parameters(&function), &function.output).with_context(context)?;
                Ok(Function { name: name.to_owned(), link_name: link_name.to_owned(), signature })
            })
            .collect::<Result<_>>()?;
        let constants = constants
            .iter()
            .map(|(path, value)| {
                let (outer, enumerator) = path.rsplit_once("::").with_context(|| format!("{path} is not a path"))?;
                let (path, enumerator) = ((*path).to_owned(), enumerator.to_owned());
                Ok(Constant { path, enum_key: enum_key(outer), enumerator, value: *value })
            })
            .collect::<Result<_>>()?;
        Ok(Self { functions, constants })
    }

    /// The C++ paths of the classes whose functions these are (`v8::CpuProfiler`), for whoever looks for them in
    /// headers.
    pub fn classes(&self) -> Result<BTreeSet<String>> {
        let demangled = self.functions.iter().map(|function| {
            let symbol = Symbol::new(&function.link_name).ok();
            let path =
                symbol.and_then(|symbol| symbol.demangle_with_options(&DemangleOptions::default().no_params()).ok());
            let class = path.and_then(|path| path.rsplit_once("::").map(|(class, _)| class.to_owned()));
            class
                .with_context(|| format!("{}: not the mangled name of a member: {}", function.name, function.link_name))
        });
        demangled.collect()
    }

    /// Everything in which the table differs from the headers of each release.
    pub fn differences(&self, releases: &[Headers]) -> Vec<Vec<Difference>> {
        releases
            .iter()
            .map(|headers| {
                let functions = self.functions.iter().filter_map(|function| function.difference(headers));
                let constants = self.constants.iter().filter_map(|constant| constant.difference(headers, releases));
                functions.chain(constants).collect()
            })
            .collect()
    }
}

impl Function {
    fn difference(&self, headers: &Headers) -> Option<Difference> {
        let signature = self.signature.to_string();
        let (what, ours, theirs) = match headers.functions.get(&self.link_name) {
            None => ("name", self.link_name.clone(), "none of this name".to_owned()),
            Some(Err(error)) => ("type", signature, error.clone()),
            Some(Ok(theirs)) => (mismatch(&self.signature, theirs)?, signature, theirs.to_string()),
        };
        Some(Difference { item: self.name.clone(), what, ours, theirs })
    }
}

impl Constant {
    fn difference(&self, headers: &Headers, releases: &[Headers]) -> Option<Difference> {
        let none = || "none of this name".to_owned();
        let (what, theirs) = match headers.enums.get(&self.enum_key) {
            None => ("enum", none()),
            Some(enumerators) => match enumerators.get(&self.enumerator) {
                Some(value) if *value == self.value => return None,
                Some(value) => ("value", value.to_string()),
                // Enumerators are added at the end: an old release may lack a new one, as long as nothing else has its
                // value.
                None if releases.iter().any(|other| self.is_in(other))
                    && !enumerators.values().any(|value| *value == self.value) =>
                {
                    return None;
                }
                None => ("enumerator", none()),
            },
        };
        Some(Difference { item: self.path.clone(), what, ours: self.value.to_string(), theirs })
    }

    fn is_in(&self, headers: &Headers) -> bool {
        headers.enums.get(&self.enum_key).is_some_and(|enumerators| enumerators.contains_key(&self.enumerator))
    }
}

fn mismatch(ours: &Signature, theirs: &Signature) -> Option<&'static str> {
    if ours.parameters.len() != theirs.parameters.len() {
        Some("parameter count")
    } else if !ours.parameters.iter().zip(&theirs.parameters).all(|(ours, theirs)| ours.carries(theirs)) {
        Some("parameter type")
    } else if !ours.result.carries(&theirs.result) {
        Some("result type")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::parse;

    const START: &str = "_ZN2v811CpuProfiler5StartENS_5LocalINS_6StringEEENS_16CpuProfilingModeEbj";
    const STATE: &str = "_ZNK2v810CpuProfile14GetSampleStateEi";

    /// What bindgen writes, cut to two functions.
    const BINDINGS: &str = r#"
        pub mod root {
            pub struct __BindgenOpaqueArray8<T>(pub T);
            pub mod v8 {
                pub mod StateTag { pub type Type = u16; pub const JS: Type = 0; pub const GC: Type = 1; LAST }
                pub mod CpuProfilingMode { pub type Type = ::std::os::raw::c_uint; pub const kLeaf: Type = 0; }
                pub mod CpuProfilingStatus { pub type Type = ::std::os::raw::c_int; pub const kStarted: Type = 0; }
                pub struct CpuProfilingResult { pub id: root::v8::ProfilerId, pub status: root::v8::CpuProfilingStatus::Type }
                pub type ProfilerId = u32;
                unsafe extern "C" {
                    #[link_name = "\u{1}_ZNK2v810CpuProfile14GetSampleStateEi"]
                    pub fn CpuProfile_GetSampleState(
                        this: *const root::v8::CpuProfile, index: ::std::os::raw::c_int,
                    ) -> root::v8::StateTag::Type;
                    #[link_name = "\u{1}_ZN2v811CpuProfiler5StartENS_5LocalINS_6StringEEENS_16CpuProfilingModeEbj"]
                    pub fn CpuProfiler_Start2(
                        this: *mut root::v8::CpuProfiler, title: root::__BindgenOpaqueArray8<[u8; 8usize]>,
                        mode: root::v8::CpuProfilingMode::Type, record_samples: bool, max_samples: ::std::os::raw::c_uint,
                    ) -> root::v8::CpuProfilingResult;
                }
            }
        }"#;

    const RIGHT: [(&str, &str, &str); 2] = [
        ("start", START, "fn(*mut CpuProfiler, Local, c_int, bool, u32) -> StartResult"),
        ("state", STATE, "fn(*const CpuProfile, c_int) -> u32"),
    ];

    fn releases() -> Vec<Headers> {
        [BINDINGS.replace("LAST", ""), BINDINGS.replace("LAST", "pub const NEW: Type = 2;")]
            .iter()
            .map(|bindings| parse(bindings).unwrap())
            .collect()
    }

    /// What differs in the two releases, as (item, what).
    fn compare(functions: &[(&str, &str, &str)], constants: &[(&str, i64)]) -> Vec<Vec<(String, &'static str)>> {
        let table = Table::new(functions.iter().copied(), constants).unwrap();
        let differences = table.differences(&releases());
        differences.into_iter().map(|of_one| of_one.into_iter().map(|d| (d.item, d.what)).collect()).collect()
    }

    fn in_both(item: &str, what: &'static str) -> Vec<Vec<(String, &'static str)>> {
        vec![vec![(item.to_owned(), what)]; 2]
    }

    #[test]
    fn a_right_table_has_no_difference() {
        let constants = [("v8::StateTag::GC", 1), ("v8::CpuProfilingMode::kLeaf", 0), ("v8::StateTag::NEW", 2)];
        assert_eq!(compare(&RIGHT, &constants), [vec![], vec![]]);
    }

    #[test]
    fn a_wrong_type_is_caught() {
        for (signature, what) in [
            ("fn(*mut CpuProfiler, Local, c_int, bool) -> StartResult", "parameter count"),
            ("fn(*mut CpuProfiler, Local, c_int, bool, i32) -> StartResult", "parameter type"),
            ("fn(*mut CpuProfiler, Local, c_int, bool, u64) -> StartResult", "parameter type"),
            ("fn(*mut CpuProfiler, Local, c_int, i32, u32) -> StartResult", "parameter type"),
            ("fn(*mut CpuProfiler, Local, u64, bool, u32) -> StartResult", "parameter type"),
            ("fn(*mut CpuProfiler, StartResult, c_int, bool, u32) -> StartResult", "parameter type"),
            ("fn(u32, Local, c_int, bool, u32) -> StartResult", "parameter type"),
            ("fn(*mut CpuProfiler, Local, c_int, bool, u32) -> u64", "result type"),
            ("fn(*mut CpuProfiler, Local, c_int, bool, u32)", "result type"),
        ] {
            assert_eq!(compare(&[("start", START, signature)], &[]), in_both("start", what), "{signature}");
        }
        assert_eq!(
            compare(&[("state", STATE, "fn(*const CpuProfile, c_int) -> u64")], &[]),
            in_both("state", "result type")
        );
    }

    #[test]
    fn a_wrong_name_is_caught() {
        let gone = START.replace("Ebj", "Ebm");
        assert_eq!(compare(&[("start", &gone, RIGHT[0].2)], &[]), in_both("start", "name"));
        assert_eq!(compare(&[], &[("v8::Mode::kLeaf", 0)]), in_both("v8::Mode::kLeaf", "enum"));
        assert_eq!(compare(&[], &[("v8::StateTag::GONE", 3)]), in_both("v8::StateTag::GONE", "enumerator"));
    }

    #[test]
    fn a_wrong_value_is_caught() {
        assert_eq!(compare(&[], &[("v8::StateTag::GC", 2)]), in_both("v8::StateTag::GC", "value"));
        let [old, new] = compare(&[], &[("v8::StateTag::NEW", 1)]).try_into().unwrap();
        assert_eq!(old, [("v8::StateTag::NEW".to_owned(), "enumerator")], "1 is GC there");
        assert_eq!(new, [("v8::StateTag::NEW".to_owned(), "value")]);
    }

    #[test]
    fn a_type_that_nothing_declares_is_an_error() {
        assert!(Table::new([("start", START, "fn(Mystery)")], &[]).is_err());
    }

    #[test]
    fn functions_are_looked_for_by_their_classes() {
        let table = Table::new(RIGHT, &[]).unwrap();
        assert!(table.classes().unwrap().iter().eq(["v8::CpuProfile", "v8::CpuProfiler"]));
    }
}
