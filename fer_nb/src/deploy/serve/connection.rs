//! Connections: admission, time limits, and the end of the server.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use super::Shared;
use super::places::{Limits, Place, peer};
use crate::common::{Error, Result};

/// The maximum number of connections. An idle one is closed for a new one: browsers open another.
pub(super) const CONNECTIONS: Limits = Limits { total: 512, reserve: 64, idle: Duration::ZERO };
/// The time limit for a request's head, or for the next request.
const HEAD: Duration = Duration::from_secs(10);
/// The maximum size of a request's head; a body is read in pieces of that size.
const BUFFER: usize = 64 << 10;
/// The time limit for an idle connection, or for one that does not read its response.
const IDLE: Duration = Duration::from_secs(60);
/// The time for requests in progress after the server was told to stop.
const GRACE: Duration = Duration::from_millis(1500);
/// The bytes of uploads after which memory is returned to the system.
const LARGE: usize = 8 << 20;
/// How many idle seconds after the last photo pass before freed memory is returned to the system.
const QUIET: u32 = 3;
/// The maximum number of connections that are told at the same time that the server is full.
const REFUSALS: usize = 64;

/// Accepts connections until `end`.
pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    state: Shared,
    end: impl Future<Output = ()>,
) {
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut end = std::pin::pin!(end);
    loop {
        let (stream, address) = tokio::select! {
            biased;
            () = &mut end => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => {
                    // With too many open files, an idle connection is closed first.
                    state.places.sweep(Duration::from_secs(1));
                    tokio::select! {
                        () = &mut end => break,
                        () = tokio::time::sleep(Duration::from_millis(100)) => continue,
                    }
                }
            },
        };
        let _ = stream.set_nodelay(true); // without it the server is slower, but works
        match state.places.enter(peer(address.ip())) {
            Some(place) => {
                tokio::spawn(talk(stream, router.clone(), Arc::new(place)));
            }
            None => {
                state.metrics.refused();
                if let Ok(permit) = refusals.clone().try_acquire_owned() {
                    tokio::spawn(async move {
                        refuse(stream).await;
                        drop(permit);
                    });
                }
            }
        }
    }
    drop((listener, router));
    state.end.send_replace(true); // cameras send a close frame
    state.places.close();
    let until = Instant::now() + GRACE;
    while state.places.count() + state.cameras.count() > 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Serves a connection's requests until it ends, or has to be closed for another one.
async fn talk(stream: TcpStream, router: Router, place: Arc<Place>) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        place.works();
        request.extensions_mut().insert(place.clone());
        let (answer, place) = (router.call(request), place.clone());
        async move {
            let answer = answer.await;
            place.waits();
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::select! {
        _ = connection => (), // the client may close the connection
        () = place.asked_to_leave() => (),
    }
}

/// Replies that the server is full.
async fn refuse(mut stream: TcpStream) {
    const BODY: &str = "{\"error\":\"too many connections. Try again in a second.\"}";
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    let talk = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        // Unread data of the request would make the system drop the response.
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ = tokio::time::timeout(Duration::from_millis(500), talk).await;
}

/// Closes connections that are idle for too long, and returns memory to the system: after large photos as soon as the
/// server is idle, and after any others once it has been idle for [`QUIET`] seconds, because each worker's allocator
/// keeps what it has freed.
pub(super) async fn tidy(state: Shared) {
    let (jobs, budget) = (state.engine.jobs(), &state.budget);
    let (mut is_untidy, mut has_worked, mut quiet) = (false, false, 0);
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        state.places.sweep(IDLE);
        is_untidy |= jobs.take_heavy_done() > 0 || budget.take_peak() > LARGE;
        let works = jobs.take_done() > 0;
        let is_idle = budget.bytes() == 0 && jobs.is_idle();
        has_worked |= works;
        quiet = if works || !is_idle { 0 } else { quiet + 1 };
        if is_idle && is_untidy || has_worked && quiet == QUIET {
            crate::common::machine::give_back_freed_memory();
            (is_untidy, has_worked) = (false, false);
        }
    }
}

/// Waits for Ctrl-C or SIGTERM from this call on.
///
/// # Errors
/// [`Error::Io`] if the system can't report them.
pub(super) fn asked_to_end() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).map_err(|error| Error::io("listen to", "signals", error));
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_server_says_so() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reply = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            // What is sent meanwhile must not cost the client the answer.
            client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let refusing = tokio::spawn(refuse(stream));
            let mut reply = String::new();
            client.read_to_string(&mut reply).await.unwrap();
            drop(client);
            refusing.await.unwrap();
            reply
        });
        assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nRetry-After: 1\r\n"), "{reply}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{reply}");
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok(), "{reply}");
    }
}
