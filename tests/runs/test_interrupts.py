"""Interrupts: whatever comes, and whenever, the kernel of a headless run ends with its command; the run is marked."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from game24lab.runs.interrupts import InterruptedWorkError, go_on, hold_interrupts, note_interrupt
from game24lab.runs.run import read_run

ROOT = Path(__file__).parents[2]
PATIENCE = 600  # seconds, for the slowest of machines
FORM = 'output = "runs/90_toy"  # folder of the run\nkind = "sleeps"  # how it works'
CELLS = [
    'from game24lab.runs.notebook import enter\nparameters = enter("90_toy", globals())',
    'from game24lab.runs.run import start_run\nrun = start_run(output, "90_toy", parameters)',
    """
import subprocess, time
worker = subprocess.Popen(["sleep", "3000"])
until = time.monotonic() + 3000
open(output + "/up", "w").close()
while time.monotonic() < until:
    try:
        time.sleep(10)
    except KeyboardInterrupt:
        if kind != "deaf":
            raise
        open(output + "/heard", "w").close()
""",
    'open(output + "/on", "w").close()',
    "run.finish()",
]


def write_notebook(folder):
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    notebook.cells = [nbformat.v4.new_code_cell(FORM, metadata={"tags": ["parameters"]})]
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    nbformat.write(notebook, folder / "90_toy.ipynb")


def listen():
    """Hear what background jobs and `nohup` ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Command:
    """`game24lab run` on a notebook that sleeps, with all processes that it has ever had."""

    def __init__(self, folder, kind="sleeps"):
        write_notebook(folder)
        self.run, self.seen = folder / "run", {}
        command = [sys.executable, "-m", "game24lab", "run", "90_toy.ipynb", "-p", "kind", kind, "--output", "run"]
        self.process = subprocess.Popen(
            command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
            preexec_fn=listen,
        )  # fmt: skip

    def look(self):
        """The kernel's process, or None; keeps what has been seen."""
        kernel = None
        with contextlib.suppress(psutil.Error):  # it ends while it is looked at
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.seen[child.pid] = child
                kernel = child if "kernel.py" in " ".join(child.cmdline()) else kernel
        return kernel

    def is_up(self):
        """Whether its cell sleeps, and so does the worker that it has started."""
        return self.look() is not None and (self.run / "up").exists()

    def wait_for(self, holds):
        until = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.005)

    def end(self):
        """The status, once the command has ended; what is still alive then of what it had started."""
        self.look()
        _, self.said = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, self.list_living()

    def list_living(self):
        """What it had started and is alive; what nobody has buried is not."""
        living = []
        for child in self.seen.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                living += [child] if child.is_running() and child.status() != psutil.STATUS_ZOMBIE else []
        return living


@pytest.fixture
def start(tmp_path):
    commands = []

    def start(kind="sleeps"):
        commands.append(Command(tmp_path, kind))
        return commands[-1]

    yield start
    for command in commands:
        command.process.kill()
        command.process.communicate()
        for child in command.list_living():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()


@pytest.mark.parametrize(("moment", "first", "second", "status"), [
    ("starting", signal.SIGINT, None, 130),
    ("starting", signal.SIGTERM, signal.SIGTERM, 143),
    ("starting", signal.SIGINT, signal.SIGINT, 130),
    ("running", signal.SIGTERM, None, 143),
    ("running", signal.SIGHUP, None, 129),
    ("running", signal.SIGINT, signal.SIGINT, 130),
    ("running", signal.SIGTERM, signal.SIGINT, 143),
    ("running", signal.SIGINT, signal.SIGTERM, 130),
])  # fmt: skip
def test_the_kernel_ends_with_the_command(start, moment, first, second, status):
    command = start()
    command.wait_for({"starting": command.look, "running": command.is_up}[moment])
    command.process.send_signal(first)
    if second is not None:
        time.sleep(0.2)
        command.process.send_signal(second)
    assert command.end() == (status, [])
    assert not (command.run / "on").exists()
    assert "Traceback" not in command.said
    if moment == "running" or (command.run / "manifest.json").exists():
        assert read_run(command.run).status == "interrupted"


def test_a_cell_that_does_not_stop_is_killed_by_the_second_interrupt(start):
    command = start("deaf")
    command.wait_for(command.is_up)
    command.process.send_signal(signal.SIGINT)
    command.wait_for((command.run / "heard").exists)
    command.process.send_signal(signal.SIGINT)
    assert command.end() == (130, [])
    assert read_run(command.run).status == "interrupted"


def test_many_interrupts_are_like_two(start):
    command = start()
    command.wait_for(command.look)
    for _ in range(30):
        command.process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    assert command.end() == (130, [])


@pytest.mark.parametrize("moment", ["starting", "running"])
def test_a_killed_command_takes_its_kernel_along(start, moment):
    command = start()
    command.wait_for({"starting": command.look, "running": command.is_up}[moment])
    command.look()
    command.process.kill()
    command.process.wait()
    until = time.monotonic() + PATIENCE
    while command.list_living() and time.monotonic() < until:
        time.sleep(0.01)
    assert command.list_living() == []
    assert not (command.run / "on").exists()


# ------------------------------------------------------------------------------------------------ held within a process
@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C as Python has it: a shell starts what runs in the background with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_interrupts_are_held_and_the_first_is_raised():
    steps = []
    with pytest.raises(KeyboardInterrupt), hold_interrupts() as caught:  # noqa: PT012
        go_on(caught)
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        steps.append(list(caught))
        with pytest.raises(InterruptedWorkError):
            go_on(caught)
    assert steps == [[signal.SIGINT, signal.SIGINT]]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with hold_interrupts() as caught:
            os.kill(os.getpid(), signal.SIGHUP)
        assert caught == []
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_would_have_killed_ends_in_good_order():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as end, hold_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
        assert end.value.code == 143
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_holds_nothing():
    def work():
        with hold_interrupts() as caught:
            found.append(list(caught))

    found = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [[]]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_first_interrupt_is_noted_and_the_second_raised():
    told, before = [], signal.getsignal(signal.SIGINT)

    def interrupt_twice():
        with note_interrupt(lambda: told.append(1)) as is_noted:
            assert not is_noted()
            signal.raise_signal(signal.SIGINT)
            assert is_noted()
            assert told == [1]
            signal.raise_signal(signal.SIGINT)
            pytest.fail("the second one is raised")

    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with note_interrupt(lambda: None) as is_noted:
            signal.raise_signal(signal.SIGINT)
            assert not is_noted()
    finally:
        signal.signal(signal.SIGINT, before)
