//! Stop: what takes long ends with an error that says how far it was, and leaves SIGINT as it was.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use fer_nb::error::Result;
use fer_nb::model::{Parameters, Plan};
use fer_nb::prelude::*;
use fer_nb::project::Interrupt;
use fer_nb::project::Task;

/// A process has one SIGINT.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn press() {
    // SAFETY: only where something listens, so it ends nothing.
    unsafe { libc::raise(libc::SIGINT) };
}

/// Whether this process catches SIGINT, as the kernel asks before it passes Stop on.
fn listens() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() >> (libc::SIGINT - 1) & 1 == 1
}

/// Presses Stop as soon as anything listens.
fn press_when_listened_to() -> JoinHandle<()> {
    assert!(!listens());
    std::thread::spawn(|| {
        while !listens() {
            std::thread::yield_now();
        }
        // SAFETY: as above; to the process, since what listens is another thread.
        unsafe { libc::kill(libc::getpid(), libc::SIGINT) };
    })
}

#[test]
fn a_press_is_for_those_who_listen_and_the_signal_is_put_back() {
    let _turn = alone();
    assert!(!listens());
    let outer = Interrupt::listen().unwrap();
    let inner = Interrupt::listen().unwrap();
    assert!(listens() && !outer.requested());
    press();
    assert!(outer.requested() && inner.requested());
    // What begins after the press was not meant by it.
    let later = Interrupt::listen().unwrap();
    assert!(!later.requested());
    drop((outer, inner));
    assert!(listens());
    drop(later);
    assert!(!listens());
    let next = Interrupt::listen().unwrap();
    assert!(!next.requested(), "the press before is over");
}

#[test]
fn a_task_says_how_far_it_was() {
    let _turn = alone();
    let task = Task::begin("loading images", Some(28_709)).unwrap();
    task.step(1_199).unwrap();
    press();
    let error = task.step(1).unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }));
    let message = "stopped by the user while loading images, after 1,200 of 28,709";
    assert_eq!(error.to_string(), message);
    assert!(task.step(27_509).is_ok(), "what is finished is not thrown away");
}

/// The seed CNN, with Stop pressed in its third batch.
struct Pressed {
    network: SeedCnn,
    batches: std::cell::Cell<usize>,
}

impl Network for Pressed {
    fn name(&self) -> &'static str {
        "pressed"
    }

    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.batches.set(self.batches.get() + 1);
        if self.batches.get() == 3 {
            press();
        }
        self.network.forward_t(images, train)
    }

    fn parameters(&self) -> &Parameters {
        self.network.parameters()
    }

    fn parameters_mut(&mut self) -> &mut Parameters {
        self.network.parameters_mut()
    }

    fn plan(&self) -> Plan {
        Plan::default()
    }
}

#[test]
fn an_evaluation_ends_after_the_batch_in_flight() {
    let _turn = alone();
    let data = FaceData::sample(SampleConfig { seed: 1, train: 1_400, test: 35 }).unwrap();
    let network = SeedCnn::new(Device::Cpu, 1).unwrap();
    let network = Pressed { network, batches: 0.into() };
    let message = evaluate(&network, &data.train).unwrap_err().to_string();
    let total = data.train.len();
    assert!(total > 1_000, "{total}");
    let expected = "stopped by the user while evaluating images, after 96 of 1,";
    assert!(message.starts_with(expected), "{message}");
    // The network is as it was, and the next evaluation runs to its end.
    assert!(evaluate(&network, &data.train).is_ok());
    assert!(!listens());
}

#[test]
fn loading_a_folder_ends_after_the_files_in_flight() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let faces = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
    let (face, _) = faces.train.iter().next().unwrap();
    let face = image::GrayImage::from_raw(48, 48, face.to_vec()).unwrap();
    for part in ["train", "test"] {
        for class in Emotion::names() {
            let class = folder.path().join(part).join(class);
            std::fs::create_dir_all(&class).unwrap();
            let first = class.join("0.png");
            face.save(&first).unwrap();
            for copy in 1..300 {
                std::fs::hard_link(&first, class.join(format!("{copy}.png"))).unwrap();
            }
        }
    }
    let message = stopped(|| FaceData::from_folder(folder.path()));
    assert!(message.starts_with("stopped by the user while loading images, after "), "{message}");
    assert!(message.ends_with(" of 4,200"), "{message}");
    assert_eq!(FaceData::from_folder(folder.path()).unwrap().test.len(), 2_100);
}

#[test]
fn loading_a_table_ends_after_the_rows_in_flight() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fer2013.csv");
    write_table(&path, 5_000);
    let message = stopped(|| FaceData::from_csv(&path));
    let expected = "stopped by the user while reading the rows of fer2013.csv, after ";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(FaceData::from_csv(&path).unwrap().test.len(), 500);
}

/// The message of `load`, with Stop pressed as soon as it listens.
fn stopped(load: impl Fn() -> Result<FaceData>) -> String {
    let presser = press_when_listened_to();
    let message = load().unwrap_err().to_string();
    presser.join().unwrap();
    assert!(!listens());
    message
}

fn write_table(path: &Path, rows: usize) {
    let pixels = ["127"; 48 * 48].join(" ");
    let mut text = String::from("emotion,pixels,Usage\n");
    for row in 0..rows {
        let usage = if row % 10 == 0 { "PublicTest" } else { "Training" };
        text += &format!("{},{pixels},{usage}\n", row % 7);
    }
    std::fs::write(path, text).unwrap();
}
