"""The curves on the pages of strategies and trainers: drawn while the site is built, from the kept `reports/*.json`.

A section that is headed by a name of the code ends with what that strategy or training came to. Where no report has
kept a curve, this is said in its place. It does not know how anything was measured, nor what else a page says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
from tutorials import show_figure

from game24lab.report.kept import read_kept
from game24lab.report.search_summaries import SUBJECTS
from game24lab.views.charts.critics import draw_training
from game24lab.views.charts.palette import PALETTE
from game24lab.views.charts.svg import to_svg
from game24lab.views.charts.theme import (
    ABOVE,
    DASHES,
    SHARE,
    add_line,
    draw_accuracy,
    draw_learning,
    draw_pass_at_k,
    make_figure,
    tick_decades,
)  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "reports"
RANKS = ("901-1000", "1001-1362")
HARD = RANKS[1]
_NEAR = 1.6  # the dearest over the cheapest, below which an axis of tokens begins at 0
_HEADING = re.compile(r"^##? `?([^`\n]+)`?$", flags=re.M)

Row = Mapping[str, Any]


def add_curves(text: str, folder: str, tell: Mapping[str, Callable[[], str]] | None = None) -> str:
    """A page of `docs/strategies` or `docs/trainers` with a curve at the end of each section that has one."""
    known = (TELL[folder] if tell is None else tell) if folder in TELL else {}
    heads = list(_HEADING.finditer(text))
    for head, after in reversed(list(zip(heads, [*heads[1:], None], strict=True))):
        if head[1] in known:
            end = after.start() if after else len(text)
            text = f"{text[:end].rstrip()}\n\n{known[head[1]]()}\n\n{text[end:]}"
    return text


# ------------------------------------------------------------------------------------------------ strategies
def tell_strategy(name: str) -> str:
    """Accuracy of a strategy against its tokens, over its own budget, as the study of all strategies measured it."""
    arms = [arm for arm in _read("search_report")["arms"] if arm["algorithm"] == name]
    if not arms:
        return f"*No kept report has measured `{name}`.*"
    key, chosen = pick_curves(arms)
    values = [arm["parameters"][key] for arm in chosen] if key else []
    span = f": `{key}` from {min(values):,} to {max(values):,}" if key else ""
    told = "Where what helps changes nothing, lines lie on each other." if key else "One setting alone is kept."
    table = pd.DataFrame([_show(arm, f"ranks {arm['split']}{_name_family(arm, name)}") for arm in chosen])
    critic = ", ".join(_read("search_report")["judges"]["searched"])
    return _join(_lay(draw_accuracy(table), chosen), f"Accuracy of `{name}` against its sampled tokens{span}. "
                 f"{_count(chosen)} {told} Critic: {critic}; all settings: "
                 "[report](../../reports/search_report.pdf).", "search_report", chosen)  # fmt: skip


def _name_family(arm: Row, name: str) -> str:
    """How the study calls settings of a strategy that are not its usual ones."""
    family = re.split("[@,]", arm["arm"])[0]
    return "" if family == name else f", {family}"


def pick_curves(arms: Sequence[Row]) -> tuple[str, list[Row]]:
    """A parameter of effort and, of each split and mode, the arms of one run that differ in it alone: that which gives
    most points. "" and an arm of each where no two arms make a curve."""
    best, curve = "", []
    for key in (*SUBJECTS["simulations"], *SUBJECTS["width"]):
        groups: dict[tuple[str, str], dict[str, list[Row]]] = {}
        for arm in (arm for arm in arms if arm["parameters"].get(key) is not None):
            rest = {name: value for name, value in arm["parameters"].items() if name not in (key, "budget")}
            same = groups.setdefault((arm["split"], arm["mode"]), {})
            same.setdefault(json.dumps([arm["run"], rest], sort_keys=True), []).append(arm)
        longest = [max(some.values(), key=len) for some in groups.values()]
        chosen = [arm for some in longest if len(some) > 1 for arm in some]
        if len(chosen) > len(curve):
            best, curve = key, chosen
    return best, curve or list({(arm["split"], arm["mode"]): arm for arm in arms}.values())


def tell_unrepeated() -> str:
    """MCTS that says nothing twice beside MCTS that may, with the models that ship."""
    kinds = {"mcts_without": "no line twice", "mcts_likeliest": "the likeliest first"}
    arms = [(arm, kinds[name]) for arm in _read("without")["arms"] if arm["split"] == HARD
            and (name := arm["arm"].partition("@")[0].partition(",")[0].removesuffix("_blind")) in kinds
            and "@" in arm["arm"]]  # fmt: skip
    arms += [(arm, "lines may come again") for arm in _read("modes")["arms"]
             if (arm["split"], arm["algorithm"]) == (HARD, "mcts")]  # fmt: skip
    chosen = [arm for arm, _ in arms]
    draws = [arm["parameters"]["simulations"] for arm in chosen]
    figure = draw_accuracy(pd.DataFrame([_show(arm, name) for arm, name in arms]))
    figure.update_layout(yaxis={"range": [min(arm["low"] for arm in chosen) - 0.05, 1.02]})
    return _join(_lay(figure, chosen),
                 f"MCTS on ranks {HARD} with and without replacement, `simulations` from {min(draws)} to "
                 f"{max(draws):,}. {_count(chosen)} The models that ship.", "without", chosen, "modes")  # fmt: skip


def tell_exact() -> str:
    """pass@k by the exact sum over a tree beside the pass@k of samples."""
    rows = [row for row in _read("exact_report")["pass_at_k"] if row.get("exact") is not None]
    run = rows[0]["run"]
    some = [row for row in rows if (row["run"], row["arm"]) == (run, rows[0]["arm"])]
    exact = [{"k": row["k"], "accuracy": row["exact"], "arm": "exact, no samples"} for row in some]
    return _join(draw_pass_at_k(pd.DataFrame([*[{**row, "arm": "of samples"} for row in some], *exact])),
                 f"pass@k on ranks 901-1000 (n = {some[0]['problems']}): estimated from {some[0]['samples']} samples a "
                 "problem, the band its 95 % interval, and computed. The policy that ships.", "exact_report",
                 [{"run": run}])  # fmt: skip


def tell_lookahead() -> str:
    """A search within the answer beside best of n, on puzzles, both ended by the verifier."""
    kept = _read("lookahead_report")
    (run,) = {row["id"] for row in kept["runs"] if row["name"] == "08_lookahead"
              and row["parameters"].get("task", "game24") != "gsm8k"}  # fmt: skip
    best, ahead = ([row for row in kept[key] if f"run {run}," in row["source"] and row["mode"] == "verified"
                    and row["algorithm"] == name]
                   for key, name in (("arms", "best_of_n"), ("grid", "lookahead")))  # fmt: skip
    figure = make_figure(("sampled tokens per problem (mean)", "accuracy"))
    add_line(figure, pd.DataFrame(best).sort_values("sampled_tokens"), "sampled_tokens", "accuracy", PALETTE[0],
             "best of n")  # fmt: skip
    for colour, when in zip(PALETTE[1:], ("tokens", "line", "entropy"), strict=False):
        rows = [row for row in ahead if row["arm"].startswith(when)]
        add_line(figure, pd.DataFrame(rows), "sampled_tokens", "accuracy", colour, f"look ahead: {when}",
                 mode="markers", size=9, symbol="diamond")  # fmt: skip
    return _join(_lay(figure.update_layout(yaxis=SHARE), [*best, *ahead]),
                 "Looking ahead every few tokens, at each line, or where the policy is unsure (2 or 8 simulations, "
                 f"depth 1 or 3), beside best of n, on puzzles. {_count([*best, *ahead])} A policy that writes chains.",
                 "lookahead_report", [{**row, "run": run} for row in best])  # fmt: skip


# -------------------------------------------------------------------------------------------------- trainers
def tell_training(name: str, notebook: str, draw: Callable[[pd.DataFrame], Any]) -> str:
    """The longest kept curve of trainings by a notebook."""
    found = [(len(log["curve"]), path.stem, log, run) for path in sorted(REPORTS.glob("*_report.json"))
             for kept in [_read(path.stem)] for log in kept.get("training", []) if log.get("curve")
             for run in kept["runs"] if run["id"] == log["run"] and run["name"] == notebook]  # fmt: skip
    if not found:
        return _tell_none(name, notebook)
    _, file, log, run = max(found, key=lambda one: one[0])
    size = (run.get("facts") or {}).get("non_embedding_parameters")
    about = f"{size / 1e6:.2f}M parameters, " if size else ""
    task = (run["parameters"] or {}).get("task", "game24")
    return _join(draw(pd.DataFrame(log["curve"])), f"A training by `{notebook}`, {about}task `{task}`, "
                 f"{log['steps']:,} steps, seed {run['seed']}; {len(log['curve'])} rows of its log are kept. Bars: "
                 "95 % intervals.", file, [{"run": log["run"]}])  # fmt: skip


def tell_rewards(name: str, notebook: str) -> str:
    """Accuracy before, at the best check and after trainings from rewards or pairs."""
    kept = _read("rl_report")
    runs = {run["id"] for run in kept["runs"] if run["name"] == notebook}
    some = [one for one in kept["trainings"] if one["run"] in runs]
    if not some:
        return _tell_none(name, notebook)
    steps = {cost["run"]: cost["steps"] for cost in kept["costs"]}
    figure, looks = make_figure(("step", "held-out accuracy, greedy")), list(DASHES.values())
    methods = list(dict.fromkeys(one["method"] for one in some))
    for one in some:
        peak = [{"step": one["peak"]["step"], "accuracy": one["peak"]["accuracy"]}] if one["peak"] else []
        rows = [{"step": 0, **one["start"]}, *peak, {"step": steps[one["run"]], **one["end"]}]
        place = methods.index(one["method"])
        add_line(figure, pd.DataFrame(rows).sort_values("step", kind="stable"), "step", "accuracy",
                 PALETTE[place % len(PALETTE)], one["label"], dash=looks[one["seed"] % len(looks)])  # fmt: skip
    n = ", ".join(str(count) for count in sorted({one["start"]["puzzles"] for one in some}))
    return _join(figure.update_layout(yaxis={"tickformat": ".0%"}, legend=ABOVE),
                 f"What `{name}` adds on ranks 901-1000 (n = {n}), blind, answers of at most {kept['budget']:,} "
                 "tokens: before it, at the best check on the way, and at its end, where bars are 95 % intervals. The "
                 "rest of these curves was not kept; how a whole one looks: "
                 f"[tutorial](../../notebooks/{notebook}.ipynb).", "rl_report", some)  # fmt: skip


def _tell_none(name: str, notebook: str) -> str:
    return (f"*No kept report holds a learning curve of `{name}`; how one looks: "
            f"[tutorial](../../notebooks/{notebook}.ipynb).*")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- parts
@cache
def _read(name: str) -> dict[str, Any]:
    return read_kept(REPORTS / f"{name}.json")


def _show(arm: Row, name: str) -> dict[str, Any]:
    return {"arm": name} | {key: arm[key] for key in ("mode", "sampled_tokens", "accuracy", "low", "high")}


def _lay(figure: Any, arms: Sequence[Row]) -> Any:
    """A figure with its legend above, and an axis of tokens whose ticks can be read: from 0 where costs lie close."""
    tokens = [arm["sampled_tokens"] for arm in arms]
    near = max(tokens) < _NEAR * min(tokens)
    axis = {"range": [0, 1.15 * max(tokens)]} if near else tick_decades(tokens, "{:,.0f}".format)
    axis |= {"type": "linear" if near else "log"}
    return figure.update_layout(xaxis=axis, legend=ABOVE)


def _count(arms: Sequence[Row]) -> str:
    """n and seeds of what is drawn, in words."""
    ns, seeds = (sorted({arm[key] for arm in arms}) for key in ("problems", "seeds"))
    many = " or ".join(map(str, seeds))
    return f"Bars: 95 % intervals; n = {' and '.join(map(str, ns))}, {many} {'seed' if seeds == [1] else 'seeds'}."


def _join(figure: Any, caption: str, file: str, rows: Sequence[Row], *others: str) -> str:
    """A figure with its caption and where its numbers stand."""
    files = ", ".join(f"[`reports/{name}.json`](../../reports/{name}.json)" for name in (file, *others))
    runs = ", ".join(dict.fromkeys(str(row["run"]) for row in rows))
    source = f"Drawn from {files}, run{'s' * (',' in runs)} {runs}."
    return f"```{{raw}} html\n{show_figure(figure.to_json(), to_svg(figure))}\n```\n\n*{caption} {source}*"


TELL: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "strategies": {
        **{name: (lambda name=name: tell_strategy(name)) for name in (
            "beam_search", "dvts", "bfs_v", "dfs_v", "best_first", "a_star", "gumbel_mcts", "mcts", "particle_filter",
            "rebase", "mcts_alpha", "mcts_rollout", "rap", "greedy", "best_of_n", "majority", "weighted_majority",
            "adaptive_consistency", "early_stopping")},
        "lookahead": tell_lookahead, "Sampling without replacement": tell_unrepeated, "The exact chance": tell_exact,
    },
    "trainers": {
        "sft": lambda: tell_training("sft", "03_sft", draw_learning),
        "critic": lambda: tell_training("critic", "04_critic", draw_training),
        "grpo": lambda: tell_rewards("grpo", "06_grpo"), "dpo": lambda: tell_rewards("dpo", "07_dpo"),
    },
}  # fmt: skip
