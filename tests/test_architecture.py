"""The shape of the house: rooms on floors, imports downward only, no circle in a room, heavy packages in their homes.

Read with `ast`, nothing is imported. A new module needs no entry here: its room has one.
"""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "game24lab"
CEILING = 400  # lines a module

# A room imports from itself and from rooms on lower floors. Rooms on one floor do not know each other.
FLOORS = {
    "__main__": 9,
    "cli": 8,
    "report": 7,
    "views": 6,
    "routing": 5,
    "scaling": 5,
    "evaluation": 4,
    "training": 4,
    "search": 3,
    "models": 3,
    "tasks": 2,
    "runs": 1,
}
# Heavy packages are imported by these modules alone (a name stands for the whole package of that name too).
HOMES = {
    "trl": {"training", "cli.bench_trl"},
    "peft": {"models", "training"},
    "accelerate": {"training"},
    "datasets": {"training", "tasks.gsm8k.dataset", "cli.bench_trl", "evaluation.verifiers_environment"},
    "verifiers": {"evaluation.verifiers_environment"},
    "torch": {"models", "training", "routing", "runs.memory", "cli"},
    "transformers": {"models", "training", "routing", "scaling.ladder", "cli"},
    "ctranslate2": {"models.backends", "models.critic", "cli"},
    "openai": {"models.backends.openai_policy", "models.backends.server_probe"},
    "plotly": {"views.charts", "views.widgets"},
    "matplotlib": {"views.charts.svg"},
    "anywidget": {"views.tree"},
    "ipywidgets": {"views.widgets", "views.tree"},
    "typst": {"report"},
    "papermill": {"runs.notebook"},
    "distributed": {"runs.cluster", "runs.sweep_workers"},
    "dask_jobqueue": {"runs.cluster"},
    "dask_kubernetes": {"runs.cluster"},
    "sklearn": {"routing", "evaluation.calibration"},
}
# These need the standard library alone.
LIGHT = ("tasks", "search.cost", "search.tree", "views.tree.timeline", "views.tree.layout")
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "core", "base", "misc", "tools", "shared", "lib"}

FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "__pycache__" not in path.parts and path != PACKAGE / "__init__.py"
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


def find_room(name):
    return name.partition(".")[0]


def find_inner(path):
    """The modules of this package that a file imports."""
    found = set()
    for name in find_imports(path):
        if name.startswith("game24lab."):
            inner = name.removeprefix("game24lab.")
            matches = [known for known in MODULES if is_in(inner, [known])]
            assert matches, f"{path.name} imports {name}, which is no module"
            found.add(max(matches, key=len))
    return found


def test_the_tables_name_what_exists():
    assert {find_room(name) for name in FILES} == set(FLOORS)
    places = {place for homes in HOMES.values() for place in homes} | set(LIGHT)
    assert not [place for place in places if not any(is_in(name, [place]) for name in FILES)]


@each_module
def test_imports_come_from_lower_floors(name):
    room = find_room(name)
    wrong = [other for other in find_inner(MODULES[name])
             if find_room(other) != room and FLOORS[find_room(other)] >= FLOORS[room]]  # fmt: skip
    assert not wrong, f"{name} (floor {FLOORS[room]}) must not import {', '.join(wrong)}"
    assert not FORBIDDEN_NAMES & set(name.split("."))


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_has_no_circle_inside(room):
    graph = {name: {other for other in find_inner(path) if find_room(other) == room}
             for name, path in MODULES.items() if find_room(name) == room}  # fmt: skip
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"{room}: {' -> '.join(error.args[1])}")


@each_module
def test_heavy_packages_stay_home(name):
    packages = {imported.partition(".")[0] for imported in find_imports(MODULES[name])}
    wrong = [package for package, homes in HOMES.items() if package in packages and not is_in(name, homes)]
    assert not wrong, f"{name} must not import {', '.join(wrong)}"
    if is_in(name, LIGHT) and name not in ("tasks.gsm8k.dataset", "tasks.rows"):  # read data sets
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


@pytest.mark.parametrize("name", ["tasks.numbers.task", "tasks.environments", "tasks.reward_signatures", "search.cost",
                                  "search.tree", "evaluation.score"])  # fmt: skip
def test_light_modules_import_nothing_heavy(name):
    code = f"import sys, game24lab.{name}; print(*sorted({{n.partition('.')[0] for n in sys.modules}}))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent).stdout.split()
    assert f"game24lab.{name}".partition(".")[0] in loaded
    assert not {*HOMES, "numpy", "pandas", "pyarrow", "scipy", "sympy", "tqdm", "yaml"} & set(loaded)
