//! A fixed number of threads for libtorch.

/// Fixes the number of libtorch's threads at its present value. Until a program sets a number, oneMKL, which
/// computes the matrix products, may use fewer threads and then sums in another order: two runs with one seed may
/// differ in the last bit. Intel names a fixed number, and oneMKL's dynamic threading switched off, as conditions
/// of reproducible results ("Reproducibility Conditions", oneMKL Developer Guide); setting a number does both.
pub(crate) fn fix_threads() {
    tch::set_num_threads(tch::get_num_threads().max(1));
}
