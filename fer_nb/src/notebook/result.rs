//! The display of a cell that ends in a `Result`, because a `?` is missing. The value or the error is displayed as
//! with `?`, and a line says that the `?` is missing. Without this a cell would display the `Result`'s `Debug`.

use std::any::Any;
use std::fmt::{Debug, Display};

use polars::prelude::DataFrame;

use crate::common::machine::{notebook_is_live, print_line};
use crate::data::{Audit, ClassDistribution, Dataset, FaceData};
use crate::deploy::{ModelCard, Prediction, Published, Timeline};
use crate::evaluate::tune::Study;
use crate::evaluate::{
    Accuracy, Across, ClassificationReport, Comparison, ConfusionMatrix, Evaluation, Robustness,
    Trust,
};
use crate::model::Summary;
use crate::notebook::{Formats, Gallery, LiveCurves, Shown, Table, live};
use crate::plot::{Annotated, Figure};
use crate::project::Environment;
use crate::train::{History, RunConfig, TrainConfig};

const NOTE: &str = "note: this is a `Result`. Add `?` at the end for the value itself";

/// Displays a `Result`: its value as the last value of a cell, if it is of a type of this crate, or as text.
pub trait ShowResult {
    /// Displays the value or the error in a notebook.
    fn evcxr_display(&self);
}

impl<T: Debug + 'static, E: Display> ShowResult for Result<T, E> {
    fn evcxr_display(&self) {
        show(self.as_ref().map(|value| known(value).unwrap_or_else(|| text(value))));
    }
}

/// Writes [`known`] for these types.
macro_rules! known {
    ($($type:ty),+ $(,)?) => {
        /// The formats of a value of one of the types that a notebook can display; `None` for another type. rustc
        /// can't choose between two traits by whether a type is [`Shown`], so the types are tried one by one.
        fn known(value: &dyn Any) -> Option<Formats> {
            $(if let Some(value) = value.downcast_ref::<$type>() {
                return Some(value.formats());
            })+
            None
        }
    };
}

known!(
    Accuracy,
    Across,
    Annotated,
    Audit,
    ClassDistribution,
    ClassificationReport,
    Comparison,
    ConfusionMatrix,
    DataFrame,
    Dataset,
    Environment,
    Evaluation,
    FaceData,
    Figure,
    Gallery,
    History,
    LiveCurves,
    ModelCard,
    Prediction,
    Published,
    Robustness,
    RunConfig,
    String,
    Study,
    Summary,
    Table,
    Timeline,
    TrainConfig,
    Trust,
);

fn text(value: &impl Debug) -> Formats {
    match format!("{value:?}").as_str() {
        "()" => Formats::default(),
        text => Formats::text(text),
    }
}

fn show<E: Display>(result: Result<Formats, E>) {
    match result {
        Ok(formats) => {
            print_line(NOTE);
            formats.emit();
        }
        Err(error) if notebook_is_live() => live::fail(&error.to_string()),
        Err(error) => Formats::text(format!("error: {error}")).emit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Error;

    #[test]
    fn a_result_is_shown_and_is_not_used_up() {
        let figure: Result<Figure, Error> = History::default().curves();
        (figure).evcxr_display();
        (figure).evcxr_display();
        let shown = figure.as_ref().ok().and_then(|figure| known(figure));
        assert_eq!(shown, figure.as_ref().ok().map(Shown::formats));
        ("4".parse::<u8>()).evcxr_display();
        ("many".parse::<u8>()).evcxr_display();
        (Ok::<(), Error>(())).evcxr_display();
        assert_eq!((text(&4u8), text(&())), (Formats::text("4"), Formats::default()));
    }

    /// Each type that the macros make [`Shown`] has to be in the list.
    #[test]
    fn no_type_that_a_notebook_shows_is_missing() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/notebook");
        let source = |file: &str| std::fs::read_to_string(format!("{folder}/{file}")).unwrap();
        let list = source("result.rs");
        let list = list.split("\nknown!(").nth(1).unwrap().split(");").next().unwrap();
        let known: Vec<&str> = list.split(',').map(str::trim).collect();
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let text = source(&name);
            let shows = text.split("\nshows!(").skip(1).map(|rest| rest.split(',').take(1));
            let displays = text.split("\ndisplays!(").skip(1);
            let displays = displays.map(|rest| rest.split(')').next().unwrap().split(',').take(99));
            for kind in shows.flatten().chain(displays.flatten()).map(str::trim) {
                assert!(known.contains(&kind), "{kind} of {name} is missing in known!");
                seen += 1;
            }
        }
        assert!(seen > 20, "{seen}");
    }
}
