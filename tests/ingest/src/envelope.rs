//! The grammar of envelopes: a header line, then items, each a header line and a payload.

use serde_json::Value;

/// What a request to `/api/<project>/envelope/` carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// A JSON object.
    pub header: Value,
    /// The items in order.
    pub items: Vec<Item>,
}

/// One item.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// A JSON object with a `type`.
    pub header: Value,
    /// The payload's bytes, unchanged.
    pub payload: Vec<u8>,
}

/// Why bytes are not an envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The first line, or an item's, is not a JSON object.
    #[error("{0} is not a JSON object")]
    Header(String),
    /// An item's header has no `type`.
    #[error("item {0} has no type")]
    Type(usize),
    /// An item's `length` is not a non-negative whole number.
    #[error("item {0} has an invalid length")]
    Length(usize),
    /// An item's payload ends before its `length` says so.
    #[error("the payload of item {item} has {available} of {length} bytes")]
    Truncated {
        /// Its index.
        item: usize,
        /// The length in its header.
        length: u64,
        /// The number of bytes present.
        available: usize,
    },
    /// An item's payload goes on after its `length`.
    #[error("the payload of item {0} is longer than its length")]
    TooLong(usize),
}

/// Reads an envelope. A payload is as long as its header's `length` says, or ends with its line.
///
/// # Errors
/// If the bytes break the grammar.
pub fn parse_envelope(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    let (line, mut rest) = split_line(bytes);
    let header = object(line).ok_or_else(|| EnvelopeError::Header("the envelope's header".into()))?;
    let mut items = Vec::new();
    while !rest.is_empty() {
        let number = items.len();
        let (line, after) = split_line(rest);
        // Empty lines may follow the last item.
        if line.is_empty() {
            rest = after;
            continue;
        }
        let header = object(line).ok_or_else(|| EnvelopeError::Header(format!("the header of item {number}")))?;
        if !header["type"].is_string() {
            return Err(EnvelopeError::Type(number));
        }
        let payload;
        (payload, rest) = match header.get("length") {
            None => split_line(after),
            Some(length) => {
                let length = length.as_u64().ok_or(EnvelopeError::Length(number))?;
                let cut = usize::try_from(length).ok().and_then(|length| after.split_at_checked(length));
                let available = after.len();
                let (payload, tail) = cut.ok_or(EnvelopeError::Truncated { item: number, length, available })?;
                match tail {
                    [] => (payload, tail),
                    [b'\n', tail @ ..] => (payload, tail),
                    _ => return Err(EnvelopeError::TooLong(number)),
                }
            }
        };
        items.push(Item { header, payload: payload.to_vec() });
    }
    Ok(Envelope { header, items })
}

/// The first line without its end, and what follows.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

fn object(line: &[u8]) -> Option<Value> {
    serde_json::from_slice(line).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(bytes: &str) -> Vec<String> {
        let envelope = parse_envelope(bytes.as_bytes()).expect(bytes);
        envelope.items.into_iter().map(|item| String::from_utf8(item.payload).expect("text")).collect()
    }

    #[test]
    fn payloads_end_where_their_length_or_their_line_ends() {
        let none: [&str; 0] = [];
        assert_eq!(payloads("{}"), none);
        assert_eq!(payloads("{}\n"), none);
        assert_eq!(payloads("{}\n{\"type\":\"a\"}\nx\n{\"type\":\"b\"}\ny"), ["x", "y"]);
        assert_eq!(
            payloads("{}\n{\"type\":\"a\",\"length\":3}\nx\ny\n{\"type\":\"b\",\"length\":0}\n\n\n"),
            ["x\ny", ""]
        );
        assert_eq!(payloads("{}\n{\"type\":\"a\",\"length\":2}\nxy"), ["xy"]);
        assert_eq!(payloads("{}\n{\"type\":\"a\"}"), [""]);
    }

    #[test]
    fn broken_envelopes_are_refused() {
        for (bytes, error) in [
            ("", "the envelope's header is not a JSON object"),
            ("[]", "the envelope's header is not a JSON object"),
            ("{}\nx", "the header of item 0 is not a JSON object"),
            ("{}\n{}\nx", "item 0 has no type"),
            ("{}\n{\"type\":\"a\",\"length\":-1}\nx", "item 0 has an invalid length"),
            ("{}\n{\"type\":\"a\",\"length\":9}\nx", "the payload of item 0 has 1 of 9 bytes"),
            ("{}\n{\"type\":\"a\",\"length\":1}\nxy", "the payload of item 0 is longer than its length"),
        ] {
            assert_eq!(parse_envelope(bytes.as_bytes()).expect_err(bytes).to_string(), error);
        }
    }
}
