//! Whose code a frame is, and where, as people read it.

use super::{Frame, FrameKind};

/// Whose code a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The user's: what [`Frame::in_app`] says.
    Own,
    /// Other scripts: packages, WebAssembly, and what has no file of the user's.
    Dependency,
    /// The part of Node that is written in JavaScript.
    Node,
    /// Functions of V8 and of add-ons, and all other states of V8.
    Native,
    /// Garbage collection.
    Collector,
}

impl Origin {
    pub const ALL: [Self; 5] = [Self::Own, Self::Dependency, Self::Node, Self::Native, Self::Collector];

    pub fn of(frame: &Frame) -> Self {
        match (frame.kind, &*frame.file) {
            _ if frame.in_app => Self::Own,
            (_, file) if file.starts_with("node:") => Self::Node,
            (FrameKind::Internal, "") if &*frame.function == "(garbage collector)" => Self::Collector,
            (FrameKind::Builtin | FrameKind::Callback | FrameKind::Internal | FrameKind::Unresolved, "") => {
                Self::Native
            }
            _ => Self::Dependency,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own code",
            Self::Dependency => "dependency",
            Self::Node => "Node",
            Self::Native => "native",
            Self::Collector => "GC",
        }
    }
}

/// Paths as short as they can be understood: those of the user's files begin in the folder that they have in common,
/// those of packages with the package's name.
pub struct Places<'a> {
    folder: &'a str,
}

impl<'a> Places<'a> {
    pub fn of(frames: impl IntoIterator<Item = &'a Frame>) -> Self {
        let own = frames.into_iter().filter(|frame| frame.in_app && is_absolute(&frame.file));
        let folder = own.map(|frame| folder_of(&frame.file)).reduce(common).unwrap_or("");
        // The root of a file system, or of a drive, says nothing.
        Self { folder: if folder.matches(SEPARATORS).count() < 2 { "" } else { folder } }
    }

    /// What the user's files have in common, with the separator at its end; empty where that is nothing.
    pub fn folder(&self) -> &'a str {
        self.folder
    }

    /// A frame's short path, without its line. Empty where there is no file.
    pub fn path<'f>(&self, frame: &'f Frame) -> &'f str {
        const PACKAGES: &str = "node_modules";
        let file = &*frame.file;
        if frame.in_app && !self.folder.is_empty() {
            return file.strip_prefix(self.folder).unwrap_or(file);
        }
        let mut folders = file.rmatch_indices(PACKAGES).map(|(at, _)| &file[at + PACKAGES.len()..]);
        folders.find_map(|rest| rest.strip_prefix(SEPARATORS)).filter(|path| !path.is_empty()).unwrap_or(file)
    }
}

const SEPARATORS: [char; 2] = ['/', '\\'];

fn is_absolute(file: &str) -> bool {
    matches!(file.as_bytes(), [b'/', ..] | [_, b':', b'/' | b'\\', ..])
}

fn folder_of(file: &str) -> &str {
    file.rfind(SEPARATORS).map_or("", |at| &file[..=at])
}

/// What two folders have in common, in whole folders.
fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let end = one.as_bytes()[..same].iter().rposition(|byte| matches!(byte, b'/' | b'\\'));
    end.map_or("", |at| &one[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProfileBuilder, Unix};

    fn frame(function: &str, file: &str, kind: FrameKind, in_app: bool) -> Frame {
        Frame { function: function.into(), file: file.into(), line: 1, column: 1, kind, in_app }
    }

    #[test]
    fn every_frame_has_an_origin() {
        use FrameKind::*;
        for (function, file, kind, in_app, origin) in [
            ("a", "/app/a.js", Script, true, Origin::Own),
            ("compiled", "", Script, true, Origin::Own),
            ("compiled", "", Script, false, Origin::Dependency),
            ("a", "/app/node_modules/a/a.js", Script, false, Origin::Dependency),
            ("f", "wasm://wasm/00034eea", Script, false, Origin::Dependency),
            ("read", "node:fs", Script, false, Origin::Node),
            ("read", "node:fs", Unresolved, false, Origin::Node),
            ("push", "", Builtin, false, Origin::Native),
            ("(native)", "", Callback, false, Origin::Native),
            ("(program)", "", Internal, false, Origin::Native),
            ("(garbage collector)", "", Internal, false, Origin::Collector),
            ("(garbage collector)", "/app/a.js", Script, true, Origin::Own),
        ] {
            assert_eq!(Origin::of(&frame(function, file, kind, in_app)), origin, "{function} {file} {kind:?}");
        }
    }

    fn paths(files: &[(&str, bool)]) -> (String, Vec<String>) {
        let mut builder = ProfileBuilder::new();
        for (file, in_app) in files {
            builder.frame(&frame("a", file, FrameKind::Script, *in_app));
        }
        let profile = builder.finish(Unix::from_us(0), Unix::from_us(0), 1);
        let places = Places::of(profile.frames());
        let paths = profile.frames().iter().map(|frame| places.path(frame).to_owned()).collect();
        (places.folder().to_owned(), paths)
    }

    #[test]
    fn paths_are_short() {
        let (folder, short) = paths(&[
            ("/srv/shop/src/main.js", true),
            ("/srv/shop/src/db/query.js", true),
            ("/srv/shop/src-gen/a.js", true),
            ("[eval]", true),
            ("/srv/node_modules/lodash/map.js", false),
            ("/srv/node_modules/.pnpm/x@1/node_modules/@a/x/dist/i.js", false),
            ("/srv/my_node_modules/", false),
            ("node:fs", false),
            ("", false),
        ]);
        assert_eq!(folder, "/srv/shop/");
        let expected = [
            "src/main.js",
            "src/db/query.js",
            "src-gen/a.js",
            "[eval]",
            "lodash/map.js",
            "@a/x/dist/i.js",
            "/srv/my_node_modules/",
            "node:fs",
            "",
        ];
        assert_eq!(short, expected);
    }

    #[test]
    fn one_file_is_its_name_and_a_root_is_no_folder() {
        assert_eq!(paths(&[("/srv/shop/main.js", true)]), ("/srv/shop/".to_owned(), vec!["main.js".to_owned()]));
        let apart = ["/srv/é.js", "/srv2/ê.js"];
        assert_eq!(paths(&apart.map(|file| (file, true))), (String::new(), apart.map(str::to_owned).to_vec()));
        let windows = paths(&[(r"C:\app\a\b.js", true), (r"C:\app\c.js", true)]);
        assert_eq!(windows, (r"C:\app\".to_owned(), vec![r"a\b.js".to_owned(), "c.js".to_owned()]));
        assert_eq!(paths(&[(r"C:\a\b.js", true), (r"C:\c\d.js", true)]).0, "");
    }
}
