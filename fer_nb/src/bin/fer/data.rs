//! `fer data`: what was found, and what is wrong with it.

use std::path::PathBuf;

use fer_nb::data::FaceData;
use fer_nb::emotion::Emotion;
use fer_nb::error::Result;

/// Counts of each class, and an audit: copies, leaks, labels that disagree, flat images.
#[derive(clap::Args)]
pub struct Args {
    /// A folder with train/ and test/, or a fer2013.csv; searched for where it is not given.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,

    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let data = FaceData::open_or(args.data.as_deref())?;
    let audit = data.audit()?;
    crate::say(&format!("{data}\n\n{}\n\n{audit}\n", data.class_distribution()))?;
    let Some(path) = &args.json else { return Ok(()) };
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
    crate::write_json(path, &figures)
}
