//! The images, labels and initial weights that `fer bench export` wrote.

use std::collections::HashMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::{Batch, Result};

/// Pixels on each side of an image.
pub const SIDE: usize = 48;

/// The training images: u8 [N, 1, 48, 48] and i64 [N].
pub struct Data {
    images: Vec<u8>,
    labels: Vec<i64>,
}

impl Data {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let file = SafeTensors::deserialize(&bytes)?;
        let images = file.tensor("train.images")?;
        let labels = file.tensor("train.labels")?;
        if images.dtype() != Dtype::U8 || labels.dtype() != Dtype::I64 {
            return Err(format!("{}: expected u8 images and i64 labels", path.display()).into());
        }
        let (numbers, _) = labels.data().as_chunks::<8>();
        Ok(Self {
            images: images.data().to_vec(),
            labels: numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
        })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    pub(crate) fn image(&self, index: usize) -> &[u8] {
        &self.images[index * SIDE * SIDE..(index + 1) * SIDE * SIDE]
    }

    pub(crate) fn label(&self, index: usize) -> i64 {
        self.labels[index]
    }

    /// These images as they are.
    pub(crate) fn batch(&self, indices: &[usize]) -> Batch {
        let pixels = indices.iter().flat_map(|index| self.image(*index));
        Batch {
            images: pixels.map(|pixel| f32::from(*pixel) / 255.0).collect(),
            labels: indices.iter().map(|index| self.label(*index)).collect(),
        }
    }
}

/// Initial weights by name ("conv1_1.weight"), as PyTorch has them: convolutions OIHW, dense layers
/// [out, in].
pub struct Weights(HashMap<String, (Vec<usize>, Vec<f32>)>);

impl Weights {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let mut weights = HashMap::new();
        for (name, tensor) in SafeTensors::deserialize(&bytes)?.iter() {
            if tensor.dtype() != Dtype::F32 {
                return Err(format!("{}: {name} is not float32", path.display()).into());
            }
            let (numbers, _) = tensor.data().as_chunks::<4>();
            let values = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            weights.insert(name.to_string(), (tensor.shape().to_vec(), values));
        }
        Ok(Self(weights))
    }

    /// Shape and values.
    pub fn get(&self, name: &str) -> Result<(&[usize], &[f32])> {
        let (shape, values) = self.0.get(name).ok_or_else(|| format!("no weights of {name}"))?;
        Ok((shape, values))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}
