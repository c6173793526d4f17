//! Makes the viewer of reports: its style and scripts, compressed, in the shell of a page.

fn main() {
    println!("cargo::rerun-if-changed=src/report/viewer");
    #[cfg(feature = "report")]
    viewer::make();
}

#[cfg(feature = "report")]
mod viewer {
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use flate2::Compression;
    use flate2::write::DeflateEncoder;
    use sha2::{Digest, Sha256};

    /// Those first that others import.
    const MODULES: [&str; 15] = [
        "dom",
        "data",
        "times",
        "folding",
        "tree",
        "cpuprofile",
        "state",
        "header",
        "axis",
        "timeline",
        "chart",
        "flame",
        "tables",
        "keys",
        "main",
    ];

    pub fn make() {
        let read = |name: &str| {
            let file = Path::new("src/report/viewer").join(name);
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        };
        let modules = MODULES.map(|name| read(&format!("{name}.js")));
        let (style, loader, script) = (read("style.css"), joined(&[read("loader.js")]), joined(&modules));
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}' '{}'; base-uri 'none'; form-action 'none'",
            hash(&style),
            hash(&loader),
            hash(&script)
        );
        let page = read("page.html")
            .replace("{policy}", &policy)
            .replace("{style}", &packed(&style))
            .replace("{loader}", &loader)
            .replace("{viewer}", &packed(&script));
        let dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
        let (before, after) = page.split_once("{data}").expect("the page has a place for the data");
        for (name, part) in [("viewer-before.html", before), ("viewer-after.html", after)] {
            fs::write(dir.join(name), part).expect("the folder can be written to");
        }
    }

    /// Modules as one script, without imports, indentation and comments that fill lines: they share one scope, so
    /// names are unique in all of them.
    fn joined(modules: &[String]) -> String {
        let mut script = String::from("'use strict';");
        for module in modules {
            let (mut in_import, mut in_comment) = (false, false);
            for line in module.lines().map(str::trim) {
                in_import |= line.starts_with("import ");
                in_comment |= line.starts_with("/**");
                if !in_import && !in_comment && !line.is_empty() && !line.starts_with("//") {
                    script.push('\n');
                    script.push_str(line.strip_prefix("export ").unwrap_or(line));
                }
                in_import &= !line.ends_with("';");
                in_comment &= !line.ends_with("*/");
            }
        }
        script
    }

    fn hash(text: &str) -> String {
        format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
    }

    fn packed(text: &str) -> String {
        let mut encoder = DeflateEncoder::new(vec![], Compression::best());
        let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        BASE64_STANDARD.encode(packed.expect("writing to memory cannot fail"))
    }
}
