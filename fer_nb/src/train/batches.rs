//! Training batches: shuffled and augmented many at a time, then handed out as views.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use tch::{Device, Kind, Tensor, no_grad};

use super::seeds::derive;
use crate::data::{Augmentation, Dataset};
use crate::error::Result;
use crate::model::to_float;

/// Images that are converted and augmented at once: enough that the launches don't count, few
/// enough to leave a machine's memory (about 37 kB an image while it is done) or a GPU's alone.
fn chunk_images(device: Device) -> usize {
    match device {
        Device::Cpu => 4096,
        _ => 32_768,
    }
}

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

    /// How many batches an epoch has; the last may be smaller.
    pub fn batches(&self, batch_size: usize) -> usize {
        self.count.div_ceil(batch_size.max(1))
    }

    /// The batches of one epoch in `kind`, from the `first`-th on (from 0). Order and views are
    /// decided by `seed` alone.
    pub fn epoch<'a>(
        &'a self,
        batch_size: usize,
        augmentation: &'a Augmentation,
        seed: u64,
        first: usize,
        kind: Kind,
    ) -> Epoch<'a> {
        let mut order: Vec<i64> = (0..self.count as i64).collect();
        order.shuffle(&mut StdRng::seed_from_u64(seed));
        let batch_size = batch_size.max(1);
        let batches = (chunk_images(self.images.device()) / batch_size).max(1);
        Epoch {
            source: self,
            batch_size,
            chunk_size: batches * batch_size,
            augmentation,
            seed,
            kind,
            order,
            next_chunk: first / batches,
            skip: first % batches,
            chunk: Vec::new().into_iter(),
        }
    }
}

/// One pass over the training images: an iterator over (images [B, 1, 48, 48] on 0 to 1, labels i64
/// [B]); the last batch may be smaller.
pub struct Epoch<'a> {
    source: &'a TrainImages,
    batch_size: usize,
    /// Images a chunk; a multiple of the batch size.
    chunk_size: usize,
    augmentation: &'a Augmentation,
    seed: u64,
    kind: Kind,
    order: Vec<i64>,
    next_chunk: usize,
    /// Batches of the next chunk that are left out.
    skip: usize,
    chunk: std::vec::IntoIter<(Tensor, Tensor)>,
}

impl Epoch<'_> {
    /// Converts and augments the next images and cuts them into batches; none are left at the end.
    fn fill(&mut self) -> Result<()> {
        let start = (self.next_chunk * self.chunk_size).min(self.order.len());
        let end = (start + self.chunk_size).min(self.order.len());
        if start == end {
            return Ok(());
        }
        let rows = Tensor::f_from_slice(&self.order[start..end])?
            .f_to_device(self.source.images.device())?;
        // Each chunk has a seed of its own, so an epoch can be entered anywhere.
        let seed = derive(self.seed, self.next_chunk);
        let size = self.batch_size as i64;
        self.chunk = no_grad(|| -> Result<_> {
            let images = to_float(&self.source.images.f_index_select(0, &rows)?)?;
            let images = self.augmentation.apply(&images, seed)?.f_to_kind(self.kind)?;
            let labels = self.source.labels.f_index_select(0, &rows)?;
            let pairs = images.f_split(size, 0)?.into_iter().zip(labels.f_split(size, 0)?);
            Ok(pairs.skip(self.skip).collect::<Vec<_>>().into_iter())
        })?;
        self.skip = 0;
        self.next_chunk += 1;
        Ok(())
    }
}

impl Iterator for Epoch<'_> {
    type Item = Result<(Tensor, Tensor)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0
            && let Err(error) = self.fill()
        {
            self.next_chunk = usize::MAX / self.chunk_size; // nothing comes after an error
            return Some(Err(error));
        }
        self.chunk.next().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Fer2013, SampleConfig};

    #[test]
    fn the_number_of_threads_changes_no_batch() {
        let data = Fer2013::sample(SampleConfig { seed: 3, train: 700, test: 35 }).unwrap();
        let images = TrainImages::new(&data.train, Device::Cpu).unwrap();
        let augmentation = Augmentation::default();
        let batches = || {
            let epoch = images.epoch(64, &augmentation, 9, 0, Kind::Float);
            epoch.map(|batch| batch.unwrap()).collect::<Vec<_>>()
        };
        let threads = tch::get_num_threads();
        tch::set_num_threads(1);
        let one = batches();
        tch::set_num_threads(4);
        let four = batches();
        tch::set_num_threads(threads);
        assert_eq!(one, four);
    }

    #[test]
    fn an_epoch_can_be_entered_anywhere() {
        // 700 training images less 20 %, in batches of 3: all in one chunk, entered within it.
        let sample = SampleConfig { seed: 3, train: 700, test: 35 };
        let data = Fer2013::sample(sample).unwrap();
        let images = TrainImages::new(&data.train, Device::Cpu).unwrap();
        let augmentation = Augmentation::default();
        let batches = |first| {
            let epoch = images.epoch(3, &augmentation, 9, first, Kind::Float);
            epoch.map(|batch| batch.unwrap()).collect::<Vec<_>>()
        };
        let (whole, rest) = (batches(0), batches(100));
        assert_eq!(whole.len(), images.batches(3));
        assert_eq!(rest.len(), whole.len() - 100);
        assert_eq!(whole[100], rest[0]);
        assert_eq!(whole.last(), rest.last());
        assert_eq!(batches(whole.len()).len(), 0);
        let seen: i64 = whole.iter().map(|(xs, _)| xs.size()[0]).sum();
        assert_eq!(seen as usize, images.len());
    }
}
