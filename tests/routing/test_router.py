"""The router: what it learns is what is so, it says the same after loading, it never looks at the test, it refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_models import FakeCritic, FakePolicy
from routed_worlds import CHANCES, SIZES, TOKENS, make_world
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from game24lab.routing import route as planning
from game24lab.routing.calibration import calibrate, split_labels
from game24lab.routing.evaluation import find_auc, measure_chances, measure_costs, tabulate_reliability
from game24lab.routing.mlp import PUBLISHED_SHAPE
from game24lab.routing.pareto import choose, join_rows, read_grid, route
from game24lab.routing.predictors import Calibration, Predictor, measure_loss
from game24lab.routing.router import load_router
from game24lab.routing.training import (
    MODELS,
    STORED,
    BoostedTrees,
    RouterConfig,
    check_training,
    fit,
    list_inputs,
    train,
)
from game24lab.tasks.environments import open_environment

SAMPLES = Path(__file__).parent / "samples"
QUICK = {
    "logistic": {},
    "boosting": {"steps": 150, "shrinkage": 0.2},
    "mlp": {"steps": 40, "learning_rate": 1e-2, "hidden": [32, 32]},
}


@pytest.fixture(scope="module")
def world():
    return make_world(240)


@pytest.fixture(scope="module", params=MODELS)
def router(request, world):
    return train(RouterConfig(model=request.param, **QUICK[request.param]), *world, progress=False)


@pytest.fixture(scope="module", params=STORED)
def stored(request, world):
    return train(RouterConfig(model=request.param, **QUICK[request.param]), *world, progress=False)


def pick(table, part):
    return table[table["part"] == part]


# --------------------------------------------------------------------------------------------------- what it learns
def test_choices_are_the_analytic_optimum(world, router):
    table, features = world
    rows = join_rows(pick(table, "test"), router.predict(features), router.charge(features))
    grid = read_grid(rows)
    q = np.array(CHANCES)[features.loc[list(grid.problems), "oracle_level"].astype(int)][:, None]
    n = np.array(SIZES)[None]
    equal = []
    for price in (0.0, 1e-4, 3e-4, 1e-3, 3e-3):
        utility = 1 - (1 - q) ** n - price * n * TOKENS  # by hand, from what the world was made of
        best = utility.argmax(axis=1)
        order = np.sort(utility, axis=1)
        clear = order[:, -1] - order[:, -2] > 0.05
        chosen = route(grid, price)
        equal.append((chosen == best)[clear])
        regret = utility.max(axis=1) - utility[np.arange(len(chosen)), chosen]
        assert regret.mean() < 0.01
    # levels are not a straight line in the log odds, so that a linear model has to miss one here or there
    assert np.concatenate(equal).mean() >= (0.98 if router.config["model"] == "logistic" else 1)


def test_chances_come_near_the_bound_and_costs_are_met(world, router):
    table, features = world
    test = pick(table, "test")
    found = router.predict(features).merge(test, on=["problem", "arm"], suffixes=("_said", ""))
    quality = measure_chances(found["probability_said"], found["probability"])
    assert quality["loss"] >= quality["entropy"]
    assert quality["excess"] < 0.03
    assert quality["auc"] == pytest.approx(quality["auc_bound"], abs=0.01)
    for cost in ("sampled_tokens", "seconds"):
        assert measure_costs(found[f"{cost}_said"], found[cost])["ratio"] == pytest.approx(1, abs=0.1)
    assert (found["sampled_tokens_said"] >= 0).all()
    assert found["probability_said"].between(0, 1).all()


def test_the_test_part_teaches_nothing(world):
    table, features = world
    config = RouterConfig(steps=20)
    other = table.assign(probability=table["probability"].where(table["part"] != "test", 1 - table["probability"]))
    said, beside = (train(config, one, features, progress=False).predict(features) for one in (table, other))
    pd.testing.assert_frame_equal(said, beside)


def test_it_sees_neither_what_an_oracle_knows_nor_the_price_of_a_try(world):
    assert list_inputs(world[1]) == ["sum", "try_level"]
    blind = train(RouterConfig(steps=20), *world, columns=["sum"], progress=False)
    assert not blind.samples
    assert (blind.charge(world[1]).to_numpy() == 0).all()
    looking = train(RouterConfig(steps=20), *world, progress=False)
    assert looking.charge(world[1]).iloc[0].tolist() == [30.0, 0.01]
    nothing = train(RouterConfig(steps=20), *world, columns=[], progress=False)
    said = nothing.predict(world[1]).groupby("arm")["probability"].nunique()
    assert (said == 1).all()


def test_missing_values_count_as_the_mean(world, router):
    features = world[1]
    middle = features.assign(sum=router.encoding.middle[router.encoding.features.index("sum")])
    pd.testing.assert_frame_equal(router.predict(features.assign(sum=np.nan)), router.predict(middle))


# ------------------------------------------------------------------------------------------------ folders and arrays
def test_a_saved_router_says_the_same(world, stored, tmp_path):
    stored.save(tmp_path / "router")
    assert sorted(path.name for path in (tmp_path / "router").iterdir()) == ["router.json", "router.safetensors"]
    loaded = load_router(tmp_path / "router")
    pd.testing.assert_frame_equal(loaded.predict(world[1]), stored.predict(world[1]))
    assert loaded.facts == stored.facts
    assert loaded.config == json.loads(json.dumps(stored.config))


def test_damaged_routers_are_refused(world, stored, tmp_path):
    with pytest.raises(ValueError, match=r"router\.json is missing"):
        load_router(tmp_path)
    folder = stored.save(tmp_path / "router")
    told = json.loads((folder / "router.json").read_text())
    wrong = {"version": 9, "predictors": {}, "features": ["one"], "calibration": "pickle", "arm_names": 3}
    for change in ({name: value} for name, value in wrong.items()):
        (folder / "router.json").write_text(json.dumps(told | change))
        with pytest.raises(ValueError, match="damaged"):
            load_router(folder)
    (folder / "router.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        load_router(folder)
    (folder / "router.json").write_text(json.dumps(told))
    whole = (folder / "router.safetensors").read_bytes()
    (folder / "router.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="damaged"):
        load_router(folder)


def test_trees_that_lead_in_circles_are_refused():
    names = ("feature", "threshold", "left", "right", "value", "roots")
    arrays = {name: np.zeros(1, int) for name in names} | {"baseline": np.zeros(())}
    with pytest.raises(ValueError, match="leads back"):
        Predictor("trees", "log", arrays)


def test_a_router_of_boosted_trees_is_compared_and_not_stored(world, tmp_path):
    boosted = train(RouterConfig(steps=3), *world, progress=False)
    assert boosted.predict(world[1])["probability"].between(0, 1).all()
    with pytest.raises(ValueError, match="model must be logistic or mlp to be stored, got boosting"):
        boosted.save(tmp_path / "router")
    assert not (tmp_path / "router").exists()


def test_a_router_of_trees_from_before_says_what_it_said():
    """A folder as 10_router wrote it in November 2026, with what the program of then predicted."""
    router = load_router(SAMPLES / "trees")
    features = make_world(40)[1].iloc[:5]
    said = pd.DataFrame(json.loads((SAMPLES / "trees_said.json").read_text()))
    pd.testing.assert_frame_equal(router.predict(features), said, rtol=1e-12, check_dtype=False)
    assert router.facts["ablation"] == "boosting, all"
    assert router.facts["probe"]["samples"] == 2
    assert router.samples


def test_names_of_facts_in_files_stay(tmp_path):
    router = load_router(SAMPLES / "trees")
    told = json.loads((router.save(tmp_path / "router") / "router.json").read_text())
    assert told == json.loads((SAMPLES / "trees" / "router.json").read_text())
    assert {"lesson", "look"} <= set(told["facts"])
    assert load_router(tmp_path / "router").facts == router.facts


def test_the_router_that_ships_decides_as_it_did():
    """Arms, chances and tokens of plans, as the program that trained it made them."""
    golden = json.loads((SAMPLES / "shipped_plans.json").read_text())
    shipped, environment = planning.find_router(), open_environment("game24")
    for wanted in golden["plans"]:
        plans = planning.plan(shipped, environment, golden["puzzles"], FakePolicy(skill=4.0), FakeCritic(),
                              mode=wanted["mode"], budget=wanted["budget"])  # fmt: skip
        assert [one.arm for one in plans] == wanted["arms"], wanted
        assert [one.chance for one in plans] == pytest.approx(wanted["chances"])
        assert [one.tokens for one in plans] == pytest.approx(wanted["tokens"])


@pytest.mark.parametrize("link", ["logit", "log"])
def test_boosted_trees_are_those_of_scikit_learn_and_fewer_are_those_of_a_shorter_training(link):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5))
    y = expit(2 * x[:, 0] * x[:, 1]) if link == "logit" else np.exp(x[:, 0])

    def learn(steps):
        if link == "logit":
            model = HistGradientBoostingClassifier(max_iter=steps, random_state=0).fit(*split_labels(x, y))
            return model, model.predict_proba(x)[:, 1]
        model = HistGradientBoostingRegressor(loss="poisson", max_iter=steps, random_state=0).fit(x, y)
        return model, model.predict(x)

    model, start = learn(25)[0], float(logit(y.mean()) if link == "logit" else np.log(y.mean()))
    for count in (1, 7, 25):
        np.testing.assert_allclose(BoostedTrees(link, model, start, count).predict(x), learn(count)[1], rtol=1e-9)
    assert BoostedTrees(link, model, start, 0).predict(x) == pytest.approx(np.full(300, y.mean()))


@pytest.mark.parametrize("model", MODELS)
def test_stopping_takes_the_step_of_the_least_loss_on_its_own_rows(model):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(120, 30))
    y = (rng.random(120) < 0.5).astype(float)  # noise: whatever is learnt is wrong
    watched = rng.normal(size=(60, 30)), (rng.random(60) < 0.5).astype(float)
    config = RouterConfig(model=model, steps=40, learning_rate=1e-2)
    predictor, curve = fit(config, "logit", x, y, watched, progress=False)
    least = curve["stopping"].min()
    assert measure_loss("logit", predictor.score(watched[0]), watched[1]) == pytest.approx(least)
    assert curve["loss"].iloc[-1] < curve["loss"].iloc[0] or model == "logistic"


def test_the_poisson_loss_is_least_at_the_mean_cost():
    paid = np.array([1.0, 1.0, 100.0])
    scores = np.log(np.linspace(1, 100, 400))
    losses = [measure_loss("log", np.full(3, score), paid) for score in scores]
    assert np.exp(scores[np.argmin(losses)]) == pytest.approx(paid.mean(), rel=0.02)


# ------------------------------------------------------------------------------------------------------- calibration
@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_calibration_takes_out_what_is_too_sure(kind):
    rng = np.random.default_rng(2)
    truth = rng.normal(size=4000)
    labels = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(float)
    calibration = calibrate(kind, 3 * truth + 1, labels)
    chances = calibration.apply(3 * truth + 1)
    assert np.abs(chances - 1 / (1 + np.exp(-truth))).mean() < 0.03
    order = np.argsort(truth)
    assert (np.diff(chances[order]) >= -1e-12).all()
    assert Calibration().apply(np.zeros(1)) == 0.5


def test_calibration_needs_both_classes():
    with pytest.raises(ValueError, match="labels of both classes, got 3 that are all 1"):
        calibrate("platt", np.zeros(3), np.ones(3))


def test_quality_of_soft_labels():
    labels = np.array([0.0, 0.25, 1.0])
    assert measure_chances(labels, labels)["excess"] == pytest.approx(0, abs=1e-9)
    assert measure_chances([0.5] * 3, labels)["loss"] == pytest.approx(np.log(2))
    assert measure_chances([0.5] * 3, [1.0] * 3)["auc"] is None
    rng = np.random.default_rng(3)
    said, soft = rng.random(40).round(1), rng.random(40)
    pairs = soft[:, None] * (1 - soft)[None] * np.select([said[:, None] > said, said[:, None] == said], [1, 0.5], 0)
    assert find_auc(said, soft) == pytest.approx(pairs.sum() / (soft.sum() * (1 - soft).sum()))


def test_reliability_keeps_the_rows_of_a_puzzle_together():
    problems = np.repeat([f"{number}" for number in range(30)], 10)
    labels = np.repeat((np.arange(30) < 15).astype(float), 10)
    (row,) = tabulate_reliability(np.full(300, 0.5), labels, problems).to_dict("records")
    assert row["n"] == 300
    assert row["predicted"] == row["observed"] == 0.5
    assert 0.3 < row["high"] - row["low"] < 0.42  # of 30 puzzles; 300 rows would have 0.11


# --------------------------------------------------------------------------------------------------------- bad input
def change(table, **values):
    return table.assign(**{name: [value, *table[name].iloc[1:]] for name, value in values.items()})


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda t: change(t, probability=1.2), r"of '1 1 1 1' with the arm 'best_of_n@1' must be .*, got 1\.2"),
        (lambda t: change(t, probability=np.nan), "probability .*, got nan"),
        (lambda t: change(t, sampled_tokens=-1.0), r"sampled_tokens .*, got -1\.0"),
        (lambda t: change(t, seconds=np.nan), "seconds .*, got nan"),
        (lambda t: t.iloc[1:], "got none of 'best_of_n@1' for 1 of"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "stands there twice"),
        (lambda t: t.drop(columns="part"), "the column 'part' is missing"),
        (lambda t: t.iloc[:0], "must hold at least one row"),
        (lambda t: change(t, part="other"), "'1 1 1 1' must be in one part, got two"),
        (lambda t: pd.concat([t, t.iloc[4:8].assign(problem="2 1 1 1", part="test"),
                              t.iloc[4:8].assign(problem="1 2 1 1", part="train")]), "must be in one part"),
        (lambda t: t.assign(probability=t["probability"].where(t["part"] != "train", 0.0)), "one class only"),
        (lambda t: t.assign(probability=t["probability"].where(t["part"] != "calibration", 1.0)), "that are all 1"),
        (lambda t: t[t["part"] != "stopping"], "part 'stopping': no puzzles"),
        (lambda t: t.assign(sampled_tokens=0.0), "costs nothing"),
        (lambda t: t.assign(sampled_tokens=np.nan), "sampled_tokens are not known"),
    ],
)  # fmt: skip
def test_tables_that_cannot_teach_are_refused_with_their_place(spoil, named):
    table, features = make_world(40)
    table = spoil(table)
    extra = set(table["problem"]) - set(features.index)
    features = pd.concat([features, *(features.iloc[:1].set_axis([name]) for name in sorted(extra))])
    with pytest.raises(ValueError, match=named):
        train(RouterConfig(steps=2), table, features, progress=False)


def test_features_that_cannot_be_used_are_refused_with_their_place():
    table, features = make_world(40)
    router = train(RouterConfig(steps=2), table, features, progress=False)
    for spoilt, named in [
        (features.drop(columns="sum"), "the column 'sum' is missing"),
        (features.assign(sum="many"), "feature 'sum' must hold numbers"),
        (features.assign(sum=np.inf), "feature 'sum' of '1 1 1 1' must be finite"),
        (pd.concat([features, features.iloc[:1]]), "stands twice"),
    ]:
        with pytest.raises(ValueError, match=named):
            router.predict(spoilt)
    with pytest.raises(ValueError, match="has none"):
        check_training(table, features.iloc[1:])


@pytest.mark.parametrize("wrong", [
    {"model": "forest"}, {"hidden": []}, {"hidden": "200"}, {"hidden": [0]}, {"steps": 0}, {"leaves": 1},
    {"learning_rate": "1e-5"}, {"calibration": "temperature"}, {"seed": -1}, {"patience": True}, {"shrinkage": -1.0},
])  # fmt: skip
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RouterConfig(**wrong)


def test_the_published_shape_is_there():
    config = RouterConfig(**PUBLISHED_SHAPE)
    table, features = make_world(40)
    router = train(RouterConfig(**{**PUBLISHED_SHAPE, "steps": 2}), table, features, progress=False)
    shapes = [router.predictors["probability"].arrays[f"weight_{layer}"].shape for layer in range(3)]
    assert shapes[0][1:] + shapes[1] + shapes[2] == (200, 200, 200, 200, 1)
    assert config.learning_rate == 1e-5


def test_equal_utilities_go_to_the_cheaper_arm():
    chance = np.array([[0.5, 0.5, 0.4]])
    assert choose(chance, np.array([[9.0, 5.0, 1.0]]), np.zeros((1, 3)), 0.0) == [1]
