//! The person of a made-up face.

use super::chance::Chance;

/// The features of a person that an expression does not change. Lengths in units of half the picture, tones on 0 to
/// 1.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) skin: f32,
    pub(super) hair: f32,
    pub(super) hairstyle: Hairstyle,
    /// Half the head's width.
    pub(super) head: f32,
    /// How much narrower the jaw is.
    pub(super) jaw: f32,
    /// Distance of an eye from the middle, its height, half width and half opening.
    pub(super) eye: [f32; 4],
    pub(super) iris: f32,
    /// Height of the brows, half length, half thickness.
    pub(super) brow: [f32; 3],
    /// Height of the nose's tip, half width.
    pub(super) nose: [f32; 2],
    /// Height of the mouth, half width, thickness of the lips.
    pub(super) mouth: [f32; 3],
    pub(super) lip: f32,
    pub(super) beard: f32,
    pub(super) moustache: f32,
    pub(super) glasses: bool,
    /// Lines of age: 0 to 1.
    pub(super) age: f32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Hairstyle {
    Bald,
    Short,
    Fringe,
    Long,
}

impl Person {
    /// A new random person.
    pub(super) fn new(chance: &mut Chance) -> Self {
        let skin = chance.between(0.58, 0.86);
        // Fair hair only with fair skin; sometimes gray.
        let fairest = if skin > 0.62 { 0.5 } else { 0.22 };
        let shade = chance.unit();
        let hair = if chance.odds(0.12) {
            chance.between(0.45, 0.6)
        } else {
            0.12 + (fairest - 0.12) * shade * shade
        };
        let hairstyle = match chance.unit() {
            x if x < 0.1 => Hairstyle::Bald,
            x if x < 0.5 => Hairstyle::Short,
            x if x < 0.7 => Hairstyle::Fringe,
            _ => Hairstyle::Long,
        };
        let bearded = hairstyle != Hairstyle::Long && chance.odds(0.22);
        let moustached = bearded || (hairstyle != Hairstyle::Long && chance.odds(0.08));
        let made_up = hairstyle == Hairstyle::Long && chance.odds(0.5);
        Self {
            skin,
            hair,
            hairstyle,
            head: chance.between(0.66, 0.78),
            jaw: chance.between(0.18, 0.38),
            eye: [
                chance.between(0.31, 0.36),
                chance.between(-0.19, -0.11),
                chance.between(0.165, 0.2),
                chance.between(0.075, 0.095),
            ],
            iris: chance.between(0.06, 0.3),
            brow: [
                chance.between(-0.46, -0.41),
                chance.between(0.2, 0.24),
                chance.between(0.035, 0.055),
            ],
            nose: [chance.between(0.16, 0.24), chance.between(0.1, 0.15)],
            mouth: [
                chance.between(0.46, 0.51),
                chance.between(0.27, 0.33),
                chance.between(0.035, 0.06),
            ],
            lip: if made_up { chance.between(0.4, 0.6) } else { chance.between(0.68, 0.88) },
            beard: if bearded { chance.between(0.3, 0.8) } else { 0.0 },
            moustache: if moustached { chance.between(0.4, 0.85) } else { 0.0 },
            glasses: chance.odds(0.14),
            age: (0.3 * chance.bell() + 0.2).clamp(0.0, 1.0),
        }
    }
}
