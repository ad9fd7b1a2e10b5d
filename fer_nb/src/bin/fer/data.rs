//! `fer data`: the data found, and its audit.

use std::collections::BTreeMap;

use fer_nb::data::Layout;
use fer_nb::emotion::Emotion;
use fer_nb::error::Result;

use crate::arguments::{DataPath, JsonFile};
use crate::outputs::Outputs;

/// Counts the images of each class, and audits them: copies, leaks, contradictory labels, flat images.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataPath,

    #[command(flatten)]
    json: JsonFile,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    args.data.of(args.json.of(Outputs::default())).check()?;
    let data = args.data.open()?;
    let (audit, distribution) = (data.audit()?, data.class_distribution());
    let layout = match data.layout.rows.is_empty() {
        true => String::new(),
        false => format!("{}\n\n", data.layout),
    };
    crate::say(&format!("{data}\n\n{layout}{distribution}\n\n{audit}\n"))?;
    let by_class = |counts: [usize; Emotion::COUNT]| Emotion::names().into_iter().zip(counts);
    let counts: BTreeMap<_, BTreeMap<_, _>> = distribution
        .splits
        .into_iter()
        .map(|(part, counts)| (part, by_class(counts).collect()))
        .collect();
    let findings: BTreeMap<_, _> = audit.findings().into_iter().collect();
    let parts = [("train", &data.train), ("validation", &data.validation), ("test", &data.test)];
    let parts: BTreeMap<_, _> =
        parts.map(|(name, part)| (name, format!("{:016x}", part.fingerprint()))).into();
    let figures = serde_json::json!({
        "origin": data.origin().to_string(),
        "fingerprint": format!("{:016x}", data.fingerprint()),
        "fingerprints": parts,
        "images": counts,
        "audit": findings,
        "layout": layout_figures(&data.layout),
        "notes": data.notes,
    });
    args.json.write(&figures)
}

/// A row for each folder or group of table rows, with the part and class that it was read as; null if its images
/// are skipped.
fn layout_figures(layout: &Layout) -> serde_json::Value {
    let rows: Vec<_> = layout
        .rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "found": row.found,
                "part": row.part.name(),
                "class": row.class.map(Emotion::name),
                "images": row.images,
            })
        })
        .collect();
    serde_json::json!({
        "taken": rows,
        "passed_over": layout.passed_over,
        "passed_over_names": layout.passed_over_names,
    })
}
