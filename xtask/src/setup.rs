//! `cargo xtask setup`: installs the Debian packages that the tests need.

use anyhow::Result;

use crate::{debian_packages, test};

pub fn run() -> Result<()> {
    let missing = debian_packages::missing(test::packages(&test::all()));
    if missing.is_empty() {
        println!("no package is missing");
        return Ok(());
    }
    debian_packages::install(&missing)
}
