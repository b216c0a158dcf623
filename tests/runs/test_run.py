"""A killed run never looks finished, an equal one resumes, another one is refused, and broken folders say so."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from game24lab.runs import run as runs
from game24lab.runs.run import Run, collect, examine, read_run, start_run
from game24lab.search.cost import Cost

PARAMETERS = {"output": "x", "size": "tiny", "lr": 1e-5, "rates": [1, 2.5], "critic": None, "seed": 3}
TABLE = pd.DataFrame({"problem": ["1 2 3 4", "4 5 6 10"], "solved": [True, False]})


def break_off(run: Run) -> None:
    """Make a run look as if its process had been killed."""
    manifest = dict(run.manifest)
    manifest["sessions"][-1]["pid"] = 2**22 + 1  # above the largest number a process can have
    (run.folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_run_records_what_it_was(tmp_path):
    run = start_run(tmp_path / "a" / "run", "05_search", PARAMETERS)
    assert run.before == "new"
    assert run.status == "running"
    run.write_records(TABLE)
    run.finish(cost=Cost(sampled_tokens=7), solved=1)
    manifest = read_run(run.folder).manifest
    assert manifest["status"] == run.status == "finished"
    assert manifest["parameters"] == PARAMETERS
    assert manifest["seed"] == 3
    assert manifest["cost"]["sampled_tokens"] == 7
    assert manifest["facts"] == {"solved": 1}
    assert manifest["artefacts"] == ["params.yaml", "records.parquet"]
    assert manifest["packages"]["python"]
    assert manifest["start"] < manifest["end"]
    assert manifest["device"]
    assert yaml.safe_load((run.folder / "params.yaml").read_text()) == PARAMETERS
    assert run.read_records().equals(TABLE)
    assert not [path for path in run.folder.iterdir() if path.name.startswith(".")]


def test_the_git_commit_stands_in_the_manifest():
    here = Path(runs.__file__).parent
    known = subprocess.run(["git", "-C", str(here), "ls-files", "provenance.py"], capture_output=True, text=True)
    if not known.stdout.strip():
        pytest.skip("not in a git checkout")
    git = runs.describe_git()
    assert len(git["commit"]) == 40
    assert isinstance(git["dirty"], bool)


def test_a_context_marks_how_it_ended(tmp_path):
    with start_run(tmp_path / "fine", "n", {}):
        pass
    assert read_run(tmp_path / "fine").status == "finished"
    with pytest.raises(ZeroDivisionError), start_run(tmp_path / "failed", "n", {}):
        _ = 1 / 0
    assert read_run(tmp_path / "failed").status == "failed"
    assert read_run(tmp_path / "failed").manifest["error"] == "ZeroDivisionError: division by zero"
    with pytest.raises(KeyboardInterrupt), start_run(tmp_path / "stopped", "n", {}):
        raise KeyboardInterrupt
    assert read_run(tmp_path / "stopped").status == "interrupted"


@pytest.mark.parametrize("end", ["killed", "failed", "interrupted"])
def test_an_unfinished_run_resumes_under_its_id(tmp_path, end):
    run = start_run(tmp_path, "n", PARAMETERS)
    run.write_records(TABLE)
    {"killed": lambda: break_off(run), "failed": lambda: run.fail("no luck"), "interrupted": run.interrupt}[end]()
    again = start_run(tmp_path, "n", PARAMETERS | {"output": "elsewhere"})
    assert again.before == "resumed"
    assert again.id == run.id
    assert again.read_records().equals(TABLE)
    assert again.manifest["status"] == "running"
    assert again.manifest["error"] is None
    assert len(again.manifest["sessions"]) == 2
    again.finish()
    assert read_run(tmp_path).manifest["start"] == run.manifest["start"]


def test_a_finished_run_is_reported_and_left_alone(tmp_path):
    start_run(tmp_path, "n", PARAMETERS).finish(solved=4)
    before = (tmp_path / "manifest.json").read_bytes()
    again = start_run(tmp_path, "n", PARAMETERS)
    assert again.before == "finished"
    again.finish(solved=5)
    again.fail("too late")
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_other_parameters_are_refused_by_name(tmp_path):
    start_run(tmp_path, "n", PARAMETERS).interrupt()
    before = (tmp_path / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match=r"size is 'tiny' there and 'small' here; rates is .* there and \[1\] here"):
        start_run(tmp_path, "n", PARAMETERS | {"size": "small", "rates": [1]})
    with pytest.raises(ValueError, match=r"width is unset there and 4 here"):
        start_run(tmp_path, "n", PARAMETERS | {"width": 4})
    with pytest.raises(ValueError, match="a run of n, not other"):
        start_run(tmp_path, "other", PARAMETERS)
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_a_run_that_failed_on_bad_input_makes_room_for_better_words(tmp_path):
    with pytest.raises(ValueError, match="foo"), start_run(tmp_path / "a", "02_traces", {"styles": "foo"}) as first:
        raise ValueError("styles must be one of those, got foo")
    with start_run(tmp_path / "a", "02_traces", {"styles": "sound"}) as second:
        assert second.before == "new"
        assert second.manifest["id"] != first.manifest["id"]
        second.write_records(pd.DataFrame({"n": [1]}))
        second.fail("ValueError: something else")
    assert read_run(tmp_path / "a").manifest["parameters"] == {"styles": "sound"}
    with pytest.raises(ValueError, match="other parameters"):
        start_run(tmp_path / "a", "02_traces", {"styles": "v2"})  # what it has made would be lost


def test_one_and_true_differ_but_one_and_one_point_zero_do_not():
    assert runs.compare({"a": 1}, {"a": True})
    assert not runs.compare({"a": 1}, {"a": 1.0})


def test_a_killed_process_that_nobody_has_buried_works_on_nothing(tmp_path):
    code = ("import sys, time; from game24lab.runs.run import start_run; start_run(sys.argv[1], 'n', {}); "
            "print('up', flush=True); time.sleep(600)")  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"up\n"
        other.kill()
        assert other.stdout.read() == b""  # it is dead, but not waited for
        dead = psutil.Process(other.pid)
        for _ in range(1_000):  # its pipe is closed a moment before it is a zombie
            if dead.status() == psutil.STATUS_ZOMBIE:
                break
            time.sleep(0.01)
        assert dead.status() == psutil.STATUS_ZOMBIE
        assert start_run(tmp_path, "n", {}).before == "resumed"


def test_a_live_run_of_another_process_is_refused(tmp_path):
    code = ("import sys, time; from game24lab.runs.run import start_run; start_run(sys.argv[1], 'n', {}); "
            "print('up', flush=True); time.sleep(600)")  # fmt: skip
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"up\n"
        with pytest.raises(ValueError, match=f"process {other.pid} is working on it"):
            start_run(tmp_path, "n", {})
    finally:
        other.kill()
        other.communicate()
    assert start_run(tmp_path, "n", {}).before == "resumed"
    assert start_run(tmp_path, "n", {}).before == "resumed"  # the same process may: a cell run twice


def test_killed_at_any_moment_it_never_looks_finished(tmp_path):
    """Writers that are killed while they rewrite records and manifest: what is there is whole, and it resumes."""
    code = textwrap.dedent("""
        import sys
        import pandas as pd
        from game24lab.runs.run import start_run
        run = start_run(sys.argv[1], "n", {"seed": 1})
        print("up", flush=True)
        for number in range(100_000):
            run.write_records(pd.DataFrame({"number": [number] * 1000}))
            run.fail("not yet")
    """)
    for attempt in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"up\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2 + 0.07 * attempt)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        run = read_run(tmp_path)
        assert run.status in ("running", "failed")
        if (tmp_path / "records.parquet").exists():
            assert run.read_records()["number"].nunique() == 1
    assert start_run(tmp_path, "n", {"seed": 1}).before == "resumed"


def test_a_failed_write_leaves_the_old_table(tmp_path):
    run = start_run(tmp_path, "n", {})
    run.write_records(TABLE)
    with pytest.raises(Exception, match="object"):
        run.write_records(pd.DataFrame({"problem": [object()]}))
    assert run.read_records().equals(TABLE)
    assert not list(tmp_path.glob(".records*"))


def test_a_step_is_recalled_and_not_repeated(tmp_path):
    made = []
    run = start_run(tmp_path, "n", {})
    for _ in range(2):
        assert run.recall("positions", lambda: made.append(1) or TABLE).equals(TABLE)
    assert len(made) == 1


def test_what_another_run_made_is_an_input(tmp_path):
    with start_run(tmp_path / "sft", "03_sft", {"seed": 1}) as sft:
        (sft.folder / "policy").mkdir()
    parameters = {"policy": str(sft.path("policy")), "size": "tiny"}
    with start_run(tmp_path / "search", "05_search", parameters) as search:
        assert search.manifest["inputs"] == {"policy": sft.id}
    (tmp_path / "sft" / "manifest.json").unlink()
    for path in (tmp_path / "sft").iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    with start_run(tmp_path / "sft", "03_sft", {"seed": 1}) as anew:
        (anew.folder / "policy").mkdir()
    with pytest.raises(ValueError, match=f"made anew since .run {sft.id} then, {anew.id} now"):
        examine(tmp_path / "search", "05_search", parameters)


def test_half_an_input_is_not_the_whole(tmp_path):
    sft = start_run(tmp_path / "sft", "03_sft", {})
    parameters = {"policy": str(tmp_path / "sft")}
    start_run(tmp_path / "search", "05_search", parameters).finish()
    sft.finish()
    with pytest.raises(ValueError, match="made anew"):
        start_run(tmp_path / "search", "05_search", parameters)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "n"}', '{"version": 1, "status": 3}', "\udcff"])
def test_a_broken_manifest_is_one_line(tmp_path, text):
    (tmp_path / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    for look in (lambda: read_run(tmp_path), lambda: start_run(tmp_path, "n", {}), lambda: collect(tmp_path)):
        with pytest.raises(ValueError, match=r"manifest\.json: no run's manifest") as caught:
            look()
        assert "\n" not in str(caught.value)


def test_a_manifest_of_another_version(tmp_path):
    start_run(tmp_path, "n", {}).finish()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(ValueError, match="version must be 1, got 99"):
        read_run(tmp_path)


def test_folders_that_are_no_runs(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ValueError, match=r"must be new, empty or a run\'s, got one with thesis\.tex"):
        start_run(tmp_path, "n", {})
    with pytest.raises(ValueError, match="must be a folder, got a file"):
        start_run(tmp_path / "thesis.tex", "n", {})
    with pytest.raises(FileNotFoundError, match="no run here"):
        read_run(tmp_path)
    with pytest.raises(OSError, match="cannot be written"):
        start_run(tmp_path / "thesis.tex" / "below", "n", {})
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_paths_stay_within_the_run(tmp_path):
    run = start_run(tmp_path / "run", "n", {})
    assert run.path("policy/model.safetensors") == run.folder / "policy/model.safetensors"
    for name in ("", ".", "..", "../other", "/etc/passwd", "a/../../b"):
        with pytest.raises(ValueError, match="artefact"):
            run.path(name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, b"x"])
def test_parameters_that_json_cannot_hold(tmp_path, value):
    with pytest.raises(ValueError, match="in a manifest must be"):
        start_run(tmp_path / "run", "n", {"lr": value})
    assert not (tmp_path / "run").exists()


def test_collect_gives_a_row_per_record_with_its_run(tmp_path):
    for number, name in enumerate(["03_sft", "05_search"]):
        run = start_run(tmp_path / "set" / name, name, PARAMETERS | {"seed": number})
        run.write_records(TABLE)
        run.finish()
    unfinished = start_run(tmp_path / "half", "05_search", {})
    unfinished.write_records(TABLE)
    start_run(tmp_path / "bare", "01_puzzles", {}).finish()
    table = collect(tmp_path)
    assert len(table) == 4
    assert list(table.run_name.unique()) == ["03_sft", "05_search"]
    assert list(table.run_seed.unique()) == [0, 1]
    assert table.run_id.iloc[-1] == run.id
    assert set(table.param_size) == {"tiny"}
    assert set(table.param_rates) == {"[1, 2.5]"}
    assert list(table.problem) == [*TABLE.problem, *TABLE.problem]
    assert len(collect(tmp_path, unfinished=True)) == 6
    assert collect(tmp_path / "bare").empty


def test_a_truncated_table_says_which(tmp_path):
    run = start_run(tmp_path, "n", {})
    path = run.write_records(TABLE)
    path.write_bytes(path.read_bytes()[:200])
    run.finish()
    with pytest.raises(ValueError, match=r"records\.parquet: not a readable table"):
        collect(tmp_path)


def test_importing_runs_is_quick():
    heavy = ("pandas", "numpy", "yaml", "torch")
    code = f"import sys, game24lab.runs.run; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_a_failure_to_write_names_what_was_to_be_written(tmp_path):
    """Whether or not the system's own complaint names the temporary file, or none, as that of a full disk."""
    def fail(number, *names):
        def write(_):
            raise OSError(number, "no", *names)
        return write

    for write, named in [(fail(28), "file"), (lambda temporary: temporary.rename(tmp_path / "none" / "x"), "file"),
                         (fail(2, "elsewhere"), "elsewhere")]:  # fmt: skip
        with pytest.raises(OSError) as caught:  # noqa: PT011 - its file name is what matters
            runs.write_atomically(tmp_path / "file", write)
        assert Path(caught.value.filename).name == named
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="there is no such folder to write to") as caught:
        runs.write_atomically(tmp_path / "none" / "file", fail(28))
    assert caught.value.filename == str(tmp_path / "none")


def test_a_manifest_nested_too_deeply_is_no_manifest(tmp_path):
    (tmp_path / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="no run's manifest"):
        read_run(tmp_path)


def test_a_notebook_is_told_where_another_run_may_lie(tmp_path):
    start_run(tmp_path / "a", "03_sft", {"steps": 60}).finish()
    with pytest.raises(ValueError, match="other parameters") as refused:
        start_run(tmp_path / "a", "03_sft", {"steps": 70})
    told, todo = refused.value._render_traceback_()
    assert "steps is 60 there and 70 here" in told
    assert f'output = "{tmp_path}/a-2"' in todo
    start_run(tmp_path / "a-2", "03_sft", {"steps": 70})
    with pytest.raises(ValueError, match="other parameters") as refused:
        start_run(tmp_path / "a", "03_sft", {"steps": 80})
    assert "a-3" in refused.value._render_traceback_()[1]
