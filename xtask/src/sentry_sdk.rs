//! The majors of the Sentry SDK that the package is tested with.

use std::path::PathBuf;

use anyhow::Result;

use crate::npm_package::Package;
use crate::{npm, workspace};

/// Each has its package.json and package-lock.json in tests/node/sdk<major>.
pub const MAJORS: [&str; 2] = ["10", "11"];

/// A folder whose node_modules contain this major of the SDK, its official profiling package, and ours.
pub fn install(major: &str, package: &Package) -> Result<PathBuf> {
    let sources = workspace::root().join(format!("tests/node/sdk{major}"));
    let dir = workspace::target()?.join("sdk").join(major);
    npm::installed(&format!("sdk-{major}"), &sources, &dir)?;
    package.put_into(&dir)?;
    Ok(dir)
}
