//! What the backends that write SVG and PDF have in common: their size, and methods that follow from others.

use plotters_backend::DrawingErrorKind;

/// Backend units in a logical unit: both round to tenths.
pub(super) const STEPS: u32 = 10;

/// The result of a backend's method.
pub(super) type Drawn<E = std::io::Error> = Result<(), DrawingErrorKind<E>>;

/// The items of a `DrawingBackend` of 19,200 × 10,800 units that holds no state to prepare or present, and for which
/// a pixel is a rectangle and a line a path of two points.
macro_rules! vector_backend {
    () => {
        type ErrorType = std::io::Error;

        fn get_size(&self) -> (u32, u32) {
            let steps = $crate::plot::vector_backend::STEPS;
            ($crate::plot::style::WIDTH * steps, $crate::plot::style::HEIGHT * steps)
        }

        fn ensure_prepared(&mut self) -> $crate::plot::vector_backend::Drawn {
            Ok(())
        }

        fn present(&mut self) -> $crate::plot::vector_backend::Drawn {
            Ok(())
        }

        fn draw_pixel(
            &mut self,
            (x, y): plotters_backend::BackendCoord,
            color: plotters_backend::BackendColor,
        ) -> $crate::plot::vector_backend::Drawn {
            self.draw_rect((x, y), (x + 1, y + 1), &color, true)
        }

        fn draw_line<S: plotters_backend::BackendStyle>(
            &mut self,
            from: plotters_backend::BackendCoord,
            to: plotters_backend::BackendCoord,
            style: &S,
        ) -> $crate::plot::vector_backend::Drawn {
            self.draw_path([from, to], style)
        }
    };
}

pub(super) use vector_backend;
