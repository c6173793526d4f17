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
        self.put((number << 1 ^ number >> 63) as u64);
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

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
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
        assert_eq!(columns.into_bytes(), [&[0, 127, 0x80, 1, 0xac, 2, 1, 4, 0][..], &least].concat());
    }
}
