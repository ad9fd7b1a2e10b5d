//! [`FileKind::to_safetensors`]: the line that writes weights of another kind as safetensors.

use std::path::Path;

use super::command::path as word;
use super::file_kind::FileKind::{self, *};
use super::tensorflow::checkpoint_of;
use super::torch_pickle::TorchPickle as Pickled;
use super::way_out::beside;

/// Of a dict in `d`, the tensors in it or in the dict below it that has most; not those of an optimizer.
const MOST_TENSORS: &str = "f = lambda o: max([t(o)] + [f(v) for k, v in o.items() if isinstance(v, dict) and 'optim' \
                            not in str(k)], key=len); \
                            s.save_file({k: (v.dequantize() if v.is_quantized else v).detach().clone().contiguous() \
                            for k, v in f(d).items()}, sys.argv[2])";

/// Tensors of Keras' under names of PyTorch's, and with its order of axes: Keras has a kernel's as height, width,
/// inputs, outputs. `f` names one by the parts of its path, `a` is its numbers.
const KERAS: &str = "n = dict(kernel='weight', gamma='weight', beta='bias', moving_mean='running_mean', \
                     moving_variance='running_var'); n.update(zip(('vars0', 'vars1', 'vars2', 'vars3'), \
                     ('weight', 'bias', 'running_mean', 'running_var'))); t = {2: (1, 0), 4: (3, 2, 0, 1)}; d = {}; \
                     g = lambda p, x: p + [n.get((p or [''])[-1] + x if x.isdigit() else x, x)]; \
                     f = lambda k: '.'.join(g(k[:-1], k[-1].split(':')[0])); \
                     a = lambda v: numpy.ascontiguousarray(numpy.transpose(v, t.get(v.ndim, range(v.ndim)))); ";

const KERAS_FILE: &str = ".visititems(lambda k, v: d.update({f(k.split('/')): a(v[()])}) \
                          if hasattr(v, 'shape') and 'optimizer' not in k else None); s.save_file(d, sys.argv[2])";

/// What to know of weights that come from Keras.
const OF_KERAS: &str = "the layers keep Keras' names, which --weights-map maps, and a dense layer behind Flatten has its \
                        inputs in another order than PyTorch's";

impl FileKind {
    /// What makes a safetensors file of weights of this kind at `path`, in a sentence with a line for a shell.
    pub(super) fn to_safetensors(self, path: &Path) -> String {
        let command = |line: &str| {
            let checkpoint = if self == TensorFlow { checkpoint_of(path) } else { None };
            let (from, to) =
                (word(checkpoint.as_deref().unwrap_or(path)), word(beside(path, "safetensors")));
            format!("Save its tensors as safetensors: python3 -c \"{line}\" {from} {to}")
        };
        match self {
            TorchModule => command(&of_any_torch()),
            TorchCheckpoint | TorchPickle => {
                let has_classes = Pickled::at(path).is_some_and(|pickle| pickle.has_classes);
                command(&if has_classes { of_any_torch() } else { of_torch_tensors() })
            }
            TorchScript => command(
                "import sys, torch, safetensors.torch as s; \
                 d = torch.jit.load(sys.argv[1], map_location='cpu').state_dict(); \
                 s.save_file({k: v.clone().contiguous() for k, v in d.items()}, sys.argv[2])",
            ),
            Onnx => command(
                "import sys, onnx, onnx.numpy_helper as n, safetensors.numpy as s; \
                 d = onnx.load(sys.argv[1]).graph.initializer; \
                 s.save_file({t.name: n.to_array(t).copy() for t in d}, sys.argv[2])",
            ),
            NumPyArchive => command(
                "import sys, numpy, safetensors.numpy as s; \
                 s.save_file({k: v.copy('C') for k, v in numpy.load(sys.argv[1]).items()}, sys.argv[2])",
            ),
            Pickle => format!(
                "{} (a dict of names and arrays is expected; loading a pickle runs the code in it, so do it only \
                 if you trust its source)",
                command(
                    "import sys, pickle, numpy, safetensors.numpy as s; \
                     d = pickle.load(open(sys.argv[1], 'rb')); \
                     s.save_file({k: numpy.array(v, order='C') for k, v in d.items()}, sys.argv[2])"
                )
            ),
            Keras => {
                let line = format!(
                    "import sys, io, zipfile, h5py, numpy, safetensors.numpy as s; {KERAS}\
                     h5py.File(io.BytesIO(zipfile.ZipFile(sys.argv[1]).read('model.weights.h5'))){KERAS_FILE}"
                );
                format!("{} (needs h5py; {OF_KERAS})", command(&line))
            }
            Hdf5 => {
                let line = format!(
                    "import sys, h5py, numpy, safetensors.numpy as s; {KERAS}h5py.File(sys.argv[1]){KERAS_FILE}"
                );
                format!("{} (needs h5py; {OF_KERAS})", command(&line))
            }
            TensorFlow => {
                let line = format!(
                    "import sys, numpy, tensorflow, safetensors.numpy as s; {KERAS}\
                     r = tensorflow.train.load_checkpoint(sys.argv[1]); \
                     d.update({{f(k.split('/.A')[0].split('/')): a(r.get_tensor(k)) \
                     for k, v in r.get_variable_to_shape_map().items() \
                     if v and not any(w in k.lower() for w in ('optimizer_slot', 'momentum', 'velocit', '/adam'))}}); \
                     s.save_file(d, sys.argv[2])"
                );
                format!("{} (needs tensorflow; {OF_KERAS})", command(&line))
            }
            Gguf => format!(
                "{} (needs gguf; quantised tensors become float32)",
                command(
                    "import sys, gguf, numpy, safetensors.numpy as s; \
                     s.save_file({t.name: numpy.ascontiguousarray(gguf.dequantize(t.data, t.tensor_type)) \
                     for t in gguf.GGUFReader(sys.argv[1]).tensors}, sys.argv[2])"
                )
            ),
            ShardIndex => command(
                "import sys, json, pathlib, torch, safetensors.torch as s; p = pathlib.Path(sys.argv[1]); d = {}; \
                 l = lambda f: s.load_file(f) if f.suffix == '.safetensors' else torch.load(f, map_location='cpu', \
                 weights_only=True); \
                 [d.update(l(p.parent / f)) for f in sorted(set(json.load(open(p))['weight_map'].values()))]; \
                 s.save_file({k: v.clone().contiguous() for k, v in d.items()}, sys.argv[2])",
            ),
            TfLite => "Its layers are fused for a phone: take the model that it was made from, as .h5, .keras or a \
                       checkpoint."
                .into(),
            _ => "Weights are expected as a safetensors file.".into(),
        }
    }
}

/// Of a file that holds tensors in dicts and nothing else.
fn of_torch_tensors() -> String {
    format!(
        "import sys, torch, safetensors.torch as s; \
         d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); \
         t = lambda o: {{k: v for k, v in o.items() if torch.is_tensor(v)}}; {MOST_TENSORS}"
    )
}

/// Of a file that holds any objects: a module, whose class need not be there, settings, an optimizer. Only what makes
/// tensors is called; a dict that takes everything stands for each other class, so that none of the file's code is run.
fn of_any_torch() -> String {
    format!(
        "import sys, pickle, types, torch, safetensors.torch as s; \
         C = type('C', (dict,), dict(__init__=lambda o, *a, **k: None, __hash__=object.__hash__, \
         append=lambda o, a: None, extend=lambda o, a: None, \
         __setstate__=lambda o, d: vars(o).update(d if isinstance(d, dict) else {{}}))); \
         ok = lambda m, n: '.' not in n and ((m, n) in (('collections', 'OrderedDict'), ('__builtin__', 'set'), \
         ('torch.storage', 'UntypedStorage'), ('torch', 'Size')) or m == 'torch._utils' and n[:9] == '_rebuild_' or \
         m == 'torch' and (n[-7:] == 'Storage' or isinstance(getattr(torch, n, 0), (torch.dtype, torch.qscheme)))); \
         U = type('U', (pickle.Unpickler,), dict(find_class=lambda o, m, n: \
         pickle.Unpickler.find_class(o, m, n) if ok(m, n) else C)); \
         d = torch.load(sys.argv[1], map_location='cpu', weights_only=False, \
         pickle_module=types.SimpleNamespace(__name__='pickle', Unpickler=U, load=lambda f, **k: U(f, **k).load())); \
         t = lambda o, p='': {{p + k: v for q in ([vars(o)[a] for a in ('_parameters', '_buffers')] \
         if hasattr(o, '_modules') else [o]) for k, v in q.items() if torch.is_tensor(v) and k not in \
         getattr(o, '_non_persistent_buffers_set', ())}} | {{k: v for n, m in getattr(o, '_modules', {{}}).items() \
         if m is not None for k, v in t(m, p + n + '.').items()}}; \
         {MOST_TENSORS}"
    )
}
