//! Tables: images, histories, runs and predictions.

use fer_nb::evaluate::Evaluation;
use fer_nb::prelude::{FaceData, read_csv};
use fer_nb::train::{History, RunTable};

use crate::fixture::Fixture;
use crate::target::{Target, Words};

pub(crate) fn targets(fixture: &Fixture) -> Vec<Target> {
    let predictions = || vec![fixture.read("predictions.csv")];
    let history = vec![fixture.read("run/history.csv")];
    let runs = vec![include_bytes!("../../../docs/runs.csv").to_vec()];
    let at = |name: &str| fixture.input(name);
    vec![
        Target::of_file("csv of images", at("images.csv"), vec![images(1)], WORDS, |path| {
            FaceData::from_path(path).map(drop)
        }),
        Target::of_file("csv in UTF-16", at("utf16.csv"), vec![utf16(&images(1))], WORDS, |path| {
            FaceData::from_path(path).map(drop)
        }),
        Target::of_file("history", at("history.csv"), history, WORDS, |path| {
            History::load(path, "").map(drop)
        }),
        Target::of_file("table of runs", at("runs.csv"), runs, WORDS, |path| {
            RunTable::load(path).map(drop)
        }),
        Target::of_file("predictions", at("predictions.csv"), predictions(), WORDS, |path| {
            let evaluation = Evaluation::from_csv(path)?;
            assert!(evaluation.probs().iter().flatten().all(|prob| prob.is_finite()));
            Ok(())
        }),
        Target::of_file("table", at("table.csv"), predictions(), WORDS, |path| {
            read_csv(path).map(drop)
        }),
    ]
}

/// Made-up images, so many a class for training and one for testing.
pub(crate) fn images(a_class: u32) -> Vec<u8> {
    let mut text = String::from("emotion,pixels,Usage\n");
    for row in 0..7 * (a_class + 1) {
        let pixels: Vec<String> =
            (0..2304).map(|at| ((at * 7 + row * 31) % 256).to_string()).collect();
        let part = if row < 7 * a_class { "Training" } else { "PrivateTest" };
        text += &format!("{},{},{part}\n", row % 7, pixels.join(" "));
    }
    text.into_bytes()
}

const WORDS: Words = &[
    b",",
    b"\"",
    b"\"\"",
    b"\n",
    b"\r\n",
    b";",
    b"\t",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"emotion",
    b"pixels",
    b"Usage",
    b"255",
    b"256",
    b"-1",
    b"NaN",
    b"1e999",
    b"99999999999999999999",
    b"[",
    b"]",
    b"\0",
    b"Training",
];

/// A table in UTF-16 with its mark.
fn utf16(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}
