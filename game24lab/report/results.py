"""The result tables of the documentation, made from the numbers that are kept as JSON beside each report.

    python -m game24lab.report.results reports docs/results.md

Each section reads one kept file and names it, with the runs, their dates and commits; no measured number is typed by
hand. It does not know how anything was measured, and needs no run folder and no model.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from game24lab.report.result_arms import MODE_HEAD, NAMES, name_arm, show_arm
from game24lab.report.result_cells import MODES, Row, name_mode, pick, show, show_accuracy, show_change, tabulate
from game24lab.report.result_countdown import tell_countdown
from game24lab.report.result_iteration import tell_iteration
from game24lab.report.result_scaling import tell_scaling
from game24lab.runs.run import write_atomically

HARD = "1001-1362"
OTHER = "other"  # what the reports call problems without a published rank
HEADLINE = ("greedy", "best_of_n", "mcts@simulations=64", "mcts@simulations=400")
UNREPEATED = ("mcts_without@simulations=1500", "mcts_likeliest@simulations=1500",
              "mcts_likeliest_blind@simulations=60")  # fmt: skip
EFFORTS = ("simulations", "n", "n_iters", "n_particles", "num_paths", "beam_size")  # searches are sized by, or by width
HEAD = """# Results

Made by `make results` from the JSON files in [`reports/`](../reports), which the reports wrote beside their PDFs.

- Accuracy is the share of problems solved, judged exactly, with a 95 % interval: Wilson's where a problem has one
  attempt or all its seeds agree, else a bootstrap over problems. "Tokens" are the mean sampled tokens of a problem;
  discarded ones count.
- Problems are named by their ranks in the published list of 1,362 puzzles, ordered by human solving time: 901-1000 are
  those of Tree of Thoughts, 1001-1362 those of TS-LLM. No model was trained on any of them; positions that moves reach
  from them do occur in training, unless the split is a strict one.
- What helped the models is said in one word. **Blind**: nothing; a line is taken as written, and the answer is judged
  after the search has committed to it. **Rules**: moves are checked and positions computed; policy and critic choose
  the answer. **Verified**: as rules, and the exact verifier ends the search at the first right answer.
- Published numbers come from other models with other tokenizers, and stand under the mode they were measured in."""


# ------------------------------------------------------------------------------------------------ searches
def tabulate_modes(report: Any) -> str:
    """Accuracy and tokens of arms in the three modes side by side: those that were run in all of them, and beside
    blind the best published point that was measured blind."""
    rows = []
    for ranks in dict.fromkeys(arm["split"] for arm in report["arms"]):
        n = next(arm["problems"] for arm in report["arms"] if arm["split"] == ranks)
        first = f"{ranks} (n = {n})"
        found = [*_list_modes(report, ranks), *_list_best_published(report, ranks)]
        rows += [[first * (place == 0), *row] for place, row in enumerate(found)]
    return tabulate(f"ranks | strategy | {MODE_HEAD}", rows)


def tabulate_headline(report: Any, strict: Any, unrepeated: Any) -> str:
    """README's table: the harder puzzles from greedy to MCTS, with and without replacement, in the modes that they were
    run in, the best published point, and MCTS on a strict split."""
    (apart,) = _list_modes(strict, HARD, ("mcts",))
    rows = [*_list_modes(report, HARD, HEADLINE), *_list_modes(unrepeated, HARD, UNREPEATED, fewest=1),
            *_list_best_published(report, HARD)]  # fmt: skip
    return tabulate(f"strategy | {MODE_HEAD}", [*rows, [f"{apart[0]}, strict split", *apart[1:]]])


def _list_modes(
    report: Any, ranks: str, labels: Sequence[str] | None = None, fewest: int = len(MODES)
) -> list[list[str]]:
    """A row for each arm that was run in so many modes at least."""
    mine = [arm for arm in report["arms"] if arm["split"] == ranks and (labels is None or arm["label"] in labels)]
    rows = []
    for label in dict.fromkeys(arm["label"] for name in NAMES for arm in mine if arm["algorithm"] == name):
        arms = {arm["mode"]: arm for arm in mine if arm["label"] == label}
        if len(arms) >= fewest:
            cells = [show_arm(arms[mode]) if mode in arms else ("", "") for mode in MODES]
            rows.append([name_arm(next(iter(arms.values()))), *(cell for pair in cells for cell in pair)])
    return rows


def _list_best_published(report: Any, ranks: str) -> list[list[str]]:
    points = [point for point in report["published"] if (point["ranks"], point["mode"]) == (ranks, "blind")]
    best = max(points, key=lambda point: point["accuracy"], default=None)
    if best is None:
        return []
    name = f"published: {best['model']}, {best['setting']} ({best['source'].partition(',')[0]})"
    return [[name, f"{show(100 * best['accuracy'], 1)} %", show(best["tokens"]), *[""] * 4]]


def _tell_modes(report: Any) -> list[str]:
    seeds = {arm["algorithm"]: arm["seeds"] for arm in report["arms"]}
    counts = {count: [f"`{name}`" for name in seeds if seeds[name] == count] for count in set(seeds.values())}
    told = "; ".join(f"{count} seed{'s' * (count > 1)}: {', '.join(names)}" for count, names in sorted(counts.items()))
    return [f"{told}.", tabulate_modes(report)]


def _tell_unrepeated(report: Any) -> list[str]:
    rows, ranked = [], any(arm["split"] != OTHER for arm in report["arms"])
    for ranks in dict.fromkeys(arm["split"] for arm in report["arms"]):
        mine = [arm for arm in report["arms"] if arm["split"] == ranks]
        for arm in sorted(mine, key=lambda arm: (arm["mode"], arm["label"].partition("@")[0])):
            shares = ("" if arm[share] is None else f"{show(100 * arm[share])} %" for share in ("repeated", "illegal"))
            rows.append([*([ranks] if ranked else []), f"`{arm['label']}`", arm["mode"],
                         f"{arm['problems']} x {arm['seeds']}", *show_arm(arm), *shares])  # fmt: skip
    return ["", tabulate("ranks | " * ranked + "arm | mode | n x seeds | solved | tokens | repeated | illegal", rows)]


def _tell_strategies(report: Any) -> list[str]:
    parts = [f"Settings of at most {show(report['most'])} tokens."]
    arms = [{**arm, "mode": name_mode(arm["mode"])} for arm in report["by_strategy"]]
    for ranks in dict.fromkeys(arm["split"] for arm in arms):
        mine, rows = [arm for arm in arms if arm["split"] == ranks], []
        for name in sorted({arm["algorithm"] for arm in mine}):
            rows.append([f"`{name}`"])
            for mode in ("rules", "verified"):
                found = [arm for arm in mine if (arm["algorithm"], arm["mode"]) == (name, mode)]
                rows[-1] += [_name_setting(found[0]), *show_arm(found[0])] if found else [""] * 3
        parts += [f"Ranks {ranks} (n = {mine[0]['problems']}):",
                  tabulate("strategy | rules | solved | tokens | verified | solved | tokens", rows)]  # fmt: skip
    return parts


def _name_setting(arm: Row) -> str:
    """What was searched with, the arm's name before it where that is not the strategy's; where the arm is the only one
    of its strategy, how much was searched."""
    name, _, setting = arm["label"].partition("@")
    known = arm["parameters"]
    sizes = [key for keys in (arm["given"], known) for key in EFFORTS if key in keys]
    sizes += [key for key in known if key == "width"]
    effort = "".join(f"{key}={known[key]}" for key in sizes[:1])
    return f"`{arm['label'] if name != arm['algorithm'] else setting or effort or 'as it comes'}`"


def _tell_published(report: Any) -> list[str]:
    return ["", tabulate("ranks | source | model | setting | mode | solved | tokens | checked",
                     ([*(point[key] for key in ("ranks", "source", "model", "setting", "mode")),
                       f"{show(100 * point['accuracy'], 1)} %", show(point["tokens"]), point["checked"]]
                      for point in report["published"]))]  # fmt: skip


def _tell_critics(report: Any) -> list[str]:
    facts = pick(report["runs"], name="04_critic")["facts"]
    row = [show(facts["auc"], 3), show(facts["brier"], 3)]
    row += [f"{show(100 * facts[key], digits)} %" for key, digits in (("false_dead", 0), ("false_alive", 1))]
    return [f"n = {facts['n']:,} positions.",
            tabulate("AUC of alive over dead | Brier score | alive called dead | dead called alive", [row])]


def _tell_demo(report: Any) -> list[str]:
    run = report["runs"][-1]["id"]  # the stage that the others lead to
    rows = ([row["arm"], name_mode(row["mode"]), str(row["problems"]), *show_arm(row)]
            for row in report["results"] if row["run"] == run)  # fmt: skip
    return ["", tabulate("strategy | mode | n | solved | tokens", rows)]


# ------------------------------------------------------------------------------------------------ training
def _tell_chains(report: Any) -> list[str]:
    budgets = [row["budget"] for row in report["budgets"][report["best"]]]
    rows = ([arm["label"], show(arm["training_tokens"] / 1e6, 1), show(arm["training_cpu_seconds"] / 60),
             *(show_accuracy(pick(report["budgets"][arm["label"]], budget=budget), digits=0) for budget in budgets)]
            for arm in sorted(report["arms"], key=lambda arm: -arm["largest"]["accuracy"]))  # fmt: skip
    first = report["arms"][0]
    return [f"n = {first['largest']['puzzles']}, {first['parameters'] / 1e6:.2f}M parameters without embeddings.",
            tabulate(" | ".join(["traces", "tokens learnt (millions)", "CPU minutes", *map(show, budgets)]), rows),
            _tabulate_chains(report["published"])]  # fmt: skip


def _tell_rewards(report: Any) -> list[str]:
    rows = []
    for one in (*report["trainings"], *(method for method in report["methods"] if method["runs"] > 1)):
        seed, cost = f"all {one.get('runs')}", one
        if "seed" in one:
            seed, cost = str(one["seed"]), pick(report["costs"], run=one["run"])
        seconds = cost.get("training_cpu_seconds")
        rows.append([one["method"], seed, show_accuracy(one["start"], digits=0), show_accuracy(one["end"], digits=0),
                     show_change(one["change"]), show(cost["sampled_tokens"] / 1e6, 1),
                     show(seconds and seconds / 60)])  # fmt: skip
    return [f"n = {one['change']['puzzles']}, at most {show(report['budget'])} tokens.",
            tabulate("method | seed | before | after | change in points | tokens (millions) | CPU minutes", rows),
            _tabulate_chains(report["published"])]  # fmt: skip


def _tabulate_chains(points: Iterable[Row]) -> str:
    rows = ([*(point[key] for key in ("source", "model", "training", "stage", "puzzles")), show(point["budget"]),
             f"{show(100 * point['solved'], 1)} %", point["checked"]] for point in points)  # fmt: skip
    return tabulate("published | model | traces | stage | puzzles | tokens allowed | solved | checked", rows)


def _tell_stories(report: Any) -> list[str]:
    rows = []
    for training in report["trainings"]:
        change, share = training["change"], training["share"]
        rows.append([f"{100 * share:g} % of each group from a search, `{training['enter']}`" if share else "GRPO",
                     str(training["runs"]), f"{show(100 * (training['end'] - change['difference']), 1)} %",
                     f"{show(100 * training['end'], 1)} %", show_change(change),
                     show(training["sampled_tokens"] / 1e6, 2)])  # fmt: skip
    return [f"n = {change['puzzles']}.",
            tabulate("training | seeds | before | after | change in points | tokens (millions)", rows)]


def _tell_lookahead(report: Any) -> list[str]:
    folders = {run["id"]: run["folder"] for run in report["runs"]}
    parts = []
    for unit, name, digits in (("sampled_tokens", "tokens", 0), ("wall_seconds", "seconds", 3)):
        rows = []
        for row in report["matched"][unit]:
            words = folders[row["run"]].endswith("gsm8k")  # answers in words have no rules to check
            rows.append([f"{'stories' if words else 'ranks 901-1000'} (n = {row['problems']})", row["arm"],
                         name_mode(row["mode"]).replace("rules", "blind" if words else "rules"),
                         f"{show(100 * row['accuracy'], 1)} %", show(row["spent"], digits), row["baseline"],
                         f"{show(100 * row['baseline_accuracy'], 1)} %", show(row["baseline_spent"], digits),
                         show_change(row)])  # fmt: skip
        parts += [f"At equal {name}, {row['seeds']} seeds:",
                  tabulate(f"problems | arm | mode | solved | {name} | beside | solved | {name} | difference in points",
                           rows)]  # fmt: skip
    return parts


# ------------------------------------------------------------------------------------------------ routing and speed
def _tell_router(report: Any) -> list[str]:
    rows = []
    for router in sorted(report["routers"], key=lambda one: one["label"]):
        point, best = router["point"], router["best"]
        mode, _, few = router["label"].partition(", ")
        shares = [pick(router["rivals"], way="difficulty alone")["accuracy"], point["hull"], point["oracle"]]
        rows.append([name_mode(mode), few or "all strategies", str(router["arms"]), show(point["cost"]),
                     show_accuracy(point, prefix="accuracy_"), *(f"{show(100 * share, 1)} %" for share in shares),
                     show_accuracy(point, "share", "share_", 0),
                     f"{show(best['ratio'], 2)} [{show(best['low'], 2)}, {show(best['high'], 2)}]",
                     show(router["bound"]["ratio"], 2)])  # fmt: skip
    return [f"n = {router['puzzles']['test']}.",
            tabulate("mode | among | arms | tokens | router | difficulty alone | mix | oracle | share | router needs | "
                     "oracle needs", rows)]  # fmt: skip


def _tell_bench(report: Any) -> list[str]:
    return ["", tabulate("benchmark | work | usual | here | ratio | note",
                     ([row["benchmark"], row["work"], show(row["stock"], 2), show(row["ours"], 2),
                       f"{row['ratio']:.1f}x", row["note"]] for row in report))]  # fmt: skip


# ------------------------------------------------------------------------------------------------ the page
@dataclass(frozen=True)
class Section:
    """A heading, the kept file it reads, the commands that make it, and what it says."""

    title: str
    file: str  # its name without `.json`
    commands: tuple[str, ...]
    tell: Callable[[Any], list[str]]  # a note that ends `about`, or "", and the tables
    about: str  # what a reader must know first
    notebook: str = ""  # whose runs it is about; "": all


_RUN = "game24lab run 09_strategies -f params"
SECTIONS = (
    Section("Three ways to help a search", "modes", (f"{_RUN}/search/modes.yaml", f"{_RUN}/search/modes_votes.yaml"),
            _tell_modes, "The policy and the critic that ship.", "09_strategies"),
    Section("The same on a strict split", "strict", (f"{_RUN}/strict/09_strategies.yaml",), _tell_modes,
            "Policy and critic are trained by the same recipes (`params/strict/`) on a split that keeps every "
            "position of three or more numbers that moves reach from a held-out puzzle out of training."),
    Section("Nothing said twice", "without", (f"{_RUN}/search/without.yaml", f"{_RUN}/search/without_blind.yaml",
            f"{_RUN}/search/without_rivals.yaml", f"{_RUN}/search/likeliest.yaml", f"{_RUN}/search/without_all.yaml"),
            _tell_unrepeated,
            "Sampling without replacement beside sampling with it, with the models that ship. Repeated and illegal: "
            "shares of the sampled tokens; a cache that charges nothing for repetitions would save the first.",
            "09_strategies"),
    Section("Where these settings were chosen", "without_training",
            (f"{_RUN}/search/without_training.yaml", f"{_RUN}/search/without_training_blind.yaml"), _tell_unrepeated,
            "362 training puzzles, none of them held out, drawn so that they are as hard for the policy as ranks "
            "1001-1362 (`params/search/hard_training.txt`). Each has a number from 14 to 30, so that it has no rank in "
            "the published list, which ends at 13.", "09_strategies"),
    Section("Every strategy under one meter", "search_report", ("make search",), _tell_strategies,
            "Each strategy with its most accurate setting, chosen on the same puzzles; one seed; the policy and the "
            "critic that ship.", "09_strategies"),
    Section("Published searches", "modes", (f"{_RUN}/search/modes.yaml",), _tell_published,
            "What others report on the same puzzles, and how far that has been checked here.", "09_strategies"),
    Section("The shipped critic against the truth", "modes",
            ("game24lab run 04_critic -f params/pretrained/04_critic.yaml",), _tell_critics,
            "Positions that rollouts of the held-out puzzles met, without the puzzles themselves, against the exact "
            "truth; dead or alive at P = 1/2.", "04_critic"),
    Section("Chains of thought from traces", "sft_report", ("make chains", "make ablation"), _tell_chains,
            "Greedy answers to ranks 901-1000, one each, **blind** by nature; trained from random weights, one seed "
            "each. Right of the costs: the longest answer allowed, in tokens."),
    Section("Chains of thought from rewards and pairs", "rl_report", ("make chains",), _tell_rewards,
            "Greedy answers to ranks 901-1000, one each, **blind** by nature; the change is paired by puzzle. "
            "`03_sft` has learnt search traces, `03_sft_solutions` bare solutions."),
    Section("Word problems from rewards", "lookahead_report", ("make lookahead",), _tell_stories,
            "Greedy answers to held-out stories made here, one each, **blind**; means over seeds, the change paired "
            "by problem.", "06_grpo"),
    Section("Lookahead decoding", "lookahead_report", ("make lookahead",), _tell_lookahead,
            "Beside each lookahead stands the best-of-n of the next larger cost (the largest, where none costs as "
            "much); the difference is paired by problem.", "08_lookahead"),
    Section("Routing", "router_report", ("make router",), _tell_router,
            "Test puzzles of ranks 901-1362, one seed; the critic that shipped before. Mix: the best random mixture "
            "of fixed arms at the same tokens. Share: the part of the way from mix to oracle, nothing beyond chance "
            "where its interval holds 0. Last two columns: the tokens that router and oracle need for the best "
            "arm's accuracy, over that arm's."),
    Section("The demo", "demo_report", ("make demo",), _tell_demo,
            "Policy and critic are trained by the demo itself. Ranks 901-1000, one seed."),
    Section("Countdown", "countdown_report",
            tuple(f"{_RUN}/countdown/09_strategies{rest}.yaml" for rest in ("", "_blind", "_3to4")), tell_countdown,
            "Held-out problems by the rules of Stream of Search, half of them with held-out targets, the others "
            "held-out puzzles, and by TinyZero's rules; the models that ship, but for the long chain, which is a "
            "policy of its own (`params/countdown/03_sft_chains.yaml`). Published ones are single answers, blind."),
    Section("Expert iteration", "iteration_report", ("make iteration",), tell_iteration,
            "A start that was taught the solver's solutions of a twentieth of the training puzzles, and where each "
            "line ended; exact chances, so that pass@k is without noise of sampling; intervals over puzzles. Each "
            "control has spent the FLOPs of `search`, and is paired with it by puzzle and seed."),
    Section("Training and thinking", "scaling_report", ("make scaling",), tell_scaling,
            "How many decades of thinking replace one decade of training: the slope of the lines of equal accuracy, "
            "with the range it holds for. Thinking is FLOPs a problem, training those of policy, critic and rollouts. "
            "The accuracy of repeated sampling is exact; that of a split of a budget is of problems that did not "
            "choose it.", "11_scaling"),
    Section("Speed", "bench", ("game24lab bench --json reports/bench.json",), _tell_bench,
            "This project's implementation beside the usual one, with the same model and data; seconds of wall "
            "time."),
)  # fmt: skip


def read_report(folder: Path, file: str) -> Any:
    """A kept JSON; FileNotFoundError or ValueError names the file that is missing or broken."""
    path = folder / f"{file}.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON, got {error}") from None


def tell_source(section: Section, report: Any) -> str:
    """Where a section's numbers are from: file, commands, runs with their dates and commits."""
    groups: dict[str, list[str]] = {}
    for run in report["runs"] if isinstance(report, Mapping) else ():
        if section.notebook in ("", run["name"]):
            dirty, commit = (run["git"] or {}).get("dirty"), (run["git"] or {}).get("commit", "unknown")[:7]
            about = f"({run['start'][:10]}, {'uncommitted changes to ' * bool(dirty)}commit {commit})"
            groups.setdefault(about, []).append(run["id"])
    file, pdf = f"reports/{section.file}.json", f" ([PDF](../reports/{section.file}.pdf))" * bool(groups)
    runs = (f"; run{'s' * (len(ids) > 1)} {', '.join(ids)} {about}" for about, ids in groups.items())
    commands = " and ".join(f"`{command}`" for command in section.commands)
    return f"Source: [`{file}`](../{file}){pdf}, {commands}{''.join(runs)}."


def write_results(folder: Path | str, output: Path | str) -> Path:
    """Write all result tables of the JSON files in `folder` as Markdown; returns the path.

    A section whose file is not kept is left out. ValueError where none is, or for a broken one.
    """
    folder, output = Path(folder), Path(output)
    kept = [section for section in SECTIONS if (folder / f"{section.file}.json").exists()]
    if not kept:
        raise ValueError(f"{folder} must hold at least one of {', '.join(f'{one.file}.json' for one in SECTIONS)}")
    parts = [HEAD]
    for section in kept:
        report = read_report(folder, section.file)
        try:
            note, *tables = section.tell(report)
            parts += [f"## {section.title}", f"{section.about} {note}".strip(), *tables, tell_source(section, report)]
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{folder / section.file}.json must hold the numbers of a report, got {error!r}") from None
    text = "\n\n".join(parts) + "\n"
    write_atomically(output, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return output


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Result tables as Markdown, from the JSON files beside the reports.")
    parser.add_argument("folder", type=Path, help="where the JSON files are")
    parser.add_argument("output", type=Path, help="the Markdown file to write")
    options = parser.parse_args()
    try:
        print(write_results(options.folder, options.output))
    except (OSError, ValueError) as error:
        parser.error(str(error))
