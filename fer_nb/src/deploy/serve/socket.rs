//! `/live`: a camera's frames arrive as JPEG files in binary messages, and each reply is JSON.
//!
//! Only the newest frame matters: one is processed, at most one waits, and a newer one replaces it. So replies
//! never lag behind, even on a slow machine. Each connection is one camera, whose faces keep their numbers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use serde::Serialize;
use tokio::time::timeout;

use super::Shared;
use super::jobs::Question;
use super::places::Place;
use super::reply::{Answer, Refusal, Reply, busy, problem};
use crate::deploy::tracking::LiveFaces;

/// The maximum size of a frame, in bytes.
const FRAME: usize = 2 << 20;
/// The number of consecutive messages that are not photos after which the connection is closed.
const PATIENCE: u32 = 10;
/// The time limit for a silent camera.
const SILENCE: Duration = Duration::from_secs(60);
/// The time limit for sending a message.
const SLOW: Duration = Duration::from_secs(10);

/// A reply with the number of its frame: the number of the connection's message, from 0.
#[derive(Serialize)]
struct Numbered<'a> {
    frame: u64,
    #[serde(flatten)]
    reply: Reply<'a>,
}

/// `GET /live`.
pub(super) async fn live(
    State(state): State<Shared>,
    Extension(connection): Extension<Arc<Place>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return problem(rejection.status(), rejection.body_text()),
    };
    let Some(place) = state.cameras.enter(connection.peer()) else {
        return busy("there are too many cameras at once.");
    };
    upgrade.max_message_size(FRAME).max_frame_size(FRAME).on_upgrade(move |mut socket| async move {
        state.metrics.sockets.fetch_add(1, Ordering::Relaxed);
        let end = frames(&state, &place, &mut socket).await;
        if let Some((code, reason)) = end {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            let _ = timeout(SLOW, socket.send(close)).await;
        }
        state.metrics.sockets.fetch_sub(1, Ordering::Relaxed);
        drop(place);
    })
}

/// Replies to frames until the client ends; if the server ends, returns the close code and the reason.
async fn frames(
    state: &Shared,
    place: &Place,
    socket: &mut WebSocket,
) -> Option<(u16, &'static str)> {
    let peer = place.peer();
    let (camera, start) = (Arc::new(Mutex::new(LiveFaces::default())), Instant::now());
    let ask = |arrived: Instant, bytes: Bytes| {
        let seconds = arrived.saturating_duration_since(start).as_secs_f64();
        let question = Question::Live { camera: camera.clone(), seconds };
        let state = state.clone();
        async move { state.engine.ask(peer, bytes.into(), None, question).await }
    };
    let mut end = state.end.subscribe();
    let (mut number, mut bad) = (0u64, 0u32);
    // The frame in progress, and the newest one after it.
    let mut current = std::pin::pin!(None);
    let mut current_number = 0;
    let mut newest: Option<(u64, Instant, Bytes)> = None;
    loop {
        if current.is_none()
            && let Some((frame, arrived, bytes)) = newest.take()
        {
            current.set(Some(ask(arrived, bytes)));
            current_number = frame;
        }
        let answering = async {
            match current.as_mut().as_pin_mut() {
                Some(answer) => answer.await,
                None => std::future::pending().await,
            }
        };
        let ending = async { drop(end.wait_for(|ends| *ends).await) };
        tokio::select! {
            () = ending => {
                return Some((close_code::AWAY, "the server ends"));
            }
            () = place.asked_to_leave() => {
                return Some((close_code::AGAIN, "no frame for a while, and others wait"));
            }
            answer = answering => {
                current.set(None);
                place.waits();
                let text = match answer {
                    Ok(answer) => {
                        bad = 0;
                        state.metrics.answered(answer.milliseconds);
                        in_json(current_number, &answer)
                    }
                    Err(Refusal::Busy) => {
                        state.metrics.dropped.fetch_add(1, Ordering::Relaxed);
                        refused(current_number, "busy")
                    }
                    Err(Refusal::Photo(problem)) => {
                        state.metrics.garbage.fetch_add(1, Ordering::Relaxed);
                        bad += 1;
                        refused(current_number, &problem)
                    }
                    Err(Refusal::Internal(problem)) => refused(current_number, &problem),
                };
                match timeout(SLOW, socket.send(Message::Text(text.into()))).await {
                    Ok(Ok(())) => (),
                    _ => return None, // the client has left, or is too slow
                }
                if bad >= PATIENCE {
                    return Some((close_code::UNSUPPORTED, "these are no photos"));
                }
            }
            message = timeout(SILENCE, socket.recv()) => match message {
                Ok(Some(Ok(Message::Binary(bytes)))) => {
                    place.works();
                    if newest.replace((number, Instant::now(), bytes)).is_some() {
                        state.metrics.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                    number += 1;
                }
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => (),
                Ok(Some(Ok(Message::Text(_)))) => {
                    state.metrics.garbage.fetch_add(1, Ordering::Relaxed);
                    return Some((close_code::UNSUPPORTED, "binary messages are expected"));
                }
                Ok(Some(Ok(Message::Close(_))) | None) => return None,
                Ok(Some(Err(_))) => {
                    state.metrics.garbage.fetch_add(1, Ordering::Relaxed);
                    return Some((close_code::SIZE, "no message, or one that is too large"));
                }
                Err(_) => return Some((close_code::AWAY, "no frame for a minute")),
            },
        }
    }
}

fn in_json(frame: u64, answer: &Answer) -> String {
    let numbered = Numbered { frame, reply: Reply::new(answer) };
    serde_json::to_string(&numbered).unwrap_or_else(|error| refused(frame, &error.to_string()))
}

fn refused(frame: u64, problem: &str) -> String {
    serde_json::json!({ "frame": frame, "error": problem }).to_string()
}
