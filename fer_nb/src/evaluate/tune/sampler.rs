//! [`Sampler`]: which values the next trial tries.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::space::{Range, Space};
use crate::common::named;
use crate::common::random::derive;

/// Trials before TPE begins: it has to have seen something.
const STARTUP: usize = 6;

/// How values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// From the whole space (Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization",
    /// 2012).
    Random,
    /// The tree-structured Parzen estimator: where good trials lie densely and bad ones do not (Bergstra
    /// et al., "Algorithms for Hyper-Parameter Optimization", 2011), each hyperparameter by itself. The
    /// first six trials are random.
    #[default]
    Tpe,
}

named! { Sampler: "sampler", Random => "random", Tpe => "tpe" }

impl Sampler {
    /// The values of trial `number`, by path. `seen` are the trials that are over: their values, and what
    /// they reached, less being better. `seed`, `number` and `seen` decide.
    pub(super) fn suggest(
        &self,
        space: &Space,
        seen: &[(&toml::Table, f64)],
        seed: u64,
        number: usize,
    ) -> BTreeMap<String, toml::Value> {
        let mut rng = StdRng::seed_from_u64(derive(seed, number));
        let random = *self == Sampler::Random || seen.len() < STARTUP;
        space
            .ranges()
            .map(|(path, range)| {
                let guess = match random {
                    true => None,
                    false => estimate(path, range, seen, &mut rng),
                };
                let (low, high) = range.bounds();
                let place = guess.unwrap_or_else(|| rng.random_range(low..high));
                (path.to_string(), range.value(place))
            })
            .collect()
    }
}

/// The tpe crate's next place for one hyperparameter; `None` where it can't tell.
fn estimate(
    path: &str,
    range: &Range,
    seen: &[(&toml::Table, f64)],
    rng: &mut StdRng,
) -> Option<f64> {
    let (low, high) = range.bounds();
    let estimator = match range {
        Range::Choice { .. } => tpe::histogram_estimator(),
        _ => tpe::parzen_estimator(),
    };
    // A fifth counts as good: a study here has tens of trials, not hundreds.
    let mut builder = tpe::TpeOptimizerBuilder::new();
    let builder = builder.gamma(0.2);
    let mut optimizer = builder.build(estimator, tpe::range(low, high).ok()?).ok()?;
    for (values, reached) in seen {
        let place = range.place(values.get(path)?)?;
        // The crate's ranges end before their upper bound.
        let place = place.min(low + (high - low) * (1.0 - 1e-12));
        optimizer.tell(place, *reached).ok()?;
    }
    optimizer.ask(rng).ok().filter(|place| place.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space::new().float("x", -5.0, 5.0).log("y", 1e-4, 1.0).choice("z", [1, 2, 3])
    }

    /// Least at x = 2, y = 0.01 and z = 2.
    fn objective(values: &toml::Table) -> f64 {
        let number = |name: &str| values[name].as_float().unwrap();
        let z = (values["z"].as_integer().unwrap() - 2).abs() as f64;
        (number("x") - 2.0).powi(2) + (number("y").log10() + 2.0).powi(2) + z
    }

    fn best(sampler: Sampler, seed: u64) -> f64 {
        let mut tables: Vec<(toml::Table, f64)> = Vec::new();
        for number in 1..=60 {
            let seen: Vec<_> = tables.iter().map(|(table, reached)| (table, *reached)).collect();
            let values: toml::Table =
                sampler.suggest(&space(), &seen, seed, number).into_iter().collect();
            let reached = objective(&values);
            tables.push((values, reached));
        }
        tables.iter().map(|(_, reached)| *reached).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn tpe_finds_better_values_than_chance() {
        let mean = |sampler| (0..10).map(|seed| best(sampler, seed)).sum::<f64>() / 10.0;
        let (tpe, random) = (mean(Sampler::Tpe), mean(Sampler::Random));
        assert!(tpe < 0.7 * random, "{tpe} {random}");
    }

    #[test]
    fn the_seed_decides_and_the_bounds_hold() {
        let suggest = |seed, number| Sampler::Random.suggest(&space(), &[], seed, number);
        assert_eq!(suggest(1, 3), suggest(1, 3));
        assert_ne!(suggest(1, 3), suggest(1, 4));
        assert_ne!(suggest(1, 3), suggest(2, 3));
        for number in 0..200 {
            let values = suggest(7, number);
            assert!((-5.0..=5.0).contains(&values["x"].as_float().unwrap()));
            assert!((1e-4..=1.0).contains(&values["y"].as_float().unwrap()));
        }
        for sampler in [Sampler::Random, Sampler::Tpe] {
            assert_eq!(sampler.to_string().parse::<Sampler>().unwrap(), sampler);
        }
    }
}
