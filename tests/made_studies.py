"""Studies made of a law and a plane that are known, as measured ones would be."""

import numpy as np
import pandas as pd
from scipy.special import expit

from game24lab.scaling.budgets import list_totals, split_both
from game24lab.scaling.design import trace_isoflops
from game24lab.scaling.fits import fit_laws, hold_against, tabulate_forms
from game24lab.scaling.flops import make_shape
from game24lab.scaling.frontier import map_surfaces, tabulate_rates
from game24lab.scaling.gains import tabulate_gains
from game24lab.scaling.laws import tabulate_law
from game24lab.scaling.plane import Plane
from game24lab.scaling.study import Study
from game24lab.views.charts.scaling import list_lines

SIZES = {"3x48": 83e3, "3x64": 147e3, "4x96": 424e3, "4x112": 590e3, "4x128": 754e3, "6x160": 1.75e6, "8x224": 4.4e6}
GRID = tuple(size for size in SIZES if size != "4x112")  # which a law may choose
BUDGETS = (0.5e6, 1e6, 2e6, 4e6, 8e6)
LAW = {"A": 30.0, "a": 0.35, "B": 800.0, "b": 0.5}
RATES = {("repeated sampling", "verified"): 1.6, ("mcts", "rules"): 0.9}


def make(sizes=GRID, budgets=BUDGETS, seeds=2, problems=24, seed=0, failed=(), rates=None):
    """A study; `failed` are places of cells that have failed, `rates` those of its plane by strategy and mode."""
    rng = np.random.default_rng(seed)
    hardness = rng.lognormal(0, 0.4, problems)
    hardness /= hardness.mean()
    cells, exact, points, chances = [], [], [], []
    for size in sizes:
        for one in range(seeds):
            for budget in budgets:
                n, luck = SIZES[size], np.exp(rng.normal(0, 0.01))
                flops = 6 * n * 1.6 * budget
                name, lost = f"{size}-{one}-{budget / 7000:.0f}", len(cells) in failed
                cells.append((name, size, one, round(budget / 7000), budget, budget, n, flops, 10.0,
                              "" if lost else "somewhere", "NaN at step 3" if lost else ""))  # fmt: skip
                if lost:
                    continue
                excess = (LAW["A"] * n ** -LAW["a"] + LAW["B"] * budget ** -LAW["b"]) * luck * hardness
                p = np.exp(-3 * excess)
                exact += [(name, f"{k} 1 2 3", p[k], 25.0, 9.0, 4.2, excess[k], 30.0) for k in range(problems)]
                for (strategy, mode), rate in (rates or RATES).items():
                    for effort in (1, 8, 64):
                        thinking = 50 * n * effort
                        level = rate * np.log10(flops / 1e12) + np.log10(thinking / 1e8) + rng.normal(0, 0.05)
                        points.append((name, size, one, budget, strategy, mode, effort, flops, thinking))
                        chances.append(expit(level - 2 * (hardness - 1)))
    columns = ["cell", "size", "seed", "steps", "budget", "tokens", "parameters", "flops", "seconds", "checkpoint",
               "failed"]
    names = ["cell", "problem", "p", "tokens", "prompt", "floor", "excess", "solution"]
    axes = ["cell", "size", "seed", "budget", "strategy", "mode", "effort", "training", "thinking"]
    return Study(pd.DataFrame(cells, columns=columns), pd.DataFrame(exact, columns=names),
                 Plane(pd.DataFrame(points, columns=axes), np.array(chances)))  # fmt: skip


def write(run, study, repeats=6, tried=None):
    """All tables that 11_scaling writes, into a run; `tried` are trainings that the law is held against."""
    study.save(run)
    table = study.tabulate()
    run.write_records(table)
    fits = fit_laws(study, repeats=repeats)
    run.write_records(tabulate_forms(fits), "forms")
    for name, found in fits.items():
        run.write_records(tabulate_law(found.law, found.draws), f"law_{name}")
        if name == "loss":
            run.write_records(found.tabulate(table).assign(what=found.what, why=found.why), "fit_loss")
            shapes = {size: make_shape(size, 60) for size in SIZES}
            run.write_records(trace_isoflops(found.law, study.done, shapes, 25.0), "isoflops")
            if tried is not None:
                run.write_records(hold_against(found, study, tried), "tried")
    rates = tabulate_rates(study.plane, repeats=repeats, over_seeds=study.over_seeds)
    run.write_records(rates, "rates")
    gains = tabulate_gains(study.plane, repeats=repeats, over_seeds=study.over_seeds)
    run.write_records(gains, "gains")
    run.write_records(list_lines(map_surfaces(study.plane), rates, (0.25, 0.5, 0.75)), "lines")
    totals = list_totals(study.plane, [1, 1000], 4)
    splits = split_both(study.plane, [1, 1000], totals, repeats=repeats, over_seeds=study.over_seeds)
    run.write_records(splits, "splits")
