"""Where a result comes from: the commit, the packages and the machine it was made with.

Nothing here fails: what cannot be found out is None or missing. It does not know of runs, and imports no heavy package.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path, PurePath
from typing import Any


def describe_git() -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout this package runs from; None where it is installed without one."""
    here = Path(__file__).resolve()

    def ask(*words: str) -> str:
        command = ["git", "-C", str(here.parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    try:
        ask("ls-files", "--error-unmatch", here.name)  # a copy within a foreign repository is not its commit
        return {"commit": ask("rev-parse", "HEAD"), "dirty": bool(ask("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def list_packages() -> dict[str, str]:
    """Versions of Python, this package and what it requires, extras included where they are installed."""
    versions = {"python": platform.python_version()}
    try:
        names = ["game24lab", *(re.split(r"[^\w.-]", line)[0] for line in metadata.requires("game24lab") or [])]
    except metadata.PackageNotFoundError:
        return versions
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed
    return versions


def read_version() -> str:
    """The version of this package as it was installed; pyproject.toml alone says it."""
    try:
        return metadata.version("game24lab")
    except metadata.PackageNotFoundError:
        return "of a checkout that is not installed"


def hash_checkpoint(checkpoint: str | Path) -> str:
    """Twelve hexadecimal digits of a checkpoint folder's weights, configuration and tokenizer; a hub id as it is."""
    folder = Path(checkpoint)
    if not folder.is_dir():
        return str(checkpoint)
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), folder / "config.json", folder / "tokenizer.json"]):
        if path.is_file():
            with path.open("rb") as file:
                digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:12]


def describe_device() -> str:
    """The machine in a few words, e.g. `cpu: x86_64, 2 cores`. A GPU is named once torch has been imported."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_available():
        return f"cuda: {torch.cuda.get_device_name()} x {torch.cuda.device_count()}"
    return f"cpu: {platform.machine()}, {count_cores()} cores"


def count_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_process() -> dict[str, Any]:
    """This process, so that another one can tell whether it lives: its number, when it was born, and its machine."""
    import psutil

    return {"pid": os.getpid(), "born": psutil.Process().create_time(), "host": platform.node()}


def find_process(session: Mapping[str, Any]) -> int | None:
    """The number of a process that `describe_process` told of, if it lives, on this machine."""
    import psutil

    if session.get("host") != platform.node():
        return None
    try:
        process = psutil.Process(session["pid"])
        born = process.create_time()
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and nobody has asked how it ended, as in a
            return None  # container whose first process is no init
    except (psutil.Error, KeyError, TypeError, ValueError):
        return None
    return session["pid"] if abs(born - session.get("born", 0)) < 2 else None  # else the number was given out again


def hide_paths(value: Any) -> Any:
    """What a manifest says without the places of somebody's disk: of an absolute path the last two parts remain."""
    if isinstance(value, Mapping):
        return {hide_paths(key): hide_paths(part) for key, part in value.items()}
    if isinstance(value, list):
        return [hide_paths(part) for part in value]
    if isinstance(value, str) and (value.startswith(("/", "~")) or PurePath(value).is_absolute()):
        parts = PurePath(value).parts
        return "/".join(parts[1:][-2:]) if len(parts) > 1 else value  # a sign of its own is no place
    return value
