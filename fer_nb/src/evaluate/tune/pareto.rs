//! Which of several points are best in two numbers at once, less being better in both.

use std::cmp::Ordering;

/// A point's two numbers.
pub(super) type Pair = [f64; 2];

/// Whether `one` is at least as good in both, and better in one.
fn dominates(one: &Pair, other: &Pair) -> bool {
    one.iter().zip(other).all(|(one, other)| one <= other) && one != other
}

/// The number of each point's front: 0 for those that no other one dominates (the Pareto front), 1 for those that only
/// these dominate, and so on. Non-dominated sorting, as in NSGA-II (Deb et al., "A Fast and Elitist Multiobjective
/// Genetic Algorithm: NSGA-II", 2002). NaN counts as worst.
pub(super) fn fronts(points: &[Pair]) -> Vec<usize> {
    let points: Vec<Pair> = points.iter().map(|point| point.map(worst_if_nan)).collect();
    let mut fronts: Vec<Option<usize>> = vec![None; points.len()];
    for front in 0..points.len() {
        let left: Vec<usize> = (0..points.len()).filter(|at| fronts[*at].is_none()).collect();
        let is_first = |at: &usize| !left.iter().any(|it| dominates(&points[*it], &points[*at]));
        for at in left.iter().copied().filter(is_first) {
            fronts[at] = Some(front);
        }
    }
    fronts.into_iter().map(|front| front.unwrap_or(points.len())).collect()
}

/// The place of each point, 0 for the best: by its front, and within a front by NSGA-II's crowding distance, the
/// loneliest first, so that the front is filled along its length.
pub(super) fn places(points: &[Pair]) -> Vec<usize> {
    let fronts = fronts(points);
    let crowding = crowding(points, &fronts);
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|one, other| {
        let lonelier = crowding[*other].total_cmp(&crowding[*one]);
        fronts[*one].cmp(&fronts[*other]).then(lonelier)
    });
    let mut places = vec![0; points.len()];
    for (place, at) in order.into_iter().enumerate() {
        places[at] = place;
    }
    places
}

/// For each point how far its neighbours in its front are from each other, as a share of the front's width, summed over
/// both numbers. Infinite at the front's ends.
fn crowding(points: &[Pair], fronts: &[usize]) -> Vec<f64> {
    let mut distances = vec![0.0; points.len()];
    for front in 0..fronts.iter().max().map_or(0, |last| last + 1) {
        let members = || (0..points.len()).filter(|at| fronts[*at] == front);
        for number in [|pair: &Pair| pair[0], |pair: &Pair| pair[1]] {
            let value = |at: usize| worst_if_nan(number(&points[at]));
            let mut members: Vec<usize> = members().collect();
            members.sort_by(|one, other| value(*one).total_cmp(&value(*other)));
            let (Some(first), Some(last)) = (members.first(), members.last()) else { continue };
            let width = value(*last) - value(*first);
            distances[*first] = f64::INFINITY;
            distances[*last] = f64::INFINITY;
            for three in members.windows(3) {
                if let [before, at, after] = three
                    && width.partial_cmp(&0.0) == Some(Ordering::Greater)
                {
                    distances[*at] += (value(*after) - value(*before)) / width;
                }
            }
        }
    }
    distances
}

fn worst_if_nan(value: f64) -> f64 {
    if value.is_nan() { f64::INFINITY } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fronts_are_peeled_off_one_after_the_other() {
        let points = [[1.0, 5.0], [2.0, 3.0], [2.0, 3.0], [3.0, 4.0], [5.0, 1.0], [6.0, 6.0]];
        // The second and third are equal, so neither is better.
        assert_eq!(fronts(&points), [0, 0, 0, 1, 0, 2]);
        assert_eq!(fronts(&[[f64::NAN, 0.0], [1.0, 1.0], [2.0, 1.0]]), [0, 0, 1]);
        assert!(fronts(&[]).is_empty());
    }

    #[test]
    fn within_a_front_the_lonely_are_first() {
        // By hand: the front is 8 by 8, and the second point's neighbours are 6 and 5 from each other.
        let front = [[0.0, 8.0], [1.0, 6.0], [6.0, 3.0], [7.0, 1.0], [8.0, 0.0]];
        let expected = [f64::INFINITY, 11.0 / 8.0, 11.0 / 8.0, 5.0 / 8.0, f64::INFINITY];
        assert_eq!(crowding(&front, &[0; 5]), expected);
        let with_one_behind =
            [[7.0, 7.0], [0.0, 8.0], [1.0, 6.0], [6.0, 3.0], [7.0, 1.0], [8.0, 0.0]];
        assert_eq!(places(&with_one_behind), [5, 0, 2, 3, 4, 1]);
        assert_eq!(places(&[[1.0, 1.0]]), [0]);
    }
}
