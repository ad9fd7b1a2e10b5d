"""The completions of Tab: only usable items, the most useful first.

rust-analyzer treats fer_nb as a crate that is being edited, so it offers private fields and functions as well;
evcxr passes on everything in rust-analyzer's order, and fills in values that don't compile.
"""

import functools
import re

from marker import MARKER
from toolchain import CRATE

# Methods of every type, which users hardly ever look for.
LAST = (
    "borrow borrow_mut into try_into to_owned clone_into clone_from type_id from try_from as_any "
    "eq ne cmp partial_cmp fmt hash"
).split()
HIDDEN = (MARKER, "evcxr_display")

RECEIVER = re.compile(r"([A-Za-z_]\w*)\s*\.\s*\w*$")
LITERAL = re.compile(r"([A-Z]\w*)\s*\{[^{}]*$")
STRUCT = re.compile(r"^(?:pub(?:\([\w ]+\))? )?struct (\w+)[^{;]*\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^    (pub )?(?:pub\([\w ]+\) )?(\w+):", re.MULTILINE)
IMPL = re.compile(r"^impl(?:<[^>]*>)? (\w+)(?:<[^>]*>)? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"^    (pub )?(?:pub\([\w ]+\) )?(?:const |async |unsafe )*fn (\w+)", re.MULTILINE)
PLACEHOLDERS = re.compile(r"^(\w+) ?([{(]).*\(\).*[)}]$")


def private_names(text):
    """Of each struct in Rust's source, the fields and functions that only its own crate can use; functions
    with an opening parenthesis, for a field may have the same name."""
    private = {}
    for pattern, member, end in ((STRUCT, FIELD, ""), (IMPL, FUNCTION, "(")):
        for name, body in pattern.findall(text):
            found = {entry + end for public, entry in member.findall(body) if not public}
            private.setdefault(name, set()).update(found)
    return private


@functools.cache
def private_in_the_crate():
    private = {}
    for path in CRATE.glob("src/**/*.rs"):
        for name, found in private_names(path.read_text()).items():
            private.setdefault(name, set()).update(found)
    return private


def type_at(before, types):
    """The name of the type whose members are completed, or None: of the variable before the dot, or of
    the literal that the cursor is in. `types` maps variables to types."""
    receiver = RECEIVER.search(before)
    if receiver:
        of_variable = types.get(receiver[1], "")
        return re.sub(r"<.*", "", of_variable).split("::")[-1].strip("& ") or None
    literal = LITERAL.search(before)
    return literal[1] if literal else None


def tidy(reply, before, types):
    """evcxr's reply with usable items only, in a useful order."""
    entries = reply.get("metadata", {}).get("_jupyter_types_experimental", [])
    if len(entries) != len(reply["matches"]):
        entries = [{"text": match, "type": ""} for match in reply["matches"]]
    private = private_in_the_crate().get(type_at(before, types), set())
    kept = []
    for match, entry in zip(reply["matches"], entries):
        name, called = re.match(r"(\w*)(\(?)", match).groups()
        if name + called in private or any(hidden in match for hidden in HIDDEN):
            continue
        kept.append((PLACEHOLDERS.sub(_opened, match), entry, _rank(name, match, entry)))
    kept.sort(key=lambda one: one[2])  # stable: rust-analyzer's order otherwise
    metadata = {"_jupyter_types_experimental": [entry for _, entry, _ in kept]}
    return {**reply, "matches": [match for match, _, _ in kept], "metadata": metadata}


def _opened(found):
    """A variant without the values that rust-analyzer invented: Tab offers its fields next."""
    return f"{found[1]} {{ " if found[2] == "{" else f"{found[1]}("


def _rank(name, match, entry):
    if name in LAST:
        return 2
    is_field = entry.get("type") == "instance" and match == name
    return 0 if is_field else 1
