//! [`display`], and the display of types of other modules and crates in a notebook.

use polars::prelude::DataFrame;

use crate::common::machine::notebook_is_live;
use crate::deploy::ModelCard;
use crate::evaluate::Accuracy;
use crate::notebook::shown::displays;
use crate::notebook::{Formats, Gallery, LiveCurves, Shown, Table, live};
use crate::plot::{Annotated, Figure};

impl Shown for Figure {
    fn formats(&self) -> Formats {
        Formats::html(self.html(), self.text())
    }
}

/// Without this, polars prints a table of characters.
impl Shown for DataFrame {
    fn formats(&self) -> Formats {
        match Table::from_frame(self) {
            Ok(table) => table.formats(),
            Err(error) => Formats::text(format!("a table that can't be shown: {error}")),
        }
    }
}

/// Displays a value now, in a cell, a loop or a function, any number of times. A cell displays its last value
/// without it.
///
/// ```
/// use fer_nb::prelude::*;
///
/// for name in ["original", "quick"] {
///     display(&Recipe::open(name)?.train);
/// }
/// # Ok::<(), Error>(())
/// ```
pub fn display(value: impl Shown) {
    let formats = value.formats();
    if notebook_is_live() {
        live::display(&formats);
    } else {
        formats.emit(); // in plain evcxr, the last of a cell replaces the others
    }
}

displays!(Accuracy, Annotated, Figure, Gallery, LiveCurves, ModelCard, Table);

/// Displays a cell's last value of a type of another crate: a polars table, a type with [`Shown`].
pub trait ShowValue {
    /// Displays the value in a notebook.
    fn evcxr_display(&self);
}

impl<T: Shown> ShowValue for T {
    fn evcxr_display(&self) {
        self.formats().emit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Error;
    use crate::data::{FaceData, SampleConfig};
    use crate::deploy::{Photo, Predictor};
    use crate::evaluate::fixtures::two_rows;
    use crate::evaluate::tune::{Space, Study};
    use crate::evaluate::{Evaluation, evaluate, grad_cam};
    use crate::model::{Architecture, Network, SeedCnn};
    use crate::notebook::gallery;
    use crate::plot::annotate;
    use crate::project::{Environment, data_file};
    use crate::train::{RangePoint, RangeTest, Recipe, TrainConfig, Trainer};
    use polars::prelude::df;
    use tch::Device;

    #[test]
    fn what_a_notebook_shows_has_text_and_a_richer_format() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let test = evaluate(&network, &data.test).unwrap();
        let figure = data.class_distribution().figure().unwrap();
        let frame = df!("n" => [1u32, 2]).unwrap();
        let shown: [&dyn Shown; 9] = [
            &data,
            &data.train,
            &test,
            &test.classification_report(),
            &figure,
            &gallery([&figure, &figure]),
            &frame,
            &LiveCurves::new(),
            &Environment::detect(),
        ];
        for value in shown {
            let formats = value.formats();
            let mimes: Vec<&str> = formats.parts().map(|(mime, _)| mime).collect();
            assert!(mimes.contains(&"text/plain") && mimes.contains(&"text/html"), "{mimes:?}");
        }
        let accuracy: Accuracy = test.accuracy();
        assert_eq!(accuracy.formats(), Formats::text(accuracy.to_string()));
        assert_eq!("a".formats(), Formats::text("a"));
    }

    #[test]
    fn a_frame_of_no_column_is_shown_too() {
        assert!(DataFrame::empty().formats().parts().count() >= 1);
    }

    /// A page of pixels or weights would stay in the notebook's file.
    #[test]
    fn debug_of_what_holds_much_is_short() {
        const MOST: usize = 2_000;
        let folder = tempfile::tempdir().unwrap();
        let data = FaceData::sample(SampleConfig::default()).unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let probs = [0.0, 0.0, 0.1, 0.8, 0.1, 0.0, 0.0];
        let labels = data.test.iter().map(|(_, label)| label.index() as u8).collect::<Vec<_>>();
        let test =
            Evaluation::from_probs(labels, vec![probs; data.test.len()], data.origin().title())
                .unwrap();
        let faces = data.test.take_per_class(1).unwrap();
        let attention = grad_cam(&network, &faces).unwrap();
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2);
        let study = Study::open(folder.path().join("study"), &space, Recipe::default()).unwrap();
        let photo = Photo::open(data_file("pictures/portrait.jpg")).unwrap();
        let point = RangePoint { learning_rate: 1e-3, loss: 1.5, smoothed: 1.5 };
        let range = RangeTest { points: vec![point; 100], title: "made-up sample".into() };
        let trainer = Trainer::new(SeedCnn::new(Device::Cpu, 1).unwrap(), TrainConfig::default());
        let figure = range.figure().unwrap();
        let networks = Architecture::NAMES
            .map(|name| name.parse::<Architecture>().unwrap().build(Device::Cpu, 1).unwrap());
        let values: Vec<(&str, String)> = vec![
            ("FaceData", format!("{data:?}")),
            ("Result<FaceData>", format!("{:?}", Ok::<_, Error>(data.clone()))),
            ("Dataset", format!("{:?}", data.train)),
            ("ClassDistribution", format!("{:?}", data.class_distribution())),
            ("Audit", format!("{:?}", data.audit().unwrap())),
            ("Evaluation", format!("{test:?}")),
            ("ConfusionMatrix", format!("{:?}", test.confusion_matrix())),
            ("ClassificationReport", format!("{:?}", test.classification_report())),
            ("Calibration", format!("{:?}", test.calibration().ece)),
            ("Attention", format!("{:?}", attention.first().unwrap())),
            ("Robustness", format!("{:?}", two_rows())),
            ("Study", format!("{study:?}")),
            ("Photo", format!("{photo:?}")),
            ("Annotated", format!("{:?}", annotate(&photo, &[]).unwrap())),
            ("Predictor", format!("{:?}", Predictor::pretrained(Device::Cpu).unwrap())),
            ("RangeTest", format!("{range:?}")),
            ("Figure", format!("{figure:?}")),
            ("Gallery", format!("{:?}", gallery(vec![figure.clone(); 12]))),
            ("Table", format!("{:?}", data.overview().unwrap())),
            ("LiveCurves", format!("{:?}", LiveCurves::new())),
            ("Trainer", format!("{:?}", trainer.unwrap())),
            ("TrainConfig", format!("{:?}", TrainConfig::default())),
            ("Parameters", format!("{:?}", network.parameters())),
            ("SeedCnn", format!("{network:?}")),
            ("networks", format!("{networks:?}")),
            ("Tensor", format!("{:?}", data.test.images_tensor(Device::Cpu).unwrap())),
        ];
        for (name, text) in values {
            assert!(text.len() <= MOST && !text.contains('\n'), "{name}: {} bytes", text.len());
        }
        assert_eq!(
            format!("{:?}", data.test),
            "Dataset { 600 images, made-up sample, seed 0 (not FER2013) }"
        );
        assert_eq!(
            format!("{network:?}"),
            "SeedCnn { Parameters { 1,468,135 numbers in 16 tensors, on Cpu } }"
        );
    }
}
