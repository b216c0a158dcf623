"""A run sent to the Hugging Face Hub: its model or its data, with a card, its origin and its parameters.

What goes is a list of files that can be shown before anything is sent. Of a manifest go what the card tells and no
process, host or path of the machine; executed notebooks stay, for their outputs may name any of these. This module does
not know what a card says.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from game24lab.models.origin import ORIGIN, describe_origin
from game24lab.report.hub_card import write_data_card, write_model_card
from game24lab.runs.messages import condense
from game24lab.runs.provenance import hide_paths
from game24lab.runs.run import Run, read_run

CARD = "README.md"
_TOLD = ("version", "id", "name", "parameters", "parameter_hash", "inputs", "seed", "start", "end", "status", "cost",
         "facts", "git", "packages", "device", "result")  # fmt: skip
_ROWS = (".parquet", ".jsonl")
_ATTEMPT_LINES = "records.jsonl"  # the same rows as records.parquet


@dataclass(frozen=True)
class Parcel:
    """What is to be sent: names in the repository, with a file of this machine or a text that was written for it."""

    repository: str
    kind: str  # "model" or "dataset", as the hub says
    files: dict[str, Path | str]

    def measure(self, name: str) -> int:
        """Bytes of a file."""
        held = self.files[name]
        return held.stat().st_size if isinstance(held, Path) else len(held.encode())


def pack(folder: str | Path, repository: str, licence: str = "mit") -> Parcel:
    """What of a finished run is to be sent. A checkpoint or a router makes it a model, otherwise rows make it data.

    ValueError for a repository that is not called `owner/name`, a run that has not finished, and one without either.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    run = read_run(folder)
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise ValueError(f"--repo must be OWNER/NAME, got {repository!r} ({condense(error)})") from None
    if repository.count("/") != 1:
        raise ValueError(f"--repo must be OWNER/NAME, got {repository!r}")
    if run.status != "finished":
        raise ValueError(f"publish: {run.folder} must be a finished run, got one that is {run.status}")
    files: dict[str, Path | str] = {}
    part = next((name for name in ("checkpoint", "router") if (run.folder / name).is_dir()), None)
    if part:
        files |= {path.relative_to(run.folder / part).as_posix(): path
                  for path in sorted((run.folder / part).rglob("*")) if _is_own(path, run)}  # fmt: skip
        card = write_model_card(run, _find_kind(run, part), repository, licence)
        origin = describe_origin(run.manifest)
        if origin:
            files[ORIGIN] = json.dumps(hide_paths(asdict(origin)), indent=1, sort_keys=True) + "\n"
        rows = [path for path in sorted(run.folder.glob("*.parquet")) if _is_own(path, run)]
        files |= {f"run/{path.name}": path for path in rows}
    else:
        data = [path for path in sorted(run.folder.rglob("*")) if path.suffix in _ROWS and _is_own(path, run)]
        data = [path for path in data if path.name != _ATTEMPT_LINES or not path.with_suffix(".parquet").exists()]
        if not data:
            raise ValueError(f"publish: {run.folder} must hold a checkpoint, a router or rows, got none of them")
        files |= {path.relative_to(run.folder).as_posix(): path for path in data}
        card = write_data_card(run, data, repository, licence)
    manifest = hide_paths({key: run.manifest[key] for key in _TOLD if key in run.manifest})
    files |= {"run/manifest.json": json.dumps(manifest, indent=1) + "\n", CARD: card}
    return Parcel(repository, "model" if part else "dataset", dict(sorted(files.items())))


def send(parcel: Parcel, *, private: bool = False, api: Any = None) -> str:
    """Make the repository where it is missing and commit all files to it at once; its address.

    `api` is a `huggingface_hub.HfApi`, by default one with the token that `hf auth login` has stored. ValueError in
    one line where the hub refuses, ConnectionError where it cannot be reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError

    api, where = api or HfApi(library_name="game24lab"), f"publish {parcel.repository}"
    with tempfile.TemporaryDirectory(prefix="game24lab-") as place:
        for name, held in parcel.files.items():
            target = Path(place) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(held, Path):
                shutil.copyfile(held, target)
            else:
                target.write_text(held, encoding="utf-8")
        try:
            url = api.create_repo(parcel.repository, repo_type=parcel.kind, private=private, exist_ok=True)
            api.upload_folder(repo_id=parcel.repository, repo_type=parcel.kind, folder_path=place,
                              commit_message="A run of game24lab")  # fmt: skip
        except LocalTokenNotFoundError:
            raise ValueError(f"{where}: nobody is logged in to the hub; run `hf auth login`") from None
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", "")
            hint = "; run `hf auth login` with a token that may write there" if status in (401, 403) else ""
            raise ValueError(f"{where}: the hub refuses ({condense(error)}){hint}") from None
        except (HTTPError, OSError) as error:
            raise ConnectionError(f"{where}: the hub cannot be reached ({condense(error)})") from None
    return str(url)


def _find_kind(run: Run, part: str) -> str:
    """What a run's model is: by its folder, and a checkpoint by the head that its configuration names."""
    if part == "router":
        return part
    config = json.loads((run.folder / part / "config.json").read_text(encoding="utf-8"))
    names = config.get("architectures") or [""]
    return "critic" if str(names[0]).endswith("SequenceClassification") else "policy"


def _is_own(path: Path, run: Run) -> bool:
    """Whether a file is one of the run's: no hidden one, none behind a link that leads out of the folder."""
    inside = run.folder.resolve() in path.resolve().parents
    hidden = any(part.startswith(".") for part in path.relative_to(run.folder).parts)
    return path.is_file() and inside and not hidden
