"""Experiment trackers that a training's curve is logged to: TensorBoard, trackio, Weights & Biases, or none.

Thin over transformers' callbacks; none of the packages is needed unless it is asked for. It does not know what is
trained.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from transformers import TrainerCallback

from game24lab.runs.checks import require_one_of

TRACKERS = ("none", "tensorboard", "trackio", "wandb")


def check_tracker(report_to: str) -> str:
    """The tracker's name. ValueError for an unknown one, or one whose package is not installed."""
    require_one_of("report_to", report_to, TRACKERS)
    if report_to != "none" and importlib.util.find_spec(report_to) is None:
        raise ValueError(f"report_to must be 'none', or its package installed (`pip install {report_to}`), got "
                         f"{report_to!r}")  # fmt: skip
    return report_to


def make_trackers(report_to: str, folder: Path) -> list[TrainerCallback]:
    """The callbacks that log to a tracker; files of a local one lie under `folder`. ValueError as in `check_tracker`.

    Projects and accounts are the packages' own affair (`WANDB_PROJECT`, `WANDB_MODE`, `TRACKIO_SPACE_ID`, ...).
    """
    check_tracker(report_to)
    if report_to == "none":
        return []
    if report_to == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter
        from transformers.integrations import TensorBoardCallback

        return [TensorBoardCallback(SummaryWriter(str(folder / "tensorboard")))]
    if report_to == "wandb":
        from transformers.integrations import WandbCallback

        os.environ.setdefault("WANDB_DIR", str(folder))
        return [WandbCallback()]
    from transformers.integrations import TrackioCallback

    return [TrackioCallback()]
