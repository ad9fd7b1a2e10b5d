//! [`Engine`]: threads that predict photos from their bytes.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use tch::Device;
use tokio::sync::oneshot;

use super::ServeConfig;
use super::budget::Held;
use super::cost::decoded_bytes;
use super::jobs::{Job, Jobs, Question, Taken, Ticket};
use super::reply::{Answer, Refusal, Seen};
use crate::common::{Error, Result};
use crate::deploy::{Face, FaceBox, NoFace, Photo, Predictor};
use crate::evaluate::Threshold;
use crate::train::RunFolder;

/// Waiting faces are predicted together, which is faster than one by one.
const TOGETHER: usize = 8;
/// The time limit for waiting and processing of a photo.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the end of the server waits for workers that process a photo.
const GRACE: Duration = Duration::from_secs(2);

/// The network behind the server.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Model {
    /// The architecture's name.
    pub(super) network: String,
    /// The title of the training data: "FER2013", "made-up sample" or the name of a folder.
    pub(super) trained_on: String,
    /// Whether the network was trained on drawn faces: its predictions for people have no meaning.
    pub(super) drawn_faces: bool,
    /// The dtype of the computation: "bfloat16 (auto)".
    pub(super) precision: String,
    /// The threshold of uncertain predictions.
    #[serde(rename = "certainty")]
    pub(super) threshold: Threshold,
    /// How it was chosen, if the user did not name it.
    pub(super) note: Option<String>,
}

/// Workers, each a thread with a separate copy of a run's network.
pub(super) struct Engine {
    jobs: Arc<Jobs>,
    workers: Vec<JoinHandle<()>>,
    model: Model,
    /// The maximum bytes of a photo's pixels.
    most_pixels: u64,
}

/// A job whose client waits; if the client leaves, the job is removed.
struct Wanted<'a> {
    jobs: &'a Jobs,
    ticket: Ticket,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.jobs.remove(self.ticket);
    }
}

impl Engine {
    /// Loads a run's network for each of the config's workers, and once more; 0 workers means one per core on a
    /// CPU, and one on a GPU. Each worker computes in a single thread, so that they don't wait for each other.
    ///
    /// # Errors
    /// [`Error::Setting`] for too many workers; as [`Predictor::load`]; [`Error::Io`] if a thread can't be
    /// started.
    pub(super) fn start(run: RunFolder, device: Device, config: &ServeConfig) -> Result<Self> {
        let ServeConfig { precision, workers, note, .. } = config;
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let workers = match (*workers, device) {
            (0, Device::Cpu) => cores,
            (0, _) => 1,
            (workers, _) => workers,
        };
        if workers > ServeConfig::MOST_WORKERS {
            let expected = format!("at most {}", ServeConfig::MOST_WORKERS);
            return Err(Error::setting("workers", workers, expected));
        }
        tch::set_num_threads(1);
        let jobs = Arc::new(Jobs::new(workers));
        let (mut threads, mut model) = (Vec::new(), None);
        // One more than the maximum of simultaneous jobs, for light photos next to heavy ones.
        for index in 0..=workers {
            let mut predictor = Predictor::load(run.clone(), device)?;
            predictor.set_precision(*precision)?;
            // The first passes are slow, because libtorch selects its kernels.
            for count in [1, TOGETHER] {
                predictor.predict_batch(&vec![[0; crate::data::PIXELS]; count])?;
            }
            model.get_or_insert_with(|| Model {
                network: predictor.network().name().into(),
                trained_on: predictor.trained_on().into(),
                drawn_faces: predictor.is_of_sample(),
                precision: precision.report(device),
                threshold: predictor.threshold(),
                note: note.clone(),
            });
            let jobs = jobs.clone();
            let thread = std::thread::Builder::new()
                .name(format!("predictor {index}"))
                .spawn(move || work(&predictor, &jobs))
                .map_err(|error| Error::io("start", "a worker", error))?;
            threads.push(thread);
        }
        let model = model.ok_or_else(|| Error::setting("workers", 0, "1 or more"))?;
        let most_pixels = u64::from(config.max_pixels).saturating_mul(3_000_000);
        Ok(Self { jobs, workers: threads, model, most_pixels })
    }

    /// The network behind the server.
    pub(super) fn model(&self) -> &Model {
        &self.model
    }

    /// Predicts the faces of an image file's bytes, which a peer sent; `held` is their share of the budget.
    pub(super) async fn ask(
        &self,
        peer: IpAddr,
        bytes: Vec<u8>,
        held: Option<Held>,
        question: Question,
    ) -> Result<Answer, Refusal> {
        let cost = decoded_bytes(&bytes, self.most_pixels);
        let cost = cost.map_err(|error| Refusal::Photo(error.to_string()))?;
        let (reply, answer) = oneshot::channel();
        let ticket = self.jobs.add(peer, cost, Job { bytes, held, question, reply })?;
        let _wanted = Wanted { jobs: &self.jobs, ticket };
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) if self.jobs.has_ended() => Err(Refusal::Busy),
            Ok(Err(_)) => Err(Refusal::Internal("a worker returned no result".into())),
            Err(_) => Err(Refusal::Busy),
        }
    }

    /// The waiting photos.
    pub(super) fn jobs(&self) -> &Jobs {
        &self.jobs
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.jobs.end();
        let end = Instant::now() + GRACE;
        for worker in self.workers.drain(..) {
            while !worker.is_finished() && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            if worker.is_finished() {
                let _ = worker.join(); // a panic ends only the worker
            }
        }
    }
}

fn work(predictor: &Predictor, jobs: &Jobs) {
    while let Some(taken) = jobs.take(TOGETHER) {
        let is_heavy = taken.is_heavy;
        answer_all(predictor, jobs, taken);
        jobs.done(is_heavy);
    }
}

fn answer_all(predictor: &Predictor, jobs: &Jobs, taken: Taken) {
    let started = Instant::now();
    let mut cut_out = Vec::new();
    for Job { bytes, held, question, reply } in taken.jobs {
        if reply.is_closed() || jobs.has_ended() {
            continue; // the client has left
        }
        let photo = Photo::decode(&bytes, "photo");
        drop((bytes, held));
        match (photo, question) {
            (Err(error), _) => {
                let _ = reply.send(Err(Refusal::Photo(error.to_string())));
            }
            (Ok(photo), Question::CutOut) => cut_out.push((reply, photo)),
            (Ok(_), _) if reply.is_closed() || jobs.has_ended() => (),
            (Ok(photo), Question::Faces(detector)) => {
                let found = detector.detect_or_why(&photo).and_then(|(areas, why)| {
                    let faces = predictor.predict_areas(&photo, areas)?;
                    Ok((faces.into_iter().map(Seen::Once).collect(), why))
                });
                let _ = reply.send(answer(&photo, found, started));
            }
            (Ok(photo), Question::Live { camera, seconds }) => {
                let mut camera = camera.lock().unwrap_or_else(PoisonError::into_inner);
                let found = camera.look(predictor, &photo, seconds);
                let found =
                    found.map(|(faces, why)| (faces.into_iter().map(Seen::Live).collect(), why));
                let _ = reply.send(answer(&photo, found, started));
            }
        }
    }
    if cut_out.is_empty() {
        return;
    }
    // Photos that are one face each are predicted in one batch.
    let squares: Result<Vec<_>> = cut_out.iter().map(|(_, photo)| photo.middle_square()).collect();
    let predictions = squares.and_then(|squares| predictor.predict_batch(&squares));
    for (index, (reply, photo)) in cut_out.into_iter().enumerate() {
        let (width, height) = photo.size();
        let area = FaceBox::middle_square(width, height);
        let faces = predictions.as_ref().map(|all| {
            let faces = all.get(index).into_iter();
            (faces.map(|&prediction| Seen::Once(Face { area, prediction })).collect(), None)
        });
        let _ = reply.send(answer(&photo, faces, started));
    }
}

/// The reply with the faces of a photo, or an error of the network as a refusal.
fn answer(
    photo: &Photo,
    found: Result<(Vec<Seen>, Option<NoFace>), impl ToString>,
    started: Instant,
) -> Result<Answer, Refusal> {
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    let (faces, why) = found.map_err(|error| Refusal::Internal(error.to_string()))?;
    let no_face = why.map(|why| why.to_string());
    Ok(Answer { size: photo.size(), faces, no_face, milliseconds })
}
