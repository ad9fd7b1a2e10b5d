//! Attacks every parser of a stranger's bytes, in this process, for a bounded time, and prints a line of JSON a target:
//! what was tried, and each failure with the seed and the number that make its input again.
//!
//! An input fails if it ends in a panic, takes over 10 s, costs over 1 GB, or is refused by an error that does not name
//! the file or takes more than one line. `campaign.py` starts this and notices signals.
//!
//!     hostile_parsers SECONDS SEED [TARGET [FIRST_NUMBER]]

use std::io::{Cursor, Write};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fer_nb::deploy::{FaceBox, FaceDetector, Photo};
use fer_nb::evaluate::tune::{Space, Study, StudyConfig};
use fer_nb::evaluate::{Evaluation, Temperature, Threshold, evaluate};
use fer_nb::model::{Architecture, NameMap, ResNet, ResNetConfig, transfer, weights};
use fer_nb::prelude::{FaceData, Result, read_csv};
use fer_nb::project::fail_large_writes;
use fer_nb::train::{Checkpoint, History, Recipe, RunFolder, RunTable};
use image::{DynamicImage, GrayImage, ImageFormat, Rgb, RgbImage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tch::Device;

const HANG: Duration = Duration::from_secs(10);
/// When the watch gives up: what takes so long may never end.
const GIVE_UP: Duration = Duration::from_secs(60);
const MOST_MEMORY: u64 = 1_000_000_000;
/// Failures of a target that are told one by one.
const TOLD: usize = 10;

/// What is done with an input.
type Attack = Box<dyn FnMut(&[u8], &mut StdRng) -> Result<()>>;

struct Target {
    name: &'static str,
    /// Files of the kind, whole.
    seeds: Vec<Vec<u8>>,
    /// Pieces that mean something to the parser.
    words: &'static [&'static [u8]],
    attack: Attack,
    /// What an error has to name.
    named: Option<&'static str>,
    /// The file that other targets read as it was, and its bytes.
    whole: Option<(PathBuf, Vec<u8>)>,
}

// --- inputs -----------------------------------------------------------------------------------

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("an image that can be written");
    bytes.into_inner()
}

fn photos() -> Vec<Vec<u8>> {
    let color = RgbImage::from_fn(90, 70, |x, y| Rgb([x as u8 * 2, y as u8 * 3, (x * y) as u8]));
    let gray = GrayImage::from_fn(64, 64, |x, y| image::Luma([(x * 5 + y * 9 + x * y % 17) as u8]));
    let color = DynamicImage::ImageRgb8(color);
    let deep = DynamicImage::ImageRgba16(color.to_rgba16());
    let gray = DynamicImage::ImageLuma8(gray);
    let mut files = vec![
        encoded(&color, ImageFormat::Jpeg),
        encoded(&gray, ImageFormat::Jpeg),
        encoded(&color, ImageFormat::Png),
        encoded(&deep, ImageFormat::Png),
        encoded(&gray, ImageFormat::Png),
        encoded(&color, ImageFormat::Bmp),
        encoded(&color, ImageFormat::WebP),
    ];
    // An orientation in EXIF.
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let jpeg = encoded(&gray, ImageFormat::Jpeg);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    files.push([&jpeg[..2], &[0xFF, 0xE1], &length, exif, &jpeg[2..]].concat());
    files.push(include_bytes!("inputs/jpeg_of_1_kb_claims_16000x3000.jpg").to_vec());
    files
}

const PHOTO_WORDS: &[&[u8]] = &[
    b"\xFF\xD8",
    b"\xFF\xD9",
    b"\xFF\xC0\0\x11\x08",
    b"\xFF\xC2\0\x11\x08",
    b"\xFF\xDA",
    b"\xFF\xDD\0\x04\0\0",
    b"\xFF\xC4\0\x13",
    b"\xFF\xE1\xFF\xFF",
    b"IHDR",
    b"IDAT",
    b"IEND",
    b"PLTE",
    b"tRNS",
    b"acTL",
    b"iCCP",
    b"zTXt",
    b"RIFF",
    b"WEBPVP8X",
    b"VP8L",
    b"BM",
    b"\x7F\xFF\xFF\xFF",
    b"\xFF\xFF\xFF\xFF",
    b"\0\0\0\0",
];

/// Made-up images, so many a class for training and one for testing.
fn csv(a_class: u32) -> Vec<u8> {
    let mut text = String::from("emotion,pixels,Usage\n");
    for row in 0..7 * (a_class + 1) {
        let pixels: Vec<String> =
            (0..2304).map(|at| ((at * 7 + row * 31) % 256).to_string()).collect();
        let part = if row < 7 * a_class { "Training" } else { "PrivateTest" };
        text += &format!("{},{},{part}\n", row % 7, pixels.join(" "));
    }
    text.into_bytes()
}

const CSV_WORDS: &[&[u8]] = &[
    b",",
    b"\"",
    b"\"\"",
    b"\n",
    b"\r\n",
    b";",
    b"\t",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"emotion",
    b"pixels",
    b"Usage",
    b"255",
    b"256",
    b"-1",
    b"NaN",
    b"1e999",
    b"99999999999999999999",
    b"[",
    b"]",
    b"\0",
    b"Training",
];

const TOML_WORDS: &[&[u8]] = &[
    b"=",
    b"[",
    b"]",
    b"[[",
    b"{",
    b"}",
    b"\"",
    b"'''",
    b"\"\"\"",
    b"#",
    b"\n",
    b".",
    b"inf",
    b"-inf",
    b"nan",
    b"-1",
    b"0",
    b"1e308",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"true",
    b"[]",
    b"{}",
    b"\\u0000",
    b"\x1b[2J",
    b"1000000000",
    b"[1000000000]",
    b"format = 99\n",
    b"\xFF",
];

const TENSOR_WORDS: &[&[u8]] = &[
    b"{",
    b"}",
    b"\"",
    b":",
    b"[",
    b"]",
    b"0",
    b"-1",
    b"18446744073709551615",
    b"4294967296",
    b"\"F32\"",
    b"\"F64\"",
    b"\"BOOL\"",
    b"\"I8\"",
    b"__metadata__",
    b"data_offsets",
    b"shape",
    b"dtype",
    b"checksum",
    b"\0\0\0\0\0\0\0\0",
    b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
];

/// One to eight changes of a file: bits, bytes, numbers, words, pieces cut out, doubled, or of another file.
fn damaged(target: &Target, random: &mut StdRng) -> Vec<u8> {
    let pick = |random: &mut StdRng, count: usize| random.random_range(0..count.max(1));
    let mut bytes = target.seeds[pick(random, target.seeds.len())].clone();
    for _ in 0..random.random_range(0..=8) {
        if bytes.is_empty() {
            break;
        }
        // Headers decide more than what follows.
        let end = if random.random_bool(0.6) { bytes.len().min(300) } else { bytes.len() };
        let at = pick(random, end);
        let length = random.random_range(1..=64usize).min(bytes.len() - at);
        match random.random_range(0..10) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => drop(bytes.drain(at..at + length)),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..at + length].to_vec();
                let times = if random.random_bool(0.02) { 2000 } else { random.random_range(1..4) };
                bytes.splice(at..at, piece.repeat(times));
            }
            5 | 6 => {
                let word = target.words[pick(random, target.words.len())];
                let over =
                    if random.random_bool(0.5) { word.len().min(bytes.len() - at) } else { 0 };
                bytes.splice(at..at + over, word.iter().copied());
            }
            7 => {
                let other = &target.seeds[pick(random, target.seeds.len())];
                let from = pick(random, other.len());
                let piece = other[from..(from + length).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            // A number becomes another one.
            8 => {
                let digits = |byte: &u8| byte.is_ascii_digit();
                if let Some(start) = bytes[at..].iter().position(digits).map(|found| at + found) {
                    let stop =
                        start + bytes[start..].iter().take_while(|byte| digits(byte)).count();
                    let value: &[u8] = match random.random_range(0..5) {
                        0 => b"0",
                        1 => b"-1",
                        2 => b"99999999999999999999",
                        3 => b"nan",
                        _ => b"7",
                    };
                    bytes.splice(start..stop, value.iter().copied());
                }
            }
            _ => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0xFF),
        }
    }
    if bytes.starts_with(b"\x89PNG") && random.random_bool(0.7) {
        mend_png(&mut bytes);
    }
    bytes
}

/// Makes the sums of a PNG's chunks right, so that what is damaged gets to the decoder.
fn mend_png(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let end = at.saturating_add(8).saturating_add(length);
        if end.saturating_add(4) > bytes.len() {
            return;
        }
        let sum = crc32(&bytes[at + 4..end]).to_be_bytes();
        bytes[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
}

/// CRC-32 as PNG's chunks have it (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

// --- targets ----------------------------------------------------------------------------------

fn network() -> ResNet {
    let config = ResNetConfig { channels: vec![4], blocks: vec![1], ..ResNetConfig::default() };
    ResNet::new(Device::Cpu, 1, config).expect("a small network")
}

/// A run of one epoch with all its files, made once.
struct Fixture {
    folder: PathBuf,
}

impl Fixture {
    fn make(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("tiny.csv"), csv(5)).expect("a table");
        let data = FaceData::from_path(folder.join("tiny.csv")).expect("data");
        let config = ResNetConfig { channels: vec![4], blocks: vec![1], ..ResNetConfig::default() };
        let mut recipe = Recipe { network: Architecture::Resnet(config), ..Recipe::default() };
        recipe.train.epochs = 1;
        recipe.train.batch_size = 4;
        recipe.train.images.validation_share = 0.5;
        let run = RunFolder::at(folder.join("run"));
        let mut trainer = recipe.trainer(Device::Cpu, run.path()).expect("a trainer");
        trainer.fit(&data).expect("a run");
        let network = run.network(Device::Cpu).expect("its network");
        let test = evaluate(&*network, &data.test).expect("an evaluation");
        test.to_csv(folder.join("predictions.csv")).expect("predictions");
        let temperature = Temperature::new(1.5).expect("a temperature");
        temperature.save(&run, &data).expect("a file");
        let space =
            Space::new().log("train.learning_rate", 1e-4, 1e-2).int("train.batch_size", 2, 8);
        let mut study = Study::with_config(folder.join("study"), StudyConfig::new(space, recipe))
            .expect("a study");
        study.optimize(&data, 1, Device::Cpu).expect("a trial");
        Self { folder }
    }

    fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// A target that reads a file of this name, which is replaced for each input.
fn file(
    name: &'static str,
    path: PathBuf,
    named: &'static str,
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static [u8]],
    mut read: impl FnMut(&Path) -> Result<()> + 'static,
) -> Target {
    let whole = std::fs::read(&path).ok().map(|bytes| (path.clone(), bytes));
    let attack = move |bytes: &[u8], _: &mut StdRng| {
        std::fs::write(&path, bytes).expect("room for an input");
        read(&path)
    };
    Target { name, seeds, words, attack: Box::new(attack), named: Some(named), whole }
}

fn targets(fixture: &Fixture) -> Vec<Target> {
    let at = |path: &str| {
        let path = fixture.folder.join("inputs").join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        path
    };
    let space: &[u8] = b"\"train.learning_rate\" = { kind = \"log\", low = 1e-4, high = 1e-2 }\n\
        \"train.batch_size\" = { kind = \"int\", low = 16, high = 64 }\n\
        \"train.optimizer\" = { kind = \"choice\", values = [\"adam\", \"sgd\"] }\n";
    let recipe = Recipe::default().to_toml().expect("a recipe").into_bytes();
    let run = at("run/config.toml").with_file_name("");
    let study = at("study/trial_0001/trial.toml").with_file_name("").join("..");
    for name in ["config.toml", "best.safetensors", "temperature.toml", "history.csv"] {
        std::fs::copy(fixture.folder.join("run").join(name), run.join(name)).expect("a copy");
    }
    for name in ["study.toml", "trial_0001/trial.toml"] {
        std::fs::copy(fixture.folder.join("study").join(name), study.join(name)).expect("a copy");
    }
    let fitted: &[u8] =
        b"uncertain_below = 0.5\nright = 0.75\nanswered = 0.9\nweights = \"0123456789abcdef\"\n";
    let (mut whole, mut part) = (network(), network());
    let small = at("small.safetensors");
    weights::save(&network(), &small).expect("weights");
    let small = std::fs::read(&small).expect("weights");
    let is_finite = |evaluation: &Evaluation| {
        assert!(evaluation.probs().iter().flatten().all(|prob| prob.is_finite()));
    };
    let of_run =
        |name: &'static str, file_name: &'static str, read: fn(&RunFolder) -> Result<()>| {
            let seeds = vec![std::fs::read(run.join(file_name)).unwrap_or(fitted.to_vec())];
            let folder = RunFolder::at(&run);
            // A config of another network is at odds with the run's weights, which the error names.
            let named = if file_name == "config.toml" { "inputs/run" } else { file_name };
            file(name, run.join(file_name), named, seeds, TOML_WORDS, move |_| read(&folder))
        };
    let images = at("images/train/happy/one.png").with_file_name("");
    let detector = FaceDetector::for_video();
    let mut all = vec![
        Target {
            name: "photo",
            seeds: photos(),
            words: PHOTO_WORDS,
            named: Some("hostile.jpg"),
            whole: None,
            attack: Box::new(move |bytes, random| {
                let photo = Photo::decode(bytes, "hostile.jpg")?;
                let (width, height) = photo.size();
                if width * height < 20_000 && random.random_bool(0.05) {
                    detector.detect(&photo)?;
                }
                photo.middle_square().map(drop)
            }),
        },
        Target {
            name: "face boxes",
            seeds: vec![vec![0; 64]],
            words: &[
                b"\0\0\xC0\x7F",
                b"\0\0\x80\x7F",
                b"\0\0\x80\xFF",
                b"\xFF\xFF\x7F\x7F",
                b"\x01\0\0\0",
                b"\0\0\0\x42",
            ],
            named: None,
            whole: None,
            attack: Box::new(|bytes, random| {
                let mut numbers =
                    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
                let mut next = || numbers.next().unwrap_or(f32::NAN);
                let [left, top, width, height, score] = std::array::from_fn(|_| next());
                let landmarks =
                    random.random_bool(0.7).then(|| std::array::from_fn(|_| [next(), next()]));
                let face = FaceBox { left, top, width, height, score, landmarks };
                let photo = GrayImage::new(random.random_range(1..80), random.random_range(1..80));
                face.tilt();
                face.crop(&photo).map(drop)
            }),
        },
        file("images of a folder", images.join("one.png"), "images", photos(), PHOTO_WORDS, {
            let root = at("images/README").with_file_name("");
            move |_| FaceData::from_path(&root).map(drop)
        }),
        file("csv of images", at("images.csv"), "images.csv", vec![csv(1)], CSV_WORDS, |path| {
            FaceData::from_path(path).map(drop)
        }),
        file(
            "csv in UTF-16",
            at("utf16.csv"),
            "utf16.csv",
            vec![utf16(&csv(1))],
            CSV_WORDS,
            |path| FaceData::from_path(path).map(drop),
        ),
        file(
            "weights",
            at("hostile.safetensors"),
            "hostile.safetensors",
            vec![small.clone()],
            TENSOR_WORDS,
            {
                move |path| {
                    let checked = weights::load(&mut whole, path);
                    weights::load_unchecked(&mut whole, path)?;
                    checked
                }
            },
        ),
        file(
            "weights that fit in part",
            at("part.safetensors"),
            "part.safetensors",
            vec![small],
            TENSOR_WORDS,
            move |path| transfer(&mut part, path, &NameMap::identity()).map(drop),
        ),
        file(
            "checkpoint",
            at("checkpoint.safetensors"),
            "checkpoint.safetensors",
            vec![fixture.read("run/last/checkpoint.safetensors")],
            TENSOR_WORDS,
            |path| Checkpoint::load(path).map(drop),
        ),
        file(
            "recipe",
            at("recipe.toml"),
            "recipe.toml",
            vec![recipe.clone()],
            TOML_WORDS,
            |path| Recipe::open(&path.to_string_lossy()).map(drop),
        ),
        file("space", at("space.toml"), "space.toml", vec![space.to_vec()], TOML_WORDS, |path| {
            Space::open(path, &Recipe::default()).map(drop)
        }),
        file(
            "history",
            at("history.csv"),
            "history.csv",
            vec![fixture.read("run/history.csv")],
            CSV_WORDS,
            |path| History::load(path, "").map(drop),
        ),
        file(
            "table of runs",
            at("runs.csv"),
            "runs.csv",
            vec![include_bytes!("../../docs/runs.csv").to_vec()],
            CSV_WORDS,
            |path| RunTable::load(path).map(drop),
        ),
        file(
            "predictions",
            at("predictions.csv"),
            "predictions.csv",
            vec![fixture.read("predictions.csv")],
            CSV_WORDS,
            move |path| Evaluation::from_csv(path).map(|evaluation| is_finite(&evaluation)),
        ),
        file(
            "table",
            at("table.csv"),
            "table.csv",
            vec![fixture.read("predictions.csv")],
            CSV_WORDS,
            |path| read_csv(path).map(drop),
        ),
        of_run("config of a run", "config.toml", |run| run.network(Device::Cpu).map(drop)),
        of_run("temperature", "temperature.toml", |run| Temperature::of_run(run).map(drop)),
        of_run("threshold", "certainty.toml", |run| Threshold::of_run(run).map(drop)),
    ];
    for (name, path) in [("study", "study.toml"), ("trial", "trial_0001/trial.toml")] {
        let (folder, seed) = (study.clone(), fixture.read(&format!("study/{path}")));
        let named = if name == "study" { "study.toml" } else { "trial.toml" };
        all.push(file(name, study.join(path), named, vec![seed], TOML_WORDS, move |_| {
            let study = Study::load(&folder)?;
            study.trials().iter().try_for_each(|trial| study.recipe_of(trial).map(drop))?;
            study.to_table().map(drop)
        }));
    }
    all
}

/// A table in UTF-16 with its mark.
fn utf16(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

// --- the campaign -----------------------------------------------------------------------------

/// When the input in work began, in milliseconds after the start; 0 for none.
struct Watch {
    started: Instant,
    since: AtomicU64,
}

impl Watch {
    fn begin(&self) {
        self.since.store(self.started.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// Ends the process if an input never ends; the parent knows which one it was.
    fn keep(&self) {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let since = self.since.load(Ordering::Relaxed);
            let now = self.started.elapsed().as_millis() as u64;
            if since > 0 && now.saturating_sub(since) > GIVE_UP.as_millis() as u64 {
                eprintln!("an input takes over {} s", GIVE_UP.as_secs());
                std::process::exit(3);
            }
        }
    }
}

/// Peak memory in bytes since the last [`reset_peak`].
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok());
    kilobytes.unwrap_or(0) * 1024
}

fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// What is wrong with how an input ended; `None` for nothing.
fn judged(
    target: &Target,
    result: std::thread::Result<Result<()>>,
    took: Duration,
) -> (bool, Option<String>) {
    let (refused, problem) = match result {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            (false, Some(format!("panic: {}", text.unwrap_or_default())))
        }
        Ok(Ok(())) => (false, None),
        Ok(Err(error)) => {
            let text = error.to_string();
            let problem = match target.named {
                Some(name) if !text.contains(name) => {
                    Some(format!("the error does not name {name}: {text}"))
                }
                _ if text.lines().count() != 1 || text.contains('\x1b') => {
                    Some(format!("not a line: {text:?}"))
                }
                _ => None,
            };
            (true, problem)
        }
    };
    (refused, problem.or_else(|| (took > HANG).then(|| format!("{:.1} s", took.as_secs_f64()))))
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10.0);
    let seed: u64 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(26);
    let (only, first) =
        (arguments.next(), arguments.next().and_then(|text| text.parse::<u64>().ok()));
    fail_large_writes();
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().expect("a folder");
    let fixture = Fixture::make(folder.path().to_path_buf());
    let mut targets = targets(&fixture);
    targets.retain(|target| only.as_deref().is_none_or(|only| target.name == only));
    let share = Duration::from_secs_f64(seconds / targets.len().max(1) as f64);
    let watch = Arc::new(Watch { started: Instant::now(), since: AtomicU64::new(0) });
    let keeper = watch.clone();
    std::thread::spawn(move || keeper.keep());
    // Says what was in work, should the process end by a signal.
    let place =
        std::env::var("HOSTILE_PLACE").ok().and_then(|path| std::fs::File::create(path).ok());
    std::panic::set_hook(Box::new(|_| {})); // each is told below
    for target in &mut targets {
        let until = Instant::now() + share;
        let (mut tried, mut refused, mut failed) = (0u64, 0u64, 0u64);
        let (mut told, mut slowest, mut most) = (Vec::new(), Duration::ZERO, 0);
        reset_peak();
        let mut number = first.unwrap_or(0);
        while Instant::now() < until && (first.is_none() || tried == 0) {
            if let Some(place) = &place {
                let _ = place.write_at(format!("{number:<12} {:<40}\n", target.name).as_bytes(), 0);
            }
            let salt = target
                .name
                .bytes()
                .fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            let mut random =
                StdRng::seed_from_u64(salt ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let bytes = damaged(target, &mut random);
            let begun = Instant::now();
            watch.begin();
            let result = catch_unwind(AssertUnwindSafe(|| (target.attack)(&bytes, &mut random)));
            watch.end();
            let took = begun.elapsed();
            let (was_refused, mut problem) = judged(target, result, took);
            if tried % 16 == 0 || took > Duration::from_millis(100) {
                let now = peak();
                if now > MOST_MEMORY {
                    problem = problem.or(Some(format!("{} MB at the peak", now / 1_000_000)));
                }
                most = most.max(now);
                reset_peak();
            }
            slowest = slowest.max(took);
            refused += u64::from(was_refused);
            if let Some(problem) = problem {
                failed += 1;
                if told.len() < TOLD {
                    told.push(format!(
                        "number {number}: {}",
                        problem.chars().take(300).collect::<String>()
                    ));
                }
            }
            tried += 1;
            number += 1;
        }
        if let Some((path, bytes)) = &target.whole {
            std::fs::write(path, bytes).expect("room for a file");
        }
        let line = serde_json::json!({
            "target": target.name, "tried": tried, "refused": refused, "failed": failed, "told": told,
            "slowest_seconds": (slowest.as_secs_f64() * 1000.0).round() / 1000.0, "peak_mb": most / 1_000_000,
        });
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
