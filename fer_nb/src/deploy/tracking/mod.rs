//! Tracks faces from frame to frame: [`Tracker`] numbers them, [`Means`] smooths their predictions over time, and
//! [`LiveFaces`] searches a camera's faces at their last positions. Videos and the camera page share them.

#[cfg(feature = "serve")]
mod live;
mod means;
mod tracker;

#[cfg(feature = "serve")]
pub(super) use live::{LiveFace, LiveFaces};
pub(super) use means::Means;
pub(super) use tracker::Tracker;
