//! What V8's headers declare, read through `bindgen`.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use bindgen::{EnumVariation, Formatter};
use syn::{Expr, FnArg, ForeignItem, Item, ItemMod, Lit, Meta, Type, UnOp};

use crate::class::{Class, Names, Signature};

/// Functions and enumerators of one release.
#[derive(Debug, Default)]
pub struct Headers {
    /// By mangled name. An error is a type that could not be classified: a failure only where the table names the
    /// function.
    pub functions: HashMap<String, std::result::Result<Signature, String>>,
    /// Enumerators by enum, both written as [`enum_key`] writes them.
    pub enums: HashMap<String, HashMap<String, i64>>,
}

/// `v8::CpuProfileNode::SourceType` and bindgen's `root::v8::CpuProfileNode_SourceType` are the same enum.
pub fn enum_key(path: &str) -> String {
    path.trim_start_matches("root::").trim_end_matches("::").replace("::", "_")
}

/// Reads the member functions of these classes, and the enums that they name.
pub fn read(include: &Path, classes: &BTreeSet<String>) -> Result<Headers> {
    let mut builder = bindgen::builder()
        .header_contents("v8-abi.hpp", "#include <v8.h>\n#include <v8-profiler.h>\n")
        .clang_args(["-x", "c++", "-std=c++20", "-I"])
        .clang_arg(include.to_str().context("the include folder's path is not UTF-8")?)
        .enable_cxx_namespaces()
        // Templates that bindgen cannot follow, of which only the size matters here.
        .opaque_type("std::.*")
        .opaque_type(".*Local.*")
        .default_enum_style(EnumVariation::ModuleConsts)
        .layout_tests(false)
        .generate_comments(false)
        .formatter(Formatter::None);
    for class in classes {
        builder = builder.allowlist_type(class);
    }
    parse(&builder.generate()?.to_string())
}

/// Reads bindgen's output.
pub fn parse(bindings: &str) -> Result<Headers> {
    let file = syn::parse_file(bindings).context("bindgen's output is not Rust")?;
    let mut reader = Reader::default();
    // bindgen may use a type before it declares it: names settle by repetition, a chain of aliases one link a round.
    for _ in 0..4 {
        reader.names("", &file.items);
    }
    reader.items("", &file.items)?;
    Ok(reader.headers)
}

#[derive(Default)]
struct Reader {
    names: Names,
    headers: Headers,
}

impl Reader {
    fn names(&mut self, path: &str, items: &[Item]) {
        for item in items {
            match item {
                Item::Mod(module) => {
                    let path = format!("{path}{}::", module.ident);
                    match enum_class(module) {
                        Some(class) => self.names.add(format!("{path}Type"), class),
                        None => self.names(&path, content(module)),
                    }
                }
                Item::Type(alias) => {
                    if let Ok(class) = self.names.class(&alias.ty) {
                        self.names.add(format!("{path}{}", alias.ident), class);
                    }
                }
                Item::Struct(item) => {
                    if let Ok(class) = self.names.fields(&item.fields) {
                        self.names.add(format!("{path}{}", item.ident), class);
                    }
                }
                _ => {}
            }
        }
    }

    fn items(&mut self, path: &str, items: &[Item]) -> Result<()> {
        for item in items {
            match item {
                Item::Mod(module) => {
                    let path = format!("{path}{}::", module.ident);
                    match enum_class(module) {
                        Some(_) => drop(self.headers.enums.insert(enum_key(&path), enumerators(content(module))?)),
                        None => self.items(&path, content(module))?,
                    }
                }
                Item::ForeignMod(block) => {
                    for item in &block.items {
                        if let ForeignItem::Fn(function) = item {
                            let parameters = function.sig.inputs.iter().filter_map(|input| match input {
                                FnArg::Typed(typed) => Some(&*typed.ty),
                                FnArg::Receiver(_) => None,
                            });
                            let signature = self.names.signature(parameters, &function.sig.output);
                            let name = link_name(function).unwrap_or_else(|| function.sig.ident.to_string());
                            self.headers.functions.insert(name, signature.map_err(|error| format!("{error:#}")));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn content(module: &ItemMod) -> &[Item] {
    module.content.as_ref().map_or(&[], |(_, items)| items)
}

/// The class of an enum, which bindgen writes as a module of constants of a type `Type`.
fn enum_class(module: &ItemMod) -> Option<Class> {
    let ty = content(module).iter().find_map(|item| match item {
        Item::Type(alias) if alias.ident == "Type" => Some(&*alias.ty),
        _ => None,
    })?;
    match Names::default().class(ty) {
        Ok(Class::Int { bits, .. }) => Some(Class::Enum { bits }),
        _ => None,
    }
}

fn enumerators(items: &[Item]) -> Result<HashMap<String, i64>> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Const(constant) => Some(constant),
            _ => None,
        })
        .map(|constant| Ok((constant.ident.to_string(), integer(&constant.expr)?)))
        .collect()
}

fn integer(value: &Expr) -> Result<i64> {
    match value {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(value) => Ok(value.base10_parse::<i128>()? as i64),
            Lit::Bool(value) => Ok(value.value.into()),
            _ => anyhow::bail!("an enumerator that is no integer"),
        },
        Expr::Unary(negated) if matches!(negated.op, UnOp::Neg(_)) => Ok(-integer(&negated.expr)?),
        _ => anyhow::bail!("an enumerator that is no integer"),
    }
}

/// The mangled name: bindgen writes it with a leading `\u{1}`, which tells LLVM to leave it alone.
fn link_name(function: &syn::ForeignItemFn) -> Option<String> {
    function.attrs.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("link_name") => match &pair.value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(name) => Some(name.value().trim_start_matches('\u{1}').to_owned()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    })
}

/// The types of a function pointer's parameters.
pub fn parameters(function: &syn::TypeBareFn) -> impl Iterator<Item = &Type> {
    function.inputs.iter().map(|input| &input.ty)
}
