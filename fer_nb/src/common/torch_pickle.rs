//! [`TorchPickle`]: what a file that torch.save wrote is made of in addition to tensors. Nothing in it is run.

use std::io::{Read, Seek};
use std::path::Path;

use super::plain_file::PlainFile;
use super::zip_names::zip_file;

/// How much of a pickle is looked at. The tensors' numbers are elsewhere: names and shapes take some 200 bytes each.
const MOST: u64 = 4 << 20;

/// What a pickle of torch.save's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TorchPickle {
    /// A whole `torch.nn.Module`, of which Python needs the class to load it.
    pub(super) is_module: bool,
    /// Classes that `torch.load` refuses with `weights_only=True`: a module's, settings, NumPy's numbers.
    pub(super) has_classes: bool,
}

impl TorchPickle {
    /// The pickle in the file at a path; `None` if it can't be read.
    pub(super) fn at(path: &Path) -> Option<Self> {
        Self::in_file(&mut PlainFile::open(path).ok()?)
    }

    /// The pickle in a file: in a zip archive, and before PyTorch 1.6 at its beginning.
    pub(super) fn in_file(file: &mut (impl Read + Seek)) -> Option<Self> {
        if let Some(pickle) = zip_file(file, "data.pkl", MOST) {
            return Some(Self::of(&pickle));
        }
        let mut pickle = Vec::new();
        file.rewind().ok()?;
        file.take(MOST).read_to_end(&mut pickle).ok()?;
        Some(Self::of(&pickle))
    }

    fn of(pickle: &[u8]) -> Self {
        let has = |word: &[u8]| pickle.windows(word.len()).any(|window| window == word);
        // What torch.save writes unless it is told otherwise.
        let is_protocol_2 = matches!(pickle, [0x80, 2, ..]);
        Self {
            is_module: has(b"_parameters") && has(b"_modules"),
            has_classes: !is_protocol_2
                || globals(pickle).any(|(module, name)| !is_of_tensors(module, name)),
        }
    }
}

/// The classes and functions that a pickle of protocol 2 names, as module and name; perhaps some that only look so.
fn globals(pickle: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = pickle;
    std::iter::from_fn(move || {
        loop {
            let start = rest.iter().position(|byte| *byte == b'c')?;
            rest = rest.get(start + 1..)?;
            let found = name(rest).and_then(|(module, rest)| Some((module, name(rest)?)));
            // Letters of a name are no more names.
            if let Some((module, (name, behind))) = found {
                rest = behind;
                return Some((module, name));
            }
        }
    })
}

/// A dotted name that a line break ends, and what is behind it.
fn name(bytes: &[u8]) -> Option<(&str, &[u8])> {
    const LONGEST: usize = 200;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    let length = bytes.iter().take(LONGEST).position(|byte| !is_part(byte))?;
    let (name, rest) = bytes.split_at(length);
    match rest {
        [b'\n', rest @ ..] if !name.is_empty() => Some((std::str::from_utf8(name).ok()?, rest)),
        _ => None,
    }
}

/// Whether `torch.load` takes it with `weights_only=True`.
fn is_of_tensors(module: &str, name: &str) -> bool {
    const DTYPES: [&str; 8] =
        ["float", "double", "half", "bfloat", "int", "uint", "bool", "complex"];
    match module {
        "collections" => name == "OrderedDict",
        "torch._utils" => name.starts_with("_rebuild_"),
        "torch._tensor" => name == "_rebuild_from_type_v2",
        "torch.nn.parameter" => name == "Parameter",
        "torch.storage" => matches!(name, "UntypedStorage" | "TypedStorage"),
        "torch" => {
            name.ends_with("Storage")
                || matches!(name, "Size" | "device" | "Tensor")
                || name.starts_with("per_")
                || DTYPES.iter().any(|dtype| name.starts_with(dtype))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_and_other_classes_are_told_from_tensors() {
        let of = |text: &[u8]| TorchPickle::of(&[b"\x80\x02", text].concat());
        let tensors = b"ccollections\nOrderedDict\nq\x00)Rq\x01(X\x04\0\0\0catsq\x02ctorch._utils\n_rebuild_tensor_v2\n\
                        ctorch\nFloatStorage\n";
        let plain = TorchPickle { is_module: false, has_classes: false };
        assert_eq!(of(tensors), plain);
        let others = TorchPickle { has_classes: true, ..plain };
        for class in [
            &b"cargparse\nNamespace\n"[..],
            b"cnumpy._core.multiarray\nscalar\n",
            b"ctorch\nload\n",
            b"c__main__\nNet\n",
        ] {
            assert_eq!(of(&[tensors, class].concat()), others);
        }
        let module = b"c__main__\nNet\n)\x81}(X\x0b\0\0\0_parameters}X\x08\0\0\0_modules}";
        assert_eq!(of(module), TorchPickle { is_module: true, has_classes: true });
        assert_eq!(TorchPickle::of(b"\x80\x04\x95"), others);
        assert_eq!(globals(b"cc\nc\ncabc").collect::<Vec<_>>(), [("c", "c")]);
    }
}
