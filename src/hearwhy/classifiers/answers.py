"""Answers: a function or torch module asked in its own precision, and what it says as one tensor of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


def ask(function: Callable[[Tensor], Any], given: Tensor, *, name: str, pick: str = "") -> Tensor:
    """Return what `function` says of `given`, as one tensor; half precision comes back as float32.

    Parameters
    ----------
    function
        A torch module, or any function. A module is given what it takes in the precision of its own weights.
    given
        Audio or features, float32.
    name
        What to call it in an error.
    pick
        Which of several answers is meant: a key, or a position such as "0". Empty: there must be only one.

    Raises
    ------
    TypeError
        It says something else than numbers, or several things of which none is picked.

    Examples
    --------
    >>> half = torch.nn.Linear(4, 2).to(torch.bfloat16)
    >>> ask(half, torch.zeros(1, 4), name="half").dtype
    torch.float32
    """
    wanted = precision(function)
    answer = one_tensor(function(given if wanted is None else given.to(wanted)), name=name, pick=pick)
    return answer.float() if answer.dtype in HALF else answer


def precision(function: object) -> torch.dtype | None:
    """Return the floating-point type of a module's weights: of the first that it holds; None: it does not say."""
    if not isinstance(function, torch.nn.Module):
        return None
    said = getattr(function, "precision", None)
    if isinstance(said, torch.dtype):
        return said
    weights = chain(function.parameters(), function.buffers())
    return next((weight.dtype for weight in weights if weight.is_floating_point()), None)


def one_tensor(answer: Any, *, name: str, pick: str = "") -> Tensor:
    """Return the one tensor of numbers in an answer: itself, the one that is picked, or the only one in a dict or tuple.

    Raises
    ------
    TypeError
        There are several and none is picked, or it holds no numbers.
    """
    several = _several(answer)
    if several is not None:
        answer = _picked(several, name, pick)
    if isinstance(answer, Tensor):
        return answer
    try:
        array = np.asarray(answer)
    except ValueError as error:  # rows of different lengths
        raise TypeError(f"{name} must answer with one tensor or array of numbers (batch, label); got {error}.") from error
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must answer with one tensor or array of numbers (batch, label); got {_what(answer)}.")
    return torch.as_tensor(array)


def _several(answer: Any) -> dict[str, Any] | None:
    """Return the parts of an answer that consists of several by what picks them; None: it is one thing."""
    if isinstance(answer, Mapping):
        return {str(key): value for key, value in answer.items()}
    parts = (Tensor, np.ndarray) if isinstance(answer, tuple) else (Tensor,)  # a list of arrays may be rows of one
    if isinstance(answer, list | tuple) and any(isinstance(part, parts) for part in answer):
        return {str(at): part for at, part in enumerate(answer)}
    return None


def _picked(several: dict[str, Any], name: str, pick: str) -> Any:
    if pick in several:
        return several[pick]
    if len(several) == 1 and not pick:
        return next(iter(several.values()))
    parts = ", ".join(f"{key!r}: {_what(part)}" for key, part in several.items()) or "nothing"
    key = pick or next(iter(several), "logits")
    shown = key if key.isdigit() else repr(key)
    wrong = f"has no answer {pick!r}; it has" if pick else "answers with several things,"
    raise TypeError(
        f"{name} {wrong} {parts}. Say which one is meant: wrap a model in Python, as in lambda audio: model(audio)[{shown}]; "
        f'for a model file write its key in the description, as in answer = "{key}".'
    )


def _what(part: Any) -> str:
    shape = getattr(part, "shape", None)
    return type(part).__name__ if shape is None else f"{type(part).__name__} {tuple(shape)}"
