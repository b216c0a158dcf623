"""Run folders of 10_router, made from a world whose chances are known."""

from routed_worlds import make_world

from game24lab.routing.ablation import compare_ablations
from game24lab.routing.evaluation import evaluate_router
from game24lab.routing.pareto import join_rows
from game24lab.routing.training import RouterConfig, train
from game24lab.runs.run import start_run


def make_router_run(folder, *, count=160, seed=0, noise=0.5, repeats=60, verified=True):
    """A finished run with records and lessons; returns its rows."""
    table, features = make_world(count, seed, noise=noise)
    table["verified"] = verified
    config = RouterConfig(model="logistic", seed=seed)
    lessons = {"logistic, all": (config, None), "logistic, none": (config, []),
               "logistic, oracle": (config, ["sum", "try_level", "oracle_level"])}  # fmt: skip
    run = start_run(folder, "10_router", {"output": str(folder), "repeats": repeats, "seed": seed})
    router = train(config, table, features, progress=False)
    rows = join_rows(table, router.predict(features), router.charge(features))
    run.write_records(rows)
    run.write_records(compare_ablations(table, features, lessons, repeats=repeats, progress=False), "lessons")
    run.finish(lesson="logistic, all", price=evaluate_router(rows, repeats=2).price)
    return rows
