//! The server and the program, over real sockets and pipes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use sentry_profiler_ingest::Ingest;
use serde_json::{Value, json};

fn chunk() -> String {
    json!({
        "chunk_id": "0123456789abcdef0123456789abcdef",
        "profiler_id": "fedcba9876543210fedcba9876543210",
        "client_sdk": {"name": "sentry.javascript.node", "version": "11.1.0"},
        "platform": "node",
        "version": "2",
        "profile": {
            "samples": [
                {"timestamp": 1_700_000_000.000_1, "stack_id": 0, "thread_id": "0"},
                {"timestamp": 1_700_000_000.010_1, "stack_id": 0, "thread_id": "0"}
            ],
            "stacks": [[0]],
            "frames": [{"function": "main", "abs_path": "/app/main.js"}],
            "thread_metadata": {"0": {"name": "main"}}
        }
    })
    .to_string()
}

/// The good chunk, a chunk for another platform, and an item of another kind.
fn envelope() -> String {
    let chunk = chunk();
    [
        "{\"event_id\":\"00000000000000000000000000000001\"}",
        "{\"type\":\"profile_chunk\",\"platform\":\"node\"}",
        &chunk,
        &format!("{{\"type\":\"profile_chunk\",\"platform\":\"javascript\",\"length\":{}}}", chunk.len()),
        &chunk,
        "{\"type\":\"attachment\",\"length\":3}",
        "a\nb",
    ]
    .join("\n")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text.as_bytes()).expect("in memory");
    gzip.finish().expect("in memory")
}

/// Status and JSON body of one HTTP request.
fn request(url: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let address = url.strip_prefix("http://").expect("an HTTP URL");
    let mut stream = TcpStream::connect(address).expect("a listener");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n").expect("sent");
    stream.write_all(body).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).expect("JSON"))
}

fn post(url: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    request(url, "POST", "/api/1/envelope/?sentry_key=public&sentry_version=7", &headers, body)
}

fn get_received(url: &str) -> Value {
    let (status, received) = request(url, "GET", "/received", "", b"");
    assert_eq!(status, 200);
    received
}

fn assert_envelope(envelope: &Value) {
    assert_eq!(envelope["header"]["event_id"], "00000000000000000000000000000001");
    assert!(envelope["received_at_ms"].as_u64().is_some_and(|time| time > 1_700_000_000_000));
    let [good, foreign, attachment] = &envelope["items"].as_array().expect("items")[..] else {
        panic!("three items: {envelope}");
    };
    assert_eq!(good["header"], json!({"type": "profile_chunk", "platform": "node"}));
    assert_eq!(good["payload"].to_string(), chunk());
    assert_eq!(good["bytes"], chunk().len());
    assert_eq!(good["violations"], json!([]));
    assert_eq!(good["summary"]["samples"], 2);
    assert_eq!(good["summary"]["hottest"][0]["function"], "main");
    let violation = "platform: platform: \"node\", but \"javascript\" in the header";
    assert_eq!(foreign["violations"], json!([violation]));
    assert_eq!(foreign["summary"], Value::Null);
    assert_eq!(
        *attachment,
        json!({"header": {"type": "attachment", "length": 3}, "payload": null, "bytes": 3, "violations": null, "summary": null})
    );
}

#[test]
fn envelopes_are_received_plain_gzipped_and_in_pieces() {
    let ingest = Ingest::start().expect("a port");
    let url = ingest.url();
    assert_eq!(ingest.dsn(), format!("{}/1", url.replace("http://", "http://public@")));
    assert_eq!(request(&url, "GET", "/health", "", b""), (200, json!({"ok": true})));
    let accepted = (200, json!({"id": "00000000000000000000000000000001"}));
    assert_eq!(post(&url, "", envelope().as_bytes()), accepted);
    assert_eq!(post(&url, "Content-Encoding: gzip\r\n", &gzip(&envelope())), accepted);
    // As Node's `http` sends a stream.
    let piece = gzip(&envelope());
    let (first, second) = piece.split_at(10);
    let mut pieces = Vec::new();
    for piece in [first, second, &[]] {
        write!(pieces, "{:x}\r\n", piece.len()).expect("in memory");
        pieces.extend_from_slice(piece);
        pieces.extend_from_slice(b"\r\n");
    }
    let headers = "Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(request(&url, "POST", "/api/1/envelope/", headers, &pieces), accepted);

    let received = get_received(&url);
    assert_eq!(received["errors"], json!([]));
    let envelopes = received["envelopes"].as_array().expect("envelopes");
    assert_eq!(envelopes.len(), 3);
    envelopes.iter().for_each(assert_envelope);
    assert_eq!(json!(ingest.received()), received);
    assert_eq!(ingest.received().chunks().count(), 6);

    assert_eq!(request(&url, "POST", "/reset", "Content-Length: 0\r\n", b"").0, 200);
    assert_eq!(get_received(&url), json!({"envelopes": [], "errors": []}));
    post(&url, "", envelope().as_bytes());
    ingest.reset();
    assert!(ingest.received().envelopes.is_empty());
}

#[test]
fn an_invalid_envelope_is_refused_and_reported() {
    let ingest = Ingest::start().expect("a port");
    let url = ingest.url();
    assert_eq!(post(&url, "", b"x").0, 400);
    assert_eq!(post(&url, "Content-Encoding: gzip\r\n", b"x").0, 400);
    assert_eq!(post(&url, "Content-Encoding: br\r\n", b"x").0, 400);
    assert_eq!(request(&url, "GET", "/api/1/envelope/", "", b"").0, 404);
    assert_eq!(request(&url, "POST", "/api/1/store/", "Content-Length: 0\r\n", b"").0, 404);
    let received = ingest.received();
    assert!(received.envelopes.is_empty());
    let errors = &received.errors;
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert_eq!(errors[0], "the envelope's header is not a JSON object");
    assert!(errors[1].starts_with("the body cannot be read"), "{errors:?}");
    assert_eq!(errors[2], "content encoding br is not supported");
}

#[test]
fn the_server_is_gone_once_it_is_dropped() {
    let ingest = Ingest::start().expect("a port");
    let url = ingest.url();
    drop(ingest);
    // The listening thread may take a moment to close its socket.
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(url.strip_prefix("http://").expect("an HTTP URL")).is_ok() {
        assert!(Instant::now() < deadline, "the port is still open");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_program_serves_until_its_input_closes() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ingest"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut line = String::new();
    BufReader::new(program.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let told: Value = serde_json::from_str(&line).expect("JSON");
    let url = told["url"].as_str().expect("a URL");
    assert_eq!(told["dsn"], format!("{}/1", url.replace("http://", "http://public@")));
    assert_eq!(post(url, "", envelope().as_bytes()).0, 200);
    assert_envelope(&get_received(url)["envelopes"][0]);
    drop(program.stdin.take());
    assert!(program.wait().expect("its end").success());
}

#[test]
fn the_program_validates_files() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = |name: &str, content: &str| {
        let path = dir.join(name);
        std::fs::write(&path, content).expect("a file");
        path
    };
    let run = |arguments: &[&std::path::Path]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_ingest")).arg("validate").args(arguments).output().expect("a run");
        (output.status.code(), String::from_utf8(output.stdout).expect("text"))
    };
    let good = file("good.json", &chunk());
    let mixed = file("mixed.envelope", &envelope());
    let (code, told) = run(&[&good]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("good.json: valid, 2 samples (0 idle), 1 stacks, 1 frames, 0.010 s"), "{told}");
    let (code, told) = run(&[&mixed, &good]);
    assert_eq!(code, Some(1), "{told}");
    assert_eq!(told.lines().count(), 3, "{told}");
    assert!(told.contains("mixed.envelope: INVALID: platform:"), "{told}");
    for (name, content, reason) in [
        ("text", "x", "the envelope's header is not a JSON object"),
        ("event", "{}\n{\"type\":\"event\"}\n{}", "no profile chunk in it"),
    ] {
        let (code, told) = run(&[&file(name, content)]);
        assert_eq!(code, Some(1));
        assert!(told.trim_end().ends_with(&format!("{name}: INVALID: {reason}")), "{told}");
    }
    assert_eq!(run(&[&dir.join("absent")]).0, Some(1));
}

#[test]
fn the_program_explains_itself() {
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_ingest")).args(arguments).output().expect("a run");
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(help.stdout.starts_with(b"Usage: ingest"));
    for arguments in [&["validate"][..], &["--port"][..]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stderr.starts_with(b"Usage: ingest"));
    }
}
