"""Where models come from: the shipped ones, folders, hub ids, by which backend; other names are refused at once.

It opens no checkpoint, imports no model library and asks no network: it is what can be known before any of that.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from game24lab.runs.checks import require_one_of
from game24lab.tasks.environment import Environment, require_parts

PARTS = ("policy", "critic")
PRETRAINED = Path(__file__).parents[1] / "pretrained"  # models that ship
EXPORT = "game24lab.json"  # in a folder that was exported to CTranslate2: what a policy must know of the model
BACKENDS = ("auto", "ctranslate2", "transformers", "server")


def find_pretrained(part: str, environment: Environment | None = None) -> Path:
    """The folder of the shipped tiny "policy" or "critic" of an environment, by default the Game of 24.

    ValueError for another name, an incomplete install, and an environment for which none was trained.
    """
    if environment is not None:
        require_parts(environment, "pretrained")
    require_one_of("pretrained", part, PARTS)
    folder = PRETRAINED / ("" if environment is None else environment.models) / part
    if not (folder / "config.json").exists():
        raise ValueError(f"pretrained {part}: {folder} is missing; install the package whole, or name a checkpoint")
    return folder


def is_export(checkpoint: str | Path) -> bool:
    """Whether a checkpoint is a folder that `game24lab export` wrote for CTranslate2."""
    return (Path(checkpoint) / EXPORT).is_file()


def find_gguf(folder: str | Path) -> Path | None:
    """The first GGUF file of a folder that has no weights that could be loaded; None in any other folder."""
    files = sorted(Path(folder).glob("*.gguf"))
    return files[0] if files and not any(Path(folder).glob("*.safetensors")) else None


def require_gguf(source: str | Path) -> Path:
    """The GGUF file of a name, which is its own or that of a folder; ValueError where there is none."""
    source = Path(source)
    file = find_gguf(source) if source.is_dir() else source
    if file is None or not file.is_file():
        raise ValueError(f"{source}: must be a GGUF file, or a folder that holds one, got "
                         f"{'a folder without one' if source.is_dir() else 'no such file'}")  # fmt: skip
    return file


def tell_gguf(file: Path) -> str:
    """How to go on with a GGUF file."""
    return f"weights of a GGUF file are not loaded as they are; `game24lab convert {file} DIR` makes a folder of it"


def check_location(checkpoint: str | Path) -> None:
    """ValueError unless a checkpoint is a folder, or a hub id of the form `owner/name`; and for one of a GGUF file.

    A name alone is taken for a mistyped folder: the hub's old ids without an owner have an owner too
    (`openai-community/gpt2`), and asking it costs a minute where there is no network.
    """
    path, name = Path(checkpoint), str(checkpoint)
    if path.is_dir():
        file = find_gguf(path)
        if file is not None:
            raise ValueError(f"checkpoint {name}: {tell_gguf(file)}")
        return
    if path.exists():
        told = tell_gguf(path) if path.suffix == ".gguf" else "must be a folder, got a file"
        raise ValueError(f"checkpoint {name}: {told}")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ValueError(f"checkpoint {name}: no such folder")
    if not name.strip("/").count("/"):
        raise ValueError(f"checkpoint {name}: no such folder, and an id of the hub is written owner/name")


def check_url(url: str) -> None:
    """ValueError unless the address of a server is one."""
    if not re.match(r"https?://[^/\s]", url):
        raise ValueError(f"--url must begin with http:// or https://, got {url!r}")


def check_router(folder: str | Path | None, task: str) -> None:
    """ValueError unless the router of a folder, by default the shipped one, was trained on a task.

    One that does not say on which is of the Game of 24. What is no router at all is left to the one who loads it.
    """
    path = Path(folder or PRETRAINED / "router") / "router.json"
    try:
        trained = json.loads(path.read_text(encoding="utf-8"))["facts"].get("task", "game24")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    if trained != task:
        raise ValueError(f"router: task must be {trained}, which it was trained on, got {task}; 10_router trains one, "
                         "and other strategies need none")  # fmt: skip


def check_folder(what: str, folder: str | Path) -> None:
    """ValueError unless a folder that must be on this machine is there; `what` says of what it is."""
    if not Path(folder).is_dir():
        fault = "must be a folder, got a file" if Path(folder).exists() else "no such folder"
        raise ValueError(f"{what} {folder}: {fault}")
