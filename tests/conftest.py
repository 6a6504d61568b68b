"""What several tests share: recordings made here, and transparent classifiers whose answer is known."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

os.environ.setdefault("MPLBACKEND", "Agg")
sys.path.insert(0, str(Path(__file__).parent))  # games.py, laws.py, toys.py

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True, scope="session")
def _two_threads():
    torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def _separations_of_its_own(monkeypatch, tmp_path_factory):
    """Separations are kept by content: no test may find those of the user, or leave any, where it does not say where."""
    own = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr("hearwhy.separators.keeping.cache_folder", lambda: Path(os.environ.get("HEARWHY_CACHE", own)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings that are not part of the repository."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the development recordings are not here (a folder `shared` beside the repository)")
    return SHARED / "data"
