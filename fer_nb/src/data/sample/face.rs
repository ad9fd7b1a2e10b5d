//! Draws one made-up person with one expression.

use super::chance::Chance;
use super::expression::Expression;
use super::person::{Hairstyle, Person};
use super::raster::{Both, Canvas, Egg, Lens, Pose, Without};

/// Draws a new person with this expression in front of a background, in a random pose and light: 48 × 48 tones on
/// about 0 to 1, before blur and noise.
pub(super) fn draw(expression: &Expression, chance: &mut Chance) -> Vec<f32> {
    let person = Person::new(chance);
    let pose = Pose {
        shift: [0.03 * chance.bell(), 0.03 * chance.bell() - 0.06],
        scale: (1.28 + 0.05 * chance.bell()).clamp(1.1, 1.44),
        turn: 0.028 * chance.bell(),
        yaw: 0.055 * chance.bell(),
        pitch: 0.03 * chance.bell(),
    };
    let mut canvas = Canvas::new(&pose);
    let face = Face { person: &person, expression };
    backdrop(&mut canvas, chance);
    face.hair_behind(&mut canvas);
    face.head(&mut canvas);
    face.folds(&mut canvas);
    face.nose(&mut canvas);
    face.mouth(&mut canvas);
    let gaze = [0.02 * chance.bell(), 0.01 * chance.bell()];
    for side in [-1.0, 1.0] {
        face.eye(&mut canvas, side, gaze);
        face.brow(&mut canvas, side);
    }
    light(&mut canvas, chance);
    face.hair(&mut canvas, chance);
    if person.glasses {
        face.glasses(&mut canvas);
    }
    canvas.develop()
}

/// A wall with a gradient of tones, and a few blurred objects on it.
fn backdrop(canvas: &mut Canvas, chance: &mut Chance) {
    let base = chance.between(0.35, 0.7);
    let slope = [0.1 * chance.bell(), 0.1 * chance.bell()];
    canvas.all(|x, y, _| (base + slope[0] * x + slope[1] * y).clamp(0.0, 1.0));
    for _ in 0..chance.below(5) {
        let at = [chance.between(-1.2, 1.2), chance.between(-1.2, 1.2)];
        let thing = Egg::new(at, [chance.between(0.1, 0.7), chance.between(0.1, 0.9)]);
        let soft = chance.between(0.02, 0.5);
        canvas.fill(&thing, chance.between(0.1, 0.9), chance.between(0.2, 0.5), soft);
    }
}

/// Light from one side, soft or hard, and the resulting shading of the head.
fn light(canvas: &mut Canvas, chance: &mut Chance) {
    let from = [0.1 * chance.bell(), 0.06 * chance.bell() - 0.05];
    let round = chance.between(0.15, 0.3);
    canvas.all(|x, y, tone| {
        let rim = (1.7 * x * x + 0.8 * y * y).min(1.0);
        tone * (1.08 + from[0] * x + from[1] * y - round * rim)
    });
}

/// A person and an expression for the canvas, one method per part, painted from back to front.
struct Face<'a> {
    person: &'a Person,
    expression: &'a Expression,
}

impl Face<'_> {
    /// How far the chin moves down for the opening of the mouth.
    fn drop(&self) -> f32 {
        self.expression.mouth_open.max(0.0) * 0.7
    }

    fn skull(&self) -> Egg {
        let p = self.person;
        let tall = 0.98 + 0.6 * self.drop();
        Egg { at: [0.0, -0.06], radius: [p.head, tall], taper: p.jaw }
    }

    fn hair_behind(&self, canvas: &mut Canvas) {
        let p = self.person;
        if p.hairstyle == Hairstyle::Long {
            let mane = Egg::new([0.0, 0.1], [p.head + 0.2, 1.25]);
            canvas.fill(&mane, p.hair * 0.8, 1.0, 0.06);
        }
        // Neck and shoulders.
        canvas.fill(&Egg::new([0.0, 1.0], [0.42, 0.5]), p.skin * 0.62, 1.0, 0.05);
        canvas.fill(&Egg::new([0.0, 1.5], [1.2, 0.45]), 0.25 + 0.5 * p.iris, 1.0, 0.05);
    }

    fn head(&self, canvas: &mut Canvas) {
        let p = self.person;
        if p.hairstyle != Hairstyle::Long {
            for side in [-1.0, 1.0] {
                let ear = Egg::new([side * (p.head + 0.01), -0.02], [0.07, 0.17]);
                canvas.fill(&ear, p.skin * 0.82, 1.0, 0.03);
            }
        }
        let skull = self.skull();
        canvas.fill(&skull, p.skin, 1.0, 0.02);
        self.relief(canvas);
        if p.beard > 0.0 {
            let open = Egg::new([0.0, 0.04], [p.head * 0.8, 0.6]);
            let beard = Without(skull, open);
            let below = Both(beard, Egg::new([0.0, 0.75], [0.9, 0.72]));
            canvas.fill(&below, p.hair, p.beard, 0.16);
        }
    }

    /// Light and shadow on the large shapes, which move with the expression: lowered brows shade the eyes and
    /// raised ones light them, a smile lifts bright cheeks, and a mouth drawn down leaves its corners and the chin
    /// in shadow.
    fn relief(&self, canvas: &mut Canvas) {
        let (p, e) = (self.person, self.expression);
        let lit = (e.brow_inner + 0.5 * e.brow_outer).clamp(-0.2, 0.25);
        let smile = e.mouth_bend.clamp(-0.2, 0.2);
        for side in [-1.0, 1.0] {
            let socket = Egg::new([side * p.eye[0] * 0.95, p.eye[1] - 0.05], [0.27, 0.22]);
            canvas.shade(&socket, -0.12 + 1.2 * lit, 0.3);
            let cheek = Egg::new([side * 0.37, 0.2 - 0.05 * e.cheek], [0.22, 0.17]);
            canvas.shade(&cheek, 0.05 + 0.13 * e.cheek, 0.3);
            let jowl = Egg::new([side * 0.36, 0.55], [0.2, 0.22]);
            canvas.shade(&jowl, 0.9 * smile, 0.3);
        }
        canvas.shade(&Egg::new([0.0, 0.8 + self.drop()], [0.22, 0.13]), 0.05 + 0.9 * smile, 0.2);
        canvas.shade(&Egg::new([0.0, -0.62], [0.4, 0.2]), 0.06 - 0.2 * e.frown, 0.4);
    }

    /// Lines and wrinkles: forehead, between the brows, next to the nose, under the eyes.
    fn folds(&self, canvas: &mut Canvas) {
        let (p, e) = (self.person, self.expression);
        let forehead = (e.forehead + 0.3 * p.age).clamp(0.0, 1.0);
        for (index, y) in [-0.56, -0.65, -0.74].into_iter().enumerate() {
            let rise = 0.5 * (e.brow_inner + e.brow_outer).max(0.0);
            let line = Lens {
                bend: 0.03 + 0.6 * (e.brow_outer - e.brow_inner).clamp(-0.1, 0.1),
                ..Lens::line([0.0, y - rise * 0.4], 0.36 - 0.05 * index as f32, 0.012)
            };
            canvas.shade(&line, -0.2 * forehead, 0.035);
        }
        let frown = e.frown.clamp(0.0, 1.2);
        for side in [-1.0, 1.0] {
            let at = [side * 0.055, p.brow[0] + 0.06 - 0.5 * e.brow_inner];
            let furrow = Lens::line(at, 0.1, 0.016).turned(-1.0 + 0.12 * side);
            canvas.shade(&furrow, -0.38 * frown, 0.035);

            // From the nostril to beyond the corner of the mouth, pushed out by a raised cheek.
            let fold = (0.85 * e.cheek + 0.25 * p.age).clamp(0.0, 1.1);
            let at = [side * (0.3 + 0.06 * e.cheek + 0.4 * e.mouth_wide), 0.36 - 0.04 * e.nose];
            let crease = Lens { bend: 0.05, ..Lens::line(at, 0.2, 0.014) }.turned(side * 0.6);
            canvas.shade(&crease, -0.32 * fold, 0.045);

            let bag = (0.35 * p.age + 0.3 * e.cheek).clamp(0.0, 0.8);
            let under = Lens {
                bend: -0.035,
                ..Lens::line([side * p.eye[0], p.eye[1] + 0.15], p.eye[2], 0.012)
            };
            canvas.shade(&under, -0.22 * bag, 0.04);
        }
    }

    fn nose(&self, canvas: &mut Canvas) {
        let (p, e) = (self.person, self.expression);
        let (tip, wide) = (p.nose[0] - 0.04 * e.nose, p.nose[1]);
        // The bridge catches light; its sides and the underside lie in shadow.
        let bridge = Lens::line([0.0, tip - 0.2], 0.24, 0.035).turned(-1.0);
        canvas.shade(&bridge, 0.1, 0.08);
        for side in [-1.0, 1.0] {
            let flank = Lens::line([side * 0.085, tip - 0.17], 0.2, 0.02).turned(-1.0 - 0.1 * side);
            canvas.shade(&flank, -0.12, 0.07);
            let lift = 0.5 * (e.sneer * side).max(0.0) + 0.02 * e.nose;
            let wing = Egg::new([side * wide, tip - lift], [0.035, 0.05]);
            canvas.shade(&wing, -0.16 - 0.12 * e.nose, 0.06);
            let nostril = Egg::new([side * wide * 0.52, tip + 0.045 - lift * 0.6], [0.036, 0.02]);
            canvas.shade(&nostril, -0.5, 0.03);
            // Wrinkles on the bridge, falling outwards.
            for step in [0.0, 0.075] {
                let at = [side * 0.06, tip - 0.3 + step];
                let wrinkle = Lens { tilt: side * 0.7, ..Lens::line(at, 0.065, 0.012) };
                canvas.shade(&wrinkle, -0.36 * e.nose.clamp(0.0, 1.2), 0.03);
            }
        }
        canvas.shade(&Egg::new([0.0, tip - 0.02], [0.05, 0.045]), 0.12, 0.07);
        canvas.shade(&Egg::new([0.0, tip + 0.075], [wide, 0.03]), -0.14, 0.06);
    }

    /// The inside of the mouth.
    fn gap(&self) -> Lens {
        let (p, e) = (self.person, self.expression);
        let open = e.mouth_open.max(0.0);
        let half = (p.mouth[1] + e.mouth_wide).max(0.1);
        // The upper lip moves little when the jaw drops; smiling raises the corners most.
        let at = [0.0, p.mouth[0] + 0.45 * open - 0.35 * e.lip_up + 0.4 * e.mouth_bend];
        Lens {
            above: open * 0.85 + 0.6 * e.lip_up.max(0.0) * (open * 20.0).min(1.0),
            below: open * 1.15,
            bend: -e.mouth_bend,
            tilt: e.sneer * 0.8,
            round: (0.15 + e.mouth_round).clamp(0.0, 1.0),
            ..Lens::line(at, half, 0.0)
        }
    }

    fn mouth(&self, canvas: &mut Canvas) {
        let (p, e) = (self.person, self.expression);
        let open = e.mouth_open.max(0.0);
        let press = e.lip_press.clamp(0.0, 1.0);
        let lips = p.mouth[2] * (1.0 - 0.55 * press);
        let gap = self.gap();
        let (at, half) = (gap.at, gap.half);
        if p.moustache > 0.0 {
            let y = gap.middle(0.0) - gap.above - lips - 0.035;
            let bend = gap.bend * 0.8 + 0.04;
            let line = Lens { bend, ..Lens::line([0.0, y], half * 0.95, 0.04) };
            canvas.fill(&line, p.hair, p.moustache, 0.06);
        }
        // Lips: around the gap.
        let rim = Lens {
            above: gap.above + lips * 0.8,
            below: gap.below + lips * 1.15,
            half: half + 0.015,
            ..gap
        };
        canvas.fill(&rim, p.skin * p.lip, 0.85, 0.03);
        let under = [0.0, gap.middle(0.0) + rim.below + 0.045];
        canvas.shade(&Egg::new(under, [half * 0.55, 0.03]), -0.16, 0.07);
        if open > 0.015 {
            let dark = p.skin * 0.14;
            canvas.fill(&gap, dark, 1.0, 0.02);
            let teeth = e.teeth.clamp(0.0, 1.0);
            let band = Lens { below: gap.below * (2.2 * teeth - 1.3), half: half * 0.92, ..gap };
            if teeth > 0.08 {
                canvas.fill(&Both(gap, band), 0.55 + 0.4 * p.skin, 0.92, 0.02);
            }
            if teeth < 0.5 && open > 0.08 {
                let tongue = Egg::new([0.0, at[1] + gap.below], [half * 0.6, open * 0.6]);
                canvas.fill(&Both(gap, tongue), p.skin * 0.45, 0.8, 0.05);
            }
        }
        // The line between the lips, and the pits of the corners.
        let thin = 0.016 + 0.008 * press;
        if open < 0.03 {
            let line = Lens { above: thin, below: thin, round: 0.7, ..gap };
            canvas.fill(&line, p.skin * 0.2, 0.85, 0.02);
        }
        for side in [-1.0, 1.0] {
            let x = side * half;
            let corner = Egg::new([x, gap.middle(x)], [0.035, 0.03]);
            canvas.shade(&corner, -0.35, 0.05);
        }
    }

    fn eye(&self, canvas: &mut Canvas, side: f32, gaze: [f32; 2]) {
        let (p, e) = (self.person, self.expression);
        let [apart, y, half, opening] = p.eye;
        let at = [side * apart, y];
        let eye = Lens {
            above: opening * (1.15 + 1.1 * e.lid_up).max(0.12),
            below: opening * (0.85 + 0.3 * e.lid_up.max(0.0) - 0.75 * e.lid_low).max(0.1),
            // Lowered brows push the inner half of the lid down, raised ones pull it up.
            tilt: side * (0.08 - 0.8 * (e.brow_outer - e.brow_inner)).clamp(-0.3, 0.3) * 0.6
                - side * 0.05,
            round: 0.45,
            ..Lens::line(at, half, 0.0)
        };
        canvas.fill(&eye, 0.62 + 0.3 * p.skin, 1.0, 0.02);
        let pupil = [at[0] + gaze[0], at[1] + gaze[1] - 0.012];
        canvas.fill(&Both(eye, Egg::new(pupil, [0.09; 2])), p.iris, 1.0, 0.02);
        canvas.fill(&Both(eye, Egg::new(pupil, [0.045; 2])), 0.03, 1.0, 0.02);
        let glint = Egg::new([pupil[0] - 0.025, pupil[1] - 0.03], [0.02; 2]);
        canvas.fill(&Both(eye, glint), 1.0, 0.8, 0.02);
        // Lashes along the upper lid, a fainter lower rim, and the crease of the lid.
        let lid = Lens { above: eye.above + 0.022, half: half + 0.015, ..eye };
        canvas.fill(&Without(lid, Lens { below: 9.0, ..eye }), 0.05 + 0.15 * p.hair, 0.9, 0.02);
        let rim = Lens { below: eye.below + 0.016, ..eye };
        canvas.shade(&Without(rim, Lens { above: 9.0, ..eye }), -0.35, 0.02);
        let rise = eye.above + 0.05 + 0.2 * e.brow_inner.clamp(-0.1, 0.1);
        let crease =
            Lens { bend: 0.05, tilt: eye.tilt, ..Lens::line([at[0], y - rise], half, 0.012) };
        canvas.shade(&crease, -0.25, 0.035);
        // Crow's feet of a laughing eye.
        let x = side * (apart + half + 0.06);
        for tilt in [-0.35, 0.25] {
            let foot = Lens { tilt: side * tilt, ..Lens::line([x, y + 0.06 * tilt], 0.05, 0.008) };
            let laugh = (e.cheek * (e.mouth_bend * 8.0).clamp(0.0, 1.0)).clamp(0.0, 1.0);
            canvas.shade(&foot, -0.22 * laugh, 0.025);
        }
    }

    fn brow(&self, canvas: &mut Canvas, side: f32) {
        let (p, e) = (self.person, self.expression);
        let [height, half, thick] = p.brow;
        let together = 0.04 * e.frown.clamp(0.0, 1.0);
        let at = [
            side * (p.eye[0] - together),
            height - 0.5 * (e.brow_inner + e.brow_outer) - 0.5 * (0.03 + e.brow_arch),
        ];
        let brow = Lens {
            above: thick,
            below: thick * 0.8,
            bend: 0.03 + e.brow_arch,
            tilt: -side * (e.brow_outer - e.brow_inner) / (2.0 * half),
            round: 0.6,
            ..Lens::line(at, half, thick)
        };
        let tone = (0.7 * p.hair + 0.02).min(p.skin * 0.6);
        canvas.fill(&brow, tone, 0.9, 0.035);
    }

    fn hair(&self, canvas: &mut Canvas, chance: &mut Chance) {
        let p = self.person;
        let line = match p.hairstyle {
            Hairstyle::Bald => return,
            Hairstyle::Short => chance.between(-0.76, -0.64),
            Hairstyle::Fringe => chance.between(-0.6, -0.5),
            Hairstyle::Long => chance.between(-0.74, -0.62),
        };
        // A forehead free on both sides of a parting, and hair down to the ears or the shoulders.
        let parting = 0.16 * chance.bell();
        let down = if p.hairstyle == Hairstyle::Long { 1.5 } else { chance.between(0.6, 0.8) };
        let wide = p.head * if p.hairstyle == Hairstyle::Long { 0.98 } else { 1.04 };
        let opening = Egg::new([0.0, line + down], [wide, down]);
        let swept = Egg::new([parting, line + 0.3], [0.42, 0.44]);
        let cap = Egg::new([0.0, -0.18], [p.head + 0.07, 1.02]);
        let temples = chance.between(-0.2, 0.02);
        let height = if p.hairstyle == Hairstyle::Long { 3.0 } else { 0.9 };
        let upper = Egg::new([0.0, temples - height], [1.4, height]);
        let hair = Both(Without(Without(cap, opening), swept), upper);
        canvas.fill(&hair, p.hair, 1.0, 0.06);
        // Strands and a sheen, so that hair is not a flat area.
        for _ in 0..9 {
            let x = chance.between(-0.8, 0.8);
            let at = [x, -0.75 + 0.5 * x * x + 0.1 * chance.bell()];
            let bend = 0.06 * chance.bell() + 0.05;
            let turn = 0.8 * x + 0.1 * chance.bell();
            let strand = Lens { bend, ..Lens::line(at, chance.between(0.2, 0.4), 0.015) };
            let amount = 0.5 * chance.between(-1.0, 1.0);
            if at[1] < line {
                canvas.shade(&Both(strand.turned(turn), Both(cap, upper)), amount, 0.05);
            }
        }
        let sheen = Lens { bend: 0.15, ..Lens::line([0.2 * chance.bell(), -0.84], 0.4, 0.04) };
        canvas.shade(&Both(sheen, cap), 0.35, 0.16);
    }

    fn glasses(&self, canvas: &mut Canvas) {
        let p = self.person;
        let tone = p.hair * 0.5;
        for side in [-1.0, 1.0] {
            let at = [side * (p.eye[0] + 0.01), p.eye[1] + 0.03];
            let (outer, inner) = (Egg::new(at, [0.265, 0.215]), Egg::new(at, [0.235, 0.185]));
            canvas.shade(&inner, -0.04, 0.02);
            canvas.fill(&Without(outer, inner), tone, 0.9, 0.02);
            let arm = Lens::line([side * 0.66, p.eye[1]], 0.12, 0.018);
            canvas.fill(&arm, tone, 0.8, 0.02);
        }
        let bridge = Lens { bend: 0.02, ..Lens::line([0.0, p.eye[1]], 0.09, 0.018) };
        canvas.fill(&bridge, tone, 0.9, 0.02);
    }
}
