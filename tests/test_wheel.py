"""What somebody gets who installs the wheel and has no checkout: built, installed into a fresh environment, used there.

The wheel is built from a copy of the sources. The fresh environment is `python -m venv` with pip; instead of gigabytes
from a package index it sees the packages of the environment that runs the tests, through a folder of links that leaves
this package, every `.pth` file and thereby the editable install out. The commands run in a folder of their own, with
neither PYTHONPATH nor the repository on the path, which the first test holds.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("game24lab", "notebooks", "params", "docs", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md",
           "LICENSE")  # fmt: skip
STAGES = ("01_puzzles", "03_sft", "05_search")  # of the set `smoke`: the others take minutes
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def build_wheel(folder: Path) -> Path:
    """The wheel of a copy of the sources, so that no earlier build is in it."""
    copy = folder / "sources"
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "runs"
                            if name == "notebooks" else "__pycache__"))  # fmt: skip
        else:
            shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(copy)], check=True, capture_output=True)
    shutil.rmtree(copy)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """A function that runs a program of the fresh environment in a folder of its own."""
    folder = tmp_path_factory.mktemp("fresh")
    wheel = build_wheel(folder)
    venv.create(folder / "env", with_pip=True)
    home = folder / "env" / "bin"
    others = folder / "others" / "site-packages"  # dill pickles what lies in a folder of another name by value
    others.mkdir(parents=True)
    for place in {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}:
        for entry in Path(place).iterdir():
            own = entry.name.startswith(("game24lab", "__editable__", "pip", "setuptools", "_distutils"))
            if not own and entry.suffix != ".pth" and not (others / entry.name).exists():
                (others / entry.name).symlink_to(entry)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    (packages / "others.pth").write_text(f"{others}\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    install = [str(home / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, env=environment)
    work = folder / "work"
    work.mkdir()

    def run(program: str, *words: str, status: int = 0, inside: str = "") -> subprocess.CompletedProcess:
        ended = subprocess.run([str(home / program), *words], cwd=work / inside, env=environment, text=True,
                               capture_output=True, timeout=1200)  # fmt: skip
        assert ended.returncode == status, ended.stderr[-3000:]
        return ended

    run.work = work
    return run


def test_the_package_is_the_installed_one_and_knows_its_version(command):
    code = "import game24lab, json, sys; print(json.dumps([game24lab.__file__, game24lab.__version__, sys.path]))"
    file, version, path = json.loads(command("python", "-c", code).stdout)
    assert "site-packages" in file
    assert not Path(file).is_relative_to(ROOT)
    assert str(ROOT) not in path
    assert version == VERSION
    assert command("game24lab", "--version").stdout == f"game24lab {VERSION}\n"


def test_the_wheel_is_marked_as_typed_and_carries_every_notebook_and_parameter_set(command):
    code = "import game24lab, pathlib; print(pathlib.Path(game24lab.__file__).parent)"
    package = Path(command("python", "-c", code).stdout.strip())
    assert (package / "py.typed").exists()
    for pattern in ("notebooks/*.ipynb", "params/*/*.*"):
        for file in ROOT.glob(pattern):
            assert (package / "project" / file.relative_to(ROOT)).read_bytes() == file.read_bytes()


def test_init_demo_and_a_report_without_a_checkout(command):
    command("game24lab", "init", "lab")
    sets = command.work / "lab/params"
    for file in (sets / "smoke").glob("*.yaml"):
        if file.stem not in STAGES:
            file.unlink()
    ended = command("game24lab", "demo", "--set", "smoke", inside="lab")
    assert f"[{len(STAGES)}/{len(STAGES)}] {STAGES[-1]}" in ended.stderr
    assert "report: runs/smoke/report.pdf" in ended.stdout
    runs = command.work / "lab/runs/smoke"
    assert (runs / "report.pdf").read_bytes()[:5] == b"%PDF-"
    for stage in STAGES:
        manifest = json.loads((runs / stage / "manifest.json").read_text())
        assert manifest["status"] == "finished"
        assert manifest["packages"]["game24lab"] == VERSION
        assert manifest["git"] is None
    again = command("game24lab", "demo", "--set", "smoke", inside="lab")
    assert again.stderr.count("already there") == len(STAGES)
    command("game24lab", "report", *(f"runs/smoke/{stage}" for stage in STAGES), "-o", "again.pdf", inside="lab")
    assert (command.work / "lab/again.pdf").read_bytes()[:5] == b"%PDF-"


def test_solve_check_and_a_notebook_work_without_init(command):
    solved = command("game24lab", "solve", "4", "5", "6", "10", "--json")
    assert json.loads(solved.stdout)["solved"]
    command("game24lab", "check", "3", "3", "8", "8", "8/(3-8/3)")
    listed = command("game24lab", "run", "--list").stdout
    assert "00_start" in listed
    command("game24lab", "run", "00_start", "-p", "held_out", "2", "-p", "simulations", "8")
    assert (command.work / "runs/00_start/tree.html").exists()
