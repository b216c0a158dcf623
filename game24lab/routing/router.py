"""The router: from features of a problem, the chance that each arm answers it right and what that costs.

A router is a folder, `router.json` beside `router.safetensors`, and answers without torch and scikit-learn. This module
does not know how it was trained, where features come from, nor which arm anybody takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from game24lab.routing.arms import read_arm_modes, read_arm_name
from game24lab.routing.predictors import Calibration, Predictor
from game24lab.routing.splits import show
from game24lab.runs.messages import condense
from game24lab.runs.run import write_atomically
from game24lab.search.modes import FORMER

VERSION = 1
CHANCE, COSTS = "probability", ("sampled_tokens", "seconds")
TRY = "try_"  # how columns begin that hold what a probe found
UNSAMPLED = ("try_value",)  # of these, the critic's value of the first position: a call of it, and no sampled token
_JSON, _ARRAYS = "router.json", "router.safetensors"
_STORED = {"ablation": "lesson", "probe": "look"}  # facts, and their names in router.json


@dataclass(frozen=True)
class Encoding:
    """How a problem and an arm become numbers: standardised features, then what is known of the arm."""

    features: tuple[str, ...]
    arms: tuple[str, ...]
    middle: np.ndarray = field(repr=False)  # of each feature; a missing one counts as this
    scale: np.ndarray = field(repr=False)
    known: np.ndarray = field(repr=False)  # of the arms, shape (arms, their inputs); the last ones name the arm
    crossed: bool = False  # with a product of every feature and every arm, which a linear model needs to choose

    def encode(self, features: pd.DataFrame) -> np.ndarray:
        """Inputs of shape (problems * arms, inputs), the arms of a problem one after the other."""
        values = (features[list(self.features)].to_numpy(float) - self.middle) / self.scale
        values = np.repeat(np.where(np.isnan(values), 0.0, values), len(self.arms), axis=0)
        known = np.tile(self.known, (len(features), 1))
        parts = [values, known]
        if self.crossed:
            names = np.tile(np.eye(len(self.arms)), (len(features), 1))
            parts.append((values[:, :, None] * names[:, None, :]).reshape(len(values), -1))
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Router:
    """What has been learnt: `predict(features)` says for each problem and arm chance and costs."""

    config: Mapping[str, Any]
    encoding: Encoding
    predictors: Mapping[str, Predictor]  # of CHANCE and of those of COSTS that are known
    scales: Mapping[str, float]  # of the costs
    calibration: Calibration
    arms: Mapping[str, Mapping[str, Any]]  # how each arm is run, for `evaluation.arms.read_arms`; {} = not known
    facts: Mapping[str, Any]  # what it learnt from: `probe`, the settings of a `probe.Probe`; `ablation`, ...
    curves: pd.DataFrame | None = field(default=None, repr=False, compare=False)  # of its training; not saved

    @property
    def samples(self) -> bool:
        """Whether it needs the answers of a probe, which it has to pay for."""
        return any(name.startswith(TRY) and name not in UNSAMPLED for name in self.encoding.features)

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """A row a problem and arm: `problem`, `arm`, `probability`, and those of `sampled_tokens` and `seconds` that it
        knows. `features` are indexed by problem; ValueError where a column is missing or no number."""
        check_features(features, self.encoding.features)
        x, arms = self.encoding.encode(features), self.encoding.arms
        rows = {"problem": np.repeat(features.index.to_numpy(object), len(arms)), "arm": np.tile(arms, len(features))}
        rows[CHANCE] = self.calibration.apply(self.predictors[CHANCE].score(x))
        rows |= {cost: self.predictors[cost].predict(x) * self.scales[cost] for cost in COSTS if cost in self.scales}
        return pd.DataFrame(rows)

    def charge(self, features: pd.DataFrame) -> pd.DataFrame:
        """The cost of probing each problem: `fee_tokens` and `fee_seconds`, indexed by problem; 0 without answers."""
        paid = {name: features[f"{TRY}{name}"] if self.samples else 0.0 for name in ("tokens", "seconds")}
        return pd.DataFrame({f"fee_{name}": values for name, values in paid.items()}, features.index, dtype=float)

    def save(self, folder: str | Path) -> Path:
        """Write the router to a folder and return it; ValueError for a model that is compared only."""
        if not all(isinstance(one, Predictor) for one in self.predictors.values()):
            raise ValueError(f"router: model must be logistic or mlp to be stored, got {self.config.get('model')}")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        encoding, arrays = self.encoding, {}
        for name in ("middle", "scale", "known"):
            arrays[f"encoding.{name}"] = getattr(encoding, name)
        models: dict[str, Any] = {**self.predictors, "calibration": self.calibration}
        for owner, model in models.items():
            arrays |= {f"{owner}.{name}": values for name, values in model.arrays.items()}
        told = {
            "version": VERSION, "config": dict(self.config), "features": list(encoding.features),
            "arm_names": list(encoding.arms), "crossed": encoding.crossed, "scales": dict(self.scales),
            "predictors": {name: {"kind": one.kind, "link": one.link} for name, one in self.predictors.items()},
            "calibration": self.calibration.kind, "arms": dict(self.arms),
            "facts": {_STORED.get(key, key): fact for key, fact in self.facts.items()},
        }  # fmt: skip
        text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False, default=list) + "\n"
        whole = {name: np.array(values, order="C") for name, values in arrays.items()}
        write_atomically(folder / _ARRAYS, lambda temporary: save_file(whole, temporary))
        write_atomically(folder / _JSON, lambda temporary: temporary.write_text(text, encoding="utf-8"))
        return folder


def load_router(folder: str | Path) -> Router:
    """The router of a folder; ValueError where there is none, or where it is damaged."""
    folder = Path(folder)
    for name in (_JSON, _ARRAYS):
        if not (folder / name).is_file():
            raise ValueError(f"router {folder}: {name} is missing; it must be a folder that 10_router wrote")
    try:
        told = json.loads((folder / _JSON).read_text(encoding="utf-8"))
        arrays = load_file(folder / _ARRAYS)
        if told["version"] != VERSION:
            raise ValueError(f"version must be {VERSION}, got {told['version']!r}")

        encoding = Encoding(tuple(told["features"]), tuple(map(read_arm_name, told["arm_names"])), **{
            name: arrays[f"encoding.{name}"] for name in ("middle", "scale", "known")
        }, crossed=bool(told["crossed"]))  # fmt: skip
        shapes = {"middle": (len(encoding.features),), "scale": (len(encoding.features),)}
        for name, shape in shapes.items():
            if getattr(encoding, name).shape != shape:
                raise ValueError(f"{name} has the shape {getattr(encoding, name).shape}, not {shape}")
        predictors = {name: Predictor(one["kind"], one["link"], _cut(arrays, name))
                      for name, one in told["predictors"].items()}  # fmt: skip
        predictors[CHANCE]
        calibration = Calibration(told["calibration"], _cut(arrays, "calibration"))
        scales = {name: float(told["scales"][name]) for name in COSTS if name in told["scales"]}
        return Router(told["config"], encoding, predictors, scales, calibration, read_arm_modes(told["arms"]),
                      _read_facts(told["facts"]))  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else condense(error)
        raise ValueError(f"router {folder}: damaged ({what})") from None


def _read_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A router's facts by today's names; those on a mode (`prices`, `schedules`) by today's modes and arms."""
    now = {stored: name for name, stored in _STORED.items()}
    facts = {now.get(key, key): fact for key, fact in facts.items()}
    for key in {"prices", "schedules"} & set(facts):
        facts[key] = {FORMER.get(mode, mode): told for mode, told in facts[key].items()}
    for told in facts.get("schedules", {}).values():
        told["arm"] = [read_arm_name(arm) for arm in told["arm"]]
    return facts


def check_features(features: pd.DataFrame, wanted: Sequence[str]) -> None:
    """ValueError unless the table has these columns, numbers or missing, and each problem once."""
    if features.index.has_duplicates:
        twice = features.index[features.index.duplicated()][0]
        raise ValueError(f"features: {show(twice)} stands twice")
    for name in wanted:
        if name not in features:
            raise ValueError(f"features: the column {name!r} is missing; there are {', '.join(map(str, features))}")
        if not pd.api.types.is_numeric_dtype(features[name]):
            raise ValueError(f"feature {name!r} must hold numbers, got {features[name].dtype}")
        infinite = np.isinf(features[name].to_numpy(float))
        if infinite.any():
            raise ValueError(f"feature {name!r} of {show(features.index[infinite][0])} must be finite, or NaN where it "
                             "is not known, got an infinite one")  # fmt: skip


def _cut(arrays: Mapping[str, np.ndarray], owner: str) -> dict[str, np.ndarray]:
    return {name[len(owner) + 1 :]: values for name, values in arrays.items() if name.startswith(owner + ".")}
