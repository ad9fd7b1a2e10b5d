//! Replies of the server: the faces of a photo, or the reason why there are none.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::deploy::Face;
use crate::deploy::tracking::LiveFace;
use crate::emotion::Emotion;

/// The reply to a photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Answer {
    /// Width and height in pixels, upright.
    pub(super) size: (u32, u32),
    /// The faces, the largest first.
    pub(super) faces: Vec<Seen>,
    /// The reason why no face was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) no_face: Option<String>,
    /// The time from the file's bytes to the predictions, in milliseconds.
    pub(super) milliseconds: f64,
}

/// A face of a photo, or of a camera's frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Seen {
    /// A face of a photo.
    Once(Face),
    /// A face of a camera's frame: the same, with its number and smoothed prediction.
    Live(LiveFace),
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The photo is not usable.
    Photo(String),
    /// The server is overloaded.
    Busy,
    /// An error of the server itself.
    Internal(String),
}

/// The reply of `/api/predict` and of the socket.
#[derive(Serialize)]
pub(super) struct Reply<'a> {
    /// The classes, in the order of `probs`.
    classes: [&'static str; Emotion::COUNT],
    #[serde(flatten)]
    answer: &'a Answer,
}

impl<'a> Reply<'a> {
    pub(super) fn new(answer: &'a Answer) -> Self {
        Self { classes: Emotion::names(), answer }
    }
}

/// An error, as JSON: `{"error": "…"}`.
pub(super) fn problem(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(serde_json::json!({ "error": message.into() }))).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Photo(message) => problem(StatusCode::UNPROCESSABLE_ENTITY, message),
            Refusal::Internal(message) => problem(StatusCode::INTERNAL_SERVER_ERROR, message),
            Refusal::Busy => busy("there is too much to do. Try again in a second."),
        }
    }
}

/// 503, with the time for the next attempt.
pub(super) fn busy(message: &str) -> Response {
    let busy = problem(StatusCode::SERVICE_UNAVAILABLE, message);
    ([(header::RETRY_AFTER, "1")], busy).into_response()
}
