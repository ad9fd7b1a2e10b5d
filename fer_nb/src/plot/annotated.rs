//! A photo with its faces: a box around each, the prediction above it, and all seven probabilities
//! next to it if there is room.

use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};
use plotters::style::RGBColor;

use crate::common::text::{percent, shown};
use crate::common::{Error, Result, brief};
use crate::deploy::{Face, FaceBox, Frame, Photo, Sighting};
use crate::emotion::Emotion;
use crate::plot::canvas::{Align, CAP_HEIGHT, Canvas, Type, failure};
use crate::plot::figure::write_file;
use crate::plot::palette::{INK, MUTED, PAPER, class_color, text_on};
use crate::plot::raster::Raster;
use crate::plot::style::WIDTH;

const TITLE: &str = "the photo's faces";

/// A copy of a photo with boxes around its faces, and their predictions.
#[derive(Clone)]
pub struct Annotated {
    raster: Raster,
}

brief!(Annotated, |photo| "{} × {} pixels", photo.raster.width, photo.raster.height);

/// The photo with a box around each face, its prediction and its probabilities. Small photos are enlarged to 960
/// pixels, so that the text is legible.
///
/// # Errors
/// [`Error::Figure`] if drawing fails.
pub fn annotate(photo: &Photo, faces: &[Face]) -> Result<Annotated> {
    let (width, height) = photo.size();
    let longest = width.max(height).max(1);
    // Drawn on a finer grid if memory allows, and shrunk, because plotters does not smooth edges.
    let finer = if longest <= 2400 { 2 } else { 1 };
    let grow = (960.0 / f64::from(longest)).max(1.0) * f64::from(finer);
    let side = |pixels: u32| (f64::from(pixels) * grow).round().max(1.0) as u32;
    let (width, height) = (side(width), side(height));
    let copy = match grow == 1.0 {
        true => photo.rgb().clone(),
        false => imageops::resize(photo.rgb(), width, height, FilterType::Triangle),
    };
    let faces: Vec<_> = faces.iter().map(|face| Named { face: *face, number: None }).collect();
    let raster = drawn_on(copy, grow, &faces)?;
    Ok(Annotated { raster: if finer > 1 { raster.shrunk(finer) } else { raster } })
}

/// A video's frame with a box around each face, its number, and its smoothed prediction; of the frame's size, and
/// without smoothing, which is fast.
///
/// # Errors
/// [`Error::Figure`] if drawing fails.
pub fn annotate_frame(frame: &Frame, sightings: &[Sighting]) -> Result<RgbImage> {
    let named = |sighting: &Sighting| {
        let area = sighting.area.scaled(1.0 / frame.scale);
        let face = Face { area, prediction: sighting.smoothed };
        Named { face, number: Some(sighting.face) }
    };
    let faces: Vec<_> = sightings.iter().map(named).collect();
    let Raster { width, height, pixels } = drawn_on(frame.photo.rgb().clone(), 1.0, &faces)?;
    RgbImage::from_raw(width, height, pixels)
        .ok_or_else(|| failure(TITLE, "its pixels don't fit its size"))
}

/// A face, and its number in a video.
struct Named {
    face: Face,
    number: Option<usize>,
}

/// Draws faces on a picture that is a multiple of the photo's size.
fn drawn_on(picture: RgbImage, grow: f64, faces: &[Named]) -> Result<Raster> {
    let (width, height) = picture.dimensions();
    let mut raster = Raster { width, height, pixels: picture.into_raw() };
    let sheet = Sheet::new(width, height, grow);
    let layout = sheet.layout(faces);
    for panel in layout.iter().filter_map(|place| place.panel) {
        brighten(&mut raster, panel.scaled(1.0 / sheet.unit));
    }
    let mut canvas = Canvas::new(TITLE)?;
    for (Named { face, .. }, place) in faces.iter().zip(&layout) {
        sheet.draw(&mut canvas, face, place)?;
    }
    raster.paint(&canvas)?;
    Ok(raster)
}

impl Annotated {
    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// [`Error::Figure`] if encoding fails.
    pub fn png(&self) -> Result<Vec<u8>> {
        self.raster.encode().map_err(|error| failure(TITLE, error))
    }

    /// Saves the photo and returns it. The file's extension selects the format: `.png` or `.jpg`. Missing folders
    /// are created.
    ///
    /// # Errors
    /// [`Error::Input`] for another extension; [`Error::Io`] if the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let bytes = match extension.to_ascii_lowercase().as_str() {
            "png" => self.png()?,
            "jpg" | "jpeg" => self.jpeg()?,
            _ => {
                let expected = "a name that ends in .png or .jpg";
                return Err(Error::input("annotated photo", shown(path), expected));
            }
        };
        write_file(path, &bytes)?;
        Ok(self.clone())
    }

    fn jpeg(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let image =
            RgbImage::from_raw(self.raster.width, self.raster.height, self.raster.pixels.clone())
                .ok_or_else(|| failure(TITLE, "its pixels don't fit its size"))?;
        image
            .write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90))
            .map_err(|error| failure(TITLE, error))?;
        Ok(bytes)
    }
}

/// Left, top, right and bottom in the canvas' units.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn sized(left: f64, top: f64, width: f64, height: f64) -> Self {
        Self { left, top, right: left + width, bottom: top + height }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn within(&self, other: &Self) -> bool {
        self.left >= other.left
            && self.top >= other.top
            && self.right <= other.right
            && self.bottom <= other.bottom
    }

    fn scaled(&self, factor: f64) -> Self {
        let [left, top, right, bottom] =
            [self.left, self.top, self.right, self.bottom].map(|side| side * factor);
        Self { left, top, right, bottom }
    }
}

/// The positions of a face's parts.
struct Place {
    face: Area,
    /// The em of the text.
    letters: f64,
    /// The longest text of the prediction that fits.
    label: Option<(String, Area)>,
    panel: Option<Area>,
}

/// The photo's size in the canvas' units, of which its width always has 1920.
struct Sheet {
    photo: Area,
    /// Units in a pixel of the raster.
    unit: f64,
    /// Units in a pixel of the photo.
    scale: f64,
}

impl Sheet {
    fn new(width: u32, height: u32, grow: f64) -> Self {
        let unit = f64::from(WIDTH) / f64::from(width);
        let (right, bottom) = (f64::from(WIDTH), f64::from(height) * unit);
        Self { photo: Area { left: 0.0, top: 0.0, right, bottom }, unit, scale: grow * unit }
    }

    fn area(&self, face: &FaceBox) -> Area {
        let [left, top, width, height] =
            [face.left, face.top, face.width, face.height].map(|side| f64::from(side) * self.scale);
        let photo = &self.photo;
        let mut area = Area::sized(left, top, width, height);
        area.left = area.left.clamp(photo.left, photo.right);
        area.right = area.right.clamp(photo.left, photo.right);
        area.top = area.top.clamp(photo.top, photo.bottom);
        area.bottom = area.bottom.clamp(photo.top, photo.bottom);
        area
    }

    /// Places each face's parts so that nothing covers a face or another face's parts. The prediction is above its
    /// face or below it; the bars are to the right, else left, below or above. Without room, the bars are omitted
    /// first, then the prediction's number, then its word: the box's colour still shows the class.
    fn layout(&self, faces: &[Named]) -> Vec<Place> {
        let areas: Vec<Area> = faces.iter().map(|named| self.area(&named.face.area)).collect();
        let longest = self.photo.right.max(self.photo.bottom);
        let mut taken = areas.clone();
        let mut places: Vec<Place> = Vec::new();
        for (face, area) in faces.iter().zip(&areas) {
            // A fortieth of the longer side is legible on a slide; small faces get smaller text.
            let letters = ((area.right - area.left) / 4.5).clamp(longest / 90.0, longest / 40.0);
            let label = labels(face).into_iter().find_map(|text| {
                let width = text.chars().count() as f64 * letters * 0.56 + letters;
                let height = letters * 1.5;
                let left = area.left.min(self.photo.right - width).max(0.0);
                [area.top - height, area.bottom]
                    .map(|top| Area::sized(left, top, width, height))
                    .into_iter()
                    .find(|label| self.is_free(label, &taken))
                    .map(|label| (text, label))
            });
            // A single face may fill the photo: then the prediction is drawn on it.
            let label = label.or_else(|| {
                let (text, width) = (labels(face).into_iter().next()?, letters * 10.0);
                (faces.len() == 1)
                    .then(|| (text, Area::sized(area.left, area.top, width, letters * 1.5)))
            });
            taken.extend(label.iter().map(|(_, area)| *area));
            places.push(Place { face: *area, letters, label, panel: None });
        }
        for place in &mut places {
            if place.letters < longest / 60.0 {
                continue; // they would be illegible
            }
            let Place { face: area, letters, .. } = *place;
            let gap = letters * 0.4;
            let (width, height) = (letters * 11.0, letters * (Emotion::COUNT as f64 * 1.3 + 0.6));
            let bound = |at: f64, size: f64, end: f64| at.min(end - size).max(0.0);
            let top = bound(area.top, height, self.photo.bottom);
            let left = bound(area.left, width, self.photo.right);
            let beside = letters * 1.5 + gap;
            place.panel = [
                Area::sized(area.right + gap, top, width, height),
                Area::sized(area.left - gap - width, top, width, height),
                Area::sized(left, area.bottom + gap, width, height),
                Area::sized(left, area.bottom + beside, width, height),
                Area::sized(left, area.top - beside - height, width, height),
            ]
            .into_iter()
            .find(|panel| self.is_free(panel, &taken));
            taken.extend(place.panel);
        }
        places
    }

    fn is_free(&self, area: &Area, taken: &[Area]) -> bool {
        area.within(&self.photo) && taken.iter().all(|other| !area.overlaps(other))
    }

    fn draw(&self, canvas: &mut Canvas, face: &Face, place: &Place) -> Result<()> {
        let color = color(face);
        let stroke = place.letters / 7.0;
        let Area { left, top, right, bottom } = place.face;
        // A white line inside keeps the box visible on any photo.
        canvas.frame((left, top), (right, bottom), stroke * 1.6, PAPER);
        canvas.frame((left, top), (right, bottom), stroke, color);
        if let Some((text, Area { left, top, right, bottom })) = &place.label {
            canvas.rect((*left, *top), (*right, *bottom), color);
            let kind = Type::new(place.letters).bold().color(text_on(color)).centered();
            let (text, kind) = canvas.fit(text, right - left - place.letters * 0.5, kind)?;
            canvas.label(&text, ((left + right) / 2.0, (top + bottom) / 2.0), kind);
        }
        if let Some(panel) = place.panel {
            draw_bars(canvas, face, &panel, place.letters);
        }
        Ok(())
    }
}

fn draw_bars(canvas: &mut Canvas, face: &Face, panel: &Area, em: f64) {
    let letters = em * 0.9;
    let bars = (panel.left + em * 4.6, panel.right - em * 3.3);
    for (index, emotion) in Emotion::ALL.into_iter().enumerate() {
        let prob = face.prediction.probs().get(index).copied().unwrap_or_default();
        let middle = panel.top + em * 0.3 + em * 1.3 * (index as f64 + 0.5);
        let strong = emotion == face.prediction.emotion();
        let kind = Type::new(letters).color(if strong { INK } else { MUTED });
        let kind = if strong { kind.bold() } else { kind };
        canvas.label(emotion.name(), (panel.left + em * 0.4, middle), kind);
        let half = letters * CAP_HEIGHT / 2.0;
        let end = bars.0 + (bars.1 - bars.0) * f64::from(prob);
        canvas.rect((bars.0, middle - half), (end, middle + half), class_color(emotion));
        canvas.label(
            &percent(f64::from(prob), 0),
            (panel.right - em * 0.3, middle),
            kind.align(Align::Right),
        );
    }
}

/// Labels for a face, the longest first.
fn labels(Named { face, number }: &Named) -> [String; 2] {
    let prediction = &face.prediction;
    let labels = match prediction.is_uncertain() {
        true => [format!("uncertain: {}?", prediction.emotion()), "?".into()],
        false => {
            let name = prediction.emotion().to_string();
            [format!("{name} {}", percent(f64::from(prediction.confidence()), 0)), name]
        }
    };
    match number {
        None => labels,
        Some(number) => labels.map(|label| format!("{number}: {label}")),
    }
}

fn color(face: &Face) -> RGBColor {
    if face.prediction.is_uncertain() { MUTED } else { class_color(face.prediction.emotion()) }
}

/// Mixes 80 % of white into an area, so that dark text is legible on it.
fn brighten(raster: &mut Raster, area: Area) {
    let (width, height) = (raster.width as usize, raster.height as usize);
    let (left, right) = (area.left.max(0.0) as usize, (area.right.max(0.0) as usize).min(width));
    let (top, bottom) = (area.top.max(0.0) as usize, (area.bottom.max(0.0) as usize).min(height));
    for line in raster.pixels.chunks_exact_mut((3 * width).max(1)).take(bottom).skip(top) {
        for value in line.get_mut(3 * left..3 * right).unwrap_or_default() {
            *value = 255 - (255 - *value) / 5;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::Prediction;

    fn face(left: f32, top: f32, side: f32, uncertain: bool) -> Face {
        let area = FaceBox { left, top, width: side, height: side, score: 0.9, landmarks: None };
        let probs = [0.01, 0.0, 0.04, 0.9, 0.03, 0.02, 0.0];
        Face { area, prediction: Prediction::from_probs(probs).unwrap().marked(uncertain) }
    }

    fn photo(width: u32, height: u32) -> Photo {
        let rgb = RgbImage::from_pixel(width, height, image::Rgb([90, 110, 100]));
        image::DynamicImage::ImageRgb8(rgb).into()
    }

    #[test]
    fn nothing_covers_a_face_or_leaves_the_photo() {
        let faces = [
            face(100.0, 60.0, 200.0, false),
            face(420.0, 80.0, 150.0, true),
            face(5.0, 0.0, 60.0, true),
        ];
        let faces = faces.map(|face| Named { face, number: None });
        let sheet = Sheet::new(640, 480, 1.0);
        let layout = sheet.layout(&faces);
        let mut drawn: Vec<Area> = layout.iter().map(|place| place.face).collect();
        for area in layout.iter().filter_map(|place| Some(place.label.as_ref()?.1)) {
            assert!(sheet.is_free(&area, &drawn), "{area:?}");
            drawn.push(area);
        }
        for area in layout.iter().filter_map(|place| place.panel) {
            assert!(sheet.is_free(&area, &drawn), "{area:?}");
            drawn.push(area);
        }
        assert!(drawn.len() >= 6, "{drawn:?}");
    }

    #[test]
    fn a_photo_keeps_its_size_and_small_ones_grow() {
        for ((width, height), expected) in
            [((1280, 720), (1280, 720)), ((48, 48), (960, 960)), ((3000, 500), (3000, 500))]
        {
            let faces = [face(10.0, 10.0, 30.0, false)];
            let drawn = annotate(&photo(width, height), &faces).unwrap();
            assert_eq!((drawn.raster.width, drawn.raster.height), expected);
            let png = image::load_from_memory(&drawn.png().unwrap()).unwrap().to_rgb8();
            let orange = class_color(Emotion::Happy);
            assert!(png.pixels().any(|pixel| pixel.0 == [orange.0, orange.1, orange.2]));
        }
        let folder = tempfile::tempdir().unwrap();
        let drawn = annotate(&photo(640, 480), &[]).unwrap();
        drawn.save(folder.path().join("new/photo.jpg")).unwrap();
        assert!(drawn.save(folder.path().join("photo.gif")).is_err());
    }
}
