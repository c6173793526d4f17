//! Choosing by a part of a name.

use anyhow::{Result, bail};

/// Keeps the items whose name contains a text, or all.
pub fn named<T>(mut all: Vec<T>, name: Option<&str>, name_of: impl Fn(&T) -> &str) -> Result<Vec<T>> {
    let Some(name) = name else { return Ok(all) };
    if !all.iter().any(|one| name_of(one).contains(name)) {
        let known: Vec<_> = all.iter().map(name_of).collect();
        bail!("no name contains {name}; the names are {}", known.join(", "));
    }
    all.retain(|one| name_of(one).contains(name));
    Ok(all)
}
