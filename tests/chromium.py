"""Chromium for the tests that look at pages, and what a machine lacks for it."""

import os
import shutil

import pytest
from conftest import ROOT

DRIVER = ROOT / "tests" / "browser"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser():
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def lacking():
    """What this machine lacks for these tests, with the command that installs it; or nothing."""
    if not browser():
        return "no browser: sudo apt install chromium"
    if not shutil.which("node"):
        return "no Node.js: sudo apt install nodejs npm"
    if not (DRIVER / "node_modules" / "playwright-core").is_dir():
        return "no playwright-core: npm ci --prefix tests/browser"
    return ""


def skip_without(what):
    """Leaves a module out where there is no browser. `.ci/run` installs one, so there nothing may be
    left out."""
    if lacking() and os.environ.get("FER_BROWSER") != "required":
        pytest.skip(f"{what} is left out, for there is {lacking()}", allow_module_level=True)
