//! [`Figure`]: a drawn picture that can be shown, saved and passed on.

use std::path::Path;
use std::sync::Arc;

use plotters::prelude::IntoDrawingArea;

use crate::common::{Error, Result};
use crate::plot::canvas::{Canvas, HEIGHT, WIDTH, failure};
use crate::plot::palette::PAPER;
use crate::plot::raster::Raster;
use crate::plot::svg::{self, SvgBackend};

/// A sheet of paper on a page.
const CARD: &str = "max-width:1100px;line-height:0;background:#fff;border-radius:8px;\
                    overflow:hidden";

/// Light and dark change places in a dark theme, and hues stay: so every contrast of the figure
/// does, whatever it draws. Pictures are turned back, in the other order. 0.93 makes the paper the
/// theme's #111 rather than black.
const DARK: &str = "[data-jp-theme-light=\"false\"] .fer-figure{filter:invert(.93) \
                    hue-rotate(180deg)}[data-jp-theme-light=\"false\"] .fer-figure image\
                    {filter:hue-rotate(180deg) invert(1)}";

/// A picture as a value. Cloning it is cheap; it can be sent to another thread and kept in a notebook's
/// variable.
///
/// ```
/// use fer_nb::evaluate::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::from_pairs([(3, 3), (3, 4), (5, 5)], "three faces");
/// let figure = matrix.figure()?;
/// assert_eq!(figure.title(), "Confusion matrix, three faces");
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("confusion.svg");
/// figure.save(path)?; // or .png
/// # Ok::<(), fer_nb::error::Error>(())
/// ```
#[derive(Clone)]
pub struct Figure {
    canvas: Arc<Canvas>,
    svg: Arc<str>,
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Figure").field("title", &self.title()).finish_non_exhaustive()
    }
}

impl Figure {
    /// The figure of this title that `draw` draws. It is painted as SVG at once, which is quick, so
    /// that errors show now.
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
        let mut body = String::new();
        let area = SvgBackend::new(&mut body).into_drawing_area();
        canvas.paint(&area)?;
        drop(area);
        let svg = svg::document(canvas.title(), &body).into();
        Ok(Self { canvas: Arc::new(canvas), svg })
    }

    /// The headline; it names the data ("FER2013", "made-up sample" or a folder's name).
    pub fn title(&self) -> &str {
        self.canvas.title()
    }

    /// The picture as a complete SVG file of 1920 × 1080 units.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The picture as a PNG file of 1920·`scale` × 1080·`scale` pixels.
    ///
    /// # Errors
    /// [`Error::Input`] unless `scale` is 1 to 4; [`Error::Figure`] if drawing fails.
    pub fn png(&self, scale: u32) -> Result<Vec<u8>> {
        if !(1..=4).contains(&scale) {
            return Err(Error::input("scale", scale, "1 (1920×1080) to 4 (7680×4320)"));
        }
        // A small picture's letters need the finer grid; both cost 100 MB for a moment.
        let finer = if scale == 1 { 4 } else { 2 };
        let mut raster = Raster::white(finer * scale * WIDTH, finer * scale * HEIGHT);
        raster.paint(&self.canvas)?;
        raster.shrunk(finer).encode().map_err(|error| failure(self.title(), error))
    }

    /// Saves the picture and returns it, so that a cell that ends in `.save(…)?` shows it too. The
    /// file's name decides the format: `.svg`, or `.png` of 1920×1080 pixels. Missing folders are
    /// created.
    ///
    /// # Errors
    /// [`Error::Input`] for another ending; [`Error::Io`] if the file can't be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Figure> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        match extension.to_ascii_lowercase().as_str() {
            "svg" => write_file(path, self.svg.as_bytes())?,
            "png" => return self.save_png(path, 1),
            _ => {
                let expected = "a name that ends in .svg or .png";
                return Err(Error::input("file of a figure", path.display(), expected));
            }
        }
        Ok(self.clone())
    }

    /// Saves a PNG of 1920·`scale` × 1080·`scale` pixels; 2 suits high-resolution slides.
    ///
    /// # Errors
    /// As [`Figure::png`] and [`Figure::save`].
    pub fn save_png(&self, path: impl AsRef<Path>, scale: u32) -> Result<Figure> {
        write_file(path.as_ref(), &self.png(scale)?)?;
        Ok(self.clone())
    }

    /// A line for where only text is shown.
    pub(crate) fn text(&self) -> String {
        format!("figure '{}' (save it with .save(\"figure.png\"))", self.title())
    }

    /// The picture for a page, at most 1100 pixels wide. It is a card of white paper, and a dark one in
    /// JupyterLab's dark theme; saved files are always white.
    pub fn html(&self) -> String {
        format!(
            "<div class=\"fer-figure\" style=\"{CARD}\"><style>{DARK}</style>{}</div>",
            self.svg
        )
    }

    /// Shows the picture in a notebook; evcxr calls it for a cell's last value.
    pub fn evcxr_display(&self) {
        evcxr_runtime::mime_type("text/html").text(self.html());
        evcxr_runtime::mime_type("text/plain").text(self.text());
    }
}

/// Writes a file and the folders above it.
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
    fn both_formats_show_the_same() {
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

    #[test]
    fn saving_makes_folders_and_knows_two_formats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/figure");
        let figure = square();
        figure.save(path.with_extension("svg")).unwrap().save(path.with_extension("PNG")).unwrap();
        assert_eq!(std::fs::read_to_string(path.with_extension("svg")).unwrap(), figure.svg());
        assert_eq!(size_of(&std::fs::read(path.with_extension("PNG")).unwrap()), (1920, 1080));
        assert!(matches!(figure.save("figure.pdf"), Err(Error::Input { .. })));
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
