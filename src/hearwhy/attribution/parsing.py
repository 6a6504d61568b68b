"""The one-line language of methods: a name, and options in brackets."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from hearwhy.attribution import METHODS, Entry


def parse_method(text: str, *, seed: int = 0) -> tuple[str, dict[str, Any], Entry]:
    """Return name, options and entry of ``"lime(n_samples=500, protocol=paper)"``; the seed joins where it is taken.

    Raises
    ------
    ValueError
        No such method, or no such option.
    """
    shape = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text)
    name = shape[1] if shape else text
    if not shape or name not in METHODS:
        raise ValueError(
            f"There is no method {text!r}; give one of {', '.join(METHODS)}, with options as in lime(n_samples=500)."
        )
    entry = METHODS[name]
    parameters = inspect.signature(entry.function).parameters
    known = [key for key, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    options: dict[str, Any] = {key: parameters[key].default for key in known}
    if "seed" in known:
        options["seed"] = seed
    for assignment in filter(None, (part.strip() for part in (shape[2] or "").split(","))):
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals or key not in known:
            raise ValueError(
                f"{name} has no option {assignment!r}; it takes {', '.join(known) or 'none'}, as in name(option=value)."
            )
        options[key] = _literal(value)
    return name, options, entry


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
