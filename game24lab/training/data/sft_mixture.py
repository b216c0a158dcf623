"""SFT mixture: samples drawn from a file of search traces by weights, and a description of what was drawn.

The description goes into the run's folder as `data.json`, for reports. This module does not know how traces are made or
judged, nor of training.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from game24lab.runs.run import Run, write_atomically
from game24lab.tasks.numbers.solutions import Sample
from game24lab.tasks.numbers.splits import STRICT, keeps_apart
from game24lab.training.data.trace_dataset import SUFFIXES, Trace, mix, read_traces

DATA = "data.json"


def read_mixture(
    path: str | Path, weights: Mapping[str, float], count: int, *, held_out: Container[Any],
    split: str = "", seed: int = 0,
) -> tuple[list[Sample], dict[str, Any]]:
    """`count` samples of the traces in a file, or in the folder of a 02_traces run, and a description of them.

    `held_out` are puzzles, or a container of pairs (numbers, target). `weights` are those of
    `training.data.trace_dataset.mix`; none keep the shares that the file has. The description: `source`, `label`,
    `styles`, `buckets`, `samples`, `tokens` (mean, prompt not counted), `parts` (one a style and length) and the
    file's own data `card` (None where there is none).

    ValueError for a folder without traces or with several files of them, for a damaged file, weights that fit no
    traces, for a trace that begins with a held-out puzzle, and, where `split` is a strict one, for traces whose card
    does not say that they were made with it or a stricter one.
    """
    file = find_traces(path)
    traces, card = read_traces(file), _read_card(file)
    if split.endswith(STRICT):
        _check_strict(file, card if isinstance(card, dict) else {}, split, seed)
    banned = frozenset(tuple(sorted(puzzle)) for puzzle in held_out) if isinstance(held_out, Collection) else None
    leaked = next((trace for trace in traces if (trace.numbers in banned if banned is not None else
                                                 (trace.numbers, trace.target) in held_out)), None)  # fmt: skip
    if leaked is not None:
        raise ValueError(f"traces {file}: {leaked.problem} is held out and must not be trained on; "
                         "make them with the same split")  # fmt: skip
    if not weights:
        weights = dict(sorted(Counter(_name(trace) for trace in traces).items()))
    samples = mix(traces, weights, count, seed)
    return samples, {"source": str(path)} | _describe(traces, weights, samples) | {"card": card}


def read_nothing(checkpoint: str, *given: Any, **options: Any) -> tuple[list[Sample], dict[str, Any]]:
    """No samples, where a checkpoint is evaluated as it is, and a description that says so; ValueError without one."""
    if not checkpoint:
        raise ValueError("steps must be an integer >= 1 without a checkpoint, which could be evaluated as it is, got 0")
    return [], {"source": "", "label": str(checkpoint), "styles": [], "buckets": [], "samples": 0, "tokens": 0.0,
                "parts": [], "card": None}  # fmt: skip


def _check_strict(file: Path, card: Mapping[str, Any], split: str, seed: int) -> None:
    made = card.get("held_out")
    drawn = split.removesuffix(STRICT) == "random" and card.get("seed") != seed
    if drawn or not isinstance(made, str) or not keeps_apart(made, split):
        told = f"got {made!r}" + f" of seed {card.get('seed')!r}" * drawn
        raise ValueError(f"traces {file}: they must be made with the split {split!r} or a stricter one, by their data "
                         f"card, {told}")  # fmt: skip


def find_traces(path: str | Path) -> Path:
    """The file of traces at a path: itself, or the one in a folder.

    ValueError where there is nothing, or a folder with none or several.
    """
    path = Path(path)
    if not path.exists() and not path.suffix:
        raise ValueError(f"traces {path}: no such file or folder; `game24lab run 02_traces` makes runs/02_traces, and "
                         "with -f params/lab/02_traces.yaml runs/lab/02_traces")  # fmt: skip
    if not path.is_dir():
        return path
    found = sorted(file for suffix in SUFFIXES for file in path.glob(f"traces*{suffix}"))
    if len(found) != 1:
        what = f"{len(found)} files of traces ({', '.join(file.name for file in found)})" if found else "no traces"
        raise ValueError(f"traces {path}: {what} in this folder; it must be one traces.jsonl, .parquet or .arrow; "
                         "the path of a file does as well")  # fmt: skip
    return found[0]


def write_data(run: Run, data: Mapping[str, Any]) -> Path:
    """Keep the description of a mixture in the run's folder."""
    path = run.path(DATA)
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path


def _name(trace: Trace) -> str:
    return f"{trace.style}/{trace.bucket}"


def _describe(traces: list[Trace], weights: Mapping[str, float], samples: list[Sample]) -> dict[str, Any]:
    # a search without a dead end reads the same in two styles: the one that was asked for counts
    wanted = [trace for trace in traces if any(weights.get(kind) for kind in (trace.style, trace.bucket, _name(trace)))]
    known = {(trace.prompt, trace.completion): trace for trace in wanted}
    drawn: dict[str, list[Trace]] = defaultdict(list)
    for sample in samples:
        trace = known[sample.prompt, sample.completion]
        drawn[_name(trace)].append(trace)
    parts = []
    for name, some in sorted(drawn.items(), key=lambda item: -len(item[1])):
        style, bucket = name.split("/")
        parts.append({
            "style": style, "bucket": bucket, "weight": len(some) / len(samples), "samples": len(some),
            "distinct": len(set(some)), "tokens_mean": fmean(trace.tokens for trace in some),
            "lines_mean": fmean(trace.lines for trace in some),
            "rollback_share": sum(trace.rollbacks for trace in some) / sum(trace.lines for trace in some),
        })  # fmt: skip
    styles, buckets = (list(dict.fromkeys(part[key] for part in parts)) for key in ("style", "bucket"))
    lengths = "mixed" if len(buckets) > 1 else buckets[0]
    return {"label": f"{' + '.join(styles)} {lengths}", "styles": styles, "buckets": buckets, "samples": len(samples),
            "tokens": fmean(trace.tokens for some in drawn.values() for trace in some), "parts": parts}  # fmt: skip


def _read_card(file: Path) -> Any:
    card = file.with_suffix(".card.json")
    try:
        return json.loads(card.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{card}: no data card ({error})") from None
