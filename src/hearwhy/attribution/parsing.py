"""The one-line language of methods: a name, and options in brackets."""

from __future__ import annotations

import re
from typing import Any

from hearwhy.attribution import METHODS, Entry
from hearwhy.one_line import parse_call


def parse_method(text: str, *, seed: int = 0) -> tuple[str, dict[str, Any], Entry]:
    """Return name, options and entry of ``"lime(n_samples=500, protocol=paper)"``; the seed joins where it is taken.

    A tolerance says when to stop asking: named without a number of masks, it asks as many as it takes.

    Raises
    ------
    ValueError
        No such method, or no such option; or a number of masks and a tolerance.
    """
    functions = {name: entry.function for name, entry in METHODS.items()}
    name, options = parse_call(text, functions, what="method", example="lime(n_samples=500)", joining={"seed": seed})
    named = named_options(text)
    if "tolerance" in named and "n_samples" not in named:
        options["n_samples"] = "auto"
    if "tolerance" in named and options["n_samples"] != "auto":
        raise ValueError(f"A tolerance says when n_samples=auto ends, but {text} names n_samples={options['n_samples']}; leave "
                         "one of them out.")  # fmt: skip
    return name, options, METHODS[name]


def named_options(text: str) -> frozenset[str]:
    """Return the options that a line names, and does not leave at what they are by default.

    Examples
    --------
    >>> sorted(named_options("lime(n_samples=500, protocol=paper)"))
    ['n_samples', 'protocol']
    """
    return frozenset(re.findall(r"(\w+)\s*=", text))
