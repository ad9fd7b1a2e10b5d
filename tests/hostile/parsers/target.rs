//! [`Target`]: a parser under attack.

use std::path::{Path, PathBuf};

use fer_nb::prelude::Result;
use rand::rngs::StdRng;

use crate::fixture::Fixture;

/// What is done with an input.
pub(crate) type Attack = Box<dyn FnMut(&[u8], &mut StdRng) -> Result<()>>;

/// Pieces that mean something to a parser.
pub(crate) type Words = &'static [&'static [u8]];

pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Files of the kind, whole.
    pub(crate) seeds: Vec<Vec<u8>>,
    pub(crate) words: Words,
    pub(crate) attack: Attack,
    /// What an error has to name.
    pub(crate) named: Option<&'static str>,
    /// The file that other targets read as it was, and its bytes.
    pub(crate) whole: Option<(PathBuf, Vec<u8>)>,
}

impl Target {
    /// One that takes bytes; errors name `named`.
    pub(crate) fn of_bytes(
        name: &'static str,
        named: Option<&'static str>,
        seeds: Vec<Vec<u8>>,
        words: Words,
        attack: impl FnMut(&[u8], &mut StdRng) -> Result<()> + 'static,
    ) -> Self {
        Self { name, seeds, words, attack: Box::new(attack), named, whole: None }
    }

    /// One that reads a file, which is replaced for each input; errors name it.
    pub(crate) fn of_file(
        name: &'static str,
        path: PathBuf,
        seeds: Vec<Vec<u8>>,
        words: Words,
        mut read: impl FnMut(&Path) -> Result<()> + 'static,
    ) -> Self {
        let whole = std::fs::read(&path).ok().map(|bytes| (path.clone(), bytes));
        let file_name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let named: &'static str = String::from(file_name).leak();
        let attack = move |bytes: &[u8], _: &mut StdRng| {
            std::fs::write(&path, bytes).expect("room for an input");
            read(&path)
        };
        Self { whole, ..Self::of_bytes(name, Some(named), seeds, words, attack) }
    }

    /// The same, whose errors name something else.
    pub(crate) fn naming(self, named: &'static str) -> Self {
        Self { named: Some(named), ..self }
    }
}

/// All of them, in the order in which they are attacked.
pub(crate) fn all(fixture: &Fixture) -> Vec<Target> {
    [
        crate::photos::targets(fixture),
        crate::tables::targets(fixture),
        crate::tensors::targets(fixture),
        crate::settings::targets(fixture),
    ]
    .into_iter()
    .flatten()
    .collect()
}
