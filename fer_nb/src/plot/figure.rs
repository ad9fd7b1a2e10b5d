//! [`Figure`]: a picture that can be displayed, saved and passed on.

use std::path::Path;
use std::sync::Arc;

use plotters::prelude::IntoDrawingArea;
use plotters::style::RGBColor;
use polars::prelude::DataFrame;

use crate::common::text::shown;
use crate::common::{Error, Result};
use crate::emotion::Emotion;
use crate::plot::canvas::{Canvas, failure};
use crate::plot::palette::PAPER;
use crate::plot::pdf;
use crate::plot::raster::Raster;
use crate::plot::style::{HEIGHT, Style, Theme, WIDTH};
use crate::plot::svg::{self, SvgBackend};

/// What a figure can be saved as.
enum Format {
    Svg,
    Pdf,
    Png,
}

impl Format {
    /// By the ending of a file's name.
    fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        match ending.to_str() {
            Some("svg") => Ok(Format::Svg),
            Some("pdf") => Ok(Format::Pdf),
            Some("png") => Ok(Format::Png),
            _ => {
                let expected = "a name that ends in .svg, .pdf or .png";
                Err(Error::input("file of a figure", shown(path), expected))
            }
        }
    }
}

/// A sheet of paper on a page.
const CARD: &str = "max-width:1100px;line-height:0;border-radius:8px;overflow:hidden";

/// In a dark theme, light and dark are exchanged and hues stay, which keeps every contrast of the figure. Pictures
/// are inverted twice, in the opposite order. 0.93 gives the paper the theme's #111 rather than black.
const DARK: &str = "[data-jp-theme-light=\"false\"] .fer-figure{filter:invert(.93) \
                    hue-rotate(180deg)}[data-jp-theme-light=\"false\"] .fer-figure image\
                    {filter:hue-rotate(180deg) invert(1)}";

/// A picture as a value. Cloning it is cheap; it can be sent to another thread and stored in a notebook's variable.
///
/// ```
/// use fer_nb::evaluate::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::from_pairs([(3, 3), (3, 4), (5, 5)], "three faces");
/// let figure = matrix.figure()?;
/// assert_eq!(figure.title(), "Confusion matrix, three faces");
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("confusion.svg");
/// figure.save(path)?; // or .png, or .pdf
/// # Ok::<(), fer_nb::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Figure {
    /// In the colours of the light theme.
    canvas: Arc<Canvas>,
    style: Style,
    svg: Arc<str>,
    /// The data of the figure.
    data: DataFrame,
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figure").field("title", &self.title()).finish_non_exhaustive()
    }
}

impl Figure {
    /// The figure with this title, drawn by `draw`. It is painted as SVG at once, which is fast, so that errors are
    /// reported now.
    ///
    /// # Errors
    /// [`Error::Figure`] if it can't be drawn.
    pub(super) fn draw(
        title: impl Into<String>,
        draw: impl FnOnce(&mut Canvas) -> Result<()>,
    ) -> Result<Self> {
        let mut canvas = Canvas::new(title)?;
        canvas.rect((0.0, 0.0), (f64::from(WIDTH), f64::from(HEIGHT)), PAPER);
        draw(&mut canvas)?;
        Self::of(Arc::new(canvas), Style::default(), DataFrame::empty())
    }

    /// The figure with the data that it shows.
    pub(super) fn of_data(self, data: DataFrame) -> Self {
        Self { data, ..self }
    }

    /// The data of the figure, as a polars table: a row for each point, bar, cell or image. Its columns are those
    /// of the result's table if it has one. `figure.data().to_csv("curves.csv")?` saves it.
    pub fn data(&self) -> DataFrame {
        self.data.clone() // columns are shared, not copied
    }

    fn of(canvas: Arc<Canvas>, style: Style, data: DataFrame) -> Result<Self> {
        let mut body = String::new();
        let area = SvgBackend::new(&mut body).into_drawing_area();
        canvas.styled(&style).paint(&area)?;
        drop(area);
        let svg = svg::document(canvas.title(), &body, &style).into();
        Ok(Self { canvas, style, svg, data })
    }

    fn changed(&self, change: impl FnOnce(&mut Canvas) -> Result<()>) -> Result<Self> {
        let mut canvas = (*self.canvas).clone();
        change(&mut canvas)?;
        Self::of(Arc::new(canvas), self.style, self.data.clone())
    }

    /// The figure with another title, which then has to name the data.
    ///
    /// # Errors
    /// [`Error::Figure`] if it can't be drawn; as all methods that change the look of a figure.
    pub fn titled(&self, title: impl AsRef<str>) -> Result<Self> {
        self.changed(|canvas| canvas.set_title(title.as_ref()))
    }

    /// The figure with another line below the title; an empty one removes it.
    ///
    /// # Errors
    /// As [`Figure::titled`].
    pub fn subtitled(&self, subtitle: impl AsRef<str>) -> Result<Self> {
        self.changed(|canvas| canvas.set_subtitle(subtitle.as_ref()))
    }

    /// The figure with other words for the seven classes, in the order of
    /// [`Emotion::ALL`](crate::emotion::Emotion::ALL), in all texts except title and subtitle. A class name within
    /// a longer text is replaced if it is a whole word.
    ///
    /// # Errors
    /// As [`Figure::titled`].
    pub fn labelled(&self, labels: [impl Into<String>; Emotion::COUNT]) -> Result<Self> {
        let labels = labels.map(Into::into);
        Self::of(Arc::new(self.canvas.relabelled(&labels)), self.style, self.data.clone())
    }

    /// The figure as a picture of `width` × `height` pixels. The drawing keeps its proportions, 16 : 9; for other
    /// proportions the paper is extended on two sides.
    ///
    /// # Errors
    /// [`Error::Input`] unless both are 64 to 7,680; as [`Figure::titled`].
    pub fn size(&self, width: u32, height: u32) -> Result<Self> {
        Self::of(self.canvas.clone(), self.style.sized(width, height)?, self.data.clone())
    }

    /// The figure in another theme's colours.
    ///
    /// # Errors
    /// As [`Figure::titled`].
    pub fn theme(&self, theme: Theme) -> Result<Self> {
        Self::of(self.canvas.clone(), Style { theme, ..self.style }, self.data.clone())
    }

    /// The figure without its paper: the background, such as a slide, is visible.
    ///
    /// # Errors
    /// As [`Figure::titled`].
    pub fn transparent(&self) -> Result<Self> {
        Self::of(self.canvas.clone(), Style { transparent: true, ..self.style }, self.data.clone())
    }

    /// The headline; it names the data ("FER2013", "made-up sample" or a folder's name).
    pub fn title(&self) -> &str {
        self.canvas.title()
    }

    /// The picture as a complete SVG file, of 1920 × 1080 units unless it has another [`Figure::size`]. Its font is
    /// embedded for the letters of European languages; the viewer draws others in another font.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The picture as a PNG file of 1920·`scale` × 1080·`scale` pixels, or `scale` times its [`Figure::size`].
    ///
    /// # Errors
    /// [`Error::Input`] unless `scale` is 1 to 4, and for more than 7,680 pixels on a side; [`Error::Figure`] if
    /// drawing fails.
    pub fn png(&self, scale: u32) -> Result<Vec<u8>> {
        if !(1..=4).contains(&scale) {
            return Err(Error::input("scale", scale, "1 (1920×1080) to 4 (7680×4320)"));
        }
        let (width, height) = (scale * self.style.size.0, scale * self.style.size.1);
        if width.max(height) > 4 * WIDTH {
            let expected = format!("at most {} pixels on a side", 4 * WIDTH);
            return Err(Error::input("size and scale", format!("{width}×{height}"), expected));
        }
        let paper = self.style.theme.color(PAPER);
        let encoded = if self.style.transparent {
            let on_black = self.painted(scale, RGBColor(0, 0, 0))?;
            on_black.encode_with_alpha(&self.painted(scale, RGBColor(255, 255, 255))?)
        } else {
            self.painted(scale, paper)?.encode()
        };
        encoded.map_err(|error| failure(self.title(), error))
    }

    /// The picture as a PDF file of one page that is as large as the figure, 96 pixels an inch: 20 × 11.25 inches
    /// unless it has another [`Figure::size`]. It is drawn with vectors, texts too, so it needs no font; pictures keep
    /// their pixels.
    ///
    /// # Errors
    /// [`Error::Figure`] if drawing fails.
    pub fn pdf(&self) -> Result<Vec<u8>> {
        pdf::document(&self.canvas, &self.style)
    }

    /// The picture on a sheet of this colour.
    fn painted(&self, scale: u32, sheet: RGBColor) -> Result<Raster> {
        let (wide, high) = self.style.drawing(scale);
        // A small picture's text needs the finer grid; both need 100 MB for a moment.
        let finer = if wide <= WIDTH { 4 } else { 2 };
        let mut raster = Raster::sheet(finer * wide, finer * high, sheet);
        raster.paint(&self.canvas.styled(&self.style))?;
        let (width, height) = (scale * self.style.size.0, scale * self.style.size.1);
        Ok(raster.shrunk(finer).centered_on(Raster::sheet(width, height, sheet)))
    }

    /// Saves the picture and returns it, so that a cell that ends in `.save(…)?` shows it too. The
    /// file's name decides the format: `.svg`, `.pdf`, or `.png` of 1920×1080 pixels. Missing folders are
    /// created.
    ///
    /// # Errors
    /// [`Error::Input`] for another extension; [`Error::Io`] if the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Figure> {
        let path = path.as_ref();
        match Format::of(path)? {
            Format::Svg => write_file(path, self.svg.as_bytes())?,
            Format::Pdf => write_file(path, &self.pdf()?)?,
            Format::Png => return self.save_png(path, 1),
        }
        Ok(self.clone())
    }

    /// Whether a file's name ends in a format that [`Figure::save`] writes.
    ///
    /// # Errors
    /// [`Error::Input`] with the endings there are.
    pub fn check_name(path: impl AsRef<Path>) -> Result<()> {
        Format::of(path.as_ref()).map(|_| ())
    }

    /// Saves a PNG of 1920·`scale` × 1080·`scale` pixels; 2 suits high-resolution slides.
    ///
    /// # Errors
    /// As [`Figure::png`] and [`Figure::save`].
    pub fn save_png(&self, path: impl AsRef<Path>, scale: u32) -> Result<Figure> {
        write_file(path.as_ref(), &self.png(scale)?)?;
        Ok(self.clone())
    }

    /// A line for output without pictures.
    pub(crate) fn text(&self) -> String {
        format!("figure '{}' (save it with .save(\"figure.png\"))", self.title())
    }

    /// The picture for a page, at most 1100 pixels wide. It is a card of white paper, or of dark paper in
    /// JupyterLab's dark theme; saved files are always white.
    pub fn html(&self) -> String {
        match (self.style.theme, self.style.transparent) {
            (Theme::Light, false) => format!(
                "<div class=\"fer-figure\" style=\"{CARD};background:#fff\"><style>{DARK}</style>{}</div>",
                self.svg
            ),
            // In the chosen colours, for every theme of the page.
            _ => format!("<div style=\"{CARD}\">{}</div>", self.svg),
        }
    }
}

/// Writes a file and its parent folders.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    }
    std::fs::write(path, bytes).map_err(|error| Error::io("write", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::canvas::Type;
    use crate::plot::palette::{ACCENT, INK};

    fn square() -> Figure {
        Figure::draw("A <square>", |canvas| {
            canvas.headline("drawn twice")?;
            canvas.rect((500.0, 500.0), (600.0, 600.0), ACCENT);
            canvas.upward("up", (700.0, 600.0), Type::new(30.0));
            canvas.line(&[(f64::NAN, 1e300), (0.0, -1e300)], 3.0, INK);
            Ok(())
        })
        .unwrap()
    }

    fn size_of(png: &[u8]) -> (u32, u32) {
        let image = image::load_from_memory(png).unwrap();
        (image.width(), image.height())
    }

    #[test]
    fn svg_and_png_show_the_same() {
        let figure = square();
        assert!(figure.svg().contains("A &lt;square&gt;") && figure.svg().contains("#1f3f77"));
        let png = figure.png(1).unwrap();
        assert_eq!(size_of(&png), (1920, 1080));
        let pixels = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(pixels.get_pixel(550, 550).0, [0x1f, 0x3f, 0x77]);
        assert_eq!(pixels.get_pixel(499, 550).0, [255; 3]);
        assert_eq!(pixels.get_pixel(600, 550).0, [255; 3]);
        assert_eq!(size_of(&figure.png(2).unwrap()), (3840, 2160));
        assert!(matches!(figure.png(0), Err(Error::Input { .. })));
    }

    /// Every chart of results has its numbers, and keeps them whatever its looks; and it is a PDF with all its pictures.
    #[test]
    fn what_is_drawn_can_be_had_as_numbers_and_as_a_page() {
        use crate::data::{Augmentation, FaceData, SampleConfig};
        use crate::evaluate::fixtures::{two_rows, with_predictions};
        use crate::evaluate::{Temperature, grad_cam};
        use crate::model::SeedCnn;
        use crate::plot::{attention, augmentation_preview};
        use crate::train::{EpochRecord, History, RangePoint, RangeTest};

        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let test = with_predictions(&[(0, 0), (1, 2), (3, 3), (3, 0)]);
        let few = data.test.select(&[0, 1, 2, 3]).unwrap();
        let epoch = EpochRecord {
            epoch: 1,
            loss: 1.5,
            accuracy: 0.4,
            val_loss: 1.4,
            val_accuracy: 0.5,
            learning_rate: 1e-3,
            seconds: 1.0,
        };
        let history = History { epochs: vec![epoch], ..History::default() };
        let point = RangePoint { learning_rate: 1e-3, loss: 1.5, smoothed: 1.4 };
        let range = RangeTest { points: vec![point; 12], title: "x".into() };
        let network = SeedCnn::new(tch::Device::Cpu, 1).unwrap();
        let temperature = Temperature::new(1.5).unwrap();
        let figures = [
            (history.curves(), "val_loss", 1),
            (range.figure(), "smoothed", 12),
            (data.class_distribution().figure(), "train", 7),
            (data.audit().unwrap().figure(), "number", 5),
            (data.train.sample_grid(1), "emotion", 7),
            (augmentation_preview(&data.train, &Augmentation::default(), 1), "emotion", 7),
            (test.confusion_matrix().figure(), "angry", 3),
            (test.classification_report().f1_figure(), "f1-score", 0),
            (test.reliability_figure(temperature), "confidence", 0),
            (test.roc_figure(), "true_positive_rate", 0),
            (test.top_losses_figure(&few), "predicted", 4),
            (test.images_figure(&few, &[0, 2]), "prob_happy", 2),
            (two_rows().figure(), "lost_low", 0),
            (attention("x", &grad_cam(&network, &few).unwrap()), "confidence", 4),
        ];
        for (figure, column, rows) in figures {
            let figure = figure.unwrap();
            let page = figure.pdf().unwrap();
            let pictures = page.windows(8).filter(|part| part == b"/XObject").count() - 1;
            assert_eq!(pictures, figure.svg().matches("<image").count(), "{}", figure.title());
            if let Some(folder) = std::env::var_os("FER_TEST_FIGURES") {
                let path = Path::new(&folder).join(format!("page_{column}.pdf"));
                figure.save(&path).unwrap().save(path.with_extension("png")).unwrap();
            }
            let dark = figure.theme(Theme::Dark).unwrap().size(640, 360).unwrap();
            for numbers in [figure.data(), dark.titled("other").unwrap().data()] {
                let title = figure.title();
                assert!(numbers.column(column).is_ok(), "{title}: {column} in {numbers:?}");
                assert!(numbers.height() >= rows.max(1), "{title}: {numbers:?}");
            }
        }
        assert_eq!(square().data().shape(), (0, 0));
    }

    #[test]
    fn a_figure_can_be_made_one_s_own() {
        let figure = square();
        let mine = figure.titled("Mine").unwrap().subtitled("and a line").unwrap();
        assert_eq!(mine.title(), "Mine");
        for text in ["Mine", "and a line", "up"] {
            assert!(mine.svg().contains(&format!(">{text}<")), "{text} in {}", mine.svg());
        }
        assert!(!mine.svg().contains("square") && !mine.svg().contains("drawn twice"));
        assert!(!mine.subtitled("").unwrap().svg().contains("and a line"));
        assert!(figure.svg().contains("drawn twice"), "the first one stays as it is");

        let small = figure.size(640, 640).unwrap();
        assert!(small.svg().contains("viewBox=\"0 -420 1920 1920\" width=\"640\" height=\"640\""));
        assert_eq!(size_of(&small.png(1).unwrap()), (640, 640));
        assert_eq!(size_of(&small.png(2).unwrap()), (1280, 1280));
        assert!(matches!(figure.size(7680, 7680).unwrap().png(2), Err(Error::Input { .. })));
        assert!(matches!(figure.size(0, 640), Err(Error::Input { .. })));
    }

    #[test]
    fn themes_and_paper_are_the_same_in_both_formats() {
        let pixels =
            |figure: &Figure| image::load_from_memory(&figure.png(1).unwrap()).unwrap().to_rgba8();
        let dark = square().size(960, 960).unwrap().theme(Theme::Dark).unwrap();
        let picture = pixels(&dark);
        for place in [(0, 0), (480, 480), (100, 5)] {
            assert_eq!(picture.get_pixel(place.0, place.1).0, [0x12, 0x12, 0x12, 255]);
        }
        assert!(
            dark.svg().contains("#121212") && !dark.svg().contains("#ffffff"),
            "{}",
            dark.svg()
        );
        assert!(!dark.html().contains("fer-figure"), "a page's theme does not turn it back");

        let clear = square().transparent().unwrap();
        let picture = pixels(&clear);
        assert_eq!(picture.get_pixel(5, 5).0[3], 0);
        assert_eq!(picture.get_pixel(550, 550).0, [0x1f, 0x3f, 0x77, 255]);
        assert!(!clear.svg().contains("#ffffff"), "{}", clear.svg());

        let print = square().theme(Theme::Print).unwrap();
        assert!(pixels(&print).pixels().all(|pixel| pixel.0[0] == pixel.0[1]));
    }

    #[test]
    fn classes_have_other_names_but_not_in_the_title() {
        let matrix = crate::evaluate::ConfusionMatrix::from_pairs([(3, 3), (3, 4)], "happy faces");
        let german =
            ["wütend", "angewidert", "ängstlich", "froh", "neutral", "traurig", "überrascht"];
        let figure = matrix.figure().unwrap().labelled(german).unwrap();
        assert!(figure.svg().contains(">froh<") && !figure.svg().contains(">happy<"));
        assert!(figure.svg().contains("happy faces"));
        assert!(figure.png(1).is_ok());
    }

    #[test]
    fn saving_makes_folders_and_knows_three_formats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/figure");
        let figure = square();
        figure.save(path.with_extension("svg")).unwrap().save(path.with_extension("PNG")).unwrap();
        assert_eq!(std::fs::read_to_string(path.with_extension("svg")).unwrap(), figure.svg());
        assert_eq!(size_of(&std::fs::read(path.with_extension("PNG")).unwrap()), (1920, 1080));
        figure.save(path.with_extension("pdf")).unwrap();
        assert!(std::fs::read(path.with_extension("pdf")).unwrap().starts_with(b"%PDF-1.4"));
        assert!(matches!(figure.save("figure.eps"), Err(Error::Input { .. })));
        assert!(Figure::check_name("a/Figure.PDF").is_ok() && Figure::check_name("svg").is_err());
        assert!(figure.save(folder.path().join("a.svg/b.svg")).is_ok());
        assert!(matches!(figure.save(folder.path().join("a.svg")), Err(Error::Io { .. })));
    }

    #[test]
    fn a_figure_is_a_plain_value() {
        fn plain<T: Clone + Send + Sync + 'static>(_: &T) {}
        let figure = square();
        plain(&figure);
        assert_eq!(figure.text(), "figure 'A <square>' (save it with .save(\"figure.png\"))");
        assert!(figure.html().starts_with("<div") && figure.html().contains("<svg"));
        assert!(figure.html().contains("theme-light=\"false\"] .fer-figure"), "dark on dark pages");
        assert!(!figure.svg().contains("filter"), "a file is white everywhere");
    }
}
