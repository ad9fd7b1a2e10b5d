//! [`Engine`]: threads that turn the bytes of a photo into answers.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use serde::Serialize;
use tch::Device;
use tokio::sync::oneshot;

use crate::deploy::face::FaceBox;
use crate::deploy::{Face, FaceDetector, Photo, Predictor, image};
use crate::error::{Error, Result};
use crate::evaluate::Certainty;

/// Photos that may wait for each worker before more are refused.
const WAITING: usize = 16;

/// What is asked about a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Question {
    /// All faces that this detector finds.
    Faces(FaceDetector),
    /// The photo is one face: its middle square.
    CutOut,
}

/// What is said of a photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Width and height in pixels, upright.
    pub size: [u32; 2],
    /// The largest first.
    pub faces: Vec<Face>,
    /// How long it took from the file's bytes to the answer, in milliseconds.
    pub milliseconds: f64,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// The photo can't be used.
    Photo(String),
    /// There is too much to do.
    Busy,
    /// The fault is on this side.
    Internal(String),
}

struct Job {
    bytes: Vec<u8>,
    question: Question,
    reply: oneshot::Sender<Result<Answer, Refusal>>,
}

/// What is known of the network that answers.
#[derive(Debug, Clone, Serialize)]
pub struct Model {
    /// Its name: "SeedCnn".
    pub network: String,
    /// What it was trained on: "FER2013" or "made-up sample".
    pub trained_on: String,
    /// Which of its answers count.
    pub certainty: Certainty,
}

/// Workers, each a thread with its own copy of a run's network.
pub struct Engine {
    /// `None` once it is being dropped.
    jobs: Option<SyncSender<Job>>,
    workers: Vec<JoinHandle<()>>,
    model: Model,
}

impl Engine {
    /// Loads a run's network `workers` times; 0 is once a core on a CPU, and once on a GPU. Each worker
    /// computes in a single thread, so that they don't wait for each other.
    ///
    /// # Errors
    /// Where the run can't be loaded or no thread can be started.
    pub fn start(run: PathBuf, device: Device, workers: usize) -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let workers = match (workers, device) {
            (0, Device::Cpu) => cores,
            (0, _) => 1,
            (workers, _) => workers,
        };
        tch::set_num_threads(1);
        let (jobs, queue) = sync_channel::<Job>(WAITING * workers);
        let queue = Arc::new(Mutex::new(queue));
        let (mut threads, mut model) = (Vec::new(), None);
        for index in 0..workers {
            let predictor = Predictor::load(run.clone(), device)?;
            // The first pass is slow: libtorch chooses its kernels.
            predictor.predict_pixels(&[0; crate::data::PIXELS])?;
            model.get_or_insert_with(|| Model {
                network: predictor.network().name().into(),
                trained_on: predictor.trained_on().into(),
                certainty: predictor.certainty(),
            });
            let queue = queue.clone();
            let thread = std::thread::Builder::new()
                .name(format!("predictor {index}"))
                .spawn(move || work(&predictor, &queue))
                .map_err(|error| Error::io("start", "a worker", error))?;
            threads.push(thread);
        }
        let model = model.ok_or_else(|| Error::config("workers", 0, "1 or more"))?;
        Ok(Self { jobs: Some(jobs), workers: threads, model })
    }

    /// The network that answers.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Answers for a JPEG or PNG file's bytes.
    pub async fn ask(&self, bytes: Vec<u8>, question: Question) -> Result<Answer, Refusal> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or(Refusal::Busy)?;
        jobs.try_send(Job { bytes, question, reply }).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::Busy,
            TrySendError::Disconnected(_) => Refusal::Internal("the workers are gone".into()),
        })?;
        let gone = |_| Refusal::Internal("a worker gave no answer".into());
        answer.await.map_err(gone)?
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.jobs = None; // the workers' queue ends
        for worker in self.workers.drain(..) {
            let _ = worker.join(); // a worker catches its panics
        }
    }
}

fn work(predictor: &Predictor, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if job.reply.is_closed() {
            continue; // who asked has gone
        }
        let answered = answer(predictor, &job.bytes, job.question);
        let _ = job.reply.send(answered);
    }
}

fn answer(predictor: &Predictor, bytes: &[u8], question: Question) -> Result<Answer, Refusal> {
    let started = Instant::now();
    let internal = |error: Error| Refusal::Internal(error.to_string());
    let photo = Photo::decode(bytes, "photo").map_err(|error| Refusal::Photo(error.to_string()))?;
    let (width, height) = photo.size();
    let faces = match question {
        Question::Faces(detector) => {
            predictor.predict_photo(&photo, &detector).map_err(internal)?
        }
        Question::CutOut => {
            let pixels = image::to_pixels(&photo.gray).map_err(internal)?;
            let prediction = predictor.predict_pixels(&pixels).map_err(internal)?;
            vec![Face { area: FaceBox::middle_square(width, height), prediction }]
        }
    };
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    Ok(Answer { size: [width, height], faces, milliseconds })
}
