//! All steps in the order in which they run: fast steps that often fail come first.

use anyhow::{Context as _, Result};

use super::context::{Context, Outcome};
use super::node::{self, Suite};
use crate::node_releases::{self, RELEASES, Release};
use crate::{browser, c, demo, js_lint, libclang, process, settings, v8_abi, workspace};

/// The Debian packages that build AWS's client of the Lambda Runtime API.
const LAMBDA_PACKAGES: &[&str] = &["autoconf", "automake", "cmake", "libtool", "make"];

/// The steps of `cargo xtask test --quick`. Together they take three minutes on two cores with a built tree.
pub const QUICK: &[&str] = &["fmt", "clippy", "js-lint", "clang-format", "rust", "build", "c-body", "node-24"];

/// One check.
pub struct Step {
    pub name: String,
    pub about: String,
    /// The Debian packages that it needs.
    pub packages: &'static [&'static str],
    /// The suite of Node test files that it runs, if any.
    pub suite: Option<Suite>,
    /// Whether one of its tests can be run alone.
    pub named: bool,
    pub run: Box<Check>,
}

type Check = dyn Fn(&Context) -> Result<Outcome>;

impl Step {
    fn new(
        name: impl Into<String>,
        about: impl Into<String>,
        run: impl Fn(&Context) -> Result<Outcome> + 'static,
    ) -> Self {
        Self { name: name.into(), about: about.into(), packages: &[], suite: None, named: false, run: Box::new(run) }
    }

    /// The files of a suite on one release.
    fn node(name: impl Into<String>, about: impl Into<String>, release: &'static Release, suite: Suite) -> Self {
        Self::new(name, about, move |context| node::run(context, release, suite)).of(suite)
    }

    fn of(self, suite: Suite) -> Self {
        Self { suite: Some(suite), named: true, ..self }
    }

    fn needs(self, packages: &'static [&'static str]) -> Self {
        Self { packages, ..self }
    }
}

pub fn all() -> Vec<Step> {
    let cargo = |arguments: &'static [&'static str]| {
        move |_: &Context| process::run(workspace::cargo().args(arguments)).map(Outcome::from)
    };
    let mut steps = vec![
        Step::new("fmt", "the Rust sources are formatted", cargo(&["fmt", "--all", "--check"])),
        Step::new(
            "clippy",
            "clippy has no warnings",
            cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
        ),
        Step::new("js-lint", "JavaScript and TypeScript are formatted and have no lint warnings", |_| {
            js_lint::run().map(Outcome::from)
        }),
        Step::new("clang-format", "C and C++ are formatted", |_| settings::clang_format().map(Outcome::Passed)),
        Step::new("actionlint", "GitHub understands the workflows", |_| settings::actionlint().map(Outcome::from)),
        Step::new("deny", "licences and sources of the dependencies", |_| settings::cargo_deny().map(Outcome::from)),
        Step::new("rust", "the Rust tests", cargo(&["test", "--workspace"])),
        Step::new("v8-abi", "our table of V8 functions agrees with V8's headers", |_| v8_abi::run().map(Outcome::from))
            .needs(libclang::packages()),
        Step::new("build", "the add-on and the package follow their rules", |context| {
            context.package().map(|_| Outcome::from(()))
        }),
    ];
    steps.extend(c::STEPS.iter().map(|&c::Step { name, about, run }| {
        let check = move |context: &Context| match run {
            c::Run::Whole(run) => run().map(Outcome::Passed),
            c::Run::Tests(run) => run(context.selection.name.as_deref()).map(Outcome::Passed),
            c::Run::Fuzz(run) => context.fuzz.follow(name, || run(context.fuzz)).map(Outcome::Passed),
        };
        Step { named: matches!(run, c::Run::Tests(_)), ..Step::new(name, about, check).needs(c::PACKAGES) }
    }));
    let check =
        |context: &Context| browser::test(context.package()?, context.selection.name.as_deref()).map(Outcome::Passed);
    let about = "a browser opens reports and flame graphs: mouse, keys, links, screens of any width";
    let step = Step::new("browser", about, check);
    steps.push(Step { named: true, ..step.needs(browser::PACKAGES) });
    for release in RELEASES {
        let about = format!("the Node tests on {}: {}", release.version, release.why);
        steps.push(Step::node(format!("node-{}", release.version), about, release, Suite::Main));
    }
    steps.push(
        Step::new("node-fuzz", "random calls of the add-on and the package, on one release", |context| {
            context.fuzz.follow("node-fuzz", || fuzz_node(context))
        })
        .of(Suite::Fuzz),
    );
    let usual = node_releases::pinned(node_releases::USUAL);
    steps.extend([
        Step::node("long", "the Node tests that take minutes, on one release", usual, Suite::Long),
        Step::node("heavy", "the Node tests that need a core or much memory, on one release", usual, Suite::Heavy),
        Step::node(
            "elsewhere",
            "the package in Deno, in Bun, in an old Node and in bundles",
            node_releases::newest(),
            Suite::Elsewhere,
        ),
        Step::node("next", "a Next.js server, built with webpack and with Turbopack", usual, Suite::NextJs),
    ]);
    for major in node_releases::ON_LAMBDA {
        let about = format!("a Lambda function with AWS's own runtime client, on Node {major}");
        let step = Step::node(format!("lambda-{major}"), about, node_releases::pinned(major), Suite::Lambda);
        steps.push(step.needs(LAMBDA_PACKAGES));
    }
    steps.push(Step::new("demo", "cargo xtask demo", |context| {
        demo::show(&demo::Arguments::default(), context.package()?).map(Outcome::from)
    }));
    steps
}

/// The Debian packages that these steps need.
pub fn packages(steps: &[Step]) -> impl Iterator<Item = &'static str> {
    steps.iter().flat_map(|step| step.packages).copied()
}

/// Fuzzes the add-on on the usual release or, with `--long`, on all.
fn fuzz_node(context: &Context) -> Result<Outcome> {
    if !context.fuzz.long {
        return node::run(context, node_releases::pinned(node_releases::USUAL), Suite::Fuzz);
    }
    for release in RELEASES {
        node::run(context, release, Suite::Fuzz).with_context(|| format!("on Node {}", release.version))?;
    }
    Ok(Outcome::Passed(format!("{} releases", RELEASES.len())))
}
