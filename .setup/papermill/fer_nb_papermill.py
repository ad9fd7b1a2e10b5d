"""Parameters of papermill for Rust notebooks: `papermill 04_training.ipynb out.ipynb -p epochs 5`.

A parameter sets the variable that `param("epochs", 35)?` in a notebook reads, FER_EPOCHS. papermill loads this module
by its entry point for engines, the only one that it always loads.
"""

import json
import re

from papermill.engines import NBClientEngine
from papermill.translators import Translator, papermill_translators


class RustTranslator(Translator):
    """Writes the cell of parameters that papermill puts at the top of a notebook."""

    @classmethod
    def comment(cls, text):
        return f"// {text}"

    @classmethod
    def translate_none(cls, value):
        return cls.translate_str("")  # as if it were not set

    @classmethod
    def translate_bool(cls, value):
        return cls.translate_str("true" if value else "false")

    @classmethod
    def translate_raw_str(cls, value):
        return cls.translate_str(str(value))

    @classmethod
    def translate_str(cls, value):
        # A string of JSON is one of Rust where it escapes nothing by number.
        return re.sub(r"\\u([0-9a-f]{4})", r"\\u{\1}", json.dumps(value, ensure_ascii=False))

    @classmethod
    def translate_list(cls, values):
        return cls.translate_str(",".join(map(str, values)))

    @classmethod
    def assign(cls, name, text):
        if not re.fullmatch(r"[A-Za-z]\w*", name):
            raise ValueError(f"-p {name}: expected the name of a hyperparameter, such as epochs")
        # The first cell: nothing else runs in the process yet.
        return f'unsafe {{ std::env::set_var("FER_{name.upper()}", {text}) }};'


papermill_translators.register("rust", RustTranslator)
Engine = NBClientEngine
