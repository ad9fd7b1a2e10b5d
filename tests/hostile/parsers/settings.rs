//! Files of settings, in TOML: recipes and spaces, and what runs and studies keep.

use fer_nb::evaluate::tune::{Space, Study};
use fer_nb::evaluate::{Temperature, Threshold};
use fer_nb::prelude::Result;
use fer_nb::train::{Recipe, RunFolder};
use tch::Device;

use crate::fixture::Fixture;
use crate::target::{Target, Words};

const SPACE: &[u8] = b"\"train.learning_rate\" = { kind = \"log\", low = 1e-4, high = 1e-2 }\n\
    \"train.batch_size\" = { kind = \"int\", low = 16, high = 64 }\n\
    \"train.optimizer\" = { kind = \"choice\", values = [\"adam\", \"sgd\"] }\n";
const THRESHOLD: &[u8] =
    b"uncertain_below = 0.5\nright = 0.75\nanswered = 0.9\nweights = \"0123456789abcdef\"\n";

pub(crate) fn targets(fixture: &Fixture) -> Vec<Target> {
    let recipe = Recipe::default().to_toml().expect("a recipe").into_bytes();
    let at = |name: &str| fixture.input(name);
    let mut all = vec![
        Target::of_file("recipe", at("recipe.toml"), vec![recipe], WORDS, |path| {
            Recipe::open(&path.to_string_lossy()).map(drop)
        }),
        Target::of_file("space", at("space.toml"), vec![SPACE.to_vec()], WORDS, |path| {
            Space::open(path, &Recipe::default()).map(drop)
        }),
    ];
    all.extend(of_run(fixture));
    all.extend(of_study(fixture));
    all
}

/// The files of a run folder.
fn of_run(fixture: &Fixture) -> Vec<Target> {
    let names = ["config.toml", "best.safetensors", "temperature.toml", "history.csv"];
    let folder = fixture.copied("run", &names);
    let target = |name, file_name: &str, read: fn(&RunFolder) -> Result<()>| {
        let path = folder.join(file_name);
        let seeds = vec![std::fs::read(&path).unwrap_or(THRESHOLD.to_vec())];
        let run = RunFolder::at(&folder);
        Target::of_file(name, path, seeds, WORDS, move |_| read(&run))
    };
    vec![
        target("config of a run", "config.toml", |run| run.network(Device::Cpu).map(drop))
            // A config of another network is at odds with the run's weights, which the error names.
            .naming("inputs/run"),
        target("temperature", "temperature.toml", |run| Temperature::of_run(run).map(drop)),
        target("threshold", "certainty.toml", |run| Threshold::of_run(run).map(drop)),
    ]
}

/// The files of a study's folder.
fn of_study(fixture: &Fixture) -> Vec<Target> {
    let files = ["study.toml", "trial_0001/trial.toml"];
    let folder = fixture.copied("study", &files);
    let target = |(name, file): (&'static str, &str)| {
        let path = folder.join(file);
        let (seeds, folder) = (vec![std::fs::read(&path).expect("a study")], folder.clone());
        Target::of_file(name, path, seeds, WORDS, move |_| {
            let study = Study::load(&folder)?;
            study.trials().iter().try_for_each(|trial| study.recipe_of(trial).map(drop))?;
            study.to_table().map(drop)
        })
    };
    ["study", "trial"].into_iter().zip(files).map(target).collect()
}

const WORDS: Words = &[
    b"=",
    b"[",
    b"]",
    b"[[",
    b"{",
    b"}",
    b"\"",
    b"'''",
    b"\"\"\"",
    b"#",
    b"\n",
    b".",
    b"inf",
    b"-inf",
    b"nan",
    b"-1",
    b"0",
    b"1e308",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"true",
    b"[]",
    b"{}",
    b"\\u0000",
    b"\x1b[2J",
    b"1000000000",
    b"[1000000000]",
    b"format = 99\n",
    b"\xFF",
];
