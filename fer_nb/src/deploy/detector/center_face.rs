//! [`CenterFace`]: a network that finds faces and five landmarks of each.
//!
//! Xu, Yan, Sun, Yang and Luo, "CenterFace: Joint Face Detection and Alignment Using Face as Point" (2019):
//! MobileNetV2, and a pyramid that adds the features at 1/32, 1/16, 1/8 and 1/4 of the input's size. For each point
//! of the last one, at distances of 4 pixels of the input, the network predicts whether it is a face's centre.
//! Inference only, float32. `assets/face_detector/from_onnx.py` wrote the weights.

mod onnx;

use std::collections::HashMap;
use std::path::Path;

use tch::{Tensor, no_grad};

use crate::common::{During, Error, Result};

/// The distance between two points of the outputs, in pixels of the input.
pub(super) const STRIDE: usize = 4;
/// Sides of the input are multiples of this: the deepest features have 1/32 of its size.
pub(super) const MULTIPLE: usize = 32;

/// MobileNetV2's stages as in its paper: the expansion of a block's channels, the number of blocks, the stride of
/// the first.
const STAGES: [(i64, usize, i64); 7] =
    [(1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1)];
/// The stages whose outputs are inputs of the pyramid, the finest first.
const TAPS: [usize; 4] = [1, 2, 4, 6];

/// The network's outputs for each point; `h` and `w` are a quarter of the input's height and width. All are
/// float32, contiguous, on the CPU.
pub(super) struct Maps {
    /// The probability that the point is a face's centre, [h, w].
    pub(super) score: Tensor,
    /// Natural logarithm of the face's height and width in points, [2, h, w].
    pub(super) size: Tensor,
    /// The centre's offset from the point, down and right, in points, [2, h, w].
    pub(super) offset: Tensor,
    /// Eyes, nose and corners of the mouth: down and right of the face's upper left corner, in shares of its
    /// height and width, [10, h, w].
    pub(super) landmarks: Tensor,
}

/// A convolution with its bias; the caller adds the ReLU.
struct Conv {
    /// Its name in the weights file.
    name: String,
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    /// The number of channels for a depthwise convolution, else 1.
    groups: i64,
}

impl Conv {
    /// The number of input channels.
    fn inputs(&self) -> i64 {
        self.weight.size()[1] * self.groups
    }

    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let pad = self.weight.size()[2] / 2;
        let (bias, stride) = (Some(&self.bias), [self.stride; 2]);
        Ok(xs.f_conv2d(&self.weight, bias, stride, [pad; 2], [1, 1], self.groups)?)
    }

    fn forward_relu(&self, xs: &Tensor) -> Result<Tensor> {
        Ok(self.forward(xs)?.f_relu_()?)
    }
}

/// An inverted residual of MobileNetV2: wider within than without, and added to its input where the shapes
/// are the same.
struct Block {
    expand: Option<Conv>,
    depthwise: Conv,
    project: Conv,
}

impl Block {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let wide = self.expand.as_ref().map(|expand| expand.forward_relu(xs)).transpose()?;
        let within = self.depthwise.forward_relu(wide.as_ref().unwrap_or(xs))?;
        let ys = self.project.forward(&within)?;
        match self.is_residual() {
            true => Ok(ys.f_add(xs)?),
            false => Ok(ys),
        }
    }

    /// Whether the output has the input's shape.
    fn is_residual(&self) -> bool {
        let first = self.expand.as_ref().unwrap_or(&self.depthwise);
        self.depthwise.stride == 1 && first.inputs() == self.project.weight.size()[0]
    }
}

/// Enlarges the pyramid's features to twice their side.
struct Up {
    /// Its name in the weights file.
    name: String,
    weight: Tensor,
    bias: Tensor,
}

impl Up {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let bias = Some(&self.bias);
        let mut ys =
            xs.f_conv_transpose2d(&self.weight, bias, [2, 2], [0, 0], [0, 0], 1, [1, 1])?;
        Ok(ys.f_relu_()?)
    }
}

/// The network with its weights.
pub(super) struct CenterFace {
    stem: Conv,
    stages: Vec<Vec<Block>>,
    /// One layer for each of [`TAPS`].
    sides: Vec<Conv>,
    /// The layers from each size but the deepest to its finer neighbour, the finest first.
    ups: Vec<Up>,
    merge: Conv,
    score: Conv,
    size: Conv,
    offset: Conv,
    landmarks: Conv,
}

impl CenterFace {
    /// Reads the weights of a safetensors file.
    ///
    /// # Errors
    /// [`Error::Missing`] if the file does not exist, [`Error::File`] if it belongs to another network.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let tensors = tensors(path)?.into_iter().collect();
        let mut weights = Weights { path, tensors };
        let stem = weights.conv("stem", 2, false)?;
        let mut stages = Vec::new();
        for (stage, (expansion, blocks, first)) in STAGES.into_iter().enumerate() {
            let block = |block: usize| -> Result<Block> {
                let name = |part| format!("stage{stage}.{block}.{part}");
                let stride = if block == 0 { first } else { 1 };
                let expand = (expansion > 1).then(|| weights.conv(&name("expand"), 1, false));
                Ok(Block {
                    expand: expand.transpose()?,
                    depthwise: weights.conv(&name("depthwise"), stride, true)?,
                    project: weights.conv(&name("project"), 1, false)?,
                })
            };
            stages.push((0..blocks).map(block).collect::<Result<Vec<_>>>()?);
        }
        let scales = [4, 8, 16, 32];
        let sides = scales.map(|scale| weights.conv(&format!("side{scale}"), 1, false));
        let ups = [4, 8, 16].map(|scale| weights.up(&format!("up{scale}")));
        Ok(Self {
            stem,
            stages,
            sides: sides.into_iter().collect::<Result<_>>()?,
            ups: ups.into_iter().collect::<Result<_>>()?,
            merge: weights.conv("merge", 1, false)?,
            score: weights.conv("score", 1, false)?,
            size: weights.conv("size", 1, false)?,
            offset: weights.conv("offset", 1, false)?,
            landmarks: weights.conv("landmarks", 1, false)?,
        })
    }

    /// The outputs for an image: float32 [1, 3, height, width] on 0 to 255, red, green and blue; sides are
    /// multiples of [`MULTIPLE`].
    ///
    /// # Errors
    /// [`Error::Tensor`] if the device has too little memory.
    pub(super) fn forward(&self, image: &Tensor) -> Result<Maps> {
        no_grad(|| self.maps(image)).during("finding faces")
    }

    fn maps(&self, image: &Tensor) -> Result<Maps> {
        let mut xs = self.stem.forward_relu(image)?;
        let mut taps = Vec::with_capacity(TAPS.len());
        for (stage, blocks) in self.stages.iter().enumerate() {
            for block in blocks {
                xs = block.forward(&xs)?;
            }
            if TAPS.contains(&stage) {
                taps.push(xs.shallow_clone());
            }
        }
        // From the deepest features to the finest.
        let mut sides = self.sides.iter().zip(&taps).rev();
        let mut features = match sides.next() {
            Some((side, tap)) => side.forward_relu(tap)?,
            None => xs,
        };
        for (up, (side, tap)) in self.ups.iter().rev().zip(sides) {
            features = up.forward(&features)?.f_add_(&side.forward_relu(tap)?)?;
        }
        let features = self.merge.forward_relu(&features)?;
        let map = |head: &Conv| -> Result<Tensor> {
            Ok(head.forward(&features)?.f_squeeze_dim(0)?.f_contiguous()?)
        };
        Ok(Maps {
            score: map(&self.score)?.f_squeeze_dim(0)?.f_sigmoid()?,
            size: map(&self.size)?,
            offset: map(&self.offset)?,
            landmarks: map(&self.landmarks)?,
        })
    }
}

/// All tensors of the file with their names.
fn tensors(path: &Path) -> Result<Vec<(String, Tensor)>> {
    if !path.is_file() {
        let hint = "It is a file of the project: copy it from there again.";
        return Err(Error::missing("The face detector's weights", path, hint));
    }
    Tensor::read_safetensors(path).map_err(|error| {
        Error::file(path, format!("not a complete safetensors file: {error}"), "Copy it again.")
    })
}

/// The tensors of the file that no layer has used yet.
struct Weights<'a> {
    path: &'a Path,
    tensors: HashMap<String, Tensor>,
}

impl Weights<'_> {
    fn take(&mut self, name: String) -> Result<Tensor> {
        self.tensors.remove(&name).ok_or_else(|| {
            Error::file(
                self.path,
                format!("has no tensor {name}"),
                "Copy it from the project again.",
            )
        })
    }

    fn conv(&mut self, name: &str, stride: i64, depthwise: bool) -> Result<Conv> {
        let weight = self.take(format!("{name}.weight"))?;
        let bias = self.take(format!("{name}.bias"))?;
        let groups = if depthwise { weight.size()[0] } else { 1 };
        Ok(Conv { name: name.into(), weight, bias, stride, groups })
    }

    fn up(&mut self, name: &str) -> Result<Up> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        Ok(Up { name: name.into(), weight: self.take(weight)?, bias: self.take(bias)? })
    }
}
