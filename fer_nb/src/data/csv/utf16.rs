//! [`Utf16`]: text in UTF-16 as UTF-8, piece by piece.

use std::io::{self, Read};

/// Reads UTF-16 that begins with its byte-order mark as UTF-8 without one; what is no character becomes �.
pub(super) struct Utf16<R> {
    from: R,
    /// Turns two bytes into a unit; `None` before the mark was read.
    unit: Option<fn([u8; 2]) -> u16>,
    /// The first half of a character of two units.
    high: Option<u16>,
    /// What is decoded and not yet asked for, from `at`.
    text: String,
    at: usize,
}

/// Bytes that are decoded at once.
const PIECE: u64 = 64 << 10;

impl<R: Read> Utf16<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, unit: None, high: None, text: String::new(), at: 0 }
    }

    /// Decodes the next piece; an empty one at the end.
    fn decode(&mut self) -> io::Result<()> {
        self.text.clear();
        self.at = 0;
        let mut bytes = Vec::new();
        while self.text.is_empty() {
            bytes.clear();
            self.from.by_ref().take(PIECE).read_to_end(&mut bytes)?;
            let (mut pairs, _) = bytes.as_chunks::<2>();
            let unit = match (self.unit, pairs) {
                (Some(unit), _) => unit,
                (None, [mark, rest @ ..]) => {
                    pairs = rest;
                    let unit: fn([u8; 2]) -> u16 =
                        if *mark == [0xFE, 0xFF] { u16::from_be_bytes } else { u16::from_le_bytes };
                    *self.unit.insert(unit)
                }
                (None, []) => u16::from_le_bytes,
            };
            let ends = (bytes.len() as u64) < PIECE;
            let units = self.high.take().into_iter().chain(pairs.iter().map(|pair| unit(*pair)));
            let mut units: Vec<u16> = units.collect();
            // A pair of units may be cut in two at the piece's end.
            if !ends && units.last().is_some_and(|unit| (0xD800..0xDC00).contains(unit)) {
                self.high = units.pop();
            }
            let text = char::decode_utf16(units);
            self.text.extend(text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
            if ends {
                break;
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == self.text.len() {
            self.decode()?;
        }
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest.len().min(to.len());
        for (to, from) in to.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_at_any_place() {
        // Of one unit and of two: wherever a piece ends, it is within some of them.
        for spare in 0..3 {
            let text = "é".repeat(spare) + &"😀a".repeat(40_000) + "z";
            for (mark, to) in
                [(0xFEFFu16, u16::to_le_bytes as fn(u16) -> [u8; 2]), (0xFEFF, u16::to_be_bytes)]
            {
                let units = std::iter::once(mark).chain(text.encode_utf16());
                let bytes: Vec<u8> = units.flat_map(to).collect();
                let mut found = String::new();
                Utf16::new(&bytes[..]).read_to_string(&mut found).unwrap();
                assert!(found == text);
            }
        }
        let broken = [0xFF, 0xFE, b'a', 0, 0x00, 0xD8, b'b', 0, b'c'];
        let mut found = String::new();
        Utf16::new(&broken[..]).read_to_string(&mut found).unwrap();
        assert_eq!(found, "a\u{FFFD}b");
        assert_eq!(Utf16::new(&b""[..]).read(&mut [0]).unwrap(), 0);
    }
}
