import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / ".setup"), str(ROOT / ".setup" / "rust_kernel")]


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def our_kernel():
    """The kernel of this folder's virtual environment, not one of the user's."""
    import os

    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
