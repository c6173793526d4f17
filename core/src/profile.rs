//! [`Profile`]: what was sampled in a stretch of time, in a compact form that knows nothing of V8.
//!
//! A profile is immutable, `Send + Sync`, and built only by [`ProfileBuilder`], which keeps its invariants:
//! indices in range, parents before children, samples in time order, every frame and stack unique, no function without a name.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// The name of a native function that cannot be told apart from others.
pub const NATIVE: &str = "(native)";

/// What kind of code a frame runs, as V8 tells it (`CpuProfileNode::SourceType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// JavaScript or WebAssembly with a script behind it.
    Script,
    /// Code that is part of V8.
    Builtin,
    /// A native function called from JavaScript.
    Callback,
    /// A state of V8 rather than code: `(idle)`, `(program)`, `(garbage collector)`.
    Internal,
    /// V8 could not tell.
    Unresolved,
}

/// A function at its definition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Never empty in a profile: [`ProfileBuilder`] calls a function without a name `<anonymous>` (the processor never
    /// aggregates empty names).
    pub function: Arc<str>,
    /// A plain path for files (also when V8 has a `file://` URL), `node:fs` and the like, or empty when there is no script.
    pub file: Arc<str>,
    /// 1-based line of the definition, 0 when unknown.
    pub line: u32,
    /// 1-based column of the definition, 0 when unknown.
    pub column: u32,
    /// What it runs.
    pub kind: FrameKind,
    /// Whether it is the user's own code: see [`in_app`].
    pub in_app: bool,
}

impl Frame {
    /// Whether it stands for V8 waiting for work rather than for code.
    pub fn is_idle(&self) -> bool {
        self.kind == FrameKind::Internal && &*self.function == "(idle)"
    }

    /// The module that Sentry groups functions by, from the file: see [`module_of`].
    pub fn module(&self) -> String {
        module_of(&self.file)
    }
}

/// Whether a function is the user's own code: a script in a file of the user's, or one that such code compiled.
///
/// Files of the user are paths outside of `node_modules`, and what bundlers name their modules by. `node:fs`, WebAssembly, `data:`
/// URLs and `evalmachine.<anonymous>` are none. What `eval` and `new Function` compile has no file, and belongs to whoever calls it:
/// `caller` is what was found for the caller, `None` when there is none.
pub fn in_app(kind: FrameKind, function: &str, file: &str, caller: Option<bool>) -> bool {
    /// Functions of V8's between JavaScript and WebAssembly, which have no file either.
    const WRAPPERS: [&str; 3] = ["js-to-wasm", "wasm-to-js", "c-wasm-entry"];
    /// How bundlers name the user's modules in development builds.
    const BUNDLERS: [&str; 4] = ["webpack", "webpack-internal", "turbopack", "rsc"];
    /// What Node names code that is in no file, and is not the user's.
    const UNNAMED: [&str; 3] = ["evalmachine.<anonymous>", "[eval]-wrapper", "[worker eval]-wrapper"];
    if kind != FrameKind::Script {
        return false;
    }
    if file.is_empty() {
        return caller.unwrap_or(true) && !WRAPPERS.iter().any(|wrapper| function.starts_with(wrapper));
    }
    !UNNAMED.contains(&file)
        && !file.contains("node_modules")
        && url_scheme(file).is_none_or(|scheme| BUNDLERS.contains(&scheme))
}

/// The scheme of a URL, `None` for a path, also for one that begins with a drive.
fn url_scheme(file: &str) -> Option<&str> {
    let (scheme, _) = file.split_once(':')?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = scheme.len() > 1 && scheme.as_bytes()[0].is_ascii_alphabetic() && scheme.bytes().all(allowed);
    is_scheme.then_some(scheme)
}

/// The module name of a script's path, the way Sentry's Node SDK writes it: everything up to the last `node_modules/`
/// and the extension `.js`, `.mjs` or `.cjs` are dropped, the last separator becomes `:`, the others become `.`.
///
/// `/app/lib/db.js` is `app.lib:db`, `/app/node_modules/@sentry/core/x.mjs` is `@sentry.core:x`, `/app/db.ts` is
/// `app:db.ts`, `node:fs` stays. A `file://` URL is taken as the path it stands for; any other URL gives no module.
pub fn module_of(file: &str) -> String {
    // What the SDK names an error's frames by. Another extension is part of the name.
    const EXTENSIONS: [&str; 3] = [".js", ".mjs", ".cjs"];
    // A backslash is a letter like any other where it separates nothing.
    let (separator, modules) = if cfg!(windows) { ('\\', "node_modules\\") } else { ('/', "node_modules/") };
    let path = plain_path(file);
    if is_url(&path) {
        return String::new();
    }
    let stem = EXTENSIONS.iter().find_map(|extension| path.strip_suffix(extension)).unwrap_or(&path);
    let own = stem.rfind(modules).map_or(stem, |at| &stem[at + modules.len()..]);
    let own = match own.as_bytes() {
        // A drive letter is not part of a module's name.
        [_, b':', ..] if cfg!(windows) => &own[2..],
        _ => own,
    };
    let module = match own.rsplit_once(separator) {
        Some((dir, name)) => format!("{}:{name}", dir.replace(separator, ".")),
        None => own.to_owned(),
    };
    module.strip_prefix('.').map(str::to_owned).unwrap_or(module)
}

/// Whether a script's name is a URL rather than a path: `wasm://…`, `https://…`, `data:…`, `blob:…`. `node:fs` is
/// none.
fn is_url(name: &str) -> bool {
    let Some((scheme, rest)) = name.split_once(':') else { return false };
    // One letter is a drive.
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme && (rest.starts_with("//") || ["data", "blob"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

/// The path that a `file://` URL stands for; anything else as it is.
///
/// ES modules carry URLs where CommonJS modules carry paths; debug images and grouping need one form.
pub fn plain_path(resource: &str) -> std::borrow::Cow<'_, str> {
    let Some(rest) = resource.strip_prefix("file://") else {
        return resource.into();
    };
    // `?query` and `#fragment` tell copies of an ES module apart; they are not part of the file's path.
    let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let rest = match rest.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => &rest[1..],
        _ => rest,
    };
    if !rest.contains('%') {
        return rest.into();
    }
    let bytes = rest.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| rest.get(at + 1..at + 3))
            .flatten()
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escape {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    match String::from_utf8(decoded) {
        Ok(path) => path.into(),
        Err(_) => rest.to_owned().into(),
    }
}

/// A stack as its leaf and the rest: stacks that begin alike share their outer part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The stack of the caller, `None` at the outermost frame; always a smaller index than the stack's own.
    pub parent: Option<u32>,
    /// The leaf: an index into [`Profile::frames`].
    pub frame: u32,
}

/// What ran at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unix time, microseconds.
    pub time_us: i64,
    /// An index into [`Profile::stacks`]; `None` for an idle sample, which ends what the sample before it ran.
    pub stack: Option<u32>,
}

/// One reading of a measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Unix time, microseconds.
    pub time_us: i64,
    /// In the measurement's unit.
    pub value: f64,
}

/// What was measured beside the samples, one reading each 100 ms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// CPU time of the process over wall time times available cores, percent, 0 to 100.
    pub cpu_usage: Vec<Point>,
    /// Used heap of the isolate, bytes.
    pub memory_footprint: Vec<Point>,
}

/// What the samples of one stack add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackTotal {
    /// An index into [`Profile::stacks`].
    pub stack: u32,
    /// How many samples have it.
    pub samples: u64,
    /// How long it ran, microseconds.
    pub time_us: u64,
}

/// A function and how long it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hotspot<'a> {
    /// The function.
    pub frame: &'a Frame,
    /// How long it was the leaf, microseconds.
    pub self_us: u64,
    /// How long it was anywhere on the stack, microseconds; recursion counts once.
    pub total_us: u64,
}

/// A finished profile: shared, immutable, ready for any encoder on any thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    start_us: i64,
    end_us: i64,
    interval_us: u32,
    frames: Vec<Frame>,
    stacks: Vec<Stack>,
    samples: Vec<Sample>,
    measurements: Measurements,
    dropped_samples: u64,
}

impl Profile {
    /// When it began, Unix time in microseconds.
    pub fn start_us(&self) -> i64 {
        self.start_us
    }

    /// When it ended, Unix time in microseconds.
    pub fn end_us(&self) -> i64 {
        self.end_us
    }

    /// The sampling interval asked for, microseconds.
    pub fn interval_us(&self) -> u32 {
        self.interval_us
    }

    /// The distinct functions.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The distinct stacks, as a tree of leaf and caller: each one's parent stands before it.
    pub fn stacks(&self) -> &[Stack] {
        &self.stacks
    }

    /// The samples in time order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// CPU and memory.
    pub fn measurements(&self) -> &Measurements {
        &self.measurements
    }

    /// Samples that came after the maximum was reached and are not in the profile.
    pub fn dropped_samples(&self) -> u64 {
        self.dropped_samples
    }

    /// How many samples are not idle samples.
    pub fn active_samples(&self) -> usize {
        self.samples.iter().filter(|s| s.stack.is_some()).count()
    }

    /// The frames of a stack, leaf first, as indices into [`Profile::frames`].
    pub fn frames_of(&self, stack: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(stack), |&at| self.stacks[at as usize].parent)
            .map(|at| self.stacks[at as usize].frame)
    }

    /// Whether a sample's stack means that nothing ran: an idle sample, or V8's own `(idle)`.
    pub fn is_idle(&self, stack: Option<u32>) -> bool {
        stack.is_none_or(|at| self.frames[self.stacks[at as usize].frame as usize].is_idle())
    }

    /// What each sampled stack adds up to, in order of first use, idle ones left out.
    ///
    /// A sample lasts until the next one, as Sentry's processor weighs it. Where a stretch of work ends, an idle sample says how long
    /// the last one lasts.
    pub fn stack_totals(&self) -> Vec<StackTotal> {
        let mut totals: Vec<StackTotal> = Vec::new();
        let mut slots = vec![None; self.stacks.len()];
        for (at, sample) in self.samples.iter().enumerate() {
            let Some(stack) = sample.stack.filter(|_| !self.is_idle(sample.stack)) else {
                continue;
            };
            let slot = *slots[stack as usize].get_or_insert_with(|| {
                totals.push(StackTotal { stack, samples: 0, time_us: 0 });
                totals.len() - 1
            });
            let next = self.samples.get(at + 1).unwrap_or(sample);
            totals[slot].samples += 1;
            totals[slot].time_us += next.time_us.abs_diff(sample.time_us);
        }
        totals
    }

    /// The `count` functions with the most self time, hottest first; then by total time, then in order of first use.
    pub fn hottest(&self, count: usize) -> Vec<Hotspot<'_>> {
        let mut spots: Vec<Hotspot<'_>> =
            self.frames.iter().map(|frame| Hotspot { frame, self_us: 0, total_us: 0 }).collect();
        let mut counted_for = vec![None; self.frames.len()];
        for total in self.stack_totals() {
            let leaf = self.stacks[total.stack as usize].frame;
            spots[leaf as usize].self_us += total.time_us;
            for frame in self.frames_of(total.stack) {
                // Once a stack, however often the function calls itself in it.
                if counted_for[frame as usize].replace(total.stack) != Some(total.stack) {
                    spots[frame as usize].total_us += total.time_us;
                }
            }
        }
        spots.retain(|spot| spot.total_us > 0);
        spots.sort_by_key(|spot| std::cmp::Reverse((spot.self_us, spot.total_us)));
        spots.truncate(count);
        spots
    }
}

/// Builds a [`Profile`] and merges equal frames and stacks on the way.
#[derive(Debug, Default)]
pub struct ProfileBuilder {
    frames: Vec<Frame>,
    frame_ids: FxHashMap<Frame, u32>,
    stacks: Vec<Stack>,
    stack_ids: FxHashMap<Stack, u32>,
    samples: Vec<Sample>,
    measurements: Measurements,
    max_samples: Option<usize>,
    idle_samples: usize,
    dropped_samples: u64,
}

impl ProfileBuilder {
    /// An empty profile without a limit.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty profile that keeps the first `max_samples` samples, idle ones aside, and counts the others as dropped.
    pub fn with_max_samples(max_samples: usize) -> Self {
        Self { max_samples: Some(max_samples), ..Self::default() }
    }

    /// The index of a frame, the same for equal frames.
    pub fn frame(&mut self, frame: &Frame) -> u32 {
        if let Some(&id) = self.frame_ids.get(frame) {
            return id;
        }
        if frame.function.is_empty() {
            return self.frame(&Frame { function: "<anonymous>".into(), ..frame.clone() });
        }
        let id = self.frames.len() as u32;
        self.frames.push(frame.clone());
        self.frame_ids.insert(frame.clone(), id);
        id
    }

    /// The index of the stack that calls `frame` from `parent`, the same for equal stacks.
    ///
    /// # Panics
    /// When an index did not come from this builder.
    pub fn stack(&mut self, parent: Option<u32>, frame: u32) -> u32 {
        assert!((frame as usize) < self.frames.len(), "frame {frame} is not of this builder");
        assert!(parent.is_none_or(|p| (p as usize) < self.stacks.len()), "stack {parent:?} is not of this builder");
        let stack = Stack { parent, frame };
        // Most stacks call one function only, whose stack was added next: no need to ask the large map.
        let first = parent.map_or(0, |parent| parent + 1);
        if self.stacks.get(first as usize) == Some(&stack) {
            return first;
        }
        let next = self.stacks.len() as u32;
        let id = *self.stack_ids.entry(stack).or_insert(next);
        if id == next {
            self.stacks.push(stack);
        }
        id
    }

    /// How many frames a stack has.
    pub fn depth(&self, stack: u32) -> u32 {
        std::iter::successors(Some(stack), |&at| self.stacks[at as usize].parent).count() as u32
    }

    /// Whether the maximum of samples is reached.
    pub fn is_full(&self) -> bool {
        self.max_samples.is_some_and(|max| self.active_samples() >= max)
    }

    /// Counts a sample that is not kept.
    pub fn drop_sample(&mut self) {
        self.dropped_samples += 1;
    }

    /// Adds an idle sample, which ends what the sample before it ran. The maximum does not count it.
    pub fn idle(&mut self, time_us: i64) {
        self.samples.push(Sample { time_us, stack: None });
        self.idle_samples += 1;
    }

    /// Adds a sample; `stack` is an index from [`ProfileBuilder::stack`], or `None` for an idle sample.
    ///
    /// # Panics
    /// When the index did not come from this builder.
    pub fn sample(&mut self, time_us: i64, stack: Option<u32>) {
        assert!(stack.is_none_or(|s| (s as usize) < self.stacks.len()), "stack {stack:?} is not of this builder");
        if stack.is_none() {
            self.idle(time_us);
        } else if self.is_full() {
            self.drop_sample();
        } else {
            self.samples.push(Sample { time_us, stack });
        }
    }

    /// How many samples there are, idle samples aside.
    pub fn active_samples(&self) -> usize {
        self.samples.len() - self.idle_samples
    }

    /// The frames so far.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The samples so far, in the order in which they were added.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Where readings are added.
    pub fn measurements_mut(&mut self) -> &mut Measurements {
        &mut self.measurements
    }

    /// The finished profile; samples and readings are put in time order (V8's time stamps may step back by some µs).
    pub fn finish(self, start_us: i64, end_us: i64, interval_us: u32) -> Profile {
        let Self { frames, stacks, mut samples, mut measurements, dropped_samples, .. } = self;
        samples.sort_by_key(|s| s.time_us);
        measurements.cpu_usage.sort_by_key(|p| p.time_us);
        measurements.memory_footprint.sort_by_key(|p| p.time_us);
        Profile { start_us, end_us, interval_us, frames, stacks, samples, measurements, dropped_samples }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_named_as_the_sdk_names_them() {
        for (file, module) in [
            ("", ""),
            ("x", "x"),
            ("/x", ":x"),
            ("/app/lib/db.js", "app.lib:db"),
            ("/app/lib/db.mjs", "app.lib:db"),
            ("/app/lib/db.cjs", "app.lib:db"),
            ("/app/src/db.ts", "app.src:db.ts"),
            ("/app/src/db.tsx", "app.src:db.tsx"),
            ("/app/src/db.mts", "app.src:db.mts"),
            ("/app/src/db.min.js", "app.src:db.min"),
            ("/app/src/db.JS", "app.src:db.JS"),
            ("evalmachine.<anonymous>", "evalmachine.<anonymous>"),
            ("file:///app/my%20lib/db.mjs", "app.my lib:db"),
            ("/app/node_modules/a/node_modules/@b/c/index.js", "@b.c:index"),
            ("node:fs", "node:fs"),
            ("node:internal/timers", "node:internal:timers"),
            (".js", ""),
            ("wasm://wasm/6b21a0d2", ""),
            ("data:text/javascript,export default 1", ""),
            ("http://localhost:8080/lib/db.js", ""),
            ("https://example.com/lib/db.js", ""),
            ("blob:nodedata:6b21a0d2", ""),
            ("webpack-internal:///(rsc)/./app/page.js", ""),
            // None of these is a URL.
            ("/app/a://b/db.js", "app.a:..b:db"),
            ("vm:module(0)", "vm:module(0)"),
            ("data/lib/db.js", "data.lib:db"),
        ] {
            assert_eq!(module_of(file), module, "{file}");
        }
    }

    #[test]
    fn urls_become_paths() {
        assert_eq!(plain_path("file:///a/b.mjs"), "/a/b.mjs");
        assert_eq!(plain_path("file:///a/b.mjs?v=1#x"), "/a/b.mjs");
        assert_eq!(plain_path("file:///a/%C3%A4%25.mjs"), "/a/ä%.mjs");
        assert_eq!(plain_path("file:///a/%zz.mjs"), "/a/%zz.mjs");
        assert_eq!(plain_path("file:///a/%ff.mjs"), "/a/%ff.mjs");
        assert_eq!(plain_path("file:///C:/a/b.mjs"), "C:/a/b.mjs");
        assert_eq!(plain_path("node:fs"), "node:fs");
    }

    fn frame(name: &str) -> Frame {
        Frame { function: name.into(), file: "/a.js".into(), line: 1, column: 1, kind: FrameKind::Script, in_app: true }
    }

    #[test]
    fn only_files_of_the_user_are_in_app() {
        for (file, right) in [
            ("/app/a.js", true),
            ("C:\\app\\a.js", true),
            ("views/page.ejs", true),
            ("[eval]", true),
            ("webpack-internal:///(rsc)/./app/page.js", true),
            ("webpack-internal:///./node_modules/a/a.js", false),
            ("/app/node_modules/a/a.js", false),
            ("node:fs", false),
            ("node:internal/main/run_main_module", false),
            ("wasm://wasm/00034eea", false),
            ("data:text/javascript,a()", false),
            ("blob:nodedata:1", false),
            ("https://example.com/a.js", false),
            ("evalmachine.<anonymous>", false),
            ("[eval]-wrapper", false),
        ] {
            assert_eq!(in_app(FrameKind::Script, "a", file, Some(true)), right, "{file}");
            assert!(!in_app(FrameKind::Builtin, "a", file, Some(true)), "{file}");
        }
    }

    #[test]
    fn code_without_a_file_belongs_to_its_caller() {
        let compiled = |caller| in_app(FrameKind::Script, "a", "", caller);
        assert!(compiled(Some(true)) && !compiled(Some(false)), "who compiled it, called it");
        assert!(compiled(None), "a promise's reaction is called by nobody");
        assert!(!in_app(FrameKind::Internal, "(idle)", "", Some(true)));
        assert!(!in_app(FrameKind::Script, "js-to-wasm:i:v", "", Some(true)), "V8's own");
    }

    #[test]
    fn a_function_without_a_name_is_anonymous() {
        let mut builder = ProfileBuilder::new();
        assert_eq!(builder.frame(&frame("")), builder.frame(&frame("<anonymous>")));
        assert_eq!(builder.finish(0, 0, 1).frames(), [frame("<anonymous>")]);
    }

    #[test]
    fn time_goes_to_functions_once_and_idle_time_to_none() {
        let idle = Frame { file: "".into(), kind: FrameKind::Internal, in_app: false, ..frame("(idle)") };
        let mut builder = ProfileBuilder::new();
        let (a, b, idle) = (builder.frame(&frame("a")), builder.frame(&frame("b")), builder.frame(&idle));
        let outer = builder.stack(None, a);
        let inner = builder.stack(Some(outer), b);
        let again = builder.stack(Some(inner), a);
        let idle = builder.stack(None, idle);
        // b 10 µs below a; a 20 µs, calling itself through b; a 5 µs alone; then nothing; what has no sample after it lasts for no time.
        for (time_us, stack) in
            [(0, Some(inner)), (10, Some(again)), (30, Some(outer)), (35, Some(idle)), (100, None), (200, Some(inner))]
        {
            builder.sample(time_us, stack);
        }
        let profile = builder.finish(0, 300, 10);
        let (a, b) = (frame("a"), frame("b"));
        assert_eq!(
            profile.hottest(9),
            [Hotspot { frame: &a, self_us: 25, total_us: 35 }, Hotspot { frame: &b, self_us: 10, total_us: 30 }]
        );
        assert_eq!(profile.hottest(1).len(), 1);
        assert_eq!(
            profile.stack_totals(),
            [
                StackTotal { stack: inner, samples: 2, time_us: 10 },
                StackTotal { stack: again, samples: 1, time_us: 20 },
                StackTotal { stack: outer, samples: 1, time_us: 5 }
            ]
        );
    }

    #[test]
    fn equal_stacks_have_one_index_wherever_they_were_added() {
        let mut builder = ProfileBuilder::new();
        let (a, b) = (builder.frame(&frame("a")), builder.frame(&frame("b")));
        // Some follow their caller, some do not.
        let stacks = [(None, a), (Some(0), a), (Some(1), b), (Some(0), b), (None, b), (Some(4), a), (Some(1), a)];
        for _ in 0..2 {
            let ids: Vec<_> = stacks.iter().map(|&(parent, frame)| builder.stack(parent, frame)).collect();
            assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6]);
        }
        let profile = builder.finish(0, 0, 1);
        assert_eq!((profile.frames().len(), profile.stacks().len()), (2, 7));
    }

    #[test]
    fn a_profile_merges_what_is_equal_and_sorts_by_time() {
        let mut builder = ProfileBuilder::with_max_samples(2);
        let (a, b) = (builder.frame(&frame("a")), builder.frame(&frame("b")));
        assert_eq!(a, builder.frame(&frame("a")));
        let outer = builder.stack(None, a);
        let inner = builder.stack(Some(outer), b);
        assert_eq!(inner, builder.stack(Some(outer), b));
        builder.sample(30, Some(inner));
        builder.sample(10, Some(outer));
        builder.sample(20, None);
        builder.sample(40, Some(inner));
        let profile = builder.finish(0, 50, 10);
        let times: Vec<_> = profile.samples().iter().map(|s| s.time_us).collect();
        assert_eq!(times, [10, 20, 30]);
        assert_eq!(profile.dropped_samples(), 1);
        assert_eq!(profile.active_samples(), 2);
        assert_eq!(profile.frames_of(inner).collect::<Vec<_>>(), [b, a]);
    }
}
