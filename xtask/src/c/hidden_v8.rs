//! A V8 whose functions are hidden, as in an embedder that links it statically.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sentry_profiler::v8::abi::SYMBOLS;

use super::compile::scratch;
use super::libnode::Libnode;
use crate::process;

/// Builds an archive with V8's functions as hidden symbols, as in a static V8. Each jumps to the function in libnode,
/// which is opened with `RTLD_LOCAL` so that nothing else finds it.
pub fn hidden_v8(libnode: &Libnode, host: &Path) -> Result<PathBuf> {
    let folder = scratch("hidden")?;
    // The functions that the embedder calls, and those that our symbol table refers to.
    let undefined = process::output(Command::new("nm").args(["--undefined-only", "--format=just-symbols"]).arg(host))?;
    let mut names: BTreeSet<&str> = undefined.lines().filter(|name| name.contains("2v8")).collect();
    names.extend(SYMBOLS.iter().map(|symbol| symbol.link_name));
    let jump = match std::env::consts::ARCH {
        "x86_64" => "jmp *sentry_profiler_hidden_{at}(%rip)",
        "aarch64" => {
            "adrp x16, sentry_profiler_hidden_{at}\\n ldr x16, [x16, :lo12:sentry_profiler_hidden_{at}]\\n br x16"
        }
        other => bail!("there are no jumps for {other}"),
    };
    let mut source = format!(
        "#include <dlfcn.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\
         #define LIBNODE \"{}\"\n",
        libnode.libraries.first().context("there is no libnode")?.display()
    );
    let mut table = String::new();
    for (at, name) in names.iter().enumerate() {
        let jump = jump.replace("{at}", &at.to_string());
        source += &format!(
            "__attribute__((visibility(\"hidden\"))) void *sentry_profiler_hidden_{at};\n\
             __asm__(\".pushsection .text\\n.globl {name}\\n.hidden {name}\\n.type {name}, %function\\n\"\n\
             \"{name}: {jump}\\n.popsection\\n\");\n"
        );
        table += &format!("    {{\"{name}\", &sentry_profiler_hidden_{at}}},\n");
    }
    source += &format!(
        "static const struct {{ const char *name; void **address; }} table[] = {{\n{table}}};\n\
         __attribute__((constructor)) static void load(void) {{\n\
         \x20   void *library = dlopen(LIBNODE, RTLD_NOW | RTLD_LOCAL);\n\
         \x20   for (size_t at = 0; at < sizeof table / sizeof *table; at++) {{\n\
         \x20       if (!library || !(*table[at].address = dlsym(library, table[at].name))) {{\n\
         \x20           fprintf(stderr, \"%s\\n\", dlerror());\n            abort();\n        }}\n    }}\n}}\n\
         void *hidden_v8_symbol(const char *name);\n\
         void *hidden_v8_symbol(const char *name) {{\n\
         \x20   for (size_t at = 0; at < sizeof table / sizeof *table; at++) {{\n\
         \x20       if (strcmp(table[at].name, name) == 0) return *table[at].address;\n    }}\n    return NULL;\n}}\n"
    );
    let (file, object, archive) = (folder.join("hidden.c"), folder.join("hidden.o"), folder.join("libv8_hidden.a"));
    fs::write(&file, source)?;
    process::output(Command::new("gcc").args(["-std=gnu11", "-fPIC", "-c"]).arg(&file).arg("-o").arg(&object))?;
    process::output(Command::new("ar").arg("rcs").arg(&archive).arg(&object))?;
    Ok(archive)
}
