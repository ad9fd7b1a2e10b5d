//! A canvas for shapes, which computes the distance of each pixel to the shape's edge, so that every edge is
//! smooth. Coordinates: the image spans -1 to 1, x to the right and y down.

use super::super::pixels::SIDE;

/// Samples per side of a pixel: 2 × 2 samples for each pixel of the image.
const GRID: usize = 2 * SIDE;

/// The widest soft edge of a shape.
const WIDEST: f32 = 0.5;

/// A region of the plane.
pub(super) trait Shape {
    /// Signed distance to the edge (approximate, exact near the edge), negative inside.
    fn distance(&self, x: f32, y: f32) -> f32;
    /// left, right, top, bottom of a box around the region.
    fn bounds(&self) -> [f32; 4];
}

/// The pose of the face in the picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pose {
    /// Shift to the right and down.
    pub(super) shift: [f32; 2],
    /// Size of the face: 1 fills the picture.
    pub(super) scale: f32,
    /// Rotation clockwise, as the tangent of half its angle, which makes it exact without a sine.
    pub(super) turn: f32,
    /// Turn of the head to the right, as the shift of the middle of the face.
    pub(super) yaw: f32,
    /// Nod downwards, as the same shift.
    pub(super) pitch: f32,
}

/// Gray tones on 0 (black) to 1, with the position on the face that each sample shows.
pub(super) struct Canvas {
    points: Vec<[f32; 2]>,
    /// Lowest and highest y of each row of samples; most shapes skip most rows.
    rows: Vec<[f32; 2]>,
    tones: Vec<f32>,
    /// Size of one sample, in units of the face.
    sample: f32,
}

impl Canvas {
    /// An empty (black) canvas for this pose.
    pub(super) fn new(pose: &Pose) -> Self {
        let (cos, sin) = half_angle(pose.turn);
        let mut points = Vec::with_capacity(GRID * GRID);
        for row in 0..GRID {
            for column in 0..GRID {
                let place = |index: usize| (index as f32 + 0.5) * (2.0 / GRID as f32) - 1.0;
                let (x, y) = (place(column) - pose.shift[0], place(row) - pose.shift[1]);
                let (x, y) = ((cos * x + sin * y) / pose.scale, (cos * y - sin * x) / pose.scale);
                // A turned head moves the features most in its middle and not at its rim.
                let depth = (1.0 - 0.9 * (x * x + y * y)).max(0.0);
                points.push([x - pose.yaw * depth, y - pose.pitch * depth]);
            }
        }
        let rows = points
            .chunks_exact(GRID)
            .map(|row| {
                row.iter()
                    .fold([f32::MAX, f32::MIN], |[low, high], [_, y]| [low.min(*y), high.max(*y)])
            })
            .collect();
        let sample = 2.0 / (GRID as f32 * pose.scale);
        Self { points, rows, tones: vec![0.0; GRID * GRID], sample }
    }

    /// Changes every sample: `change(x, y, tone)`, with x and y on the face.
    pub(super) fn all(&mut self, change: impl Fn(f32, f32, f32) -> f32) {
        for (tone, [x, y]) in self.tones.iter_mut().zip(&self.points) {
            *tone = change(*x, *y, *tone);
        }
    }

    /// Paints a shape in one tone. `opacity` on 0 to 1; `soft` is the width of its edge.
    pub(super) fn fill(&mut self, shape: &impl Shape, tone: f32, opacity: f32, soft: f32) {
        self.cover(shape, soft, |old, cover| old + (tone - old) * (cover * opacity));
    }

    /// Darkens (negative `amount`) or lightens the area of a shape by that share of its tone.
    pub(super) fn shade(&mut self, shape: &impl Shape, amount: f32, soft: f32) {
        self.cover(shape, soft, |old, cover| old * (1.0 + amount * cover));
    }

    fn cover(&mut self, shape: &impl Shape, soft: f32, paint: impl Fn(f32, f32) -> f32) {
        // An edge narrower than two samples would show steps.
        let width = soft.clamp(2.0 * self.sample, WIDEST);
        let reach = width * 0.5;
        let [left, right, top, bottom] = shape.bounds();
        let rows = self.points.chunks_exact(GRID).zip(self.tones.chunks_exact_mut(GRID));
        for ((points, tones), [low, high]) in rows.zip(&self.rows) {
            if *high < top - reach || *low > bottom + reach {
                continue;
            }
            // Along a row x only increases: no pose turns a head by a right angle.
            let skip = points.partition_point(|[x, _]| *x < left - reach);
            for ([x, y], tone) in points.iter().zip(tones).skip(skip) {
                if *x > right + reach {
                    break;
                }
                if *y < top - reach || *y > bottom + reach {
                    continue;
                }
                let t = (0.5 - shape.distance(*x, *y) / width).clamp(0.0, 1.0);
                if t > 0.0 {
                    *tone = paint(*tone, t * t * (3.0 - 2.0 * t));
                }
            }
        }
    }

    /// The picture, 48 × 48 tones, row by row: each pixel the mean of its samples.
    pub(super) fn develop(&self) -> Vec<f32> {
        let mut image = Vec::with_capacity(SIDE * SIDE);
        for pair in self.tones.chunks_exact(2 * GRID) {
            let (upper, lower) = pair.split_at(GRID);
            for (a, b) in upper.chunks_exact(2).zip(lower.chunks_exact(2)) {
                image.push((a.iter().sum::<f32>() + b.iter().sum::<f32>()) * 0.25);
            }
        }
        image
    }
}

/// Cosine and sine of an angle from the tangent of its half.
fn half_angle(tangent: f32) -> (f32, f32) {
    let square = tangent * tangent;
    ((1.0 - square) / (1.0 + square), 2.0 * tangent / (1.0 + square))
}

/// An ellipse, or with a taper an egg: narrower below its middle by the share `taper` of its width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Egg {
    pub(super) at: [f32; 2],
    pub(super) radius: [f32; 2],
    pub(super) taper: f32,
}

impl Egg {
    /// An ellipse.
    pub(super) fn new(at: [f32; 2], radius: [f32; 2]) -> Self {
        Self { at, radius, taper: 0.0 }
    }
}

impl Shape for Egg {
    fn distance(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.at[0], (y - self.at[1]) / self.radius[1]);
        let low = dy.clamp(0.0, 1.0);
        let dx = dx / (self.radius[0] * (1.0 - self.taper * low * low));
        // |p/r| (|p/r| - 1) / |p/r²|: first-order distance to an ellipse.
        let field = (dx * dx + dy * dy).sqrt();
        let (gx, gy) = (dx / self.radius[0], dy / self.radius[1]);
        let slope = (gx * gx + gy * gy).sqrt();
        if slope < 1e-6 {
            return -self.radius[0].min(self.radius[1]);
        }
        field * (field - 1.0) / slope
    }

    fn bounds(&self) -> [f32; 4] {
        let ([x, y], [rx, ry]) = (self.at, self.radius);
        [x - rx, x + rx, y - ry, y + ry]
    }
}

/// The region between two curves that meet at their ends: an eye, a mouth, a brow, a wrinkle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lens {
    pub(super) at: [f32; 2],
    /// Half its length.
    pub(super) half: f32,
    /// How far the upper curve rises above the line between the ends.
    pub(super) above: f32,
    /// How far the lower curve sinks below it.
    pub(super) below: f32,
    /// How much lower the ends are than the middle; negative for a smile.
    pub(super) bend: f32,
    /// Slope: y gained for each x.
    pub(super) tilt: f32,
    /// 0 for pointed ends (parabolas), 1 for round ones (ellipses).
    pub(super) round: f32,
    /// Rotation about the middle, as cosine and sine; see [`Lens::turned`].
    pub(super) turn: [f32; 2],
}

impl Lens {
    /// A straight line of this half length and half thickness, thinning towards its ends.
    pub(super) fn line(at: [f32; 2], half: f32, thick: f32) -> Self {
        Self {
            at,
            half,
            above: thick,
            below: thick,
            bend: 0.0,
            tilt: 0.0,
            round: 0.5,
            turn: [1.0, 0.0],
        }
    }

    /// Rotated about its middle, by the tangent of half the angle: -1 is upright.
    pub(super) fn turned(self, tangent: f32) -> Self {
        let (cos, sin) = half_angle(tangent);
        Self { turn: [cos, sin], ..self }
    }

    /// The y of the middle line at `x`, for details that follow it.
    pub(super) fn middle(&self, x: f32) -> f32 {
        let t = (x - self.at[0]) / self.half;
        self.at[1] + self.tilt * (x - self.at[0]) + self.bend * t * t
    }
}

impl Shape for Lens {
    fn distance(&self, x: f32, y: f32) -> f32 {
        let [cos, sin] = self.turn;
        let (dx, dy) = (x - self.at[0], y - self.at[1]);
        let (dx, dy) = (cos * dx + sin * dy, cos * dy - sin * dx);
        let t = dx / self.half;
        let middle = self.tilt * dx + self.bend * t * t;
        let rest = (1.0 - t * t).max(0.0);
        let profile = rest + self.round * (rest.sqrt() - rest);
        let from = (middle - self.above * profile - dy).max(dy - middle - self.below * profile);
        let slope = self.tilt + 2.0 * self.bend * t / self.half;
        let from = from / (1.0 + slope * slope).sqrt();
        // Beyond an end, the end is the nearest point.
        let past = dx.abs() - self.half;
        if past > 0.0 {
            let gap = from.max(0.0);
            return (past * past + gap * gap).sqrt();
        }
        from
    }

    fn bounds(&self) -> [f32; 4] {
        let [x, y] = self.at;
        let tall = self.above.max(self.below) + self.bend.abs() + (self.tilt * self.half).abs();
        let [cos, sin] = self.turn.map(f32::abs);
        let (rx, ry) = (self.half * cos + tall * sin, self.half * sin + tall * cos);
        [x - rx, x + rx, y - ry, y + ry]
    }
}

/// The intersection of two regions: an iris within its eye, teeth within a mouth.
pub(super) struct Both<A, B>(pub(super) A, pub(super) B);

impl<A: Shape, B: Shape> Shape for Both<A, B> {
    fn distance(&self, x: f32, y: f32) -> f32 {
        let first = self.0.distance(x, y);
        // Already outside the widest soft edge: the second region can only be farther.
        if first > WIDEST * 0.5 { first } else { first.max(self.1.distance(x, y)) }
    }

    fn bounds(&self) -> [f32; 4] {
        let ([a, b, c, d], [e, f, g, h]) = (self.0.bounds(), self.1.bounds());
        [a.max(e), b.min(f), c.max(g), d.min(h)]
    }
}

/// The first region without the second: hair around a forehead, the rim of a pair of glasses.
pub(super) struct Without<A, B>(pub(super) A, pub(super) B);

impl<A: Shape, B: Shape> Shape for Without<A, B> {
    fn distance(&self, x: f32, y: f32) -> f32 {
        self.0.distance(x, y).max(-self.1.distance(x, y))
    }

    fn bounds(&self) -> [f32; 4] {
        self.0.bounds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Pose = Pose { shift: [0.0, 0.0], scale: 1.0, turn: 0.0, yaw: 0.0, pitch: 0.0 };

    #[test]
    fn a_disc_covers_its_area() {
        let mut canvas = Canvas::new(&STILL);
        canvas.fill(&Egg::new([0.1, -0.2], [0.5, 0.5]), 1.0, 1.0, 0.0);
        let area = canvas.develop().iter().sum::<f32>() / (SIDE * SIDE) as f32 * 4.0;
        assert!((area - 0.785).abs() < 0.01, "{area}");
    }

    #[test]
    fn a_pose_moves_and_turns() {
        // A turn clockwise by 53° (tangent of half of it: 0.5) takes what is on the right down.
        let mut canvas = Canvas::new(&Pose { turn: 0.5, ..STILL });
        canvas.fill(&Egg::new([0.5, 0.0], [0.1, 0.1]), 1.0, 1.0, 0.0);
        let image = canvas.develop();
        assert_eq!(image[33 * SIDE + 31], 1.0);
        assert_eq!(image[24 * SIDE + 36], 0.0);
        let mut canvas = Canvas::new(&Pose { shift: [0.5, 0.0], ..STILL });
        canvas.fill(&Egg::new([0.0, 0.0], [0.2, 0.2]), 1.0, 1.0, 0.0);
        assert_eq!(canvas.develop()[24 * SIDE + 36], 1.0);
    }

    #[test]
    fn shapes_say_inside_and_outside() {
        let smile =
            Lens { bend: -0.2, above: 0.05, below: 0.1, ..Lens::line([0.0, 0.5], 0.4, 0.0) };
        assert!(smile.distance(0.0, 0.55) < 0.0 && smile.distance(0.0, 0.4) > 0.0);
        assert!(smile.distance(0.36, 0.34) < 0.02 && smile.distance(0.36, 0.5) > 0.05);
        assert!(smile.distance(0.6, 0.3) > 0.15);
        let ring = Without(Egg::new([0.0; 2], [0.5; 2]), Egg::new([0.0; 2], [0.4; 2]));
        assert!(ring.distance(0.45, 0.0) < 0.0 && ring.distance(0.0, 0.1) > 0.0);
        let iris = Both(Egg::new([0.0; 2], [0.5; 2]), Egg::new([0.6, 0.0], [0.3; 2]));
        assert!(iris.distance(0.4, 0.0) < 0.0 && iris.distance(0.0, 0.0) > 0.0);
        let upright = Lens::line([0.0, 0.0], 0.4, 0.05).turned(-1.0);
        assert!(upright.distance(0.0, 0.3) < 0.0 && upright.distance(0.3, 0.0) > 0.0);
    }
}
