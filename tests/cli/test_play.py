"""A person against a model, in lines of text: moves, whole answers, hints, wrong lines, and every way to leave."""

import itertools
import threading

import pytest
from fake_models import FakeCritic, FakePolicy
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.cli import main as cli
from game24lab.cli.play import deal, play_game, play_games
from game24lab.cli.problems import open_game
from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.tasks.numbers.arithmetic import check_expression
from game24lab.tasks.numbers.puzzles import NumberProblem, read_problem
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.task import Game24

GAME = open_game("game24")
HELD_OUT = make_split("tot").held_out


def search(problem):
    """A model that knows the game, and how long it took."""
    (outcome,) = run(Game24(), [problem], mcts, FakePolicy(skill=6.0), FakeCritic(), parameters={"simulations": 40})
    return outcome, 0.5


def play(text, *lines, search=search, world=GAME):
    """The game of somebody who types these lines and then leaves; and all that was written."""
    said, typed = [], iter(lines)

    def read(prompt):
        said.append(prompt)
        line = next(typed, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    clock = itertools.count().__next__
    game = play_game(world, read_problem(text), search, read=read, write=lambda line="", colour="": said.append(line),
                     clock=lambda: float(clock()))  # fmt: skip
    return game, said


def test_moves_are_judged_by_the_solver_and_the_model_tells_at_the_end():
    game, said = play("4 5 6 10", "10 - 4", "5 * 6 = 30", "30 − 6")
    assert (game.end, game.hints, game.seconds) == ("solved", 0, 1.0)
    assert check_expression((4, 5, 6, 10), game.answer).accepted
    assert "10 - 4 = 6: 24 can still be made of 5 6 6" in said
    assert f"24! {game.answer}, in 1.0 s" in said
    assert [line for line in said if line.startswith("[")] == ["[4 5 6 10] ", "[5 6 6] ", "[6 30] "]
    assert game.outcome.solved
    tree = said[said.index(next(line for line in said if line.startswith("its tree, of"))) + 1 :]
    assert tree[0].startswith("● 4 5 6 10")
    assert any("★ solved" in line for line in tree)
    shown = said.index("24! " + game.answer + ", in 1.0 s")
    assert not [line for line in said[:shown] if game.outcome.answer in line], "the model's answer comes at the end"


@pytest.mark.parametrize("answer", ["(10 - 4) * 5 - 6", "5×6−(10−4) = 24", "6 * 5 - (10 - 4)"])
def test_a_whole_answer_is_a_line_too(answer):
    game, _ = play("4 5 6 10", "5 + 6", answer)  # of the numbers that the game began with
    assert game.end == "solved"


def test_targets_of_countdown_are_played():
    game, said = play("4 5 6 10 -> 36", "10 - 4", "6 * 6", "hint", "5 * 6")
    assert said[0] == "Make 36 of 4 5 6 10, each number once."
    assert "10 - 4 = 6: 36 can still be made of 5 6 6" in said
    assert "6 * 6 = 36: a dead end, 36 cannot be made of 5 36; undo takes it back" in said
    assert "no move leads on from here; undo takes the last one back" in said
    game, _ = play("4 5 6 10 -> 36", "10 - 4", "5 * 6", "30 + 6")
    assert game.end == "solved"
    assert check_expression((4, 5, 6, 10), game.answer, 36).accepted
    assert game.outcome is not None


@pytest.mark.parametrize(("line", "told"), [
    ("10 - 4 = 7", "10 - 4 is 6, not 7"),
    ("10 - 3", "10 and 3 are not both among the numbers left, 4 5 6 10"),
    ("4 / 0", "4 and 0 are not both among the numbers left, 4 5 6 10"),
    ("4/0 + 5", "4/0 + 5: division by zero"),
    ("hello", "not a move such as 10 + 6, nor an answer, nor one of: hint, undo, give up (shows a solution), quit"),
    ("__import__('os').system('x')", "not a move such as 10 + 6, nor an answer"),
    ("4 + 5 + 6", "as an answer to 4 5 6 10: wrong numbers: does not use 10"),
    ("4 + 5 + 6 + 10", "as an answer to 4 5 6 10: makes 25, not 24"),
    ("1" * 5000, "not a move such as"),
    ("\x1b[31m10 - 4", "not a move such as"),
    ("10 - 4 (left: 1 2 3", "not a move such as"),
    ("undo", "there is no move to take back"),
])  # fmt: skip
def test_a_line_that_is_none_gets_one_line_and_changes_nothing(line, told):
    game, said = play("4 5 6 10", line, "10 - 4")
    before, after = [place for place, text in enumerate(said) if text.startswith("[4 5 6 10] ")]
    assert after == before + 2
    assert said[before + 1].startswith(told)
    assert "\n" not in said[before + 1]
    assert "\x1b" not in said[before + 1]
    assert game.end == "quit"


def test_the_last_number_is_told_and_moves_are_taken_back():
    game, said = play("4 5 6 10", "10 + 6", "16 + 5", "21 + 4", "25 - 1", "undo", "UNDO", "undo", "10 - 4")
    assert "21 + 4 = 25: that is 25, not 24; undo takes it back" in said
    assert "one number is left; undo takes the last move back" in said
    assert [line for line in said if line.startswith("[")][-1] == "[5 6 6] "
    assert game.end == "quit"


def test_hints_lead_to_the_target():
    lines, hints = [], 0
    while True:
        game, said = play("3 3 8 8", *lines, "hint")
        hint = next(line for line in reversed(said) if line.startswith("try "))
        lines.append(hint.removeprefix("try "))
        hints += 1
        game, said = play("3 3 8 8", *lines)
        if game.end == "solved":
            break
        assert hints < 3
    assert check_expression((3, 3, 8, 8), game.answer).accepted
    game, said = play("3 3 8 8", "hint", *lines)
    assert game.hints == 1
    assert any("with 1 hint" in line for line in said)


def test_who_gives_up_sees_a_solution():
    game, said = play("3 3 8 8", "give up")
    assert game.end == "gave up"
    assert "a solution: 8 / 3 = 8/3, 3 - (8/3) = 1/3, 8 / (1/3) = 24" in said
    assert any(line.startswith("the model: ") for line in said)


@pytest.mark.parametrize("leave", ["quit", "q", EOFError(), KeyboardInterrupt()])
def test_every_way_to_leave_ends_nicely_and_waits_for_the_model(leave):
    at_work, done = threading.Event(), []

    def slow(problem):
        at_work.wait(30)
        done.append(problem)
        return search(problem)

    def release(line="", colour=""):
        said.append(line)
        at_work.set()

    said, typed = [], iter([leave])

    def read(prompt):
        line = next(typed)
        if isinstance(line, BaseException):
            raise line
        return line

    games = play_games(GAME, [NumberProblem((4, 5, 6, 10))] * 3, slow, read=read, write=release)
    assert [game.end for game in games] == ["quit"]
    assert len(done) == 1
    assert games[0].outcome is None
    assert said[-1] == "1 game: you solved 0, the model 0"
    assert not [line for line in said if line.startswith("the model: ")]


def test_the_error_of_a_model_is_not_lost():
    def broken(problem):
        raise ValueError("checkpoint x: broken")

    with pytest.raises(ValueError, match="checkpoint x: broken"):
        play("4 5 6 10", "give up", search=broken)


def test_what_has_no_solution_is_not_raced_for():
    with pytest.raises(ValueError, match="puzzle 1 1 1 1: it has no solution"):
        play("1 1 1 1")


def test_held_out_puzzles_are_dealt():
    held_out = set(make_split("tot").held_out)
    dealt = list(itertools.islice(deal(HELD_OUT, 3), 250))
    assert {problem.numbers for problem in dealt[:100]} == held_out
    assert {problem.numbers for problem in dealt} == held_out
    assert dealt == list(itertools.islice(deal(HELD_OUT, 3), 250))
    assert dealt != list(itertools.islice(deal(HELD_OUT, 4), 250))


@given(st.text(max_size=40) | st.text("0123456789+-*/()= .", max_size=20))
@settings(deadline=None, max_examples=200)
def test_any_line_is_taken(line):
    """Whatever is typed: one line is written, and the game goes on or ends."""
    game, said = play("4 5 6 10", line)
    assert game.end in ("quit", "solved", "gave up")
    assert all("\n" not in text for text in said)


def test_the_command_plays(capsys, monkeypatch):
    """With fake models and a keyboard that types; a terminal is not needed."""
    monkeypatch.setattr("game24lab.cli.solve.load_models", lambda *_, **__: (FakePolicy(skill=6.0), FakeCritic()))
    lines = iter(["10 - 4", "5 * 6", "30 - 6"])
    monkeypatch.setattr("builtins.input", lambda prompt="": next(lines))
    assert cli.main(["play", "4", "5", "6", "10"]) == 0
    out = capsys.readouterr().out
    assert "24! " in out
    assert out.splitlines()[-1].startswith("1 game: you solved 1, the model ")
    assert "\x1b" not in out
    lines = iter(["5 * 6", "quit"])
    assert cli.main(["play", "4 5 6 10 -> 36"]) == 0
    assert "Make 36 of 4 5 6 10" in capsys.readouterr().out
    lines = iter(["give up", "quit"])
    assert cli.main(["play", "--seed", "1", "--simulations", "3"]) == 0
    out = capsys.readouterr().out
    assert out.count("each number once.") == 2
    assert out.splitlines()[-1].startswith("2 games: you solved 0")


@pytest.mark.parametrize(("rules", "made"), [("stream_of_search", False), ("countdown_3to4", True)])
def test_countdown_is_played_by_its_rules(rules, made):
    world = open_game("countdown", rules)

    def find(problem):
        (outcome,) = run(world.task, [problem], mcts, FakePolicy(skill=6.0), FakeCritic(),
                         parameters={"simulations": 5})  # fmt: skip
        return outcome, 0.5

    lines = ("3 - 7", "25 / 7", "hint", "50 + 25", "undo", "25 * 3", "give up")
    game, said = play("3 7 25 50 -> 75", *lines, search=find, world=world)
    assert said[0] == f"Make 75 of 3 7 25 50, each number once{' at most' if made else ''}."
    hint = next(line for line in said if line.startswith("try "))
    assert "-" not in hint.split()[1]
    told = [line for line in said if line.startswith(("3 - 7", "25 / 7")) and "must be a whole number" not in line]
    assert not told, "moves that these rules refuse are not made"
    assert (game.end, made) in (("solved", True), ("gave up", False))
    if made:
        assert game.answer == "50 + 25"
    else:
        solution = next(line for line in said if line.startswith("a solution: "))
        assert solution.endswith("= 75")
        assert "/" not in solution.replace(" / ", "")
