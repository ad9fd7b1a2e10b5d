//! The HTTP endpoint for programs: `/api/predict` and its description.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::engine::{Answer, Model, Question, Refusal};
use crate::deploy::FaceDetector;
use crate::emotion::Emotion;

/// How long a request may take, its body included.
const PATIENCE: Duration = Duration::from_secs(15);

/// Options of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    #[serde(default)]
    faces: Faces,
}

/// The faces of a photo.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Faces {
    /// To be found.
    #[default]
    Find,
    /// The photo is one.
    CutOut,
}

/// The reply of `/api/predict` and the socket.
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

/// A problem, as JSON: `{"error": "…"}`.
pub(super) fn problem(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(serde_json::json!({ "error": message.into() }))).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Photo(message) => problem(StatusCode::UNPROCESSABLE_ENTITY, message),
            Refusal::Internal(message) => problem(StatusCode::INTERNAL_SERVER_ERROR, message),
            Refusal::Busy => {
                let message = "there is too much to do. Ask again in a second.";
                let busy = problem(StatusCode::SERVICE_UNAVAILABLE, message);
                ([(header::RETRY_AFTER, "1")], busy).into_response()
            }
        }
    }
}

/// `POST /api/predict`: the body is a JPEG or PNG file.
pub(super) async fn predict(
    State(state): State<Shared>,
    options: Result<Query<Options>, QueryRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Ok(Query(options)) = options else {
        let message = "the query: faces=find or faces=cut_out is expected";
        return problem(StatusCode::BAD_REQUEST, message);
    };
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return problem(StatusCode::PAYLOAD_TOO_LARGE, "the photo's file is too large");
        }
        Err(rejection) => return problem(rejection.status(), rejection.body_text()),
    };
    let question = match options.faces {
        Faces::Find => Question::Faces(FaceDetector::for_photos()),
        Faces::CutOut => Question::CutOut,
    };
    match state.engine.ask(body.into(), question).await {
        Ok(answer) => {
            state.metrics.answered(answer.milliseconds);
            Json(Reply::new(&answer)).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Replies 408 to a request that takes too long, usually because its body arrives too slowly.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem(StatusCode::REQUEST_TIMEOUT, "the request did not come to an end"),
    }
}

/// `GET /api/model`: the network behind the server.
pub(super) async fn model(State(state): State<Shared>) -> Json<Model> {
    Json(state.engine.model().clone())
}

/// `GET /healthz`: the server works.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Any other path.
pub(super) async fn unknown() -> Response {
    problem(StatusCode::NOT_FOUND, "nothing is here; see /api/openapi.json")
}
