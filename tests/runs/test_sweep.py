"""Sweeps: what a file asks for, and cells that neither a killed worker nor a failing neighbour can lose or double."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import pandas as pd
import psutil
import pytest
import yaml
from test_notebook import write_notebook
from tqdm import tqdm

from game24lab.cli import main as cli
from game24lab.runs.cluster import open_client
from game24lab.runs.run import read_run
from game24lab.runs.sweep import (
    collect_cells,
    describe_plan,
    examine_cells,
    make_sweep,
    measure_seconds,
    name_cell,
    read_sweep,
    tell_end,
)
from game24lab.runs.sweep_workers import run_cells

ROOT = Path(__file__).parents[2]
SWEEPS = sorted((ROOT / "params" / "sweeps").glob("*.yaml"))
FORM = """\
output = "runs/90_toy"  # folder of the run
value = 1  # what is doubled
seconds = 0.0  # to work
fault = ""  # what goes wrong: "error" or "death"
seed = 0  # of nothing
"""
WORK = [
    'from game24lab.runs.notebook import enter\nparameters = enter("90_toy", globals())',
    'from game24lab.runs.run import start_run\nrun = start_run(output, "90_toy", parameters)',
    "import os, signal, time\nimport pandas as pd",
    "if fault == 'error':\n    raise ValueError(f'no {value} today')",
    "if fault == 'death':\n    os.kill(os.getppid(), signal.SIGKILL)\n    time.sleep(60)",
    "import sys\nprint(f'value {value}', file=sys.stderr)\ntime.sleep(seconds)",
    "run.write_records(pd.DataFrame({'double': [2 * value], 'cell': ['its own']}))",
    "run.finish()",
]


@pytest.fixture
def toy(tmp_path):
    return write_notebook(tmp_path / "90_toy.ipynb", FORM, WORK)


def ask(toy, **more):
    return make_sweep({"notebook": str(toy), "grid": {"value": [1, 2, 3]}} | more)


def quiet(**settings):
    return tqdm(disable=True, **settings)


def test_every_combination_is_a_cell_with_a_name(toy, tmp_path):
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump({
        "notebook": str(toy), "parameters": {"seconds": 1}, "grid": {"value": [1, 2], "seed": [0, 1]},
        "cells": [{"value": 9}]}, sort_keys=False))  # fmt: skip
    sweep = read_sweep(tmp_path / "grid.yaml")
    assert [cell.name for cell in sweep.cells] == ["value=1,seed=0", "value=1,seed=1", "value=2,seed=0",
                                                   "value=2,seed=1", "value=9"]  # fmt: skip
    assert sweep.cells[-1].parameters == {"seconds": 1.0, "value": 9}


def test_names_are_folders_whatever_is_in_them():
    assert name_cell({"sizes": ["3x48", "4x96"], "lr": 1e-3}) == "sizes=3x48+4x96,lr=0.001"
    for value in ("../up", "a/b", "x" * 200, {"n": [1, {"m": "/"}]}):
        name = name_cell({"value": value})
        assert "/" not in name
        assert len(name) <= 60
    assert name_cell({"value": "x" * 200}) != name_cell({"value": "x" * 201})


@pytest.mark.parametrize(("given", "message"), [
    ({"grid": {"valu": [1]}}, "has no parameter 'valu': did you mean value"),
    ({"grid": {"value": ["x"]}}, "parameter value must be a whole number, got 'x'"),
    ({"grid": {"value": []}}, "grid: value must be a list of at least one value, got"),
    ({"grid": {"value": 3}}, "grid: value must be a list of at least one value, got 3"),
    ({"grid": {}}, "grid or cells must have one cell at least, got none"),
    ({"grid": {"value": [1, 2, 1]}}, "cells value=1 and value=1 collide"),
    ({"cells": [{"value": 2, "seed": 0}]}, "cells value=2 and value=2,seed=0 collide: they are one run"),
    ({"parameters": {"value": 1}}, "value stands in parameters and in the grid: keep one"),
    ({"parameters": {"output": "x"}}, "output must be left out"),
    ({"gird": {}}, "'gird' is no key of a sweep; .*did you mean 'grid'"),
    ({"notebook": "91_none.ipynb"}, "there is no such file"),
    ({"notebook": 3}, "notebook must be the name of one, got 3"),
    ({"cluster": []}, "cluster must be a mapping"),
])  # fmt: skip
def test_bad_sweeps_are_refused_in_one_line(toy, given, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_sweep({"notebook": str(toy), "grid": {"value": [1, 2]}} | given)
    assert "\n" not in str(caught.value)


def test_a_dry_run_says_cells_work_and_hours(toy, tmp_path):
    sweep = ask(toy)
    states = examine_cells(sweep, tmp_path / "out", resume=False)
    assert set(states.values()) == {"new"}
    lines = describe_plan(sweep, states, {}, 2, {"value=1": 1e9, "value=2": 2e9, "value=3": 3e9})
    assert lines[0] == "90_toy: 3 cells, 0 finished, 3 to do"
    assert "  value=2: new, 2e+09 FLOPs" in lines
    assert lines[-1] == "hours are not known before a cell has finished"
    states["value=1"] = "finished"
    lines = describe_plan(sweep, states, {"value=1": 3600.0}, 2, {"value=1": 1e9, "value=2": 2e9, "value=3": 3e9})
    assert lines[-1] == "about 5.0 hours of one worker, 2.5 of 2, at the pace of 1 finished cells"


def test_one_of_two_workers_is_killed_and_nothing_is_lost_or_doubled(toy, tmp_path):
    """The killed cell goes on elsewhere; a cell that fails is named and missing in the table, the rest goes on."""
    sweep = ask(toy, parameters={"seconds": 3.0}, cells=[{"value": 7, "fault": "error"}])
    folder, said = tmp_path / "out", []
    folder.mkdir()
    states = examine_cells(sweep, folder, resume=False)

    with open_client(workers=2) as client:
        assert all(address.startswith("tcp://127.0.0.1:") for address in client.nthreads())
        assert set(client.nthreads().values()) == {1}
        looks = client.run(dask.config.get, "distributed.admin.tick.interval")
        assert set(looks.values()) == {"1s"}, "a worker that waits for its cell costs no core"
        workers, killed = client.run(os.getpid).values(), []

        def kill():
            """The worker whose kernel has begun a cell, in the middle of it."""
            while not (begun := list(folder.glob("value=[123]/manifest.json"))):
                time.sleep(0.05)
            kernel = read_run(begun[0].parent).manifest["sessions"][-1]["pid"]
            killed.append(psutil.Process(kernel).ppid())
            os.kill(killed[0], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        done, failed = run_cells(client, sweep, list(states), folder, progress=quiet, told=said.append)
        killer.join()
    assert killed[0] in workers
    assert sorted(done) == ["value=1", "value=2", "value=3"]
    assert list(failed) == ["value=7,fault=error"]
    assert "ValueError: no 7 today" in failed["value=7,fault=error"]
    assert said[0] == f"how far each cell is: {folder / 'CELL.log'}"
    assert len(said) == 2, "and the cell that failed"
    logs = {path.name: path.read_text() for path in folder.glob("*.log")}
    assert set(logs) == {f"{name}.log" for name in states}
    assert "value 1\n" in logs["value=1.log"]
    table = collect_cells(sweep, folder, failed)
    assert sorted(table["double"]) == [2, 4, 6]
    assert table["run_cell"].is_unique
    assert set(table["cell"]) == {"its own"}, "a column that records have themselves, as those of 11_scaling do"
    assert pd.read_parquet(folder / "cells.parquet").equals(table)
    assert json.loads((folder / "failed.json").read_text()) == failed
    sessions = [len(read_run(folder / name).manifest["sessions"]) for name in done]
    assert sorted(sessions) == [1, 1, 2], "what was cut off was gone on with, and nothing done twice"
    assert tell_end(states, failed, done)[0] == "3 cells finished, 0 were there, 1 failed"
    assert set(measure_seconds(folder, states)) == set(done)
    with pytest.raises(ValueError, match="holds 4 of the 4 cells already: add --resume"):
        examine_cells(sweep, folder, resume=False)
    again = examine_cells(sweep, folder, resume=True)
    assert again == dict.fromkeys(done, "finished") | {"value=7,fault=error": "resumed"}


def test_a_cell_on_which_workers_die_thrice_is_named_and_the_rest_goes_on(toy, tmp_path):
    sweep = ask(toy, grid={"value": [1, 2]}, cells=[{"fault": "death"}])
    (tmp_path / "out").mkdir()
    names = ["fault=death", "value=1", "value=2"]
    with open_client(workers=2) as client:
        done, failed = run_cells(client, sweep, names, tmp_path / "out", progress=quiet, told=lambda line: None)
    assert sorted(done) == ["value=1", "value=2"]
    assert failed == {"fault=death": "a worker died on it 3 times"}


def test_a_scheduler_that_does_not_answer_is_named():
    with pytest.raises(ValueError, match=r"scheduler tcp://127\.0\.0\.1:9 does not answer within 1 s"), \
         open_client(scheduler="tcp://127.0.0.1:9", patience=1.0):  # fmt: skip
        pass


SBATCH = f"""#!{sys.executable}
import itertools, os, subprocess, sys
place = os.path.dirname(os.path.abspath(__file__))
script = open(sys.argv[-1]).read()
assert "#SBATCH" in script
number = next(n for n in itertools.count(1) if not os.path.exists(f"{{place}}/job{{n}}"))
with open(f"{{place}}/job{{number}}", "w") as log:
    child = subprocess.Popen(["bash", "-c", script], stdout=log, stderr=log, start_new_session=True)
open(f"{{place}}/pid{{number}}", "w").write(str(child.pid))
print(f"Submitted batch job {{number}}")
"""
SCANCEL = f"""#!{sys.executable}
import os, signal, sys
place = os.path.dirname(os.path.abspath(__file__))
for number in sys.argv[1:]:
    os.killpg(int(open(f"{{place}}/pid{{number}}").read()), signal.SIGTERM)
"""


def test_a_batch_system_runs_the_cells(toy, tmp_path):
    """By the command, with a stand-in for sbatch that starts each job's script at once."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (tools / name).write_text(text)
        (tools / name).chmod((tools / name).stat().st_mode | stat.S_IXUSR)
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump({
        "notebook": str(toy), "grid": {"value": [1, 2, 3]},
        "cluster": {"interface": "lo", "memory": "1GB", "queue": "short", "log_directory": str(tmp_path)}}))
    command = [sys.executable, "-m", "game24lab", "sweep", "grid.yaml", "--cluster", "slurm", "--output", "out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{tools}:{os.environ['PATH']}"}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "3 cells finished, 0 were there, 0 failed" in ended.stdout
    assert sorted(pd.read_parquet(tmp_path / "out" / "cells.parquet")["double"]) == [2, 4, 6]
    assert len(list(tools.glob("job*"))) >= 2, "two workers, a job each"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of Dask's half-made cluster
def test_options_that_a_cluster_does_not_take_are_named():
    with pytest.raises(ValueError, match=r"cluster slurm: .*wallclock"), \
         open_client(cluster="slurm", options={"wallclock": 3}):  # fmt: skip
        pass
    with pytest.raises(ValueError, match="cluster must be one of slurm, lsf, kubernetes, got 'pbs'"), \
         open_client(cluster="pbs"):  # fmt: skip
        pass


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_sweeps_that_ship_fit_their_notebooks(path):
    assert read_sweep(path).cells


def test_the_command_says_what_it_would_do_and_refuses_in_one_line(toy, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump({"notebook": str(toy), "grid": {"value": [1, 2]}}))
    assert cli.main(["sweep", "grid.yaml", "--dry-run"]) == 0
    told = capsys.readouterr().err
    assert "90_toy: 2 cells, 0 finished, 2 to do" in told
    assert "  value=2: new" in told
    assert not (tmp_path / "runs").exists()
    for words, complaint in ((["--cluster", "pbs"], "--cluster must be one of slurm, lsf, kubernetes, got 'pbs'"),
                             (["--workers", "0"], "--workers must be an integer >= 1, got 0"),
                             (["--cluster", "lsf", "--scheduler", "tcp://x:1"], "exclude one another")):  # fmt: skip
        assert cli.main(["sweep", "grid.yaml", *words]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert said.count("\n") == 1
    assert cli.main(["sweep", "none.yaml"]) == 2
    assert "none.yaml: No such file" in capsys.readouterr().err
