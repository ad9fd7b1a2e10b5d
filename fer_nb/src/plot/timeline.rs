//! The emotions of a video's faces over time.

use crate::common::Result;
use crate::common::text::plural;
use crate::deploy::{Sighting, Timeline};
use crate::emotion::Emotion;
use crate::plot::axis::{self, Scale};
use crate::plot::canvas::{Align, Canvas, MARGIN, Type};
use crate::plot::figure::Figure;
use crate::plot::palette::{GRID, INK, MUTED, PAPER, class_color};
use crate::plot::style::WIDTH;

/// The number of faces with a panel: those with the most frames.
const MOST: usize = 4;
/// The number of intervals; each shows the mean of its frames.
const COLUMNS: usize = 300;
const LEFT: f64 = 260.0;
const RIGHT: f64 = WIDTH as f64 - MARGIN;
const TOP: f64 = 236.0;
const BOTTOM: f64 = 960.0;

impl Timeline {
    /// The smoothed probabilities over time, stacked, for each of up to four faces with the most frames, with a
    /// band below for uncertain predictions, and the face's clearest picture.
    ///
    /// # Errors
    /// [`Error::Figure`](crate::common::Error::Figure) if it can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let figure = Figure::draw(format!("Emotions over time, {}", self.title), |canvas| {
            draw(canvas, self)
        })?;
        Ok(figure.of_data(self.to_table()?))
    }
}

/// An interval of a face.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Column {
    frames: usize,
    uncertain: usize,
    sums: [f64; Emotion::COUNT],
}

fn draw(canvas: &mut Canvas, timeline: &Timeline) -> Result<()> {
    let faces = timeline.faces();
    let shown = faces.get(..MOST).unwrap_or(&faces);
    let mut subtitle = format!("smoothed probabilities in {}", plural(timeline.frames, "frame"));
    if faces.len() > shown.len() {
        subtitle += &format!("; the {MOST} of {} faces that were seen longest", faces.len());
    }
    canvas.headline(&subtitle)?;
    if shown.is_empty() {
        return canvas.nothing("No face was found.");
    }
    legend(canvas)?;
    // A single frame also has a width.
    let end = timeline.seconds.max(0.04);
    let x = Scale { low: 0.0, high: end, from: LEFT, to: RIGHT };
    let pitch = (BOTTOM - TOP) / shown.len() as f64;
    for (place, (face, frames)) in shown.iter().enumerate() {
        let top = TOP + pitch * place as f64;
        let bottom = top + pitch - 26.0;
        let columns = columns(&timeline.sightings, *face, end);
        panel(canvas, &columns, [top, bottom], end);
        let side = (bottom - top - 52.0).min(LEFT - MARGIN - 40.0);
        if let Some((_, pixels)) = timeline.pictures.iter().find(|(of, _)| of == face) {
            canvas.face((MARGIN, top), side, pixels)?;
        }
        let (name, kind) = (format!("face {face}"), Type::new(28.0).bold());
        canvas.text(&name, (MARGIN, top + side + 32.0), kind);
        if bottom - top > side + 66.0 {
            let kind = Type::new(26.0).color(MUTED);
            canvas.text(&plural(*frames, "frame"), (MARGIN, top + side + 64.0), kind);
        }
    }
    let ticks = axis::ticks(0.0, end, 10);
    let step = ticks.get(1).copied().unwrap_or(end);
    let texts = ticks.into_iter().map(|mark| (mark, axis::number(mark, step)));
    axis::below(canvas, &x, [BOTTOM + 20.0, BOTTOM + 66.0], texts, "seconds");
    Ok(())
}

/// A face's frames in equal intervals from 0 to `end`, in seconds.
fn columns(sightings: &[Sighting], face: usize, end: f64) -> Vec<Column> {
    let mut columns = vec![Column::default(); COLUMNS];
    for sighting in sightings.iter().filter(|sighting| sighting.face == face) {
        let at = ((sighting.seconds / end * COLUMNS as f64) as usize).min(COLUMNS - 1);
        let Some(column) = columns.get_mut(at) else { continue };
        column.frames += 1;
        column.uncertain += usize::from(sighting.prediction.is_uncertain());
        for (sum, prob) in column.sums.iter_mut().zip(sighting.smoothed.probs()) {
            *sum += f64::from(*prob);
        }
    }
    // If frames are further apart than columns, each is drawn until the next one; an absence of more than three of
    // them is a gap.
    let seen: Vec<usize> = (0..COLUMNS).filter(|at| columns[*at].frames > 0).collect();
    let mut apart: Vec<usize> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    apart.sort_unstable();
    let usual = apart.get(apart.len() / 2).copied().unwrap_or(1);
    for (place, at) in seen.iter().enumerate() {
        let next = seen.get(place + 1).copied().unwrap_or(COLUMNS);
        let until = if next - at <= 3 * usual { next } else { (at + usual).min(COLUMNS) };
        for empty in at + 1..until {
            columns[empty] = columns[*at];
        }
    }
    columns
}

fn panel(canvas: &mut Canvas, columns: &[Column], [top, bottom]: [f64; 2], end: f64) {
    // The band for uncertain predictions.
    let (foot, band) = (bottom - 16.0, [bottom - 11.0, bottom]);
    canvas.rect((LEFT, top), (RIGHT, foot), GRID);
    let place = |column: usize| LEFT + (RIGHT - LEFT) * column as f64 / COLUMNS as f64;
    let mut at = 0;
    while let Some(column) = columns.get(at) {
        // Equal neighbours are one rectangle.
        let same = columns[at..].iter().take_while(|other| *other == column).count();
        let (left, right) = (place(at), place(at + same));
        at += same;
        if column.frames == 0 {
            continue;
        }
        let frames = column.frames as f64;
        let mut y = foot;
        for (emotion, sum) in Emotion::ALL.into_iter().zip(column.sums) {
            let next = (y - (foot - top) * sum / frames).max(top);
            canvas.rect((left, next), (right, y), class_color(emotion));
            y = next;
        }
        if 2 * column.uncertain > column.frames {
            canvas.rect((left, band[0]), (right, band[1]), INK);
        }
    }
    // White lines at round times guide the eye to the axis.
    for mark in axis::ticks(0.0, end, 10).into_iter().filter(|mark| *mark > 0.0 && *mark < end) {
        let x = LEFT + (RIGHT - LEFT) * mark / end;
        canvas.line(&[(x, top), (x, foot)], 1.5, PAPER);
    }
}

fn legend(canvas: &mut Canvas) -> Result<()> {
    let kind = Type::new(27.0);
    let mut left = LEFT;
    let entries = Emotion::ALL.map(|emotion| (emotion.name(), class_color(emotion)));
    for (name, color) in entries.into_iter().chain([("uncertain", INK)]) {
        let height = if name == "uncertain" { 11.0 } else { 26.0 };
        canvas.rect((left, 196.0 - height / 2.0), (left + 26.0, 196.0 + height / 2.0), color);
        canvas.label(name, (left + 38.0, 196.0), kind.align(Align::Left));
        left += 38.0 + canvas.width_of(name, kind)? + 40.0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;
    use crate::deploy::{FaceBox, Prediction};

    fn timeline(faces: usize, frames: usize) -> Timeline {
        let prediction = Prediction::from_probs([0.1, 0.05, 0.1, 0.5, 0.1, 0.1, 0.05]).unwrap();
        let area =
            FaceBox { left: 0.0, top: 0.0, width: 9.0, height: 9.0, score: 0.9, landmarks: None };
        let at = |frame: usize, face: usize| Sighting {
            seconds: frame as f64 / 5.0,
            frame: frame as u64,
            face: face + 1,
            area,
            prediction: prediction.marked(frame.is_multiple_of(7)),
            smoothed: prediction,
        };
        Timeline {
            title: "clip.mp4".into(),
            sightings: (0..frames)
                .flat_map(|frame| (0..faces).map(move |face| at(frame, face)))
                .collect(),
            frames,
            seconds: frames.saturating_sub(1) as f64 / 5.0,
            end: None,
            pictures: (0..faces).map(|face| (face + 1, vec![90; PIXELS])).collect(),
        }
    }

    #[test]
    fn any_number_of_faces_and_frames_is_drawn() {
        for (faces, frames) in [(0, 0), (0, 5), (1, 1), (1, 2), (2, 40), (6, 900)] {
            let figure = timeline(faces, frames).figure().unwrap();
            let svg = figure.svg();
            assert_eq!(svg.matches("<image").count(), faces.min(MOST));
            assert_eq!(svg.contains("No face was found"), faces * frames == 0);
            assert_eq!(svg.contains("of 6 faces"), faces == 6);
        }
    }

    #[test]
    fn gaps_stay_and_slow_frames_join() {
        let mut slow = timeline(1, 21);
        let columns_of = |timeline: &Timeline| columns(&timeline.sightings, 1, timeline.seconds);
        assert!(columns_of(&slow).iter().all(|column| column.frames == 1));
        slow.sightings.retain(|sighting| !(8..16).contains(&sighting.frame));
        let empty = columns_of(&slow).iter().filter(|column| column.frames == 0).count();
        assert!((100..=130).contains(&empty), "{empty}");
    }
}
