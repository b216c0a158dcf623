"""Where a checkpoint comes from: the run that made it, what that run held out, and the checkpoints it began from.

A checkpoint in its run's folder has the manifest beside it; one that was published, or that ships, carries the same
facts as `origin.json`. Either is its maker's word, which nobody can check. This module does not know what is done with
it, and opens no model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from game24lab.models.locations import find_pretrained
from game24lab.runs.messages import condense
from game24lab.runs.run import MANIFEST, read_run

ORIGIN = "origin.json"
_STARTS = ("checkpoint", "policy", "first_critic")  # parameters of a training that name what it began from
_SHIPPED_NAME = "shipped"  # what may stand there for the policy that ships
_DEEP = 4  # folders that a checkpoint lies in its run at most
_SHIPPED = ("04_critic", "06_grpo", "07_dpo")  # trainings that begin from the shipped policy where they name none


@dataclass(frozen=True)
class Origin:
    """One training: its notebook, run and commit, the split that it kept out, and what it began from.

    `starts` maps a checkpoint that it began from to that one's origin, None where it is unknown, as of a model of the
    hub: nobody says what it has read.
    """

    notebook: str
    run: str
    commit: str
    task: str
    split: str
    seed: int
    starts: Mapping[str, Origin | None]

    def list_all(self) -> list[Origin | None]:
        """This training and all behind it; None for each that is unknown."""
        behind = [one.list_all() if one else [None] for one in self.starts.values()]
        return [self, *(one for some in behind for one in some)]


def find_origin(checkpoint: str | Path) -> Origin | None:
    """The origin of a checkpoint folder, None where nothing beside it says so, and for an id of the hub.

    ValueError where `origin.json` is there and broken.
    """
    folder = Path(checkpoint)
    if not folder.is_dir():
        return None
    if (folder / ORIGIN).exists():
        try:
            return _read(json.loads((folder / ORIGIN).read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"{folder / ORIGIN}: must say notebook, run, commit, task, split, seed and starts, got "
                             f"{type(error).__name__}: {condense(error)}") from None  # fmt: skip
    home = next((one for one in (folder, *folder.resolve().parents[:_DEEP]) if (one / MANIFEST).is_file()), None)
    return describe_origin(read_run(home).manifest) if home else None


def describe_origin(manifest: Mapping[str, Any]) -> Origin | None:
    """The origin of what a run has trained, by its manifest; None where its parameters name no split."""
    parameters = manifest["parameters"]
    if not isinstance(parameters.get("split"), str):
        return None
    given = [str(parameters[name]) for name in _STARTS if parameters.get(name)]
    if manifest["name"].startswith(_SHIPPED) and not given:
        given = [_SHIPPED_NAME]
    starts = {one: find_origin(find_pretrained("policy") if one == _SHIPPED_NAME else one) for one in given}
    commit = (manifest.get("git") or {}).get("commit") or ""
    return Origin(manifest["name"], manifest["id"], commit, str(parameters.get("task", "game24")), parameters["split"],
                  int(parameters.get("seed") or 0), starts)  # fmt: skip


def _read(facts: Mapping[str, Any]) -> Origin:
    """An origin from JSON; KeyError, TypeError or AttributeError where it is none."""
    starts = {str(name): None if one is None else _read(one) for name, one in facts["starts"].items()}
    texts = {name: facts[name] for name in ("notebook", "run", "commit", "task", "split")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("texts are needed")
    return Origin(**texts, seed=int(facts["seed"]), starts=starts)
