//! The C library: its installation, and its tests on the V8 of Debian's libnode and on those of Node.

mod body;
mod checkers;
mod compile;
mod examples;
mod formats;
mod fuzz;
mod hidden_v8;
mod host;
mod hostile;
mod import_library;
mod install;
mod interface;
mod layout;
mod libnode;
mod named;
mod semantics;

use anyhow::Result;

use crate::fuzz::Plan;
pub use install::{Arguments, build, run};
pub use layout::{ABI, Folders, lay_out, libraries};

/// The Debian packages that build and check the library and its examples, and that libnode needs.
pub const PACKAGES: &[&str] = &[
    "abigail-tools",
    "cmake",
    "libcurl4-openssl-dev",
    "pkg-config",
    "valgrind",
    "libbrotli1",
    "libicu72",
    "libnghttp2-14",
    "libuv1",
];

/// One check of the C library.
pub struct Step {
    pub name: &'static str,
    pub about: &'static str,
    pub run: Run,
}

/// What a step does. It returns a remark for the summary.
#[derive(Clone, Copy)]
pub enum Run {
    Whole(fn() -> Result<String>),
    /// Runs the tests whose names contain a text, or all.
    Tests(fn(Option<&str>) -> Result<String>),
    /// Makes random calls.
    Fuzz(fn(Plan) -> Result<String>),
}

const fn whole(name: &'static str, about: &'static str, run: fn() -> Result<String>) -> Step {
    Step { name, about, run: Run::Whole(run) }
}

const fn tests(name: &'static str, about: &'static str, run: fn(Option<&str>) -> Result<String>) -> Step {
    Step { name, about, run: Run::Tests(run) }
}

/// The tests of the C library.
pub const STEPS: &[Step] = &[
    whole(
        "c-header",
        "the header compiles in every standard and rejects a context in place of an isolate",
        interface::header,
    ),
    whole(
        "c-symbols",
        "the shared library exports what it should, and its interface is the committed one",
        interface::symbols,
    ),
    tests("c-body", "the C tests, on an embedded V8", body::shared),
    tests(
        "c-hostile",
        "hosts that fork, block, end in destructors or have large thread-local variables",
        hostile::hostile,
    ),
    tests("c-sanitizers", "the C tests under the sanitizers", body::sanitizers),
    tests("c-valgrind", "the C tests under valgrind", body::valgrind),
    tests("c-static", "the C tests, linked statically, also where V8's functions are hidden", body::linked_statically),
    tests("c-nodes", "the C tests as an add-on of Node", body::on_node),
    tests("c-formats", "in every format, every function gets the time that it took; on Node", formats::formats),
    whole("c-examples", "the examples, with CMake and pkg-config", examples::examples),
    tests("c-semantics", "the same scenarios have the same results in C, Rust and Node", semantics::semantics),
    Step {
        name: "c-fuzz",
        about: "random calls of the C library, plain and under the sanitizers",
        run: Run::Fuzz(fuzz::fuzz),
    },
];
