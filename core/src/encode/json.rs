//! Writes JSON into one buffer. A chunk is mostly small integers, for each of which a general serializer makes several
//! calls.

/// A JSON writer. Within an object each value follows its [`key`](Json::key).
#[derive(Default)]
pub(super) struct Json {
    bytes: Vec<u8>,
}

impl Json {
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    pub fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.bytes.push(b'{');
        members(self);
        self.bytes.push(b'}');
    }

    /// The key of the next value. It must not need escapes.
    pub fn key(&mut self, key: &'static str) -> &mut Self {
        self.separate_member();
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(b"\":");
        self
    }

    /// Like [`Json::key`], for any text.
    pub fn text_key(&mut self, key: &str) -> &mut Self {
        self.separate_member();
        self.text(key);
        self.bytes.push(b':');
        self
    }

    fn separate_member(&mut self) {
        if self.bytes.last() != Some(&b'{') {
            self.bytes.push(b',');
        }
    }

    pub fn array<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.bytes.push(b'[');
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.bytes.push(b',');
            }
            write(self, item);
        }
        self.bytes.push(b']');
    }

    pub fn text(&mut self, text: &str) {
        serde_json::to_writer(&mut self.bytes, text).expect("writing to memory cannot fail");
    }

    pub fn boolean(&mut self, value: bool) {
        self.bytes.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub fn integer(&mut self, number: impl itoa::Integer) {
        self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A finite number. Whole numbers have no `.0`.
    pub fn float(&mut self, number: f64) {
        const EXACT: f64 = (1_u64 << 53) as f64;
        if number.fract() == 0.0 && number.abs() < EXACT {
            self.integer(number as i64);
        } else {
            serde_json::to_writer(&mut self.bytes, &number).expect("writing to memory cannot fail");
        }
    }

    /// Microseconds as seconds, exactly: a decimal fraction without trailing zeros.
    pub fn seconds(&mut self, us: i64) {
        const SECOND_US: u64 = 1_000_000;
        let (whole, fraction) = (us.unsigned_abs() / SECOND_US, us.unsigned_abs() % SECOND_US);
        if us < 0 {
            self.bytes.push(b'-');
        }
        self.integer(whole);
        if fraction > 0 {
            // The leading one keeps the zeros after the point.
            let mut digits = itoa::Buffer::new();
            let digits = &digits.format(SECOND_US + fraction)[1..];
            self.bytes.push(b'.');
            self.bytes.extend_from_slice(digits.trim_end_matches('0').as_bytes());
        }
    }

    /// A number in a string, for readers that lose digits of large numbers.
    pub fn quoted_integer(&mut self, number: impl itoa::Integer) {
        self.bytes.push(b'"');
        self.integer(number);
        self.bytes.push(b'"');
    }

    /// Text that is already JSON, or part of it.
    pub fn raw(&mut self, json: &str) {
        self.bytes.extend_from_slice(json.as_bytes());
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Repeats these bytes of what was written before.
    pub fn repeat(&mut self, range: std::ops::Range<usize>) {
        self.bytes.extend_from_within(range);
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    fn written(write: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::default();
        write(&mut json);
        String::from_utf8(json.finish()).unwrap()
    }

    #[test]
    fn values_are_separated_where_they_must_be() {
        let json = written(|json| {
            json.object(|json| {
                json.key("a").array([1, 2, 3], |json, number| json.integer(number));
                json.key("b").object(|_| {});
                json.key("c").object(|json| json.key("d").text("\"\n\u{1f600}"));
                json.key("e").array([(); 0], |_, ()| {});
                json.key("f").boolean(true);
                json.key("g").quoted_integer(u64::MAX);
                json.text_key("\"h\"").object(|json| json.key("i").raw("[1,2]"));
            });
        });
        let expected =
            r#"{"a":[1,2,3],"b":{},"c":{"d":"\"\n😀"},"e":[],"f":true,"g":"18446744073709551615","\"h\"":{"i":[1,2]}}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn numbers_are_short_and_exact() {
        for (number, text) in
            [(0.0, "0"), (-3.0, "-3"), (12.5, "12.5"), (1e300, "1e+300"), (f64::MIN, "-1.7976931348623157e+308")]
        {
            assert_eq!(written(|json| json.float(number)), text);
            assert_eq!(text.parse(), Ok(number));
        }
    }

    #[test]
    fn seconds_are_those_of_a_correctly_rounded_division() {
        for us in [
            0,
            1,
            -1,
            10,
            999_999,
            1_000_000,
            -1_500_000,
            1_700_000_000_000_123,
            1_700_000_000_120_000,
            4_102_444_800_000_001,
        ] {
            let text = written(|json| json.seconds(us));
            assert_eq!(text.parse(), Ok(us as f64 / 1e6), "{text}");
            assert!(!text.contains('.') || !text.ends_with('0'), "{text}");
        }
    }
}
