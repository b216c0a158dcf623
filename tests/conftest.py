"""Lets tests import the modules beside them, such as `fake_models`, takes hypothesis off the clock, opens a browser."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    """The machine's Chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium to run the browser tests")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, timeout=600_000)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab over an empty folder, with settings and runtime files of its own: URL, folder, runtime folder."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium to run the browser tests")
    from jupyter_pages import start_lab

    with start_lab(tmp_path_factory.mktemp("lab")) as found:
        yield found
