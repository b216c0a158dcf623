"""The shape of the house: who may import whom, where heavy packages live, what no module may do.

Read with `ast`, nothing is imported. A new module fails here until it has its place in FLOORS.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "game24lab"
CEILING = 400  # lines a module

# A module imports only what stands below it: strictly lower numbers. The whole number is the floor, the fraction the
# order on it. What shares a number is independent of each other.
FLOORS = {
    # 1: the rules, costs, records, the tree; nothing here knows a model
    "cost": 1.0,
    "provenance": 1.0,
    "interrupts": 1.0,
    "kernel": 1.0,
    "messages": 1.0,
    "nesting": 1.0,
    "scaling": 1.0,
    "threads": 1.0,
    "tasks.task": 1.0,
    "tasks.arithmetic": 1.0,
    "tasks.tags": 1.0,
    "tasks.quantities": 1.06,
    "tasks.notation": 1.05,
    "tasks.expressions": 1.06,
    "runs": 1.1,
    "search.tree": 1.1,
    "tasks.puzzles": 1.1,
    "tasks.exploration": 1.1,
    "tasks.stories": 1.1,
    "tasks.traces": 1.2,
    "tasks.belief": 1.25,
    "tasks.rankings": 1.2,
    "tasks.gsm8k": 1.2,
    "tasks.chains": 1.3,
    "tasks.game24": 1.3,
    "tasks.chains24": 1.35,
    "tasks.splits": 1.3,
    "tasks.corpus": 1.4,
    "tasks.exposure": 1.5,
    "tasks.preferences": 1.4,
    "tasks.problems": 1.4,
    "tasks.wordproblems": 1.3,
    # 2: checkpoints
    "wordrewards": 2.0,
    "rewards": 2.05,
    "models": 2.0,
    "numerals": 2.0,
    "tracesets": 2.0,
    "wordsets": 2.0,
    "tracemaking": 2.1,
    # 3: prompts in, completions and values out
    "backends.prompts": 2.9,
    "backends.policy": 3.0,
    "backends.prefixes": 3.0,
    "backends.memory": 3.0,
    "backends.plain": 3.0,
    "backends.decoding": 3.1,
    "export": 3.1,
    "backends.exported": 3.2,
    "backends.live": 3.2,
    "backends.apart": 3.3,
    "backends.served": 3.2,
    "generation": 3.3,
    "critic": 3.4,
    "noise": 3.5,
    # 4: search and training
    "search.requests": 4.0,
    "search.modes": 4.05,
    "search.engine": 4.1,
    "search.sampling": 4.1,
    "search.formulas": 4.0,
    "search.graph": 4.15,
    "search.walks": 4.16,
    "search.paths": 4.15,
    "search.beam": 4.2,
    "search.bestfirst": 4.2,
    "search.continuations": 4.1,
    "search.lookahead": 4.2,
    "search.mcts": 4.2,
    "search.puct": 4.2,
    "search.gumbel": 4.2,
    "search.rap": 4.2,
    "search.particles": 4.2,
    "search.voting": 4.2,
    "search.bandit": 4.2,
    "training.precision": 4.0,
    "training.muon": 4.05,
    "training.saving": 4.0,
    "training.adapters": 4.0,
    "training.advantages": 4.0,
    "training.trajectories": 4.1,
    "training.loop": 4.1,
    "training.prefixes": 4.0,
    "training.falsified": 4.0,
    "training.sft": 4.2,
    "training.critic": 4.2,
    "training.dpo": 4.2,
    "training.rollouts": 4.22,
    "training.watch": 4.15,
    "training.tracking": 4.0,
    "training.payment": 4.0,
    "training.credit": 4.0,
    "training.searching": 4.21,
    "training.updates": 4.23,
    "training.grpo": 4.25,
    "training.stock": 4.2,
    "training.expert": 4.3,
    # 5: rows, figures, trees to look at
    "evaluation": 5.0,
    "lessons": 5.0,
    "completions": 5.05,
    "claims": 5.1,
    "recipes": 5.06,
    "answers": 5.1,
    "sideview": 5.4,
    "arena": 5.25,
    "calibration": 5.1,
    "selection": 5.1,
    "noiselab": 5.2,
    "diagrams": 5.2,
    "grading": 5.1,
    "wordgrading": 5.15,
    "worlds": 5.2,
    "weighing": 5.0,
    "figures": 5.1,
    "vector": 5.2,
    "charts": 5.2,
    "curves": 5.2,
    "tradeoffs": 5.2,
    "pricing": 5.5,
    "traceview": 5.2,
    "answerview": 5.3,
    "wordview": 5.2,
    "anatomy": 5.2,
    "routing.parts": 5.1,
    "routing.arms": 5.05,
    "routing.labels": 5.1,
    "routing.embeddings": 5.1,
    "routing.features": 5.2,
    "routing.foreign": 5.1,
    "routing.games": 5.15,
    "routing.sheets": 5.25,
    "routing.table": 5.3,
    "routing.predictors": 5.1,
    "routing.keeping": 5.35,
    "routing.quality": 5.1,
    "routing.frontier": 5.1,
    "routing.fitting": 5.2,
    "routing.router": 5.2,
    "routing.rivals": 5.2,
    "routing.gains": 5.2,
    "routing.training": 5.4,
    "routing.survey": 5.3,
    "routing.judgement": 5.5,
    "routing.planning": 5.4,
    "treeview.timeline": 5.05,
    "treeview.layout": 5.1,
    "treeview.page": 5.2,
    "treeview.still": 5.3,
    "treeview.files": 5.4,
    "treeview.widget": 5.4,
    "treeview.branch": 5.1,
    "treeview.explorer": 5.5,
    # 6: what people start
    "report.published": 6.0,
    "progress": 5.9,
    "notebook": 6.0,
    "report.evidence": 6.1,
    "report.report": 6.2,
    "report.words": 6.25,
    "report.graded": 6.2,
    "report.trials": 6.2,
    "report.fronts": 6.3,
    "report.critics": 6.26,
    "report.account": 6.3,
    "report.blocks": 6.3,
    "report.sft": 6.35,
    "report.rl": 6.35,
    "report.search": 6.35,
    "report.modes": 6.35,
    "report.lookahead": 6.35,
    "report.routed": 6.3,
    "report.router": 6.35,
    "growth": 6.35,
    "pace": 6.35,
    "bench": 6.4,
    "launch": 6.4,
    "doctor": 6.4,
    "solving": 6.4,
    "cli": 6.5,
    "__main__": 6.6,
}
# Heavy packages are imported by these modules alone (a name stands for the whole package of that name too).
HOMES = {
    "trl": {"training"},
    "peft": {"models", "training"},
    "accelerate": {"training"},
    "datasets": {"training", "wordsets"},
    "torch": {"models", "numerals", "backends", "export", "generation", "critic", "training", "routing", "bench",
              "doctor", "pace"},
    "transformers": {"models", "numerals", "backends", "export", "generation", "critic", "training", "routing",
                     "bench", "doctor"},
    "ctranslate2": {"backends.exported", "export", "critic", "bench", "doctor"},
    "openai": {"backends.served"},
    "plotly": {"figures", "charts", "curves", "diagrams", "tradeoffs", "traceview", "vector"},
    "matplotlib": {"vector"},
    "anywidget": {"treeview"},
    "ipywidgets": {"answerview", "sideview", "pricing", "treeview", "weighing"},
    "typst": {"report"},
    "papermill": {"notebook"},
    "sklearn": {"routing"},
}
LIGHT = ("tasks", "cost", "search.tree", "treeview.timeline", "treeview.layout")  # need the standard library alone
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "core", "base", "misc", "tools", "shared", "lib"}

FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "__pycache__" not in path.parts
}
ROOMS = {name: path for name, path in FILES.items() if path.name == "__init__.py"}
MODULES = {name: path for name, path in FILES.items() if name not in ROOMS}
each_module = pytest.mark.parametrize("name", MODULES)


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def find_imports(path):
    """Every name that a file imports, wherever in it, as a dotted path: `from a.b import c` is `a.b.c`."""
    found = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full, not relative (line {node.lineno})"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def is_in(name, places):
    return any(name == place or name.startswith(place + ".") for place in places)


def find_inner(path):
    """The modules of this package that a file imports."""
    found = set()
    for name in find_imports(path):
        parts = name.split(".")
        if parts[0] == "game24lab":
            inner = ".".join(parts[1:])
            matches = [known for known in FLOORS | MODULES if is_in(inner, [known])]
            assert matches, f"{path.name} imports {name}, which has no place in FLOORS"
            found.add(max(matches, key=len))
    return found


@each_module
def test_every_module_has_a_place(name):
    assert name in FLOORS, f"{name} is new: give it a floor in FLOORS"
    assert not FORBIDDEN_NAMES & set(name.split("."))


@each_module
def test_imports_come_from_below(name):
    floor = FLOORS.get(name, 0.0)
    wrong = [other for other in find_inner(MODULES[name]) if FLOORS.get(other, 9.0) >= floor]
    assert not wrong, f"{name} (floor {floor}) must not import {', '.join(wrong)}"


@each_module
def test_heavy_packages_stay_home(name):
    packages = {imported.partition(".")[0] for imported in find_imports(MODULES[name])}
    wrong = [package for package, homes in HOMES.items() if package in packages and not is_in(name, homes)]
    assert not wrong, f"{name} must not import {', '.join(wrong)}"
    if is_in(name, LIGHT):
        foreign = packages - set(sys.stdlib_module_names) - {"game24lab"}
        assert not foreign, f"{name} needs the standard library alone, not {', '.join(foreign)}"


@pytest.mark.parametrize("name", ROOMS)
def test_rooms_hold_no_code(name):
    """A package's own file is a docstring and nothing else, so that what one imports is what one gets."""
    body = parse(ROOMS[name]).body
    assert [type(node) for node in body] in ([], [ast.Expr]), f"{name}: a docstring alone is accepted"


@each_module
def test_modules_are_documented_and_of_reasonable_size(name):
    tree = parse(MODULES[name])
    assert len(ast.get_docstring(tree) or "") >= 40, f"{name}: a docstring says what it is for and does not know"
    lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert lines <= CEILING, f"{name} has {lines} lines, {CEILING} is the ceiling"


@each_module
def test_public_functions_and_classes_are_documented(name):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    public = [node for node in parse(MODULES[name]).body if isinstance(node, kinds) and not node.name.startswith("_")]
    bare = [node.name for node in public if not ast.get_docstring(node)]
    assert not bare, f"{name}: {', '.join(bare)} without a docstring"


@each_module
def test_nothing_is_evaluated_and_no_remote_code_is_trusted(name):
    for node in ast.walk(parse(MODULES[name])):
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else ""
            assert called not in ("eval", "exec", "compile", "__import__"), f"{name}, line {node.lineno}: {called}"
            for keyword in node.keywords:
                trusted = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                assert not (keyword.arg == "trust_remote_code" and trusted), f"{name}, line {node.lineno}"


@pytest.mark.parametrize("name", ["tasks.game24", "tasks.splits", "cost", "search.tree"])
def test_light_modules_import_nothing_heavy(name):
    code = f"import sys, game24lab.{name}; print(*sorted({{n.partition('.')[0] for n in sys.modules}}))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent).stdout.split()
    assert f"game24lab.{name}".partition(".")[0] in loaded
    assert not {*HOMES, "numpy", "pandas", "pyarrow", "scipy", "sympy", "tqdm", "yaml"} & set(loaded)
