//! The command line that every peer understands.

use std::path::PathBuf;

use crate::Result;

pub(crate) enum Work {
    Training,
    Inference,
}

pub(crate) struct Arguments {
    pub(crate) work: Work,
    /// `data.safetensors` and `weights.safetensors` of `fer bench export`.
    pub(crate) data: PathBuf,
    pub(crate) weights: PathBuf,
    /// How long to measure.
    pub(crate) seconds: f64,
}

const USAGE: &str = "usage: PEER --work training|inference --data FILE --weights FILE --seconds S";

impl Arguments {
    pub(crate) fn read() -> Result<Self> {
        let (mut work, mut data, mut weights, mut seconds) = (None, None, None, 8.0);
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            match (name.as_str(), value.as_str()) {
                ("--work", "training") => work = Some(Work::Training),
                ("--work", "inference") => work = Some(Work::Inference),
                ("--data", path) => data = Some(path.into()),
                ("--weights", path) => weights = Some(path.into()),
                ("--seconds", number) => seconds = number.parse()?,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(Self {
            work: work.ok_or(USAGE)?,
            data: data.ok_or(USAGE)?,
            weights: weights.ok_or(USAGE)?,
            seconds,
        })
    }
}
