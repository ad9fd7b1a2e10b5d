//! [`is_damaged_png`]: checks the checksum of a PNG file's pixels, which the decoder ignores.

use fdeflate::{DecompressionError, Decompressor};

/// The maximum distance of back references in compressed data.
const WINDOW: usize = 32 << 10;
/// The number of bytes to unpack at once, in addition to the window.
const PIECE: usize = 128 << 10;

/// Whether the Adler-32 (RFC 1950) after the compressed pixels of a PNG file (RFC 2083) is wrong or missing.
/// `false` also for files that the decoder rejects, and for data that continues after `most` bytes, which is not
/// pixels.
pub(crate) fn is_damaged_png(bytes: &[u8], most: u64) -> bool {
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut unpacker = Decompressor::new();
    let mut unpacked = vec![0; WINDOW + PIECE];
    let (mut at, mut count) = (0, 0u64);
    let mut has_data = false;
    // Length, name, data and CRC-32 of each chunk.
    while let Some((length, after)) = rest.split_first_chunk::<4>()
        && let Some((name, after)) = after.split_first_chunk::<4>()
        && let Some((mut data, after)) =
            after.split_at_checked(u32::from_be_bytes(*length) as usize)
    {
        rest = after.get(4..).unwrap_or_default();
        if name != b"IDAT" {
            continue;
        }
        has_data = true;
        loop {
            if at == unpacked.len() {
                unpacked.copy_within(at - WINDOW.., 0);
                at = WINDOW;
            }
            let (read, written) = match unpacker.read(data, &mut unpacked, at, false) {
                Ok(counts) => counts,
                // The decoder reports all other errors.
                Err(error) => return matches!(error, DecompressionError::WrongChecksum),
            };
            data = data.get(read..).unwrap_or_default();
            at += written;
            count += written as u64;
            if unpacker.is_done() || count > most {
                return false;
            }
            if read == 0 && written == 0 {
                break;
            }
        }
    }
    // The data is complete, but its checksum is missing.
    has_data && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat};

    use super::*;

    #[test]
    fn a_wrong_sum_is_noticed() {
        // Larger than a piece, and with some detail.
        let picture =
            image::GrayImage::from_fn(600, 500, |x, y| image::Luma([(x * y % 251) as u8]));
        for image in [
            DynamicImage::ImageLuma8(picture.clone()),
            DynamicImage::ImageLuma8(picture).to_rgba16().into(),
        ] {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, ImageFormat::Png).unwrap();
            let bytes = bytes.into_inner();
            assert!(!is_damaged_png(&bytes, u64::MAX));
            // The sum is before the last chunk's CRC-32 and the end's 12 bytes.
            let mut damaged = bytes.clone();
            let place = bytes.len() - 12 - 4 - 1;
            damaged[place] ^= 1;
            assert!(is_damaged_png(&damaged, u64::MAX));
            assert!(!is_damaged_png(&damaged, 1000), "only so much is looked at");
        }
        assert!(!is_damaged_png(b"", 10) && !is_damaged_png(b"\x89PNG\r\n\x1a\n", 10));
    }
}
