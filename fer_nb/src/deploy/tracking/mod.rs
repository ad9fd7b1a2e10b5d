//! Faces from frame to frame: [`Tracker`] numbers them, [`Means`] smooths their predictions over time, and
//! [`LiveFaces`] looks for a camera's faces where they were. Videos and the camera page share them.

#[cfg(feature = "serve")]
mod live;
mod means;
mod tracker;

#[cfg(feature = "serve")]
pub(super) use live::{LiveFace, LiveFaces};
pub(super) use means::Means;
pub(super) use tracker::Tracker;
