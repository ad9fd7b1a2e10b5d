//! The first bytes of a gzip file's content, which show the format of the packed file.

/// The number of bytes to unpack: a tar header.
const WANTED: usize = 512;

/// The number of bytes of a gzip file that [`gzip_head`] needs at most: a header with a name, two tables of codes,
/// and [`WANTED`] incompressible bytes.
pub(super) const NEEDED: usize = 4096;

/// The beginning of the content of a gzip file with this beginning; `None` if it is damaged before any content.
pub(super) fn gzip_head(bytes: &[u8]) -> Option<Vec<u8>> {
    let [0x1F, 0x8B, 8, flags, _, _, _, _, _, _, rest @ ..] = bytes else { return None };
    let mut rest = rest;
    if flags & 4 != 0 {
        let [low, high, more @ ..] = rest else { return None };
        rest = more.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    // The file name, and a comment.
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    let mut bits = Bits { bytes: rest, at: 0 };
    let mut out = Vec::new();
    let whole = inflate(&mut bits, &mut out);
    (whole.is_some() || !out.is_empty()).then_some(out)
}

/// A stream of bits, from the lowest bit of each byte.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<usize> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = usize::from(byte >> (self.at % 8) & 1);
        self.at += 1;
        Some(bit)
    }

    fn number(&mut self, bits: usize) -> Option<usize> {
        (0..bits).try_fold(0, |number, place| Some(number | self.bit()? << place))
    }
}

/// A Huffman code by RFC 1951, 3.2.2: the number of codes of each length, and the symbols by length and value.
struct Code {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Code {
    fn of(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        for length in lengths {
            if let Some(count) = counts.get_mut(*length) {
                *count += 1;
            }
        }
        counts[0] = 0;
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|at| lengths[*at] > 0).collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        Self { counts, symbols }
    }

    fn symbol(&self, bits: &mut Bits) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.bit()?;
            if code < first + count {
                return self.symbols.get(index + code - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// Unpacks blocks until there are [`WANTED`] bytes or the data ends; `None` if the data ends before.
fn inflate(bits: &mut Bits, out: &mut Vec<u8>) -> Option<()> {
    loop {
        let is_last = bits.bit()? == 1;
        match bits.number(2)? {
            0 => stored(bits, out)?,
            1 => {
                let lengths: Vec<usize> = (0..288)
                    .map(|symbol| match symbol {
                        0..144 => 8,
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                block(bits, out, &Code::of(&lengths), &Code::of(&[5; 30]))?;
            }
            2 => {
                let (literals, distances) = codes(bits)?;
                block(bits, out, &literals, &distances)?;
            }
            _ => return None,
        }
        if is_last || out.len() >= WANTED {
            return Some(());
        }
    }
}

fn stored(bits: &mut Bits, out: &mut Vec<u8>) -> Option<()> {
    bits.at = bits.at.next_multiple_of(8);
    let length = bits.number(16)?;
    bits.number(16)?;
    for _ in 0..length.min(WANTED) {
        out.push(bits.number(8)? as u8);
    }
    bits.at += 8 * length.saturating_sub(WANTED);
    Some(())
}

/// Reads the codes at the beginning of a block, which are encoded with another code.
fn codes(bits: &mut Bits) -> Option<(Code, Code)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, distances) = (bits.number(5)? + 257, bits.number(5)? + 1);
    let count = bits.number(4)? + 4;
    let mut lengths = [0; 19];
    for place in ORDER.iter().take(count) {
        lengths[*place] = bits.number(3)?;
    }
    let code = Code::of(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.symbol(bits)? {
            16 => (*lengths.last()?, 3 + bits.number(2)?),
            17 => (0, 3 + bits.number(3)?),
            18 => (0, 11 + bits.number(7)?),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    let (first, rest) = lengths.split_at(literals);
    Some((Code::of(first), Code::of(rest.get(..distances)?)))
}

fn block(bits: &mut Bits, out: &mut Vec<u8>, literals: &Code, distances: &Code) -> Option<()> {
    while out.len() < WANTED {
        let symbol = literals.symbol(bits)?;
        if symbol < 256 {
            out.push(symbol as u8);
            continue;
        }
        if symbol == 256 {
            return Some(());
        }
        let length = match symbol - 257 {
            28 => 258,
            symbol if symbol < 28 => {
                let (least, more) = length_of(symbol);
                least + bits.number(more)?
            }
            _ => return None,
        };
        let symbol = distances.symbol(bits)?;
        let (least, more) = distance_of(symbol)?;
        let distance = least + bits.number(more)?;
        for _ in 0..length {
            let byte = *out.get(out.len().checked_sub(distance)?)?;
            out.push(byte);
        }
    }
    Some(())
}

/// The minimum length of the symbol 257 + `symbol`, for `symbol` below 28, and the number of bits added to it: RFC
/// 1951, 3.2.5.
fn length_of(symbol: usize) -> (usize, usize) {
    match symbol {
        0..8 => (3 + symbol, 0),
        _ => {
            let more = symbol / 4 - 1;
            (3 + ((4 + symbol % 4) << more), more)
        }
    }
}

/// The minimum distance of a symbol, and the number of bits added to it.
fn distance_of(symbol: usize) -> Option<(usize, usize)> {
    match symbol {
        0..4 => Some((1 + symbol, 0)),
        4..30 => {
            let more = symbol / 2 - 1;
            Some((1 + ((2 + symbol % 2) << more), more))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }

    /// Python's gzip.compress made these.
    const DYNAMIC: &str = "1f8b0800000000000203ed51c1110421086b85120451b4ffc62e0916718ffdec0e06921086b9a55df36db16c6ecb6b3b\
        edb8f918e6817f2650745cb4a067d89cb60ff0d5d85978475d1c749fe84e0b94e02c5433303b31b7978a184ee8dc6e4c\
        d75c36cb2a91c6d3d88eb95b12cff61270486f31e4d4ab68db1775c15f58c7e3dad037f5e28db3ade492b3e220173849\
        0d05080d69429a0e08c190b683bfe796ae4f27c64db0d1662adc9145c948efdf79c865b39c9719b283c6642acc94e2ca\
        985874f647b9c0e0d469c0a975a8f45decbbd877b1bfbad80f7161fd5748050000";
    const FIXED: &str = "1f8b08000000000002034bcdcd2fc9cccf5348c54e0300b5bda2981f000000";
    const NAMED: &str = "1f8b08080000000000ff666572323031332e63737600010e00f1ff656d6f74696f6e2c706978656c736deda0980e0000\
        00";

    #[test]
    fn the_beginning_is_unpacked() {
        let text = gzip_head(&hex(DYNAMIC)).unwrap();
        let expected: String = (0..400).map(|n| format!("{} ", n * n % 256)).collect();
        assert!(text.len() >= WANTED && expected.as_bytes().starts_with(&text[..WANTED]));
        assert_eq!(gzip_head(&hex(NAMED)).unwrap(), b"emotion,pixels");
        assert_eq!(gzip_head(&hex(FIXED)).unwrap(), b"emotion emotion emotion emotion");
    }

    #[test]
    fn what_is_cut_or_damaged_ends() {
        let whole = hex(DYNAMIC);
        for length in 0..whole.len() {
            let _ = gzip_head(&whole[..length]);
            for value in [0, 0xFF, whole[length] ^ 0x55] {
                let mut damaged = whole.clone();
                damaged[length] = value;
                let _ = gzip_head(&damaged);
            }
        }
        assert_eq!(gzip_head(b"\x1F\x8B\x08"), None);
        assert_eq!(gzip_head(b""), None);
    }
}
