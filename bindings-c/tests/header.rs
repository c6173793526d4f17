//! `include/sentry_profiler.h` is what cbindgen generates from the sources. To rewrite it:
//! `SENTRY_PROFILER_WRITE=1 cargo test -p sentry-profiler-c --test header`

use std::fs;
use std::path::Path;

fn generated() -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(here.join("cbindgen.toml")).unwrap();
    // List the files ourselves: asking cargo for them would build the whole dependency graph once more.
    let mut builder = cbindgen::Builder::new().with_config(config);
    let lib = fs::read_to_string(here.join("src/lib.rs")).unwrap();
    // Constants and types come before their uses, functions in the order of the modules.
    for module in lib.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')) {
        builder = builder.with_src(here.join("src").join(module).with_extension("rs"));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    without_rust_only_parts(&String::from_utf8(header).unwrap())
}

/// Drops Rust's `# Safety` sections: the rest of the comment has these requirements in C's terms.
fn without_rust_only_parts(header: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut in_safety = false;
    for line in header.lines() {
        let text = line.trim_start();
        if text.starts_with("* # Safety") {
            in_safety = true;
            // Also drop the blank line before it.
            if kept.last().is_some_and(|last| last.trim() == "*") {
                kept.pop();
            }
        }
        in_safety &= !text.starts_with("*/");
        if !in_safety {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}

#[test]
fn the_header_is_what_the_sources_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/sentry_profiler.h");
    let generated = generated();
    if std::env::var_os("SENTRY_PROFILER_WRITE").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == generated, "{} is out of date: see the top of this test", file.display());
}

/// A function's comment says what it returns, who owns it, and on which threads it may be called.
#[test]
fn every_function_says_statuses_ownership_and_threads() {
    let header = generated();
    let mut functions = 0;
    for (comment, rest) in header.split("/**").skip(1).filter_map(|block| block.split_once("*/")) {
        let declaration = rest.split(';').next().unwrap_or_default().trim();
        let Some((name, arguments)) = declaration.split_once('(') else { continue };
        if !name.contains("sentry_profile") || name.starts_with("typedef") || name.contains('{') {
            continue;
        }
        functions += 1;
        assert!(comment.contains("Any thread") || comment.contains("thread"), "{name}: no word on threads:{comment}");
        if name.contains("sentry_profiler_status_t") {
            assert!(comment.contains("Returns OK"), "{name}: no word on statuses:{comment}");
        }
        if arguments.contains("**") {
            assert!(comment.contains("caller owns"), "{name}: no word on who owns what comes out:{comment}");
        }
    }
    assert!(functions >= 40, "only {functions} functions were checked");
}
