//! [`Timeline`]: the emotions of each face over time, as rows, a table and a csv file.

use std::io::Write;

use polars::prelude::{Column, DataFrame};

use super::frames::FramesEnd;
use crate::common::text::plural;
use crate::common::{Error, Result};
use crate::deploy::face::FaceBox;
use crate::deploy::prediction::Prediction;
use crate::emotion::Emotion;

/// A face in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// The time of the frame, in seconds.
    pub seconds: f64,
    /// The frame's number in the file, from 0.
    pub frame: u64,
    /// The face's number in the video, from 1, the same in all frames.
    pub face: usize,
    /// Its position, in the video's pixels.
    pub area: FaceBox,
    /// The calibrated prediction of this frame.
    pub prediction: Prediction,
    /// The prediction averaged over the face's earlier frames: the weight of a frame that is τ seconds old is e^(−τ
    /// / 0.5 s).
    pub smoothed: Prediction,
}

/// The faces of a video over time.
#[derive(Clone)]
pub struct Timeline {
    /// The file's name, for titles.
    pub title: String,
    /// The rows in order of time; within a frame, the largest face first.
    pub sightings: Vec<Sighting>,
    /// The number of predicted frames.
    pub frames: usize,
    /// The time of the last of them, in seconds.
    pub seconds: f64,
    /// How the video ended; `None` if the user stopped it.
    pub end: Option<FramesEnd>,
    /// The clearest picture of each face, u8 [48 × 48].
    pub(crate) pictures: Vec<(usize, Vec<u8>)>,
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timeline({self})")
    }
}

impl std::fmt::Display for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (frames, faces) = (plural(self.frames, "frame"), plural(self.faces().len(), "face"));
        write!(f, "{}: {frames} of {:.1} s, {faces}", self.title, self.seconds)
    }
}

impl Timeline {
    /// The faces' numbers with their numbers of frames, the most frequent first.
    pub fn faces(&self) -> Vec<(usize, usize)> {
        let most = self.sightings.iter().map(|sighting| sighting.face).max().unwrap_or(0);
        let mut counts = vec![0; most + 1];
        for sighting in &self.sightings {
            if let Some(count) = counts.get_mut(sighting.face) {
                *count += 1;
            }
        }
        let mut faces: Vec<_> =
            counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
        faces.sort_by_key(|(face, count)| (std::cmp::Reverse(*count), *face));
        faces
    }

    /// A table with a row for each frame and face: the columns of [`CsvRows`].
    ///
    /// # Errors
    /// [`Error::Table`] if polars reports an error.
    pub fn to_table(&self) -> Result<DataFrame> {
        let rows = &self.sightings;
        let of = |value: fn(&Sighting) -> f32| rows.iter().map(value).collect::<Vec<_>>();
        let probs = |prefix: &'static str, of: fn(&Sighting) -> &Prediction| {
            Emotion::ALL.into_iter().enumerate().map(move |(class, emotion)| {
                let prob = |row: &Sighting| of(row).probs().get(class).copied().unwrap_or_default();
                let values: Vec<f32> = rows.iter().map(prob).collect();
                Column::new(format!("{prefix}{emotion}").into(), values)
            })
        };
        let names = |of: fn(&Sighting) -> &Prediction| {
            rows.iter().map(|row| of(row).emotion().name()).collect::<Vec<_>>()
        };
        let uncertain: Vec<_> = rows.iter().map(|row| row.prediction.is_uncertain()).collect();
        let mut columns = vec![
            Column::new("seconds".into(), rows.iter().map(|row| row.seconds).collect::<Vec<_>>()),
            Column::new("frame".into(), rows.iter().map(|row| row.frame).collect::<Vec<_>>()),
            Column::new("face".into(), rows.iter().map(|row| row.face as u64).collect::<Vec<_>>()),
            Column::new("left".into(), of(|row| row.area.left)),
            Column::new("top".into(), of(|row| row.area.top)),
            Column::new("width".into(), of(|row| row.area.width)),
            Column::new("height".into(), of(|row| row.area.height)),
            Column::new("score".into(), of(|row| row.area.score)),
        ];
        columns.extend(probs("", |row| &row.prediction));
        columns.push(Column::new("emotion".into(), names(|row| &row.prediction)));
        columns.push(Column::new("confidence".into(), of(|row| row.prediction.confidence())));
        columns.push(Column::new("uncertain".into(), uncertain));
        columns.extend(probs("smoothed_", |row| &row.smoothed));
        columns.push(Column::new("smoothed_emotion".into(), names(|row| &row.smoothed)));
        Ok(DataFrame::new(rows.len(), columns)?)
    }

    /// Writes all rows to a csv file, as [`CsvRows`] does.
    ///
    /// # Errors
    /// [`Error::Io`] if it can't be written.
    pub fn save_csv(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
        crate::common::files::replace_file(path, |path| {
            let failed = |error| Error::io("write", path, error);
            let file = std::fs::File::create(path).map_err(failed)?;
            let mut rows = CsvRows::new(std::io::BufWriter::new(file)).map_err(failed)?;
            self.sightings.iter().try_for_each(|sighting| rows.write(sighting)).map_err(failed)?;
            rows.flush().map_err(failed)
        })
    }
}

/// Writes rows of a csv file one by one: seconds, frame, face; left, top, width and height in the video's pixels,
/// and the detector's score; the probability of each class on 0 to 1, the most probable class (emotion), its
/// probability (confidence), and whether that is below the run's threshold (uncertain: true or false); the same
/// probabilities and class smoothed.
#[derive(Debug)]
pub struct CsvRows<W: Write> {
    to: W,
}

impl<W: Write> CsvRows<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(mut to: W) -> std::io::Result<Self> {
        let classes = Emotion::names().join(",");
        let smoothed = Emotion::names().map(|name| format!("smoothed_{name}")).join(",");
        writeln!(
            to,
            "seconds,frame,face,left,top,width,height,score,{classes},emotion,confidence,uncertain,\
             {smoothed},smoothed_emotion"
        )?;
        Ok(Self { to })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&mut self, sighting: &Sighting) -> std::io::Result<()> {
        let Sighting { seconds, frame, face, area, prediction, smoothed } = sighting;
        write!(self.to, "{seconds:.3},{frame},{face}")?;
        for length in [area.left, area.top, area.width, area.height] {
            write!(self.to, ",{length:.1}")?;
        }
        write!(self.to, ",{:.4}", area.score)?;
        for prob in prediction.probs() {
            write!(self.to, ",{prob:.6}")?;
        }
        let (emotion, confidence) = (prediction.emotion(), prediction.confidence());
        write!(self.to, ",{emotion},{confidence:.6},{}", prediction.is_uncertain())?;
        for prob in smoothed.probs() {
            write!(self.to, ",{prob:.6}")?;
        }
        writeln!(self.to, ",{}", smoothed.emotion())
    }

    /// Flushes the writer.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(seconds: f64, face: usize, happy: f32) -> Sighting {
        let rest = (1.0 - happy) / 6.0;
        let mut probs = [rest; 7];
        probs[Emotion::Happy.index()] = happy;
        let prediction = Prediction::from_probs(probs).unwrap();
        let area =
            FaceBox { left: 1.0, top: 2.0, width: 30.0, height: 40.0, score: 0.9, landmarks: None };
        let frame = (seconds * 25.0) as u64;
        Sighting { seconds, frame, face, area, prediction, smoothed: prediction }
    }

    #[test]
    fn table_and_csv_say_the_same() {
        let sightings = vec![sighting(0.0, 1, 0.7), sighting(0.04, 2, 0.4), sighting(0.04, 1, 0.9)];
        let timeline = Timeline {
            title: "clip.mp4".into(),
            sightings,
            frames: 2,
            seconds: 0.04,
            end: Some(FramesEnd::Complete),
            pictures: Vec::new(),
        };
        assert_eq!(timeline.faces(), [(1, 2), (2, 1)]);
        assert_eq!(timeline.to_string(), "clip.mp4: 2 frames of 0.0 s, 2 faces");
        let table = timeline.to_table().unwrap();
        assert_eq!(table.shape(), (3, 26));
        assert_eq!(table.column("smoothed_emotion").unwrap().str().unwrap().get(2), Some("happy"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        timeline.save_csv(&path).unwrap();
        let mut reader = csv::Reader::from_path(path).unwrap();
        let header: Vec<_> = reader.headers().unwrap().iter().map(String::from).collect();
        let names: Vec<_> = table.get_column_names().iter().map(|name| name.to_string()).collect();
        assert_eq!(header, names);
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), 3);
        assert_eq!((&rows[1][0], &rows[1][2], &rows[1][11]), ("0.040", "2", "0.400000"));
    }
}
