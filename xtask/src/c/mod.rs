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

/// What builds and checks the library and its examples, and what Debian's libnode needs: packages of Debian.
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

/// What a step does; it returns a remark.
#[derive(Clone, Copy)]
pub enum Run {
    Whole(fn() -> Result<String>),
    /// The tests whose names contain a text, or all.
    Tests(fn(Option<&str>) -> Result<String>),
    /// Random calls.
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
    whole("c-header", "the header compiles in every standard, and takes no context for an isolate", interface::header),
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
    tests("c-formats", "every format bills what every function took, on Node", formats::formats),
    whole("c-examples", "the examples, with CMake and pkg-config", examples::examples),
    tests("c-semantics", "the same scenarios come to the same through C, Rust and Node", semantics::semantics),
    Step {
        name: "c-fuzz",
        about: "random calls of the C library, plain and under the sanitizers",
        run: Run::Fuzz(fuzz::fuzz),
    },
];
