"""What works on this machine: one finding a line, each with what to do where something is missing.

Every finding is tried, not guessed: packages are imported, a page is set, the shipped model's files are opened. It
changes nothing and never fails; what goes wrong is a finding. It does not know what the parts are used for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from game24lab.runs.provenance import count_cores, describe_git, list_packages

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# extra -> packages that it brings, by the name that imports them
EXTRAS = {"lab": ("jupyterlab",), "dev": ("pytest", "hypothesis", "playwright", "ruff"), "server": ("openai",)}
TRACKERS = ("tensorboard", "trackio", "wandb")  # of the extra `trackers`; one is enough


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it works, and what was seen or what to do."""

    name: str
    works: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok     ' if self.works else 'missing'}  {self.name:<12} {self.text}"


def examine() -> Iterator[Finding]:
    """All findings, in the order of what is needed first."""
    for name, look in _LOOKS.items():
        try:
            works, text = look()
        except Exception as error:  # a broken package may raise anything when it is imported
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            works, text = False, reason if len(reason) < 200 else reason[:197] + "..."
        yield Finding(name, works, text)


def _look_at_python() -> tuple[bool, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info >= (3, 11), f"{version} at {sys.executable}, {count_cores()} cores; 3.11 or newer is needed"


def _look_at_packages() -> tuple[bool, str]:
    versions = list_packages()
    if "game24lab" not in versions:
        return False, "game24lab itself is not installed: pip install -c constraints.txt -e ."
    wanted = {name for names in EXTRAS.values() for name in names}
    return True, ", ".join(f"{name} {version}" for name, version in versions.items()
                           if name not in wanted | {"python"})  # fmt: skip


def _look_at_extras() -> tuple[bool, str]:
    absent = {}
    for extra, names in EXTRAS.items():
        absent |= {extra: found} if (found := [name for name in names if find_spec(name) is None]) else {}
    if not absent:
        return True, "all: " + ", ".join(EXTRAS)
    return False, "; ".join(f"{', '.join(names)}: pip install -c constraints.txt -e '.[{extra}]'"
                            for extra, names in absent.items())  # fmt: skip


def _look_at_trackers() -> tuple[bool, str]:
    found = [name for name in TRACKERS if find_spec(name) is not None]
    absent = ", ".join(name for name in TRACKERS if name not in found)
    rest = f"; not {absent}" if found and absent else ""
    return bool(found), f"{', '.join(found)}{rest}" if found else (
        f"none of {absent}: curves go to the run's own files alone; pip install -c constraints.txt -e '.[trackers]'")


def _look_at_torch() -> tuple[bool, str]:
    import torch

    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
        return True, f"{torch.__version__}, {torch.cuda.device_count()} CUDA device(s): {', '.join(sorted(names))}"
    return True, f"{torch.__version__}, CPU only, {torch.get_num_threads()} threads"


def _look_at_bf16() -> tuple[bool, str]:
    from game24lab.training.precision import computes_bf16, describe_units

    if computes_bf16():
        return True, f"computed by this machine ({describe_units()})"
    return False, f"not computed by this machine ({describe_units()}); training takes float32, nothing to do"


def _look_at_pace() -> tuple[bool, str]:
    from game24lab.cli import bench_training as pace
    from game24lab.runs.progress import DEMO_SECONDS
    from game24lab.training.precision import describe_units

    minutes = sum(DEMO_SECONDS.values()) * pace.time_demo_step() / pace.DEMO_STEP / 60
    return True, f"{describe_units()}; `make demo` takes about {max(1, round(minutes))} minutes once installed"


def _look_at_ctranslate2() -> tuple[bool, str]:
    import ctranslate2

    devices = ["cpu"] + ["cuda"] * (ctranslate2.get_cuda_device_count() > 0)
    types = [f"{device}: {', '.join(sorted(ctranslate2.get_supported_compute_types(device)))}" for device in devices]
    return True, f"{ctranslate2.__version__}, {'; '.join(types)}"


def _look_at_report() -> tuple[bool, str]:
    from game24lab.report.document import Paragraph, Report, compile_report

    page = compile_report(Report("A page", "", (Paragraph("4 × 6 = 24"),)))
    return page[:5] == b"%PDF-", f"typst sets a page with the fonts it brings ({len(page):,} bytes)"


def _look_at_browser() -> tuple[bool, str]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        return False, "only the browser tests need it: apt install chromium"
    version = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
    return True, f"{version or 'of unknown version'} at {found}"


def _look_at_git() -> tuple[bool, str]:
    if shutil.which("git") is None:
        return False, "runs will not record their commit: install git"
    git = describe_git()
    if git is None:
        return False, "this package is in no checkout, so runs will not record a commit"
    return True, f"commit {git['commit'][:12]}{', with changes' if git['dirty'] else ''}"


def _look_at_notebooks() -> tuple[bool, str]:
    from game24lab.runs.notebook import find_notebooks, read_parameters

    found = find_notebooks()
    for path in found.values():
        read_parameters(path)
    return bool(found), ", ".join(found) or "none here: run in a checkout of the repository"


def _look_at_model() -> tuple[bool, str]:
    from game24lab.models.checkpoints import find_pretrained

    seen = []
    for part in ("policy", "critic"):
        folder = find_pretrained(part)
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        seen.append(f"{part} {size / 1e6:.1f} MB")
    return True, f"{', '.join(seen)} in {folder.parent}"


def _look_at_folder() -> tuple[bool, str]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    try:
        tempfile.TemporaryFile(dir=Path.cwd()).close()
    except OSError as error:
        return False, f"{Path.cwd()} cannot be written to ({error.strerror}): give --output"
    return free > 1, f"{Path.cwd()} can be written to, {free:.0f} GB free"


def _look_at_threads() -> tuple[bool, str]:
    chosen = [f"{name}={os.environ[name]}" for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in os.environ]
    advice = "set one of them, or processes that share a machine slow each other down"
    return True, " ".join(chosen) or f"neither OMP_WAIT_POLICY nor GOMP_SPINCOUNT is set; {advice}"


_LOOKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "python": _look_at_python,
    "packages": _look_at_packages,
    "extras": _look_at_extras,
    "trackers": _look_at_trackers,
    "torch": _look_at_torch,
    "bf16": _look_at_bf16,
    "pace": _look_at_pace,
    "ctranslate2": _look_at_ctranslate2,
    "threads": _look_at_threads,
    "report": _look_at_report,
    "browser": _look_at_browser,
    "git": _look_at_git,
    "notebooks": _look_at_notebooks,
    "model": _look_at_model,
    "folder": _look_at_folder,
}
