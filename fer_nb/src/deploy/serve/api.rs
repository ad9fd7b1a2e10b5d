//! The HTTP endpoint for programs: `/api/predict` and its description.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;

use super::Shared;
use super::body::{Unread, drain, read};
use super::budget::Held;
use super::engine::Model;
use super::jobs::Question;
use super::places::Place;
use super::reply::{Reply, problem};
use super::upload::{Encoding, Faces, Upload};
use crate::deploy::FaceDetector;

/// Options of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    #[serde(default)]
    faces: Option<Faces>,
}

/// `POST /api/predict`: the body is a photo, a form with one, or JSON.
pub(super) async fn predict(
    State(state): State<Shared>,
    Extension(place): Extension<Arc<Place>>,
    options: Result<Query<Options>, QueryRejection>,
    request: Request,
) -> Response {
    match photo_of(&state, &place, options, request).await {
        Err(refusal) => refusal,
        Ok((question, photo, held)) => {
            match state.engine.ask(place.peer(), photo, Some(held), question).await {
                Ok(answer) => {
                    state.metrics.answered(answer.milliseconds);
                    Json(Reply::new(&answer)).into_response()
                }
                Err(refusal) => refusal.into_response(),
            }
        }
    }
}

async fn photo_of(
    state: &Shared,
    place: &Place,
    options: Result<Query<Options>, QueryRejection>,
    request: Request,
) -> Result<(Question, Vec<u8>, Held), Response> {
    let (parts, body) = request.into_parts();
    let Ok(Query(options)) = options else {
        drain(body);
        return Err(problem(StatusCode::BAD_REQUEST, format!("the query: {}", Faces::EXPECTED)));
    };
    let encoding = match Encoding::of(&parts.headers) {
        Ok(encoding) => encoding,
        Err((status, why)) => {
            drain(body);
            return Err(problem(status, why));
        }
    };
    let most = encoding.most(state.max_upload);
    let read = read(body, most, place, &state.budget).await;
    let (bytes, held) = read.map_err(IntoResponse::into_response)?;
    let upload = Upload::of(encoding, &parts.headers, bytes);
    let Upload { bytes, faces } = upload.map_err(|(status, why)| problem(status, why))?;
    if bytes.len() > state.max_upload {
        return Err(Unread::TooLarge.into_response());
    }
    let question = match faces.or(options.faces).unwrap_or_default() {
        Faces::Find => Question::Faces(FaceDetector::for_photos()),
        Faces::CutOut => Question::CutOut,
    };
    Ok((question, bytes, held))
}

/// `GET /api/model`: the network behind the server.
pub(super) async fn model(State(state): State<Shared>) -> Json<Model> {
    Json(state.engine.model().clone())
}

/// `GET /healthz`: the server is running.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Replies to any other path.
pub(super) async fn unknown() -> Response {
    problem(StatusCode::NOT_FOUND, "unknown path; see /api/openapi.json")
}

/// Replies to any other method with what to do instead. The router adds `Allow`.
pub(super) async fn wrong_method(uri: Uri) -> Response {
    let what = match uri.path() {
        "/api/predict" => {
            "send the photo by POST: `curl --data-binary @face.jpg`, `curl -F file=@face.jpg`, or JSON \
             {\"image\": \"base64\"}"
        }
        _ => "this path is read by GET",
    };
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, what);
    if uri.path() == "/api/predict" {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
