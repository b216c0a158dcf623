"""A workbench for studying how small language models learn to reason and search: the names that a notebook needs.

`import game24lab as lab` takes milliseconds: each name is imported from its room when it is first used. What a notebook
takes singly is a name of its own (`lab.evaluate`); where it takes several things of one module, the module is the name
(`lab.sft`). All else stands in the rooms (`game24lab.search`, ...), which import what they need in full.
"""

from difflib import get_close_matches
from importlib import import_module
from typing import Any

_PAGE = {  # where names stand: what an import statement would take from there
    "runs.notebook": "enter",
    "runs.run": "start_run",
    "runs.provenance": "hash_checkpoint",
    "tasks.environments": "open_environment",
    "tasks.environment": "require_parts",
    "tasks.rewards": "make_reward_functions, make_locator",
    "tasks.numbers": "arithmetic, preference_pairs, puzzles, rankings, solutions, splits",
    "tasks.numbers.chains": "judge_chain",
    "tasks.numbers.exposure": "measure_exposure",
    "tasks.numbers.steps": "write_solution",
    "models.locations": "find_pretrained",
    "models.vocabulary": "check_vocabulary",
    "models.load_policy": "Sampling, load_policy, TransformersPolicy",
    "models.critic": "load_critic",
    "models.self_check": "add_checks",
    "models.tokenizer": "read_chat",
    "search.engine": "run as run_search",
    "search.modes": "find_unverified",
    "search.tree": "Tree",
    "evaluation": "calibration, chains, claims, completions, decoding, error_analysis, noise_study",
    "evaluation.arms": "Arm, INSIDE, STRATEGIES",
    "evaluation.exact": "add_exact, can_measure, measure_chances, measure_change, pass_at, tabulate_exact_pass",
    "evaluation.evaluate": "evaluate, summarise, tabulate_pass_at_k",
    "evaluation.chains": "grade",
    "evaluation.grid": "expand_arms, find_family, run_arms, take_chunk",
    "evaluation.oracle_critics": "find_like",
    "evaluation.score_files": "score_files",
    "evaluation.round_meters": "make_meters, plan_searches, read_round_chances, search_best",
    "evaluation.selection": "compare_selections",
    "training": "critic as critic_training, critic_data, dpo, expert_iteration, grpo, iteration_controls, sft",
    "training.data": "sft_mixture, trace_dataset, trace_generation",
    "training.clock": "read_cost",
    "training.falsified": "falsify",
    "training.rollout_critic": "teach_critic",
    "training.solver_solutions": "ask_solver",
    "training.weak_start": "draw_pool, train_start",
    "training.trackers": "check_tracker",
    "scaling": "budgets, design, fits, floor, frontier, gains, ladder, laws, measure, study",
    "routing": "ablation",
    "report.show": "show_report",
    "routing.arms": "keep_arms",
    "routing.probe": "Probe, probe_problems",
    "routing.probe_answer": "add_probe_answers",
    "routing.splits": "split_problems",
    "routing.table": "read_table",
    "views": "sentences",
    "views.tables": "specifications as columns",
    "views.tables.table": "show_table",
    "views.charts": "chains as chain_charts, critics as critic_charts, "
                    "iteration as iteration_charts, routing as router_charts, scaling as scaling_charts",
    "views.charts.theme": "draw_accuracy, draw_calibration, draw_chances, draw_difficulty, draw_learning, "
                          "draw_pass_at_k",
    "views.tree.explorer": "explore, offer",
    "views.tree.page": "write_html",
    "views.tree.widget": "TreeView",
    "views.widgets.answers": "AnswerView",
    "views.widgets.budget_split": "Splitting",
    "views.widgets.chain": "ChainView",
    "views.widgets.live_curves": "LiveCurves",
    "views.widgets.reward_weights": "Weighing",
    "views.widgets.router_prices": "Pricing",
    "views.widgets.side_by_side": "SideView",
}
_NAMES = {
    words[-1]: (place, words[0])
    for place, names in _PAGE.items()
    for words in (name.split(" as ") for name in names.split(", "))
}
__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("game24lab.runs.provenance").read_version()
    if name not in _NAMES:
        close = get_close_matches(name, __all__) or __all__
        raise AttributeError(f"module 'game24lab' has no attribute {name!r}; it has {', '.join(close)}")
    place, called = _NAMES[name]
    home = import_module(f"game24lab.{place}")
    found = getattr(home, called) if hasattr(home, called) else import_module(f"{home.__name__}.{called}")
    globals()[name] = found  # the next look finds it at once
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
