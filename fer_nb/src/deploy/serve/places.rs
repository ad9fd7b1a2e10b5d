//! [`Places`]: the connected clients, and which connection to close if there are too many.
//!
//! While there is room, every client is admitted. When it becomes scarce, each peer has a share, and a connection
//! of the peer with the most is closed: first one that waits for a request, the longest first, then one whose
//! request's body is slow. Requests in progress are never ended.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The time limit for [`STEP`] bytes of a body, after which it is slow.
const SLOW: Duration = Duration::from_secs(1);
/// Bytes of a body that count as progress.
pub(super) const STEP: usize = 16 << 10;

/// The limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The total number of places.
    pub(super) total: usize,
    /// The places that a peer leaves free for others, even if there are none.
    pub(super) reserve: usize,
    /// The time after which an idle guest may be closed for another one.
    pub(super) idle: Duration,
}

/// The peer of an address: an IPv4 address, or the network of an IPv6 address, of which one machine may have any
/// number of addresses. Loopback addresses are separate peers.
pub(super) fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
        address => address,
    }
}

/// The activity of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Doing {
    /// Its request is in progress.
    Working,
    /// Its request's body is arriving.
    Sending,
    /// It waits, or sends a request's head, or reads a response.
    Idle,
}

#[derive(Debug)]
struct Guest {
    peer: IpAddr,
    doing: Doing,
    /// The time when this activity started, or made progress.
    since: Instant,
    /// Bytes of a body since then.
    fresh: usize,
    leave: Arc<Notify>,
}

impl Guest {
    fn makes_room(&self, now: Instant, idle: Duration) -> bool {
        let age = now.saturating_duration_since(self.since);
        match self.doing {
            Doing::Idle => age >= idle,
            Doing::Sending => age >= SLOW,
            Doing::Working => false,
        }
    }
}

#[derive(Debug, Default)]
struct Room {
    next: u64,
    guests: HashMap<u64, Guest>,
    /// The number of guests of each peer; none is 0.
    counts: HashMap<IpAddr, usize>,
    closed: bool,
}

impl Room {
    fn let_in(&mut self, guest: Guest) -> u64 {
        let id = self.next;
        self.next += 1;
        *self.counts.entry(guest.peer).or_default() += 1;
        self.guests.insert(id, guest);
        id
    }

    fn remove(&mut self, id: u64) -> Option<Guest> {
        let guest = self.guests.remove(&id)?;
        if let Some(count) = self.counts.get_mut(&guest.peer) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&guest.peer);
            }
        }
        Some(guest)
    }

    fn send_away(&mut self, id: u64) {
        if let Some(guest) = self.remove(id) {
            guest.leave.notify_one();
        }
    }

    /// Closes guests that have been idle for this time.
    fn send_idle_away(&mut self, now: Instant, idle: Duration) {
        let long = |guest: &Guest| guest.doing == Doing::Idle && guest.makes_room(now, idle);
        let ids = self.guests.iter().filter(|(_, guest)| long(guest)).map(|(&id, _)| id);
        for id in ids.collect::<Vec<_>>() {
            self.send_away(id);
        }
    }

    /// Returns whether there is room for another guest of this peer, after closing another one if necessary.
    fn make_room(&mut self, peer: IpAddr, limits: &Limits, now: Instant) -> bool {
        let free = limits.total - limits.reserve.min(limits.total);
        if self.guests.len() < free {
            return true;
        }
        let count = |peer: IpAddr| self.counts.get(&peer).copied().unwrap_or(0);
        let own = count(peer);
        let peers = self.counts.len() + usize::from(own == 0);
        let greedy = own >= (free / peers).max(1);
        if !greedy && self.guests.len() < limits.total {
            return true;
        }
        let gives = |guest: &Guest| guest.peer == peer || (!greedy && count(guest.peer) > own);
        let leaves = self
            .guests
            .iter()
            .filter(|(_, guest)| gives(guest) && guest.makes_room(now, limits.idle))
            .max_by_key(|(_, guest)| {
                (count(guest.peer), guest.doing, now.saturating_duration_since(guest.since))
            });
        let Some((&id, _)) = leaves else { return false };
        self.send_away(id);
        true
    }
}

/// The places, shared by their guests.
#[derive(Debug)]
pub(super) struct Places {
    limits: Limits,
    room: Mutex<Room>,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, room: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for another guest of a peer; `None` if no guest can be closed.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        self.enter_at(peer, Instant::now())
    }

    fn enter_at(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Place> {
        let mut room = self.lock();
        if room.closed || !room.make_room(peer, &self.limits, now) {
            return None;
        }
        let leave = Arc::new(Notify::new());
        let guest = Guest { peer, doing: Doing::Idle, since: now, fresh: 0, leave: leave.clone() };
        let id = room.let_in(guest);
        Some(Place { places: self.clone(), id, peer, leave })
    }

    /// Admits no further guests, and closes idle ones.
    pub(super) fn close(&self) {
        let mut room = self.lock();
        room.closed = true;
        room.send_idle_away(Instant::now(), Duration::ZERO);
    }

    /// Closes guests that have been idle for this time.
    pub(super) fn sweep(&self, idle: Duration) {
        self.lock().send_idle_away(Instant::now(), idle);
    }

    /// The number of guests.
    pub(super) fn count(&self) -> usize {
        self.lock().guests.len()
    }
}

/// A guest's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    peer: IpAddr,
    leave: Arc<Notify>,
}

impl Place {
    /// The peer of the guest.
    pub(super) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Waits until the guest has to be closed.
    pub(super) async fn asked_to_leave(&self) {
        self.leave.notified().await;
    }

    /// The guest waits for a request. While the server ends, it is closed.
    pub(super) fn waits(&self) {
        self.does(Doing::Idle);
        let mut room = self.places.lock();
        if room.closed {
            room.send_away(self.id);
        }
    }

    /// Its request is in progress.
    pub(super) fn works(&self) {
        self.does(Doing::Working);
    }

    /// Records the received bytes of its request's body, 0 at the beginning.
    pub(super) fn sends(&self, bytes: usize) {
        let mut room = self.places.lock();
        if let Some(guest) = room.guests.get_mut(&self.id) {
            guest.fresh += bytes;
            if guest.doing != Doing::Sending || guest.fresh >= STEP {
                (guest.doing, guest.since, guest.fresh) = (Doing::Sending, Instant::now(), 0);
            }
        }
    }

    fn does(&self, doing: Doing) {
        if let Some(guest) = self.places.lock().guests.get_mut(&self.id) {
            (guest.doing, guest.since, guest.fresh) = (doing, Instant::now(), 0);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { total: 16, reserve: 2, idle: Duration::ZERO };

    fn at(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn has(place: &Place) -> bool {
        place.places.lock().guests.contains_key(&place.id)
    }

    #[test]
    fn one_peer_has_nearly_all_until_another_one_comes() {
        let places = Places::new(LIMITS);
        let enter = |peer| places.enter(at(peer));
        let mut first: Vec<_> = (0..14).filter_map(|_| enter(1)).collect();
        assert_eq!(first.len(), 14);
        for place in &first {
            place.works();
        }
        assert!(enter(1).is_none(), "two places are for others");
        let second: Vec<_> = (0..2).filter_map(|_| enter(2)).collect();
        second.iter().for_each(Place::works);
        assert_eq!(second.len(), 2);
        assert!(enter(2).is_none(), "all of them are working");
        // One that is idle makes room for the peer that has less.
        first[5].waits();
        let third = enter(2).unwrap();
        assert!(!has(&first[5]) && has(&first[4]) && has(&third));
        assert_eq!(places.count(), 16);
        first.clear();
        assert_eq!(places.count(), 3);
        drop((second, third));
        assert!(places.lock().counts.is_empty());
    }

    #[test]
    fn the_longest_idle_one_makes_room() {
        let places = Places::new(LIMITS);
        let start = Instant::now();
        let enter = |peer, second| places.enter_at(at(peer), start + Duration::from_secs(second));
        let slow: Vec<_> = (0..14).filter_map(|second| enter(1, second)).collect();
        let next = enter(1, 20).unwrap();
        assert!(!has(&slow[0]) && slow[1..].iter().all(has) && has(&next));
        assert_eq!(places.count(), 14);
        // A peer that has less never gives for one that has more.
        let other = enter(2, 0).unwrap();
        for second in 21..60 {
            assert!(enter(1, second).is_some());
            assert!(has(&other));
        }
    }

    #[test]
    fn a_body_that_comes_slowly_makes_room() {
        let places = Places::new(Limits { total: 1, reserve: 0, idle: Duration::ZERO });
        let first = places.enter(at(1)).unwrap();
        first.sends(0);
        let later = Instant::now() + 2 * SLOW;
        assert!(places.enter(at(1)).is_none());
        assert!(places.enter_at(at(1), later).is_some());
        assert!(!has(&first));
    }

    #[test]
    fn at_the_end_only_work_stays() {
        let places = Places::new(LIMITS);
        let [idle, working] = [1, 2].map(|peer| places.enter(at(peer)).unwrap());
        working.works();
        places.close();
        assert!(!has(&idle) && has(&working));
        assert!(places.enter(at(3)).is_none());
        working.waits();
        assert_eq!(places.count(), 0);
    }

    #[test]
    fn a_machine_is_one_peer() {
        let peer = |text: &str| peer(text.parse().unwrap()).to_string();
        assert_eq!(peer("::ffff:10.0.0.7"), "10.0.0.7");
        assert_eq!(peer("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!((peer("::1"), peer("127.0.0.2")), ("::1".into(), "127.0.0.2".into()));
    }
}
