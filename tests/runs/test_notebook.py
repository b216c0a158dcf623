"""The parameters cell as a form, and running a notebook headless: what is checked before, what is left behind."""

import io
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import zmq

from game24lab.runs import kernel, progress
from game24lab.runs.notebook import (
    CellError,
    check_overrides,
    enter,
    find_notebook,
    parse_override,
    read_overrides,
    read_parameters,
    run_notebook,
)
from game24lab.runs.run import read_run, start_run

FORM = """\
# What may be changed:
output = "runs/90_toy"  # folder of the run
size = "tiny"  # preset = "tiny" # or "small"
steps = 3
lr = 1e-3  # learning rate
offset = -2  # below zero
shuffle = True  # mix = it
critic = None  # a folder, or none
rates = [
    0.5,  # the lower
    2.0,  # the upper
]
extra = {"a": 1}
"""

WORK = [
    'from game24lab.runs.notebook import enter\nparameters = enter("90_toy", globals())',
    'from game24lab.runs.run import start_run\nrun = start_run(output, "90_toy", parameters)',
    "import pandas as pd\nrun.write_records(pd.DataFrame({'lr': [lr] * steps}))",
    "run.finish()",
]


def write_notebook(path: Path, form: str = FORM, cells: list[str] = WORK, tags: tuple = ("parameters",)) -> Path:
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_code_cell(form, metadata={"tags": [tag]}) for tag in tags]
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def form(tmp_path):
    return write_notebook(tmp_path / "90_toy.ipynb")


def test_the_form_is_read(form):
    parameters = read_parameters(form)
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "output": "runs/90_toy", "size": "tiny", "steps": 3, "lr": 0.001, "offset": -2, "shuffle": True, "critic": None,
        "rates": [0.5, 2.0], "extra": {"a": 1},
    }  # fmt: skip
    assert next(iter(parameters)) == "output"
    assert parameters["size"].help == 'preset = "tiny" # or "small"'
    assert parameters["steps"].help == ""
    assert parameters["rates"].help == "the lower the upper"


@pytest.mark.parametrize(("form", "complaint"), [
    ("a = 1 + 1", "line 1: the default of a must be a literal, got a computed one"),
    ("a = 1\nb = a", "line 2: the default of b must be a literal"),
    ("a = b = 1", "line 1: it must read `name = literal  # help`"),
    ("a: int = 1", "line 1: it must read `name = literal"),
    ("import os", "line 1: it must read `name = literal"),
    ("a, b = 1, 2", "line 1: it must read `name = literal"),
    ("a = (1, 2)", "a must be set once, .*, got no plain literal"),
    ("a = {1: 2}", "a must be set once, .*, got no plain literal"),
    ("a = 1j", "a must be set once, .*, got no plain literal"),
    ("a = 1\na = 2", "line 2: a must be set once, .*, got it twice"),
    ("a = ", "not Python"),
    ("a = " + "[" * 5_000 + "]" * 5_000, "not Python"),
    ("a = " + "-" * 50_000 + "1", "line 1: the default|not Python"),
    ("a = '\x00'", "not Python"),
])  # fmt: skip
def test_a_form_of_another_kind_is_refused(tmp_path, form, complaint):
    with pytest.raises(ValueError, match=complaint.replace("(", r"\(")):
        read_parameters(write_notebook(tmp_path / "n.ipynb", form))


def test_files_that_are_no_forms(tmp_path):
    for text in ("", "[]", "{}", '{"cells": 3}', '{"cells": ["x"]}', "[" * 100_000):
        (tmp_path / "n.ipynb").write_text(text)
        with pytest.raises(ValueError, match="not a notebook"):
            read_parameters(tmp_path / "n.ipynb")
    for tags in ((), ("parameters", "parameters")):
        with pytest.raises(ValueError, match="one cell must be tagged `parameters`, got"):
            read_parameters(write_notebook(tmp_path / "n.ipynb", tags=tags))
    with pytest.raises(FileNotFoundError):
        read_parameters(tmp_path / "none.ipynb")


def test_fitting_overrides_are_taken(form):
    given = {"lr": 1, "steps": 5, "size": "small", "shuffle": False, "rates": [1, 2.5], "critic": "folder", "extra": {}}
    checked = check_overrides(form, given)
    assert checked == given
    assert isinstance(checked["lr"], float)
    assert all(isinstance(rate, float) for rate in checked["rates"])
    assert check_overrides(form, {"critic": 3})["critic"] == 3


@pytest.mark.parametrize(("given", "complaint"), [
    ({"stpes": 5}, r"90_toy has no parameter 'stpes': did you mean steps\? there are output, size"),
    ({"zzz": 5}, "has no parameter 'zzz': there are output"),
    ({"lr": "1e-4"}, r"parameter lr must be a number, got '1e-4' \(YAML reads 1e-4 as text; write 1.0e-4\)"),
    ({"lr": "5e-05"}, r"write 5.0e-5\)"),
    ({"lr": "fast"}, "parameter lr must be a number, got 'fast'"),
    ({"lr": True}, "parameter lr must be a number, got True"),
    ({"steps": 2.5}, "parameter steps must be a whole number, got 2.5"),
    ({"steps": False}, "parameter steps must be a whole number, got False"),
    ({"steps": None}, "parameter steps must be a whole number, got None"),
    ({"size": True}, "put it in quotes"),
    ({"size": 3}, "parameter size must be text, got 3"),
    ({"shuffle": 1}, "parameter shuffle must be true or false, got 1"),
    ({"rates": 1.0}, "parameter rates must be a list, got 1.0"),
    ({"rates": [1.0, "1e-4"]}, r"parameter rates\[1\] must be a number, got '1e-4'"),
    ({"extra": [1]}, "must be a mapping"),
    ({"critic": object()}, "parameter critic must be .*, got <object"),
])  # fmt: skip
def test_overrides_that_do_not_fit_are_named(form, given, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        check_overrides(form, given)
    assert "\n" not in str(caught.value)


def test_a_former_name_keeps_working_and_says_so(tmp_path, capsys):
    form = write_notebook(tmp_path / "90_toy.ipynb", FORM.replace("# learning rate", "# learning rate; was: rate"))
    assert read_parameters(form)["lr"].help == "learning rate"
    assert check_overrides(form, {"rate": 2, "steps": 5}) == {"lr": 2.0, "steps": 5}
    assert "parameter rate is called lr now" in capsys.readouterr().err
    assert parse_override(form, "rate", "1e-4") == 1e-4
    assert capsys.readouterr().err == "", "once is enough"
    with pytest.raises(ValueError, match="both are given: keep lr"):
        check_overrides(form, {"rate": 2, "lr": 1})
    with pytest.raises(ValueError, match="parameter lr must be a number, got 'fast'"):
        check_overrides(form, {"rate": "fast"})


def test_a_run_of_the_version_before_is_known_by_its_former_names(tmp_path):
    run_notebook(write_notebook(tmp_path / "90_toy.ipynb", FORM.replace("lr =", "rate =")
                                .replace("# mix = it", "# mix"), [cell.replace("'lr': [lr]", "'lr': [rate]")
                                                                  for cell in WORK]), {}, tmp_path / "run")  # fmt: skip
    form = write_notebook(tmp_path / "90_toy.ipynb", FORM.replace("# learning rate", "# learning rate; was: rate"))
    assert run_notebook(form, {}, tmp_path / "run").before == "finished"
    with pytest.raises(ValueError, match=r"lr is 0.001 there and 0.5 here"):
        run_notebook(form, {"rate": 0.5}, tmp_path / "run")


def test_the_command_line_reads_numbers_as_people_write_them(form):
    typed = {"lr": "1e-4", "steps": "12", "size": "3", "shuffle": "false", "rates": "[1e-4, 2]", "critic": "a/b",
             "extra": "{b: 2}", "offset": "-7"}  # fmt: skip
    assert {name: parse_override(form, name, text) for name, text in typed.items()} == {
        "lr": 1e-4, "steps": 12, "size": "3", "shuffle": False, "rates": [1e-4, 2.0], "critic": "a/b",
        "extra": {"b": 2}, "offset": -7,
    }  # fmt: skip
    assert parse_override(form, "critic", "1e-4") == 1e-4
    assert parse_override(form, "critic", "null") is None
    for name, text, complaint in [
        ("steps", "2.5", "a whole number"), ("lr", "fast", "a number"), ("rates", "3", "a list"),
        ("shuffle", "maybe", "true or false"), ("stpes", "1", "did you mean steps"), ("rates", "[1", "not YAML"),
        ("rates", "[" * 600, "nested too deeply"), ("rates", "&x [*x]", "nested too deeply"),
        ("critic", "&x {a: *x}", "nested too deeply"), ("rates", "[1, \x00]", "control character 0x00"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=complaint):
            parse_override(form, name, text)


@pytest.mark.parametrize(("text", "complaint"), [
    ("- 1\n- 2", "it must hold lines such as `name: value`"),
    ("3: 4", "lines such as `name: value`"),
    ("steps: 3\nlr: [1", r"p\.yaml, line 2: not YAML"),
    ("steps: 3\nsize: small\nsteps: 4", r"p\.yaml, line 1: not YAML \(steps stands twice\)"),
    ("a: !!python/object/apply:os.system [ls]", "not YAML"),
    ("a: b: c", "line 1: not YAML"),
    ("a: " + "[" * 5_000, r"p\.yaml: nested too deeply"),
    ("a: " + "[" * 5_000 + "]" * 5_000, r"p\.yaml: nested too deeply"),
    ("a: " + "[" * 120 + "]" * 120, r"p\.yaml: nested too deeply, or within itself; it must have at most 100 levels"),
    ("a: " + "{b: " * 120 + "}" * 120, r"p\.yaml: nested too deeply"),
    ("a: &x [*x]", r"p\.yaml: nested too deeply, or within itself"),
    ("a: &x [*x, *x]", r"p\.yaml: nested too deeply, or within itself"),
    ("a: &x {b: *x}", r"p\.yaml: nested too deeply, or within itself"),
    ("&x a: *x\nb: &y {? c : *y}", r"p\.yaml: nested too deeply, or within itself"),
    ("a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
     r"p\.yaml: it must have at most 1,000,000 entries, got .*"),
    ("steps: 3\nsize: a\x00b", r"p\.yaml, line 2: not YAML \(the control character 0x00\)"),
    ("steps: 3\n\x1b[31msize: a", r"p\.yaml, line 2: not YAML \(the control character 0x1b\)"),
    ("a: 2020-13-45", r"p\.yaml: month must be in 1"),
    ("a: " + "1" * 5_000, r"p\.yaml: Exceeds the limit"),
    ("? [a]\n: 3", r"p\.yaml"),
])  # fmt: skip
def test_a_broken_parameter_file_is_one_line(tmp_path, text, complaint):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint) as caught:
        read_overrides(path)
    assert "\n" not in str(caught.value)


def test_parameter_files(tmp_path):
    (tmp_path / "p.yaml").write_text("lr: 1.0e-4\nsize: small\n")
    assert read_overrides(tmp_path / "p.yaml") == {"lr": 1e-4, "size": "small"}
    (tmp_path / "p.yaml").write_text("\ufefflr: 1.0e-4\n", encoding="utf-8")
    assert read_overrides(tmp_path / "p.yaml") == {"lr": 1e-4}
    (tmp_path / "p.yaml").write_text("a: &x [1, 2]\nb: [*x, *x]\nc: " + "[" * 90 + "]" * 90)
    assert read_overrides(tmp_path / "p.yaml")["b"] == [[1, 2], [1, 2]]
    (tmp_path / "p.yaml").write_text("# nothing yet\n")
    assert read_overrides(tmp_path / "p.yaml") == {}
    (tmp_path / "p.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"p\.yaml"):
        read_overrides(tmp_path / "p.yaml")


def test_notebooks_are_found_by_name_or_path(form, monkeypatch):
    assert find_notebook(str(form)) == form
    (form.parent / "notebooks").mkdir()
    inside = form.rename(form.parent / "notebooks" / form.name)
    monkeypatch.chdir(inside.parent.parent)
    assert find_notebook("90_toy") == inside
    with pytest.raises(ValueError, match=r"did you mean 90_toy\?"):
        find_notebook("90_toi")
    with pytest.raises(ValueError, match="there is no such file"):
        find_notebook("none.ipynb")


def test_entering_by_hand_goes_up_to_the_project(form, monkeypatch):
    folder = form.parent / "notebooks"
    folder.mkdir()
    form.rename(folder / form.name)
    monkeypatch.chdir(folder)  # where Jupyter starts kernels
    monkeypatch.setenv("JPY_SESSION_NAME", str(folder / form.name))
    values = enter("90_toy", {"steps": 7, "output": "o", "other": 3, "In": [""]})
    assert values == {"output": "o", "steps": 7}
    assert Path.cwd() == form.parent
    assert enter("90_toy", {"steps": 8}) == {"steps": 8}
    assert Path.cwd() == form.parent


def test_a_kernel_of_a_busy_machine_has_time_to_start(form, tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr("papermill.execute_notebook", lambda *_, **settings: given.update(settings))
    write_notebook(form)
    with pytest.raises(FileNotFoundError):  # nothing has run
        run_notebook(form, {}, tmp_path / "runs" / "toy")
    assert given["start_timeout"] >= 600


def test_a_notebook_runs_headless_and_is_then_already_there(form, tmp_path, capfd, monkeypatch):
    stale = tmp_path / "home" / "kernels" / "python3"
    stale.mkdir(parents=True)
    (stale / "kernel.json").write_text('{"argv": ["/nowhere/python", "-f", "{connection_file}"], "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "home"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setitem(progress._EVERY, False, 600.0)  # however busy the machine is, this is work of a moment
    cells = [*WORK[:3], "import sys\nfrom tqdm.auto import tqdm\nprint(sys.executable, *tqdm([1]))", WORK[3]]
    write_notebook(form, cells=cells)
    folder = tmp_path / "runs" / "toy"
    run = run_notebook(form, {"lr": 2, "steps": 4}, folder)
    assert run.before == "new"
    assert run.status == "finished"
    assert run.parameters["lr"] == 2.0
    assert run.parameters["output"] == str(folder)
    assert list(run.read_records()["lr"]) == [2.0] * 4
    executed = (folder / "notebook.ipynb").read_text()
    assert sys.executable in executed
    error = capfd.readouterr().err
    assert error == "", "what takes a moment says nothing where nobody looks at a terminal"
    monkeypatch.setattr("game24lab.runs.notebook._execute", lambda *_: pytest.fail("it runs again"))
    again = run_notebook(form, {"lr": 2.0, "steps": 4}, folder)
    assert again.before == "finished"
    assert again.id == run.id
    with pytest.raises(ValueError, match="steps is 4 there and 5 here"):
        run_notebook(form, {"lr": 2.0, "steps": 5}, folder)
    assert (folder / "notebook.ipynb").read_text() == executed


BARS = """\
import sys
from tqdm.auto import tqdm, trange
print("before", file=sys.stderr)
for _ in tqdm(range(3), desc="outer", mininterval=0):
    for _ in trange(40, desc="inner", mininterval=0):
        pass
    for _ in trange(40, desc="passing", mininterval=0, leave=False):
        pass
print("after", file=sys.stderr)"""


def test_the_notebook_that_ran_keeps_what_a_bar_ended_with_and_not_how_it_grew(tmp_path, monkeypatch):
    """Thousands of states of bars, and codes that move a cursor, are nothing to read: a page shows each as a line."""
    monkeypatch.setattr(progress, "_EVERY", {True: 0.0, False: 0.0})
    path, told = write_notebook(tmp_path / "90_toy.ipynb", cells=[*WORK[:3], BARS, WORK[3]]), io.StringIO()
    run = run_notebook(path, {}, tmp_path / "run", stream=told)
    (cell,) = [one for one in nbformat.read(run.folder / "notebook.ipynb", 4).cells if one.source == BARS]
    (output,) = cell.outputs
    lines = output.text.splitlines()
    assert [line.split(":")[0].strip() for line in lines if line.strip()] == [
        "before", "inner", "inner", "inner", "outer", "after"]  # fmt: skip
    assert all("100%" in line for line in lines if "er:" in line)
    assert "\x1b" not in output.text
    assert "\r" not in output.text
    assert "outer: " in told.getvalue(), "as it went, it was told"


def test_a_kernel_does_not_tell_of_a_flush_behind_its_end(caplog):
    socket, log = zmq.Context.instance().socket(zmq.PUSH), logging.getLogger("tornado.general")
    socket.close()
    for act in (lambda: socket.send(b""), lambda: 1 / 0):
        try:
            act()
        except (zmq.ZMQError, ZeroDivisionError):
            log.error("Uncaught exception in ZMQStream callback", exc_info=True)
    log.error("no exception")
    flush, *others = caplog.records
    assert "non-socket" in str(flush.exc_info[1])
    assert not kernel.is_told(flush)
    assert len(others) == 2
    assert all(map(kernel.is_told, others))


def test_a_failing_cell_is_one_line_and_leaves_its_notebook(form, tmp_path):
    complaint = "if steps == 3:\n    raise ValueError(f'steps {steps}: 4 is accepted\\nmore')"
    write_notebook(form, cells=[*WORK[:2], complaint, *WORK[2:]])
    folder = tmp_path / "run"
    with pytest.raises(CellError) as caught:
        run_notebook(form, {}, folder)
    where = f"(see {folder}/notebook.ipynb)"
    assert str(caught.value) == f"90_toy.ipynb, cell In [5]: ValueError: steps 3: 4 is accepted more {where}"
    assert caught.value.bad_input
    assert read_run(folder).status == "failed"
    assert "4 is accepted" in read_run(folder).manifest["error"]
    assert "4 is accepted" in (folder / "notebook.ipynb").read_text()


def test_a_failed_import_in_a_cell_says_why(form, tmp_path):
    """transformers tells on its first line that it failed, and on the next one why."""
    cell = ("raise ImportError('Failed to import transformers.models.x because of the following error (look up to see "
            "its traceback):\\nNo module named \\'nowhere\\'')")  # fmt: skip
    write_notebook(form, cells=[*WORK[:2], cell])
    with pytest.raises(CellError, match=r"error: No module named 'nowhere' \(see ") as caught:
        run_notebook(form, {}, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert "look up" not in str(caught.value)


def test_a_run_that_was_begun_before_is_resumed(form, tmp_path):
    folder = tmp_path / "run"
    values = {name: parameter.default for name, parameter in read_parameters(form).items()}
    begun = start_run(folder, "90_toy", values)
    begun.interrupt()
    run = run_notebook(form, {}, folder)
    assert run.before == "resumed"
    assert run.id == begun.id
    assert run.status == "finished"


def test_a_notebook_that_forgets_to_finish(form, tmp_path):
    write_notebook(form, cells=WORK[:2])
    with pytest.raises(ValueError, match="without finishing its run"):
        run_notebook(form, {}, tmp_path / "run")
    with pytest.raises(ValueError, match="no parameter `output`"):
        run_notebook(write_notebook(tmp_path / "91_x.ipynb", "a = 1"), {}, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_unwritable_folder_is_told_before_anything_runs(form, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="run folder cannot be written"):
        run_notebook(form, {}, tmp_path / "file" / "run")


def test_an_interrupt_stops_the_kernel_and_marks_the_run(form, tmp_path):
    write_notebook(form, cells=[*WORK[:2], "import time\nopen(output + '/up', 'w').close()\ntime.sleep(600)", WORK[3]])
    code = "import sys; from game24lab.runs.notebook import run_notebook; run_notebook(sys.argv[1], {}, sys.argv[2])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(form), str(tmp_path / "run")], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # background jobs ignore it
    )  # fmt: skip
    until = time.time() + 600
    while not (tmp_path / "run" / "up").exists() and process.poll() is None and time.time() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=600)
    assert process.returncode in (-signal.SIGINT, 1, 130)
    assert error.rstrip().endswith("KeyboardInterrupt")
    run = read_run(tmp_path / "run")
    assert run.status == "interrupted"
    kernel = run.manifest["sessions"][-1]["pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)
