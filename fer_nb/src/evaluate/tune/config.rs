//! [`StudyConfig`]: what makes a study what it is.

use serde::{Deserialize, Serialize};

use super::cost::Cost;
use super::hyperband::Hyperband;
use super::pareto::Pair;
use super::point::Point;
use super::pruner::{self, Pruner};
use super::sampler::Sampler;
use super::space::Space;
use super::trial::Trial;
use crate::common::files::file_fingerprint;
use crate::common::{Error, Result};
use crate::train::{Monitor, Recipe, RunFolder};

/// The path of what Hyperband deals out.
const EPOCHS: &str = "train.epochs";

fn one() -> usize {
    1
}

/// What `study.toml` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyConfig {
    /// Version of this file's format, [`StudyConfig::FORMAT`].
    #[serde(default)]
    pub format: u32,
    /// How values are drawn.
    pub sampler: Sampler,
    /// Which trials end early; `None` trains all to their end.
    #[serde(alias = "prune", deserialize_with = "pruner::read", serialize_with = "pruner::write")]
    pub pruner: Option<Pruner>,
    /// A second objective in addition to `recipe.choice.monitor`, without a pruner; `None` for one objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Trainings a trial, with the seeds `recipe.train.seed`, that plus 1, and so on. A trial's value is their mean.
    #[serde(default = "one")]
    pub seeds: usize,
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
    pub const FORMAT: u32 = 3;

    /// Trials of one seed, drawn from `space` by TPE, pruned by the median, and like `recipe` in all else.
    pub fn new(space: Space, recipe: Recipe) -> Self {
        let seed = recipe.train.seed;
        let (format, sampler, pruner) = (Self::FORMAT, Sampler::default(), Some(Pruner::Median));
        let (cost, seeds, starting_weights) = (None, 1, None);
        Self { format, sampler, pruner, cost, seeds, seed, space, recipe, starting_weights }
    }

    /// Checked, and with the fingerprint of the weights that are there now. The points to try first are taken out of
    /// it, as values by path: a study with further ones is the same study.
    pub(super) fn checked(mut self) -> Result<(Self, Vec<toml::Table>)> {
        self.recipe.train.validate()?;
        self.space.validate(&self.recipe)?;
        if self.seeds == 0 {
            return Err(Error::setting("seeds", 0, "1 or more"));
        }
        let tunes_epochs = self.space.ranges().any(|(path, _)| path == EPOCHS);
        if self.pruner == Some(Pruner::Hyperband) && tunes_epochs {
            let expected =
                "another pruner if train.epochs is tuned: epochs are what Hyperband deals out";
            return Err(Error::setting("pruner", Pruner::Hyperband, expected));
        }
        if let (Some(pruner), Some(cost)) = (self.pruner, self.cost) {
            let expected = format!(
                "none with two objectives: a trial that is worse than others in {} may be better in {cost}",
                self.monitor().name()
            );
            return Err(Error::setting("pruner", pruner, expected));
        }
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

    /// The recipe with a trial's values, and the seed of one of its trainings, counted from 0.
    pub(super) fn recipe_of(&self, values: &toml::Table, seed: usize) -> Result<Recipe> {
        let mut recipe = self.recipe.clone();
        recipe.set_all(values)?;
        recipe.train.seed = recipe.train.seed.wrapping_add(seed as u64);
        Ok(recipe)
    }

    /// What trials are compared in.
    pub(super) fn monitor(&self) -> Monitor {
        self.recipe.choice.monitor
    }

    /// 1 if less is better, -1 if more is.
    pub(super) fn sign(&self) -> f64 {
        if self.monitor().is_minimised() { 1.0 } else { -1.0 }
    }

    /// The first objective's value of a trial and the second one's, if there are two and the trial has both, such that
    /// less is better in both.
    pub(super) fn pair(&self, trial: &Trial) -> Option<Pair> {
        self.cost?;
        Some([self.sign() * trial.value?, trial.cost?])
    }

    /// How trials are halved, if they are.
    pub(super) fn hyperband(&self) -> Option<Hyperband> {
        let epochs = self.recipe.train.epochs;
        (self.pruner == Some(Pruner::Hyperband)).then_some(Hyperband { epochs })
    }

    /// The fingerprint of the weights that a trial would start from now.
    pub(super) fn weights_now(&self) -> Result<Option<String>> {
        let weights = self.recipe.train.initial_weights.as_deref().map(RunFolder::weights_of);
        weights.map(file_fingerprint).transpose()
    }
}
