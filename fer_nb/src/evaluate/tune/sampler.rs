//! [`Sampler`]: which values the next trial tries.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::range::Range;
use super::space::Space;
use crate::common::named;
use crate::common::random::derive;

/// Trials with a hyperparameter before TPE begins to draw it: it has to have seen something.
const STARTUP: usize = 6;

/// How values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// From the whole space (Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization",
    /// 2012).
    Random,
    /// The tree-structured Parzen estimator: where good trials lie densely and bad ones do not (Bergstra
    /// et al., "Algorithms for Hyper-Parameter Optimization", 2011), each hyperparameter by itself, from the trials
    /// in which it was tuned. It is random until there are six of them.
    #[default]
    Tpe,
}

named! { Sampler: "sampler", Random => "random", Tpe => "tpe" }

impl Sampler {
    /// The values of trial `number`, by path: the `given` ones, and others drawn. Those whose condition is not met are
    /// left out. `seen` are the trials that are over: their values, and what they reached, less being better. `seed`,
    /// `number` and `seen` decide.
    pub(super) fn suggest(
        &self,
        space: &Space,
        seen: &[(&toml::Table, f64)],
        (seed, number): (u64, usize),
        given: &toml::Table,
    ) -> toml::Table {
        let mut rng = StdRng::seed_from_u64(derive(seed, number));
        // All are drawn, so that what is given or left out changes no other value.
        let mut values: toml::Table = space
            .ranges()
            .map(|(path, range)| {
                let guess = match self {
                    Sampler::Random => None,
                    Sampler::Tpe => estimate(path, range, seen, &mut rng),
                };
                let (low, high) = range.bounds();
                let place = guess.unwrap_or_else(|| rng.random_range(low..high));
                (path.to_string(), range.value(place))
            })
            .collect();
        values.extend(given.clone());
        space.retain_active(&mut values);
        values
    }
}

/// The tpe crate's next place for one hyperparameter; `None` if it can't tell.
fn estimate(
    path: &str,
    range: &Range,
    seen: &[(&toml::Table, f64)],
    rng: &mut StdRng,
) -> Option<f64> {
    let place = |values: &toml::Table| range.place(values.get(path)?);
    let places = seen.iter().filter_map(|(values, reached)| Some((place(values)?, *reached)));
    let places: Vec<(f64, f64)> = places.collect();
    if places.len() < STARTUP {
        return None;
    }
    let (low, high) = range.bounds();
    let estimator = match range {
        Range::Choice { .. } => tpe::histogram_estimator(),
        _ => tpe::parzen_estimator(),
    };
    // A fifth counts as good: a study here has tens of trials, not hundreds.
    let mut builder = tpe::TpeOptimizerBuilder::new();
    let builder = builder.gamma(0.2);
    let mut optimizer = builder.build(estimator, tpe::range(low, high).ok()?).ok()?;
    for (place, reached) in places {
        // The crate's ranges end before their upper bound.
        let place = place.min(low + (high - low) * (1.0 - 1e-12));
        optimizer.tell(place, reached).ok()?;
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
            let values = sampler.suggest(&space(), &seen, (seed, number), &toml::Table::new());
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
        let none = toml::Table::new();
        let suggest = |seed, number| Sampler::Random.suggest(&space(), &[], (seed, number), &none);
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

    /// As [`space`], and a fourth hyperparameter in trials with z = 2, where it has most of the effect.
    fn conditional() -> Space {
        space().when("z", [2], Space::new().float("w", 0.0, 10.0))
    }

    #[test]
    fn what_is_not_tuned_in_a_trial_is_absent_and_counts_for_nothing() {
        let mut tables: Vec<(toml::Table, f64)> = Vec::new();
        for number in 1..=80 {
            let seen: Vec<_> = tables.iter().map(|(table, reached)| (table, *reached)).collect();
            let none = toml::Table::new();
            let values = Sampler::Tpe.suggest(&conditional(), &seen, (3, number), &none);
            assert_eq!(values.contains_key("w"), values["z"].as_integer() == Some(2), "{values}");
            let w = values.get("w").and_then(toml::Value::as_float);
            let reached = objective(&values) + w.map_or(90.0, |w| (w - 8.0).powi(2));
            tables.push((values, reached));
        }
        let last: Vec<f64> =
            tables[40..].iter().filter_map(|(table, _)| table.get("w")?.as_float()).collect();
        let near = last.iter().filter(|w| (*w - 8.0).abs() < 2.0).count();
        assert!(last.len() > 20 && 2 * near > last.len(), "{last:?}");
        // What is given decides what else is tuned, and changes no other value.
        let seen: Vec<_> = tables.iter().map(|(table, reached)| (table, *reached)).collect();
        let with = |given: &str| {
            Sampler::Tpe.suggest(&conditional(), &seen, (3, 99), &given.parse().unwrap())
        };
        assert!(!with("z = 1").contains_key("w") && with("z = 2").contains_key("w"));
        assert_eq!(with("z = 1")["x"], with("z = 2")["x"]);
    }
}
