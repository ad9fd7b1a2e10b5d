//! [`Engine`]: threads that turn the bytes of a photo into predictions.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use serde::Serialize;
use tch::Device;
use tokio::sync::oneshot;

use super::ServeConfig;
use crate::common::{Error, Result};
use crate::deploy::{Face, FaceBox, FaceDetector, Photo, Predictor};
use crate::evaluate::Threshold;

/// Photos that may wait for each worker before more are refused.
const WAITING: usize = 16;
/// Faces that wait are classified together, which is quicker than one by one.
const TOGETHER: usize = 8;

/// What to classify in a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Question {
    /// All faces that this detector finds.
    Faces(FaceDetector),
    /// The photo is one face: its middle square.
    CutOut,
}

/// The reply to a photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Answer {
    /// Width and height in pixels, upright.
    pub(super) size: (u32, u32),
    /// The largest first.
    pub(super) faces: Vec<Face>,
    /// The time from the file's bytes to the predictions, in milliseconds.
    pub(super) milliseconds: f64,
}

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The photo can't be used.
    Photo(String),
    /// There is too much to do.
    Busy,
    /// An error of the server itself.
    Internal(String),
}

struct Job {
    bytes: Vec<u8>,
    question: Question,
    reply: oneshot::Sender<Result<Answer, Refusal>>,
}

/// The network behind the server.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Model {
    /// The architecture's name.
    pub(super) network: String,
    /// What it was trained on: "FER2013", "made-up sample" or a folder's name.
    pub(super) trained_on: String,
    /// The dtype that it computes in: "bfloat16 (auto)".
    pub(super) precision: String,
    /// The threshold of uncertain predictions.
    #[serde(rename = "certainty")]
    pub(super) threshold: Threshold,
    /// How it was chosen, if it is not the user's own.
    pub(super) note: Option<String>,
}

/// Jobs that wait, the oldest first.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// The server is stopping.
    ended: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, unless `most` are waiting.
    fn add(&self, job: Job, most: usize) -> Result<(), Refusal> {
        let mut waiting = self.lock();
        if waiting.jobs.len() >= most || waiting.ended {
            return Err(Refusal::Busy);
        }
        waiting.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    /// The oldest job, once there is one, and those behind it if all are faces that are cut out
    /// already; none at the end.
    fn take(&self) -> Vec<Job> {
        let mut waiting = self.lock();
        while waiting.jobs.is_empty() && !waiting.ended {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let mut taken: Vec<Job> = waiting.jobs.pop_front().into_iter().collect();
        let is_face = |job: &Job| job.question == Question::CutOut;
        while taken.iter().all(is_face)
            && taken.len() < TOGETHER
            && waiting.jobs.front().is_some_and(is_face)
        {
            taken.extend(waiting.jobs.pop_front());
        }
        taken
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

/// Workers, each a thread with its own copy of a run's network.
pub(super) struct Engine {
    queue: Arc<Queue>,
    workers: Vec<JoinHandle<()>>,
    model: Model,
}

impl Engine {
    /// Loads a run's network as many times as the config has workers; 0 is once a core on a CPU, and once on
    /// a GPU. Each worker
    /// computes in a single thread, so that they don't wait for each other.
    ///
    /// # Errors
    /// As [`Predictor::load`]; [`Error::Io`] if a thread can't be started.
    pub(super) fn start(run: PathBuf, device: Device, config: &ServeConfig) -> Result<Self> {
        let ServeConfig { precision, workers, note, .. } = config;
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let workers = match (*workers, device) {
            (0, Device::Cpu) => cores,
            (0, _) => 1,
            (workers, _) => workers,
        };
        tch::set_num_threads(1);
        let queue = Arc::new(Queue::default());
        let (mut threads, mut model) = (Vec::new(), None);
        for index in 0..workers {
            let mut predictor = Predictor::load(run.clone(), device)?;
            predictor.set_precision(*precision)?;
            // The first passes are slow: libtorch chooses its kernels.
            for count in [1, TOGETHER] {
                predictor.predict_batch(&vec![[0; crate::data::PIXELS]; count])?;
            }
            model.get_or_insert_with(|| Model {
                network: predictor.network().name().into(),
                trained_on: predictor.trained_on().into(),
                precision: precision.report(device),
                threshold: predictor.threshold(),
                note: note.clone(),
            });
            let queue = queue.clone();
            let thread = std::thread::Builder::new()
                .name(format!("predictor {index}"))
                .spawn(move || work(&predictor, &queue))
                .map_err(|error| Error::io("start", "a worker", error))?;
            threads.push(thread);
        }
        let model = model.ok_or_else(|| Error::setting("workers", 0, "1 or more"))?;
        Ok(Self { queue, workers: threads, model })
    }

    /// The network behind the server.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// Classifies the faces of a JPEG or PNG file's bytes.
    pub(super) async fn ask(&self, bytes: Vec<u8>, question: Question) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.queue.add(Job { bytes, question, reply }, WAITING * self.workers.len())?;
        let gone = |_| Refusal::Internal("a worker gave no answer".into());
        answer.await.map_err(gone)?
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.end();
        for worker in self.workers.drain(..) {
            let _ = worker.join(); // a panic is its own end, not ours
        }
    }
}

fn work(predictor: &Predictor, queue: &Queue) {
    loop {
        let mut jobs = queue.take();
        if jobs.is_empty() {
            return;
        }
        jobs.retain(|job| !job.reply.is_closed()); // who asked may have gone
        let started = Instant::now();
        let mut cut_out = Vec::new();
        for Job { bytes, question, reply } in jobs {
            match (Photo::decode(&bytes, "photo"), question) {
                (Err(error), _) => {
                    let _ = reply.send(Err(Refusal::Photo(error.to_string())));
                }
                (Ok(photo), Question::CutOut) => cut_out.push((reply, photo)),
                (Ok(photo), Question::Faces(detector)) => {
                    let faces = predictor.predict_photo(&photo, &detector);
                    let _ = reply.send(answer(&photo, faces, started));
                }
            }
        }
        // Photos that are one face each are classified all at once.
        let squares: Result<Vec<_>> =
            cut_out.iter().map(|(_, photo)| photo.middle_square()).collect();
        let predictions = squares.and_then(|squares| predictor.predict_batch(&squares));
        for (index, (reply, photo)) in cut_out.into_iter().enumerate() {
            let (width, height) = photo.size();
            let area = FaceBox::middle_square(width, height);
            let faces = predictions.as_ref().map(|all| {
                all.get(index).into_iter().map(|&prediction| Face { area, prediction }).collect()
            });
            let _ = reply.send(answer(&photo, faces, started));
        }
    }
}

/// The reply with the faces of a photo, or the refusal that an error of the network is.
fn answer(
    photo: &Photo,
    faces: Result<Vec<Face>, impl ToString>,
    started: Instant,
) -> Result<Answer, Refusal> {
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    let faces = faces.map_err(|error| Refusal::Internal(error.to_string()))?;
    Ok(Answer { size: photo.size(), faces, milliseconds })
}
