"""The kernel's processing of evcxr's texts, without a kernel: errors, consumed variables, Tab, progress."""

from types import SimpleNamespace

import cell as cell_output
import completion
import errors
import live
import pytest
from variables import Variables
from waiting import Waiting


def error(message, *lines):
    return {"ename": "Error", "evalue": message, "traceback": list(lines) or [message]}


def report(message, line, text, label):
    """As evcxr draws an error, without its colours."""
    return error(
        message,
        f"[E0308] Error: {message}",
        "   ╭─[ command_60:1:1 ]",
        "   │",
        f" {line} │ {text}",
        f"   │ ─┬─  {label}",
        "───╯",
    )


def readable(content, source="", where=lambda name: None):
    (shown,) = errors.readable([content], 12, source, where)
    return shown


# --- errors --------------------------------------------------------------------------------------


def test_a_place_is_the_cell_and_the_line():
    shown = readable(report("mismatched types", 3, 'let n: i32 = "a";', "expected `i32`"))
    assert shown["traceback"][1] == "   ╭─[ cell [12], line 3 ]"
    assert "command_" not in "".join(shown["traceback"])
    assert shown["evalue"] == "mismatched types"


def test_a_cell_with_letters_beyond_ascii_has_its_message_and_place_first():
    source = 'let größe: i32 = "a";'
    message = "mismatched types"
    shown = readable(error(message, source, "                 ^^^ expected `i32`", message), source)
    assert shown["traceback"] == [
        "Error: mismatched types, in cell [12]",
        source,
        "                 ^^^ expected `i32`",
    ]


@pytest.mark.parametrize(
    "message, source",
    [
        ("expected `;`, found <end of input>", "let a = 1"),
        ("expected `;`, found `evcxr_variable_store`", "let a = f()?"),
        ("expected `;`, found `Ok`", "let a = 1"),
        ("expected one of `.`, `;`, `?`, `else`, or an operator, found `}`", "let a = 1"),
        ("expected `;`, found `Ok`", 'let a = "Ok" // Ok'),
    ],
)
def test_a_missing_semicolon_at_the_end_is_said_without_the_wrapping(message, source):
    shown = readable(report(message, 1, source, f"error: {message}\x1b[0m"), source)
    assert shown["evalue"] == errors.END_OF_CELL
    assert message.split("found ")[1] not in "".join(shown["traceback"][4:])
    assert shown["traceback"][0] == f"[E0308] Error: {errors.END_OF_CELL}"


def test_a_missing_semicolon_within_the_cell_keeps_its_token():
    source = "let a = 1\nlet b = 2;"
    shown = readable(report("expected `;`, found keyword `let`", 1, "let a = 1", "help"), source)
    assert shown["evalue"] == "expected `;`, found keyword `let`"


def test_a_long_message_is_cut_and_keeps_its_first_line():
    red = "\x1b[31mError\x1b[0m: arguments to this method are incorrect"
    lines = [red, "   ╭─[ command_7:1:1 ]"] + [f" 1 │ {'x' * 400}"] * 60
    shown = readable(error("arguments to this method are incorrect", *lines))
    text = "\n".join(errors.ANSI.sub("", line) for line in shown["traceback"])
    assert len(text) < errors.MOST_TEXT + 200
    assert shown["traceback"][0] == red
    assert all(len(line) <= errors.MOST_COLUMNS + 2 for line in text.split("\n"))
    assert shown["traceback"][-1].endswith("more lines of rustc's message")
    short = readable(error("a", "b", "command_3:1:1"))
    assert short["traceback"] == ["b", "cell [12]"]


def test_an_escape_sequence_is_never_cut():
    text = "".join(f"\x1b[3{n % 8}m{n % 10}\x1b[0m" for n in range(50))
    cut = errors.cut(text, 20)
    assert errors.ANSI.sub("", cut) == "01234567890123456789 …"
    assert errors.cut("short", 20) == "short"


def test_a_crate_that_is_not_there_names_the_path_that_works(tmp_path, monkeypatch):
    source = ':dep fer_nb = { path = "../fer_nb" }\nuse fer_nb::prelude::*;'
    message = 'No such file or directory (os error 2): "../fer_nb"'
    monkeypatch.chdir(tmp_path)
    shown = readable(error(message), source)
    assert f'path = "{errors.CRATE}"' in shown["evalue"] and str(tmp_path) in shown["evalue"]
    monkeypatch.chdir(errors.CRATE.parent)
    assert 'path = "fer_nb"' in readable(error(message), source)["evalue"]
    # Another crate's trouble is its own.
    other = ':dep other = { path = "../other" }'
    assert readable(error(message), other)["evalue"] == message


@pytest.mark.parametrize(
    "message, name",
    [
        ("cannot find module or crate `fer_nb` in this scope", "fer_nb"),
        ("cannot find type `FaceData` in this scope", "FaceData"),
        ("cannot find struct, variant or union type `TrainConfig` in this scope", "TrainConfig"),
        ("cannot find function `runs` in this scope", "runs"),
        ("cannot find value `ValLoss` in this scope", "ValLoss"),
        ("cannot find module or crate `polars` in this scope", "polars"),
    ],
)
def test_a_notebook_that_has_not_loaded_the_crate_says_how(message, name):
    shown = readable(error(message), name)["evalue"]
    assert shown == f"`{name}` {errors.LOADING}" and ":dep fer_nb" in shown


def test_names_of_others_are_no_reason_to_load_the_crate():
    for name in ("Faces", "ShowValue", "crate", "_"):
        message = f"cannot find type `{name}` in this scope"
        assert readable(error(message), name)["evalue"] == message


# --- variables -----------------------------------------------------------------------------------


def listed(*names):
    return "".join(f"{name}: fer_nb::train::TrainConfig\n" for name in names)


def test_a_variable_that_a_cell_moved_is_named_with_the_cell():
    variables = Variables()
    variables.after(4, listed("config", "data"), "let config = a();\nlet data = b();")
    variables.after(6, listed("data"), "let t = Trainer::new(network, config)?;")
    unknown = error("cannot find value `config` in this scope", "Error: cannot find value `config` in this scope")
    shown = errors.readable([unknown, unknown], 7, "config", variables.where)
    assert [one["evalue"] for one in shown] == [
        "`config` was moved in cell [6]; run cell [4], which defines it, again, or clone it there: "
        "`config.clone()`"
    ]
    assert variables.where("data") is None and variables.where("nobody") is None
    variables.after(8, listed("data", "config"), "let config = a();")
    assert variables.where("config") is None


def test_a_cell_that_moves_what_it_defines_says_so():
    variables = Variables()
    source = "let mut space = Space::new();\nlet (a, b) = f();\nfn g() {\n    let inner = 1;\n}\nh(space, a);"
    variables.after(3, listed("b"), source)
    for name in ("space", "a"):
        assert variables.where(name).startswith(f"`{name}` was moved in cell [3], which defines it;")
    assert variables.where("inner") is None and variables.where("b") is None


def test_a_cell_that_failed_has_not_defined_its_variables():
    variables = Variables()
    variables.after(3, listed("data"), "let data = open()?;")
    variables.after(4, listed("data"), "let test = f()?;", ended=False)
    assert variables.where("test") == "`test` was not defined: cell [4] ended with an error"
    variables.after(5, listed("data", "test"), "let test = f()?;")
    assert variables.where("test") is None
    # evcxr drops the one before as well.
    variables.after(6, listed("test"), "let data = open()?;", ended=False)
    assert variables.where("data") == "`data` was not defined: cell [6] ended with an error"


def test_variables_that_went_with_the_process_are_said_to():
    variables = Variables()
    variables.after(3, listed("data"), "let data = open()?;")
    variables.lost(9)
    assert "lost when the process that runs the cells ended in cell [9]" in variables.where("data")
    variables.after(10, listed("other"), "let other = 1;")
    assert variables.where("data") is not None


# --- Tab -----------------------------------------------------------------------------------------

SOURCE = """\
pub struct Trainer {
    /// Public.
    pub history: History,
    pub(super) state: State,
    folder: Option<RunFolder>,
}

impl Trainer {
    pub fn fit(&mut self) {}

    fn of() {}

    pub(super) fn computing<T>(&mut self) {}
}
"""


def test_private_members_are_found_in_the_source():
    assert completion.private_names(SOURCE) == {"Trainer": {"state", "folder", "of(", "computing("}}
    crate = completion.private_in_the_crate()
    assert {"state", "config", "callbacks", "must_resume"} <= crate["Trainer"]
    assert "epochs" not in crate["TrainConfig"] and "validate" not in crate["TrainConfig"]


def test_a_type_that_can_not_be_told_is_asked_for():
    shown = readable(report(errors.NEVER, 2, "let x = made!();", "help"))
    assert shown["evalue"] == errors.NO_TYPE


def offered(matches, before, types=None):
    entries = [{"text": m, "type": "instance" if m.isidentifier() else "function"} for m in matches]
    reply = {"status": "ok", "matches": matches, "metadata": {"_jupyter_types_experimental": entries}}
    reply = completion.tidy(reply, before, types or {})
    assert len(reply["metadata"]["_jupyter_types_experimental"]) == len(reply["matches"])
    return reply["matches"]


def test_tab_offers_what_can_be_used_and_first_what_is_wanted():
    types = {"live": "fer_nb::notebook::LiveCurves", "figure": "fer_nb::plot::Figure"}
    matches = ["id", "state", "borrow()", "try_into()", "evcxr_display()", "clone()", "figure()", "page()"]
    assert offered(matches, "live.", types) == ["clone()", "figure()", "borrow()", "try_into()"]
    matches = ["canvas", "svg", "try_into()", "into()", "save(path)", "svg()"]
    assert offered(matches, "figure.", types) == ["save(path)", "svg()", "try_into()", "into()"]
    # Of another crate's type nothing is known to be private.
    assert offered(["state", "id"], "thing.", {"thing": "other::Thing"}) == ["state", "id"]
    fields = ["epochs", "batch_size", "cell_ran_to_its_end"]
    assert offered(fields, "let c = TrainConfig { ") == ["epochs", "batch_size"]


def test_values_that_do_not_compile_are_not_filled_in():
    matches = ["AdamW { beta1: (), beta2: (), weight_decay: () }", "Custom(())", "adam()", "sgd(momentum)"]
    assert offered(matches, "Optimizer::") == ["AdamW { ", "Custom(", "adam()", "sgd(momentum)"]


# --- outputs -------------------------------------------------------------------------------------


class Sent:
    """Stands in for the kernel: keeps what is sent."""

    def __init__(self):
        self.execution_count, self.iopub_socket, self.display_ids = 3, None, set()
        self.evcxr = SimpleNamespace(secret="secret")
        self.messages, self.waiting = [], Waiting(self.send)

    def send(self, request, kind, content):
        self.messages.append((f"{request['header']['msg_id']}: {kind}", content))

    def send_response(self, _socket, kind, content):
        self.messages.append((kind, content))


def stdout(text):
    return {"msg_type": "stream", "content": {"name": "stdout", "text": text}}


def marked(text):
    return live.START + "secret;" + text + live.END + "\n"


def test_every_output_of_a_cell_survives_in_its_order():
    sent = Sent()
    cell = cell_output.Cell(sent, silent=False)
    for name in ("a", "b"):
        cell.take(stdout(f"before {name}\n"))
        cell.take(stdout(marked(f'{{"action": "display", "id": null, "data": {{"text/plain": "{name}"}}}}')))
    cell.take({"msg_type": "execute_result", "content": {"data": {"text/plain": "value"}}})
    assert [kind for kind, _ in sent.messages] == ["stream", "display_data"] * 2 + ["execute_result"]
    shown = [content["data"]["text/plain"] for kind, content in sent.messages if "data" in content]
    assert shown == ["a", "b", "value"]


def test_a_line_of_progress_is_replaced_by_the_next():
    sent = Sent()
    cell = cell_output.Cell(sent, silent=False)
    progress = '{{"action": "progress", "id": null, "data": {{"text/plain": "{}"}}}}'
    cell.take(stdout(marked(progress.format("epoch 1/2: a long line"))))
    cell.take(stdout(marked(progress.format("epoch 1/2: short"))))
    cell.take(stdout("epoch  1/2: done\nnext\n"))
    cell.flush()
    text = "".join(content["text"] for _, content in sent.messages)
    shown = []
    for line in text.split("\n"):
        row = ""
        for part in line.split("\r"):
            row = part + row[len(part) :]
        shown.append(row.rstrip())
    assert shown == ["epoch  1/2: done", "next", ""]


def test_a_result_that_holds_an_error_makes_the_cell_fail():
    cell = cell_output.Cell(Sent(), silent=False)
    cell.take(stdout(marked('{"action": "fail", "id": null, "data": {"text/plain": "no such run"}}')))
    assert cell.failure == "no such run"


CHART = '{{"action": "{}", "id": "curves-1", "data": {{"text/html": "{}"}}}}'


def test_a_cell_that_waits_for_a_training_says_its_epoch_and_draws_the_chart_further():
    sent = Sent()
    request = {"header": {"msg_id": "late"}}
    assert not sent.waiting.runs("live", "first")
    cell_output.Cell(sent, silent=False).take(stdout(marked(CHART.format("display", "empty"))))
    sent.waiting.ended()
    sent.waiting.takes(request, "live")  # no training: there is nothing to say
    assert not any(kind.startswith("late") for kind, _ in sent.messages)

    assert not sent.waiting.runs("trainer.fit(&data)?;", "second")
    cell = cell_output.Cell(sent, silent=False)
    cell.take(stdout("epoch 16/40: loss 1.2  accuracy 0.5\n"))
    cell.take(stdout(marked(CHART.format("show", "drawn"))))
    sent.messages.clear()
    sent.waiting.takes(request, " live\n")
    (kind, line), (_, chart) = sent.messages
    assert kind == "late: display_data" and "training is at epoch 16 of 40" in line["data"]["text/plain"]
    # The same id: what the training draws next reaches it.
    assert chart["transient"] == {"display_id": "curves-1"} and chart["data"] == {"text/html": "drawn"}
    other = {"header": {"msg_id": "other"}}
    sent.waiting.takes(other, "history")
    sent.messages.clear()
    cell.take(stdout("epoch 17/40: 64/1923 images, loss 1.1\nepoch 17/40: 128/1923 images, loss 1.1\n"))
    told = [(kind, content["data"]["text/plain"]) for kind, content in sent.messages]
    words = "training is at epoch 17 of 40; this cell runs when it is done"
    assert told == [("late: update_display_data", words), ("other: update_display_data", words)]
    updated = sent.messages[0][1]["transient"]
    assert updated == line["transient"]

    sent.waiting.ended()
    assert sent.waiting.runs("live", "late")  # what it said goes
    assert not sent.waiting.runs("live", "later")
