//! Shuffled, augmented training batches.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::augment::augment;
use crate::data::Data;

/// Images a training step.
pub const BATCH: usize = 64;

/// Images f32 [B, 1, 48, 48] on 0 to 1, and labels [B].
pub struct Batch {
    pub images: Vec<f32>,
    pub labels: Vec<i64>,
}

/// Batches without end; what is left over at the end of an epoch is dropped.
pub struct Batches<'a> {
    data: &'a Data,
    order: Vec<usize>,
    next: usize,
    rng: StdRng,
}

impl<'a> Batches<'a> {
    pub fn new(data: &'a Data) -> Self {
        let order: Vec<_> = (0..data.len()).collect();
        // Past the end, so that the first batch shuffles.
        Self { data, next: order.len(), order, rng: StdRng::seed_from_u64(1) }
    }

    pub fn next_batch(&mut self) -> Batch {
        if self.next + BATCH > self.order.len() {
            self.order.shuffle(&mut self.rng);
            self.next = 0;
        }
        let indices = &self.order[self.next..self.next + BATCH];
        self.next += BATCH;
        let images: Vec<&[u8]> = indices.iter().map(|index| self.data.image(*index)).collect();
        Batch {
            images: augment(&images, self.rng.random()),
            labels: indices.iter().map(|index| self.data.label(*index)).collect(),
        }
    }
}
