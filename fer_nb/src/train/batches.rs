//! Training batches: shuffled and augmented many at a time, then handed out as views.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tch::{Device, Tensor, no_grad};

use crate::data::{Augmentation, Dataset};
use crate::error::Result;
use crate::model::to_float;

/// Images that are converted and augmented at once. Large enough that its launches don't count,
/// small enough (38 MB as f32) to leave memory alone.
const CHUNK: usize = 4096;

/// The training images on the device, u8, with their labels.
#[derive(Debug)]
pub struct TrainImages {
    /// u8 [N, 1, 48, 48].
    images: Tensor,
    /// i64 [N].
    labels: Tensor,
    count: usize,
}

impl TrainImages {
    /// Moves a data set to the device.
    pub fn new(data: &Dataset, device: Device) -> Result<Self> {
        Ok(Self {
            images: data.images_tensor(device)?,
            labels: data.labels_tensor(device)?,
            count: data.len(),
        })
    }

    /// How many images.
    pub fn len(&self) -> usize {
        self.count
    }

    /// The order and the views of one epoch, decided by `seed` alone.
    pub fn epoch<'a>(
        &'a self,
        batch_size: usize,
        augmentation: &'a Augmentation,
        seed: u64,
    ) -> Epoch<'a> {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut order: Vec<i64> = (0..self.count as i64).collect();
        order.shuffle(&mut rng);
        Epoch {
            source: self,
            batch_size,
            augmentation,
            order,
            rng,
            next: 0,
            chunk: Vec::new().into_iter(),
        }
    }
}

/// One pass over the training images: an iterator over (images f32 [B, 1, 48, 48] on 0 to 1,
/// labels i64 [B]); the last batch may be smaller.
pub struct Epoch<'a> {
    source: &'a TrainImages,
    batch_size: usize,
    augmentation: &'a Augmentation,
    order: Vec<i64>,
    rng: StdRng,
    next: usize,
    chunk: std::vec::IntoIter<(Tensor, Tensor)>,
}

impl Epoch<'_> {
    /// Converts and augments the next images and cuts them into batches.
    fn fill(&mut self) -> Result<()> {
        let batches = (CHUNK / self.batch_size).max(1);
        let end = (self.next + batches * self.batch_size).min(self.order.len());
        let rows = Tensor::f_from_slice(&self.order[self.next..end])?
            .f_to_device(self.source.images.device())?;
        let seed = self.rng.random();
        let size = self.batch_size as i64;
        self.chunk = no_grad(|| -> Result<_> {
            let images = to_float(&self.source.images.f_index_select(0, &rows)?)?;
            let images = self.augmentation.apply(&images, seed)?;
            let labels = self.source.labels.f_index_select(0, &rows)?;
            let pairs: Vec<_> =
                images.f_split(size, 0)?.into_iter().zip(labels.f_split(size, 0)?).collect();
            Ok(pairs.into_iter())
        })?;
        self.next = end;
        Ok(())
    }
}

impl Iterator for Epoch<'_> {
    type Item = Result<(Tensor, Tensor)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0 {
            if self.next >= self.order.len() {
                return None;
            }
            if let Err(error) = self.fill() {
                self.next = self.order.len();
                return Some(Err(error));
            }
        }
        self.chunk.next().map(Ok)
    }
}
