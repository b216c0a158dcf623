"""The cost of a training in seconds, wall and CPU, and memory, over all its sessions, kept in a file beside its curve.

It does not know what is trained.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from game24lab.runs.memory import read_peaks, reset_peaks
from game24lab.runs.run import write_atomically

COST = "training_cost.json"
_SECONDS, _PEAKS = ("training_seconds", "training_cpu_seconds"), ("peak_host_bytes", "peak_device_bytes")
_FORMER = "took.parquet"  # where notebooks kept the same numbers, of the last session, until November 2026


class Clock(TrainerCallback):
    """Runs from now on; writes the cost at every resume point, so that a killed session counts up to its last one."""

    def __init__(self, output: Path, *, resumes: bool) -> None:
        self.path = output / COST
        self.before = read_cost(output / "checkpoint") if resumes else {}
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        reset_peaks()

    def write(self) -> None:
        """Keep the seconds and the highest marks of memory so far."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        now = {"training_seconds": wall, "training_cpu_seconds": cpu}
        now = {name: seconds + self.before.get(name, 0.0) for name, seconds in now.items()}
        now |= {name: max(most, self.before.get(name, 0.0)) for name, most in read_peaks().items()}
        write_atomically(self.path, lambda temporary: temporary.write_text(json.dumps(now) + "\n"))

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object) -> None:
        if state.is_world_process_zero:
            self.write()


def read_cost(checkpoint: str | Path) -> dict[str, float]:
    """`training_seconds` and `training_cpu_seconds` of the training that left this checkpoint, over all its sessions.

    Besides, what `read_peaks` could tell of memory, the highest of all sessions. All are of the first process. Empty
    where an earlier version has trained and kept none. ValueError for a damaged file.
    """
    folder = Path(checkpoint).parent
    try:
        cost = json.loads((folder / COST).read_text(encoding="utf-8"))
        return {name: float(cost[name]) for name in _SECONDS} | {
            name: float(cost[name]) for name in _PEAKS if name in cost}  # fmt: skip
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f"{folder / COST}: must hold training_seconds and training_cpu_seconds; delete it") from None
    if (folder / _FORMER).exists():
        import pandas as pd

        return pd.read_parquet(folder / _FORMER).iloc[0].to_dict()
    return {}
