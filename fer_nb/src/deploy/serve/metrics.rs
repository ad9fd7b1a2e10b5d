//! Counters of requests and predictions, in the text format of Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;

/// Counters; all except `sockets` only grow.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Responses by the first digit of their status, 1 to 5.
    responses: [AtomicU64; 5],
    /// Predicted photos and frames.
    pub(super) answers: AtomicU64,
    /// The time for them, in microseconds.
    microseconds: AtomicU64,
    /// Frames that a newer one replaced before they were processed.
    pub(super) dropped: AtomicU64,
    /// Messages that were not a photo.
    pub(super) garbage: AtomicU64,
    /// Connected cameras.
    pub(super) sockets: AtomicU64,
    /// Connections that were rejected because the server was full.
    refused: AtomicU64,
}

impl Metrics {
    /// Counts another photo or frame, which took this time.
    pub(super) fn answered(&self, milliseconds: f64) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add((milliseconds * 1e3) as u64, Ordering::Relaxed);
    }

    /// Counts another rejected connection.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    fn to_text(&self) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut text = String::from("# TYPE fer_responses_total counter\n");
        for (index, counter) in self.responses.iter().enumerate() {
            let (class, count) = (index + 1, read(counter));
            let _ = writeln!(text, "fer_responses_total{{status=\"{class}xx\"}} {count}");
        }
        let seconds = read(&self.microseconds) as f64 / 1e6;
        let _ = writeln!(text, "# TYPE fer_answer_seconds summary");
        let _ = writeln!(text, "fer_answer_seconds_sum {seconds:.6}");
        let _ = writeln!(text, "fer_answer_seconds_count {}", read(&self.answers));
        for (name, kind, counter) in [
            ("fer_frames_dropped_total", "counter", &self.dropped),
            ("fer_garbage_messages_total", "counter", &self.garbage),
            ("fer_sockets", "gauge", &self.sockets),
            ("fer_connections_refused_total", "counter", &self.refused),
        ] {
            let _ = writeln!(text, "# TYPE {name} {kind}\n{name} {}", read(counter));
        }
        if let Some(bytes) = crate::common::machine::resident_memory() {
            let _ = writeln!(text, "# TYPE process_resident_memory_bytes gauge");
            let _ = writeln!(text, "process_resident_memory_bytes {bytes}");
        }
        text
    }
}

/// `GET /metrics`.
pub(super) async fn text(State(state): State<Shared>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    let mut text = state.metrics.to_text();
    for (name, value) in
        [("fer_connections", state.places.count()), ("fer_upload_bytes", state.budget.bytes())]
    {
        let _ = writeln!(text, "# TYPE {name} gauge\n{name} {value}");
    }
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Counts responses.
pub(super) async fn count(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let class = usize::from(response.status().as_u16() / 100);
    if let Some(counter) = state.metrics.responses.get(class.wrapping_sub(1)) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told() {
        let metrics = Metrics::default();
        metrics.answered(2.5);
        metrics.answered(1.5);
        let text = metrics.to_text();
        for line in
            ["fer_answer_seconds_sum 0.004000", "fer_answer_seconds_count 2", "fer_sockets 0"]
        {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }
}
