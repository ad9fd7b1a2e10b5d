//! Files of tensors: weights and checkpoints.

use fer_nb::model::{NameMap, transfer, weights};
use fer_nb::train::Checkpoint;

use crate::fixture::{Fixture, network};
use crate::target::{Target, Words};

pub(crate) fn targets(fixture: &Fixture) -> Vec<Target> {
    let small = fixture.input("small.safetensors");
    weights::save(&network(), &small).expect("weights");
    let small = std::fs::read(small).expect("weights");
    let checkpoint = vec![fixture.read("run/last/checkpoint.safetensors")];
    let (mut whole, mut part) = (network(), network());
    let at = |name: &str| fixture.input(name);
    vec![
        Target::of_file(
            "weights",
            at("hostile.safetensors"),
            vec![small.clone()],
            WORDS,
            move |path| {
                let checked = weights::load(&mut whole, path);
                weights::load_unchecked(&mut whole, path)?;
                checked
            },
        ),
        Target::of_file(
            "weights that fit in part",
            at("part.safetensors"),
            vec![small],
            WORDS,
            move |path| transfer(&mut part, path, &NameMap::identity()).map(drop),
        ),
        Target::of_file("checkpoint", at("checkpoint.safetensors"), checkpoint, WORDS, |path| {
            Checkpoint::load(path).map(drop)
        }),
    ]
}

const WORDS: Words = &[
    b"{",
    b"}",
    b"\"",
    b":",
    b"[",
    b"]",
    b"0",
    b"-1",
    b"18446744073709551615",
    b"4294967296",
    b"\"F32\"",
    b"\"F64\"",
    b"\"BOOL\"",
    b"\"I8\"",
    b"__metadata__",
    b"data_offsets",
    b"shape",
    b"dtype",
    b"checksum",
    b"\0\0\0\0\0\0\0\0",
    b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
];
