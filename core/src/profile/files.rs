//! Files of scripts: whether they are the user's own, their module in Sentry, and the path of a URL.

use std::path::MAIN_SEPARATOR;

use super::FrameKind;

/// Whether a function is the user's own code: a script in one of the user's files, or one that such code compiled.
///
/// The user's files are paths outside `node_modules`, and names that bundlers give to the user's modules. `node:fs`,
/// WebAssembly, `data:` URLs and `evalmachine.<anonymous>` are not. Code compiled by `eval` and `new Function` has no
/// file and belongs to its caller: `caller` is the caller's result, `None` if there is no caller.
pub fn in_app(kind: FrameKind, function: &str, file: &str, caller: Option<bool>) -> bool {
    /// V8's functions between JavaScript and WebAssembly, which have no file either.
    const WRAPPERS: [&str; 3] = ["js-to-wasm", "wasm-to-js", "c-wasm-entry"];
    /// How bundlers name the user's modules in development builds.
    const BUNDLERS: [&str; 4] = ["webpack", "webpack-internal", "turbopack", "rsc"];
    /// Node's names for code that is in no file and is not the user's.
    const UNNAMED: [&str; 3] = ["evalmachine.<anonymous>", "[eval]-wrapper", "[worker eval]-wrapper"];
    if kind != FrameKind::Script {
        return false;
    }
    if file.is_empty() {
        return caller.unwrap_or(true) && !WRAPPERS.iter().any(|wrapper| function.starts_with(wrapper));
    }
    // There, Vite puts what it makes of the project's own configuration.
    let is_package = file.contains("node_modules") && !file.contains(".vite-temp");
    !UNNAMED.contains(&file) && !is_package && url_scheme(file).is_none_or(|scheme| BUNDLERS.contains(&scheme))
}

/// The scheme of a URL; `None` for a path, including one with a drive.
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
/// On Windows, backslashes separate too, and a drive is left out.
pub fn module_of(file: &str) -> String {
    module_where(file, MAIN_SEPARATOR)
}

/// The module name on a system with that separator. Where a backslash is not one, it is part of the name.
fn module_where(file: &str, separator: char) -> String {
    // The SDK drops these for an error's frames. Another extension is part of the name.
    const EXTENSIONS: [&str; 3] = [".js", ".mjs", ".cjs"];
    const MODULES: &str = "node_modules/";
    let path = plain_path(file);
    if is_url(&path) {
        return String::new();
    }
    let path = if separator == '\\' { without_drive(&path).replace('\\', "/").into() } else { path };
    let stem = EXTENSIONS.iter().find_map(|extension| path.strip_suffix(extension)).unwrap_or(&path);
    let own = stem.rfind(MODULES).map_or(stem, |at| &stem[at + MODULES.len()..]);
    let module = match own.rsplit_once('/') {
        Some((dir, name)) => format!("{}:{name}", dir.replace('/', ".")),
        None => own.to_owned(),
    };
    module.strip_prefix('.').map(str::to_owned).unwrap_or(module)
}

/// A path of Windows without its drive, or the second slash of a network path.
fn without_drive(path: &str) -> &str {
    match path.as_bytes() {
        [drive, b':', ..] if drive.is_ascii_alphabetic() => &path[2..],
        [b'\\', b'\\', ..] => &path[1..],
        _ => path,
    }
}

/// Whether a script's name is a URL rather than a path: `wasm://…`, `https://…`, `data:…`, `blob:…`. `node:fs` is
/// not.
fn is_url(name: &str) -> bool {
    let Some((scheme, rest)) = name.split_once(':') else { return false };
    // One letter is a drive.
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme && (rest.starts_with("//") || ["data", "blob"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

/// The path of a `file://` URL; anything else unchanged.
///
/// ES modules have URLs where CommonJS modules have paths; debug images and grouping need one form.
pub fn plain_path(resource: &str) -> std::borrow::Cow<'_, str> {
    let Some(rest) = resource.strip_prefix("file://") else {
        return resource.into();
    };
    // `?query` and `#fragment` distinguish copies of an ES module and are not part of the file's path.
    let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    let rest = match rest.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => &rest[1..],
        _ => rest,
    };
    unescaped(rest)
}

/// A part of a URL without its `%20` and the like; unchanged where that is no text.
pub fn unescaped(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
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
        Err(_) => text.to_owned().into(),
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
            assert_eq!(module_where(file, '/'), module, "{file}");
        }
    }

    #[test]
    fn modules_of_windows_are_named_without_their_drive() {
        for (file, module) in [
            ("C:\\app\\lib\\db.js", "app.lib:db"),
            ("c:\\app\\src\\db.ts", "app.src:db.ts"),
            ("C:\\db.js", ":db"),
            ("db.js", "db"),
            ("lib\\db.js", "lib:db"),
            ("C:\\app\\node_modules\\a\\node_modules\\@b\\c\\index.js", "@b.c:index"),
            ("\\\\server\\share\\lib\\db.js", "server.share.lib:db"),
            // ES modules.
            ("file:///C:/app/my%20lib/db.mjs", "app.my lib:db"),
            ("file:///C:/app/node_modules/@sentry/core/x.mjs", "@sentry.core:x"),
            ("node:fs", "node:fs"),
            ("node:internal/timers", "node:internal:timers"),
            ("evalmachine.<anonymous>", "evalmachine.<anonymous>"),
            ("https://example.com/lib/db.js", ""),
        ] {
            assert_eq!(module_where(file, '\\'), module, "{file}");
        }
        assert_eq!(module_where("C:\\app\\db.js", '/'), "C:\\app\\db", "a name like any other");
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

    #[test]
    fn only_files_of_the_user_are_in_app() {
        for (file, right) in [
            ("/app/a.js", true),
            ("C:\\app\\a.js", true),
            ("C:/app/a.mjs", true),
            ("\\\\server\\share\\a.js", true),
            ("C:\\app\\node_modules\\a\\a.js", false),
            ("C:/app/node_modules/a/a.mjs", false),
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
        assert!(compiled(Some(true)) && !compiled(Some(false)), "it belongs to its caller");
        assert!(compiled(None), "a promise's reaction has no caller");
        assert!(!in_app(FrameKind::Internal, "(idle)", "", Some(true)));
        assert!(!in_app(FrameKind::Script, "js-to-wasm:i:v", "", Some(true)), "V8's own");
    }
}
