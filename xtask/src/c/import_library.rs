//! What programs for Windows link in place of the DLL.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::platforms::toolchain::llvm_dlltool;
use crate::{linkage, process, workspace};

/// The import library of a DLL that is called `dll`. The one that the linker left has the name that cargo gave it.
pub fn of(shared: &Path, dll: &str) -> Result<Vec<u8>> {
    let exported = linkage::of(shared)?.exported;
    ensure!(!exported.is_empty(), "{} exports nothing", shared.display());
    let folder = workspace::target()?.join("c/import-library");
    fs::create_dir_all(&folder)?;
    let [definition, library] = ["sentry_profiler.def", "sentry_profiler.lib"].map(|name| folder.join(name));
    let names: Vec<_> = exported.into_iter().collect();
    fs::write(&definition, format!("LIBRARY {dll}\nEXPORTS\n{}\n", names.join("\n")))?;
    let mut dlltool = llvm_dlltool()?;
    dlltool.args(["-D", dll, "-d"]).arg(&definition).arg("-l").arg(&library);
    process::output(&mut dlltool)?;
    fs::read(&library).with_context(|| format!("reading {}", library.display()))
}
