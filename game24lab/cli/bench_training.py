"""How fast the demo's training goes here: a step, its optimiser, beside a busy process, two at once, across kills.

The work is the demo's own: 256 bare solutions a step by the `tiny` preset. It knows nothing of other benchmarks.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from game24lab.models.checkpoints import load_checkpoint, make_model
from game24lab.models.tokenizer import make_tokenizer
from game24lab.tasks.numbers.puzzles import list_solvable
from game24lab.tasks.numbers.solutions import Sample, make_solutions
from game24lab.training.clock import read_cost
from game24lab.training.precision import computes_bf16

BATCH = 256  # bare solutions a step
DEMO_STEP = 0.40  # seconds of a step that `runs.progress.DEMO_SECONDS` stands on (LOG.md, 2026-11-28)


def list_samples(count: int) -> list[Sample]:
    """Bare solutions as the demo learns from them."""
    return make_solutions(list_solvable(), count, held_out=())


def make_step(samples: Sequence[Sample]) -> Callable[[], float]:
    """One training step of the demo's SFT on the same batch of samples each time; it returns the loss. No trainer."""
    from game24lab.training import loop, session, sft
    from game24lab.training.muon import make_optimizer

    session.keep_memory()
    tokenizer = make_tokenizer()
    model, half = make_model("tiny", tokenizer), computes_bf16() and not torch.cuda.is_available()
    loop.make_ready(model, bf16=half)
    rows = sorted(sft.tokenize(samples, tokenizer), key=lambda row: row["length"])
    begin = max(0, (len(rows) - BATCH) // 2)  # a batch of about equal lengths, as a trainer's
    batch = sft.leave_out_prompts(sft.RightPad(tokenizer.pad_token_id)(rows[begin : begin + BATCH]))
    optimizer = make_optimizer(model, 3e-3, matrix_lr=0.03, weight_decay=0.1)

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return step


def time_demo_step(repeats: int = 3) -> float:
    """Seconds of a step of the demo's SFT, the fastest of some."""
    step = make_step(list_samples(8 * BATCH))
    step()
    return min(_time(step) for _ in range(repeats))


def time_optimizers(repeats: int = 9, size: str = "tiny") -> tuple[float, float]:
    """Seconds of a step of `torch.optim.Muon` and of ours over the matrices of a preset, in turns; medians."""
    from game24lab.training.muon import BatchedMuon

    model = make_model(size, make_tokenizer())
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    torch.manual_seed(0)
    for p in matrices:
        p.grad = torch.randn_like(p)
    both = [kind(matrices, lr=0.03, weight_decay=0.1) for kind in (torch.optim.Muon, BatchedMuon)]
    times = [[_time(optimizer.step) for optimizer in both] for _ in range(repeats + 1)][1:]
    stock, ours = map(statistics.median, zip(*times, strict=True))
    return stock, ours


def time_busy(steps: int = 12, rounds: int = 3) -> tuple[float, float]:
    """Seconds of so many steps beside a process that burns one core, and alone; in turns, medians."""
    step = make_step(list_samples(8 * BATCH))
    step()
    times = []
    for _ in range(rounds):
        alone = _time(lambda: [step() for _ in range(steps)])
        with _burn():
            times.append((_time(lambda: [step() for _ in range(steps)]), alone))
    busy, alone = map(statistics.median, zip(*times, strict=True))
    return busy, alone


@contextlib.contextmanager
def _burn() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    time.sleep(0.5)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def time_kills(
    kills: int = 15, steps: int = 500, *, batch_size: int = BATCH, between: tuple[float, float] = (12.0, 40.0),
    seed: int = 0,
) -> tuple[float, float, list[float]]:  # fmt: skip
    """Train as the demo does, once killed at random moments and once not.

    Returns the seconds of both from the first start to the end, and what each kill has lost: the seconds since the
    newest resume point, or since the start of the process that was killed where it had written none. RuntimeError
    where the checkpoints differ in a bit, or a training fails.
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="game24lab-kills-") as root:
        folder = Path(root)
        _write_job(folder, steps, batch_size)
        begin, lost = time.time(), []
        for number in range(kills):
            start = time.time()
            with _start(folder, "killed") as process:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(*between))
                if process.poll() is not None:
                    break
                process.send_signal(signal.SIGKILL)
                lost.append(time.time() - max(start, _find_newest(folder / "killed")))
            print(f"kill {number + 1} of {kills}: {lost[-1]:.1f} s lost", file=sys.stderr, flush=True)
        seconds = []
        for name, since in (("killed", begin), ("whole", None)):
            since = since or time.time()
            _wait(folder, {name: _start(folder, name)})
            seconds.append(time.time() - since)
        models = [load_checkpoint(folder / name / "checkpoint")[0] for name in ("killed", "whole")]
        if not all(torch.equal(a, b) for a, b in zip(*(model.parameters() for model in models), strict=True)):
            raise RuntimeError("kills: the checkpoints differ")
    return seconds[0], seconds[1], lost


def time_workers(steps: int = 100, count: int = 2, *, batch_size: int = BATCH) -> tuple[float, float]:
    """Seconds of `count` trainings one after another, each with so many threads, and all at once with one thread each.

    As workers of a sweep do them, each in a process of its own; the time that processes take to start is left out.
    RuntimeError where a training fails.
    """
    with tempfile.TemporaryDirectory(prefix="game24lab-workers-") as root:
        folder = Path(root)
        _write_job(folder, steps, batch_size)
        alone, both = ([f"{way}-{number}" for number in range(count)] for way in ("alone", "both"))
        for name in alone:
            _wait(folder, {name: _start(folder, name, count)})
        _wait(folder, {name: _start(folder, name, 1) for name in both})
        took = {name: read_cost(folder / name / "checkpoint")["training_seconds"] for name in (*alone, *both)}
    return sum(took[name] for name in alone), max(took[name] for name in both)


def _write_job(folder: Path, steps: int, batch_size: int) -> None:
    """What `_start` trains: the demo's SFT of so many steps."""
    (folder / "job.yaml").write_text(json.dumps({"steps": steps, "batch_size": batch_size, "evaluate_every": 0}))
    lines = [json.dumps(sample._asdict()) for sample in list_samples(min(20_000, steps * batch_size))]
    (folder / "data.jsonl").write_text("\n".join(lines) + "\n")


def _wait(folder: Path, processes: Mapping[str, subprocess.Popen]) -> None:
    for name, code in {name: process.wait() for name, process in processes.items()}.items():
        if code:
            raise RuntimeError(f"{name}: {(folder / name).with_suffix('.txt').read_text()[-500:]}")


def _start(folder: Path, name: str, threads: int = 0) -> subprocess.Popen:
    """A training in a process of its own; `threads` 0: as many as it takes by itself."""
    command = [sys.executable, "-m", "game24lab.training.launch", "sft", "job.yaml", "data.jsonl", name]
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    with (folder / f"{name}.txt").open("a") as said:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)


def _find_newest(output: Path) -> float:
    """When the newest resume point was written, as seconds since the epoch; 0 where there is none."""
    from game24lab.training.loop import find_resume_point

    point = find_resume_point(output)
    return (point / "trainer_state.json").stat().st_mtime if point else 0.0


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
