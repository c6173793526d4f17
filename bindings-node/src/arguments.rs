//! Checks arguments from JavaScript. An error names the argument or option, what was expected and what was given.

use std::time::Duration;

use napi::bindgen_prelude::*;
use napi::{JsString, ValueType};

use crate::error::{Thrown, ThrownError, error, refused};

/// How many characters of a string an error shows.
const MAX_SHOWN: usize = 60;

/// A string's text. Unpaired surrogates are replaced.
pub fn string(value: &Unknown<'_>) -> Option<String> {
    if !is(value, ValueType::String) {
        return None;
    }
    // SAFETY: its type was checked.
    let text: JsString<'_> = unsafe { value.cast() }.ok()?;
    text.into_utf8().ok()?.into_owned().ok()
}

pub fn number(value: &Unknown<'_>) -> Option<f64> {
    // SAFETY: its type is checked first.
    is(value, ValueType::Number).then(|| unsafe { value.cast() }.ok()).flatten()
}

pub fn is_true(value: &Unknown<'_>) -> bool {
    // SAFETY: its type is checked first.
    is(value, ValueType::Boolean) && unsafe { value.cast::<bool>() }.unwrap_or(false)
}

fn is(value: &Unknown<'_>, kind: ValueType) -> bool {
    value.get_type().is_ok_and(|actual| actual == kind)
}

/// An argument or option, with its name in errors.
pub struct Given<'a> {
    name: &'a str,
    value: Unknown<'a>,
}

impl<'a> Given<'a> {
    pub fn new(name: &'a str, value: Unknown<'a>) -> Self {
        Self { name, value }
    }

    /// The option of this name in the object that was given.
    pub fn option(&self, name: &'a str) -> Thrown<Self> {
        let value = self.object()?.get_named_property(name).map_err(refused)?;
        Ok(Self { name, value })
    }

    /// The same for an optional one: `undefined` and `null` mean that it is not set.
    pub fn optional(&self, name: &'a str) -> Thrown<Option<Self>> {
        let option = self.option(name)?;
        Ok((!is(&option.value, ValueType::Undefined) && !is(&option.value, ValueType::Null)).then_some(option))
    }

    pub fn object(&self) -> Thrown<Object<'a>> {
        if !is(&self.value, ValueType::Object) {
            return Err(self.mismatch("an object"));
        }
        // SAFETY: its type was checked.
        unsafe { self.value.cast() }.map_err(refused)
    }

    pub fn function<A: JsValuesTupleIntoVec, R: FromNapiValue>(&self) -> Thrown<Function<'a, A, R>> {
        if !is(&self.value, ValueType::Function) {
            return Err(self.mismatch("a function"));
        }
        // SAFETY: its type was checked.
        unsafe { self.value.cast() }.map_err(refused)
    }

    pub fn text(&self) -> Thrown<String> {
        string(&self.value).ok_or_else(|| self.mismatch("a string"))
    }

    /// One of a few strings.
    pub fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Thrown<T> {
        let text = string(&self.value);
        let chosen = choices.iter().find(|(name, _)| text.as_deref() == Some(*name));
        chosen.map(|&(_, choice)| choice).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("'{name}'")).collect();
            self.mismatch(&names.join(" or "))
        })
    }

    pub fn number(&self, least: u32, most: u32) -> Thrown<f64> {
        number(&self.value)
            .filter(|number| (f64::from(least)..=f64::from(most)).contains(number))
            .ok_or_else(|| self.mismatch(&format!("a number from {least} to {most}")))
    }

    pub fn boolean(&self) -> Thrown<bool> {
        if !is(&self.value, ValueType::Boolean) {
            return Err(self.mismatch("true or false"));
        }
        Ok(is_true(&self.value))
    }

    pub fn milliseconds(&self) -> Thrown<Duration> {
        number(&self.value)
            .and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok())
            .ok_or_else(|| self.mismatch("a number of milliseconds, 0 or more"))
    }

    fn mismatch(&self, expected: &str) -> ThrownError {
        error(format!("{} must be {expected}, got {}", self.name, shown(&self.value)))
    }
}

/// Shows a value in JavaScript's terms without running code of the program.
fn shown(value: &Unknown<'_>) -> String {
    if let Some(text) = string(value) {
        let mut characters = text.chars();
        let beginning: String = characters.by_ref().take(MAX_SHOWN).collect();
        return format!("'{beginning}{}'", if characters.next().is_some() { "…" } else { "" });
    }
    let kind = match value.get_type() {
        Ok(ValueType::Undefined | ValueType::Null | ValueType::Boolean | ValueType::Number) => {
            let text = value.coerce_to_string().and_then(|text| text.into_utf8()?.into_owned());
            return text.unwrap_or_default();
        }
        Ok(ValueType::BigInt) => "a bigint",
        Ok(ValueType::Symbol) => "a symbol",
        Ok(ValueType::Function) => "a function",
        _ if value.is_array().unwrap_or(false) => "an array",
        _ => "an object",
    };
    kind.to_owned()
}
