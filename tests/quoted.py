"""The result tables of README.md and of the model card, and where each of their numbers stands in reports/*.json.

A table is found by the line that stands before it; its reader names the row of the JSON that each of its rows quotes.
What a JSON does not hold is listed in `UNKEPT`, word for word, with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from game24lab.evaluation.statistics import wilson

ROOT = Path(__file__).parent.parent
README, CARD, LOG = "README.md", "game24lab/pretrained/README.md", "LOG.md"
NUMBER = re.compile(r"(?<![\w.])(?:(?<!\d)[-+])?\d+(?:,\d{3})*(?:\.\d+)?")
FORMER = {"unverified": "rules"}  # kept JSONs and the tables made from them may have either name
# Cells that no kept JSON tells, with the reason. A changed digit makes them unlisted.
UNKEPT = {
    "8 minutes, one core": "run eba662358750 was the start of GRPO and is in no report",
    "[2.2, 8.0]": "reports/lookahead_report.json has the difference paired over three seeds, not seed by seed",
    "[1.6, 7.2]": "as above",
    "[0.8, 6.4]": "as above",
}

Report = Any
Values = Sequence[float] | str  # the numbers of a cell, in order; or its whole text
Read = Callable[[Report, list[str], list[list[str]]], Iterable[Sequence[Values]]]


@dataclass(frozen=True)
class Table:
    """One table: the document, a text that stands before it, the JSON, and how that fills its cells."""

    document: str
    anchor: str
    file: str
    read: Read  # (report, header, rows) -> the values of each row's cells
    fenced: bool = False  # in a block of code, columns apart by two spaces or more


# ------------------------------------------------------------------------------------------------ text and numbers
@cache
def load(file: str) -> Report:
    """A kept JSON."""
    return json.loads((ROOT / "reports" / file).read_text(encoding="utf-8"))


def cut(table: Table, text: str) -> tuple[int, int]:
    """Where the table begins and ends in its document; ValueError where it is not there."""
    if text.count(table.anchor) != 1:
        raise ValueError(f"{table.document}: {table.anchor!r} stands there {text.count(table.anchor)} times, not once")
    pattern = r"```\n(?:(?!report:|```).*\n)*" if table.fenced else r"(?:^\|.*\n)+"
    found = re.compile(pattern, re.M).search(text, text.index(table.anchor))
    if found is None:
        raise ValueError(f"{table.document}: no table behind {table.anchor!r}")
    return found.span()


def split(table: Table, text: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table's own text, as cells."""
    lines = text.strip().splitlines()
    if table.fenced:
        rows = [re.split(r" {2,}", line.strip()) for line in lines if not line.startswith("```")]
    else:
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
        rows = [row for row in rows if not set("".join(row)) <= set("-: ")]
    return rows[0], rows[1:]


def compare(table: Table, text: str, report: Report) -> list[str]:
    """What is wrong with a table's own text: a line for each cell that the report does not tell."""
    header, rows = split(table, text)
    try:
        expected = [list(row) for row in table.read(report, header, rows)]
    except (LookupError, ValueError) as error:
        return [f"{table.anchor}: a row that the report does not have: {error!r}"]
    wrong = [] if len(expected) == len(rows) else [f"{table.anchor}: {len(rows)} rows, {len(expected)} in the report"]
    for row, values in zip(rows, expected, strict=False):
        if len(row) != len(values):
            wrong.append(f"{row}: {len(row)} cells, where {len(values)} are known")
        wrong += [f"{' | '.join(row)}: {cell!r}, the report has {value}"
                  for cell, value in zip(row, values, strict=False) if not agree(cell, value)]  # fmt: skip
    return wrong


def change_digits(text: str) -> Iterator[tuple[str, str]]:
    """The text with one digit changed, every digit to every other; and what stands before it."""
    for place, letter in enumerate(text):
        for other in set("0123456789") - {letter} if letter.isdigit() else ():
            yield text[:place] + other + text[place + 1 :], text[max(0, place - 40) : place + 1]


def agree(cell: str, values: Values) -> bool:
    """Whether a cell quotes these numbers, each rounded to the digits that it gives; and no others."""
    if isinstance(values, str):
        return cell == values
    said = NUMBER.findall(cell)
    return len(said) == len(values) and all(map(is_rounded, said, values))


def is_rounded(said: str, value: float) -> bool:
    """Whether a number as text is the value, rounded to as many digits."""
    return said.lstrip("+") in (known := show(value, len(said.partition(".")[2])), known.replace(",", ""))


def show(value: float, digits: int) -> str:
    """A number rounded, its thousands apart; what is a half but for the last bit is one, and goes to the even side."""
    return f"{round(value, 9):,.{digits}f}"


# ------------------------------------------------------------------------------------------------ rows of a report
def pick(rows: Iterable[Mapping[str, Any]], **keys: Any) -> Mapping[str, Any]:
    """The one row with these values; LookupError where there is none, or more than one."""
    def name(value: Any) -> Any:
        return FORMER.get(value, value) if isinstance(value, str) else value

    found = [row for row in rows if all(name(row[key]) == name(value) for key, value in keys.items())]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rows with {keys}")
    return found[0]


def tell(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Accuracy and its interval in percent."""
    return 100 * row["accuracy"], 100 * row["low"], 100 * row["high"]


def bound(accuracy: float, n: int) -> tuple[float, float, float]:
    """An accuracy in percent with Wilson's interval."""
    return accuracy, *(100 * end for end in wilson(round(accuracy / 100 * n), n))


def count(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def match_label(label: str, patterns: Mapping[str, str]) -> tuple[str, float | None]:
    """What a pattern such as "best of {}" stands for, and the number in its place."""
    for pattern, name in patterns.items():
        found = re.fullmatch(re.escape(pattern).replace(r"\{\}", r"([\d,]+)"), label)
        if found:
            number = found[1].replace(",", "") if found.groups() else None
            return name.format(number), None if number is None else float(number)
    raise LookupError(f"the row {label!r}")


# ------------------------------------------------------------------------------------------------ the tables
STRATEGIES = {
    "MCTS, 1,000 draws": "mcts_long@simulations=1000", "MCTS, {} draws": "mcts@simulations={}",
    "best of {}": "best_of_n@n={}", "adaptive consistency, {}": "adaptive_consistency@n={}",
    "REBASE, width {}": "rebase@width={}", "particle filter, {}": "particle_filter@n_particles={}",
    "DVTS, {}": "dvts@n={}", "beam search, {}": "beam_search@n={}",
    "MCTS-alpha, {} simulations": "mcts_alpha@simulations={}",
    "Gumbel MCTS, {} simulations": "gumbel_mcts@simulations={}", "BFS-V, {}": "bfs_v@beam_size={}",
    "DFS-V, {}": "dfs_v@num_paths={}", "RAP, {}": "rap@n_iters={}",
}  # fmt: skip


def read_strategies(report: Report, header: list[str], rows: list[list[str]]) -> Iterable[list[Values]]:
    for label, *_ in rows:
        name = match_label(label, STRATEGIES)[0]
        cells: list[Values] = [label]
        for mode in header[1::2]:
            arm = pick(report["arms"], split="1001-1362", mode=mode, label=name)
            cells += [tell(arm), [arm["sampled_tokens"]]]
        yield cells


def read_router(report: Report, header: list[str], rows: list[list[str]]) -> Iterable[list[Values]]:
    for label, *_ in rows:
        few = ", 5 strategies" * label.startswith("the published strategies")
        router = pick_router(report, few)
        point = router["point"]
        own = [100 * point[key] for key in ("accuracy", "accuracy_low", "accuracy_high")]
        share = [100 * point[key] for key in ("share", "share_low", "share_high")]
        hull, oracle = ([100 * point[key]] for key in ("hull", "oracle"))
        yield [[router["arms"]], [point["cost"]], own, hull, oracle, share if share[1] > 0 else "nothing beyond chance"]


def pick_router(report: Report, few: str = "") -> Mapping[str, Any]:
    (router,) = (one for one in report["routers"] if one["label"] in (f"rules{few}", f"unverified{few}"))
    return router


def read_chains(report: Report, header: list[str], rows: list[list[str]]) -> Iterable[list[Values]]:
    """One of the two reports; GRPO's answers at other budgets than 1,024 are not in it, only that they fit a Wilson
    interval of 100 puzzles can be checked."""
    sft, rl = load("sft_report.json"), report
    method = ""
    for label, *cells in rows:
        if label == "SFT on sound traces, one seed":
            method, budgets = "GRPO from 03_sft", sft["budgets"]["sound mixed"]
            seconds = pick(sft["costs"], label="sound mixed")["training_cpu_seconds"]
            yield [label, *(tell(pick(budgets, budget=count(head)[0])) for head in header[1:-1]), [seconds / 60]]
            continue
        if label == "SFT on bare solutions, one seed":
            method, cost = "GRPO from 03_sft_solutions", "8 minutes, one core"
            row = next(one["start"] for one in rl["trainings"] if one["method"] == method)
            assert cost in UNKEPT
        else:
            seed = re.fullmatch(r"(?:then GRPO, )?seed (\d+)", label)
            if seed is None:
                raise LookupError(f"the row {label!r}")
            training = pick(rl["trainings"], method=method, seed=int(seed[1]))
            row, run = training["end"], pick(rl["runs"], id=training["run"])
            begin, end = (datetime.fromisoformat(run[key]) for key in ("start", "end"))
            cost = [(end - begin).total_seconds() / 60]
        kept = {1024: tell(row)}
        yield [label, *(_look_up(kept, head, cell) for head, cell in zip(header[1:-1], cells, strict=False)), cost]


def _look_up(kept: Mapping[int, Values], head: str, cell: str) -> Values:
    (budget,) = count(head)
    if budget not in (256, 512, 1024, 4096):
        raise LookupError(f"the budget {head!r}")
    return kept[int(budget)] if budget in kept else bound(count(cell)[0], 100) if cell else ""


def read_stories(report: Report, header: list[str], rows: list[list[str]]) -> Iterable[list[Values]]:
    """The report has the means of the three seeds: each seed's accuracy is held against their mean, its interval and
    its difference follow; the interval of the difference alone is not kept."""
    training = pick(report["trainings"], share=0.0)
    seeds = [run["seed"] for run in report["runs"] if run["id"] in training["source"]]
    start, n = 100 * (training["end"] - training["change"]["difference"]), training["change"]["puzzles"]
    after = [count(cells[1])[0] for cells in rows[1:]]
    if abs(sum(after) / len(after) - 100 * training["end"]) > 1e-6:
        raise LookupError(f"a mean of {sum(after) / len(after)} after GRPO, where it is {100 * training['end']}")
    yield ["SFT, one seed", bound(round(start, 6), n), ""]
    for place, (seed, accuracy) in enumerate(zip(seeds, after, strict=True)):
        paired = rows[1 + place][2]
        interval = paired[paired.index("["):]
        if interval not in UNKEPT:
            raise LookupError(f"the interval {interval}")
        points = " points" * (place == 0)
        yield ["then GRPO by the five rewards, " * (place == 0) + f"seed {seed}", bound(accuracy, n),
               f"{accuracy - start:+.1f}{points} {interval}"]  # fmt: skip


def read_lookahead(report: Report, header: list[str], rows: list[list[str]]) -> Iterable[list[Values]]:
    run = None
    for label, ends, *_ in rows:
        if label:
            gsm8k = label.startswith("stories")
            run = pick([one for one in report["runs"] if one["name"] == "08_lookahead"],
                       folder="08_lookahead" + "_gsm8k" * gsm8k)["id"]  # fmt: skip
        mode, _, by = ends.partition(", ")
        mode = "rules" if mode == "blind" else mode  # the kept JSON has one former name for both
        arm = "look ahead" + f", {by}" * bool(by)
        own = pick(report["arms"], run=run, arm=arm, mode=mode)
        held = pick(report["matched"]["sampled_tokens"], run=run, arm=arm, mode=mode)
        name = f"{'stories' if gsm8k else 'Game of 24, 901-1000'} (n = {own['problems']})" if label else ""
        baseline = [*count(held["baseline"]), 100 * held["baseline_accuracy"]]
        yield [name, ends, tell(own), [own["sampled_tokens"]], baseline, [held["baseline_spent"]],
               [100 * held[key] for key in ("difference", "low", "high")]]  # fmt: skip


def read_demo(report: Report, header: list[str], rows: list[list[str]]) -> Iterable[list[Values]]:
    if header[-3:] != ["solved", "95 % interval", "sampled tokens"]:
        raise LookupError(f"the header {header}")
    searches = {run["id"] for run in report["runs"] if run["name"] == "05_search"}
    results = [row for row in report["results"] if row["run"] in searches]
    if len(results) != len(rows):
        raise LookupError(f"{len(results)} arms in the report")
    for arm, mode, *_ in rows:
        row = pick(results, arm=arm, mode=mode)
        yield [arm, mode, [row["problems"]], [100 * row["accuracy"]], [100 * row["low"], 100 * row["high"]],
               [row["sampled_tokens"]]]  # fmt: skip


def read_bench(report: Report, header: list[str], rows: list[list[str]]) -> Iterable[list[Values]]:
    for name, work, *_ in rows:
        row = pick(report, benchmark=name, work=work)
        yield [name, work, [row["stock"]], [row["ours"]], f"{row['ratio']:.1f}x", row["note"]]


# The three modes side by side: each split's rows together, its ranks before the first of them. A published row has
# numbers under blind alone.
ARMS = {
    "greedy": "greedy", "best of {}, by the critic": "best_of_n", "best of {}, the likeliest": "likeliest",
    "majority of {}": "majority", "weighted majority of {}": "weighted_majority", "beam search, {}": "beam_search",
    "MCTS, {} draws": "mcts@simulations={}", "MCTS, at most {} draws": "mcts",
}  # fmt: skip
MODES = ("blind", "rules", "verified")


def read_modes(report: Report, header: list[str], rows: list[list[str]]) -> Iterable[list[Values]]:
    ranks = ""
    for first, label, *_ in rows:
        if first:
            ranks = first.partition(" ")[0]
            (n,) = {arm["problems"] for arm in report["arms"] if arm["split"] == ranks}
            first = f"{ranks} (n = {n})"
        if label.startswith("published: "):
            point = pick([one | {"name": name_published(one)} for one in report["published"]], ranks=ranks, name=label)
            yield [first, label, [100 * point["accuracy"]], [point["tokens"]] if point["tokens"] else "", *[""] * 4]
            continue
        name, number = match_label(label, ARMS)
        cells: list[Values] = [first, label]
        for mode in header[2::2]:
            arm = pick(report["arms"], split=ranks, mode=mode, label=name)
            if number not in (None, _size(arm)):
                raise LookupError(f"{number} of {name}, which has {_size(arm)}")
            cells += [tell(arm), [arm["sampled_tokens"]]]
        yield cells


def name_published(point: Mapping[str, Any]) -> str:
    return f"published: {point['model']}, {point['setting']} ({point['source'].partition(',')[0]})"


def draft_modes(report: Report) -> str:
    """The table of the three modes as README has it: the arms that were run in all of them, and beside blind the best
    published point that was played blind."""
    heads = [f"{mode} | tokens" for mode in MODES]
    lines = [f"| ranks | strategy | {' | '.join(heads)} |", "| --- " * 8 + "|"]
    for ranks in dict.fromkeys(arm["split"] for arm in report["arms"]):
        mine, found = [arm for arm in report["arms"] if arm["split"] == ranks], []
        for name in dict.fromkeys(arm["label"] for arm in mine):
            arms = [arm for mode in MODES for arm in mine if (arm["label"], arm["mode"]) == (name, mode)]
            if len(arms) == len(MODES) and (label := _name_arm(arms[0])):
                quoted = [(f"{show(own, 1)} % [{show(low, 0)}, {show(high, 0)}]", show(arm["sampled_tokens"], 0))
                          for arm in arms for own, low, high in [tell(arm)]]  # fmt: skip
                found.append([label, *(cell for pair in quoted for cell in pair)])
        points = [point for point in report["published"] if (point["ranks"], point["mode"]) == (ranks, "blind")]
        if points:
            best = max(points, key=lambda point: point["accuracy"])
            tokens = f"{best['tokens']:,}" if best["tokens"] else ""
            found.append([name_published(best), f"{100 * best['accuracy']:.1f} %", tokens, "", "", "", ""])
        begin = f"{ranks} (n = {mine[0]['problems']})"
        lines += [f"| {' | '.join([begin * (place == 0), *row])} |" for place, row in enumerate(found)]
    return "\n".join(lines) + "\n"


def _size(arm: Mapping[str, Any]) -> int | None:
    """How many answers, or draws."""
    return next((arm["parameters"][name] for name in ("n", "simulations") if name in arm["parameters"]), None)


def _name_arm(arm: Mapping[str, Any]) -> str | None:
    """An arm's name in README; None for those that it does not show."""
    size = _size(arm)
    known = (pattern for pattern, label in ARMS.items() if label.format(size) == arm["label"])
    return next((pattern.format(size if size is None else f"{size:,}") for pattern in known), None)


TABLES = {
    "demo": Table(README, "At the end it prints", "demo_report.json", read_demo, fenced=True),
    "modes": Table(README, "### What the shipped model scores", "modes.json", read_modes),
    "strict": Table(README, "The same recipes on it", "strict.json", read_modes),
    "modes in the card": Table(CARD, "## What they score", "modes.json", read_modes),
    "strategies": Table(README, "### Every strategy under one meter", "search_report.json", read_strategies),
    "router": Table(README, "### The right amount of thinking for each puzzle", "router_report.json", read_router),
    "bench": Table(README, "### Ours beside the stock way", "bench.json", read_bench, fenced=True),
    "chains": Table(README, "Greedy answers to ranks 901-1000", "rl_report.json", read_chains),
    "stories": Table(README, "On 500 held-out stories", "lookahead_report.json", read_stories),
    "lookahead": Table(README, "A lookahead searches over tokens", "lookahead_report.json", read_lookahead),
}  # fmt: skip
