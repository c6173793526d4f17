//! libclang, which bindgen loads when it runs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::debian_packages;

/// The Debian package. It has clang's own headers, which libclang packages from elsewhere lack.
const PACKAGE: &str = "libclang-19-dev";

/// The Debian packages to install if there is no libclang.
pub fn packages() -> &'static [&'static str] {
    match find() {
        Some(_) => &[],
        None => &[PACKAGE],
    }
}

/// The folder of libclang.so. The error says how to get it.
pub fn libclang() -> Result<PathBuf> {
    debian_packages::need(packages())?;
    match find() {
        Some(dir) => Ok(dir),
        None => bail!(
            "there is no libclang, which reads V8's headers: install it (Debian, Ubuntu: `sudo apt-get install \
             {PACKAGE}`), or set LIBCLANG_PATH to the folder of libclang.so of LLVM 16 or newer"
        ),
    }
}

fn find() -> Option<PathBuf> {
    if let Some(dir) = std::env::var_os("LIBCLANG_PATH") {
        return Some(dir.into());
    }
    // V8's newest headers need C++20 and so LLVM 16 at least. Prefer the newest.
    (16..=24).rev().map(|version| PathBuf::from(format!("/usr/lib/llvm-{version}/lib"))).find(|dir| is_libclang(dir))
}

fn is_libclang(dir: &Path) -> bool {
    // libclang cannot read any header without clang's own.
    dir.join("libclang.so").exists() && dir.join("clang").is_dir()
}
