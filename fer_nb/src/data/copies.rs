//! Images that are exact copies of each other, and images of one flat colour.

use super::Dataset;
use crate::emotion::Emotion;

/// The test part, as a value of [`Member::split`].
pub(super) const TEST: usize = 2;

/// One image of one part.
#[derive(Clone, Copy)]
pub(super) struct Member<'a> {
    /// 0 train, 1 validation, 2 test.
    pub(super) split: usize,
    pub(super) index: usize,
    pub(super) pixels: &'a [u8],
    pub(super) emotion: Emotion,
}

/// All images of train, validation and test, in order.
pub(super) fn members(parts: [&Dataset; 3]) -> Vec<Member<'_>> {
    parts
        .into_iter()
        .enumerate()
        .flat_map(|(split, data)| {
            data.iter().enumerate().map(move |(index, (pixels, emotion))| Member {
                split,
                index,
                pixels,
                emotion,
            })
        })
        .collect()
}

/// Groups of two or more images with equal pixels, in the order of their first members; members keep the data's
/// order. The hash finds candidates, and the bytes are compared.
pub(super) fn groups_of_copies<'a>(members: &[Member<'a>]) -> Vec<Vec<Member<'a>>> {
    let mut hashed: Vec<(u64, usize)> = members
        .iter()
        .enumerate()
        .map(|(place, member)| (xxhash_rust::xxh3::xxh3_64(member.pixels), place))
        .collect();
    hashed.sort_unstable();
    let mut groups: Vec<(usize, Vec<Member>)> = Vec::new();
    for run in hashed.chunk_by(|one, other| one.0 == other.0).filter(|run| run.len() > 1) {
        // Images with the same hash are almost always equal; then the result is one group.
        let mut of_run: Vec<(usize, Vec<Member>)> = Vec::new();
        for (_, place) in run {
            let Some(member) = members.get(*place) else { continue };
            let same = |group: &&mut (usize, Vec<Member>)| {
                group.1.first().is_some_and(|first| first.pixels == member.pixels)
            };
            match of_run.iter_mut().find(same) {
                Some((_, group)) => group.push(*member),
                None => of_run.push((*place, vec![*member])),
            }
        }
        groups.extend(of_run.into_iter().filter(|(_, group)| group.len() > 1));
    }
    groups.sort_unstable_by_key(|(place, _)| *place);
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Whether all pixels have the same value.
pub(super) fn is_flat(pixels: &[u8]) -> bool {
    pixels.first().is_some_and(|first| pixels.iter().all(|pixel| pixel == first))
}
