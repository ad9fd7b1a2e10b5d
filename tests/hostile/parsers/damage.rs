//! [`damaged`]: the inputs of a target, each made again by its seed.

use rand::RngExt;
use rand::rngs::StdRng;

use crate::target::Target;

/// One to eight changes of a file: bits, bytes, numbers, words, pieces cut out, doubled, or of another file.
pub(crate) fn damaged(target: &Target, random: &mut StdRng) -> Vec<u8> {
    let pick = |random: &mut StdRng, count: usize| random.random_range(0..count.max(1));
    let mut bytes = target.seeds[pick(random, target.seeds.len())].clone();
    for _ in 0..random.random_range(0..=8) {
        if bytes.is_empty() {
            break;
        }
        // Headers decide more than what follows.
        let end = if random.random_bool(0.6) { bytes.len().min(300) } else { bytes.len() };
        let at = pick(random, end);
        let length = random.random_range(1..=64usize).min(bytes.len() - at);
        match random.random_range(0..10) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => drop(bytes.drain(at..at + length)),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                let times = if random.random_bool(0.02) { 2000 } else { random.random_range(1..4) };
                bytes.splice(at..at, piece.repeat(times));
            }
            5 | 6 => {
                let word = target.words[pick(random, target.words.len())];
                let over =
                    if random.random_bool(0.5) { word.len().min(bytes.len() - at) } else { 0 };
                bytes.splice(at..at + over, word.iter().copied());
            }
            7 => {
                let other = &target.seeds[pick(random, target.seeds.len())];
                let from = pick(random, other.len());
                let piece = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            // A number becomes another one.
            8 => {
                let digits = |byte: &u8| byte.is_ascii_digit();
                if let Some(start) = bytes[at..].iter().position(digits).map(|found| at + found) {
                    let stop =
                        start + bytes[start..].iter().take_while(|byte| digits(byte)).count();
                    let value: &[u8] = match random.random_range(0..5) {
                        0 => b"0",
                        1 => b"-1",
                        2 => b"99999999999999999999",
                        3 => b"nan",
                        _ => b"7",
                    };
                    bytes.splice(start..stop, value.iter().copied());
                }
            }
            _ => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xFF),
        }
    }
    if bytes.starts_with(b"\x89PNG") && random.random_bool(0.7) {
        mend_png(&mut bytes);
    }
    bytes
}

/// Makes the sums of a PNG's chunks right, so that what is damaged gets to the decoder.
fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        if end.saturating_add(4) > bytes.len() {
            return;
        }
        let sum = crc32(&bytes[at + 4..end]).to_be_bytes();
        bytes[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
}

/// CRC-32 as PNG's chunks have it (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}
