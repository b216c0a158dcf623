"""Scores files of answers for the command line: its arguments, and what it prints.

What models have written is shown on one line without signs that a terminal would obey. It does not know how answers
are found or judged.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from game24lab.cli.columns import lay_out
from game24lab.runs.messages import condense

if TYPE_CHECKING:
    from game24lab.evaluation.score_files import FileScore, Score

VERDICTS = "verdicts.jsonl"
_TOLD = 20  # broken entries that are told one by one
_WIDTH = 100  # characters of an example


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of `game24lab score`."""
    command.add_argument("files", nargs="+", metavar="FILE", help="answers: JSON lines, JSON, CSV or Parquet, or .gz")
    command.add_argument("--task", default="numbers", help="numbers (default) or gsm8k")
    command.add_argument("--problem", default="", metavar="NAME", help="column with the problems")
    command.add_argument("--text", default="", metavar="NAME", help="column with texts that hold an answer")
    command.add_argument("--answer", default="", metavar="NAME", help="column with answers that stand alone")
    command.add_argument("--target", default="", metavar="NAME", help="column with what must be made, or the number "
                         "itself; of word problems the right answers")  # fmt: skip
    command.add_argument("--group", default="", metavar="NAME", help="column by which problems are told apart "
                         "(default: by the problem itself)")  # fmt: skip
    command.add_argument("--use", metavar="RULE", help="what must be done with the numbers: exactly-once or at-most-"
                         "once (default: what the file's shape says)")  # fmt: skip
    command.add_argument("--strict", action="store_true", help="count only answers in the form asked for "
                         "(docs/score.md)")  # fmt: skip
    command.add_argument("--ranking", metavar="FILE", help="24.csv of Tree of Thoughts, for logs that name puzzles by "
                         "their place in it")  # fmt: skip
    command.add_argument("-o", "--output", default=VERDICTS, metavar="FILE",
                         help=f"file for the verdicts, one a line (default: {VERDICTS}; '' for none)")  # fmt: skip
    command.add_argument("--workers", type=int, default=0, metavar="N", help="processes that judge (default: by size)")
    command.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def score(options: argparse.Namespace) -> int:
    """Judge files of anybody's answers: exit status 0, or 1 where entries were broken."""
    for file in options.files:
        os.stat(file)  # complains before anything heavy is imported
    from game24lab.evaluation.layouts import Columns
    from game24lab.evaluation.score_files import score_files

    names = ("problem", "text", "answer", "target", "group")
    columns = Columns(**{name: getattr(options, name) for name in names})
    output = Path(options.output) if options.output else None
    told = Counter()

    def complain(said: str) -> None:
        told["broken"] += 1
        if told["broken"] <= _TOLD:
            print(f"game24lab: {condense(said)}", file=sys.stderr, flush=True)

    found = score_files(options.files, columns, task=options.task, use=options.use, strict=options.strict,
                        ranking=options.ranking, output=output, workers=options.workers, complain=complain)  # fmt: skip
    if told["broken"] > _TOLD:
        print(f"game24lab: {told['broken'] - _TOLD:,} more broken entries", file=sys.stderr)
    print(json.dumps(describe(found)) if options.json else write_tables(found))
    if output is not None:
        print(f"verdicts: {output}", file=sys.stderr if options.json else sys.stdout)
    return 1 if told["broken"] else 0


def describe(score: Score) -> dict[str, Any]:
    """A score as plain values."""
    files = []
    for file in score.files:
        rules = [{"rule": rule, "answers": count, "right": file.rules[rule, True]}
                 for rule, count in _count_rules(file.rules).items()]  # fmt: skip
        files.append({"file": file.path, "shape": file.layout.shape, "columns": file.layout.about,
                      "strict": file.layout.strict, "entries": file.entries, "repeated": file.repeated,
                      "unanswered": file.unanswered, "broken": file.broken, "unsolvable": file.unsolvable,
                      **file.counts, "rules": rules})  # fmt: skip
    faults = [{"fault": fault, "answers": count, "example": score.examples[fault]}
              for fault, count in score.faults.most_common()]  # fmt: skip
    return {"files": files, "faults": faults}


def write_tables(score: Score) -> str:
    """A score as text."""
    parts = [_write_file(file) for file in score.files]
    rules: Counter = sum((file.rules for file in score.files), Counter())
    if rules:
        lines = [("found by", "answers", "right")]
        lines += [(rule or "no rule", f"{count:,}", f"{rules[rule, True]:,}")
                  for rule, count in _count_rules(rules).items()]  # fmt: skip
        parts.append(lay_out(lines))
    if score.faults:
        counts = score.faults.most_common()
        left = lay_out([("refused", "answers"), *((fault, f"{count:,}") for fault, count in counts)]).split("\n")
        examples = ["example", *(_write_example(score.examples[fault]) for fault, _ in counts)]
        parts.append("\n".join(f"{line}  {example}" for line, example in zip(left, examples, strict=True)))
    return "\n\n".join(parts)


def _count_rules(rules: Mapping[tuple[str, bool], int]) -> dict[str, int]:
    """Answers by rule, the most first."""
    counts: Counter = Counter()
    for (rule, _), count in rules.items():
        counts[rule] += count
    return dict(counts.most_common())


def _write_file(file: FileScore) -> str:
    counts, layout = file.counts, file.layout
    lines = [condense(f"{file.path}: {layout.shape} ({layout.about}){', strict' * layout.strict}", 400)]
    if not counts["problems"]:
        return "\n".join([*lines, f"no answers could be judged, {file.broken:,} entries are broken"])
    notes = [f"{counts['right']:,} of {counts['answers']:,} answers to {counts['problems']:,} problems are right"]
    notes += [f"{count:,} {said}" for count, said in (
        (file.unanswered, "empty"), (file.repeated, "entries repeat others"), (file.broken, "entries broken")) if count]
    lines.append(", ".join(notes))
    lines.append(_write_share("accuracy", counts))
    lines += [_write_share(f"pass@{row['k']}", row) for row in counts["pass_at_k"]]
    if file.unsolvable:
        lines.append(f"{file.unsolvable:,} of the problems have no solution at all")
    return "\n".join(lines)


def _write_share(name: str, row: Mapping[str, Any]) -> str:
    return f"{name} {row['accuracy']:.1%} [{row['low']:.1%}, {row['high']:.1%}] ({row['interval']})"


def _write_example(verdict: Mapping[str, Any]) -> str:
    place = next(f"{unit} {verdict[unit]}" for unit in ("line", "entry", "row") if unit in verdict)
    answer = f"{verdict['answer']}: " if verdict["answer"] else ""
    return condense(f"{place}, {verdict['problem']}: {answer}{verdict['reason']}", _WIDTH)
