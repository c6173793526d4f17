//! `cargo xtask setup`: the packages of Debian that the tests take.

use anyhow::Result;

use crate::{debian, test};

pub fn run() -> Result<()> {
    let missing = debian::missing(test::packages(&test::all()));
    if missing.is_empty() {
        println!("no package is missing");
        return Ok(());
    }
    debian::install(&missing)
}
