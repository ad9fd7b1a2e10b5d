//! Predictions as a CSV file, for `fer evaluate --predictions`.

use std::path::Path;

use crate::common::text::plural;
use crate::common::{Error, Place, Result, plain_file};
use crate::emotion::Emotion;
use crate::evaluate::evaluation::Evaluation;
use crate::evaluate::probs::{Row, check_probs};

/// The maximum size of such a file: two million predictions.
const LARGEST: u64 = 256 << 20;

const COLUMNS: &str = "Expected are a column 'label' and either prob_angry … prob_surprise or \
                       logit_angry … logit_surprise.";

/// The columns of a file.
struct Layout {
    label: usize,
    scores: [usize; Emotion::COUNT],
    /// Whether the seven numbers are logits.
    logits: bool,
}

impl Evaluation {
    /// Reads labels and predictions from a CSV file: a column `label` (or `true`) of class indices
    /// or names, and either `prob_angry` … `prob_surprise` or `logit_angry` … `logit_surprise`, in
    /// any order; other columns are ignored. The title is the file's name.
    ///
    /// # Errors
    /// [`Error::Missing`] for a file that does not exist; [`Error::File`] for invalid content, with the row,
    /// counted from 1 below the header.
    pub fn from_csv(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.exists() {
            let hint = "Give a CSV file with one prediction per row.";
            return Err(Error::missing("the table of predictions", path, hint));
        }
        let text = plain_file::read(path, LARGEST);
        let text = text.map_err(|source| Error::io("read", path, source))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&text[..]);
        let layout = Layout::find(path, reader.headers().map_err(|error| broken(path, 0, error))?)?;
        let (mut labels, mut rows) = (Vec::new(), Vec::new());
        for (index, record) in reader.records().enumerate() {
            let row = index + 1;
            let record = record.map_err(|error| broken(path, row, error))?;
            let (label, scores) = layout
                .parse(&record)
                .map_err(|(problem, hint)| Error::file_at(path, row_place(row), problem, hint))?;
            labels.push(label);
            rows.push(scores);
        }
        if labels.is_empty() {
            return Err(Error::file(path, "there is no row below the header", COLUMNS));
        }
        let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match layout.logits {
            true => Self::from_logits(labels, &rows, title),
            false => Self::from_probs(labels, rows, title),
        }
    }

    /// Writes the columns of [`Evaluation::table`] as a CSV file, which [`Evaluation::from_csv`] reads.
    ///
    /// # Errors
    /// [`Error::Io`] if the file can't be written.
    pub fn to_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |error: csv::Error| match error.into_kind() {
            csv::ErrorKind::Io(source) => Error::io("write", path, source),
            other => Error::file(path, format!("{other:?}"), "The table was not written."),
        };
        let file =
            std::fs::File::create(path).map_err(|source| Error::io("create", path, source))?;
        let mut writer = csv::Writer::from_writer(file);
        let columns = ["index", "true", "predicted", "correct", "confidence"].map(String::from);
        let probs = Emotion::names().map(|name| format!("prob_{name}"));
        writer.write_record(columns.iter().chain(&probs)).map_err(failed)?;
        for ((index, label, predicted, confidence), probs) in self.rows().zip(self.probs()) {
            let mut record = vec![
                index.to_string(),
                Emotion::name_of(label).to_string(),
                Emotion::name_of(predicted).to_string(),
                (label == predicted).to_string(),
                confidence.to_string(),
            ];
            record.extend(probs.iter().map(f32::to_string));
            writer.write_record(&record).map_err(failed)?;
        }
        writer.flush().map_err(|source| Error::io("write", path, source))
    }
}

impl Layout {
    fn find(path: &Path, header: &csv::StringRecord) -> Result<Self> {
        let column = |name: &str| header.iter().position(|field| field == name);
        let Some(label) = column("label").or_else(|| column("true")) else {
            return Err(Error::file_at(path, Place::Header, "there is no column 'label'", COLUMNS));
        };
        let logits = header.iter().any(|field| field.starts_with("logit_"));
        let prefix = if logits { "logit" } else { "prob" };
        let mut scores = [0; Emotion::COUNT];
        for (place, emotion) in scores.iter_mut().zip(Emotion::ALL) {
            let name = format!("{prefix}_{emotion}");
            *place = column(&name).ok_or_else(|| {
                Error::file_at(path, Place::Header, format!("there is no column '{name}'"), COLUMNS)
            })?;
        }
        Ok(Self { label, scores, logits })
    }

    /// A record's label and seven numbers, or the problem and what to do.
    fn parse(
        &self,
        record: &csv::StringRecord,
    ) -> std::result::Result<(u8, Row), (String, &'static str)> {
        let text = record.get(self.label).unwrap_or_default();
        let label = text
            .parse()
            .ok()
            .and_then(Emotion::from_index)
            .or_else(|| text.parse().ok())
            .ok_or_else(|| {
            (format!("label '{text}'"), "Labels are class indices 0 to 6 or class names.")
        })?;
        let mut values = [0f32; Emotion::COUNT];
        for ((value, place), emotion) in values.iter_mut().zip(self.scores).zip(Emotion::ALL) {
            let text = record.get(place).unwrap_or_default();
            *value =
                text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| {
                    (format!("'{text}' for {emotion}"), "A finite number is expected.")
                })?;
        }
        if !self.logits {
            let hint = "Seven probabilities lie on 0 to 1 and add up to 1; call the columns \
                        logit_… if they are before softmax.";
            check_probs(&values).map_err(|problem| (problem, hint))?;
        }
        Ok((label.index() as u8, values))
    }
}

fn row_place(row: usize) -> Place {
    Place::Row { row: row as u64, line: None }
}

/// Converts errors of the csv crate to this crate's errors.
fn broken(path: &Path, row: usize, error: csv::Error) -> Error {
    let place = if row == 0 { Place::Header } else { row_place(row) };
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io("read", path, source),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let problem =
                format!("{}, but the header has {expected_len}", plural(len as usize, "field"));
            Error::file_at(path, place, problem, "The file may be cut short.")
        }
        csv::ErrorKind::Utf8 { .. } => {
            Error::file_at(path, place, "this is not UTF-8 text", "Save the file as UTF-8.")
        }
        other => Error::file_at(path, place, format!("{other:?}"), COLUMNS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "label,prob_angry,prob_disgust,prob_fear,prob_happy,prob_neutral,\
                          prob_sad,prob_surprise\n";

    fn from_bytes(bytes: &[u8]) -> Result<Evaluation> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        std::fs::write(&path, bytes).unwrap();
        Evaluation::from_csv(path)
    }

    /// Where in the file the error is.
    fn place(bytes: impl AsRef<[u8]>) -> Place {
        match from_bytes(bytes.as_ref()) {
            Err(Error::File { place, .. }) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_written_table_comes_back() {
        let probs =
            vec![[0.1, 0.2, 0.3, 0.15, 0.05, 0.12, 0.08], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]];
        let evaluation = Evaluation::from_probs(vec![2, 6], probs, "predictions.csv").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        evaluation.to_csv(&path).unwrap();
        assert_eq!(Evaluation::from_csv(&path).unwrap(), evaluation);
        let refused = evaluation.to_csv(folder.path().join("no/such.csv"));
        assert!(matches!(refused, Err(Error::Io { .. })));
    }

    #[test]
    fn names_order_and_line_ends_are_free() {
        let text = "\u{feff}logit_surprise,file,logit_sad,logit_neutral,logit_happy,logit_fear,\
                    logit_disgust,logit_angry,true\r\n 7,a.jpg,6,5,4,3,2,1,surprise\r\n\
                    1,b.jpg,2,3,4,5,6,7,0\r\n";
        let evaluation = from_bytes(text.as_bytes()).unwrap();
        assert_eq!((evaluation.labels(), evaluation.predictions()), (&[6, 0][..], &[6, 0][..]));
    }

    #[test]
    fn errors_name_file_and_row() {
        for row in [
            "7,0,0,0,1,0,0,0",
            "joy,0,0,0,1,0,0,0",
            "1,0,x,0,1,0,0,0",
            "1,0,NaN,0,1,0,0,0",
            "1,0,0,0,1,0,0,",
            "1,0,0,0,4,0,0,-3",
            "1,0,0,0,0.4,0,0,0",
            "1,0,0,0",
        ] {
            let text = format!("{HEADER}3,0,0,0,1,0,0,0\n{row}\n");
            assert_eq!(place(&text), row_place(2), "{row}");
        }
        assert_eq!(place(HEADER), Place::Whole);
        assert_eq!((place(""), place("label,prob_angry\n")), (Place::Header, Place::Header));
        let latin = [HEADER.as_bytes(), b"\xe9,0,0,0,1,0,0,0\n"].concat();
        assert_eq!(place(latin), row_place(1));
    }

    #[test]
    fn a_missing_file_and_a_folder_are_named() {
        assert!(matches!(Evaluation::from_csv("no/such.csv"), Err(Error::Missing { .. })));
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Evaluation::from_csv(folder.path()), Err(Error::Io { .. })));
    }

    /// A PyTorch run's logits of 3,589 images; $FER_REFERENCE_DIR says where they are.
    #[test]
    fn reference_logits_score_as_scikit_learn_says() {
        let Some(folder) = std::env::var_os("FER_REFERENCE_DIR") else {
            eprintln!("skipped: FER_REFERENCE_DIR is not set");
            return;
        };
        let path = Path::new(&folder).join("seed_cnn_torch_publictest.csv");
        let evaluation = Evaluation::from_csv(path).unwrap();
        let accuracy = evaluation.accuracy();
        assert_eq!((accuracy.correct, accuracy.total), (2151, 3589));
        let macro_avg = evaluation.classification_report().macro_avg();
        assert!((macro_avg.f1 - 0.539_400_794_478_731_3).abs() < 1e-12, "{macro_avg:?}");
        assert!((evaluation.loss() - 1.051_963_954_503_97).abs() < 1e-6, "{}", evaluation.loss());
    }
}
