"""`docs/leaderboard.md`, the table to beat, from the rows that `game24lab leaderboard --keep` has kept.

    python -m game24lab.report.leaderboard reports/leaderboard.json docs/leaderboard.md

It does not know how anything was measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from game24lab.evaluation.leaderboard import GOAL, SETS
from game24lab.report.result_cells import MODES, show, show_accuracy, tabulate
from game24lab.runs.run import write_atomically

Entry = Mapping[str, Any]
TITLE = "A table to beat"
_KEY = ("name", "ranks", "mode", "arm")  # what tells rows apart
_BEST = {"parameters": "fewest parameters", "flops": "fewest FLOPs"}
_SHARE = f"{show(100 * GOAL)} %"
_HEAD = f"""# {TITLE}

How small can a model be, and how little may it think, to solve {_SHARE} of the Game-of-24 puzzles that people find
hard? Ranks 901-1000 (n = 100) and 1001-1362 (n = 362) of the published list of 1,362 puzzles, ordered by the time that
people take; no part of an entry may have been trained on them.

- Parameters: policy and critic together, without embeddings. FLOPs: of the forward passes of both for one puzzle, on
  average, prompts included, two for each parameter and token. Tokens: sampled ones, discarded ones included.
- *Blind*: nothing helps the models. *Rules*: moves are checked and positions computed. *Verified*: the exact verifier
  ends the search at the first right answer.
- Accuracy is the share solved, with its 95 % interval; the share itself must reach {_SHARE}.
- Settings of an arm are chosen by its entrant; who tries many on these puzzles should say so."""
_TAIL = """## Enter it

```
game24lab leaderboard CHECKPOINT --critic CRITIC --name NAME --keep reports/leaderboard.json
make results
```

The command finds out what the models were trained on: from the run that they lie in, or from the `origin.json` that
`game24lab publish` writes and that the shipped models have. It refuses a set that was not held out all the way back,
and models that do not say what they were trained on. `--file arms.yaml` measures other arms than MCTS, `--problems 20`
tries a few puzzles and keeps nothing. Send the JSON, and where the checkpoint can be had:
[contributing](../CONTRIBUTING.md)."""


def read_entries(path: str | Path) -> dict[str, Any]:
    """The kept rows, with the runs that they come from; without a file none. ValueError where it is another JSON."""
    path = Path(path)
    if not path.exists():
        return {"title": TITLE, "runs": [], "entries": []}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["title"] != TITLE or not all(set(_KEY) <= set(row) for row in kept["entries"]):
            raise KeyError("entries")
        return kept
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} must hold the rows of a leaderboard, got {type(error).__name__}") from None


def keep(path: str | Path, entries: Iterable[Entry], run: Mapping[str, Any]) -> None:
    """Add rows and their run to a file of kept ones; those that were measured before are replaced."""
    kept, rows = read_entries(path), [dict(row) for row in entries]
    new = {tuple(row[key] for key in _KEY) for row in rows}
    old = [row for row in kept["entries"] if tuple(row[key] for key in _KEY) not in new]
    used = {row["run"] for row in (*old, *rows)}
    runs = [one for one in kept["runs"] if one["id"] in used and one["id"] != run["id"]]
    text = json.dumps({"title": TITLE, "runs": [*runs, dict(run)], "entries": [*old, *rows]}, indent=1) + "\n"
    write_atomically(Path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_leaderboard(kept: Mapping[str, Any]) -> str:
    """The page."""
    parts = [_HEAD]
    for ranks in SETS:
        parts += [f"## Ranks {ranks}", _tabulate_best(kept["entries"], ranks)]
    parts += ["## All that was measured", _tabulate_all(kept["entries"])]
    dates = {run["id"]: run["start"][:10] for run in kept["runs"]}
    told = ", ".join(f"{run} ({date})" for run, date in dates.items())
    parts += [f"Runs: {told}." if told else "Nothing has been measured yet."]
    return "\n\n".join([*parts, _TAIL]) + "\n"


def _tabulate_best(entries: Iterable[Entry], ranks: str) -> str:
    """By mode: who needs least to reach the goal, or who comes nearest to it."""
    rows = []
    for mode in MODES:
        mine = [row for row in entries if (row["ranks"], row["mode"]) == (ranks, mode)]
        there = [row for row in mine if row["accuracy"] >= GOAL]
        for measure, said in _BEST.items():
            if there:
                best = min(there, key=lambda row: (row[measure], row["flops"], row["parameters"]))
                rows.append([mode, said, *_show(best)])
        if mine and not there:
            nearest = max(mine, key=lambda row: row["accuracy"])
            rows.append([mode, "nobody yet; nearest", *_show(nearest)])
        if not mine:
            rows.append([mode, "not measured", *[""] * 5])
    return tabulate("mode | who needs | entry | parameters | FLOPs | tokens | solved", rows)


def _tabulate_all(entries: Iterable[Entry]) -> str:
    order = {mode: place for place, mode in enumerate(MODES)}
    ordered = sorted(entries, key=lambda row: (list(SETS).index(row["ranks"]), order[row["mode"]], row["flops"]))
    rows = ([row["ranks"], row["mode"], *_show(row), str(row["problems"]), str(row["seeds"])] for row in ordered)
    return tabulate("ranks | mode | entry | parameters | FLOPs | tokens | solved | n | seeds", rows)


def _show(row: Entry) -> list[str]:
    arm = row["arm"].removesuffix(f",{row['mode']}").removesuffix(f"@{row['mode']}")  # the mode has its own column
    return [f"{row['name']}, `{arm}`", f"{show(row['parameters'] / 1e6, 2)}M", show_flops(row["flops"]),
            show(row["sampled_tokens"]), show_accuracy(row)]  # fmt: skip


def show_flops(flops: float) -> str:
    """FLOPs in millions or billions, three digits."""
    return f"{show(flops / 1e9, 2)} billion" if flops >= 1e9 else f"{show(flops / 1e6)} million"


def main(arguments: list[str] | None = None) -> int:
    """Write the page from the kept rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kept", type=Path, metavar="JSON")
    parser.add_argument("output", type=Path, metavar="PAGE")
    options = parser.parse_args(arguments)
    text = write_leaderboard(read_entries(options.kept))
    write_atomically(options.output, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
