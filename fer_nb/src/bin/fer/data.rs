//! `fer data`: the data found, and its audit.

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
    let audit = data.audit()?;
    crate::say(&format!("{data}\n\n{}\n\n{audit}\n", data.class_distribution()))?;
    let distribution = data.class_distribution();
    let counts: serde_json::Map<_, _> = distribution
        .splits
        .iter()
        .map(|(name, counts)| {
            let classes = Emotion::names().into_iter().zip(counts);
            let classes: serde_json::Map<_, _> =
                classes.map(|(class, count)| (class.to_string(), (*count).into())).collect();
            (name.to_string(), classes.into())
        })
        .collect();
    let findings: serde_json::Map<_, _> = audit
        .findings()
        .into_iter()
        .map(|(name, count)| (name.to_string(), count.into()))
        .collect();
    let figures = serde_json::json!({
        "origin": data.origin().to_string(),
        "fingerprint": format!("{:016x}", data.fingerprint()),
        "images": counts,
        "audit": findings,
        "notes": data.notes,
    });
    args.json.write(&figures)
}
