//! The C library: its installation, and its tests on the V8 of Debian's libnode and on those of Node.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use sentry_profiler::v8::abi::SYMBOLS;
use serde_json::Value;

use crate::{addon, debian, nodes, npm, process, tree};

/// The number in the shared library's name: `SENTRY_PROFILER_ABI_VERSION`.
const ABI: &str = "1";
/// What the static library needs of the system, as `rustc --print native-static-libs` says.
const PRIVATE_LIBS: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];
/// Debian's packages with a V8 to embed: that of the oldest release of Node, whose headers fit it.
const LIBNODE: &[&str] = &["libnode108", "libc-ares2"];
/// Where valgrind and the sanitizers find that a program went wrong.
const FOUND: i32 = 99;

/// Install the C library: headers, both libraries, pkg-config and CMake files
#[derive(clap::Args)]
pub struct Arguments {
    /// Where to: include, lib, lib/pkgconfig and lib/cmake are made below it
    #[arg(long, value_name = "FOLDER")]
    prefix: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    install(&arguments.prefix)?;
    println!("installed in {}", tree::show(&arguments.prefix));
    Ok(())
}

/// `cargo xtask build`: the tree of an installation, in target/dist/c.
pub fn build() -> Result<PathBuf> {
    let dist = tree::target()?.join("dist/c");
    tree::remove(&dist)?;
    install(&dist)?;
    println!("C library: {}", tree::show(&dist));
    Ok(dist)
}

/// Builds the library and installs it.
pub fn install(prefix: &Path) -> Result<()> {
    process::run(tree::cargo().args(["build", "--release", "--package", "sentry-profiler-c"]))?;
    lay_out(&tree::target()?.join("release"), prefix)
}

/// Puts what cargo built where compilers look for it.
fn lay_out(built: &Path, prefix: &Path) -> Result<()> {
    let (include, lib) = (prefix.join("include"), prefix.join("lib"));
    let (pkgconfig, cmake) = (lib.join("pkgconfig"), lib.join("cmake/sentry_profiler"));
    for folder in [&include, &pkgconfig, &cmake] {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    for header in ["sentry_profiler.h", "sentry_profiler.hpp"] {
        copy(&tree::root().join("include").join(header), &include.join(header))?;
    }
    let version = env!("CARGO_PKG_VERSION");
    let soname = format!("libsentry_profiler.so.{ABI}");
    copy(&built.join("libsentry_profiler_c.a"), &lib.join("libsentry_profiler.a"))?;
    copy(&built.join("libsentry_profiler_c.so"), &lib.join(format!("libsentry_profiler.so.{version}")))?;
    link(&format!("libsentry_profiler.so.{version}"), &lib.join(&soname))?;
    link(&soname, &lib.join("libsentry_profiler.so"))?;

    let templates = tree::root().join("bindings-c/install");
    for (template, folder) in [
        ("sentry_profiler.pc", &pkgconfig),
        ("sentry_profiler-config.cmake", &cmake),
        ("sentry_profiler-config-version.cmake", &cmake),
    ] {
        // CMake wants a list, pkg-config a line.
        let separator = if template.ends_with(".pc") { " " } else { ";" };
        let text = fs::read_to_string(templates.join(template)).with_context(|| format!("reading {template}"))?;
        let text = text
            .replace("@VERSION@", version)
            .replace("@ABI@", ABI)
            .replace("@URL@", env!("CARGO_PKG_REPOSITORY"))
            .replace("@PRIVATE_LIBS@", &PRIVATE_LIBS.join(separator));
        fs::write(folder.join(template), text).with_context(|| format!("writing {template}"))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    // Not over the old one: a program may have it open.
    tree::remove(to)?;
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display())).map(drop)
}

fn link(target: &str, at: &Path) -> Result<()> {
    tree::remove(at)?;
    std::os::unix::fs::symlink(target, at).with_context(|| format!("linking {}", at.display()))
}

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
}

const fn whole(name: &'static str, about: &'static str, run: fn() -> Result<String>) -> Step {
    Step { name, about, run: Run::Whole(run) }
}

const fn tests(name: &'static str, about: &'static str, run: fn(Option<&str>) -> Result<String>) -> Step {
    Step { name, about, run: Run::Tests(run) }
}

/// The tests of the C library.
pub const STEPS: &[Step] = &[
    whole("c-header", "the header compiles in every standard, and takes no context for an isolate", header),
    whole("c-symbols", "the shared library exports what it should, and its interface is the committed one", symbols),
    tests("c-body", "the C tests, on an embedded V8", shared),
    tests("c-hostile", "hosts that fork, block, end in destructors or have large thread-local variables", hostile),
    tests("c-sanitizers", "the C tests under the sanitizers", sanitizers),
    tests("c-valgrind", "the C tests under valgrind", valgrind),
    tests("c-static", "the C tests, linked statically, also where V8's functions are hidden", linked_statically),
    tests("c-nodes", "the C tests as an add-on of Node", on_node),
    tests("c-formats", "every format bills what every function took, on Node", formats),
    whole("c-examples", "the examples, with CMake and pkg-config", examples),
    tests("c-semantics", "the same scenarios come to the same through C, Rust and Node", semantics),
];

/// Where tests are built.
pub fn scratch(name: &str) -> Result<PathBuf> {
    let folder = tree::target()?.join("c").join(name);
    tree::remove(&folder)?;
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

pub fn sources() -> PathBuf {
    tree::root().join("tests/c")
}

fn include() -> PathBuf {
    tree::root().join("include")
}

pub fn compiler(program: &str, standard: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("-std={standard}")).arg("-I").arg(include());
    command
}

/// Those whose name contains a text, or all.
fn named<T>(mut all: Vec<T>, name: Option<&str>, name_of: impl Fn(&T) -> &str) -> Result<Vec<T>> {
    let Some(name) = name else { return Ok(all) };
    if !all.iter().any(|one| name_of(one).contains(name)) {
        let known: Vec<_> = all.iter().map(name_of).collect();
        bail!("none is called {name}; there are {}", known.join(", "));
    }
    all.retain(|one| name_of(one).contains(name));
    Ok(all)
}

/// Says that it must fail, and how.
fn must_fail(command: &mut Command, saying: &str) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(!output.status.success(), "{} did not fail", process::show(command));
    ensure!(said.contains(saying), "{} failed, but without saying {saying:?}:\n{said}", process::show(command));
    Ok(())
}

fn header() -> Result<String> {
    let folder = scratch("header")?;
    let mut compiled = 0;
    for (program, suffix, standards) in [
        // C23 is `c2x` for compilers from before it was published.
        ("gcc", "c", &["c99", "c11", "c17", "c2x"][..]),
        ("g++", "cc", &["c++17", "c++20"]),
    ] {
        for header in ["sentry_profiler.h", "sentry_profiler.hpp"] {
            if suffix == "c" && header.ends_with("hpp") {
                continue;
            }
            let source = folder.join(format!("{header}.{suffix}"));
            fs::write(&source, format!("#include \"{header}\"\nextern int nothing;\n"))?;
            for standard in standards {
                let mut command = compiler(program, standard);
                command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]).arg(&source);
                process::output(&mut command)?;
                compiled += 1;
            }
        }
    }
    let context = |right: bool| {
        let mut command = compiler("g++", "c++17");
        command.arg("-isystem").arg(nodes::fetch(nodes::oldest().version)?.include()).arg("-fsyntax-only");
        command.args(right.then_some("-DRIGHT")).arg(sources().join("context.cc"));
        Ok::<_, anyhow::Error>(command)
    };
    process::output(&mut context(true)?)?;
    must_fail(&mut context(false)?, "v8::Context")?;
    Ok(format!("{compiled} times"))
}

fn symbols() -> Result<String> {
    let dist = build()?;
    let library = dist.join("lib/libsentry_profiler.so");
    let linkage = addon::linkage(&library)?;
    let committed = tree::root().join("bindings-c/abi");
    let write = std::env::var_os("SENTRY_PROFILER_WRITE").is_some();

    let exported = linkage.exported.iter().cloned().collect::<Vec<_>>().join("\n") + "\n";
    let list = committed.join("symbols.txt");
    if write {
        fs::create_dir_all(&committed)?;
        fs::write(&list, &exported)?;
    }
    let known = fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
    ensure!(exported == known, "the exported symbols differ from {}:\n{exported}", tree::show(&list));
    let ours = |name: &String| name.starts_with("sentry_profiler_") || name.starts_with("sentry_profile_");
    ensure!(linkage.exported.iter().all(ours), "something else is exported");
    let required: Vec<_> = linkage.required.iter().filter(|name| name.contains("2v8")).collect();
    ensure!(required.is_empty(), "V8 is required: {required:?}");
    ensure!(addon::v8_names(&linkage.weak).count() == SYMBOLS.len(), "not every name of V8 is weak");

    // The interface is the header's: Rust's own debug information describes its types, not C's.
    let folder = scratch("abi")?;
    let interface = interface(&folder, &linkage.exported)?;
    let baseline = committed.join("sentry_profiler.abi");
    if write {
        let mut abidw = Command::new("abidw");
        abidw.args(["--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--out-file"]);
        process::output(abidw.arg(&baseline).arg(&interface))?;
    }
    process::output(Command::new("abidiff").arg("--no-show-locs").arg(&baseline).arg(&interface)).with_context(|| {
        format!(
            "the interface differs from {}; what was published stays. When it only grew: SENTRY_PROFILER_WRITE=1 cargo \
             xtask test --only c-symbols",
            tree::show(&baseline)
        )
    })?;
    Ok(format!("{} functions", linkage.exported.len()))
}

/// A library with the header's functions and nothing in them.
fn interface(folder: &Path, exported: &BTreeSet<String>) -> Result<PathBuf> {
    let header = fs::read_to_string(include().join("sentry_profiler.h"))?;
    let mut source = "#include \"sentry_profiler.h\"\n".to_owned();
    let mut defined = BTreeSet::new();
    // Declarations are what stands between comments and ends with `);`.
    for part in header.split("*/").skip(1) {
        let Some((declaration, _)) = part.split_once(");") else { continue };
        let declaration = declaration.trim();
        let Some(name) = declaration.split('(').next().and_then(|head| head.rsplit([' ', '*']).next()) else {
            continue;
        };
        if declaration.contains(['{', '#', ';']) || declaration.starts_with("typedef") {
            continue;
        }
        defined.insert(name.to_owned());
        source += &format!("{declaration}) {{ __builtin_trap(); }}\n");
    }
    ensure!(&defined == exported, "the header declares other functions than the library exports: {defined:?}");
    let (file, library) = (folder.join("interface.c"), folder.join("interface.so"));
    fs::write(&file, source)?;
    let mut command = compiler("gcc", "c11");
    command.args(["-g", "-w", "-shared", "-fPIC"]).arg(format!("-Wl,-soname,libsentry_profiler.so.{ABI}"));
    // From its own folder: the interface must not remember where this machine keeps it.
    process::output(command.current_dir(folder).args(["interface.c", "-o", "interface.so"]))?;
    Ok(library)
}

/// A V8 to embed.
pub struct Libnode {
    pub include: PathBuf,
    /// In the order in which to link them.
    libraries: Vec<PathBuf>,
    pub folder: PathBuf,
}

/// Debian's library cannot be installed beside a Node that comes from elsewhere, so its packages are only unpacked.
pub fn libnode() -> Result<Libnode> {
    let folder = tree::target()?.join("libnode");
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let lib = folder.join("usr/lib").join(&triplet);
    if !lib.join("libnode.so.108").exists() || !lib.join("libcares.so.2").exists() {
        eprintln!("fetching {}", LIBNODE.join(" and "));
        tree::remove(&folder)?;
        fs::create_dir_all(&folder)?;
        let download = || process::output(Command::new("apt-get").arg("download").args(LIBNODE).current_dir(&folder));
        // On a fresh machine there are no lists of packages yet.
        download().or_else(|_| debian::update().and_then(|()| download()))?;
        for entry in fs::read_dir(&folder)? {
            let package = entry?.path();
            if package.extension().is_some_and(|extension| extension == "deb") {
                process::output(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&folder))?;
            }
        }
    }
    Ok(Libnode {
        include: nodes::fetch(nodes::oldest().version)?.include(),
        libraries: ["libnode.so.108", "libcares.so.2"].map(|name| lib.join(name)).into(),
        folder: lib,
    })
}

/// The library as the tests link it: checked arithmetic, and a function that panics.
pub fn test_library() -> Result<PathBuf> {
    let features = ["build", "--package", "sentry-profiler-c", "--features", "test-panic"];
    process::run(tree::cargo().args(features))?;
    let prefix = tree::target()?.join("c/library");
    lay_out(&tree::target()?.join("debug"), &prefix)?;
    Ok(prefix.join("lib"))
}

/// Compiles each source to an object.
fn objects(folder: &Path, sources: &[PathBuf], flags: &[&str]) -> Result<Vec<PathBuf>> {
    let mut objects = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let object = folder.join(format!("{at}.o"));
        let c = source.extension().is_some_and(|extension| extension == "c");
        let mut command = if c { compiler("gcc", "c11") } else { compiler("g++", "c++17") };
        process::output(command.arg("-c").args(flags).arg(source).arg("-o").arg(&object))?;
        objects.push(object);
    }
    Ok(objects)
}

/// How the embedder of the tests is put together.
struct Host<'a> {
    name: &'a str,
    /// The source with the body, and what it needs.
    body: &'a [PathBuf],
    flags: &'a [&'a str],
    /// What comes after the objects: our library, and V8.
    libraries: Vec<String>,
}

impl Host<'_> {
    fn build(&self, libnode: &Libnode) -> Result<PathBuf> {
        let folder = scratch(self.name)?;
        let flags = [&["-g", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"], self.flags].concat();
        let mut objects = objects(&folder, self.body, &flags)?;
        let object = folder.join("host.o");
        let mut command = compiler("g++", "c++17");
        command.args(["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-rtti", "-c"]).args(self.flags);
        command.arg("-isystem").arg(&libnode.include).arg(sources().join("host.cc")).arg("-o").arg(&object);
        process::output(&mut command)?;
        objects.push(object);

        let program = folder.join("host");
        let mut command = Command::new("g++");
        // With the older kind of path the library's own needs are looked up there too. V8 is to find `pthread_create` of nothread.c.
        command.args(self.flags).args(&objects).arg("-o").arg(&program).args(&self.libraries);
        command.args(["-ldl", "-Wl,--export-dynamic-symbol=pthread_create"]);
        command.arg(format!("-Wl,--disable-new-dtags,-rpath,{}", libnode.folder.display()));
        process::output(&mut command)?;
        Ok(program)
    }
}

pub fn shared_with(lib: &Path, libnode: &Libnode) -> Vec<String> {
    let mut libraries = vec![format!("-L{}", lib.display()), format!("-Wl,-rpath,{}", lib.display())];
    libraries.push("-lsentry_profiler".to_owned());
    libraries.extend(libnode.libraries.iter().map(|library| library.display().to_string()));
    libraries.push("-lpthread".to_owned());
    libraries
}

fn static_with(lib: &Path, v8: &[PathBuf]) -> Vec<String> {
    let mut libraries = vec![lib.join("libsentry_profiler.a").display().to_string()];
    libraries.extend(v8.iter().map(|library| library.display().to_string()));
    libraries.extend(PRIVATE_LIBS.map(str::to_owned));
    libraries
}

/// Runs a program of the tests, or those of a name; what it left must be valid. Returns the line in which it counts its
/// checks.
fn run_body(command: &mut Command, output: &Path, name: Option<&str>) -> Result<String> {
    tree::remove(output)?;
    fs::create_dir_all(output)?;
    let said = process::output(command.arg(output).args(name).env("RUST_BACKTRACE", "0"))?;
    let counts: Vec<&str> = said.lines().filter(|line| line.contains(" checks, ")).collect();
    ensure!(!counts.is_empty(), "no check was counted:\n{said}");
    // Not every test leaves a chunk.
    if name.is_none() || fs::read_dir(output)?.next().is_some() {
        validate(output)?;
    }
    Ok(counts.join("; "))
}

/// Every chunk and envelope in a folder is one that Sentry accepts.
fn validate(folder: &Path) -> Result<usize> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json" || extension == "envelope"));
    ensure!(!files.is_empty(), "there is no chunk in {}", folder.display());
    process::output(Command::new(ingest()?).arg("validate").args(&files))?;
    Ok(files.len())
}

fn ingest() -> Result<PathBuf> {
    process::run(tree::cargo().args(["build", "--quiet", "--package", "sentry-profiler-ingest"]))?;
    Ok(tree::target()?.join("debug/ingest"))
}

/// What a host links to run the body: its files, and how to get no thread.
fn body() -> Result<Vec<PathBuf>> {
    let mut files = body_files()?;
    files.push(sources().join("nothread.c"));
    Ok(files)
}

/// The body's own files.
fn body_files() -> Result<Vec<PathBuf>> {
    let folder = fs::read_dir(sources().join("body"))?;
    let mut files = folder.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    files.sort();
    ensure!(!files.is_empty(), "the body has no files");
    Ok(files)
}

/// The cases of tests/c/hostile.cc that take no build of their own.
const HOSTILE: &[&str] = &[
    "thread-local",
    "main-thread-local",
    "static",
    "stack",
    "blocked-free",
    "blocked-spans",
    "wake",
    "fork",
    "fork-early",
];

fn hostile(name: Option<&str>) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let program = hostile_program("hostile", &[], &lib, &libnode)?;
    let large = hostile_program("hostile-large", &["-DTLS_KB=100"], &lib, &libnode)?;
    let mut cases: Vec<_> = HOSTILE.iter().map(|case| (&program, *case)).collect();
    cases.push((&large, "large-thread-local"));
    let cases = named(cases, name, |(_, case)| case)?;
    let mut failed = vec![];
    for (program, case) in &cases {
        if let Err(error) = process::output(Command::new(program).arg(case)) {
            println!("{error:#}");
            failed.push(*case);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(format!("{} cases", cases.len()))
}

fn hostile_program(name: &str, flags: &[&str], lib: &Path, libnode: &Libnode) -> Result<PathBuf> {
    let program = scratch(name)?.join("hostile");
    let mut command = compiler("g++", "c++17");
    command.args(["-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-rtti"]).args(flags);
    command.arg("-isystem").arg(&libnode.include).arg(sources().join("hostile.cc")).arg("-o").arg(&program);
    command.args(shared_with(lib, libnode));
    command.arg(format!("-Wl,--disable-new-dtags,-rpath,{}", libnode.folder.display()));
    process::output(&mut command)?;
    Ok(program)
}

fn shared(name: Option<&str>) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let libraries = shared_with(&lib, &libnode);
    let host = Host { name: "shared", body: &body()?, flags: &[], libraries: libraries.clone() }.build(&libnode)?;
    let c = run_body(&mut Command::new(&host), &host.with_file_name("chunks"), name)?;
    if name.is_some() {
        return Ok(c);
    }
    let cpp = Host { name: "raii", body: &[sources().join("raii.cc")], flags: &[], libraries }.build(&libnode)?;
    let cpp = process::output(&mut Command::new(&cpp))?;
    Ok(format!("C: {c}; C++: {}", cpp.trim()))
}

/// How the compiler is told of the sanitizers.
pub const SANITIZERS: &[&str] =
    &["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"];

fn sanitizers(name: Option<&str>) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let libraries = shared_with(&lib, &libnode);
    let host = Host { name: "sanitizers", body: &body()?, flags: SANITIZERS, libraries }.build(&libnode)?;
    check_sanitizers(&host)?;
    // An isolate that a sampler outlives is used after it was freed.
    let hostile = hostile_program("sanitizers-hostile", SANITIZERS, &lib, &libnode)?;
    for case in ["thread-local", "static"].into_iter().filter(|_| name.is_none()) {
        let mut command = Command::new(&hostile);
        set_sanitizers(&mut command);
        process::output(command.arg(case))?;
    }
    let mut command = Command::new(&host);
    set_sanitizers(&mut command);
    run_body(&mut command, &host.with_file_name("chunks"), name)
}

/// A tool that is not there finds nothing: it must find what is there, and be in the program.
pub fn check_sanitizers(program: &Path) -> Result<()> {
    let probe = scratch("sanitizers-probe")?.join("overflow");
    let mut command = compiler("gcc", "c11");
    process::output(command.args(SANITIZERS).arg(sources().join("overflow.c")).arg("-o").arg(&probe))?;
    must_fail(&mut Command::new(&probe), "heap-buffer-overflow")?;
    must_fail(Command::new(&probe).arg("more"), "signed integer overflow")?;

    let linked = addon::linkage(program)?;
    for (library, function) in [("libasan", "__asan_init"), ("libubsan", "__ubsan_")] {
        let names = linked.required.iter().chain(&linked.weak);
        ensure!(linked.needed.iter().any(|needed| needed.starts_with(library)), "{library} is not linked");
        ensure!(names.into_iter().any(|name| name.starts_with(function)), "{function} is not called");
    }
    Ok(())
}

/// Whatever the sanitizers find ends the program with a status of its own.
pub fn set_sanitizers(command: &mut Command) {
    command.env("ASAN_OPTIONS", format!("detect_leaks=1:exitcode={FOUND}"));
    command.env("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1");
}

fn valgrind(name: Option<&str>) -> Result<String> {
    let valgrind = |program: &Path| {
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--leak-check=full", "--show-leak-kinds=definite,indirect,possible"]);
        command.args(["--errors-for-leak-kinds=definite,indirect,possible", "--num-callers=30"]);
        // Its threads run one at a time: V8's sampling thread must get its turn.
        command.arg("--fair-sched=yes");
        command.arg(format!("--error-exitcode={FOUND}"));
        command.arg(program);
        command
    };
    let probe = scratch("valgrind-probe")?.join("overflow");
    process::output(compiler("gcc", "c11").arg(sources().join("overflow.c")).arg("-o").arg(&probe))?;
    must_fail(&mut valgrind(&probe), "Invalid write")?;
    must_fail(&mut valgrind(&probe), "definitely lost")?;

    let (lib, libnode) = (test_library()?, libnode()?);
    let libraries = shared_with(&lib, &libnode);
    let host = Host { name: "valgrind", body: &body()?, flags: &[], libraries }.build(&libnode)?;
    run_body(&mut valgrind(&host), &host.with_file_name("chunks"), name)
}

fn linked_statically(name: Option<&str>) -> Result<String> {
    let (lib, libnode) = (test_library()?, libnode()?);
    let libraries = static_with(&lib, &libnode.libraries);
    let host = Host { name: "static", body: &body()?, flags: &[], libraries }.build(&libnode)?;
    let linked = addon::linkage(&host)?;
    ensure!(!linked.needed.iter().any(|needed| needed.contains("sentry")), "the library is not linked statically");
    let beside = run_body(&mut Command::new(&host), &host.with_file_name("chunks"), name)?;

    // As an embedder has it that links V8 statically: hidden, in an archive.
    let hidden = hidden_v8(&libnode, &host.with_file_name("host.o"))?;
    let libraries = static_with(&lib, std::slice::from_ref(&hidden));
    let host = Host { name: "static-hidden", body: &body()?, flags: &[], libraries }.build(&libnode)?;
    let linked = addon::linkage(&host)?;
    ensure!(!linked.needed.iter().any(|needed| needed.contains("libnode")), "V8 is linked dynamically");
    ensure!(addon::v8_names(&linked.exported).count() == 0, "the program exports V8");
    let inside = run_body(&mut Command::new(&host), &host.with_file_name("chunks"), name)?;

    // The same V8 is out of reach of the shared library, which proves that it was the linker who found it above.
    let source = [sources().join("hidden.c")];
    let mut libraries = shared_with(&lib, &Libnode { libraries: vec![hidden], ..libnode });
    libraries.push("-ldl".to_owned());
    let libnode = self::libnode()?;
    let host = Host { name: "shared-hidden", body: &source, flags: &["-DHIDDEN_V8"], libraries }.build(&libnode)?;
    process::output(Command::new(&host).arg("unused"))?;
    Ok(format!("{beside}; hidden: {inside}"))
}

/// An archive that hides V8's functions, as a static V8 does: each one jumps to that of libnode, which is opened so that
/// nobody else can see it.
fn hidden_v8(libnode: &Libnode, host: &Path) -> Result<PathBuf> {
    let folder = scratch("hidden")?;
    // What the embedder itself calls, and what the table refers to.
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
             __asm__(\".pushsection .text\\n.globl {name}\\n.hidden {name}\\n.type {name}, %function\\n{name}: {jump}\\n.popsection\\n\");\n"
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

fn on_node(name: Option<&str>) -> Result<String> {
    let lib = test_library()?;
    let mut remarks = Vec::new();
    for release in nodes::RELEASES.iter().filter(|release| release.unavailable().is_none()) {
        let node = nodes::fetch(release.version)?;
        let folder = scratch(&format!("node-{}", node.version))?;
        let (file, nothread) = (folder.join("body.node"), folder.join("nothread.so"));
        let mut command = compiler("gcc", "c11");
        command.args(["-O1", "-fPIC", "-shared"]).arg(sources().join("nothread.c")).arg("-o").arg(&nothread);
        process::output(&mut command)?;
        // Hidden, as the names are short: Node may have them, too.
        let objects = objects(&folder, &body_files()?, &["-O1", "-fPIC", "-fvisibility=hidden"])?;
        let mut command = compiler("g++", "c++20");
        command.args(["-O1", "-fno-rtti", "-fPIC", "-shared", "-isystem"]).arg(node.include());
        command.arg(sources().join("addon.cc")).args(&objects).arg("-o").arg(&file);
        command.arg(format!("-L{}", lib.display())).arg(format!("-Wl,-rpath,{}", lib.display()));
        process::output(command.args(["-lsentry_profiler", "-lpthread"]))?;

        let mut command = node.command();
        if matches!(release.major(), "22" | "23") {
            // Their V8 can hang without it (see bindings-c/README.md).
            command.arg("--no-compact-code-space");
        }
        let script = "process.exitCode = require(process.argv[1]).run(process.argv[2], process.argv[3]) ? 1 : 0";
        command.args(["-e", script]).arg(&file).env_remove("NODE_OPTIONS").env("LD_PRELOAD", &nothread);
        let said =
            run_body(&mut command, &folder.join("chunks"), name).with_context(|| format!("Node {}", node.version))?;
        println!("Node {}: {said}", node.version);
        remarks.push(node.version);
    }
    Ok(format!("Node {}", remarks.join(", ")))
}

fn formats(name: Option<&str>) -> Result<String> {
    let lib = test_library()?;
    let sources = tree::root().join("tests/formats");
    let modules = tree::target()?.join("formats");
    npm::installed("formats", &sources, &modules)?;
    let mut remarks = Vec::new();
    let releases = nodes::RELEASES.iter().filter(|release| !release.between && release.unavailable().is_none());
    // The oldest has the V8 that libnode has, and samples as the next one does.
    for release in releases.skip(1) {
        let node = nodes::fetch(release.version)?;
        let file = scratch(&format!("formats-{}", node.version))?.join("addon.node");
        let mut command = compiler("g++", "c++20");
        command.args(["-O1", "-fno-rtti", "-fPIC", "-shared", "-isystem"]).arg(node.include());
        command.arg(sources.join("addon.cc")).arg("-o").arg(&file);
        command.arg(format!("-L{}", lib.display())).arg(format!("-Wl,-rpath,{}", lib.display()));
        process::output(command.arg("-lsentry_profiler"))?;

        let mut command = node.command();
        command.args(["--test", "--test-reporter=spec"]);
        command.args(name.map(|name| format!("--test-name-pattern={name}"))).arg(sources.join("formats.test.mjs"));
        command.env("SENTRY_PROFILER_TEST_FORMATS_ADDON", &file).env_remove("NODE_OPTIONS");
        command.env("SENTRY_PROFILER_TEST_FORMATS_MODULES", modules.join("node_modules"));
        process::run(&mut command).with_context(|| format!("Node {}", node.version))?;
        remarks.push(node.version);
    }
    Ok(format!("Node {}", remarks.join(", ")))
}

fn examples() -> Result<String> {
    let (dist, libnode) = (build()?, libnode()?);
    let lib = dist.join("lib");

    // examples/minimal.c, in the embedder of the tests.
    let source = [sources().join("minimal.c"), tree::root().join("examples/minimal.c")];
    let flags = ["-I", &dist.join("include").display().to_string()].map(str::to_owned);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let libraries = shared_with(&lib, &libnode);
    let host = Host { name: "minimal", body: &source, flags: &flags, libraries }.build(&libnode)?;
    let folder = host.with_file_name("out");
    fs::create_dir_all(&folder)?;
    process::output(Command::new(&host).arg(&folder))?;
    has_function(&folder.join("minimal.cpuprofile"), "hot")?;

    readme_compiles(&dist, &libnode)?;

    // examples/embedder, three ways.
    let source = tree::root().join("examples/embedder");
    let v8 = libnode.libraries.iter().map(|library| library.display().to_string()).collect::<Vec<_>>();
    let rpath = format!("-Wl,--disable-new-dtags,-rpath,{}:{}", libnode.folder.display(), lib.display());
    for (name, options) in [("cmake-shared", &[][..]), ("cmake-static", &["-DSENTRY_PROFILER_STATIC=ON"])] {
        let folder = scratch(name)?;
        let mut cmake = Command::new("cmake");
        cmake.arg("-S").arg(&source).arg("-B").arg(&folder).args(options);
        cmake.arg(format!("-DCMAKE_PREFIX_PATH={}", dist.display()));
        cmake.arg(format!("-DV8_INCLUDE_DIR={}", libnode.include.display()));
        cmake.arg(format!("-DV8_LIBRARIES={}", v8.join(";"))).arg(format!("-DCMAKE_EXE_LINKER_FLAGS={rpath}"));
        process::output(&mut cmake)?;
        process::output(Command::new("cmake").arg("--build").arg(&folder))?;
        let program = folder.join("embedder");
        let shared = addon::linkage(&program)?.needed.iter().any(|needed| needed.contains("sentry_profiler"));
        ensure!(shared == (name == "cmake-shared"), "{name}: linked the other way");
        embed(&program).with_context(|| name.to_owned())?;
    }
    let folder = scratch("pkg-config")?;
    let mut make = Command::new("make");
    make.current_dir(&folder).arg("-f").arg(source.join("Makefile")).arg(format!("VPATH={}", source.display()));
    make.arg(format!("V8_INCLUDE_DIR={}", libnode.include.display())).arg(format!("V8_LIBRARIES={}", v8.join(" ")));
    make.arg(format!("LDFLAGS={rpath}")).env("PKG_CONFIG_PATH", lib.join("pkgconfig"));
    process::output(&mut make)?;
    embed(&folder.join("embedder")).context("pkg-config")?;
    Ok("minimal; the README; embedder with CMake (shared, static) and pkg-config".to_owned())
}

/// The C++ of the README, in a function, beside what it leaves to its reader.
fn readme_compiles(dist: &Path, libnode: &Libnode) -> Result<()> {
    const READERS: &str = "#include <string_view>\nvoid log(std::string_view);\nvoid run_javascript(v8::Isolate *);\n\
                           void save(const char *, std::string_view);\n";
    let readme = fs::read_to_string(tree::root().join("README.md"))?;
    let code =
        readme.split_once("```cpp\n").and_then(|(_, rest)| rest.split_once("```")).context("no C++ in the README")?.0;
    let (includes, body) = code.split_once("\n\n").context("the README's C++ begins with its includes")?;
    let source = scratch("readme")?.join("readme.cc");
    fs::write(&source, format!("{includes}\n{READERS}void start(v8::Isolate *isolate) {{\n{body}}}\n"))?;
    let mut compile = Command::new("g++");
    compile.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]).arg(&source);
    compile.arg("-I").arg(dist.join("include")).arg("-isystem").arg(&libnode.include);
    process::output(&mut compile).map(drop).context("the README's C++")
}

/// Runs the embedder against a local ingest.
fn embed(program: &Path) -> Result<()> {
    let out = program.with_file_name("out");
    fs::create_dir_all(&out)?;
    let ingest = sentry_profiler_ingest::Ingest::start()?;
    let mut command = Command::new(program);
    command.arg(tree::root().join("examples/embedder/app.js")).arg("--out").arg(&out).args(["--dsn", &ingest.dsn()]);
    let said = process::output(&mut command)?;
    ensure!(said.contains("fibonacci") && said.contains("posted "), "the embedder says something else:\n{said}");
    has_function(&out.join("profile.cpuprofile"), "fibonacci")?;
    validate(&out)?;
    let received = ingest.received();
    ensure!(received.errors.is_empty(), "the ingest refused a request: {:?}", received.errors);
    ensure!(received.chunks().count() == 1, "the ingest got {} chunks", received.chunks().count());
    let broken: Vec<_> = received.chunks().flat_map(|chunk| chunk.violations.iter().flatten()).collect();
    ensure!(broken.is_empty(), "the ingest got an invalid chunk: {broken:?}");
    Ok(())
}

fn semantics(name: Option<&str>) -> Result<String> {
    let (lib, libnode, folder) = (test_library()?, libnode()?, scratch("semantics")?);
    let source = tree::root().join("tests/semantics");
    let (runner, table) = (source.join("runner.js"), source.join("scenarios.json"));
    let packages = ["--package", "sentry-profiler-semantics", "--package", "sentry-profiler-node"];
    process::run(tree::cargo().arg("build").args(packages))?;
    let built = tree::target()?.join("debug");

    let build = |name: &str, surface: &[PathBuf], libraries: Vec<String>| -> Result<PathBuf> {
        let program = folder.join(name);
        let mut command = compiler("g++", "c++17");
        command.args(["-O1", "-Wall", "-Wextra", "-Werror", "-fno-rtti", "-isystem"]).arg(&libnode.include);
        command.arg(source.join("host.cc")).args(surface).arg("-o").arg(&program).args(libraries);
        command.arg(format!("-Wl,--disable-new-dtags,-rpath,{}", libnode.folder.display()));
        process::output(&mut command).map(|_| program)
    };
    let c = build("c", &[source.join("surface.cc")], shared_with(&lib, &libnode))?;
    let archive = built.join("libsentry_profiler_semantics.a").display().to_string();
    let mut libraries = vec![archive];
    libraries.extend(libnode.libraries.iter().map(|library| library.display().to_string()));
    libraries.extend(PRIVATE_LIBS.map(str::to_owned));
    let rust = build("rust", &[], libraries)?;
    let addon = folder.join("sentry_profiler.node");
    copy(&built.join("libsentry_profiler_node.so"), &addon)?;

    // The embedders' V8 is that of Node 18.
    let mut node = nodes::fetch(nodes::oldest().version)?.command();
    node.env_remove("NODE_OPTIONS").arg(source.join("node.mjs")).arg(&addon);
    let mut surfaces = [("C", Command::new(c)), ("Rust", Command::new(rust)), ("Node", node)];
    let table: Vec<Value> = serde_json::from_str(&fs::read_to_string(&table)?)?;
    let table = named(table, name, |scenario| scenario["name"].as_str().unwrap_or_default())?;
    let chosen = folder.join("scenarios.json");
    fs::write(&chosen, serde_json::to_vec(&table)?)?;
    for (_, command) in &mut surfaces {
        command.arg(&runner).arg(&chosen);
    }

    for (name, command) in &mut surfaces {
        let mut wrong = differences(&table, command)?;
        if !wrong.is_empty() {
            // A machine under load may keep V8 from sampling, or a moment from being short.
            println!("{name} once more, because of {}", wrong.join("; "));
            wrong = differences(&table, command)?;
        }
        ensure!(wrong.is_empty(), "{name} differs from the table:\n{}", wrong.join("\n"));
    }
    Ok(format!("{} scenarios, the same through C, Rust and Node", table.len()))
}

/// Where a surface does not answer what the table says.
fn differences(table: &[Value], surface: &mut Command) -> Result<Vec<String>> {
    let said = process::output(surface)?;
    let results: Vec<Value> = serde_json::from_str(&said).with_context(|| format!("no results:\n{said}"))?;
    ensure!(!table.is_empty() && results.len() == table.len(), "{} of {} scenarios", results.len(), table.len());
    let mut wrong = Vec::new();
    for (scenario, results) in std::iter::zip(table, &results) {
        let steps = scenario["steps"].as_array().context("a scenario has steps")?;
        ensure!(results["name"] == scenario["name"], "{} instead of {}", results["name"], scenario["name"]);
        for (at, step) in steps.iter().enumerate() {
            // Work comes to nothing, and is described without a result.
            let expected = step.as_array().and_then(|words| words.last()).filter(|word| word.is_string());
            let result = &results["results"][at];
            if expected.is_some_and(|expected| result != expected) {
                wrong.push(format!("{}: {step}: {result}", scenario["name"]));
            }
        }
    }
    Ok(wrong)
}

/// A `.cpuprofile` in which the function has been seen.
fn has_function(file: &Path, name: &str) -> Result<()> {
    let text = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    let profile: Value = serde_json::from_slice(&text)?;
    let nodes = profile["nodes"].as_array().context("no nodes")?;
    let seen = nodes.iter().any(|node| node["callFrame"]["functionName"] == name);
    ensure!(seen, "{} has no function {name}", file.display());
    Ok(())
}
