"""What works on this machine: one finding a line, "ok", "optional" or "broken", with what to do about it.

"optional" is what nothing here depends on, "broken" what something needs and lacks. Each part is tried: packages are
imported, a page is set, the shipped model's files are opened. It changes nothing and never fails; an error is a
finding.
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
EXTRAS = {"lab": ("jupyterlab",), "dev": ("pytest", "hypothesis", "playwright", "ruff"), "server": ("openai",),
          "docs": ("sphinx", "myst_nb", "furo"), "cluster": ("dask", "distributed", "dask_jobqueue"), "real": ("gguf",),
          "verifiers": ("verifiers", "reasoning_gym")}  # fmt: skip
TRACKERS = ("tensorboard", "trackio", "wandb")  # of the extra `trackers`; one is enough


OK, OPTIONAL, BROKEN = "ok", "optional", "broken"
_NAMED = ("game24lab", "transformers", "trl", "numpy", "pandas", "plotly")  # with their versions; others are counted


@dataclass(frozen=True)
class Finding:
    """One line: a part, its state, and what was seen or what to do."""

    name: str
    state: str  # OK, OPTIONAL or BROKEN
    text: str

    def __str__(self) -> str:
        return f"{self.state:<8}  {self.name:<12} {self.text}"


def examine() -> Iterator[Finding]:
    """All findings, the most needed first."""
    for name, look in _LOOKS.items():
        try:
            state, text = look()
        except Exception as error:  # a broken package may raise anything when it is imported
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            state, text = BROKEN, reason if len(reason) < 200 else reason[:197] + "..."
        yield Finding(name, state, text)


def look_at_server(url: str, model: str | None = None) -> Iterator[Finding]:
    """What a server has of what a search needs; `model` is the served name to ask, by default the first."""
    from game24lab.models.backends.server_probe import examine_server

    states = {True: OK, None: OPTIONAL, False: BROKEN}
    return (Finding(found.name, states[found.works], found.text) for found in examine_server(url, model))


def _look_at_python() -> tuple[str, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    state = OK if sys.version_info >= (3, 11) else BROKEN
    return state, f"{version} at {sys.executable}, {count_cores()} cores; 3.11 or newer is needed"


def _look_at_packages() -> tuple[str, str]:
    versions = list_packages()
    if "game24lab" not in versions:
        return BROKEN, "game24lab itself is not installed: pip install -c constraints.txt -e ."
    named = [f"{name} {versions[name]}" for name in _NAMED if name in versions]
    return OK, f"{', '.join(named)} and {len(versions) - len(named)} others, whose versions a run's manifest tells"


def _look_at_extras() -> tuple[str, str]:
    absent = {extra: [name for name in names if find_spec(name) is None] for extra, names in EXTRAS.items()}
    extras, names = [extra for extra in absent if absent[extra]], [name for some in absent.values() for name in some]
    if not names:
        return OK, "all: " + ", ".join(EXTRAS)
    return OPTIONAL, f"without {', '.join(names)}: pip install -c constraints.txt -e '.[{','.join(extras)}]'"


def _look_at_trackers() -> tuple[str, str]:
    found = [name for name in TRACKERS if find_spec(name) is not None]
    absent = ", ".join(name for name in TRACKERS if name not in found)
    rest = f"; not {absent}" if found and absent else ""
    return OK if found else OPTIONAL, f"{', '.join(found)}{rest}" if found else (
        f"none of {absent}: curves go to the run's own files alone; pip install -c constraints.txt -e '.[trackers]'")


def _look_at_torch() -> tuple[str, str]:
    import torch

    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())}
        return OK, f"{torch.__version__}, {torch.cuda.device_count()} CUDA device(s): {', '.join(sorted(names))}"
    threads = torch.get_num_threads()
    return OK, f"{torch.__version__}, CPU only, {threads} thread{'s' * (threads > 1)}"


def _look_at_bf16() -> tuple[str, str]:
    from game24lab.training.precision import computes_bf16, describe_units

    if computes_bf16():
        return OK, f"computed by this machine ({describe_units()})"
    return OPTIONAL, f"not computed by this machine ({describe_units()}); training uses float32"


def _look_at_pace() -> tuple[str, str]:
    from game24lab.cli import bench_training as pace
    from game24lab.runs.progress import DEMO_SECONDS
    from game24lab.training.precision import describe_units

    minutes = sum(DEMO_SECONDS.values()) * pace.time_demo_step() / pace.DEMO_STEP / 60
    return OK, f"{describe_units()}; `make demo` takes about {max(1, round(minutes))} minutes once installed"


def _look_at_ctranslate2() -> tuple[str, str]:
    import ctranslate2

    devices = ["cpu"] + ["cuda"] * (ctranslate2.get_cuda_device_count() > 0)
    types = [f"{device}: {', '.join(sorted(ctranslate2.get_supported_compute_types(device)))}" for device in devices]
    return OK, f"{ctranslate2.__version__}, {'; '.join(types)}"


def _look_at_report() -> tuple[str, str]:
    from game24lab.report.document import Paragraph, Report, compile_report

    page = compile_report(Report("A page", "", (Paragraph("4 × 6 = 24"),)))
    return OK if page[:5] == b"%PDF-" else BROKEN, f"typst sets a page with the fonts it brings ({len(page):,} bytes)"


def _look_at_browser() -> tuple[str, str]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        return OPTIONAL, "only the browser tests need it: apt install chromium"
    version = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30).stdout.strip()
    return OK, f"{version or 'of unknown version'} at {found}"


def _look_at_git() -> tuple[str, str]:
    if shutil.which("git") is None:
        return BROKEN, "runs will not record their commit: install git"
    git = describe_git()
    if git is None:
        return OPTIONAL, "this package is in no checkout, so runs record no commit"
    return OK, f"commit {git['commit'][:12]}{', with changes' if git['dirty'] else ''}"


def _look_at_notebooks() -> tuple[str, str]:
    from game24lab.runs.notebook import find_notebooks, read_parameters

    found = find_notebooks()
    for path in found.values():
        read_parameters(path)
    if not found:
        return BROKEN, "none: install the package whole, as a wheel or a checkout"
    return OK, f"{len(found)}, from {min(found)} to {max(found)}"


def _look_at_model() -> tuple[str, str]:
    from game24lab.models.locations import find_pretrained

    seen = []
    for part in ("policy", "critic"):
        folder = find_pretrained(part)
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
        size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        seen.append(f"{part} {size / 1e6:.1f} MB")
    return OK, f"{', '.join(seen)} in {folder.parent}"


def _look_at_folder() -> tuple[str, str]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    try:
        tempfile.TemporaryFile(dir=Path.cwd()).close()
    except OSError as error:
        return BROKEN, f"{Path.cwd()} cannot be written to ({error.strerror}): give --output"
    return OK if free > 1 else BROKEN, f"{Path.cwd()} can be written to, {free:.0f} GB free"


def _look_at_threads() -> tuple[str, str]:
    chosen = [f"{name}={os.environ[name]}" for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT") if name in os.environ]
    advice = "set one of them, or processes that share a machine slow each other down"
    return OK, " ".join(chosen) or f"neither OMP_WAIT_POLICY nor GOMP_SPINCOUNT is set; {advice}"


_LOOKS: dict[str, Callable[[], tuple[str, str]]] = {
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
