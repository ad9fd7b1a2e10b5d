//! [`Jobs`]: photos that wait for a worker.
//!
//! There are two lanes, so that a camera's frame does not wait for another client's largest photos: one more worker
//! exists than may be busy, and it takes light photos while the others process heavy ones. In each lane, peers take
//! turns.

use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::budget::Held;
use super::queue::{Added, FairQueue};
use super::reply::{Answer, Refusal};
use crate::deploy::FaceDetector;
use crate::deploy::tracking::LiveFaces;

/// The size of pixels, in bytes, from which a photo is heavy: 4 megapixels in color.
const HEAVY: u64 = 12_000_000;
/// The number of light photos that may wait for each worker before further ones are rejected.
const LIGHT_WAITING: usize = 16;
/// The number of heavy photos that may wait.
const HEAVY_WAITING: usize = 4;

/// The faces to predict in a photo.
#[derive(Debug, Clone)]
pub(super) enum Question {
    /// All faces found by this detector.
    Faces(FaceDetector),
    /// One face: the middle square of the photo.
    CutOut,
    /// The faces of a camera's next frame.
    Live {
        /// The state of this camera's faces.
        camera: Arc<Mutex<LiveFaces>>,
        /// The time of the frame since the camera started.
        seconds: f64,
    },
}

/// A photo, and the client that waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) bytes: Vec<u8>,
    /// The bytes' share of the budget.
    pub(super) held: Option<Held>,
    pub(super) question: Question,
    pub(super) reply: oneshot::Sender<Result<Answer, Refusal>>,
}

/// The lane and the number of a waiting job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    peer: IpAddr,
    number: u64,
    is_heavy: bool,
}

/// Jobs for a worker.
pub(super) struct Taken {
    pub(super) jobs: Vec<Job>,
    pub(super) is_heavy: bool,
}

#[derive(Debug)]
struct Lanes {
    light: FairQueue<Job>,
    heavy: FairQueue<Job>,
    next: u64,
    /// Workers with heavy photos.
    at_heavy: usize,
    /// Busy workers.
    at_work: usize,
    /// Heavy photos that were completed since the last reading.
    heavy_done: usize,
    /// Photos of any size that were completed since the last reading.
    done: usize,
    /// Whether the next job comes from the heavy lane, if both lanes have jobs.
    is_heavy_turn: bool,
    /// The server is stopping.
    ended: bool,
}

/// The waiting jobs.
#[derive(Debug)]
pub(super) struct Jobs {
    /// The number of busy workers; one more may have a light photo.
    workers: usize,
    lanes: Mutex<Lanes>,
    changed: Condvar,
}

impl Jobs {
    pub(super) fn new(workers: usize) -> Self {
        let lanes = Lanes {
            light: FairQueue::new(LIGHT_WAITING * workers),
            heavy: FairQueue::new(HEAVY_WAITING * workers),
            next: 0,
            at_heavy: 0,
            at_work: 0,
            heavy_done: 0,
            done: 0,
            is_heavy_turn: false,
            ended: false,
        };
        Self { workers, lanes: Mutex::new(lanes), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a photo with this size of pixels in bytes.
    pub(super) fn add(&self, peer: IpAddr, pixels: u64, job: Job) -> Result<Ticket, Refusal> {
        let is_heavy = pixels >= HEAVY;
        let mut lanes = self.lock();
        if lanes.ended {
            return Err(Refusal::Busy);
        }
        let number = lanes.next;
        lanes.next += 1;
        let added = match is_heavy {
            true => lanes.heavy.add(peer, number, job),
            false => lanes.light.add(peer, number, job),
        };
        self.changed.notify_one();
        drop(lanes);
        match added {
            Added::Waits => Ok(Ticket { peer, number, is_heavy }),
            Added::Instead(other) => {
                let _ = other.reply.send(Err(Refusal::Busy));
                Ok(Ticket { peer, number, is_heavy })
            }
            Added::Refused(_) => Err(Refusal::Busy),
        }
    }

    /// Removes a job whose client has left.
    pub(super) fn remove(&self, ticket: Ticket) {
        let mut lanes = self.lock();
        let lane = if ticket.is_heavy { &mut lanes.heavy } else { &mut lanes.light };
        let removed = lane.remove(ticket.peer, ticket.number);
        drop(lanes);
        drop(removed); // its bytes are freed without the lock
    }

    /// Waits for the next job, and returns up to `together` jobs if they are cropped faces; `None` at the end.
    /// [`Jobs::done`] has to follow.
    pub(super) fn take(&self, together: usize) -> Option<Taken> {
        let mut lanes = self.lock();
        loop {
            if lanes.ended {
                return None;
            }
            if let Some(taken) = lanes.take(self.workers, together) {
                lanes.at_work += 1;
                lanes.at_heavy += usize::from(taken.is_heavy);
                return Some(taken);
            }
            lanes = self.changed.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A worker has completed its jobs; it takes the next ones, so no other worker is woken.
    pub(super) fn done(&self, is_heavy: bool) {
        let mut lanes = self.lock();
        lanes.at_work = lanes.at_work.saturating_sub(1);
        lanes.at_heavy = lanes.at_heavy.saturating_sub(usize::from(is_heavy));
        lanes.heavy_done += usize::from(is_heavy);
        lanes.done += 1;
    }

    /// Heavy photos that were completed since the last call.
    pub(super) fn take_heavy_done(&self) -> usize {
        std::mem::take(&mut self.lock().heavy_done)
    }

    /// Photos that were completed since the last call.
    pub(super) fn take_done(&self) -> usize {
        std::mem::take(&mut self.lock().done)
    }

    /// Whether no photo waits or is processed.
    pub(super) fn is_idle(&self) -> bool {
        let lanes = self.lock();
        lanes.at_work == 0 && lanes.light.is_empty() && lanes.heavy.is_empty()
    }

    /// Drops all waiting jobs; workers end after their present jobs.
    pub(super) fn end(&self) {
        let mut lanes = self.lock();
        lanes.ended = true;
        lanes.light.clear();
        lanes.heavy.clear();
        self.changed.notify_all();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().ended
    }
}

impl Lanes {
    fn take(&mut self, workers: usize, together: usize) -> Option<Taken> {
        let is_free = self.at_work < workers;
        let is_spare = self.at_work == workers && self.at_heavy > 0;
        if is_free
            && (self.is_heavy_turn || self.light.is_empty())
            && let Some(job) = self.heavy.take()
        {
            self.is_heavy_turn = false;
            return Some(Taken { jobs: vec![job], is_heavy: true });
        }
        if !is_free && !is_spare {
            return None;
        }
        let mut jobs = vec![self.light.take()?];
        self.is_heavy_turn = true;
        let is_face = |job: &Job| matches!(job.question, Question::CutOut);
        while jobs.iter().all(is_face)
            && jobs.len() < together
            && let Some(job) = self.light.take_if(is_face)
        {
            jobs.push(job);
        }
        Some(Taken { jobs, is_heavy: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    fn job(name: u8) -> (Job, oneshot::Receiver<Result<Answer, Refusal>>) {
        let (reply, answer) = oneshot::channel();
        (Job { bytes: vec![name], held: None, question: Question::CutOut, reply }, answer)
    }

    fn names(taken: Option<Taken>) -> Vec<u8> {
        taken.map(|taken| taken.jobs.iter().map(|job| job.bytes[0]).collect()).unwrap_or_default()
    }

    #[test]
    fn heavy_photos_leave_a_worker_for_light_ones() {
        let jobs = Jobs::new(2);
        let add = |pixels, name| jobs.add(peer(1), pixels, job(name).0).unwrap();
        for name in 0..4 {
            add(HEAVY, name);
        }
        assert_eq!(names(jobs.take(8)), [0]);
        assert_eq!(names(jobs.take(8)), [1]);
        assert!(jobs.lock().take(2, 8).is_none(), "a third worker is for light ones");
        let light = add(1, 10);
        assert_eq!(names(jobs.take(8)), [10]);
        add(1, 11);
        assert!(jobs.lock().take(2, 8).is_none(), "all work");
        jobs.done(true);
        assert!(jobs.lock().take(2, 8).is_some(), "the spare worker again");
        jobs.done(false);
        // Both lanes have their turn.
        add(1, 12);
        assert_eq!(names(jobs.take(8)), [2]);
        jobs.done(true);
        assert_eq!(names(jobs.take(8)), [12]);
        jobs.remove(light);
        jobs.done(false);
        jobs.done(true);
        assert_eq!(names(jobs.take(8)), [3]);
        assert!(!jobs.is_idle());
        jobs.done(true);
        assert!(jobs.is_idle());
    }

    #[test]
    fn no_more_work_at_once_than_there_are_workers() {
        let jobs = Jobs::new(2);
        for name in 0..3 {
            let mut job = job(name).0;
            job.question = Question::Faces(FaceDetector::for_video());
            jobs.add(peer(1), 1, job).unwrap();
        }
        assert_eq!(names(jobs.take(8)), [0]);
        assert_eq!(names(jobs.take(8)), [1]);
        assert!(jobs.lock().take(2, 8).is_none());
        jobs.done(false);
        assert_eq!(names(jobs.take(8)), [2]);
    }

    #[test]
    fn cut_out_faces_are_taken_together_and_who_left_is_not() {
        let jobs = Jobs::new(1);
        let tickets: Vec<_> =
            (0..5).map(|name| jobs.add(peer(name), 1, job(name).0).unwrap()).collect();
        jobs.remove(tickets[1]);
        assert_eq!(names(jobs.take(3)), [0, 2, 3]);
        jobs.done(false);
        assert_eq!(names(jobs.take(3)), [4]);
    }

    #[test]
    fn a_full_lane_and_an_ended_server_refuse() {
        let jobs = Jobs::new(1);
        let mut kept = Vec::new();
        for name in 0..HEAVY_WAITING as u8 {
            let (job, answer) = job(name);
            jobs.add(peer(1), HEAVY, job).unwrap();
            kept.push(answer);
        }
        assert!(matches!(jobs.add(peer(1), HEAVY, job(9).0), Err(Refusal::Busy)));
        jobs.add(peer(2), HEAVY, job(10).0).unwrap();
        let displaced = kept.last_mut().unwrap().try_recv();
        assert!(matches!(displaced, Ok(Err(Refusal::Busy))), "the peer that has most gives");
        jobs.add(peer(1), 1, job(11).0).unwrap();
        jobs.end();
        assert!(jobs.take(8).is_none());
        assert!(kept[0].try_recv().is_err());
        assert!(matches!(jobs.add(peer(1), 1, job(12).0), Err(Refusal::Busy)));
    }
}
