"""Cards for the Hugging Face Hub: what a run made, how, and what it scored, with the YAML that the hub reads.

All of it comes from the run's manifest, its records and its data cards; nothing is claimed that they do not hold. This
module does not know which files are sent, nor how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from game24lab.evaluation.arms import INSIDE, STRATEGIES, describe_strategy
from game24lab.evaluation.tables import summarise
from game24lab.report.result_cells import show, show_accuracy, tabulate
from game24lab.runs.printable import clean
from game24lab.runs.provenance import hide_paths
from game24lab.runs.run import Run
from game24lab.search.algorithms import bind

_ATTEMPTS = {"strategy", "solved", "mode", "problem", "sampled_tokens", "policy_parameters"}
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
_GAMES = {"game24": "the Game of 24", "chains24": "the Game of 24", "countdown": "Countdown", "gsm8k": "word problems"}
_SOLVE = {"game24": "game24lab solve 4 5 6 10", "chains24": "game24lab solve 4 5 6 10",
          "countdown": "game24lab solve 3 5 7 11 --task countdown --target 33"}  # fmt: skip


def write_model_card(run: Run, kind: str, repository: str, licence: str) -> str:
    """The card of a model repository. `kind` is "policy", "critic" or "router"."""
    from huggingface_hub import EvalResult, ModelCardData

    manifest, rows = run.manifest, _summarise(run)
    parameters = hide_paths(manifest["parameters"])
    task = str(parameters.get("task", "game24"))
    given = manifest["parameters"]  # as it was: a folder of this machine whose front is hidden looks like `owner/name`
    start = next((str(given[name]) for name in ("checkpoint", "policy") if _is_hub_id(given.get(name))), None)
    results = [EvalResult("text-generation", task, f"{_GAMES.get(task, task)}, {row['problems']} held out", "accuracy",
                          round(row["accuracy"], 4), metric_name=f"solved, {row['arm']}, {row['mode']}",
                          dataset_split=str(parameters.get("split", "")) or None) for row in rows]  # fmt: skip
    data = ModelCardData(
        license=licence, library_name="safetensors" if kind == "router" else "transformers", base_model=start,
        pipeline_tag={"policy": "text-generation", "critic": "text-classification"}.get(kind),
        tags=["game24lab", task, kind, *(("reasoning", "search") if kind == "policy" else ())],
        model_name=repository.partition("/")[2], eval_results=results or None,
    )  # fmt: skip
    solve = _SOLVE.get(task)
    lines = {
        "policy": [f"{solve} --checkpoint {repository}"],
        "critic": [f"hf download {repository} --local-dir critic", f"{solve} --critic critic"],
        "router": [f"hf download {repository} --local-dir router", f"{solve} --strategy auto --router router"],
    }[kind]
    use = "\n".join(["```", *lines, "```"] if solve else
                    ["```python", "import game24lab as lab", "", f'policy = lab.load_policy("{repository}")', "```"])
    version = manifest.get("packages", {}).get("game24lab", "")
    about = (f"A {kind} for {_GAMES.get(task, task)}, made by the notebook `{manifest['name']}` of game24lab "
             f"{version}. It plays this game and can do nothing else.")  # fmt: skip
    return _join(data.to_yaml(), repository, about, ["## Use", use, *_tell_rows(rows), *_tell_making(run, parameters)])


def write_data_card(run: Run, files: Sequence[Path], repository: str, licence: str) -> str:
    """The card of a data repository: `files` are those of the run that hold rows, each a configuration of its own."""
    from huggingface_hub import DatasetCardData

    parameters = hide_paths(run.manifest["parameters"])
    task = str(parameters.get("task", "game24"))
    counts = {path: count_rows(path) for path in files}
    largest = max(counts.values(), default=0)
    names = [path.relative_to(run.folder).as_posix() for path in files]
    configs = [{"config_name": name.rpartition(".")[0].replace("/", "_"), "data_files": name,
                **({"default": True} if place == 0 else {})} for place, name in enumerate(names)]  # fmt: skip
    data = DatasetCardData(license=licence, pretty_name=repository.partition("/")[2], tags=["game24lab", task],
                           task_categories=["text-generation"], configs=configs,
                           size_categories=next((told for most, told in _SIZES.items() if largest < most), "n>1M"),
                           )  # fmt: skip
    about = f"Rows for {_GAMES.get(task, task)}, made by the notebook `{run.manifest['name']}` of game24lab."
    table = tabulate("file | rows", ([f"`{name}`", show(count)] for name, count in
                                     zip(names, counts.values(), strict=True)))  # fmt: skip
    parts = ["## Files", table, *_tell_data(files), *_tell_rows(_summarise(run)), *_tell_making(run, parameters)]
    return _join(data.to_yaml(), repository, about, parts)


def count_rows(path: Path) -> int:
    """Rows of a Parquet file or of JSON lines."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return pyarrow.parquet.read_metadata(path).num_rows
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _is_hub_id(value: Any) -> bool:
    """Whether a parameter names a model of the hub: `owner/name`, and no folder, here or of a run elsewhere."""
    text = str(value or "")
    here = text.startswith((".", "~", "/", "runs/")) or text.endswith("/checkpoint") or Path(text).exists()
    return text.count("/") == 1 and not here


def _summarise(run: Run) -> list[dict[str, Any]]:
    """The arms of a run whose records are attempts."""
    if not run.path("records.parquet").exists():
        return []
    rows = run.read_records()
    return summarise(rows).to_dict("records") if set(rows) >= _ATTEMPTS and len(rows) else []


def _tell_rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was measured, with n, seeds, interval and mode."""
    if not rows:
        return []
    table = tabulate("arm | strategy | what helped | n | seeds | solved | tokens", (
        [f"`{row['arm']}`", _tell_setting(row), row["mode"], str(row["problems"]), str(row["seeds"]),
         show_accuracy(row), show(row["sampled_tokens"])] for row in rows))  # fmt: skip
    return ["## What it scores", "Held-out problems, solved as judged exactly, with the 95 % interval; tokens: mean "
            "sampled tokens of a problem. Blind: nothing helps; rules: moves are checked; verified: the exact verifier "
            "ends the search at the first right answer.", table]  # fmt: skip


def _tell_setting(row: Mapping[str, Any]) -> str:
    """The strategy of an arm: how much it searches, and what it sets other than by default."""
    known, name = STRATEGIES | INSIDE, row["algorithm"]
    defaults = bind(known[name], {}) if name in known else {}
    effort = describe_strategy(name)[1] if name in known else ""
    given = json.loads(row["parameters"])
    given = {key: given[key] for key in sorted(given, key=lambda key: (key != effort, key))
             if key == effort or key not in defaults or given[key] != defaults[key]}  # fmt: skip
    return f"`{name}`{': ' * bool(given)}" + ", ".join(f"`{key}={value}`" for key, value in given.items())


def _tell_making(run: Run, parameters: Mapping[str, Any]) -> list[str]:
    """Where it comes from: run, commit, machine, parameters, facts."""
    manifest = run.manifest
    git, facts = manifest.get("git") or {}, manifest.get("facts") or {}
    commit = f"{git['commit'][:12]}{' with changes' * bool(git.get('dirty'))}" if git.get("commit") else "not recorded"
    told = {"result": manifest.get("result") or "", "run": run.id, "commit": commit, "ended": manifest["end"],
            "machine": manifest["device"], "seed": manifest.get("seed"),
            **{name.replace("_", " "): _round(fact) for name, fact in facts.items()
               if isinstance(fact, int | float | str)}}  # fmt: skip
    given = {name: value for name, value in parameters.items() if name != "output"}
    rows = ([name, clean(value, 400).replace("|", "\\|")] for name, value in told.items() if value not in (None, ""))
    values = ([f"`{name}`", f"`{clean(json.dumps(value, ensure_ascii=False), 300)}`"] for name, value in given.items())
    return ["## How it was made", tabulate("fact | value", rows), "## Parameters", tabulate("name | value", values)]


def _round(fact: float | str) -> float | str:
    """A number to four digits behind the point."""
    return round(fact, 4) if isinstance(fact, float) else fact


def _tell_data(files: Sequence[Path]) -> list[str]:
    """The data cards that lie beside files, as they are."""
    parts = []
    for path in files:
        card = path.with_suffix(".card.json")
        if card.exists():
            text = json.dumps(hide_paths(json.loads(card.read_text(encoding="utf-8"))), indent=1, ensure_ascii=False)
            parts += [f"## Data card of `{path.name}`", f"```json\n{text}\n```"]
    return parts


def _join(front: str, repository: str, about: str, parts: Sequence[str]) -> str:
    return "\n\n".join([f"---\n{front.strip()}\n---", f"# {repository.partition('/')[2]}", about, *parts]) + "\n"

