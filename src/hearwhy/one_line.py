"""The one-line language of methods and masks: a name, and options in brackets."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any


def parse_call(
    text: str,
    functions: Mapping[str, Callable[..., Any]],
    *,
    what: str,
    example: str,
    joining: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[str, dict[str, Any]]:
    """Return the name and every option, default or given, of a line such as ``"lime(n_samples=500, protocol=paper)"``.

    Parameters
    ----------
    text
        A name, or a name and ``option=value`` in brackets. A value is a Python literal, anything else a word.
    functions
        What there is, by name; the options are a function's keyword-only parameters.
    what, example
        What the names are of, and a right line, for the error message.
    joining
        Options said elsewhere (a seed, a protocol): they join where they are taken and the line does not say otherwise.

    Raises
    ------
    ValueError
        No such name, or no such option.

    Examples
    --------
    >>> def top_k(values, *, k=0.3): ...
    >>> parse_call("top_k(k=0.05)", {"top_k": top_k}, what="mask", example="top_k(k=0.3)")
    ('top_k', {'k': 0.05})
    """
    shape = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text)
    name = shape[1] if shape else text
    if not shape or name not in functions:
        raise ValueError(f"There is no {what} {text!r}; give one of {', '.join(functions)}, with options as in {example}.")
    parameters = inspect.signature(functions[name]).parameters
    known = [key for key, parameter in parameters.items() if parameter.kind is parameter.KEYWORD_ONLY]
    options: dict[str, Any] = {key: parameters[key].default for key in known}
    options |= {key: value for key, value in joining.items() if key in known}
    for assignment in filter(None, (part.strip() for part in (shape[2] or "").split(","))):
        key, equals, value = (part.strip() for part in assignment.partition("="))
        if not equals or key not in known:
            raise ValueError(
                f"{name} has no option {assignment!r}; it takes {', '.join(known) or 'none'}, as in name(option=value)."
            )
        options[key] = _literal(value)
    return name, options


def split_list(text: str) -> list[str]:
    """Return the items of a list whose items may have brackets with commas in them.

    Examples
    --------
    >>> split_list("lime(n_samples=500, seed=1), grad_cam")
    ['lime(n_samples=500, seed=1)', 'grad_cam']
    """
    return [part.strip() for part in re.split(r",(?![^()]*\))", text) if part.strip()]


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return value
