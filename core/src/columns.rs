//! How numbers are written: seven bits a byte, the lowest first, as in protocol buffers.

/// Columns of numbers, one after the other.
#[derive(Default)]
pub struct Columns(Vec<u8>);

impl Columns {
    pub fn put(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A number of either sign, small when it is near 0.
    pub fn put_signed(&mut self, number: i64) {
        self.put(zigzag(number));
    }

    pub fn put_all(&mut self, numbers: impl IntoIterator<Item = u64>) {
        numbers.into_iter().for_each(|number| self.put(number));
    }

    /// Each as its difference from the one before it, the first from `before`.
    pub fn put_steps(&mut self, mut before: i64, numbers: impl IntoIterator<Item = i64>) {
        for number in numbers {
            self.put_signed(number - before);
            before = number;
        }
    }

    /// A text, with its length in bytes before it.
    pub fn put_text(&mut self, text: &str) {
        self.put(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Reads what [`Columns`] holds. `None` where nothing is left, or what is there makes no sense.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub fn small(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length.try_into().ok()?)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

/// A number of either sign as one without, small when it is near 0.
pub fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_take_one_byte() {
        let mut columns = Columns::default();
        columns.put_all([0, 127, 128, 300]);
        columns.put_steps(10, [9, 11, 11]);
        columns.put_signed(i64::MIN);
        let least = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        columns.put_text("é");
        let bytes = columns.into_bytes();
        let mut reader = Reader::new(&bytes);
        assert_eq!([(); 4].map(|()| reader.number()), [0, 127, 128, 300].map(Some));
        assert_eq!([(); 4].map(|()| reader.signed()), [-1, 2, 0, i64::MIN].map(Some));
        assert_eq!((reader.text(), reader.is_at_end(), reader.number()), (Some("é"), true, None));
        assert_eq!(Reader::new(&[0x80; 12]).number(), None, "no number is that long");
        assert_eq!(Reader::new(&[5, b'a']).text(), None, "its end is missing");
        assert_eq!(bytes[..bytes.len() - 3], [&[0, 127, 0x80, 1, 0xac, 2, 1, 4, 0][..], &least].concat());
    }
}
