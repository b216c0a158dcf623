"""A real JupyterLab in headless Chromium: it is started, notebooks are opened in it and run, their kernels are asked.

It does not know what is shown, or what is tested.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from queue import Empty

import nbformat

PATIENCE = 600  # seconds, for the slowest of machines; each wait ends as soon as it can


def wait_for(ask, what: str, patience: float = PATIENCE):
    """The first true answer."""
    end = time.monotonic() + patience
    while not (answer := ask()):
        assert time.monotonic() < end, f"waited {patience} seconds for {what}"
        time.sleep(0.1)
    return answer


@contextmanager
def start_lab(home: Path) -> Iterator[tuple[str, Path, Path]]:
    """A JupyterLab over an empty folder, with settings and runtime files of its own: URL, folder, runtime folder."""
    folder, runtime = home / "notebooks", home / "runtime"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    for path in (folder, runtime, settings):
        path.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    package = str(Path(__file__).parents[1])
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"), "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_PATH": f"{package}/.jupyter",  # as `make lab` does
        "PYTHONPATH": os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH")))),
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--allow-root",
               "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=",
               "--LabApp.expose_app_in_browser=True"]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    with open(home / "log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_for(lambda: server.poll() is not None or read(f"{url}/api/status"), "JupyterLab")
            assert server.poll() is None, (home / "log").read_text()
            yield url, folder, runtime
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def read(url: str):
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return json.load(reply)
    except (urllib.error.URLError, OSError):
        return None


class Kernel:
    """The kernel of the notebook that is open, asked from here beside the notebook."""

    def __init__(self, runtime: Path, name: str) -> None:
        self.file = str(runtime / f"kernel-{name}.json")

    @cached_property
    def client(self):
        """Connected at the first question: a kernel that is at work does not answer."""
        from jupyter_client import BlockingKernelClient

        client = BlockingKernelClient(connection_file=self.file)
        client.load_connection_file()
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)
        return client

    def ask(self, expression: str) -> str:
        """The repr of an expression in the notebook's own namespace."""
        message = self.client.execute("", silent=True, user_expressions={"answer": expression})
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                reply = self.client.get_shell_msg(timeout=5)
            except Empty:
                continue
            if reply["parent_header"]["msg_id"] == message:
                answer = reply["content"]["user_expressions"]["answer"]
                assert answer["status"] == "ok", answer
                return answer["data"]["text/plain"]
        raise AssertionError("the kernel does not answer")

    def run(self, code: str) -> None:
        self.client.execute(code, silent=True, reply=True, timeout=PATIENCE)


def save_notebook(page, path: Path) -> None:
    """Save until the file holds the state of every widget that it shows: JupyterLab's is a save behind."""
    kind = "application/vnd.jupyter.widget-{}+json"

    def save() -> bool:
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        saved = nbformat.read(path, as_version=4)
        state = saved.metadata.get("widgets", {}).get(kind.format("state"), {}).get("state", {})
        outputs = [output.get("data", {}) for cell in saved.cells for output in cell.get("outputs", ())]
        shown = {data[kind.format("view")]["model_id"] for data in outputs if kind.format("view") in data}
        return bool(outputs) and shown <= set(state)

    wait_for(save, f"the state of all widgets in {path.name}")


def take_picture(page, name: str) -> None:
    """A picture to look at, where a folder is named for them."""
    if folder := os.environ.get("GAME24LAB_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png")


def write_notebook(path: Path, cells: list[str]) -> None:
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)


def open_notebook(browser, lab, name: str, drawn: str = ".game24-treeview canvas.tree", said: list | None = None):
    """A notebook opened, all its cells set running, its picture drawn: the page and the kernel.

    `said` gathers the console's complaints.
    """
    url, _, runtime = lab
    busy = {kernel["id"] for kernel in read(f"{url}/api/kernels")}
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    if said is not None:
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(f"{url}/lab/tree/{name}?reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    # the page's own indicator says idle before there is a kernel
    ready = wait_for(lambda: [kernel for kernel in read(f"{url}/api/kernels") or () if kernel["id"] not in busy
                              and kernel["execution_state"] == "idle" and kernel["connections"]], "a kernel")[0]
    page.wait_for_function("window.jupyterapp !== undefined")
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(drawn)
    page.locator(drawn).first.scroll_into_view_if_needed()
    return page, Kernel(runtime, ready["id"])


def copy_notebook(folder, name: str, last: str | None = None, **parameters) -> str:
    """A notebook as it ships, with other parameters, up to the cell that holds the text `last`: its file's name."""
    notebook = nbformat.read(Path(__file__).parents[1] / "notebooks" / f"{name}.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    for parameter, value in parameters.items():
        cell.source = re.sub(rf"(?m)^{parameter} = .*?(?=  #)", f"{parameter} = {value}", cell.source)
    if last is not None:
        notebook.cells = notebook.cells[: 1 + next(n for n, cell in enumerate(notebook.cells) if last in cell.source)]
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return f"{name}.ipynb"
