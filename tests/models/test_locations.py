"""Names of checkpoints: what is refused before anything is opened, and that nothing heavy is needed for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from game24lab.models.load_policy import load_policy
from game24lab.models.locations import check_folder, check_location, find_pretrained

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("name", "told"), [
    ("nope", "checkpoint nope: no such folder, and an id of the hub is written owner/name"),
    ("gpt2", "written owner/name"),
    ("runs/", "written owner/name"),
    ("./nope", "checkpoint ./nope: no such folder"),
    ("/nope", "checkpoint /nope: no such folder"),
    ("~/nope", "no such folder"),
    ("runs/03_sft/checkpoint", "no such folder"),
    ("a_file", "checkpoint a_file: must be a folder, got a file"),
])  # fmt: skip
def test_what_can_be_no_checkpoint_is_refused_without_a_network(tmp_path, monkeypatch, name, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("socket.socket.connect", None)  # a try to connect is a TypeError
    (tmp_path / "a_file").write_text("")
    for ask in (check_location, load_policy, lambda name: load_policy(name, url="http://127.0.0.1:9/v1")):
        with pytest.raises(ValueError, match=told) as caught:
            ask(name)
        assert "\n" not in str(caught.value)


def test_folders_and_ids_of_the_hub_pass(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nope").mkdir()
    for name in ("nope", Path("nope"), str(tmp_path), "Qwen/Qwen2.5-0.5B", find_pretrained("policy")):
        check_location(name)
    check_folder("critic", "nope")
    with pytest.raises(ValueError, match="critic none: no such folder"):
        check_folder("critic", "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="router file: must be a folder, got a file"):
        check_folder("router", "file")


def test_it_needs_no_model_library():
    code = "import sys, game24lab.models.locations; print(*{'torch', 'transformers', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT).stdout == "\n"
