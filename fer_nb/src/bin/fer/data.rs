//! `fer data`: the data found, and its audit.

use std::collections::BTreeMap;

use fer_nb::emotion::Emotion;
use fer_nb::error::Result;

use crate::arguments::{DataPath, JsonFile};

/// Counts of each class, and an audit: copies, leaks, labels that disagree, flat images.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataPath,

    #[command(flatten)]
    json: JsonFile,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let data = args.data.open()?;
    let (audit, distribution) = (data.audit()?, data.class_distribution());
    crate::say(&format!("{data}\n\n{distribution}\n\n{audit}\n"))?;
    let by_class = |counts: [usize; Emotion::COUNT]| Emotion::names().into_iter().zip(counts);
    let counts: BTreeMap<_, BTreeMap<_, _>> = distribution
        .splits
        .into_iter()
        .map(|(part, counts)| (part, by_class(counts).collect()))
        .collect();
    let findings: BTreeMap<_, _> = audit.findings().into_iter().collect();
    let figures = serde_json::json!({
        "origin": data.origin().to_string(),
        "fingerprint": format!("{:016x}", data.fingerprint()),
        "images": counts,
        "audit": findings,
        "notes": data.notes,
    });
    args.json.write(&figures)
}
