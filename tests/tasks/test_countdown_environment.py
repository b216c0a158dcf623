"""Countdown through every door: vocabulary, learning, all strategies in all modes, rewards, pairs, router, report."""

import random
import re

import numpy as np
import pandas as pd
import pytest
import torch
from fake_models import FakeCritic, FakePolicy
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.cli import main as cli
from game24lab.evaluation.arms import STRATEGIES
from game24lab.evaluation.chains import grade
from game24lab.evaluation.evaluate import evaluate, summarise
from game24lab.models.checkpoints import load_checkpoint, make_model, save_checkpoint
from game24lab.models.critic import load_critic
from game24lab.models.load_policy import load_policy
from game24lab.models.locations import find_pretrained
from game24lab.models.tokenizer import LARGEST_COUNTDOWN, make_tokenizer
from game24lab.models.vocabulary import check_vocabulary
from game24lab.routing.probe import Probe, probe_problems
from game24lab.routing.route import plan, solve
from game24lab.routing.splits import split_problems
from game24lab.routing.training import RouterConfig, train
from game24lab.runs.run import start_run
from game24lab.search.engine import run
from game24lab.search.modes import MODES
from game24lab.tasks.environment import require_parts
from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.chains import judge_chain
from game24lab.tasks.numbers.countdown import CountdownProblem, check_countdown
from game24lab.tasks.numbers.preference_pairs import make_pairs
from game24lab.tasks.rewards import make_reward_functions, score
from game24lab.training import critic, grpo, sft
from game24lab.training.critic_data import collect_trajectories, list_ends
from game24lab.training.data.sft_mixture import read_mixture
from game24lab.training.data.trace_dataset import tabulate_abandoned, write_traces
from game24lab.training.data.trace_generation import make_counter, make_traces
from game24lab.training.falsified import falsify
from game24lab.training.rollouts import Rollouts
from game24lab.views.tree.explorer import explore, offer

SOS = open_environment("countdown", held_out=6)
THREE = open_environment("countdown", split="countdown_3", held_out=4)
SOME = open_environment("countdown", split="countdown_3to4", held_out=4)
WORLDS = {"stream_of_search": SOS, "countdown_3": THREE, "countdown_3to4": SOME}


def walk(numbers, **options):
    return numbers


# ---------------------------------------------------------------------------------------------------- vocabulary
def test_every_number_of_a_countdown_is_one_token():
    tokenizer = make_tokenizer("countdown")
    for number in range(LARGEST_COUNTDOWN + 1):
        assert len(tokenizer(f" {number}")["input_ids"]) == 1
        assert len(tokenizer(f"{number} +")["input_ids"]) == 2
    assert tokenizer.convert_ids_to_tokens(tokenizer(" 1234")["input_ids"]) == ["Ġ", "1", "2", "3", "4"], "digits"
    assert len(tokenizer(SOS.prompt(SOS.held_out[0]))["input_ids"]) == 1 + 4 + 1 + 1 + 1
    assert len(tokenizer) < 4096  # plain logits, see `training.sft`


@given(st.text(max_size=80) | st.lists(st.integers(-10**6, 10**6)).map(lambda some: " ".join(map(str, some))))
@settings(max_examples=200)
def test_any_text_comes_back_from_its_tokens(text):
    tokenizer = make_tokenizer("countdown")
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_a_checkpoint_without_the_numbers_is_named(tmp_path):
    for vocabulary in ("lines", "countdown"):
        tokenizer = make_tokenizer(vocabulary)
        save_checkpoint(make_model("mini", tokenizer), tokenizer, tmp_path / vocabulary)
    problems = [CountdownProblem((2, 3, 7, 8, 50, 75), 837)]
    lacks = "its vocabulary lacks the number 837 of the problem 2 3 7 8 50 75 -> 837"
    with pytest.raises(ValueError, match=lacks) as error:
        check_vocabulary(load_policy(tmp_path / "lines"), SOS, problems)
    assert "\n" not in str(error.value)
    check_vocabulary(load_policy(tmp_path / "countdown"), SOS, problems)
    check_vocabulary(load_policy(tmp_path / "lines"), open_environment(held_out=1), [(500, 1, 1, 1)])
    check_vocabulary(FakePolicy(), SOS, problems)


# -------------------------------------------------------------------------------------------------------- doors
@pytest.mark.parametrize("name", WORLDS)
def test_names_and_descriptions(name):
    world = WORLDS[name]
    for problem in world.held_out:
        assert world.read_name(world.write_name(problem)) == problem
        assert world.prompt(problem) == problem.prompt == world.task.text(world.task.start(problem))
        wanted = {"numbers": str(problem), "rank": None, "bucket": "", "target": problem.target}
        assert world.describe(problem) == wanted
        assert {"number_1", "gap", "divisors"} <= set(world.features(problem))
        known = world.oracle_features(problem)
        assert known["solutions"] > 0
        assert 0 < known["alive"] <= 1
    require_parts(world, "traces", "truth", "positions")
    with pytest.raises(ValueError, match="the task countdown has no published ranks: no puzzle of it has"):
        require_parts(world, "ranking")
    assert "held out" in str(world)


def test_problems_are_chosen_by_difficulty():
    easy = SOS.problems(30, 0.3, 1.0, walk)
    assert 0 < len(easy) < 30
    for problem in easy:
        posed = CountdownProblem(tuple(problem.columns["numbers"]), problem.columns["target"])
        assert SOS.measure_difficulty(posed)[1] >= 0.3
    with pytest.raises(ValueError, match="wider bounds"):
        SOS.problems(3, 0.99, 1.0, walk)


def test_rewards_keep_the_rules():
    problem = CountdownProblem((3, 3, 8, 8), 24)
    fraction = "8 / 3 = 8/3 (left: 3 8/3 8)\nreach 24! expression: 8 / (3 - 8 / 3)\n"
    assert score(SOS.rewards, [problem], [fraction])[0]["output"] == 0
    assert score(open_environment(held_out=1).rewards, [(3, 3, 8, 8)], [fraction])[0]["output"] == 1
    over = "3 * 8 = 24 (left: 3 8 24)\nreach 24! expression: 3 * 8\n"
    functions, _ = make_reward_functions(SOME.rewards, {"output": 1})
    assert functions[0](completions=[over], numbers=[[3, 3, 8, 8]], target=[24]) == [1]
    functions, _ = make_reward_functions(SOS.rewards, {"output": 1})
    assert functions[0](completions=[over], numbers=[[3, 3, 8, 8]], target=[24]) == [0]
    row = SOME.judge((3, 3, 8, 8), type("Answer", (), {"text": over, "tokens": 9, "finish": "stop"}))
    assert (row["solved"], row["outcome"], row["share_right"]) == (True, "solved", 1.0)


# ------------------------------------------------------------------------------------------------------ search
@pytest.mark.parametrize("world", [THREE, SOME], ids=["all", "some"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_plays_in_every_mode(name, mode, world):
    policy, critic = FakePolicy(skill=0.0), FakeCritic()
    critic.__dict__["reads"] = "chains"
    for outcome, problem in zip(run(world.task, world.held_out, STRATEGIES[name], policy, critic, mode=mode, seed=1),
                                world.held_out, strict=True):  # fmt: skip
        right = bool(outcome.answer) and check_countdown(problem.numbers, outcome.answer, problem.target,
                                                         world.task.use_all).accepted  # fmt: skip
        assert outcome.solved == right if mode != "blind" else not outcome.solved or outcome.outcome == "solved"
        assert outcome.cost.sampled_tokens > 0


def test_a_search_finds_what_there_is():
    outcomes = run(THREE.task, THREE.held_out, STRATEGIES["best_of_n"], FakePolicy(skill=0.0), FakeCritic(),
                   parameters={"n": 400}, seed=0)  # fmt: skip
    assert sum(outcome.solved for outcome in outcomes) >= 2


def test_the_explorer_takes_its_problems_by_name():
    names = list(map(THREE.write_name, THREE.held_out))
    explorer = explore(THREE.task, FakePolicy(skill=0.0), FakeCritic(), offer({"mcts": STRATEGIES["mcts"]}, {}),
                       parse=THREE.read_name, problems=names, effort=4, seed=0)  # fmt: skip
    assert explorer is not None


def test_what_the_shipped_models_have_not_learnt_is_told():
    assert THREE.warn(["3 7 25 50 -> 79", "1 2 99 -> 10"]) == ""
    assert THREE.warn(["3 7 25 50 -> 79", "2 3 7 8 50 75 -> 837", "3 7 25 50 -> 101", "3 7 25 100 -> 79"]) == (
        "3 of 4 problems lie outside what the shipped models have learnt: at most 4 numbers from 1 to 99, targets from "
        "10 to 100")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- learning
@pytest.fixture(scope="module")
def policy_folder(tmp_path_factory):
    config = sft.SFTConfig(size="mini", vocabulary=THREE.vocabulary, steps=40, batch_size=64, evaluate_every=0,
                           precision="fp32")  # fmt: skip
    return sft.train(config, THREE.sft_samples(1_000, walk), tmp_path_factory.mktemp("sft"))


def test_a_policy_critic_and_router_learn_it(policy_folder, tmp_path):
    sampler, world = load_policy(policy_folder), THREE.task.believe()
    starts, texts = THREE.draw_starts(20, roots=5, fractions=5)
    assert (len(starts), texts) == (20, [])
    rolled = collect_trajectories(THREE.task, {"sft": sampler}, starts, samples=6, keep=0, temperature=1.0, top_k=0,
                                  views=[world], avoid=THREE.split.forbidden)  # fmt: skip
    targets = {int(text.split("Target: ")[1].splitlines()[0]) for text in rolled["text"]}
    assert targets <= {problem.target for problem in starts}
    ends = list_ends(THREE.task, **THREE.ends)
    assert ends["solved"].sum() == len(THREE.ends["targets"])
    assert ends.loc[ends["solved"] == 1, "copies"].sum() == (ends["solved"] == 0).sum()
    assert not THREE.split.rules.held_out_targets & set(THREE.ends["targets"])
    right = [world.text(play(world, problem)) for problem in starts]
    false = falsify(world, right, 30, avoid=THREE.split.forbidden)
    assert len(false) >= 20
    assert all(not world.shows(world.read(text), THREE.split.forbidden) for text in false["text"])
    config = critic.CriticConfig(policy=str(policy_folder), epochs=1, batch_size=64, precision="fp32", reads="chains")
    certain = pd.concat([ends.sample(50, random_state=0), false])
    judge = load_critic(critic.train(config, rolled, tmp_path / "critic", certain))

    arms = {f"{mode} {name}": {"algorithm": name, "mode": mode, "parameters": options} for mode in MODES
            for name, options in (("best_of_n", {"n": 4}), ("mcts", {"simulations": 4}))}  # fmt: skip
    record = start_run(tmp_path / "run", "05_search", {"seed": 0})
    rows = evaluate(THREE.task, THREE.held_out, arms, sampler, judge, path=record.path("records.parquet"),
                    split=THREE.split.name, run_id=record.id, progress=False)  # fmt: skip
    record.finish()
    assert set(rows["problem"]) == {str(problem) for problem in THREE.held_out}
    assert summarise(rows)["arm"].tolist() == list(arms)
    assert cli.main(["report", "--kind", "search", str(tmp_path / "run"), "-o", str(tmp_path / "report.pdf")]) == 0

    names = [str(problem) for problem in THREE.split.train[:64]]
    table = pd.DataFrame([
        {"problem": name, "arm": f"of {n}", "probability": 1.0 if n == 4 or THREE.know(name).target < 50 else 0.05,
         "sampled_tokens": 3.0 * n, "n": n, "width": 0, "simulations": 0, "depth": 0, "method": "majority",
         "mode": "rules", "verified": False, "parameters": f'{{"n": {n}}}'} for name in names for n in (1, 4)
    ])  # fmt: skip
    probe = Probe(tries="none")
    table["part"] = table["problem"].map(split_problems(names, np.random.default_rng(0)))
    features = probe_problems(probe, THREE, names, progress=False)
    facts = {"task": THREE.name, "probe": vars(probe), "prices": {"rules": 1e-2}}
    router = train(RouterConfig(model="logistic"), table, features, facts=facts, progress=False)
    plans = plan(router, THREE, list(THREE.held_out), None, None, mode="rules")
    assert {one.arm for one in plans} <= {"of 1", "of 4"}
    assert len(solve(router, THREE.task, list(THREE.held_out), plans, sampler, None)) == len(THREE.held_out)


def play(world, problem):
    """A right chain: the first living move at each position."""
    game, state = world.task, world.start(problem)
    at = game.start(problem)
    while not game.is_terminal(at):
        at = next(child for child in game.children(at) if game.truth(child))
        step = at.steps[-1]
        state = world.step(state, f"{step.left} {step.operator} {step.right} = {step.result} (left: {game.label(at)})")
    return state


def test_grpo_pays_by_the_rules(policy_folder, tmp_path):
    config = grpo.GRPOConfig(checkpoint=str(policy_folder), steps=2, mini_batch=8, learning_rate=1e-2, evaluate_every=0,
                             precision="fp32", rollouts=Rollouts(2, 4, 40))  # fmt: skip
    posed = THREE.problems(8, 0, 1, walk)
    assert {"numbers", "target"} <= set(posed[0].columns)
    assert not {problem.prompt for problem in posed} & {THREE.prompt(problem) for problem in THREE.held_out}
    folder = grpo.train(config, posed, make_reward_functions(THREE.rewards), tmp_path / "grpo")
    before, after = (load_checkpoint(one)[0].state_dict() for one in (policy_folder, folder))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    rows = grade(THREE, load_policy(folder), budget=40, progress=False)
    assert rows["numbers"].tolist() == [str(problem) for problem in THREE.held_out]
    assert rows["target"].tolist() == [problem.target for problem in THREE.held_out]


# ----------------------------------------------------------------------------------------------- search traces
@pytest.mark.parametrize("name", ["stream_of_search", "countdown_3to4"])
def test_traces_of_searches_are_right_and_learnt_from(name, tmp_path):
    world = WORLDS[name]
    traces = make_traces(world.split.train, 24, held_out=world.split.forbidden, styles=("solution", "sound"),
                         finish_share=0.3, count_tokens=make_counter("", world.chain_vocabulary))  # fmt: skip
    assert {trace.style for trace in traces} == {"solution", "sound"}
    for trace in traces:
        problem = world.know(trace.problem)
        whole = trace.prompt.removeprefix(problem.prompt) + trace.completion
        judged = judge_chain(problem, whole, trace.style)
        assert judged.solved, whole
        assert judged.share_right == 1
        assert judged.first_unsound is None or not world.task.use_all
        assert trace.prompt.startswith(problem.prompt)
        assert (trace.numbers, trace.target) not in world.split.forbidden
        left = [tuple(map(int, part.split())) for part in re.findall(r"left: ([0-9 ]+)\)", whole)]
        assert not [one for one in left if (one, trace.target) in world.split.forbidden]
    assert tabulate_abandoned(traces, world.know)["dead"].dropna().eq(1).all()
    write_traces(tmp_path / "traces.jsonl", traces)
    samples, _ = read_mixture(tmp_path, {}, 30, held_out=world.list_forbidden())
    assert len(samples) == 30
    leak = next(problem for problem in world.held_out if len(problem.numbers) in world.split.rules.sizes)
    write_traces(tmp_path / "traces.jsonl", [traces[0]._replace(numbers=leak.numbers, target=leak.target)])
    with pytest.raises(ValueError, match=f"{leak} is held out and must not be trained on"):
        read_mixture(tmp_path, {}, 30, held_out=world.list_forbidden())
    with pytest.raises(ValueError, match="styles must be solution or sound for problems with rules of their own, got"):
        make_traces(world.split.train, 2, held_out=world.split.forbidden, styles=("v3",))


@pytest.mark.parametrize("style", ["solution", "sound"])
def test_pairs_prefer_what_the_rules_allow(style):
    rng, chains = random.Random(0), []
    for problem in THREE.split.train[:12]:
        state = THREE.task.start(problem)
        child = rng.choice(THREE.task.children(state))
        step = child.steps[-1]
        line = f"{step.left} {step.operator} {step.right} = {step.result} (left: {THREE.task.label(child)})\n"
        chains += [(problem, line, True), (problem, "1 / 2 = 1/2\n", True), (problem, "nothing\n", True)]
    pairs = make_pairs(chains, style=style, avoid=THREE.split.forbidden)
    assert len(pairs) >= 12
    for pair in pairs:
        problem = THREE.know(THREE.task.read(pair.prompt.splitlines()[0] + "\n").numbers and pair.prompt.splitlines()[0]
                             .removeprefix("Input: ").replace(" Target: ", " -> "))  # fmt: skip
        kept = pair.prompt.removeprefix(problem.prompt)
        assert judge_chain(problem, kept + pair.chosen, style).solved or not pair.chosen_ends


# --------------------------------------------------------------------------------------------------- command line
def test_the_command_line_solves_with_models_of_its_own(policy_folder, capsys):
    checkpoint = ["--checkpoint", str(policy_folder), "--strategy", "greedy", "--task", "countdown"]
    assert cli.main(["solve", "--target", "837", "75", "50", "2", "3", "8", "7", *checkpoint]) == 0
    assert "2 3 7 8 50 75: " in capsys.readouterr().out
    assert cli.main(["solve", "--target", "99", "1", "1", "1", *checkpoint, "--rules", "countdown_3to4"]) == 0
    assert capsys.readouterr().out == "1 1 1: no solution exists for 99\n"


@pytest.mark.parametrize(("words", "named"), [
    (["--target", "0", "3", "7", "25"], "target of a Countdown must be an integer >= 1, got 0"),
    (["--target", "-4", "3", "7", "25"], "target of a Countdown must be an integer >= 1, got -4"),
    (["--target", "81", "3", "7", "25", "--rules", "tot"], "rules must be one of stream_of_search"),
])  # fmt: skip
def test_the_command_line_names_bad_input(words, named, capsys):
    assert cli.main(["solve", "--task", "countdown", *words]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1


def test_models_that_ship_are_asked_for_by_task():
    own = find_pretrained("policy", SOS)
    assert (own.parent.name, own.name) == ("countdown", "policy")
    assert own != find_pretrained("policy")
    with pytest.raises(ValueError, match="the task gsm8k has no models that ship"):
        find_pretrained("policy", open_environment("gsm8k"))
