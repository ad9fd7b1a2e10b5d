//! The number of threads that libtorch computes with, fixed.

/// Keeps libtorch at the number of threads that it has. Until a program sets a number, the library
/// behind its matrix products (oneMKL) may take fewer at any time, and sums in another order then: two
/// runs of one seed differ in the last bit. Intel names both a fixed number and oneMKL's dynamic
/// threading switched off as conditions of results that repeat ("Reproducibility Conditions", oneMKL
/// Developer Guide); setting a number does both. It holds for the calling thread.
pub fn fix_threads() {
    tch::set_num_threads(tch::get_num_threads().max(1));
}
