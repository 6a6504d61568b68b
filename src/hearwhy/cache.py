"""The folder where fetched models lie."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return where fetched models lie: ``$HEARWHY_CACHE``, else ``hearwhy`` in the user's cache folder."""
    if given := os.environ.get("HEARWHY_CACHE"):
        return Path(given)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "hearwhy"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hearwhy"
