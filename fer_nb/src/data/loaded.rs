//! [`Loaded`]: the images of a folder or a table in one data set, not yet split.

use super::dataset::Dataset;
use super::layout::Layout;
use super::part::Part;
use super::pixels::PIXELS;

/// The complete content of a folder or a table.
pub(super) struct Loaded {
    /// All images, train and test.
    pub(super) dataset: Dataset,
    /// The part of each image.
    pub(super) parts: Vec<Part>,
    /// How the folder or the table was read.
    pub(super) layout: Layout,
    /// Notes on skipped and converted images, in sentences.
    pub(super) notes: Vec<String>,
}

#[cfg(test)]
impl Loaded {
    /// All notes for the user: changes, and notes.
    pub(super) fn said(&self) -> Vec<String> {
        self.layout.changes.iter().map(ToString::to_string).chain(self.notes.clone()).collect()
    }
}

/// Closes the gaps that skipped images leave in `images` (u8 [N × 2304]), in place: a second buffer would double
/// the memory for loading.
pub(super) fn compact(images: &mut Vec<u8>, keep: &[bool]) {
    let mut kept = 0;
    for (index, keep) in keep.iter().enumerate() {
        if *keep {
            if index != kept && (index + 1) * PIXELS <= images.len() {
                images.copy_within(index * PIXELS..(index + 1) * PIXELS, kept * PIXELS);
            }
            kept += 1;
        }
    }
    images.truncate(kept * PIXELS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_close_in_order() {
        let mut images: Vec<u8> = (0..5).flat_map(|n| vec![n; PIXELS]).collect();
        compact(&mut images, &[false, true, true, false, true]);
        assert_eq!(images.len(), 3 * PIXELS);
        assert_eq!(images.chunks(PIXELS).map(|image| image[7]).collect::<Vec<_>>(), [1, 2, 4]);
    }
}
