"""The kinds of reports: for each, the section module that writes it and what it is about. It imports none of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of report: its module in report/sections, what it is about, the command that runs the study of the report
    that is kept, and a file that each folder must hold."""

    module: str
    about: str
    study: str
    needed: str = ""


KINDS = {
    "runs": Kind("runs", "any runs: training, calibration and search in one report (default)", "make demo"),
    "sft": Kind("sft", "03_sft on traces: each run is one arm of an ablation", "make ablation", "grades.parquet"),
    "rl": Kind("rl", "06_grpo and 07_dpo: what each adds to its start, all seeds together", "make chains",
               "grades.parquet"),
    "search": Kind("search", "05_search, 09_strategies and 04_critic: every strategy against every cost",
                   "make search"),
    "modes": Kind("modes", "the same runs: blind, rules and verified side by side",
                  "game24lab run 09_strategies -f params/search/modes.yaml"),
    "router": Kind("routing", "10_router: which arm for each problem, and what that gains", "make router"),
    "scaling": Kind("scaling", "11_scaling: how training and thinking replace each other", "make scaling"),
    "iteration": Kind("iteration", "12_expert_iteration: rounds of search and learning beside controls of equal FLOPs",
                      "make iteration", "rounds.parquet"),
    "lookahead": Kind("decoding", "08_lookahead, and 06_grpo with searched answers", "make lookahead"),
}  # fmt: skip
