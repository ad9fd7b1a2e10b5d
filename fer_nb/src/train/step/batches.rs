//! Training batches: many images are shuffled and augmented at once, and a batch is a view of them.

use tch::{Device, Kind, Tensor, no_grad};

use super::loss::one_hot;
use super::objective::Targets;
use crate::common::random::derive;
use crate::common::{During, Error, Result};
use crate::data::{Augmentation, Dataset};
use crate::model::to_float;
use crate::train::config::{Mixing, Sampling, TrainConfig};

/// The number of images that are converted and augmented at once: enough that kernel launches don't matter, and few
/// enough for the memory of a machine or a GPU, which needs for each image input and output (2 × 9 kB), its grid
/// (18 kB) and the source of the grid (28 kB). The random numbers depend on it, so the views of a GPU differ from
/// those of a CPU.
pub fn augmented_at_once(device: Device) -> usize {
    match device {
        Device::Cpu => 4096,
        _ => 8192,
    }
}

/// The training images on the device, u8, with their labels.
#[derive(Debug)]
pub(crate) struct TrainImages {
    /// u8 [N, 1, 48, 48].
    images: Tensor,
    /// i64 [N].
    labels: Tensor,
    /// The teachers' probabilities at the distillation's temperature for each image: f32 [N, 7].
    teachers: Option<Tensor>,
    /// The labels on the CPU, for the order of an epoch.
    classes: Vec<u8>,
}

/// How the batches of an epoch are made.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Images per batch; the last may have fewer.
    pub batch_size: usize,
    /// How often each class occurs.
    pub sampling: Sampling,
    /// Random views of each image.
    pub augmentation: Augmentation,
    /// Mixing of two images.
    pub mixing: Mixing,
    /// Height and width of the images, in pixels.
    pub side: i64,
    /// With mirroring in every other epoch: the images of this epoch to mirror.
    pub turn: Option<Turn>,
    /// The seed of order, views and mixtures.
    pub seed: u64,
    /// The dtype of the images.
    pub kind: Kind,
}

/// The images that an epoch mirrors, if each is mirrored in every other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    /// The run's seed, which selects each image's first epoch.
    seed: u64,
    /// The epoch, from 1.
    epoch: usize,
}

impl Turn {
    /// Whether the image with this index is mirrored.
    fn mirrors(self, image: i64) -> bool {
        (derive(self.seed ^ FLIPS, image as usize) & 1) ^ (self.epoch as u64 & 1) == 1
    }
}

/// Separates this seed from that of the epochs' order.
const FLIPS: u64 = 0x666c_6970_7300_0001;

impl Plan {
    /// The batches of an epoch, from 1, with images in `kind`. The last `clean_epochs` use images without mixing,
    /// and without changes except mirroring.
    pub(crate) fn new(config: &TrainConfig, epoch: usize, kind: Kind) -> Self {
        let TrainConfig { batch_size, sampling, mixing, ref augmentation, .. } = *config;
        let clean = epoch + config.clean_epochs > config.epochs;
        let augmentation = if clean { augmentation.only_its_flip() } else { augmentation.clone() };
        let mixing = if clean { Mixing::default() } else { mixing };
        let turn = augmentation.alternate_flip.then_some(Turn { seed: config.seed, epoch });
        let side = config.sizes.side(epoch, config.epochs);
        let seed = derive(config.seed, epoch);
        Self { batch_size, sampling, augmentation, mixing, side, turn, seed, kind }
    }
}

/// Images of one step, [B, 1, S, S] on 0 to 1, their targets, and the step's random seed.
#[derive(Debug)]
pub(crate) struct Batch {
    pub images: Tensor,
    pub targets: Targets,
    /// The seed of dropout.
    pub seed: u64,
}

impl TrainImages {
    /// Moves a data set to the device, with the teachers' predictions if the config has teachers.
    pub(crate) fn with_targets(
        data: &Dataset,
        config: &TrainConfig,
        device: Device,
    ) -> Result<Self> {
        let mirrored = config.augmentation.horizontal_flip;
        let teachers = config.distillation.targets(data, mirrored, device)?;
        Self::new(data, device)?.with_teachers(teachers)
    }

    /// Moves a data set to the device.
    pub(crate) fn new(data: &Dataset, device: Device) -> Result<Self> {
        Ok(Self {
            images: data.images_tensor(device)?,
            labels: data.labels_tensor(device)?,
            teachers: None,
            classes: data.iter().map(|(_, emotion)| emotion.index() as u8).collect(),
        })
    }

    /// With the teachers' probabilities for each image, f32 [N, 7].
    fn with_teachers(mut self, teachers: Option<Tensor>) -> Result<Self> {
        if let Some(teachers) = &teachers
            && teachers.size() != [self.len() as i64, 7]
        {
            let expected = format!("[{}, 7]", self.len());
            return Err(Error::input("teachers", format!("{:?}", teachers.size()), expected));
        }
        self.teachers = teachers;
        Ok(self)
    }

    /// The number of images.
    pub(crate) fn len(&self) -> usize {
        self.classes.len()
    }

    /// The number of batches of an epoch; the last may be smaller.
    pub(crate) fn batches(&self, batch_size: usize) -> usize {
        self.len().div_ceil(batch_size.max(1))
    }

    /// The batches of one epoch, starting at batch `first` (from 0).
    pub(crate) fn epoch(&self, plan: Plan, first: usize) -> Epoch<'_> {
        let order = plan.sampling.order(&self.classes, plan.seed);
        let batches = (augmented_at_once(self.images.device()) / plan.batch_size.max(1)).max(1);
        Epoch {
            source: self,
            chunk_size: batches * plan.batch_size.max(1),
            plan,
            order,
            next_chunk: first / batches,
            skip: first % batches,
            chunk: Vec::new().into_iter(),
        }
    }
}

/// One pass over the training images: an iterator over batches.
pub(crate) struct Epoch<'a> {
    source: &'a TrainImages,
    plan: Plan,
    /// Images per chunk; a multiple of the batch size.
    chunk_size: usize,
    order: Vec<i64>,
    next_chunk: usize,
    /// The number of batches of the next chunk to skip.
    skip: usize,
    chunk: std::vec::IntoIter<Batch>,
}

impl Epoch<'_> {
    /// Converts, augments and mixes the next images and cuts them into batches; none remain at the end.
    fn fill(&mut self) -> Result<()> {
        let start = (self.next_chunk * self.chunk_size).min(self.order.len());
        let end = (start + self.chunk_size).min(self.order.len());
        if start == end {
            return Ok(());
        }
        let rows = &self.order[start..end];
        let batches = no_grad(|| self.batches(rows)).during("augmenting images")?;
        self.chunk = batches.into_iter().skip(self.skip).collect::<Vec<_>>().into_iter();
        self.skip = 0;
        self.next_chunk += 1;
        Ok(())
    }

    /// The batches of the images with these indices.
    fn batches(&self, rows: &[i64]) -> Result<Vec<Batch>> {
        let Self { source, plan, .. } = self;
        let mirrored: Option<Vec<bool>> =
            plan.turn.map(|turn| rows.iter().map(|row| turn.mirrors(*row)).collect());
        let rows = &Tensor::f_from_slice(rows)?.f_to_device(source.images.device())?;
        // Each chunk has a separate seed, so an epoch can be resumed at any batch.
        let seed = derive(plan.seed, self.next_chunk);
        let mut images = to_float(&source.images.f_index_select(0, rows)?)?;
        images = plan.augmentation.views(&images, seed, plan.side, mirrored.as_deref())?;
        let labels = source.labels.f_index_select(0, rows)?;
        let mut classes = None;
        let teachers = source.teachers.as_ref();
        let mut teachers = teachers.map(|all| all.f_index_select(0, rows)).transpose()?;
        if !plan.mixing.is_none() {
            let mixed = plan.mixing.apply(&images, plan.batch_size, derive(seed, 0))?;
            images = mixed.images;
            // lerp(b, a, share) is share · a + (1 - share) · b.
            let mix = |firsts: &Tensor| -> Result<Tensor> {
                let seconds = firsts.f_index_select(0, &mixed.partners)?;
                Ok(seconds.f_lerp_tensor(firsts, &mixed.shares.f_expand_as(firsts)?)?)
            };
            classes = Some(mix(&one_hot(&labels)?)?);
            teachers = teachers.as_ref().map(mix).transpose()?;
        }
        let size = plan.batch_size.max(1) as i64;
        let split = |whole: Option<&Tensor>| -> Result<std::vec::IntoIter<Tensor>> {
            let parts = whole.map(|whole| whole.f_split(size, 0)).transpose()?;
            Ok(parts.unwrap_or_default().into_iter())
        };
        let mut classes = split(classes.as_ref())?;
        let mut teachers = split(teachers.as_ref())?;
        let images = images.f_to_kind(plan.kind)?.f_split(size, 0)?;
        let first = self.next_chunk * self.chunk_size / plan.batch_size.max(1);
        Ok(images
            .into_iter()
            .zip(labels.f_split(size, 0)?)
            .enumerate()
            .map(|(index, (images, labels))| {
                let (classes, teachers) = (classes.next(), teachers.next());
                let targets = Targets { labels, classes, teachers };
                Batch { images, targets, seed: derive(plan.seed, first + index) }
            })
            .collect())
    }
}

impl Iterator for Epoch<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0
            && let Err(error) = self.fill()
        {
            self.next_chunk = usize::MAX / self.chunk_size; // the iterator ends after an error
            return Some(Err(error));
        }
        self.chunk.next().map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::train::config::SizeSchedule;

    fn images() -> TrainImages {
        // 700 images less 20 % for validation, all in one chunk.
        let sample = SampleConfig { seed: 3, train: 700, test: 35 };
        TrainImages::new(&FaceData::sample(sample).unwrap().train, Device::Cpu).unwrap()
    }

    fn plan(batch_size: usize) -> Plan {
        Plan {
            batch_size,
            sampling: Sampling::Natural,
            augmentation: Augmentation::default(),
            mixing: Mixing::default(),
            side: 48,
            turn: None,
            seed: 9,
            kind: Kind::Float,
        }
    }

    fn all(images: &TrainImages, plan: Plan, first: usize) -> Vec<(Tensor, Tensor)> {
        let batches = images.epoch(plan, first).map(|batch| batch.unwrap());
        batches.map(|batch| (batch.images, batch.targets.labels)).collect()
    }

    #[test]
    fn the_number_of_threads_changes_no_batch() {
        let images = images();
        let threads = tch::get_num_threads();
        let with_threads = |threads| {
            tch::set_num_threads(threads);
            all(&images, plan(64), 0)
        };
        let (one, four) = (with_threads(1), with_threads(4));
        tch::set_num_threads(threads);
        assert_eq!(one, four);
    }

    #[test]
    fn an_epoch_can_be_entered_anywhere() {
        let images = images();
        let mixing = Mixing { mixup: 0.4, cutmix: 1.0 };
        let batches = |first| all(&images, Plan { mixing, ..plan(3) }, first);
        let (whole, rest) = (batches(0), batches(100));
        assert_eq!(whole.len(), images.batches(3));
        assert_eq!(rest.len(), whole.len() - 100);
        assert_eq!(whole[100], rest[0]);
        assert_eq!(whole.last(), rest.last());
        assert_eq!(batches(whole.len()).len(), 0);
        let seen: i64 = whole.iter().map(|(xs, _)| xs.size()[0]).sum();
        assert_eq!(seen as usize, images.len());
    }

    #[test]
    fn images_come_at_the_epochs_size_all_alike() {
        let images = images();
        let mixing = Mixing { mixup: 0.0, cutmix: 1.0 };
        let augmentation =
            Augmentation { erasing: 0.5, brightness: 0.2, ..Augmentation::default() };
        let config = TrainConfig {
            epochs: 2,
            sizes: SizeSchedule::new([(0.0, 32), (0.5, 64)]),
            augmentation,
            mixing,
            ..TrainConfig::default()
        };
        for (epoch, side) in [(1, 32), (2, 64)] {
            let batches = all(&images, Plan::new(&config, epoch, Kind::Float), 0);
            assert!(batches.iter().all(|(xs, _)| xs.size()[1..] == [1, side, side]));
            let seen: i64 = batches.iter().map(|(xs, _)| xs.size()[0]).sum();
            assert_eq!(seen as usize, images.len());
        }
        // Without any change, an image of half the size is the mean of 2×2 pixels.
        let still = TrainConfig {
            sizes: SizeSchedule::new([(0.0, 24)]),
            augmentation: Augmentation::none(),
            ..TrainConfig::default()
        };
        let half = all(&images, Plan::new(&still, 1, Kind::Float), 0);
        let whole = TrainConfig { sizes: SizeSchedule::default(), ..still };
        let whole = all(&images, Plan::new(&whole, 1, Kind::Float), 0);
        let means = whole[0].0.avg_pool2d([2, 2], [2, 2], [0, 0], false, false, None);
        assert!(means.allclose(&half[0].0, 0.0, 1e-5, false));
    }

    #[test]
    fn two_epochs_see_both_sides_of_each_image_where_turns_alternate() {
        let images = images();
        let augmentation = Augmentation { alternate_flip: true, ..Augmentation::flip_only() };
        let config = TrainConfig { augmentation, ..TrainConfig::default() };
        // Each image by its row, as it is and mirrored.
        let rows = |epoch| -> Vec<bool> {
            let plan = Plan::new(&config, epoch, Kind::Float);
            let order = plan.sampling.order(&images.classes, plan.seed);
            let mut mirrored = vec![None; images.len()];
            let batches = images.epoch(plan, 0).map(|batch| batch.unwrap().images);
            let seen = Tensor::cat(&batches.collect::<Vec<_>>(), 0);
            for (view, row) in (0..).zip(order) {
                let own = to_float(&images.images.get(row)).unwrap();
                let same = |one: Tensor| one.allclose(&seen.get(view), 0.0, 1e-5, false);
                assert!(same(own.shallow_clone()) != same(own.flip([2])), "row {row}");
                mirrored[row as usize] = Some(!same(own));
            }
            mirrored.into_iter().map(Option::unwrap).collect()
        };
        let (first, second, third) = (rows(1), rows(2), rows(3));
        assert!(first.iter().zip(&second).all(|(one, next)| one != next));
        assert_eq!(first, third);
        let mirrored = first.iter().filter(|one| **one).count();
        assert!((200..360).contains(&mirrored), "{mirrored} of {}", first.len());
    }

    #[test]
    fn what_is_mixed_is_labelled_and_taught_in_the_same_shares() {
        let images = images();
        let labels = images.labels.shallow_clone();
        // Teachers that say the labels.
        let images = images.with_teachers(Some(one_hot(&labels).unwrap())).unwrap();
        let mixing = Mixing { mixup: 1.0, cutmix: 0.0 };
        for batch in images.epoch(Plan { mixing, ..plan(64) }, 0) {
            let targets = batch.unwrap().targets;
            let classes = targets.classes.unwrap();
            assert!(classes.allclose(&targets.teachers.unwrap(), 0.0, 1e-6, false));
            let sums = classes.sum_dim_intlist(&[1i64][..], false, Kind::Float);
            assert!(sums.allclose(&sums.ones_like(), 0.0, 1e-5, false));
            let own = classes.gather(1, &targets.labels.unsqueeze(1), false);
            assert!(own.min().double_value(&[]) >= 0.0 && own.max().double_value(&[]) <= 1.0001);
        }
        let too_few = Tensor::zeros([3, 7], (Kind::Float, Device::Cpu));
        assert!(images.with_teachers(Some(too_few)).is_err());
    }
}
