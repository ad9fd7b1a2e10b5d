//! [`FairQueue`]: waiting jobs, taken from each peer in turn.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// A queue with a maximum number of jobs.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    most: usize,
    count: usize,
    /// Each peer's jobs by number, the oldest first; no list is empty.
    waiting: HashMap<IpAddr, VecDeque<(u64, T)>>,
    /// The peers, the next one first.
    turns: VecDeque<IpAddr>,
}

/// The result of adding a job.
#[derive(Debug, PartialEq)]
pub(super) enum Added<T> {
    Waits,
    /// It replaced this job, of the peer with the most.
    Instead(T),
    /// The queue is full.
    Refused(T),
}

impl<T> FairQueue<T> {
    pub(super) fn new(most: usize) -> Self {
        Self { most, count: 0, waiting: HashMap::new(), turns: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a job with a number. If the queue is full, the newest job of the peer with the most is replaced, unless
    /// the new job's peer has as many.
    pub(super) fn add(&mut self, peer: IpAddr, number: u64, job: T) -> Added<T> {
        let mut instead = None;
        if self.count >= self.most {
            let own = self.waiting.get(&peer).map_or(0, VecDeque::len);
            let longest = self.waiting.iter().max_by_key(|(_, jobs)| jobs.len());
            match longest.map(|(&peer, jobs)| (peer, jobs.len())) {
                Some((other, count)) if count > own + 1 => {
                    let last = self.waiting.get(&other).and_then(|jobs| jobs.back());
                    let number = last.map(|&(number, _)| number);
                    instead = number.and_then(|number| self.remove(other, number));
                }
                _ => return Added::Refused(job),
            }
        }
        let jobs = self.waiting.entry(peer).or_default();
        if jobs.is_empty() {
            self.turns.push_back(peer);
        }
        jobs.push_back((number, job));
        self.count += 1;
        instead.map_or(Added::Waits, Added::Instead)
    }

    /// The next job.
    pub(super) fn take(&mut self) -> Option<T> {
        self.take_if(|_| true)
    }

    /// The next job, if it is one of these.
    pub(super) fn take_if(&mut self, wanted: impl FnOnce(&T) -> bool) -> Option<T> {
        let peer = *self.turns.front()?;
        let jobs = self.waiting.get_mut(&peer)?;
        if !wanted(&jobs.front()?.1) {
            return None;
        }
        let (_, job) = jobs.pop_front()?;
        self.turns.pop_front();
        self.count -= 1;
        if jobs.is_empty() {
            self.waiting.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        Some(job)
    }

    /// Removes a job, if it still waits.
    pub(super) fn remove(&mut self, peer: IpAddr, number: u64) -> Option<T> {
        let jobs = self.waiting.get_mut(&peer)?;
        let index = jobs.iter().position(|(other, _)| *other == number)?;
        let (_, job) = jobs.remove(index)?;
        self.count -= 1;
        if jobs.is_empty() {
            self.waiting.remove(&peer);
            self.turns.retain(|other| *other != peer);
        }
        Some(job)
    }

    /// Removes all of them.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[test]
    fn peers_take_turns() {
        let mut queue = FairQueue::new(10);
        for number in 0..5 {
            assert_eq!(queue.add(peer(1), number, format!("a{number}")), Added::Waits);
        }
        queue.add(peer(2), 5, "b".into());
        queue.add(peer(3), 6, "c".into());
        let order: Vec<String> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(order, ["a0", "b", "c", "a1", "a2", "a3", "a4"]);
        assert!(queue.is_empty() && queue.turns.is_empty() && queue.waiting.is_empty());
    }

    #[test]
    fn a_full_queue_takes_from_who_has_most() {
        let mut queue = FairQueue::new(3);
        for number in 0..3 {
            queue.add(peer(1), number, number);
        }
        assert_eq!(queue.add(peer(1), 3, 3), Added::Refused(3));
        assert_eq!(queue.add(peer(2), 4, 4), Added::Instead(2));
        assert_eq!(queue.add(peer(2), 5, 5), Added::Refused(5), "it would have more then");
        assert_eq!(queue.add(peer(3), 6, 6), Added::Instead(1));
        assert_eq!(std::iter::from_fn(|| queue.take()).collect::<Vec<_>>(), [0, 4, 6]);
    }

    #[test]
    fn who_has_left_is_taken_out() {
        let mut queue = FairQueue::new(3);
        queue.add(peer(1), 0, 'a');
        queue.add(peer(2), 1, 'b');
        assert_eq!(queue.remove(peer(1), 1), None);
        assert_eq!(queue.remove(peer(1), 0), Some('a'));
        assert_eq!(queue.remove(peer(1), 0), None);
        assert_eq!(queue.take_if(|job| *job == 'a'), None);
        assert_eq!(queue.take_if(|job| *job == 'b'), Some('b'));
        assert_eq!(queue.take(), None);
    }
}
