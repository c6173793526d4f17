//! Types as the calling convention sees them: what differs here breaks a call, what is equal here does not.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Context, Result, bail};
use syn::{Expr, Fields, GenericArgument, Lit, PathArguments, ReturnType, Type};

/// How a value travels through a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    Unit,
    Bool,
    Pointer,
    Int {
        bits: u32,
        signed: bool,
    },
    /// A C++ enum; which integer carries it, and that integer's sign, is the compiler's or the release's choice.
    Enum {
        bits: u32,
    },
    /// One opaque register: `v8::Local` and `v8::MaybeLocal`.
    Register,
    Struct(Vec<Class>),
}

impl Class {
    const REGISTER_BITS: u32 = 64;

    /// Whether a value declared as `self` by us arrives whole when V8 takes or gives it as `theirs`.
    pub fn carries(&self, theirs: &Class) -> bool {
        match (self, theirs) {
            // `StateTag` became 16 bits wide in between: the core masks what it reads, and no value needs more than
            // that.
            (Self::Int { bits: 32, .. }, Self::Enum { bits }) => *bits <= 32,
            (Self::Struct(ours), Self::Struct(theirs)) => {
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| ours.carries(theirs))
            }
            _ => self == theirs,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("()"),
            Self::Bool => f.write_str("bool"),
            Self::Pointer => f.write_str("pointer"),
            Self::Int { bits, signed } => write!(f, "{}{bits}", if *signed { 'i' } else { 'u' }),
            Self::Enum { bits } => write!(f, "enum{bits}"),
            Self::Register => f.write_str("register"),
            Self::Struct(fields) => {
                let fields: Vec<_> = fields.iter().map(Class::to_string).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
        }
    }
}

/// Parameters and result of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub parameters: Vec<Class>,
    pub result: Class,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: Vec<_> = self.parameters.iter().map(Class::to_string).collect();
        write!(f, "({}) -> {}", parameters.join(", "), self.result)
    }
}

/// What the names in types stand for, by full path in bindgen's output (`root::v8::StateTag::Type`), by name in the
/// core's table.
#[derive(Default)]
pub struct Names {
    classes: HashMap<String, Class>,
}

impl Names {
    /// The names that the core's table uses beside those of the language.
    pub fn of_the_table() -> Self {
        let int = |signed| Class::Int { bits: 32, signed };
        let mut names = Self::default();
        names.add("Local", Class::Register);
        names.add("InterruptCallback", Class::Pointer);
        names.add("StartResult", Class::Struct(vec![int(false), int(true)]));
        names
    }

    pub fn add(&mut self, name: impl Into<String>, class: Class) {
        self.classes.insert(name.into(), class);
    }

    pub fn signature<'a>(
        &self,
        parameters: impl IntoIterator<Item = &'a Type>,
        result: &ReturnType,
    ) -> Result<Signature> {
        let parameters = parameters.into_iter().map(|ty| self.class(ty)).collect::<Result<_>>()?;
        let result = match result {
            ReturnType::Default => Class::Unit,
            ReturnType::Type(_, ty) => self.class(ty)?,
        };
        Ok(Signature { parameters, result })
    }

    pub fn fields(&self, fields: &Fields) -> Result<Class> {
        fields.iter().map(|field| self.class(&field.ty)).collect::<Result<_>>().map(Class::Struct)
    }

    pub fn class(&self, ty: &Type) -> Result<Class> {
        let path = match ty {
            Type::Ptr(_) | Type::Reference(_) | Type::BareFn(_) => return Ok(Class::Pointer),
            Type::Tuple(tuple) if tuple.elems.is_empty() => return Ok(Class::Unit),
            Type::Paren(inner) => return self.class(&inner.elem),
            Type::Group(inner) => return self.class(&inner.elem),
            Type::Path(path) => &path.path,
            _ => bail!("a type this comparison does not know: {}", describe(ty)),
        };
        let last = path.segments.last().context("a path without a segment")?;
        let name = last.ident.to_string();
        let int = |bits, signed| Ok(Class::Int { bits, signed });
        match name.as_str() {
            "bool" => return Ok(Class::Bool),
            "i8" | "c_schar" => return int(8, true),
            "u8" | "c_uchar" => return int(8, false),
            "i16" | "c_short" => return int(16, true),
            "u16" | "c_ushort" => return int(16, false),
            "i32" | "c_int" => return int(32, true),
            "u32" | "c_uint" => return int(32, false),
            "i64" | "c_long" | "c_longlong" => return int(64, true),
            "u64" | "c_ulong" | "c_ulonglong" => return int(64, false),
            "isize" => return int(Class::REGISTER_BITS, true),
            "usize" => return int(Class::REGISTER_BITS, false),
            "c_void" => return Ok(Class::Unit),
            "Option" | "NonNull" => return Ok(Class::Pointer),
            "__BindgenOpaqueArray8" if opaque_bytes(&last.arguments) == Some(8) => return Ok(Class::Register),
            _ => {}
        }
        let path = describe(ty);
        let class = self.classes.get(&path).cloned();
        class.with_context(|| format!("a type this comparison does not know: {path}"))
    }
}

/// The length of `<[u8; N]>`.
fn opaque_bytes(arguments: &PathArguments) -> Option<u64> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    let GenericArgument::Type(Type::Array(array)) = arguments.args.first()? else { return None };
    let Expr::Lit(length) = &array.len else { return None };
    let Lit::Int(length) = &length.lit else { return None };
    length.base10_parse().ok()
}

fn describe(ty: &Type) -> String {
    match ty {
        Type::Path(path) => path.path.segments.iter().map(|s| s.ident.to_string()).collect::<Vec<_>>().join("::"),
        other => format!("{:?}", std::mem::discriminant(other)),
    }
}
