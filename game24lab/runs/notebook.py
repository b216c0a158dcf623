"""A notebook is a form: its parameters cell is read and checked here, and it is run headless into a run folder.

The first code cell is tagged `parameters` and holds one `name = literal  # what it means` a line; a parameter that had
another name in the version before ends its line with `; was: old_name`, which then keeps working. Papermill only warns
of a name that does not exist and takes any type, so both are checked here first. This module does not know what a
notebook computes; the notebook itself opens its run and finishes it, so that it works by hand just the same:

    parameters = enter("03_sft", globals())             # the cell behind the parameters
    run = start_run(output, "03_sft", parameters)
    ...
    run.finish(cost=cost)                               # the last cell
"""

from __future__ import annotations

import ast
import builtins
import difflib
import io
import json
import os
import sys
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from game24lab.runs import kernel
from game24lab.runs.former_names import Values, rename
from game24lab.runs.interrupts import attend, go_on, hold_interrupts
from game24lab.runs.messages import condense
from game24lab.runs.nesting import check_nesting
from game24lab.runs.progress import Screen, Whole
from game24lab.runs.project import NOTEBOOKS, find_project, list_notebooks
from game24lab.runs.run import MANIFEST, PATH_PARAMETER, Run, examine, read_run

_GRACE = 20  # seconds that an interrupted cell gets to stop by itself
_PATIENCE = 600  # seconds that a kernel gets to start: papermill's 60 are too few where every core has other work
# What a value must be, by the type of the parameter's default
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list",
          dict: "a mapping", type(None): "a number, text, truth value, None, list or mapping"}  # fmt: skip
_SESSION = "JPY_SESSION_NAME"  # where Jupyter tells a kernel which notebook it serves


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    default: Any
    help: str
    former: str = ""  # its name in the version before, "" where it had none


class CellError(RuntimeError):
    """A cell failed. `bad_input` says whether the cell blames what it was given (ValueError, OSError)."""

    def __init__(self, message: str, bad_input: bool) -> None:
        super().__init__(message)
        self.bad_input = bad_input


def find_notebooks() -> dict[str, Path]:
    """The notebooks at hand, by name: those of the current folder's project, else those that come with this package."""
    here, own = Path.cwd(), find_project()
    for folder in (here, here / NOTEBOOKS, *([own / NOTEBOOKS] if own else [])):
        if found := list_notebooks(folder):
            return {path.stem: path for path in found}
    return {}


def find_notebook(name: str) -> Path:
    """The notebook of that name, or at that path; ValueError that names the nearest."""
    if name.endswith(".ipynb"):
        if not Path(name).is_file():
            raise ValueError(f"notebook {name}: there is no such file")
        return Path(name)
    found = find_notebooks()
    if name not in found:
        if not found:
            raise ValueError(f"notebook {name!r}: none here; `game24lab init DIR` lays them out; or name an .ipynb")
        raise ValueError(f"notebook {name!r}: {_nearest(name, found)}there are {', '.join(found)}")
    return found[name]


def match_notebook(name: str, notebooks: Mapping[str, Path]) -> Path | None:
    """The notebook that a parameter file is for: of its own name, or of what stands before an underscore.

    `06_grpo_gsm8k` is one more set of parameters for `06_grpo`. None where there is no such notebook.
    """
    found = [known for known in notebooks if name == known or name.startswith(f"{known}_")]
    return notebooks[max(found, key=len)] if found else None


def read_parameters(path: str | Path) -> dict[str, Parameter]:
    """The parameters of a notebook in order, with defaults and help. ValueError where the cell breaks the form."""
    try:
        cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
        tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", [])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: not a notebook ({type(error).__name__}: {condense(error)})") from None
    if len(tagged) != 1:
        raise ValueError(f"{path}: one cell must be tagged `parameters`, got {len(tagged)}")
    source = "".join(tagged[0]["source"])
    try:
        nodes = ast.parse(source).body
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        notes = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    except (ValueError, SyntaxError, tokenize.TokenError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path}: the parameters cell is not Python ({error})") from None
    parameters = {}
    for node in nodes:
        line = f"{path}: parameters cell, line {node.lineno}"
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            raise ValueError(f"{line}: it must read `name = literal  # help`")
        name = node.targets[0].id
        try:
            default = ast.literal_eval(node.value)
        except (ValueError, TypeError, RecursionError):
            raise ValueError(f"{line}: the default of {name} must be a literal, got a computed one") from None
        if name in parameters or not _is_literal(default):
            raise ValueError(f"{line}: {name} must be set once, to a number, text, truth value, None, list or mapping, "
                             f"got {'it twice' if name in parameters else 'no plain literal'}")  # fmt: skip
        help_lines = [notes[number] for number in range(node.lineno, node.end_lineno + 1) if number in notes]
        told, _, former = " ".join(help_lines).partition("; was: ")
        parameters[name] = Parameter(name, default, told, former)
    return parameters


def _list_former(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    return {parameter.former: name for name, parameter in parameters.items() if parameter.former}


def check_overrides(path: str | Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides, with whole numbers made floats where the default is one.

    Former names are replaced by today's. ValueError for a name that the notebook does not have and for a value of
    another type than the default's. A default of None accepts any literal.
    """
    parameters = read_parameters(path)
    overrides = rename(overrides, _list_former(parameters), "parameter")
    return {name: _fit(name, _look_up(path, parameters, name).default, value) for name, value in overrides.items()}


def parse_override(path: str | Path, name: str, text: str) -> Any:
    """A value as typed on the command line, read as what the parameter's default is: `1e-4` is a number there.

    Text is taken as it stands, lists and mappings are YAML. ValueError as in `check_overrides`.
    """
    parameters = read_parameters(path)
    default = _look_up(path, parameters, _list_former(parameters).get(name, name)).default
    if isinstance(default, str):
        return text
    if isinstance(default, int | float) and not isinstance(default, bool):
        try:
            return type(default)(text)
        except ValueError:
            raise ValueError(f"parameter {name} must be {_KINDS[type(default)]}, got {text!r}") from None
    return _fit(name, default, _numbers(_load_yaml(text, f"parameter {name}")))


def read_overrides(path: str | Path) -> dict[str, Any]:
    """A YAML file of parameters, nothing converted. ValueError that names file and line where it is no such thing."""
    try:
        values = _load_yaml(Path(path).read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not text") from None
    values = {} if values is None else values
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"{path}: it must hold lines such as `name: value`")
    return values


def enter(name: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """For the cell behind the parameters: `parameters = enter("05_search", globals())`.

    Returns the parameters with the values they have now, by hand or injected. Where Jupyter has started the kernel in
    the folder of notebooks, it goes up to the project, so that relative paths mean the same by hand and headless.
    """
    session = Path(os.environ.get(_SESSION, ""))
    path = session if session.suffix == ".ipynb" and session.is_file() else find_notebook(name)
    parameters = read_parameters(path)
    values = Values({key: namespace[key] for key in parameters if key in namespace}, _list_former(parameters))
    if Path.cwd().resolve() == path.resolve().parent and path.resolve().parent.name == "notebooks":
        os.chdir("..")
    return values


def run_notebook(
    path: str | Path, overrides: Mapping[str, Any], folder: str | Path | None = None, whole: Whole | None = None,
    stream: Any = None, check: Callable[[Mapping[str, Any]], None] | None = None,
) -> Run:  # fmt: skip
    """Run a notebook headless in this interpreter's environment, with progress on a stream, as of a `whole`.

    The executed notebook stays in the run folder, also when a cell fails. `folder` defaults to the notebook's parameter
    `output`. A run that has finished with these parameters is returned without running (`before` is "finished").
    `stream` is standard error by default; `check` complains of values that cannot work, before anything is written.

    Raises ValueError and OSError before anything runs, as `check_overrides` and `start_run` do; CellError for a failing
    cell, and KeyboardInterrupt or SystemExit once the interrupted kernel has stopped and the run is marked.
    """
    path = Path(path)
    parameters = read_parameters(path)
    values = Values({name: one.default for name, one in parameters.items()}, _list_former(parameters))
    if PATH_PARAMETER not in values:
        raise ValueError(f"{path}: it has no parameter `{PATH_PARAMETER}`, the folder of its run")
    values |= check_overrides(path, overrides) | ({PATH_PARAMETER: str(folder)} if folder is not None else {})
    folder = Path(values[PATH_PARAMETER])
    before, manifest = examine(folder, path.stem, values)
    if before == "finished":
        return Run(folder, manifest, before)
    if check is not None:
        check(values)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "notebook.ipynb").touch()
    except OSError as error:
        raise type(error)(error.errno, f"run folder cannot be written: {error.strerror}", str(folder)) from None
    screen = Screen(sys.stderr if stream is None else stream, folder.name, whole)
    with hold_interrupts() as caught:
        try:
            _execute(path, folder / "notebook.ipynb", values, caught, screen)
        except BaseException as error:
            _mark(folder, None if caught else str(error))
            raise
    run = Run(folder, read_run(folder).manifest, before)
    if run.status != "finished":
        raise ValueError(f"{path}: it ended without finishing its run; its last cell should call run.finish()")
    return run


def _execute(
    path: Path, executed: Path, values: Mapping[str, Any], caught: Sequence[int], screen: Screen
) -> None:  # fmt: skip
    """Papermill in a thread, so that interrupts arrive here, in `caught`, and the kernel is ended in good order."""
    import logging
    from concurrent.futures import ThreadPoolExecutor

    import papermill
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import ensure_event_loop
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    environment = {_SESSION: str(path.resolve()), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # or pydevd warns at start
    # without the log level it tells of the loopback at its start and of an interrupt at its end
    command = get_kernel_dict(extra_arguments=["--log-level=CRITICAL", f"--IPKernelApp.exec_lines={kernel.TEXT_BARS}"])
    lifeline, held = os.pipe()
    place = command["argv"].index("-m")  # ... -m ipykernel_launcher ...
    command["argv"][place : place + 2] = [kernel.__file__, str(lifeline)]

    class ThisPython(AsyncKernelManager):
        """Kernels of this interpreter, whatever kernel specs named python3 lie about on the machine."""

        kernel_spec = KernelSpec(**command, env=environment)

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            managers.append(self)

        async def start_kernel(self, **settings: Any) -> None:
            go_on(caught)
            await super().start_kernel(pass_fds=(lifeline,), **settings)

    managers: list[ThisPython] = []
    cells: list[int] = []  # that were begun

    def begin(cell: Any, cell_index: int) -> None:
        go_on(caught)
        cells.append(cell_index)

    def work() -> None:
        try:
            papermill.execute_notebook(path, executed, parameters=dict(values), kernel_name="python3",
                                       language="python", kernel_manager_class=ThisPython, on_cell_start=begin,
                                       stderr_file=screen, progress_bar=False, store_widget_state=False,
                                       coalesce_streams=True,  # of a bar its last state
                                       start_timeout=_PATIENCE)  # fmt: skip
        finally:
            ensure_event_loop().close()  # this thread's

    try:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            attend(future, lambda: [getattr(manager.provisioner, "process", None) for manager in managers],
                   lambda: bool(cells), caught, _GRACE, screen.tick)  # fmt: skip
            future.result()
    except PapermillExecutionError as error:
        message = condense(f"{error.ename}: {error.evalue}")
        kind = getattr(builtins, error.ename, Exception)
        raise CellError(f"{path.name}, cell In [{error.exec_count}]: {message} (see {executed})",
                        isinstance(kind, type) and issubclass(kind, ValueError | OSError)) from None  # fmt: skip
    except DeadKernelError:
        raise CellError(f"{path.name}: its kernel died (killed, or out of memory; see {executed})", False) from None
    except RuntimeError as error:  # nbclient's, where there is no cell to blame
        raise CellError(f"{path.name}: its kernel did not start ({condense(error)})", False) from None
    finally:
        screen.close_bars()
        os.close(lifeline)
        os.close(held)


def _mark(folder: Path, error: str | None) -> None:
    """Mark the run failed, or interrupted, where the notebook got as far as opening one."""
    if (folder / MANIFEST).exists():
        run = read_run(folder)
        run.interrupt() if error is None else run.fail(error)


def _look_up(path: str | Path, parameters: Mapping[str, Parameter], name: str) -> Parameter:
    if name not in parameters:
        raise ValueError(f"{Path(path).stem} has no parameter {name!r}: {_nearest(name, parameters)}"
                         f"there are {', '.join(parameters)}")  # fmt: skip
    return parameters[name]


def _nearest(name: str, names: Any) -> str:
    close = difflib.get_close_matches(name, names, 1, 0.5)
    return f"did you mean {close[0]}? " if close else ""


def _fit(name: str, default: Any, value: Any) -> Any:
    """The value as the default's type, or ValueError."""
    if default is None and _is_literal(value):
        return value
    if type(value) is type(default):
        if isinstance(default, list) and default and len({type(item) for item in default}) == 1:
            return [_fit(f"{name}[{index}]", default[0], item) for index, item in enumerate(value)]
        return value
    if isinstance(default, float) and type(value) is int:
        return float(value)
    hint = ""
    if isinstance(value, str) and isinstance(default, int | float) and _is_number(value):
        number = float(value)
        text = f"{number:.1e}" if "e" in value.lower() else f"{number:g}"
        hint = f" (YAML reads {value} as text; write {text.replace('e-0', 'e-').replace('e+0', 'e+')})"
    elif isinstance(value, bool) and isinstance(default, str):
        hint = " (YAML reads on, off, yes and no as truth values; put it in quotes)"
    raise ValueError(f"parameter {name} must be {_KINDS[type(default)]}, got {value!r}{hint}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(value: Any) -> Any:
    """Text that is a number made one, also within a list: what a person typed, not a file."""
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and _is_number(value) else value


def _is_literal(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_literal, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_literal(item) for key, item in value.items())
    return value is None or type(value) in (bool, int, float, str)


def _load_yaml(text: str, where: str) -> Any:
    import yaml

    class Strict(yaml.SafeLoader):
        """A key that stands twice is a mistake, not a choice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            twice = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
            if twice is not None:
                raise yaml.constructor.ConstructorError(None, None, f"{twice} stands twice", node.start_mark)
            return super().construct_mapping(node, deep)

    try:
        values = yaml.load(text, Strict)
        check_nesting(values)
    except RecursionError:
        raise ValueError(f"{where}: nested too deeply") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        sign = ord(text[error.position])
        raise ValueError(f"{where}, line {line}: not YAML (the control character {sign:#04x})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"{where}{line}: not YAML ({condense(getattr(error, 'problem', None) or error)})") from None
    except ValueError as error:  # a date that does not exist, a number of thousands of digits, too much of it
        raise ValueError(f"{where}: {condense(error)}") from None
    return values
