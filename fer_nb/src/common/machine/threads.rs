//! The number of threads that libtorch computes with, fixed.

/// Keeps libtorch at the number of threads that it has. Until a program sets a number, the library
/// behind its matrix products (oneMKL) may take fewer, and would sum in another order then: two runs of
/// one seed may differ in the last bit. Intel names a fixed number, and oneMKL's dynamic threading
/// switched off, as conditions of results that repeat ("Reproducibility Conditions", oneMKL Developer
/// Guide); setting a number does both.
pub(crate) fn fix_threads() {
    tch::set_num_threads(tch::get_num_threads().max(1));
}
