//! [`StudyConfig`]: what makes a study what it is.

use serde::{Deserialize, Serialize};

use super::point::Point;
use super::sampler::Sampler;
use super::space::Space;
use crate::common::Result;
use crate::common::files::file_fingerprint;
use crate::train::{Recipe, RunFolder};

/// What `study.toml` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyConfig {
    /// Version of this file's format, [`StudyConfig::FORMAT`].
    #[serde(default)]
    pub format: u32,
    /// How values are drawn.
    pub sampler: Sampler,
    /// Whether trials that are worse than most end early.
    pub prune: bool,
    /// Decides which values are drawn.
    pub seed: u64,
    /// What is tuned.
    pub space: Space,
    /// Everything else. Its `choice.monitor` is what trials are compared in, on validation images.
    pub recipe: Recipe,
    /// Fingerprint of the weights that the recipe starts from, since their name may stand for others on
    /// another day; `None` if the seed draws them. A study fills it in.
    #[serde(default)]
    pub starting_weights: Option<String>,
}

impl StudyConfig {
    /// The format that is written; older ones are read.
    pub const FORMAT: u32 = 2;

    /// Trials drawn from `space` by TPE, pruned by the median, and like `recipe` in all else.
    pub fn new(space: Space, recipe: Recipe) -> Self {
        let seed = recipe.train.seed;
        let (format, sampler) = (Self::FORMAT, Sampler::default());
        Self { format, sampler, prune: true, seed, space, recipe, starting_weights: None }
    }

    /// Checked, and with the fingerprint of the weights that are there now. The points to try first are taken out of
    /// it, as values by path: a study with further ones is the same study.
    pub(super) fn checked(mut self) -> Result<(Self, Vec<toml::Table>)> {
        self.recipe.train.validate()?;
        self.space.validate(&self.recipe)?;
        let points = std::mem::take(&mut self.space.first);
        let points = points.iter().map(|point| self.space.values_of(point, &self.recipe));
        let points = points.collect::<Result<_>>()?;
        self.starting_weights = self.weights_now()?;
        Ok((self, points))
    }

    /// The values of a point such as `"learning_rate=0.001, batch_size=64"`, by path. Names are paths, or their last
    /// parts.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::error::Error::Setting) with the hyperparameter's path, the value, and what its range
    /// allows.
    pub fn values_of(&self, point: &str) -> Result<toml::Table> {
        self.space.values_of(&Point::Text(point.into()), &self.recipe)
    }

    /// The fingerprint of the weights that a trial would start from now.
    pub(super) fn weights_now(&self) -> Result<Option<String>> {
        let weights = self.recipe.train.initial_weights.as_deref().map(RunFolder::weights_of);
        weights.map(file_fingerprint).transpose()
    }
}
