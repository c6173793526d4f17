//! The project's commands. `cargo xtask` lists them.

mod bench;
mod browser;
mod c;
mod cache;
mod debian_packages;
mod demo;
mod dist;
mod fuzz;
mod ingest;
mod js_lint;
mod libclang;
mod linkage;
mod node_exports;
mod node_releases;
mod npm;
mod npm_package;
mod platforms;
mod process;
mod python;
mod received_profile;
mod release;
mod sentry_sdk;
mod settings;
mod setup;
mod sysroot;
mod system;
mod test;
mod tsan;
mod v8_abi;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The project's commands. What they need beyond Rust, Node, npm and a C++ compiler they fetch and keep in target/
/// or in a cache
#[derive(Parser)]
#[command(bin_name = "cargo xtask", arg_required_else_help = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Profile a real HTTP service and show the profile
    Demo(demo::Arguments),
    /// Run every check: formatting, lints, Rust and Node tests on every Node, the demo
    Test(test::Arguments),
    /// Install the Debian packages that the tests need; `cargo xtask test` does it too, and says so first
    Setup,
    /// Build the npm package as published, in target/dist/node, and the C library as installed, in target/dist/c
    Build,
    /// Compare this profiler with others
    Bench(bench::Arguments),
    Dist(dist::Arguments),
    Install(c::Arguments),
    /// Check and publish what `cargo xtask dist` built
    #[command(subcommand)]
    Release(release::Step),
    /// Compare the core's table of V8 functions with the headers of every Node with long-term support, and with what
    /// its programs for Windows and macOS export
    V8Abi,
    /// Run the core's tests of threads under ThreadSanitizer; the first run builds a standard library
    Tsan,
    /// Build the add-on and the C library for every platform, check the files, and run those that can be run here
    Platforms(platforms::Arguments),
    /// Fetch the Node releases that the tests run on into target/nodes
    Nodes(node_releases::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match workspace::enter().and_then(|()| run(arguments.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Setup => setup::run().map(|()| ExitCode::SUCCESS),
        Command::Build => npm_package::build().and_then(|_| c::build()).map(|_| ExitCode::SUCCESS),
        Command::Bench(arguments) => bench::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Dist(arguments) => dist::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Release(step) => release::run(&step).map(|()| ExitCode::SUCCESS),
        Command::Install(arguments) => c::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::V8Abi => v8_abi::run().map(|()| ExitCode::SUCCESS),
        Command::Tsan => {
            println!("{}", tsan::run()?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Platforms(arguments) => platforms::run(&arguments),
        Command::Nodes(arguments) => node_releases::run(&arguments).map(|()| ExitCode::SUCCESS),
    }
}
