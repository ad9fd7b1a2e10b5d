//! [`TensorBoard`]: event files that TensorBoard displays as curves.
//!
//! The crates for such files need a protobuf compiler on the machine or date from 2022, and a scalar needs only a
//! small part of the format: records of TensorFlow's TFRecord framing (length, masked CRC-32C, data, masked
//! CRC-32C), each a protobuf `Event` with a `Summary`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Callback, EpochEnd, TrainBegin};
use crate::common::{Error, Result};
use crate::train::record::EpochRecord;

/// Keras' `TensorBoard`: writes loss, accuracy and learning rate of each epoch to a folder for `tensorboard
/// --logdir`. Training and validation are two curves of one chart, because they are written to the subfolders
/// `train` and `validation`.
#[derive(Debug)]
pub struct TensorBoard {
    log_dir: PathBuf,
    /// One writer for each part, after training has started.
    files: Vec<(PathBuf, File)>,
}

/// The subfolders, one for each curve.
const PARTS: [&str; 2] = ["train", "validation"];

/// The values of an epoch for each of the [`PARTS`], with Keras' tags.
fn scalars(record: &EpochRecord) -> [Vec<(&'static str, f64)>; 2] {
    let train = vec![
        ("epoch_loss", record.loss),
        ("epoch_accuracy", record.accuracy),
        ("epoch_learning_rate", record.learning_rate),
    ];
    [train, vec![("epoch_loss", record.val_loss), ("epoch_accuracy", record.val_accuracy)]]
}

impl TensorBoard {
    /// Writes below this folder, usually `runs/<name>/logs`.
    pub fn new(log_dir: impl Into<PathBuf>) -> Self {
        Self { log_dir: log_dir.into(), files: Vec::new() }
    }
}

impl Callback for TensorBoard {
    fn name(&self) -> &'static str {
        "TensorBoard"
    }

    fn observes_only(&self) -> bool {
        true
    }

    fn on_train_begin(&mut self, _begin: &TrainBegin<'_>) -> Result<()> {
        // Another fit of this trainer appends to its files.
        if !self.files.is_empty() {
            return Ok(());
        }
        let now = wall_time();
        for part in PARTS {
            let folder = self.log_dir.join(part);
            fs::create_dir_all(&folder).map_err(|source| Error::io("create", &folder, source))?;
            let process = std::process::id();
            let path = folder.join(format!("events.out.tfevents.{now:.6}.fer_nb.{process}"));
            // The epochs before a resume are in the files of the earlier process; TensorBoard reads all files of a
            // folder.
            let mut options = OpenOptions::new();
            let opened = options.create(true).append(true).open(&path);
            let begun = opened.and_then(|mut file| {
                file.write_all(&record(&version_event(now)))?;
                Ok(file)
            });
            let file = begun.map_err(|source| Error::io("write", &path, source))?;
            self.files.push((path, file));
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        let now = wall_time();
        for ((path, file), scalars) in self.files.iter_mut().zip(scalars(&epoch.record)) {
            file.write_all(&record(&scalar_event(now, epoch.record.epoch, &scalars)))
                .map_err(|source| Error::io("write", &*path, source))?;
        }
        Ok(())
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |passed| passed.as_secs_f64())
}

/// `Event { wall_time = 1, file_version = 3 }`.
fn version_event(wall_time: f64) -> Vec<u8> {
    let mut event = vec![0x09];
    event.extend(wall_time.to_le_bytes());
    bytes_field(&mut event, 3, b"brain.Event:2");
    event
}

/// `Event { wall_time = 1, step = 2, summary = 5 { value = 1 { tag = 1, simple_value = 2 }* } }`.
fn scalar_event(wall_time: f64, step: usize, scalars: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in scalars {
        let mut entry = Vec::new();
        bytes_field(&mut entry, 1, tag.as_bytes());
        entry.push(0x15);
        entry.extend((*value as f32).to_le_bytes());
        bytes_field(&mut summary, 1, &entry);
    }
    let mut event = vec![0x09];
    event.extend(wall_time.to_le_bytes());
    event.push(0x10);
    varint(&mut event, step as u64);
    bytes_field(&mut event, 5, &summary);
    event
}

/// A length-delimited protobuf field.
fn bytes_field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    const LENGTH_DELIMITED: u8 = 2;
    out.push(number << 3 | LENGTH_DELIMITED);
    varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = length.to_vec();
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc(data).to_le_bytes());
    out
}

fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: a few hundred bytes per epoch need no table.
fn crc32c(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (REVERSED_POLYNOMIAL & 0u32.wrapping_sub(crc & 1))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_castagnolis() {
        // The check value of the CRC catalogue, and RFC 3720's for 32 zero bytes.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn long_numbers_take_more_bytes() {
        let mut out = Vec::new();
        varint(&mut out, 300);
        assert_eq!(out, [0xac, 0x02]);
    }
}
