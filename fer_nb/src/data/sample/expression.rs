//! The seven expressions as movements of brows, lids and mouth.

use super::chance::Chance;
use crate::emotion::Emotion;

/// Movements relative to a face at rest, for which all are 0. Lengths are in units of half the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Expression {
    /// Inner ends of the brows, upwards.
    pub(super) brow_inner: f32,
    /// Outer ends of the brows, upwards.
    pub(super) brow_outer: f32,
    /// Arch of the brows, upwards.
    pub(super) brow_arch: f32,
    /// Brows drawn together, with furrows between them: 0 to 1.
    pub(super) frown: f32,
    /// Upper lids raised, as a share of the eye's opening; negative lowers them.
    pub(super) lid_up: f32,
    /// Lower lids raised, likewise.
    pub(super) lid_low: f32,
    /// Wrinkled nose: 0 to 1.
    pub(super) nose: f32,
    /// Raised cheeks and the folds next to the nose: 0 to 1.
    pub(super) cheek: f32,
    /// Lines across the forehead: 0 to 1.
    pub(super) forehead: f32,
    /// Half the mouth's width, more than at rest.
    pub(super) mouth_wide: f32,
    /// Corners of the mouth, upwards.
    pub(super) mouth_bend: f32,
    /// Half the mouth's opening.
    pub(super) mouth_open: f32,
    /// Round (1) or pointed (0) corners of the open mouth.
    pub(super) mouth_round: f32,
    /// Upper lip raised.
    pub(super) lip_up: f32,
    /// Lips pressed together: 0 to 1.
    pub(super) lip_press: f32,
    /// The share of the open mouth that the teeth fill: 0 to 1.
    pub(super) teeth: f32,
    /// One corner of the mouth (and the nostril above) raised more than the other.
    pub(super) sneer: f32,
}

impl Expression {
    /// The full expression of a class, in one of its variants: angry with pressed lips or shouting, happy with
    /// closed lips or laughing.
    fn full(emotion: Emotion, chance: &mut Chance) -> Self {
        let rest = Expression::default();
        match emotion {
            Emotion::Neutral => rest,
            Emotion::Angry => {
                let shout = chance.odds(0.35);
                Expression {
                    brow_inner: -0.16,
                    brow_outer: 0.06,
                    brow_arch: -0.01,
                    frown: 1.0,
                    lid_up: -0.12,
                    lid_low: 0.3,
                    nose: 0.15,
                    cheek: if shout { 0.4 } else { 0.1 },
                    mouth_wide: if shout { 0.04 } else { -0.04 },
                    mouth_bend: -0.08,
                    mouth_open: if shout { chance.between(0.09, 0.15) } else { 0.0 },
                    mouth_round: 0.5,
                    lip_press: if shout { 0.0 } else { 1.0 },
                    teeth: 0.9,
                    ..rest
                }
            }
            Emotion::Disgust => Expression {
                brow_inner: -0.09,
                brow_outer: -0.03,
                frown: 0.5,
                lid_up: -0.4,
                lid_low: 0.6,
                nose: 1.0,
                cheek: 0.9,
                mouth_wide: 0.01,
                mouth_bend: -0.1,
                mouth_open: if chance.odds(0.5) { chance.between(0.03, 0.08) } else { 0.0 },
                lip_up: 0.06,
                teeth: 0.6,
                sneer: chance.sign() * chance.between(0.05, 0.12),
                ..rest
            },
            Emotion::Fear => Expression {
                brow_inner: 0.16,
                brow_outer: 0.03,
                brow_arch: -0.03,
                frown: 0.45,
                lid_up: 0.5,
                lid_low: 0.15,
                forehead: 0.6,
                cheek: 0.1,
                mouth_wide: 0.09,
                mouth_bend: -0.05,
                mouth_open: chance.between(0.06, 0.14),
                mouth_round: 0.3,
                teeth: 0.6,
                ..rest
            },
            Emotion::Happy => {
                let laugh = chance.odds(0.65);
                Expression {
                    brow_inner: 0.03,
                    brow_outer: 0.03,
                    brow_arch: 0.02,
                    lid_up: -0.2,
                    lid_low: 0.5,
                    cheek: 1.0,
                    mouth_wide: 0.14,
                    mouth_bend: if laugh { 0.17 } else { 0.21 },
                    mouth_open: if laugh { chance.between(0.08, 0.16) } else { 0.0 },
                    mouth_round: 0.15,
                    teeth: 1.0,
                    ..rest
                }
            }
            Emotion::Sad => Expression {
                brow_inner: 0.14,
                brow_outer: -0.08,
                brow_arch: -0.03,
                frown: 0.4,
                lid_up: -0.35,
                forehead: 0.25,
                cheek: 0.15,
                mouth_wide: -0.04,
                mouth_bend: -0.17,
                mouth_open: if chance.odds(0.2) { 0.025 } else { 0.0 },
                lip_press: 0.2,
                teeth: 0.2,
                ..rest
            },
            Emotion::Surprise => Expression {
                brow_inner: 0.17,
                brow_outer: 0.17,
                brow_arch: 0.06,
                lid_up: 0.5,
                forehead: 0.7,
                mouth_wide: -0.11,
                mouth_bend: 0.0,
                mouth_open: chance.between(0.13, 0.24),
                mouth_round: 1.0,
                teeth: 0.15,
                ..rest
            },
        }
    }

    /// An expression as a person shows it once: strong or weak, or with a trace of the expression with which it is
    /// most often confused, on a varying resting face.
    pub(super) fn of(emotion: Emotion, chance: &mut Chance) -> Self {
        let full = Self::full(emotion, chance);
        let other = Self::full(taken_for(emotion), chance);
        let trace = if chance.odds(0.5) { chance.between(0.0, 0.45) } else { 0.0 };
        let weak = chance.unit();
        let strength =
            if emotion == Emotion::Neutral { 1.0 } else { 1.25 - 0.95 * weak * weak * weak };
        let mixed = full.toward(&other, trace).scaled(strength);
        mixed.plus(&Self::resting(chance))
    }

    /// The deviation of this face at rest from the average one.
    fn resting(chance: &mut Chance) -> Self {
        Expression {
            brow_inner: 0.018 * chance.bell(),
            brow_outer: 0.018 * chance.bell(),
            brow_arch: 0.01 * chance.bell(),
            frown: (0.15 * chance.bell()).max(0.0),
            lid_up: 0.1 * chance.bell(),
            lid_low: 0.08 * chance.bell(),
            cheek: (0.15 * chance.bell()).max(0.0),
            forehead: (0.15 * chance.bell()).max(0.0),
            mouth_wide: 0.015 * chance.bell(),
            mouth_bend: 0.018 * chance.bell(),
            sneer: 0.012 * chance.bell(),
            ..Expression::default()
        }
    }

    /// This expression mixed with a share of another one.
    fn toward(&self, other: &Self, share: f32) -> Self {
        self.zip(other, |a, b| a + (b - a) * share)
    }

    fn scaled(&self, factor: f32) -> Self {
        self.zip(self, |a, _| a * factor)
    }

    fn plus(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        macro_rules! zipped {
            ($($movement:ident)+) => {
                Self { $($movement: f(self.$movement, other.$movement)),+ }
            };
        }
        zipped! {
            brow_inner brow_outer brow_arch frown lid_up lid_low nose cheek forehead
            mouth_wide mouth_bend mouth_open mouth_round lip_up lip_press teeth sneer
        }
    }
}

/// The class with which this one is most easily confused; as with photos, not always mutual.
fn taken_for(emotion: Emotion) -> Emotion {
    match emotion {
        Emotion::Angry => Emotion::Disgust,
        Emotion::Disgust => Emotion::Angry,
        Emotion::Fear => Emotion::Surprise,
        Emotion::Happy => Emotion::Neutral,
        Emotion::Neutral => Emotion::Sad,
        Emotion::Sad => Emotion::Neutral,
        Emotion::Surprise => Emotion::Fear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_keep_their_signs() {
        let mut chance = Chance::of_image(1, 0, 0);
        for _ in 0..200 {
            let mut full = |emotion| Expression::full(emotion, &mut chance);
            assert!(full(Emotion::Happy).mouth_bend > 0.0 && full(Emotion::Sad).mouth_bend < 0.0);
            assert!(full(Emotion::Angry).brow_inner < 0.0 && full(Emotion::Fear).brow_inner > 0.0);
            assert!(full(Emotion::Disgust).sneer.abs() >= 0.05);
            assert_eq!(full(Emotion::Neutral), Expression::default());
        }
    }

    #[test]
    fn every_movement_is_mixed() {
        let full = Expression::full(Emotion::Disgust, &mut Chance::of_image(1, 0, 0));
        assert_eq!(full.toward(&Expression::default(), 0.0), full);
        assert_eq!(full.toward(&Expression::default(), 1.0), Expression::default());
        assert_eq!(full.plus(&full), full.scaled(2.0));
    }
}
