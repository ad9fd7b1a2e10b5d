//! [`TensorFile`] and [`write`]: safetensors files with a checksum, read and written one tensor at a time.
//!
//! A file consists of the length of its header (u64, little-endian), the header (JSON: metadata and the position of
//! each tensor), and the tensors. The metadata of files written by this crate contain the XXH3 of all bytes,
//! computed with zeros in place of the checksum. Every safetensors reader can read such a file; this one also
//! detects every changed bit.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo, TensorView};
use tch::{Kind, Tensor};
use xxhash_rust::xxh3::Xxh3;

use super::tensor_bytes::{TensorBytes, dtype_of};
use crate::common::files::replace_file;
use crate::common::plain_file::{self, PlainFile};
use crate::common::{Error, Result};

/// The number of bytes before the header.
const LENGTH: usize = size_of::<u64>();
/// The maximum size of a header; a checkpoint's contains its history, some 150 bytes per epoch.
const LARGEST_HEADER: u64 = 16 << 20;
/// The placeholder of the checksum during its computation.
const ZEROS: &str = "0000000000000000";
/// The checksum's key in the metadata.
const CHECKSUM: &str = "checksum";
/// The key with the method of the checksum. A file with only one of the two keys has lost the other.
const KIND: &str = "checksum_kind";
const XXH3: &str = "xxh3";

/// Whether a file's checksum must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// A file without a checksum is an error, too.
    Required,
    /// A file without a checksum is accepted: older versions and other programs write none.
    IfPresent,
    /// The checksum is not compared: the user wants to read a damaged file.
    Off,
}

/// Why a file was rejected.
#[derive(Debug)]
pub(crate) enum Problem {
    /// An error of the system, or a file that is not plain.
    Io(io::Error),
    /// The file is not a complete safetensors file; the reason.
    Broken(String),
    /// A tensor of a dtype that is not read.
    Dtype { tensor: String, dtype: String },
    /// Its bytes have changed since it was written.
    Changed { found: String, expected: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Io(error) => error.fmt(f),
            Problem::Broken(why) => f.write_str(why),
            Problem::Dtype { tensor, dtype } => {
                write!(f, "{tensor} is {dtype}, expected {}", DTYPES.join(", "))
            }
            Problem::Changed { found, expected } => {
                write!(f, "its checksum is {found}, expected {expected}: bytes have changed")
            }
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Problem::Broken("cut short".into()),
            _ => Problem::Io(error),
        }
    }
}

impl From<tch::TchError> for Problem {
    fn from(error: tch::TchError) -> Self {
        Problem::Broken(error.to_string().lines().next().unwrap_or_default().to_string())
    }
}

/// A safetensors file whose header has been read.
#[derive(Debug)]
pub(crate) struct TensorFile {
    file: PlainFile,
    /// The file's bytes before the first tensor.
    header: Vec<u8>,
    metadata: HashMap<String, String>,
    /// In the order of their positions in the file, without a gap.
    tensors: Vec<(String, TensorInfo)>,
}

impl TensorFile {
    /// Reads the header of a file of at most `most` bytes, and checks that the tensors fill the rest.
    ///
    /// # Errors
    /// A [`Problem`].
    pub(crate) fn open(path: &Path, most: u64) -> Result<Self, Problem> {
        let mut file = PlainFile::open(path)?;
        let size = file.size();
        plain_file::check_size(size, most)?;
        let mut header = vec![0; LENGTH];
        if size < LENGTH as u64 {
            return Err(Problem::Broken(format!("{size} bytes are less than its header")));
        }
        file.read_exact(&mut header)?;
        let length = header.first_chunk().map_or(u64::MAX, |length| u64::from_le_bytes(*length));
        let rest = size.saturating_sub(LENGTH as u64);
        if length > rest {
            return Err(Problem::Broken(format!("{size} bytes are less than its header")));
        }
        if length > LARGEST_HEADER {
            return Err(Problem::Broken(format!("a header of {length} bytes")));
        }
        file.by_ref().take(length).read_to_end(&mut header)?;
        let text = header.get(LENGTH..).unwrap_or_default();
        let parsed: Metadata = serde_json::from_slice(text).map_err(|error| {
            let problem = format!("its header can't be understood: {error}");
            unknown_dtype(text).unwrap_or(Problem::Broken(problem))
        })?;
        let mut tensors: Vec<_> = parsed
            .tensors()
            .into_iter()
            .map(|(name, TensorInfo { dtype, shape, data_offsets })| {
                let (dtype, shape, data_offsets) = (*dtype, shape.clone(), *data_offsets);
                (name, TensorInfo { dtype, shape, data_offsets })
            })
            .collect();
        tensors.sort_by(|(name, one), (other, two)| {
            one.data_offsets.cmp(&two.data_offsets).then_with(|| name.cmp(other))
        });
        let mut end = 0;
        for (name, TensorInfo { dtype, shape, data_offsets: (from, to) }) in &tensors {
            let bytes = shape.iter().try_fold(dtype.size(), |all, side| all.checked_mul(*side));
            if *from != end || bytes.is_none() || to.checked_sub(*from) != bytes {
                let name = name.escape_debug();
                return Err(Problem::Broken(format!("tensor {name} has a wrong place or size")));
            }
            end = *to;
        }
        match (end as u64).cmp(&(rest - length)) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => {
                return Err(Problem::Broken(format!("{size} bytes, cut short")));
            }
            std::cmp::Ordering::Less => {
                return Err(Problem::Broken("bytes after its last tensor".into()));
            }
        }
        let metadata = parsed.metadata().clone().unwrap_or_default();
        Ok(Self { file, header, metadata, tensors })
    }

    /// The value of this key in the metadata.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Whether the file has a checksum, or a part of one.
    pub(crate) fn is_sealed(&self) -> bool {
        self.metadata(CHECKSUM).is_some() && self.is_ours() || self.metadata(KIND).is_some()
    }

    /// Whether this crate wrote the metadata. Other programs may use the key for other values.
    fn is_ours(&self) -> bool {
        ["fer_nb", "state"].iter().any(|key| self.metadata.contains_key(*key))
    }

    /// The tensors, on the CPU. At most one of them is in memory twice at a time.
    ///
    /// # Errors
    /// A [`Problem`]: [`Problem::Changed`] if the checksum does not match and `check` requires it.
    pub(crate) fn read(mut self, check: Check) -> Result<Vec<(String, Tensor)>, Problem> {
        let mut sum = Xxh3::new();
        let expected = match (check, self.is_sealed()) {
            (Check::Off, _) | (Check::IfPresent, false) => None,
            (Check::Required, false) => {
                return Err(Problem::Broken("no checksum in its header".into()));
            }
            (_, true) => {
                let saved = self.metadata(CHECKSUM).unwrap_or_default().to_string();
                let place = checksum_place(&self.header);
                let place = place.and_then(|at| self.header.get_mut(at..at + ZEROS.len()));
                let place = place.filter(|digits| *digits == saved.as_bytes());
                let place =
                    place.ok_or_else(|| Problem::Broken("its checksum is damaged".into()))?;
                place.copy_from_slice(ZEROS.as_bytes());
                sum.update(&self.header);
                Some(saved)
            }
        };
        let mut tensors = Vec::with_capacity(self.tensors.len());
        for (name, TensorInfo { dtype, shape, data_offsets: (from, to) }) in self.tensors {
            let mut bytes = vec![0; to - from];
            self.file.read_exact(&mut bytes)?;
            if expected.is_some() {
                sum.update(&bytes);
            }
            if Kind::try_from(dtype).is_err() {
                let tensor = name.escape_debug().to_string();
                return Err(Problem::Dtype { tensor, dtype: format!("{dtype:?}") });
            }
            let view = TensorView::new(dtype, shape, &bytes)
                .map_err(|error| Problem::Broken(error.to_string()))?;
            tensors.push((name, Tensor::try_from(view)?));
        }
        let found = format!("{:016x}", sum.digest());
        match expected {
            Some(expected) if expected != found => Err(Problem::Changed { found, expected }),
            _ => Ok(tensors),
        }
    }
}

/// The dtypes of safetensors files that libtorch knows, too.
const DTYPES: [&str; 10] = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"];

/// The first tensor of a header whose dtype is none of [`DTYPES`]: there are newer ones, of 8 bits and less.
fn unknown_dtype(header: &[u8]) -> Option<Problem> {
    let header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    let tensors = header.iter().filter(|(name, _)| *name != "__metadata__");
    let dtypes = tensors.filter_map(|(name, about)| Some((name, about.get("dtype")?.as_str()?)));
    let (name, dtype) = dtypes.into_iter().find(|(_, dtype)| !DTYPES.contains(dtype))?;
    let shown = |text: &str| text.escape_debug().take(80).collect::<String>();
    Some(Problem::Dtype { tensor: shown(name), dtype: shown(dtype) })
}

/// Where the checksum's digits begin.
fn checksum_place(header: &[u8]) -> Option<usize> {
    // The key can't occur in another value, because quotation marks are escaped in values.
    let key = format!("\"{CHECKSUM}\":\"");
    let found = header.windows(key.len()).position(|window| window == key.as_bytes())?;
    Some(found + key.len())
}

/// Writes a safetensors file with these metadata and a checksum, as a whole or not at all: the same bytes for the
/// same content. (The library writes metadata in the order of a hash map; here they come first, sorted by name.)
/// Tensors, on any device, are converted to `kind` if one is given.
///
/// # Errors
/// [`Error::Io`] if the file can't be written; [`Error::Input`] for a dtype that files do not support; errors of
/// libtorch.
pub(crate) fn write(
    path: &Path,
    tensors: &[(String, Tensor)],
    kind: Option<Kind>,
    mut metadata: BTreeMap<String, String>,
) -> Result<()> {
    metadata.insert(CHECKSUM.into(), ZEROS.into());
    metadata.insert(KIND.into(), XXH3.into());
    let mut order = tensors
        .iter()
        .map(|(name, tensor)| {
            let dtype = dtype_of(kind.unwrap_or(tensor.kind()))?;
            let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
            Ok((name, dtype, shape, tensor))
        })
        .collect::<Result<Vec<_>>>()?;
    // In the library's order: tensors with the largest alignment first.
    order.sort_by(|(name, one, ..), (other, two, ..)| two.cmp(one).then_with(|| name.cmp(other)));
    let in_json = |text: serde_json::Result<String>| {
        text.map_err(|error| Error::io("write", path, io::Error::other(error)))
    };
    let mut header = in_json(serde_json::to_string(&metadata))?;
    header.insert_str(0, "{\"__metadata__\":");
    let mut end = 0;
    for (name, dtype, shape, _) in &order {
        let from = end;
        end += dtype.size() * shape.iter().product::<usize>();
        let info = TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (from, end) };
        let (name, info) =
            (in_json(serde_json::to_string(name))?, in_json(serde_json::to_string(&info))?);
        header += &format!(",{name}:{info}");
    }
    header.push('}');
    while header.len() % LENGTH != 0 {
        header.push(' '); // aligned, because readers map the data into memory
    }
    let mut header = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    replace_file(path, |temporary| {
        let failed = |error| Error::io("write", path, error);
        let mut sum = Xxh3::new();
        let mut file = BufWriter::with_capacity(1 << 20, File::create(temporary).map_err(failed)?);
        sum.update(&header);
        file.write_all(&header).map_err(failed)?;
        for (.., tensor) in &order {
            let bytes = match kind {
                Some(kind) => TensorBytes::of(&tensor.f_to_kind(kind)?)?,
                None => TensorBytes::of(tensor)?,
            };
            sum.update(&bytes.data);
            file.write_all(&bytes.data).map_err(failed)?;
        }
        let place = checksum_place(&header).unwrap_or(header.len());
        let digits = format!("{:016x}", sum.digest());
        header.truncate(place);
        file.seek(SeekFrom::Start(place as u64)).map_err(failed)?;
        file.write_all(digits.as_bytes()).map_err(failed)?;
        file.flush().map_err(failed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("a.safetensors");
        let tensors = [
            ("b".to_string(), Tensor::from_slice(&[1.5f32, -2.0]).view([2, 1])),
            ("a".to_string(), Tensor::from_slice(&[7i64; 40])),
        ];
        let metadata = BTreeMap::from([("fer_nb".to_string(), "\"x\"".to_string())]);
        write(&path, &tensors, None, metadata).unwrap();
        path
    }

    #[test]
    fn every_bit_that_changes_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = saved(folder.path());
        let read = |check| TensorFile::open(&path, 1 << 20).and_then(|file| file.read(check));
        let found = read(Check::IfPresent).unwrap();
        assert_eq!(found[1].0, "b");
        assert_eq!(found[1].1.size(), [2, 1]);
        let bytes = std::fs::read(&path).unwrap();
        let mut read_all_the_same = 0;
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &changed).unwrap();
            assert!(read(Check::IfPresent).is_err(), "bit {bit} of {} bytes", bytes.len());
            read_all_the_same += usize::from(read(Check::Off).is_ok());
        }
        assert!(read_all_the_same > 320 * 8, "all bits of the numbers");
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(read(Check::Off).is_err(), "{length} bytes");
        }
        std::fs::write(&path, [&bytes[..], b"a"].concat()).unwrap();
        assert!(read(Check::Off).is_err());
    }

    #[test]
    fn what_a_header_promises_is_not_allocated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let refused = |header: &str, data: usize| {
            let length = (header.len() as u64).to_le_bytes();
            std::fs::write(&path, [&length, header.as_bytes(), &vec![0; data]].concat()).unwrap();
            TensorFile::open(&path, 1 << 20).unwrap_err().to_string()
        };
        let of = |shape: &str, from: usize, to: usize| {
            format!(
                "{{\"a\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{from},{to}]}}}}"
            )
        };
        let large = of("[1000000000]", 0, 4_000_000_000);
        assert_eq!(refused(&large, 4), format!("{} bytes, cut short", 12 + large.len()));
        let wrong = "tensor a has a wrong place or size";
        assert_eq!(refused(&of("[4294967296,4294967296,4]", 0, 0), 0), wrong);
        assert_eq!(refused(&of("[1]", 8, 12), 12), wrong);
        assert_eq!(refused(&of("[2]", 0, 4), 4), wrong);
        assert_eq!(refused(&of("[1]", 0, 4), 8), "bytes after its last tensor");
        std::fs::write(&path, u64::MAX.to_le_bytes()).unwrap();
        let error = TensorFile::open(&path, 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "8 bytes are less than its header");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert!(matches!(TensorFile::open(&path, 1 << 30), Err(Problem::Io(_))));
    }
}
