"""A run is a folder: what was asked, on what, what came of it. Written so that a killed run never looks finished.

    manifest.json    name, parameters, seed, git commit, package versions, device, times, status, cost, artefacts
    params.yaml      the parameters alone, to be given to `game24lab run -f`
    records.parquet  one row per thing measured
    ...              whatever else the run makes (checkpoints, trees, the executed notebook)

Each file is written under a temporary name and renamed. The manifest is the first file to appear and the last to
change, and it alone says `finished`. This module does not know what a run computes, nor how notebooks are started.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from game24lab.runs.card import Card, make_card
from game24lab.runs.messages import condense, tell_plainly
from game24lab.runs.provenance import describe_device, describe_git, describe_process, find_process, list_packages

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"
VERSION = 1
STATUSES = ("running", "finished", "failed", "interrupted")
PATH_PARAMETER = "output"  # where a run lies is no part of what it is
_BEFORE_THE_MANIFEST = {"notebook.ipynb"}  # what may lie in a folder before its run has begun
_BEFORE_THE_WORK = _BEFORE_THE_MANIFEST | {"params.yaml"}  # and what a run leaves there that fails at once


@dataclass(frozen=True)
class Run:
    """A run's folder and its manifest as it stood when the run was opened.

    `before` is what the folder held then: "new", "resumed" (an unfinished run with the same parameters) or "finished".
    As a context manager a run finishes at the end of the block, or is marked failed or interrupted by an exception.
    """

    folder: Path
    manifest: Mapping[str, Any]
    before: str = "new"

    @property
    def name(self) -> str:
        return self.manifest["name"]

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits of name, parameters, inputs and first start: kept when a run is resumed."""
        return self.manifest["id"]

    @property
    def parameters(self) -> dict[str, Any]:
        return self.manifest["parameters"]

    @property
    def status(self) -> str:
        """The status on disk now."""
        return read_run(self.folder).manifest["status"]

    def path(self, name: str) -> Path:
        """The path of a file or folder of this run; ValueError if it would lie outside."""
        path = self.folder / name
        if self.folder.resolve() not in path.resolve().parents:
            raise ValueError(f"artefact must be a relative name within the run folder {self.folder}, got {name!r}")
        return path

    def write_records(self, table: pd.DataFrame, name: str = "records") -> Path:
        """Write a table as `<name>.parquet` in one step: readers see the old file or the new one, never half."""
        path = self.path(f"{name}.parquet")
        write_atomically(path, lambda temporary: table.to_parquet(temporary, index=False))
        return path

    def read_records(self, name: str = "records") -> pd.DataFrame:
        """The table written as `name`; OSError if there is none, ValueError if it is broken."""
        return _read_table(self.path(f"{name}.parquet"))

    def recall(self, name: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table written as `name`; where there is none, `make` it and write it: a resumed run repeats no work."""
        if not self.path(f"{name}.parquet").exists():
            self.write_records(make(), name)
        return self.read_records(name)

    def finish(self, cost: Any = None, *, result: str = "", then: str = "", **facts: Any) -> Card:
        """Mark the run finished; its card, which a notebook shows as its last output.

        `cost` is a Cost or a mapping; `facts` go into the manifest as they are, and so do `result`, what came out in
        one sentence, and `then`, what to open next.
        """
        told = {"result": str(result), "then": str(then)}
        self._close("finished", cost=_plain(cost) if cost is not None else None, facts=_plain(facts), **told)
        return make_card(self.folder, told | dict(read_run(self.folder).manifest))

    def fail(self, error: str) -> None:
        """Mark the run failed, with the reason; it can be resumed."""
        self._close("failed", error=error)

    def interrupt(self) -> None:
        """Mark the run interrupted; it can be resumed."""
        self._close("interrupted")

    def _close(self, status: str, **changes: Any) -> None:
        manifest = dict(read_run(self.folder).manifest)
        if manifest["status"] == "finished":
            return  # looked at again, with equal parameters
        now = _now()
        sessions = [*manifest["sessions"][:-1], dict(manifest["sessions"][-1], end=now)]
        manifest |= {"status": status, "end": now, "sessions": sessions, "error": None, **changes}
        manifest |= {"device": describe_device(), "artefacts": _list_artefacts(self.folder)}
        _write_manifest(self.folder, manifest)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        if kind is None:
            if self.status == "running":
                self.finish()
        elif issubclass(kind, Exception):
            self.fail(f"{kind.__name__}: {error}")
        else:  # KeyboardInterrupt, SystemExit
            self.interrupt()


def start_run(folder: str | Path, name: str, parameters: Mapping[str, Any], *, seed: int | None = None) -> Run:
    """Begin the run `name` in `folder`, or go on with the one that lies there.

    A string parameter that names another run's folder, or something in it, is recorded as an input with that run's id.
    `seed` defaults to the parameter of that name. Where the folder holds an unfinished run with equal parameters and
    inputs it is resumed; a finished one is left alone and reported in `before`; one that failed before it had written
    anything makes room for other parameters.

    Raises ValueError where the folder holds a run with other parameters, or one that a living process works on, or
    things that are no run; OSError where it cannot be written.
    """
    folder, given, parameters = Path(folder), parameters, _plain(parameters)
    try:
        before, manifest = examine(folder, name, given)
    except ValueError as error:
        raise tell_plainly(error, f'In the first cell: output = "{find_free(folder)}"; then run all cells.') from None
    if before == "finished":
        return Run(folder, manifest, before)
    now = _now()
    if before == "new":
        inputs = find_inputs(folder, parameters)
        identity = json.dumps([name, parameters, inputs, now, os.getpid()], sort_keys=True)
        manifest = {
            "version": VERSION,
            "id": hashlib.sha256(identity.encode()).hexdigest()[:12],
            "name": name,
            "parameters": parameters,
            "parameter_hash": hash_parameters(parameters),
            "inputs": inputs,
            "seed": parameters.get("seed") if seed is None else seed,
            "start": now,
            "sessions": [],
            "cost": None,
            "facts": {},
        }
    manifest = dict(manifest) | {
        "status": "running",
        "end": None,
        "error": None,
        "sessions": [*manifest["sessions"], {"start": now, "end": None, **describe_process()}],
        "git": describe_git(),
        "packages": list_packages(),
        "device": describe_device(),
        "artefacts": [],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_manifest(folder, manifest)
        write_parameters(folder / "params.yaml", parameters)
    except OSError as error:
        raise type(error)(error.errno, f"run folder cannot be written: {error.strerror}", str(folder)) from None
    return Run(folder, manifest, before)


def find_free(folder: Path) -> Path:
    """The folder that is not there yet: of this name with -2, -3, ... behind it."""
    return next(free for number in count(2) if not (free := folder.with_name(f"{folder.name}-{number}")).exists())


def examine(folder: str | Path, name: str, parameters: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """What `start_run` would find: "new", "resumed" or "finished", with the manifest that is there; changes nothing.

    Raises ValueError as `start_run` does.
    """
    former = getattr(parameters, "former", {})  # see `runs.former_names.Values`
    folder, parameters = Path(folder), _plain(parameters)
    if not (folder / MANIFEST).exists():
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"run folder {folder} must be a folder, got a file")
        strange = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.exists() else []
        strange = [entry for entry in strange if entry not in _BEFORE_THE_MANIFEST]
        if strange:
            raise ValueError(f"run folder {folder} must be new, empty or a run's, got one with {strange[0]} and no "
                             f"{MANIFEST}")  # fmt: skip
        return "new", {}
    there = read_run(folder).manifest
    elsewhere = "choose another output folder, or delete this one"
    if there["name"] != name:
        raise ValueError(f"run folder {folder}: it holds a run of {there['name']}, not {name}; {elsewhere}")
    known = {former.get(name, name): value for name, value in there["parameters"].items()}
    differences = compare(known, parameters)
    if differences and there["status"] == "failed" and set(_list_artefacts(folder)) <= _BEFORE_THE_WORK:
        return "new", {}  # bad input, said in other words now: there is nothing to lose
    if differences:
        raise ValueError(f"run folder {folder}: it holds a run with other parameters ({'; '.join(differences)}); "
                         f"{elsewhere}")  # fmt: skip
    for parameter, identity in find_inputs(folder, parameters).items():
        if there["inputs"].get(parameter, identity) != identity:
            raise ValueError(f"run folder {folder}: its {parameter}, {parameters[parameter]}, has been made anew since "
                             f"(run {there['inputs'][parameter]} then, {identity} now); {elsewhere}")  # fmt: skip
    if there["status"] == "finished":
        return "finished", there
    owner = find_process(there["sessions"][-1]) if there["sessions"] and there["status"] == "running" else None
    if owner not in (None, os.getpid()):
        raise ValueError(f"run folder {folder}: process {owner} is working on it; wait for it, or end it first")
    return "resumed", there


def read_run(folder: str | Path) -> Run:
    """Open a run to look at it. FileNotFoundError without a manifest, ValueError where it is broken."""
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(2, f"no run here ({MANIFEST} is missing)", str(folder)) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{folder / MANIFEST}: no run's manifest ({condense(error)}); delete the folder to run "
                         "again") from None  # fmt: skip
    if not isinstance(manifest, dict):
        manifest = {}
    required = {"id": str, "name": str, "parameters": dict, "inputs": dict, "sessions": list, "status": str}
    broken = [key for key, kind in required.items() if not isinstance(manifest.get(key), kind)]
    if broken or manifest["status"] not in STATUSES:
        raise ValueError(f"{folder / MANIFEST}: no run's manifest ({broken[0] if broken else 'status'} is missing "
                         "or broken); delete the folder to run again")  # fmt: skip
    if manifest.get("version") != VERSION:
        raise ValueError(f"{folder / MANIFEST}: version must be {VERSION}, got {manifest.get('version')!r}")
    return Run(folder, manifest, "finished" if manifest["status"] == "finished" else "resumed")


def find_runs(folder: str | Path) -> list[Run]:
    """All runs at or below a folder, by path. A run within a run is found too."""
    return [read_run(path.parent) for path in sorted(Path(folder).rglob(MANIFEST))]


def collect(folder: str | Path, name: str = "records", *, unfinished: bool = False) -> pd.DataFrame:
    """The rows of all finished runs below a folder in one table.

    Columns `run_id`, `run_name`, `run_folder`, `run_status`, `run_seed`, `run_commit`, `run_start` and one
    `param_<name>` for each parameter stand before the records' own. `unfinished` takes in what unfinished runs have
    written so far. An empty table if there is nothing.
    """
    import pandas as pd

    tables = []
    for run in find_runs(folder):
        path = run.folder / f"{name}.parquet"
        if path.exists() and (unfinished or run.manifest["status"] == "finished"):
            table = _read_table(path)
            columns = {
                "run_id": run.id,
                "run_name": run.name,
                "run_folder": str(run.folder),
                "run_status": run.manifest["status"],
                "run_seed": run.manifest.get("seed"),
                "run_commit": (run.manifest.get("git") or {}).get("commit"),
                "run_start": run.manifest.get("start"),
            } | {f"param_{k}": v if _is_simple(v) else json.dumps(v) for k, v in run.parameters.items()}
            left = pd.DataFrame({key: [value] * len(table) for key, value in columns.items()}, index=table.index)
            tables.append(pd.concat([left, table.drop(columns=[c for c in table if c in columns])], axis=1))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def compare(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """How two sets of parameters differ, one phrase each; the output folder is no difference."""
    nothing = object()
    phrases = []
    for name in [*there, *(n for n in here if n not in there)]:
        old, new = there.get(name, nothing), here.get(name, nothing)
        if name != PATH_PARAMETER and (old != new or isinstance(old, bool) != isinstance(new, bool)):
            old, new = ("unset" if v is nothing else repr(v) for v in (old, new))
            phrases.append(f"{name} is {old} there and {new} here")
    return phrases


def hash_parameters(parameters: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that are equal for equal parameters, wherever the output lies."""
    plain = {key: value for key, value in _plain(parameters).items() if key != PATH_PARAMETER}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


def find_inputs(folder: Path, parameters: Mapping[str, Any]) -> dict[str, str]:
    """The parameters that name another run's folder, or something within one: parameter -> that run's id.

    The id of an unfinished run is marked as such: what was made from half of it was not made from the whole.
    """
    inputs = {}
    for name, value in parameters.items():
        if name != PATH_PARAMETER and isinstance(value, str) and "/" in value and len(value) < 1000:
            path = Path(value).resolve()
            home = next((p for p in (path, *path.parents) if (p / MANIFEST).is_file()), None) if path.exists() else None
            if home not in (None, folder.resolve()):
                run = read_run(home)
                inputs[name] = run.id if run.manifest["status"] == "finished" else f"{run.id} (unfinished)"
    return inputs


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; nothing is left behind where it fails.

    OSError names `path`, or its folder where that is missing, and never the temporary file, which nobody asked for.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(2, "there is no such folder to write to", str(path.parent))
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        os.close(handle)
        write(Path(temporary))
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes files private; a run is meant to be read
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and (not temporary or error.filename in (None, temporary)):
            raise type(error)(error.errno, error.strerror, str(path)) from None
        raise


def write_parameters(path: Path, parameters: Mapping[str, Any]) -> None:
    """Parameters as YAML that reads back as the same values."""
    import yaml

    text = yaml.safe_dump(_plain(parameters), sort_keys=False, allow_unicode=True)
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(folder / MANIFEST, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _list_artefacts(folder: Path) -> list[str]:
    files = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    shown = (path for path in files if not any(part.startswith(".") for part in path.parts))
    return [path.as_posix() for path in shown if path.name != MANIFEST]


def _read_table(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow

    try:
        return pd.read_parquet(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path}: not a readable table ({condense(error)})") from None


def _is_simple(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _plain(value: Any) -> Any:
    """As JSON would give it back: tuples become lists, paths text, dataclasses mappings. ValueError for the rest."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "item") and not isinstance(value, type):  # numbers of numpy
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"numbers in a manifest must be finite, got {value}")
    if not _is_simple(value):
        raise ValueError(f"values in a manifest must be numbers, text, lists or mappings, got {value!r}")
    return value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
