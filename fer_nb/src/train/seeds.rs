//! Seeds for everything random in a run, each from the run's seed and its place, so that no
//! generator's state has to be carried from one epoch to the next or saved in a checkpoint.

/// A seed for the `index`-th thing of its kind, unrelated to its neighbours' (the finaliser of
/// SplitMix64; Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub fn derive(seed: u64, index: usize) -> u64 {
    let mut z = seed.wrapping_add((index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
