"""One training from the call to its checkpoint: finished before, resumed or new; its results are whole or absent.

Several processes (`torchrun`, `accelerate launch`) train together; the first one alone writes. This module does not
know what is trained or on what, nor who started the processes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from logging import LogRecord, getLogger
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate.utils import DistributedType
from safetensors import SafetensorError
from transformers import PrinterCallback, Trainer, TrainerState
from transformers.trainer import DEFAULT_PROGRESS_CALLBACK
from transformers.utils import logging

from game24lab.models.checkpoints import save_checkpoint
from game24lab.runs.former_names import rename_stored
from game24lab.runs.messages import tell_plainly
from game24lab.runs.run import compare, write_atomically
from game24lab.training.callbacks import Show
from game24lab.training.clock import Clock
from game24lab.training.loop import (
    STATE_FOLDER,
    HeldOut,
    Progress,
    StopAtNaN,
    find_plugin,
    find_resume_point,
    is_sharded,
    read_curve,
    refuse_shards,
)
from game24lab.training.saving import SaveByTime, explain, replace_folder
from game24lab.training.trackers import make_trackers

_CONFIG = "training_config.json"  # beside a checkpoint: its training configuration


def train_once(
    config: Any, output: Path, make: Callable[[], Trainer], show: Callable[[pd.DataFrame], None] | None = None,
    report_to: str = "none",
) -> Path:  # fmt: skip
    """The checkpoint of a training with this configuration in `output`: one that stands there, or that of the trainer
    that `make` makes, trained from its newest resume point.

    `show` is called with the curve so far every few seconds; `report_to` is a tracker that it goes to besides, see
    `training.trackers`. Raises ValueError where a resume point is of another configuration, FloatingPointError as
    `StopAtNaN` does, and what `make` and `finish` raise.
    """
    finished = _find_finished(output, config)
    if finished is not None:
        return finished
    trackers = make_trackers(report_to, output)  # complains before a model is loaded
    clock = Clock(output, resumes=find_resume_point(output) is not None)
    trainer = make()
    _check_shards(trainer)
    for tracker in trackers:
        trainer.add_callback(tracker)
    if show is not None:
        trainer.add_callback(Show(show))
    _start(trainer, output, config, clock)
    return finish(trainer, output, config, clock)


def _check_shards(trainer: Trainer) -> None:
    """ValueError where processes were to share weights or states, and do not, or cannot."""
    asked, found = find_plugin(), trainer.accelerator.distributed_type.value
    if asked and found != asked:
        raise ValueError(f"{asked} must have GPUs, got processes of {found}, of which each would hold all: take DDP "
                         "(params/accelerate/ddp.yaml)")  # fmt: skip
    if not is_sharded():
        return
    if hasattr(trainer.model, "merge_and_unload"):
        raise ValueError("lora_rank must be 0 with FSDP, which divides the matrices that adapters are merged into; "
                         "take DDP (params/accelerate/ddp.yaml)")  # fmt: skip
    if any(isinstance(one, HeldOut) for one in trainer.callback_handler.callbacks):
        refuse_shards("held-out evaluation", "of which the first evaluates alone")


def keep_memory() -> None:
    """Let glibc keep the memory of freed tensors: returning and fetching it at every step costs time."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for option, value in ((-3, 2**30), (-1, 2**31 - 1)):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            mallopt(option, value)


def _start(trainer: Trainer, output: Path, config: Any, clock: Clock) -> None:
    """Train to the end, from the newest resume point where there is one, with one quiet progress bar."""
    point = find_resume_point(output)
    branches = config is not None and not (output / STATE_FOLDER / _CONFIG).exists()  # at a point of its trunk
    _check_config(output, config, resumes=point is not None, writes=trainer.is_world_process_zero())
    keep_memory()
    logging.disable_progress_bar()  # or each file of a resume point would have one
    for callback in (PrinterCallback, DEFAULT_PROGRESS_CALLBACK):  # in a notebook the default is a table of losses
        trainer.remove_callback(callback)
    trainer.add_callback(Progress())
    trainer.add_callback(clock)
    # after the callback that decides when to log and save, before those that evaluate
    trainer.callback_handler.callbacks[1:1] = [SaveByTime(trainer), StopAtNaN()]
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, HeldOut):
            callback.trainer = trainer
    if point is not None and hasattr(trainer, "_total_train_tokens"):  # TRL restarts its count at 0
        history = TrainerState.load_from_json(str(point / "trainer_state.json")).log_history
        trainer._total_train_tokens = next((row["num_tokens"] for row in reversed(history) if "num_tokens" in row), 0)
    if point is not None and not branches and trainer.is_world_process_zero():
        print(f"goes on at step {_read_step(point)}", flush=True)
    try:
        with _expect_known(trainer):
            trainer.train(resume_from_checkpoint=point)
    except KeyboardInterrupt as stop:
        raise tell_plainly(stop, _tell_stop(trainer.state, find_resume_point(output))) from None


@contextlib.contextmanager
def _expect_known(trainer: Trainer) -> Iterator[None]:
    """Without two warnings where all is well: that a resume point lacks the output layer where it is the embeddings,
    which stand there, and that points written within a second are told apart by their steps."""
    known = {"transformers.trainer_utils": "mtime may not be reliable on this filesystem"}
    if getattr(trainer.model.config, "tie_word_embeddings", False):
        known["transformers.trainer"] = "There were missing keys in the checkpoint model loaded: ['lm_head.weight']"

    def hear(record: LogRecord) -> bool:
        return not record.getMessage().startswith(known[record.name])

    for name in known:
        getLogger(name).addFilter(hear)
    try:
        yield
    finally:
        for name in known:
            getLogger(name).removeFilter(hear)


def _read_step(point: Path) -> int:
    return int(point.name.split("-")[1])


def _tell_stop(state: TrainerState, point: Path | None) -> str:
    """What came of Stop, and what to do."""
    again = f"it goes on at step {_read_step(point)}" if point is not None else "it begins anew, nothing was saved yet"
    return f"Stopped at step {state.global_step} of {state.max_steps}. Run this cell again: {again}."


def _check_config(output: Path, config: Any, *, resumes: bool, writes: bool) -> None:
    """Keep the configuration beside the resume points; ValueError where those that are there have another one."""
    path = output / STATE_FOLDER / _CONFIG
    if resumes and path.exists() and config is not None:
        differences = compare(rename_stored(json.loads(path.read_text()), config), _to_plain(config))
        if differences:
            raise tell_plainly(ValueError(
                f"{output}: a training that was not finished lies there, with another configuration "
                f"({'; '.join(differences)}); choose another folder, or delete {path.parent}"
            ))
    elif writes and config is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda temporary: temporary.write_text(json.dumps(_to_plain(config), indent=1) + "\n"))


def _check_agreement(trainer: Trainer) -> None:
    """RuntimeError unless all processes hold the same weights; not checked where each holds a shard."""
    if trainer.accelerator.distributed_type in (DistributedType.MULTI_CPU, DistributedType.MULTI_GPU):
        sums = torch.stack([p.detach().double().sum() for p in trainer.model.parameters()])
        found = trainer.accelerator.gather(sums[None])
        if not torch.equal(found, sums.expand_as(found)):
            raise RuntimeError(f"{len(found)} processes: their weights differ after training together")


def _find_finished(output: Path, config: Any) -> Path | None:
    """The checkpoint that training with an equal configuration has left in `output`, None where there is none."""
    try:
        stored = json.loads((output / "checkpoint" / _CONFIG).read_text())
        same = isinstance(stored, dict) and rename_stored(stored, config) == _to_plain(config)
    except (OSError, ValueError, RecursionError):
        return None
    return output / "checkpoint" if same else None


def _to_plain(config: Any) -> Any:
    return json.loads(json.dumps(asdict(config), default=str))


def finish(trainer: Trainer, output: Path, config: Any, clock: Clock) -> Path:
    """Write curve (`training.parquet`), checkpoint and cost, drop the resume points, return the checkpoint.

    Adapters are merged into their model. Of several processes the first writes, the others wait for it. Raises OSError
    where the checkpoint cannot be written, which leaves the resume points; RuntimeError where their weights differ.
    """
    _check_agreement(trainer)
    weights = trainer.accelerator.get_state_dict(trainer.model) if is_sharded() else None  # all processes take part
    if trainer.is_world_process_zero():
        write_atomically(output / "training.parquet", read_curve(trainer.state).to_parquet)
        model = trainer.accelerator.unwrap_model(trainer.model)
        temporary = output / ".checkpoint.part"
        model = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
        try:
            save_checkpoint(model, trainer.processing_class, temporary, weights)
        except SafetensorError as error:
            raise OSError(f"{output}: the checkpoint cannot be written ({explain(error)})") from error
        (temporary / _CONFIG).write_text(json.dumps(_to_plain(config), indent=1) + "\n")
        clock.write()
        replace_folder(temporary, output / "checkpoint")
        shutil.rmtree(output / STATE_FOLDER, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    return output / "checkpoint"
