"""Blind play: every strategy goes by the models' word alone until it has committed, in a world of false lines too."""

import hashlib
import json
import random
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pandas as pd
import pytest
import tiny_models
from fake_models import FakeCompletion, FakePolicy, gauss, tokenize

from game24lab.evaluation.arms import STRATEGIES, Arm
from game24lab.evaluation.completions import read_completions, tabulate_completions, write_completions
from game24lab.evaluation.evaluate import evaluate, load_records, summarise, tabulate_pass_at_k
from game24lab.evaluation.grid import check_arms, expand_arms
from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.routing.arms import PROBE_ANSWER
from game24lab.routing.route import find_router
from game24lab.runs.former_names import say_once
from game24lab.search import modes
from game24lab.search.engine import run
from game24lab.search.lookahead import lookahead
from game24lab.search.modes import MODES, read_mode
from game24lab.search.token_task import Continuations
from game24lab.search.tree import Tree
from game24lab.tasks.gsm8k.task import WordProblem, WordProblems
from game24lab.tasks.numbers.belief import Believing
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Verdict
from game24lab.views.tree.branch import search_on

GAME, PUZZLES = Game24(), [(4, 5, 6, 10), (1, 2, 4, 7), (6, 6, 6, 6)]
SMALL = {
    "greedy": {}, "best_of_n": {"n": 6}, "majority": {"n": 6}, "weighted_majority": {"n": 6},
    "adaptive_consistency": {"n": 6}, "early_stopping": {"n": 6}, "beam_search": {"n": 4, "beam_width": 2},
    "dvts": {"n": 4, "beam_width": 2}, "bfs_v": {"beam_size": 2, "width": 4}, "dfs_v": {"num_paths": 2, "width": 3},
    "best_first": {"simulations": 8, "width": 3}, "a_star": {"simulations": 8, "width": 3}, "mcts": {"simulations": 12},
    "mcts_alpha": {"simulations": 4, "width": 4}, "mcts_rollout": {"num_paths": 2, "width": 4},
    "gumbel_mcts": {"simulations": 8, "width": 4}, "rap": {"n_iters": 6}, "particle_filter": {"n_particles": 4},
    "rebase": {"width": 4},
}  # fmt: skip
every_strategy = pytest.mark.parametrize("name", STRATEGIES)


@dataclass(frozen=True)
class Liar:
    """A policy that goes on from the numbers it is shown, and says a third of its lines falsely, or unreadably."""

    lies: float = 0.35
    parameters: int = 1000
    name: str = "liar"
    calls: list = field(default_factory=list, compare=False, hash=False)

    def count(self, text):
        return len(tokenize(text))

    def generate(self, prompts, n, *, max_tokens, temperature=1.0, top_p=1.0, top_k=0, stop_line=False, seeds=None):
        counts = [n] * len(prompts) if isinstance(n, int) else list(n)
        self.calls.append(list(prompts))
        answers = []
        for prompt, count, seed in zip(prompts, counts, seeds or range(len(prompts)), strict=True):
            rng = random.Random(seed if temperature else f"greedy {prompt}")
            left = [Fraction(word) for word in prompt.splitlines()[0].removeprefix("Input: ").split()]
            answers.append([self._say(list(left), rng, 1 if stop_line else 5) for _ in range(count)])
        return answers

    def _say(self, left, rng, most):
        lines = []
        while len(left) > 1 and len(lines) < most:
            a, b = (left.pop(rng.randrange(len(left))) for _ in range(2))
            sign, result = rng.choice([("+", a + b), ("-", a - b), ("*", a * b)])
            if rng.random() < self.lies:
                kind = rng.choice(["calculation", "left", "target", "target", "bare", "words"])
                if kind in ("bare", "words"):
                    lines.append({"bare": f"{a} {sign} {b} = {result}", "words": "so we get (left: x y)"}[kind])
                    break
                result = Fraction(24) if kind == "target" else result + (kind == "calculation")
                left = {"left": left[1:], "target": []}.get(kind, left)
            left.append(result)
            lines.append(f"{a} {sign} {b} = {result} (left: {' '.join(map(str, left))})")
        text = "\n".join(lines) + "\n" * (most > 1)
        ids = tuple(1 + len(token) for token in tokenize(text)) or (1,)
        return FakeCompletion(text, ids, (-0.5,) * len(ids), "stop")


@dataclass(frozen=True)
class Says:
    """A policy that says these texts in turn, whatever it is shown."""

    texts: list
    parameters: int = 1000
    name: str = "says"

    def count(self, text):
        return len(tokenize(text))

    def generate(self, prompts, n, *, max_tokens, temperature=1.0, top_p=1.0, top_k=0, stop_line=False, seeds=None):
        return [[FakeCompletion(text, (1, 0), (-0.5, 0.0), "stop") for text in self.texts[:count]] for count in n]


@dataclass(frozen=True)
class Eye:
    """A critic that reads chains and has an opinion of each, a pure function of the text."""

    reads: str = "chains"
    parameters: int = 900
    name: str = "eye"
    calls: list = field(default_factory=list, compare=False, hash=False)

    def count(self, text):
        return len(tokenize(text))

    def score(self, texts):
        self.calls.append(list(texts))
        return [min(0.85, max(-0.9, 0.4 * gauss("eye", text) + 0.3 * text.endswith("(left: 24)\n"))) for text in texts]


class PeekedError(Exception):
    """Somebody asked the rules."""


class Sealed(Game24):
    """A game whose rules nobody may ask."""

    def step(self, state, line):
        raise PeekedError(f"step: {line}")

    def verdict(self, state):
        raise PeekedError("verdict")

    def truth(self, state):
        raise PeekedError("truth")


class Peeking(Believing):
    """A world that asks the rules about every line, and then believes it all the same."""

    def step(self, state, line):
        after = super().step(state, line)
        self.task.truth(after)
        return after


class PeekingGame(Sealed):
    def believe(self):
        return Peeking(self)


def search(name, mode, game=GAME, puzzles=PUZZLES, policy=None, critic=None, **settings):
    return run(game, puzzles, STRATEGIES[name], policy or Liar(), critic or Eye(), parameters=SMALL[name], mode=mode,
               **settings)  # fmt: skip


def watch(monkeypatch, name, mode, game):
    """What a search in a sealed game has logged when the rules are first asked."""
    kinds, log = [], Tree.log

    def note(self, kind, *args):
        kinds.append(kind)
        log(self, kind, *args)

    def refuse(*args, **kwargs):
        raise PeekedError("solver")

    with monkeypatch.context() as patch:
        patch.setattr(Tree, "log", note)
        patch.setattr("game24lab.tasks.numbers.task.reachable", refuse)
        patch.setattr("game24lab.tasks.numbers.arithmetic.legal_steps", refuse)
        with pytest.raises(PeekedError):
            search(name, mode, game, PUZZLES[:1])
    return kinds


# ------------------------------------------------------------------------------------------------ independence
def test_all_strategies_are_tried():
    assert set(SMALL) == set(STRATEGIES)


@every_strategy
def test_nobody_asks_the_rules_before_a_blind_search_has_committed(name, monkeypatch):
    kinds = watch(monkeypatch, name, "blind", Sealed())
    assert kinds.count("stop") == 1
    assert kinds[-1] == "stop"


@every_strategy
@pytest.mark.parametrize(("mode", "game"), [("rules", Sealed()), ("verified", Sealed()), ("blind", PeekingGame())])
def test_a_world_that_knows_the_rules_is_found_out_by_the_same_test(name, mode, game, monkeypatch):
    assert "stop" not in watch(monkeypatch, name, mode, game)


class Contrary(Game24):
    """The same game with the judge's word turned around, and with other rules."""

    def verdict(self, state):
        true = super().verdict(state)
        return Verdict(not true.solved, "wrong value" if true.solved else "solved", true.answer, true.reason)

    def step(self, state, line):
        return super().step(state, line.replace("+", "-"))


@every_strategy
def test_a_blind_choice_never_depends_on_the_rules(name):
    honest, contrary = search(name, "blind"), search(name, "blind", Contrary())
    for one, other in zip(honest, contrary, strict=True):
        assert one.tree.events == other.tree.events  # the last of them: what it commits to
        assert one.tree.value == other.tree.value
        assert one.tree.line == other.tree.line
        assert replace(one.cost, seconds=0) == replace(other.cost, seconds=0)


# ------------------------------------------------------------------------------------- all modes, all strategies
@every_strategy
@pytest.mark.parametrize("mode", MODES)
def test_every_strategy_plays_every_mode_and_equal_seeds_give_equal_answers(name, mode):
    found = search(name, mode, seed=3)
    for one, other in zip(found, search(name, mode, seed=3, concurrent=1), strict=True):
        assert (one.answer, one.outcome, one.tree.line) == (other.answer, other.outcome, other.tree.line)
    for problem, outcome in zip(PUZZLES, found, strict=True):
        tree = Tree.from_json(outcome.tree.to_json())
        assert (outcome.mode, tree.meta["mode"]) == (mode, mode)
        assert outcome.solved == (outcome.outcome == "solved")
        assert outcome.tree.sampled == outcome.cost.sampled_tokens
        world = modes.open_world(GAME, mode)
        assert tree.annotate(world, world.start(problem)).truth[0] is True
        if mode == "rules" and outcome.answer:
            assert outcome.outcome != "illegal"


def test_false_lines_are_believed_blind_and_refused_by_the_rules():
    """Not an empty claim: some blind searches commit to what is false, and are told so afterwards."""
    blind = [outcome for name in STRATEGIES for outcome in search(name, "blind")]
    assert any(outcome.answer and outcome.outcome == "illegal" for outcome in blind)
    assert all(not outcome.solved for outcome in blind if outcome.outcome == "illegal")
    honest = [outcome for name in STRATEGIES for outcome in search(name, "blind", policy=FakePolicy(illegal=0.0))]
    assert any(outcome.solved for outcome in honest)
    assert not any(outcome.answer and outcome.outcome == "illegal" for outcome in honest)


@pytest.mark.parametrize("context", ["position", "history"])
def test_the_critic_reads_what_was_said_and_the_policy_what_its_context_says(context):
    policy, critic = Liar(), Eye()
    search("beam_search", "blind", Game24(context=context), PUZZLES[:1], policy, critic)
    assert any("(left: " in text for texts in critic.calls for text in texts)
    assert any("(left: " in prompt for prompts in policy.calls for prompt in prompts) == (context == "history")


def test_the_searches_of_one_puzzle_go_on_from_a_false_line():
    (outcome,) = search("mcts", "blind", puzzles=PUZZLES[:1])
    world, tree = GAME.believe(), outcome.tree
    node = next(node for node in range(1, len(tree)) if tree.status[node] == "open" and tree.same[node] is None)
    more = search_on(GAME, PUZZLES[0], tree, node, STRATEGIES["mcts"], Liar(), Eye(), parameters=SMALL["mcts"],
                     mode="blind")  # fmt: skip
    assert len(more.tree) > len(tree)
    assert more.tree.annotate(world, world.start(PUZZLES[0])).truth[0] is True


# --------------------------------------------------------------------------------------------------------- bad input
def test_a_critic_of_positions_cannot_play_blind_and_says_so():
    policy = Liar()
    with pytest.raises(ValueError, match=r"'eye' was trained on positions alone .* needs one that reads whole chains"):
        search("mcts", "blind", policy=policy, critic=Eye("positions"))
    with pytest.raises(ValueError, match=r"arm 'a': critic 'eye' was trained on positions alone"):
        check_arms(GAME, PUZZLES[0], {"a": Arm("mcts", {}, "blind")}, policy, Eye("positions"))
    assert not policy.calls
    assert search("mcts", "rules", policy=policy, critic=Eye("positions"))


def test_a_task_without_a_reading_cannot_be_played_blind():
    class Plain:
        name = "plain"

    with pytest.raises(ValueError, match="mode must be rules or verified for the task 'plain', got 'blind'"):
        run(Plain(), PUZZLES, STRATEGIES["greedy"], Liar(), mode="blind")


@pytest.mark.parametrize(
    ("said", "outcome", "answer", "reason"),
    [
        ("10 - 4 = 6", "illegal", "", "does not say which numbers are left"),
        ("ten minus four (left: x y)", "illegal", "", "cannot be read"),
        ("10 - 4 = x (left: 5 6 x)", "illegal", "", "cannot be read"),
        ("10 - 4 = 6 (left: 6)", "illegal", "10 - 4 = 6", r"line 1 \(left list\)"),
        ("10 - 4 = 24 (left: 24)", "illegal", "10 - 4 = 24", r"line 1 \(calculation\)"),
        ("4 * 6 = 24 (left: 24)", "illegal", "4 * 6 = 24", r"line 1 \(left list\)"),
        ("8 * 3 = 24 (left: 24)", "illegal", "8 * 3 = 24", r"line 1 \(invented number\)"),
    ],
)
@pytest.mark.parametrize("name", ["greedy", "best_of_n", "mcts", "beam_search"])
def test_strange_lines_end_a_path_or_are_believed_and_judged_afterwards(name, said, outcome, answer, reason):
    policy = FakePolicy(only=said)
    (found,) = search(name, "blind", puzzles=PUZZLES[:1], policy=policy)
    assert (found.solved, found.answer) == (False, answer)
    assert found.outcome == outcome
    assert any(pd.Series(found.tree.reason).str.contains(reason))


def test_a_chain_that_never_ends_is_cut_at_four_lines():
    policy = FakePolicy(only="4 + 5 = 9 (left: 4 5 6 10)")
    (found,) = search("best_first", "blind", puzzles=PUZZLES[:1], policy=policy)
    assert not found.solved
    assert max(len(found.tree.path(node)) for node in range(len(found.tree))) <= 6


# ------------------------------------------------------------------------------------------------- files from before
@pytest.fixture
def said_anew(monkeypatch):
    say_once.cache_clear()
    yield
    say_once.cache_clear()


def test_the_former_name_is_read_and_said_once(said_anew, capsys):
    assert read_mode("unverified") == Arm("greedy", {}, "unverified").mode == "rules"
    arms = expand_arms({"greedy": {}, "best_of_n": {"mode": "verified"}}, modes=["unverified", "verified"])
    assert {name: arm.mode for name, arm in arms.items()} == {
        "greedy@unverified": "rules", "greedy@verified": "verified", "best_of_n": "verified",
    }  # fmt: skip  # the names of its files stay those of the recipe
    out, told = capsys.readouterr()
    assert out == ""
    assert told == ("game24lab: mode 'unverified' is called 'rules' now: the rules were known in it (a search by the "
                    "models alone is 'blind')\n")  # fmt: skip
    with pytest.raises(ValueError, match=r"mode 'blnd': one of blind, rules, verified .* did you mean 'blind'"):
        read_mode("blnd")


def test_records_from_before_are_read_and_gone_on_with(tmp_path, said_anew):
    path, policy = tmp_path / "records.parquet", Liar()
    arms = {"draw": Arm("best_of_n", {"n": 4, "batch": 0}, "rules")}
    rows = evaluate(GAME, PUZZLES[:2], arms, policy, Eye(), path=path, progress=False)
    pd.read_parquet(path).assign(mode="unverified").to_parquet(path, index=False)
    assert set(load_records(path)["mode"]) == {"rules"}
    asked = len(policy.calls)
    more = evaluate(GAME, PUZZLES, arms, policy, Eye(), path=path, progress=False)
    assert len(policy.calls) == asked + 1
    pd.testing.assert_frame_equal(more[:2], rows)
    assert tabulate_pass_at_k(more)["arm"].tolist() == ["draw"] * 3
    pd.read_parquet(path).assign(mode="sideways").to_parquet(path, index=False)
    with pytest.raises(ValueError, match=r"records\.parquet: mode 'sideways': one of blind, rules, verified"):
        load_records(path)


def test_completions_from_before_are_read_and_gone_on_with(tmp_path, said_anew):
    path, policy, arm = tmp_path / "a_completions.jsonl", Liar(), Arm("best_of_n", {"n": 4, "batch": 0}, "rules")
    whole = write_completions(tmp_path / "whole.jsonl", GAME, PUZZLES, arm, policy, Eye(), progress=False)
    write_completions(path, GAME, PUZZLES[:2], arm, policy, Eye(), progress=False)
    path.write_text(path.read_text().replace('"mode": "rules"', '"mode": "unverified"'))
    assert '"mode": "unverified"' in path.read_text()
    asked = len(policy.calls)
    write_completions(path, GAME, PUZZLES, arm, policy, Eye(), progress=False)
    assert len(policy.calls) == asked + 1
    rows = read_completions(path)
    assert [row["mode"] for row in rows] == ["rules"] * 3
    assert {row["trace"]["meta"]["mode"] for row in rows} <= {"rules", "unverified"}  # trees read it as they are opened
    assert Tree.from_json(json.dumps(rows[0]["trace"])).meta["mode"] == "rules"
    timeless = [{key: value for key, value in row.items() if key not in ("cost", "trace")} for row in rows]
    assert timeless == [{key: value for key, value in row.items() if key not in ("cost", "trace")}
                        for row in read_completions(whole)]  # fmt: skip
    assert set(summarise(tabulate_completions(rows))["mode"]) == {"rules"}
    path.write_text(path.read_text().replace('"mode": "rules"', '"mode": "sideways"'))
    with pytest.raises(ValueError, match=r"line 3: mode 'sideways'"):
        read_completions(path)


def test_the_hash_of_an_arm_by_the_rules_is_that_of_files_from_before(tmp_path):
    """Those were made when the mode was called unverified; a blind arm is another one."""
    hashes = {}
    for mode in MODES:
        path = tmp_path / mode
        write_completions(path, GAME, PUZZLES[:1], Arm("greedy", {}, mode), Liar(), Eye(), progress=False)
        (row,) = read_completions(path)
        hashes[mode] = row["config_hash"]
    facts = {"algorithm": "greedy", "parameters": json.loads(Arm("greedy").describe()), "mode": "unverified",
             "models": {"policy": "liar", "critic": "eye"}, "policy_parameters": 1000, "backend": "liar",
             "critic_parameters": 900}  # fmt: skip
    task = {"task": "game24", "target": 24, "context": "position", "preamble": "", "name": "game24"}  # as it was
    text = json.dumps([task, facts], sort_keys=True)
    assert hashes["rules"] == hashlib.sha256(text.encode()).hexdigest()[:12]
    assert len(set(hashes.values())) == 3


def test_blind_completions_tell_claims_and_exact_verdicts(tmp_path):
    path = write_completions(tmp_path / "blind.jsonl", GAME, PUZZLES, Arm("best_of_n", {"n": 16, "batch": 0}, "blind"),
                             Liar(), Eye(), progress=False)  # fmt: skip
    rows = read_completions(path)
    world = GAME.believe()
    for problem, row in zip(PUZZLES, rows, strict=True):
        assert len(row["completions"]) == 16
        for text, right, answer in zip(row["completions"], row["correct"], row["answers"], strict=True):
            state = world.start(problem)
            for line in text.split("\n"):
                after = world.step(state, line)
                state = state if not hasattr(after, "left") else after
            assert right == world.verdict(state).solved
            assert bool(answer) == world.is_terminal(state)
    ends = [pair for row in rows for pair in zip(row["answers"], row["correct"], strict=True)]
    assert any(answer and not right for answer, right in ends)
    assert "pred_maj@16" in rows[0]


def test_trees_and_routers_from_before_are_read(capsys, said_anew):
    tree = search("greedy", "rules")[0].tree
    old = json.loads(tree.to_json())
    old["meta"]["mode"] = "unverified"
    assert Tree.from_json(json.dumps(old)).meta == tree.meta
    router = find_router()
    assert {arm["mode"] for arm in router.arms.values()} == {"rules", "verified"}
    assert any("unverified" in name for name in router.arms)  # which stay their names
    assert {PROBE_ANSWER["rules"], PROBE_ANSWER["verified"]} <= set(router.encoding.arms)
    assert set(router.facts["prices"]) == set(router.facts["schedules"]) == {"rules", "verified"}
    assert capsys.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------- answers that are texts
def test_word_problems_are_blind_by_nature():
    """A mode without the verifier changes nothing there, whatever the critic has read."""
    problem = WordProblem("How many are two and two?", 4, ())
    task = WordProblems((problem,))
    said = "<reasoning>\n2 + 2 = 4\n</reasoning>\n<answer>\n{}\n</answer>"
    policy = Says([said.format(number) for number in (5, 4, 4, 3)])
    assert task.believe() is task
    found = [run(task, [problem], STRATEGIES["best_of_n"], policy, Eye("positions"), parameters={"n": 4}, mode=mode)[0]
             for mode in ("blind", "rules")]  # fmt: skip
    assert found[0].answer == found[1].answer
    assert found[0].mode == "blind"


@pytest.mark.parametrize("task", [GAME, WordProblems((WordProblem("How many are two and two?", 4, ()),))])
@pytest.mark.parametrize("leaf", ["reward", "critic"])
def test_lookahead_plays_blind(task, leaf):
    policy = TransformersPolicy(*tiny_models.make("qwen3", seed=3), frozen=True)
    world = Continuations(task, policy, lambda problems, texts: [text.count("5") / 10 for text in texts], honest=True)
    asked = [(4, 5, 6, 10)] if task is GAME else list(task.problems)
    parameters = {"max_tokens": 14, "simulations": 4, "depth": 2, "top_k": 3, "leaf": leaf}
    one, other = (run(world, asked, lookahead, policy, Eye(), parameters=parameters, mode="blind")[0] for _ in range(2))
    assert one.mode == "blind"
    assert one.tree.meta["text"] == other.tree.meta["text"]
    if task is GAME and leaf == "critic":
        with pytest.raises(ValueError, match="was trained on positions alone"):
            run(world, asked, lookahead, policy, Eye("positions"), parameters=parameters, mode="blind")
