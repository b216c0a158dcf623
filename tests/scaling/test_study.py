"""A study of many runs is that of one; its laws come back; what failed is missing and never 0."""

import made_studies
import numpy as np
import pytest

from game24lab.runs.run import start_run
from game24lab.scaling import fits as fits_room
from game24lab.scaling.fits import FORMS, fit_chance, fit_excess, fit_laws, fit_samples, hold_against, tabulate_forms
from game24lab.scaling.plane import Plane
from game24lab.scaling.study import Study, gather
from game24lab.views.charts.scaling import draw_law
from game24lab.views.widgets.budget_split import Splitting


@pytest.fixture(scope="module")
def study():
    return made_studies.make()


def test_the_law_comes_back_and_foretells_its_corner(study):
    assert fit_excess(study, form="pure", repeats=2).law.exponents == pytest.approx({"N": 0.35, "D": 0.5}, rel=0.04)
    fit = fit_excess(study, repeats=10)
    assert fit.law.exponents == pytest.approx({"N": 0.35, "D": 0.5}, rel=0.1), "of terms that are not there"
    assert len(fit.corner) == 2 * 2 * 2
    assert fit.missed < 0.05
    assert fit.why == ""
    assert len(fit.draws) == 10
    table = fit.tabulate(study.tabulate())
    assert table["corner"].sum() == 8
    assert table.loc[table["corner"], "foretold"].notna().all()
    assert draw_law(table, fit.what).data


def test_chances_and_samples_have_laws_too(study):
    assert fit_chance(study, repeats=2).what == "-log pass@1"
    fit = fit_samples(study, (1, 16, 256), repeats=2)
    assert set(fit.law.exponents) == {"N", "D", "k"}
    assert fit.law.exponents["k"] > 0.1
    many = fit_samples(study, (1, 16, 10**6), repeats=2)
    left = int(many.why.partition("; ")[2].partition(" ")[0])
    assert left > 0
    assert len(many.residuals) == 3 * len(study.done) - left


def test_a_training_that_the_law_has_not_seen_lands_within_its_interval(study):
    fit = fit_excess(study, repeats=40)
    like = made_studies.make(sizes=("4x112",), budgets=(3e6,), seeds=2, seed=0)
    held = hold_against(fit, study, like)
    assert held["within"].all()
    assert held["error"].abs().max() < 0.05
    assert (held["low"] < held["predicted"]).all()
    assert (held["predicted"] < held["high"]).all()
    worse = Study(like.cells, like.exact.assign(excess=2 * like.exact["excess"]), like.plane)
    assert not hold_against(fit, study, worse)["within"].any()
    assert (held["high"] / held["low"]).max() < 1.15, "of the same problems, whose draw is no luck of a training"
    with pytest.raises(ValueError, match="is one of the grid: the law has seen it"):
        hold_against(fit, study, study)
    with pytest.raises(ValueError, match="must be measured on the problems of the grid"):
        hold_against(fit, study, made_studies.make(sizes=("4x112",), problems=5))


def test_what_failed_is_missing(study):
    lame = made_studies.make(failed={3, 7})
    assert len(lame.done) == len(study.done) - 2
    assert "NaN at step 3" in set(lame.cells["failed"])
    table = lame.tabulate()
    assert not (set(table["cell"]) & set(lame.cells.loc[lame.cells["failed"] != "", "cell"]))
    assert (table["p"] > 0).all()
    assert (table["low"] <= table["p"]).all()
    assert fit_excess(lame, repeats=2).law.exponents["N"] == pytest.approx(0.35, rel=0.1)


def test_what_no_training_removes_is_a_constant_and_no_exponent(study):
    """Held-out puzzles that are harder than the texts: an excess of one nat at any size and budget."""
    harder = Study(study.cells, study.exact.assign(excess=study.exact["excess"] + 1.0), study.plane)
    fits = fit_laws(harder, repeats=2)
    assert list(fits) == ["loss", "sum", "pure", "chance", "samples"]
    for name in ("loss", "sum"):
        assert fits[name].law.floor == pytest.approx(1.0, abs=0.1)
        assert fits[name].law.exponents["D"] == pytest.approx(0.5, rel=0.15)
    assert fits["pure"].law.exponents["N"] < 0.2, "it is taken for sizes that learn slowly"
    assert fits["sum"].missed < fits["pure"].missed
    assert fit_excess(study, form="sum", repeats=2).law.floor < 0.1, "where there is none, none is found"


def test_larger_models_that_need_fewer_tokens_are_no_sum(study):
    """What size is worth is a factor: the sum misses the corner, the form with a product does not, and it can be told
    from the other cells alone."""
    n, d = (study.done[name].to_numpy(float) for name in ("parameters", "tokens"))
    factor = 2 + 3 * (n / 1e6) ** -0.5 * (d / 1e6) ** -1.1
    known = study.exact.groupby("cell")["excess"].transform("mean")
    made = study.exact["cell"].map(dict(zip(study.done["cell"], factor, strict=True)))
    faster = Study(study.cells, study.exact.assign(excess=study.exact["excess"] * made / known), study.plane)
    fits = fit_laws(faster, repeats=2)
    law = fits["loss"].law
    assert law.exponents == pytest.approx({"N": 0.5, "D": 1.1}, rel=0.02)
    assert law.floor == pytest.approx(2, rel=0.02)
    forms = tabulate_forms(fits).set_index("form")
    assert list(forms.index) == list(FORMS)
    assert list(forms["unknowns"]) == [6, 5, 4]
    assert forms.loc["product", "missed"] < 0.01 < 0.05 < forms.loc["sum", "missed"]
    assert forms.loc["product", "error"] < 0.2 * forms.loc["sum", "error"]
    with pytest.raises(ValueError, match="form must be one of product, sum, pure, got 'sun'; did you mean 'sum'"):
        fit_excess(study, form="sun")


def test_too_few_cells_say_so():
    small = made_studies.make(sizes=("3x48",), budgets=(1e6, 2e6, 4e6), seeds=1)
    assert not small.over_seeds
    with pytest.raises(ValueError, match="a law of N and D needs 6 trainings of different sizes or budgets, got 3"):
        fit_excess(small)
    seeds = made_studies.make(sizes=("3x48", "4x96"), budgets=(1e6, 2e6), seeds=3)
    with pytest.raises(ValueError, match="needs 6 trainings of different sizes or budgets, got 4"):
        fit_excess(seeds)  # twelve cells
    row = made_studies.make(budgets=(1e6,), seeds=2)
    for fit in (fit_excess, fit_samples):
        with pytest.raises(ValueError, match="a law of N and D needs two budgets at least, got 1000000"):
            fit(row)
    nine = made_studies.make(sizes=("3x48", "3x64", "4x96"), budgets=(1e6, 2e6, 4e6), seeds=1)
    fit = fit_excess(nine, repeats=3)
    assert fit.corner.shape[0] == 1
    four = made_studies.make(sizes=("3x48", "4x96"), budgets=(1e6, 2e6), seeds=1)
    fit = fit_excess(four, form="pure", repeats=3)
    assert "a corner of 1 leaves 1 values to fit on" in fit.why
    assert np.isnan(fit.missed)
    bare = Study(four.cells, four.exact.drop(columns="excess"), four.plane)
    with pytest.raises(ValueError, match="the floor of the loss is known for texts of the Game of 24 alone"):
        fit_excess(bare)


def test_runs_are_gathered(study, tmp_path):
    parts = {name: made_studies.make(sizes=sizes) for name, sizes in (("a", ("3x48", "4x96")), ("b", ("8x224",)))}
    for name, part in parts.items():
        with start_run(tmp_path / name, "11_scaling", {"sizes": name}) as run:
            part.save(run)
    start_run(tmp_path / "unfinished", "11_scaling", {"sizes": "c"})
    whole = gather([tmp_path])
    assert len(whole.done) == sum(len(part.done) for part in parts.values())
    assert len(whole.plane.points) == len(whole.plane.chances) == sum(len(one.plane.points) for one in parts.values())
    assert whole.spread("p").shape == (len(whole.done), 24)
    first = parts["a"].plane
    assert np.array_equal(whole.plane.chances[: len(first.chances)], first.chances)
    assert np.array_equal(whole.plane.flops[: len(first.flops)], first.flops)
    with start_run(tmp_path / "again", "11_scaling", {"sizes": "a"}) as run:
        parts["a"].save(run)
    with pytest.raises(ValueError, match="cell 3x48-0-71 stands in two runs"):
        gather([tmp_path])
    with start_run(tmp_path / "again" / "other", "11_scaling", {"sizes": "x"}) as run:
        made_studies.make(sizes=("3x64",), problems=5).save(run)
    with pytest.raises(ValueError, match="studies must be measured on the same problems to be one, got 24 and 5"):
        gather([tmp_path])
    with pytest.raises(ValueError, match="no run of 11_scaling with cells lies here"):
        gather([tmp_path / "unfinished"])


def test_sliders_say_what_to_train_and_how_long_to_think(study):
    view = Splitting(study.plane)
    few = view.result.iloc[0]
    assert few["size"] in view._said.value
    view.problems.value = 1e9
    assert view.result.empty or view.result.iloc[0]["share"] > few["share"]
    view.total.value = 10**view.total.min
    view.problems.value = 1e9
    assert "pay for nothing that was measured" in repr(view)
    assert isinstance(view.plane, Plane)


def test_points_of_seeds_are_averaged_with_an_interval():
    study = made_studies.make(("3x48", "4x96"), (1e6, 2e6), seeds=2)
    table, points = study.average(), study.plane.tabulate()
    assert 2 * len(table) == len(points)
    alike = points[["size", "budget", "strategy", "mode", "effort"]].eq(table.iloc[3][["size", "budget", "strategy",
                                                                                     "mode", "effort"]]).all(axis=1)
    assert table.iloc[3]["accuracy"] == pytest.approx(points[alike]["accuracy"].mean())
    assert ((table["low"] < table["accuracy"]) & (table["accuracy"] < table["high"])).all()
    assert set(table["problems"]) == {24}


def test_a_task_without_a_known_floor_has_the_law_of_its_chances_once(study, monkeypatch):
    bare, asked = Study(study.cells, study.exact.drop(columns="excess"), study.plane), []

    def fit(study, *, form="product", **options):
        asked.append(form)
        return fit_chance(study, form=form, **options)

    monkeypatch.setattr(fits_room, "fit_chance", fit)
    fits = fit_laws(bare, repeats=2)
    assert set(fits) == {"loss", "sum", "pure", "chance", "samples"}
    assert fits["chance"] is fits["loss"]
    assert sorted(asked) == ["product", "pure", "sum"]
