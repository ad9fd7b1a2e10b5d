//! Reads a request's body, within the memory budget and the time limits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, timeout, timeout_at};

use super::budget::{Budget, Held};
use super::places::{Place, STEP};
use super::reply::{busy, problem};

/// The time limit for [`STEP`] bytes of a body.
const PATIENCE: Duration = Duration::from_secs(15);
/// The time limit for a whole body.
const LONGEST: Duration = Duration::from_secs(120);
/// The time and the size for which a rejected body is still read: a sender whose connection is closed early does
/// not read the reason.
const LINGER: (Duration, usize) = (Duration::from_secs(3), 64 << 20);

/// Why a body is not available.
#[derive(Debug)]
pub(super) enum Unread {
    TooLarge,
    Slow,
    /// The memory for bodies is exhausted.
    Full,
    Broken(String),
}

impl IntoResponse for Unread {
    fn into_response(self) -> Response {
        match self {
            Unread::TooLarge => {
                problem(StatusCode::PAYLOAD_TOO_LARGE, "the photo's file is too large")
            }
            Unread::Slow => problem(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly"),
            Unread::Full => busy("there are too many uploads at once. Try again in a second."),
            Unread::Broken(message) => problem(StatusCode::BAD_REQUEST, message),
        }
    }
}

/// Reads a body of at most `most` bytes, and takes its share of the budget.
pub(super) async fn read(
    body: Body,
    most: usize,
    place: &Place,
    budget: &Arc<Budget>,
) -> Result<(Vec<u8>, Held), Unread> {
    let mut body = body;
    let result = fill(&mut body, most, place, budget).await;
    if let Err(Unread::TooLarge | Unread::Full) = &result {
        drain(body);
    }
    result
}

async fn fill(
    body: &mut Body,
    most: usize,
    place: &Place,
    budget: &Arc<Budget>,
) -> Result<(Vec<u8>, Held), Unread> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > most {
        return Err(Unread::TooLarge);
    }
    let held = budget.begin(place.peer());
    place.sends(0);
    let mut bytes: Vec<u8> = Vec::new();
    let (start, mut progress) = (Instant::now(), (Instant::now(), 0));
    loop {
        let deadline = (progress.0 + PATIENCE).min(start + LONGEST);
        let frame = tokio::select! {
            frame = timeout_at(deadline, frame(body)) => frame.map_err(|_| Unread::Slow)?,
            () = held.asked_to_leave() => return Err(Unread::Full),
        };
        let Some(data) = frame? else { break };
        let size = bytes.len() + data.len();
        if size > most {
            return Err(Unread::TooLarge);
        }
        if size > bytes.capacity() {
            // At most what was sent, and a half more: the declared size is only a promise.
            let ahead = declared.clamp(size, size.saturating_add(size / 2).max(STEP));
            if !held.grow(ahead) {
                return Err(Unread::Full);
            }
            bytes.reserve_exact(ahead - bytes.len());
        }
        bytes.extend_from_slice(&data);
        place.sends(data.len());
        held.has(size);
        if size >= progress.1 + STEP {
            progress = (Instant::now(), size);
        }
    }
    held.arrived();
    place.works();
    Ok((bytes, held))
}

/// Reads the next bytes; `None` at the end.
async fn frame(body: &mut Body) -> Result<Option<Bytes>, Unread> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(Unread::Broken(format!("the body: {error}"))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(_) => continue, // trailers
            },
        }
    }
}

/// Reads and drops the rest of a body, for a limited time.
pub(super) fn drain(mut body: Body) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(async move {
        let (longest, most) = LINGER;
        let rest = async {
            let mut taken = 0;
            while let Ok(Some(data)) = frame(&mut body).await {
                taken += data.len();
                if taken > most {
                    break;
                }
            }
        };
        let _ = timeout(longest, rest).await;
    });
}
