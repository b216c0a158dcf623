"""Files of anybody's answers: every published shape against an independent brute force, row by row; and bad input."""

import ast
import json
import random
import time
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from score_files_made import PUZZLES, SHAPES, read_verdicts, write_lines, write_list, write_parquet, write_table

from game24lab.evaluation import score_files as module
from game24lab.evaluation.layouts import Columns
from game24lab.evaluation.score import mark_answer
from game24lab.evaluation.score_files import score_files
from game24lab.evaluation.statistics import bootstrap, pass_at_k, wilson
from game24lab.evaluation.tallies import Tally, summarise_counts

RIGHT = "(10 - 4) * 5 - 6"


# ------------------------------------------------------------------------------------------------------ brute force
def evaluate(expression):
    """The value of an expression and the numbers in it, by Python's own grammar and fractions; None for its value where
    it divides by zero."""

    def walk(node):
        if isinstance(node, ast.Constant):
            return Fraction(node.value), [node.value]
        (a, some), (b, more) = walk(node.left), walk(node.right)
        if a is None or b is None or (isinstance(node.op, ast.Div) and not b):
            return None, some + more
        if isinstance(node.op, ast.Div):
            return a / b, some + more
        return {ast.Add: a + b, ast.Sub: a - b, ast.Mult: a * b}[type(node.op)], some + more

    return walk(ast.parse(expression, mode="eval").body)


def is_right(numbers, target, expression, every):
    """Whether an expression is a right answer."""
    value, used = evaluate(expression)
    over, left = Counter(used) - Counter(numbers), Counter(numbers) - Counter(used)
    return value == target and not over and not (every and left)


@st.composite
def expressions(draw, numbers):
    """An expression over some of the numbers, in whose place others may stand."""
    kept = draw(st.sampled_from([len(numbers)] * 3 + [len(numbers) - 1]))
    pieces = draw(st.permutations(numbers))[:kept]
    if draw(st.integers(0, 4)) == 0:
        pieces[0] = draw(st.sampled_from([pieces[0] + 1, pieces[-1], int(f"{pieces[0]}{pieces[-1]}")]))
    texts = list(map(str, pieces))
    while len(texts) > 1:
        place = draw(st.integers(0, len(texts) - 2))
        texts[place : place + 2] = [f"({texts[place]} {draw(st.sampled_from('+-*/'))} {texts[place + 1]})"]
    return texts[0].removeprefix("(").removesuffix(")") if len(pieces) > 1 else texts[0]


# How an answer is told: a text around it, and the rule that finds it there
TOLD = [
    ("<think>10 - 4 = 6, or so</think>\n<answer>{}</answer>", "tags"), ("<answer>{} = {t}</answer>", "tags"),
    ("Let me see.\n<answer> {}", "open tag"), ("Thus $\\boxed{{{}}}$.", "box"), ("Answer: {} = {t}", "line"),
    ("Steps:\n1 + 2 = 3 (left: 3 4)\nThe answer is {}\n", "line"), ("**Final answer:** {}", "line"),
    ("First 1 + 1 = 2.\n\nSo {} = {t}.", "equation"), ("We know 1 < 2\n\n{}\n", "expression"), ("I give up", ""),
    ("", ""), (None, ""),
]  # fmt: skip


@st.composite
def made_rows(draw, single, published, every):
    """Rows of a file (numbers, target, texts) and what is true of each answer (right, rule)."""
    rows, truth = [], []
    for _ in range(draw(st.integers(1, 5))):
        if published:
            numbers, target = list(draw(st.sampled_from(PUZZLES))), 24
        else:
            numbers = draw(st.lists(st.integers(1, 99), min_size=3, max_size=4))
            target = draw(st.integers(10, 100))
        texts, found = [], []
        for _ in range(1 if single else draw(st.integers(1, 3))):
            told, rule = draw(st.sampled_from(TOLD))
            expression = draw(expressions(numbers))
            if draw(st.booleans()) and not published:
                value = evaluate(expression)[0]
                if not found and value is not None and value.denominator == 1 and abs(value) < 1000:
                    target = int(value)
            texts.append((told, expression))
            found.append((expression, rule))
        shown = [None if told is None else told.format(expression, t=target) for told, expression in texts]
        rows.append((numbers, target, shown))
        truth.append([(bool(rule) and is_right(numbers, target, one, every), rule) for one, rule in found])
    return rows, truth


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_shape_is_judged_as_by_the_brute_force_row_by_row(make, tmp_path_factory, data):
    single, published, every, name, unit = SHAPES[make]
    rows, truth = data.draw(made_rows(single, published, every))
    alone = make.__name__ in ("make_gym24",)
    plain = [(numbers, target, [text if text is not None else "" for text in texts]) for numbers, target, texts in rows]
    folder = tmp_path_factory.mktemp("score")
    path = make(folder, rows if make.__name__ in ("make_gym24", "make_completions") else plain)
    columns = Columns(text="reply text") if name == "table" else Columns()
    ranking = folder / "24.csv"
    found = score_files([path], columns, output=folder / "verdicts.jsonl", progress=False,
                        ranking=str(ranking) if ranking.exists() else None)  # fmt: skip
    (file,) = found.files
    assert file.layout.shape == name
    assert not found.broken
    verdicts = read_verdicts(folder / "verdicts.jsonl")
    flat = [one for row in truth for one in row]
    assert len(verdicts) == len(flat)
    for verdict, (right, rule) in zip(verdicts, flat, strict=True):
        assert verdict["right"] == right, verdict
        assert verdict["rule"] == rule or (alone and verdict["rule"] == "column"), verdict
        assert bool(verdict["fault"]) != right
        assert unit in verdict
    apart = make.__name__ == "make_rollouts"  # a line for each answer
    samples = [0 if apart else place for row in truth for place in range(len(row))]
    assert [verdict["sample"] for verdict in verdicts] == samples
    assert (file.counts["answers"], file.counts["right"]) == (len(flat), sum(right for right, _ in flat))
    counts = Counter()
    for (numbers, target, _), row in zip(rows, truth, strict=True):
        counts[tuple(sorted(numbers)), target] += np.array([len(row), sum(right for right, _ in row)])
    assert file.counts["problems"] == len(counts)
    assert file.counts["accuracy"] == pytest.approx(np.mean([c / n for n, c in counts.values()]))
    for row in file.counts["pass_at_k"]:
        assert row["accuracy"] == pytest.approx(np.mean([pass_at_k(n, c, row["k"]) for n, c in counts.values()]))


# --------------------------------------------------------------------------------------------------------- reading
ROWS = [{"problem": "4 5 6 10", "text": f"<answer>{RIGHT}</answer>"},
        {"problem": "4 5 6 10", "text": "Answer: 6 * 4 = 24"},
        {"problem": "3 3 8 8", "text": "8/(3 - 8/3) = 24"}, {"problem": "1 1 1 1", "text": ""}]  # fmt: skip


def right_of(path, **options):
    """Whether each answer of a file is right, from its file of verdicts."""
    out = path.parent / "out.jsonl"
    found = score_files([path], output=out, progress=False, **options)
    return [verdict["right"] for verdict in read_verdicts(out)], found


def encode(path, rows, encoding, end="\n", bom=b""):
    text = "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)
    path.write_bytes(bom + text.encode(encoding))
    return path


@pytest.mark.parametrize("write", [
    lambda path, rows: encode(path, rows, "utf-8-sig"),
    lambda path, rows: encode(path, rows, "utf-8", "\r\n"),
    lambda path, rows: encode(path, rows, "utf-16"),
    lambda path, rows: encode(path, rows, "utf-16-be", "\r\n", b"\xfe\xff"),
    lambda path, rows: encode(path, rows, "utf-32"),
    lambda path, rows: encode(path, rows, "utf-8", "\n\n  \n"),
    lambda path, rows: path.write_text("\n\n" + json.dumps(rows), encoding="utf-8") and path,
    lambda path, rows: path.write_text(json.dumps({"model": "m", "results": rows}, indent=1), "utf-8-sig") and path,
    write_lines, write_list, write_table, write_parquet,
])  # fmt: skip
@pytest.mark.parametrize("name", ["answers.jsonl", "answers.json", "answers"])
@pytest.mark.parametrize("zipped", [False, True])
def test_the_content_says_what_a_file_is(tmp_path, write, name, zipped):
    import gzip

    rows = [row | {"text": row["text"].replace("*", "×")} for row in ROWS]
    path = write(tmp_path / name, rows)
    if zipped and write is not write_parquet:
        path.write_bytes(gzip.compress(path.read_bytes()))
    rights, found = right_of(path)
    assert rights == [True, False, True, False]
    (file,) = found.files
    assert (file.counts["problems"], file.unanswered, file.unsolvable, file.broken) == (3, 1, 1, 0)
    assert file.counts["accuracy"] == pytest.approx((0.5 + 1 + 0) / 3)


def test_a_large_list_is_read_in_pieces(tmp_path, monkeypatch):
    from game24lab.evaluation import answer_files

    monkeypatch.setattr(answer_files, "_BUFFER", 64)
    rows = [ROWS[place % 3] | {"more": "[{,]}" * (place % 50)} for place in range(300)]
    rights, _ = right_of(write_list(tmp_path / "answers.json", rows))
    assert rights == [True, False, True] * 100


def test_columns_are_named_and_a_target_may_be_a_number(tmp_path):
    rows = [{"cards": "4 5 6 10", "aim": 36, "said": "(10 - 6) * (4 + 5)", "who": "b", "text": "6 * 4"}]
    path = write_lines(tmp_path / "a.jsonl", rows)
    assert right_of(path, columns=Columns(problem="cards", answer="said", target="aim"))[0] == [True]
    assert right_of(path, columns=Columns(problem="cards", answer="said", target="36"))[0] == [True]
    assert right_of(path, columns=Columns(problem="cards", answer="said"))[0] == [False]
    assert right_of(path, columns=Columns(answer="said", target="36"))[0] == [True]  # cards is a usual name
    assert right_of(path, columns=Columns(text="said", target="36"))[0] == [True]


def test_groups_decide_what_one_problem_is(tmp_path):
    rows = [{"problem": "4 5 6 10", "text": text, "run": place // 2} for place, text in enumerate(["1", RIGHT] * 2)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    assert score_files([path], progress=False).files[0].counts["problems"] == 1
    counts = score_files([path], Columns(group="run"), progress=False).files[0].counts
    assert (counts["problems"], [row["k"] for row in counts["pass_at_k"]]) == (2, [1, 2])
    assert [row["accuracy"] for row in counts["pass_at_k"]] == [0.5, 1.0]
    path = write_lines(path, [*rows, {"problem": "4 5 6 10", "text": RIGHT}])
    _, found = right_of(path, columns=Columns(group="run"))
    assert "line 5: no 'run'" in found.broken[0]


def test_what_must_be_done_with_the_numbers(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [{"nums": [4, 6, 10], "target": 24, "answer": "4 * 6"}])
    assert right_of(path)[0] == [True]
    assert right_of(path, use="exactly-once")[0] == [False]
    path = write_lines(path, [{"puzzle": [4.0, 6.0, 10.0], "answer": "4 * 6"}])
    assert right_of(path)[0] == [False]
    assert right_of(path, use="at-most-once")[0] == [True]


def test_word_problems_are_scored_too(tmp_path):
    rows = [{"question": "How many?", "answer": "6 * 7 = 42\n#### 42", "response": text}
            for text in ("#### 42", "The answer is 42.", "It is \\boxed{41}", "", "<answer>42.0</answer>")]  # fmt: skip
    path = write_lines(tmp_path / "a.jsonl", rows)
    assert right_of(path, task="gsm8k")[0] == [True, True, False, False, True]
    assert right_of(path, task="gsm8k", strict=True)[0] == [True, False, False, False, True]
    samples = [{"doc_id": 0, "doc": {"question": "How many?", "answer": "#### 1,042"}, "target": "#### 1,042",
                "resps": [["so\n#### 1042", "1,042"]], "filtered_resps": ["1042"], "filter": name}
               for name in "ab"]  # fmt: skip
    rights, found = right_of(write_lines(path, samples), task="gsm8k")
    assert rights == [True, True]
    assert found.files[0].repeated == 1
    row = {"problem": "What?", "solution": "so \\boxed{\\frac{3}{4}}", "completions": ["\\boxed{0.75}", "\\boxed{1}"]}
    assert right_of(write_lines(path, [row]), task="gsm8k")[0] == [True, False]


def test_several_files_are_scored_side_by_side(tmp_path):
    paths = [write_lines(tmp_path / "a.jsonl", ROWS[:2]), write_table(tmp_path / "b.csv", ROWS[2:])]
    found = score_files(paths, output=tmp_path / "v.jsonl", progress=False)
    assert [file.counts["right"] for file in found.files] == [1, 1]
    verdicts = read_verdicts(tmp_path / "v.jsonl")
    assert [(verdict["file"][-5:], verdict["line"]) for verdict in verdicts] == [
        ("jsonl", 1), ("jsonl", 2), ("b.csv", 2), ("b.csv", 3)]  # fmt: skip
    assert found.faults == Counter({"number left out": 1, "no answer": 1})
    assert found.examples["number left out"]["answer"] == "6 * 4 = 24"


@pytest.mark.parametrize("workers", [2, 3])
def test_processes_change_nothing(tmp_path, workers):
    rows = [ROWS[place % 4] | {"problem": f"{4 + place % 7} 5 6 10"} for place in range(1_500)]
    path = write_lines(tmp_path / "a.jsonl", [*rows[:700], *rows[700:]])
    with path.open("a", encoding="utf-8") as file:
        file.write("{broken\n")
    alone = right_of(path)
    first = (tmp_path / "out.jsonl").read_bytes()
    many = right_of(path, workers=workers)
    assert (tmp_path / "out.jsonl").read_bytes() == first
    assert alone[1] == many[1]


# -------------------------------------------------------------------------------------------------------- bad input
def test_broken_entries_are_told_and_the_rest_is_judged(tmp_path):
    lines = [json.dumps(ROWS[0]).encode(), b"{", b"[1]", b'"text"', b"\xff\xfe", json.dumps(ROWS[2]).encode(),
             b'{"problem": "0 5 6 10", "text": "x"}', b'{"problem": [-4, 5, 6], "text": "x"}',
             b'{"problem": "the", "text": "x"}', b'{"text": "x"}',
             b'{"problem": "4 5 6 10", "target": "many", "text": "x"}',
             b'{"problem": "4 5 6 10", "target": 0, "text": "<answer>(4 + 6 - 10) * 5</answer>"}', b"[" * 100_000,
             b'{"problem": "4 5 6 10"}', b'{"problem": {"text": {}}, "text": [[[]]]}', b"1" * 5_000]  # fmt: skip
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    said = []
    rights, found = right_of(path, complain=said.append)
    assert rights == [True, True, True, False]
    assert said == found.broken
    places = {int(one.partition("line ")[2].partition(":")[0]) for one in said}
    assert places == {2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 15, 16}
    assert all(one.startswith(f"{path}, line ") and "\n" not in one for one in said)
    for part in ("no JSON: Expecting property name", "it is list", "not UTF-8 at byte 0", "'0' is no integer from 1",
                 "-4 is no integer from 1", "'the' is no integer", "no 'problem'",
                 "target must be a whole number"):  # fmt: skip
        assert any(part in one for one in said), part
    assert found.files[0].broken == len(said)


def test_a_table_is_told_by_line_where_it_breaks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f'problem,text\n4 5 6 10,"{RIGHT}\n"\n4 5 6 10\n4 5 6 10,a,b\n3 3 8 8,8/(3-8/3)\n"3 3 8 8')
    rights, found = right_of(path)
    assert rights == [True, True]
    assert [one.removeprefix(f"{path}, ") for one in found.broken] == [
        "line 4: 1 cells, but the head has 2", "line 5: 3 cells, but the head has 2",
        "line 7: no line of a table: unexpected end of data"]  # fmt: skip


def test_cut_files_are_told(tmp_path):
    import gzip

    path = write_list(tmp_path / "a.json", ROWS)
    path.write_text(path.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    rights, found = right_of(path)
    assert rights == [True, False, True]
    assert "entry 4: no JSON" in found.broken[0]
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(ROWS[place % 3]) + "\n" for place in range(9_000)).encode())[:-9])
    rights, found = right_of(path)
    assert len(rights) > 100
    assert "in the middle of its compressed stream" in found.broken[0]


@pytest.mark.parametrize(("rows", "options", "said"), [
    ([{"a": 1, "b": 2}], {}, "no column with problems: looked for numbers, nums, .*; it has a, b; --problem NAME"),
    ([{"problem": "1 2 3", "b": 2}], {}, "no column with answers: looked for text, .*; it has problem, b; --text NAME"),
    ([{"nums": [1, 2, 3], "target": 6}], {}, "TinyZero rows without answers: it has nums, target"),
    ([{"question": "Make", "answer": "1", "metadata": {"numbers": [1, 2]}}], {}, "reasoning-gym rows without answers"),
    ([[1, 2]], {}, "of no known shape: a row is int"),
    ([{"question": "How many?", "answer": "#### 5", "text": "5"}], {}, None),
    ([{"problem": "1 2 3", "text": "6"}], {"columns": Columns(text="reply")}, "--text: no column 'reply'; it has prob"),
    ([{"problem": "1 2 3", "text": "6"}], {"columns": Columns(problem="p")}, "--problem: no column 'p'"),
    ([{"problem": "1 2 3", "text": "6"}], {"task": "game24"}, "task must be one of numbers, gsm8k, got 'game24'"),
    ([{"problem": "1 2 3", "text": "6"}], {"use": "twice"}, "use must be one of exactly-once, at-most-once"),
    ([{"problem": "1 2 3", "text": "6"}], {"task": "gsm8k"}, "no column with right answers: looked for gold"),
    ([{"problem": "1 2 3", "text": "6"}], {"workers": -1}, "workers must be an integer >= 0, got -1"),
])  # fmt: skip
def test_a_file_that_cannot_be_scored_says_what_it_has(tmp_path, rows, options, said):
    path = write_lines(tmp_path / "a.jsonl", rows)
    if said is None:
        found = score_files([path], progress=False)
        assert "'How' is no integer" in found.broken[0]
        return
    with pytest.raises(ValueError, match=said):
        score_files([path], output=tmp_path / "v.jsonl", progress=False, **options)
    assert not (tmp_path / "v.jsonl").exists()


@pytest.mark.parametrize(("content", "said"), [
    (b"", "empty"), (b" \n\n", "empty"), (b"\0\1\2\0\0\0\0\0\0", "no text"), (b"\x1f\x8bxx", "gzip"),
    (b"PAR1xx", "first 100 entries can be read as parquet"), (b"{\n{\n", "entries can be read as json"),
])  # fmt: skip
def test_what_is_no_file_of_answers(tmp_path, content, said):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        score_files([path], progress=False)


def test_the_verdicts_do_not_overwrite_an_input(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(ValueError, match="which the verdicts would overwrite"):
        score_files([path], output=tmp_path / "." / "a.jsonl", progress=False)
    with pytest.raises(ValueError, match="at least one file"):
        score_files([])
    with pytest.raises(FileNotFoundError):
        score_files([tmp_path / "none"])
    with pytest.raises(FileNotFoundError, match="no such folder"):
        score_files([path], output=tmp_path / "none" / "v.jsonl", progress=False)


def test_places_in_the_ranking_need_the_ranking(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = write_list(tmp_path / "a.json", [{"idx": 900, "ys": [f"Answer: {RIGHT} = 24"]}])
    _, found = right_of(path)
    assert "--ranking FILE is needed" in found.broken[0]
    (tmp_path / "24.csv").write_text("Rank,Puzzles\n1,4 5 6 10", encoding="utf-8")
    _, found = right_of(path, ranking=str(tmp_path / "24.csv"))
    assert "idx must be from 0 to 0, got 900" in found.broken[0]
    path = write_list(path, [{"idx": 0, "ys": [f"Answer: {RIGHT} = 24"]}])
    assert right_of(path, ranking=str(tmp_path / "24.csv"))[0] == [True]


BOMBS = ["<answer>" * 130_000, "</answer>" * 110_000, "\\boxed{" * 140_000, "(" * 1_000_000, "Answer: " * 125_000,
         "answer" + "*" * 1_000_000, "*" * 1_000_000, "1+" * 500_000, "1+1=2\n" * 160_000, "#" * 1_000_000,
         "#### " * 200_000, "\n" * 1_000_000, "<think>" * 140_000, "</think>" * 120_000, "9" * 1_000_000,
         "$" * 1_000_000, "-" * 1_000_000, "\\frac{" * 160_000, "(1+2" * 250_000, "answer:\n" * 120_000, "= " * 500_000,
         "so the final answer is " * 40_000, " " * 1_000_000 + "1+1", "<|im_end|>" * 100_000, "a\u0301" * 500_000,
         "1 2 " * 250_000, "[1]" * 300_000, "Assistant:" * 100_000, "**answer**: **" * 70_000, "x 1 " * 250_000,
         "1.000,000" * 110_000, "٣+٣" * 300_000]  # fmt: skip


@pytest.mark.parametrize("task", ["numbers", "gsm8k"])
@pytest.mark.parametrize("text", BOMBS, ids=lambda text: repr(text[:12]))
def test_a_megabyte_of_hostile_text_is_judged_at_once(tmp_path, task, text):
    rows = [{"problem": "4 5 6 10", "gold": "42", "text": text}, {"problem": "4 5 6 10", "gold": "42", "answer": text}]
    for row in rows:
        path = write_lines(tmp_path / "a.jsonl", [row])
        began = time.process_time()
        rights, _ = right_of(path, task=task)
        assert time.process_time() - began < 1.5
        assert rights == [False]


SOUP = ["<answer>", "</answer>", "\\boxed{", "}", "Answer: ", "\n", "(", ")", "10", "4", "5", "6", " - ", "*", "=",
        "24", "!", "$", "####", "the answer is ", "</think>", "or", "x", "(10 - 4) * 5 - 6"]  # fmt: skip


@given(st.text(max_size=200) | st.lists(st.sampled_from(SOUP), max_size=20).map("".join))
@settings(deadline=None, max_examples=500)
def test_no_text_is_right_that_does_not_hold_a_right_expression(text):
    """Whatever surrounds it: what is accepted is found again as an expression of these numbers that makes 24."""
    from game24lab.tasks.numbers.answers import judge_text
    from game24lab.tasks.numbers.expressions import check_answer
    from game24lab.tasks.numbers.puzzles import NumberProblem

    problem = NumberProblem((4, 5, 6, 10))
    for alone in (False, True):
        judged = judge_text(problem, text, alone=alone)
        assert bool(judged.fault) != judged.right
        assert "\n" not in judged.reason
        if judged.right:
            assert check_answer(problem.numbers, judged.answer, 24).accepted
            assert "".join(judged.answer.split()).split("=")[0][-6:] in "".join(text.split())


# ----------------------------------------------------------------------------------------------------------- counts
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=60))
@settings(deadline=None, max_examples=60)
def test_a_tally_counts_as_a_dictionary_does(answers):
    from array import array

    tally, wanted = Tally(), {}
    for key, right in answers:
        tally.add(array("Q", [mark_answer(str(key), right)]))
        tally._merge()
        n, c = wanted.get(key, (0, 0))
        wanted[key] = n + 1, c + right
    counted = Counter(wanted.values())
    assert {(n, c): problems for n, c, problems in tally.list_counts().tolist()} == dict(counted)
    found = summarise_counts(tally.list_counts())
    if not answers:
        assert found["accuracy"] is None
        return
    assert found["accuracy"] == pytest.approx(np.mean([c / n for n, c in wanted.values()]))
    if all(n == 1 for n, _ in wanted.values()):
        assert (found["low"], found["high"]) == wilson(found["right"], found["problems"])
        assert found["interval"] == "Wilson"
        assert not found["pass_at_k"]


def test_the_interval_is_that_of_the_bootstrap_over_problems():
    rng = random.Random(0)
    shares = [rng.choice([0, 0.25, 0.5, 1]) for _ in range(400)]
    low, high = bootstrap(np.array(shares))
    values, counts = np.unique(shares, return_counts=True)
    counts = np.column_stack([np.full(len(values), 4), (values * 4).astype(int), counts])
    found = summarise_counts(counts)
    assert found["interval"] == "bootstrap over problems"
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.01)
    assert [row["k"] for row in found["pass_at_k"]] == [1, 2, 4]


def test_problems_without_a_solution_are_counted_where_they_are_few(tmp_path, monkeypatch):
    rows = [{"nums": [1, 1, 1], "target": 3, "text": "1"}, {"nums": [1, 1, 1], "target": 7, "text": "1"},
            {"nums": [2, 5], "target": 2, "text": "1"}]  # fmt: skip
    path = write_lines(tmp_path / "a.jsonl", rows)
    assert score_files([path], progress=False).files[0].unsolvable == 1
    assert score_files([path], progress=False, use="exactly-once").files[0].unsolvable == 2
    monkeypatch.setattr(module, "_PROBLEMS", 2)
    assert score_files([path], progress=False).files[0].unsolvable is None
