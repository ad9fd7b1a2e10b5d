//! One `fit`: the loop over epochs and batches, the state that survives it, and messages for the user.

mod fit;
mod initial_weights;
mod out_of_memory;
mod progress;
mod resume;
mod state;

pub(crate) use fit::fit;
pub(crate) use initial_weights::load_initial_weights;
pub(crate) use out_of_memory::explain;
pub(crate) use progress::Progress;
pub(crate) use state::{Session, State};
