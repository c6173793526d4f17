//! Source maps: a profile's functions and lines where they were written, as far as the maps of its files say.
//!
//! For what stays on this machine. Sentry's server maps what it gets itself.

mod map;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use map::Map;
use rustc_hash::FxHashMap;

use crate::profile::{Frame, FrameKind, Profile, ProfileBuilder, in_app, plain_path, unescaped};

/// What is larger is passed over.
const MAX_BYTES: u64 = 64 << 20;
/// Where a line was written over more lines than this, it is not known which of them ran: the code is minified.
const MAX_SPREAD: u32 = 8;
/// Packages are often published without the maps that their files name.
const PACKAGES: &str = "node_modules";
/// What says, at a file's end, where its map is.
const REFERENCE: &str = "//# sourceMappingURL=";

/// The maps of files, each read when it is needed first.
#[derive(Default)]
pub struct SourceMaps {
    /// Where maps are that are not where their files say: by the file's name with `.map` at its end.
    folder: Option<PathBuf>,
    files: FxHashMap<Arc<str>, Option<Mapped>>,
    skipped: Vec<String>,
}

/// A file that has a map.
struct Mapped {
    map: Map,
    /// The folder that the map's sources are relative to.
    folder: PathBuf,
    /// By line of the file, from 0: the source and the lines of it that it was written in.
    lines: FxHashMap<u32, Lines>,
}

#[derive(Clone, Copy)]
struct Lines {
    source: usize,
    first: u32,
    last: u32,
}

impl SourceMaps {
    /// Maps where files say that they are.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also looks for `<file's name>.map` in a folder, first.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(folder), ..Self::default() }
    }

    /// The map of a file, as JSON: that of code which was compiled where it ran, whose file is something else.
    pub fn add(&mut self, file: &str, json: &[u8]) {
        let folder = Path::new(file).parent().unwrap_or(Path::new("")).to_owned();
        let read = Map::parse(json).map(|map| Some(Mapped::new(map, folder)));
        self.keep(file.into(), read);
    }

    /// Why maps that are there were not used, a sentence each.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The text of sources that maps have in them, by path and line (from 1).
    pub fn contents(&self) -> BTreeMap<String, Vec<&str>> {
        let mut contents = BTreeMap::new();
        for mapped in self.files.values().flatten() {
            for source in &mapped.map.sources {
                if let Some(text) = &source.text {
                    contents.entry(path_of(&mapped.folder, &source.name)).or_insert_with(|| text.lines().collect());
                }
            }
        }
        contents
    }

    /// Shows a profile's functions and lines where they were written. What has no map stays as it is.
    pub fn apply(&mut self, profile: &mut Profile) {
        if !profile.frames().iter().any(|frame| frame.kind == FrameKind::Script && self.of(&frame.file).is_some()) {
            return;
        }
        let mut builder = ProfileBuilder::new();
        let frames: Vec<_> = profile.frames().iter().map(|frame| builder.frame(&self.frame(frame))).collect();
        let mut stacks = Vec::with_capacity(profile.stacks().len());
        for stack in profile.stacks() {
            let parent = stack.parent.map(|parent| stacks[parent.index()]);
            stacks.push(builder.stack(parent, frames[stack.frame.index()]));
        }
        for sample in profile.samples() {
            match sample.stack {
                Some(stack) => {
                    let leaf = &profile.frames()[profile.stacks()[stack.index()].frame.index()];
                    let line = self.line(&leaf.file, sample.line);
                    builder.sample_in_line(sample.time, stacks[stack.index()], line);
                }
                None => builder.idle(sample.time),
            }
        }
        *builder.measurements_mut() = profile.measurements().clone();
        (0..profile.dropped_samples()).for_each(|_| builder.drop_sample());
        *profile = builder.finish(profile.start(), profile.end(), profile.interval_us());
    }

    fn frame<'f>(&mut self, frame: &'f Frame) -> Cow<'f, Frame> {
        let (Some(line), Some(column)) = (frame.line.checked_sub(1), frame.column.checked_sub(1)) else {
            return Cow::Borrowed(frame);
        };
        let Some(mapped) = self.of(&frame.file).filter(|_| frame.kind == FrameKind::Script) else {
            return Cow::Borrowed(frame);
        };
        let Some(written) = mapped.map.at(line, column).and_then(|token| token.written) else {
            return Cow::Borrowed(frame);
        };
        let source = &mapped.map.sources[written.source].name;
        // What a package was made of is the package's, wherever that was.
        let file = package_path(&frame.file, source).unwrap_or_else(|| path_of(&mapped.folder, source));
        // V8 has a function begin behind its name.
        let length = frame.function.encode_utf16().count() as u32;
        let name = column.checked_sub(length).and_then(|column| {
            let token = mapped.map.at(line, column).filter(|token| token.column == column)?;
            mapped.map.name(token)
        });
        let function = name.map_or_else(|| frame.function.clone(), Arc::from);
        let in_app = frame.in_app && in_app(frame.kind, &function, &file, Some(true));
        let (line, column) = (written.line.saturating_add(1), written.column.saturating_add(1));
        Cow::Owned(Frame { function, file: file.into(), line, column, kind: frame.kind, in_app })
    }

    /// The line in which a line of a file was written; 0 when unknown.
    fn line(&mut self, file: &Arc<str>, line: u32) -> u32 {
        let Some(at) = line.checked_sub(1) else { return 0 };
        let Some(mapped) = self.of(file) else { return line };
        let written = mapped.lines.get(&at).filter(|written| written.last - written.first <= MAX_SPREAD);
        written.map_or(0, |written| written.first.saturating_add(1))
    }

    fn of(&mut self, file: &Arc<str>) -> Option<&Mapped> {
        if !self.files.contains_key(file) {
            let read = read(file, self.folder.as_deref());
            self.keep(file.clone(), read);
        }
        self.files[file].as_ref()
    }

    fn keep(&mut self, file: Arc<str>, read: Result<Option<Mapped>, String>) {
        let mapped = read.unwrap_or_else(|why| {
            self.skipped.push(format!("The source map of {file} is not used: {why}."));
            None
        });
        self.files.insert(file, mapped);
    }
}

impl Mapped {
    fn new(map: Map, folder: PathBuf) -> Self {
        let mut lines: FxHashMap<u32, Lines> = FxHashMap::default();
        for (token, written) in map.tokens().iter().filter_map(|token| Some((token, token.written?))) {
            let line = written.line;
            let lines = lines.entry(token.line).or_insert(Lines { source: written.source, first: line, last: line });
            if lines.source == written.source {
                (lines.first, lines.last) = (lines.first.min(line), lines.last.max(line));
            }
        }
        Self { map, folder, lines }
    }
}

/// The map of a file, `None` if it has none.
fn read(file: &str, folder: Option<&Path>) -> Result<Option<Mapped>, String> {
    let path = Path::new(file);
    let Some(home) = path.parent().filter(|_| path.is_absolute()) else { return Ok(None) };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let other = folder.map(|folder| folder.join(format!("{name}.map"))).filter(|file| file.is_file());
    let (bytes, folder) = match other {
        Some(other) => (bytes_of(&other)?, home.to_owned()),
        None => {
            // What cannot be read was compiled from something else than a file.
            let Ok(script) = bytes_of(path) else { return Ok(None) };
            let Some(reference) = reference(&script) else { return Ok(None) };
            match reference.strip_prefix("data:") {
                Some(data) => (inline(data)?, home.to_owned()),
                None => {
                    let map = home.join(&*plain_path(&reference));
                    // It is a URL; some tools write a path nevertheless.
                    let map = if map.exists() { map } else { home.join(&*unescaped(&plain_path(&reference))) };
                    if !map.exists() {
                        let is_package = file.contains(PACKAGES);
                        return if is_package { Ok(None) } else { Err(format!("there is no {}", map.display())) };
                    }
                    (bytes_of(&map)?, map.parent().unwrap_or(home).to_owned())
                }
            }
        }
    };
    Ok(Some(Mapped::new(Map::parse(&bytes)?, folder)))
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read, {error}", file.display());
    let length = fs::metadata(file).map_err(failed)?.len();
    if length > MAX_BYTES {
        return Err(format!("{} has {} MB", file.display(), length >> 20));
    }
    fs::read(file).map_err(failed)
}

/// What the last comment of that kind says. Only other comments may follow it: the same text in a string is none.
fn reference(script: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(script).ok()?;
    let (_, rest) = text.rsplit_once(REFERENCE)?;
    let mut lines = rest.lines().map(str::trim);
    let reference = lines.next()?;
    let is_url = !reference.is_empty() && !reference.contains([' ', '\t', '"', '\'', '`']);
    let is_end = lines.all(|line| line.is_empty() || line.starts_with("//"));
    (is_url && is_end).then(|| reference.to_owned())
}

/// The content of a `data:` URL.
fn inline(data: &str) -> Result<Vec<u8>, String> {
    let (kind, content) = data.split_once(',').ok_or("its data: URL has no comma")?;
    if !kind.ends_with(";base64") {
        return Err("its data: URL is not in base64".to_owned());
    }
    BASE64_STANDARD.decode(content).map_err(|error| format!("its data: URL is broken, {error}"))
}

/// The path of a source that a bundler named by the root of the package that the file is in: `webpack://next/./src/a.js`.
fn package_path(file: &str, source: &str) -> Option<String> {
    let (folders, rest) = file.rsplit_once(PACKAGES)?;
    let mut parts = rest.get(1..)?.split(['/', '\\']);
    let scope = parts.next()?;
    let name = if scope.starts_with('@') { format!("{scope}/{}", parts.next()?) } else { scope.to_owned() };
    let (_, source) = source.split_once("://").filter(|(scheme, _)| *scheme == "webpack")?;
    let (_, source) = source.split_once('/')?;
    Some(path_of(Path::new(&format!("{folders}{PACKAGES}/{name}")), source))
}

/// The path of a source, relative to the map's folder unless it says where it is.
fn path_of(folder: &Path, source: &str) -> String {
    let source = plain_path(source);
    if source.contains("://") || source.starts_with("node:") {
        return source.into_owned();
    }
    // It is a URL, too.
    let source = unescaped(&source);
    let mut path = PathBuf::new();
    for part in folder.join(&*source).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use oxc_sourcemap::SourceMapBuilder;

    use super::*;
    use crate::time::Unix;

    /// A folder with files, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let name = format!("sentry-profiler-maps-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let folder = Self(std::env::temp_dir().join(name));
            for (name, text) in files {
                let file = folder.0.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            folder
        }

        fn file(&self, name: &str) -> String {
            self.0.join(name).to_str().unwrap().to_owned()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Of a file whose line 2 is `function a(`, written at line 11 as `function add(`; its line 3 at line 12.
    fn map() -> String {
        let mut builder = SourceMapBuilder::default();
        let source = Some(builder.set_source_and_content("../src/add.ts", ""));
        let name = Some(builder.add_name("add"));
        builder.add_token(1, 9, 10, 9, source, name);
        builder.add_token(1, 10, 10, 12, source, None);
        builder.add_token(2, 2, 11, 2, source, None);
        // Of a minified line it is not known where it was written.
        builder.add_token(3, 0, 20, 0, source, None);
        builder.add_token(3, 9, 90, 0, source, None);
        builder.into_sourcemap().to_json_string()
    }

    const SCRIPT: &str = "// made\nfunction a(b) {\n  return b;\n}; more();\n";

    /// The function and the lines of a profile that ran in `a`.
    fn mapped(maps: &mut SourceMaps, file: &str) -> (String, String, u32, u32, Vec<u32>) {
        let mut builder = ProfileBuilder::new();
        let frame = builder.frame(&Frame {
            function: "a".into(),
            file: file.into(),
            line: 2,
            column: 11,
            kind: FrameKind::Script,
            in_app: true,
        });
        let stack = builder.stack(None, frame);
        for line in 0..=4 {
            builder.sample_in_line(Unix::from_us(line.into()), stack, line);
        }
        let mut profile = builder.finish(Unix::from_us(0), Unix::from_us(9), 1);
        maps.apply(&mut profile);
        let Frame { function, file, line, column, .. } = &profile.frames()[0];
        let lines = profile.samples().iter().map(|sample| sample.line).collect();
        (function.to_string(), file.to_string(), *line, *column, lines)
    }

    #[test]
    fn functions_and_lines_are_where_they_were_written() {
        let inline = format!("{SCRIPT}{REFERENCE}data:application/json;base64,{}\n", BASE64_STANDARD.encode(map()));
        let folder = Folder::new(&[
            ("dist/inline.js", &inline),
            ("dist/external.js", &format!("{SCRIPT}{REFERENCE}external.js.map")),
            ("dist/external.js.map", &map()),
            ("dist/elsewhere.js", SCRIPT),
            ("maps/elsewhere.js.map", &map()),
        ]);
        let expected = ("add".to_owned(), folder.file("src/add.ts"), 11, 13, vec![0, 0, 11, 12, 0]);
        for name in ["dist/inline.js", "dist/external.js"] {
            let mut maps = SourceMaps::new();
            assert_eq!(mapped(&mut maps, &folder.file(name)), expected, "{name}");
            assert_eq!(maps.skipped(), [""; 0]);
        }
        let mut maps = SourceMaps::in_folder(folder.0.join("maps"));
        assert_eq!(mapped(&mut maps, &folder.file("dist/elsewhere.js")), expected);
    }

    #[test]
    fn what_has_no_map_or_a_wrong_one_stays_as_it_is() {
        let folder = Folder::new(&[
            ("none.js", SCRIPT),
            ("gone.js", &format!("{SCRIPT}{REFERENCE}gone.js.map")),
            ("broken.js", &format!("{SCRIPT}{REFERENCE}broken.js.map")),
            ("broken.js.map", "{\"version\": 3"),
            ("text.js", &format!("{SCRIPT}{REFERENCE}data:application/json,x")),
            ("string.js", &format!("{SCRIPT}write(`{REFERENCE}data:application/json;base64,${{map}}`);\n")),
            ("node_modules/x/index.js", &format!("{SCRIPT}{REFERENCE}index.js.map")),
        ]);
        let mut maps = SourceMaps::new();
        let files = [
            ("none.js", 0),
            ("string.js", 0),
            ("node_modules/x/index.js", 0),
            ("gone.js", 1),
            ("broken.js", 2),
            ("text.js", 3),
            ("broken.js", 3),
        ];
        for (name, skipped) in files {
            let file = folder.file(name);
            let expected = ("a".to_owned(), file.clone(), 2, 11, vec![0, 0, 2, 3, 4]);
            assert_eq!(mapped(&mut maps, &file), expected, "{name}");
            assert_eq!(maps.skipped().len(), skipped, "{:?}", maps.skipped());
        }
        let why = format!("The source map of {0} is not used: there is no {0}.map.", folder.file("gone.js"));
        assert_eq!(maps.skipped()[0], why);
        assert_eq!(mapped(&mut maps, "node:fs").1, "node:fs");
        assert_eq!(mapped(&mut maps, "/no/such/file.js").1, "/no/such/file.js");
        assert_eq!(maps.skipped().len(), 3);
    }

    #[test]
    fn a_reference_is_the_last_comment() {
        let reference = |end: &str| reference(format!("a();\n{end}").as_bytes());
        assert_eq!(reference("//# sourceMappingURL=a.map\n//# debugId=1\n\n").as_deref(), Some("a.map"));
        assert_eq!(reference("b();//# sourceMappingURL=a.map").as_deref(), Some("a.map"));
        // What bundlers have in strings.
        assert_eq!(reference("s += `//# sourceMappingURL=${url}`;\nb();"), None);
        assert_eq!(reference("s += '//# sourceMappingURL=[url]';b()"), None);
        assert_eq!(reference("s += \"//# sourceMappingURL=\" + url;"), None);
    }

    #[test]
    fn names_of_maps_are_urls() {
        let folder = Folder::new(&[
            ("[a b].js", &format!("{SCRIPT}{REFERENCE}%5Ba%20b%5D.js.map")),
            ("[a b].js.map", &map()),
            ("c%20d.js", &format!("{SCRIPT}{REFERENCE}c%20d.js.map")),
            ("c%20d.js.map", &map()),
        ]);
        for name in ["[a b].js", "c%20d.js"] {
            let mut maps = SourceMaps::new();
            assert_eq!(mapped(&mut maps, &folder.file(name)).0, "add", "{:?}", maps.skipped());
        }
    }

    #[test]
    fn packages_stay_packages() {
        let script = format!("{SCRIPT}{REFERENCE}x.js.map");
        let named = map().replace("../src/add.ts", "webpack://x/./src/add.ts");
        let folder = Folder::new(&[
            ("node_modules/@a/x/dist/x.js", &script),
            ("node_modules/@a/x/dist/x.js.map", &named),
            ("node_modules/y/x.js", &script),
        ]);
        let mut maps = SourceMaps::new();
        assert_eq!(
            mapped(&mut maps, &folder.file("node_modules/@a/x/dist/x.js")).1,
            folder.file("node_modules/@a/x/src/add.ts")
        );
        assert_eq!(mapped(&mut maps, &folder.file("node_modules/y/x.js")).0, "a");
        assert_eq!(maps.skipped(), [""; 0]);
    }

    #[test]
    fn paths_of_sources() {
        let path = |source| path_of(Path::new("/srv/dist"), source);
        assert_eq!(path("../src/./a.ts"), "/srv/src/a.ts");
        assert_eq!(path("/abs/a.ts"), "/abs/a.ts");
        assert_eq!(path("../app/%5Bid%5D/page.jsx"), "/srv/app/[id]/page.jsx");
        assert_eq!(path("file:///abs/a%20b.ts"), "/abs/a b.ts");
        assert_eq!(path("webpack://shop/./src/a.ts"), "webpack://shop/./src/a.ts");
    }
}
