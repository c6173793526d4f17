//! The sanitizers and valgrind.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use super::compile::{compiler, must_fail, scratch, sources};
use crate::{linkage, process};

/// The exit status of a program in which valgrind or a sanitizer found an error.
const FOUND: i32 = 99;

/// The compiler's flags for the sanitizers.
pub const SANITIZERS: &[&str] =
    &["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"];

/// Checks that the sanitizers find known errors and that the program was built with them: a missing tool would pass
/// every test.
pub fn check_sanitizers(program: &Path) -> Result<()> {
    let probe = scratch("sanitizers-probe")?.join("overflow");
    let mut command = compiler("gcc", "c11");
    process::output(command.args(SANITIZERS).arg(sources().join("overflow.c")).arg("-o").arg(&probe))?;
    must_fail(&mut Command::new(&probe), "heap-buffer-overflow")?;
    must_fail(Command::new(&probe).arg("more"), "signed integer overflow")?;

    let linked = linkage::of(program)?;
    for (library, function) in [("libasan", "__asan_init"), ("libubsan", "__ubsan_")] {
        let names = linked.required.iter().chain(&linked.weak);
        ensure!(linked.needed.iter().any(|needed| needed.starts_with(library)), "{library} is not linked");
        ensure!(names.into_iter().any(|name| name.starts_with(function)), "{function} is not called");
    }
    Ok(())
}

/// Makes the program exit with [`FOUND`] if a sanitizer finds an error.
pub fn set_sanitizers(command: &mut Command) {
    command.env("ASAN_OPTIONS", format!("detect_leaks=1:exitcode={FOUND}"));
    command.env("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1");
}

/// The program under valgrind; the caller adds its arguments.
pub fn under_valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible"]);
    command.args(["--errors-for-leak-kinds=definite,indirect,possible", "--num-callers=30"]);
    // valgrind runs one thread at a time; V8's sampling thread must get its turn.
    command.arg("--fair-sched=yes");
    command.arg(format!("--suppressions={}", sources().join("valgrind.supp").display()));
    command.arg(format!("--error-exitcode={FOUND}"));
    command.arg(program);
    command
}

/// Checks that valgrind finds a known error.
pub fn check_valgrind() -> Result<()> {
    let probe = scratch("valgrind-probe")?.join("overflow");
    process::output(compiler("gcc", "c11").arg(sources().join("overflow.c")).arg("-o").arg(&probe))?;
    must_fail(&mut under_valgrind(&probe), "Invalid write")?;
    must_fail(&mut under_valgrind(&probe), "definitely lost")
}
