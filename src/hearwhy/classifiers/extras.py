"""Extras: libraries that a kind of model needs, and how to get them where they are missing."""

from __future__ import annotations

import importlib
from typing import Any


def need(module: str, *, extra: str, what: str) -> Any:
    """Return a module of an optional library.

    Raises
    ------
    ImportError
        It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and not module.startswith(error.name):
            raise
        library = module.partition(".")[0]
        raise ImportError(f"{what} needs {library}, which is not installed: pip install 'hearwhy[{extra}]'") from error
