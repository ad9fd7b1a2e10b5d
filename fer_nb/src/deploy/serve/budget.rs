//! [`Budget`]: the memory for the bodies of all requests.
//!
//! Bytes count when they arrive, because a `Content-Length` costs its sender nothing. If the memory is exhausted, a
//! slow body is dropped, or the largest incoming one if it is far larger than the one that needs memory: a small
//! photo always gets some.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::places::STEP;

/// The time limit for [`STEP`] bytes of a body, after which it may be dropped for others.
const SLOW: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Body {
    peer: IpAddr,
    bytes: usize,
    /// It is still arriving.
    arrives: bool,
    /// The time of its last progress, and its size at that time.
    since: (Instant, usize),
    leave: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Bodies {
    next: u64,
    /// The bytes of all bodies.
    bytes: usize,
    /// The maximum since the last reading.
    peak: usize,
    all: HashMap<u64, Body>,
}

impl Bodies {
    /// The body to drop for one of `size` bytes.
    fn leaves(&self, id: u64, size: usize, now: Instant) -> Option<u64> {
        let mut of_peer: HashMap<IpAddr, usize> = HashMap::new();
        for body in self.all.values() {
            *of_peer.entry(body.peer).or_default() += body.bytes;
        }
        let is_slow = |body: &Body| now.saturating_duration_since(body.since.0) >= SLOW;
        self.all
            .iter()
            .filter(|&(&other, body)| other != id && body.arrives && body.bytes > 0)
            .filter(|(_, body)| is_slow(body) || body.bytes / 2 > size)
            .max_by_key(|(_, body)| (is_slow(body), of_peer.get(&body.peer).copied(), body.bytes))
            .map(|(&id, _)| id)
    }
}

/// The budget, shared by all bodies.
#[derive(Debug)]
pub(super) struct Budget {
    /// The maximum number of bytes.
    total: usize,
    bodies: Mutex<Bodies>,
}

impl Budget {
    pub(super) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { total, bodies: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes in memory now.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The maximum of bytes in memory since the last call.
    pub(super) fn take_peak(&self) -> usize {
        let mut bodies = self.lock();
        let now = bodies.bytes;
        std::mem::replace(&mut bodies.peak, now)
    }

    /// A new body that starts to arrive.
    pub(super) fn begin(self: &Arc<Self>, peer: IpAddr) -> Held {
        let mut bodies = self.lock();
        let (id, leave) = (bodies.next, Arc::new(Notify::new()));
        bodies.next += 1;
        let since = (Instant::now(), 0);
        bodies.all.insert(id, Body { peer, bytes: 0, arrives: true, since, leave: leave.clone() });
        Held { budget: self.clone(), id, leave }
    }
}

/// A body's share of the budget, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    id: u64,
    leave: Arc<Notify>,
}

impl Held {
    /// Sets this body's share to `size` bytes; returns false if there is no memory for it.
    #[must_use]
    pub(super) fn grow(&self, size: usize) -> bool {
        self.grow_at(size, Instant::now())
    }

    fn grow_at(&self, size: usize, now: Instant) -> bool {
        let mut bodies = self.budget.lock();
        // The share of a dropped body is released.
        let Some(before) = bodies.all.get(&self.id).map(|body| body.bytes) else { return false };
        let more = size.saturating_sub(before);
        while bodies.bytes.saturating_add(more) > self.budget.total {
            let Some(id) = bodies.leaves(self.id, size, now) else { return false };
            if let Some(body) = bodies.all.remove(&id) {
                bodies.bytes -= body.bytes;
                body.leave.notify_one();
            }
        }
        bodies.bytes += more;
        bodies.peak = bodies.peak.max(bodies.bytes);
        if let Some(body) = bodies.all.get_mut(&self.id) {
            body.bytes += more;
        }
        true
    }

    /// Records the number of received bytes.
    pub(super) fn has(&self, bytes: usize) {
        if let Some(body) = self.budget.lock().all.get_mut(&self.id)
            && bytes >= body.since.1 + STEP
        {
            body.since = (Instant::now(), bytes);
        }
    }

    /// The body is complete; it is no longer dropped for others.
    pub(super) fn arrived(&self) {
        if let Some(body) = self.budget.lock().all.get_mut(&self.id) {
            body.arrives = false;
        }
    }

    /// Waits until the body has to be dropped.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut bodies = self.budget.lock();
        if let Some(body) = bodies.all.remove(&self.id) {
            bodies.bytes -= body.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let budget = Budget::new(100);
        let [one, two] = [(); 2].map(|()| budget.begin(PEER));
        assert!(one.grow(60) && two.grow(40));
        assert!(!two.grow(41), "neither is slow, nor far larger than the other");
        assert_eq!(budget.bytes(), 100);
        drop(one);
        assert_eq!(budget.bytes(), 40);
        assert!(two.grow(100));
        drop(two);
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn a_slow_body_and_a_far_larger_one_make_room() {
        let budget = Budget::new(100);
        let now = Instant::now();
        let [large, working] = [60, 40].map(|size| {
            let held = budget.begin(PEER);
            assert!(held.grow_at(size, now));
            held
        });
        working.arrived();
        let small = budget.begin(PEER);
        assert!(small.grow_at(20, now), "the largest makes room");
        assert_eq!(budget.bytes(), 60);
        assert!(!large.grow_at(61, now), "it is given up");
        let next = budget.begin(PEER);
        assert!(!next.grow_at(50, now));
        assert!(next.grow_at(50, now + 2 * SLOW), "the slow one makes room");
        assert_eq!(budget.bytes(), 90);
        assert!(!budget.begin(PEER).grow_at(90, now + 2 * SLOW), "what works stays");
        drop((large, working, small, next));
        assert_eq!((budget.bytes(), budget.take_peak(), budget.take_peak()), (0, 100, 0));
    }
}
