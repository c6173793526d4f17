//! The ingest as a program: a server for tests in any language, and a validator for files.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use sentry_profiler_ingest::{Ingest, Violation, parse_envelope, validate_chunk};
use serde_json::{Value, json};

const USAGE: &str = "\
Usage: ingest
       ingest validate FILE...

Without arguments it listens on a free port of 127.0.0.1, prints one line of JSON, {\"dsn\": ..., \"url\": ...}, and
serves until its standard input closes:
  POST /api/<project>/envelope/  receives an envelope, plain or gzip, and checks every profile chunk in it
  GET  /received                 everything received, with the rules that each chunk breaks
  POST /reset                    forgets everything received
  GET  /health                   {\"ok\": true}

validate checks files, each a profile chunk's payload or an envelope. It prints a line for each chunk and exits with 1
if one is not valid.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => match serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("ingest: {error}");
                ExitCode::FAILURE
            }
        },
        ["--help" | "-h"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        ["validate", ref files @ ..] if !files.is_empty() => {
            // Check all files, also after an invalid one.
            let invalid = files.iter().filter(|file| !validate(file)).count();
            if invalid == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> io::Result<()> {
    let ingest = Ingest::start()?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", json!({"dsn": ingest.dsn(), "url": ingest.url()}))?;
    stdout.flush()?;
    // The parent process holds the other end. When the parent is gone, exit.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Prints a summary of a file, or what is wrong with it. Returns whether it is valid.
fn validate(file: &str) -> bool {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            println!("{file}: INVALID: {error}");
            return false;
        }
    };
    let chunks = match chunks(&bytes) {
        Ok(chunks) => chunks,
        Err(reason) => {
            println!("{file}: INVALID: {reason}");
            return false;
        }
    };
    let mut valid = true;
    for (header, payload) in chunks {
        match validate_chunk(&header, &payload) {
            Ok(chunk) => {
                println!(
                    "{file}: valid, {} samples ({} idle), {} stacks, {} frames, {:.3} s, {} bytes",
                    chunk.samples,
                    chunk.idle,
                    chunk.stacks,
                    chunk.frames,
                    chunk.end - chunk.start,
                    chunk.bytes
                );
                for warning in chunk.warnings {
                    println!("{file}: warning: {warning}");
                }
            }
            Err(violations) => {
                valid = false;
                let violations: Vec<_> = violations.iter().map(Violation::to_string).collect();
                println!("{file}: INVALID: {}", violations.join("; "));
            }
        }
    }
    valid
}

/// The item headers and payloads in a file. A JSON document is a payload; anything else must be an envelope.
fn chunks(bytes: &[u8]) -> Result<Vec<(Value, Vec<u8>)>, String> {
    if let Ok(payload) = serde_json::from_slice::<Value>(bytes) {
        // A payload alone has no header, so assume one that agrees with it.
        let header = json!({"type": "profile_chunk", "platform": payload["platform"]});
        return Ok(vec![(header, bytes.to_vec())]);
    }
    let envelope = parse_envelope(bytes).map_err(|error| error.to_string())?;
    let items = envelope.items.into_iter().filter(|item| item.header["type"] == "profile_chunk");
    let chunks: Vec<_> = items.map(|item| (item.header, item.payload)).collect();
    if chunks.is_empty() { Err("no profile chunk in it".to_owned()) } else { Ok(chunks) }
}
