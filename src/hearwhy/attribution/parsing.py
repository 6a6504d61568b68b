"""The one-line language of methods: a name, and options in brackets."""

from __future__ import annotations

from typing import Any

from hearwhy.attribution import METHODS, Entry
from hearwhy.one_line import parse_call


def parse_method(text: str, *, seed: int = 0) -> tuple[str, dict[str, Any], Entry]:
    """Return name, options and entry of ``"lime(n_samples=500, protocol=paper)"``; the seed joins where it is taken.

    Raises
    ------
    ValueError
        No such method, or no such option.
    """
    functions = {name: entry.function for name, entry in METHODS.items()}
    name, options = parse_call(text, functions, what="method", example="lime(n_samples=500)", joining={"seed": seed})
    return name, options, METHODS[name]
