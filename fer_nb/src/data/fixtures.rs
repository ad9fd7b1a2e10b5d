//! Small data sets on disk for the tests of this stage.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{DynamicImage, GrayImage, ImageFormat, Luma};

use super::FaceData;
use super::pixels::SIDE;
use crate::emotion::Emotion;

/// A gray image that differs from the image of every other seed.
pub(crate) fn gray(seed: u32) -> GrayImage {
    let mut image = GrayImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        Luma([(x * (seed % 5 + 1) + y * 3) as u8])
    });
    for (shift, x) in [(0, 0), (8, 1), (16, 2)] {
        image.put_pixel(x, 0, Luma([(seed >> shift) as u8]));
    }
    image
}

pub(crate) fn encode(image: DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

pub(crate) fn png(seed: u32) -> Vec<u8> {
    encode(gray(seed).into())
}

pub(crate) fn jpeg(seed: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    gray(seed).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// A folder tree as FER2013's in a temporary folder, which is removed with this value.
pub(crate) struct Tree(PathBuf);

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Tree {
    /// A new, empty folder.
    pub(crate) fn empty() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fer_nb-data-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Tree(path)
    }

    /// `train` and `test` images, all different, in every class.
    pub(crate) fn new(train: usize, test: usize) -> Self {
        Self::of([train; Emotion::COUNT], [test; Emotion::COUNT])
    }

    /// The given number of images, by class index.
    pub(crate) fn of(train: [usize; Emotion::COUNT], test: [usize; Emotion::COUNT]) -> Self {
        let tree = Self::empty();
        let mut seed = 0;
        for (usage, counts) in [("train", train), ("test", test)] {
            for (emotion, count) in Emotion::ALL.into_iter().zip(counts) {
                for index in 0..count {
                    tree.write(&format!("{usage}/{emotion}/{index:04}.png"), &png(seed));
                    seed += 1;
                }
            }
        }
        tree
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// 10 train and 3 test images per class (2 of the 10 for validation), and these extra files.
pub(crate) fn data_with(files: &[(&str, Vec<u8>)]) -> FaceData {
    let tree = Tree::new(10, 3);
    for (name, bytes) in files {
        tree.write(name, bytes);
    }
    FaceData::from_folder(tree.path()).unwrap()
}
