"""Targets: what is explained of a model's answer, written as one line, and its score on a stated scale.

``dog``; ``dog + cat``, the one or the other; ``dog - cat``, the one rather than the other; ``dog@2.1-2.6s``, at a time;
``top``, ``top:3``, ``above:0.5`` and ``all`` stand for labels that the model itself chooses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.types import Scale
from hearwhy.windowing import Span

SUMS_TO_ONE = 1e-3  # probabilities that miss 1 by more do not exclude each other
USAGE = {
    "LABEL": "one label of the model",
    "A - B": "why A rather than B",
    "A + B": "A or B, as one",
    "TARGET@2.1-2.6s": "a target between two times, for models that answer frame by frame or in windows",
    "top": "the most probable label (the default)",
    "top:3": "each of the three most probable labels",
    "above:0.5": "each label whose probability is at least so high",
    "all": "every label",
}


@dataclass(frozen=True)
class Target:
    """The labels that are explained, and those they are compared with, as numbers.

    Parameters
    ----------
    plus
        One label, or several that count as one: any of them.
    minus
        What a contrast compares with; empty where it is none.
    """

    plus: tuple[int, ...]
    minus: tuple[int, ...] = ()


def parse_target(text: str, labels: Sequence[str]) -> Target:
    """Return the target that ``"A"``, ``"A + B"`` or ``"A - B"`` stands for; a label may itself hold such a sign.

    Raises
    ------
    ValueError
        A label is unknown, or stands twice.

    Examples
    --------
    >>> parse_target("dog + cat - rain", ["dog", "cat", "rain"])
    Target(plus=(0, 1), minus=(2,))
    """
    plus = _any_of(text, labels)
    found = None if plus is None else Target(plus)
    for at in [match.start() for match in re.finditer(" - ", text)] if found is None else []:
        left, right = _any_of(text[:at], labels), _any_of(text[at + 3 :], labels)
        if left is not None and right is not None:
            found = Target(left, right)
    if found is None:
        raise ValueError(f"The model has no label {text!r}; {_nearest(text, labels)} A contrast is written 'A - B', and "
                         "'A + B' is the one or the other.")  # fmt: skip
    if len({*found.plus, *found.minus}) < len(found.plus) + len(found.minus):
        raise ValueError(f"The target {text!r} names a label twice; name each once.")
    if 1 < len(labels) == len(found.plus):
        raise ValueError(f"The target {text!r} names every label, so there is nothing else the model could say.")
    return found


def _nearest(text: str, labels: Sequence[str]) -> str:
    """Say which labels there are: those that hold the text or look like it, else the first."""
    alike = [label for label in labels if text.casefold() in label.casefold()] or get_close_matches(text, labels)
    if alike:
        return "did you mean " + ", ".join(alike[:6]) + (f" or one of {len(alike) - 6} more" if len(alike) > 6 else "") + "?"
    return "it has " + ", ".join(labels[:12]) + (f" and {len(labels) - 12} more" if len(labels) > 12 else "") + "."


def _any_of(text: str, labels: Sequence[str]) -> tuple[int, ...] | None:
    if text in labels:
        return (labels.index(text),)
    for at in [match.start() for match in re.finditer(r" \+ ", text)]:
        if text[:at] in labels and (rest := _any_of(text[at + 3 :], labels)) is not None:
            return (labels.index(text[:at]), *rest)
    return None


def split_span(wanted: Sequence[str], labels: Sequence[str]) -> tuple[list[str], Span | None]:
    """Return targets without their time, and the time, start and stop in seconds; None where none is given.

    Raises
    ------
    ValueError
        The times differ, or the stop is not after the start.
    """
    targets, spans = [], set()
    for text in wanted:
        timed = None if text in labels else re.fullmatch(r"(.+?)\s*@\s*(\d+\.?\d*)\s*-\s*(\d+\.?\d*)\s*s?", text)
        targets.append(timed[1] if timed else text)
        spans.add((float(timed[2]), float(timed[3])) if timed else None)
    if len(spans) > 1:
        raise ValueError(
            f"Targets at one time only can be explained together; got {', '.join(wanted)}. Ask for each by itself."
        )
    span = spans.pop() if spans else None
    if span is not None and not span[0] < span[1]:
        raise ValueError(f"A target's time ends after it begins, as in dog@2.1-2.6s; got {span[0]:g}-{span[1]:g}s.")
    return targets, span


def needs_answer(wanted: Sequence[str]) -> bool:
    """Return whether the model must be asked before it is known what is explained."""
    return any(_is_keyword(text) and text != "all" for text in wanted)


def _is_keyword(text: str) -> bool:
    return re.fullmatch(r"all|top(:\d+)?|above:.*", text) is not None


def check_targets(wanted: Sequence[str], labels: Sequence[str]) -> None:
    """Raise ValueError where nothing is asked for, or a label that is not there, before the model is asked anything."""
    if not wanted:
        raise ValueError("No target was given; give a label, 'top' or 'all'.")
    for text in wanted:
        if not _is_keyword(text):
            parse_target(text, labels)


def chosen(wanted: Sequence[str], labels: Sequence[str], row: Sequence[float]) -> tuple[str, ...]:
    """Return the targets that are asked for by name, those that the model chooses in their place; none twice.

    Parameters
    ----------
    wanted
        Targets and keywords.
    labels
        What the model tells apart.
    row
        Its probabilities for the recording; may be empty where `needs_answer` says so.

    Raises
    ------
    ValueError
        Nothing is asked for, or no label is so probable.
    """
    likely = sorted(range(len(row)), key=lambda i: -row[i])
    found: list[str] = []
    for text in wanted:
        keyword, _, number = text.partition(":")
        if text == "all":
            found += labels
        elif keyword == "top" and _is_keyword(text):
            found += [labels[i] for i in likely[: int(number or 1)]]
        elif keyword == "above" and _is_keyword(text):
            found += [labels[i] for i in _above(number, likely, labels, row)]
        else:
            found.append(text)
    if not found:
        raise ValueError(f"{', '.join(wanted)} asks for no label; top:1 is the most probable.")
    return tuple(dict.fromkeys(found))


def _above(number: str, likely: list[int], labels: Sequence[str], row: Sequence[float]) -> list[int]:
    try:
        least = float(number)
    except ValueError:
        raise ValueError(f"above takes a probability, as in above:0.5; got above:{number}.") from None
    found = [i for i in likely if row[i] >= least]
    if not found:
        raise ValueError(f"No label reaches {least:g}; the most probable is {labels[likely[0]]} with {row[likely[0]]:.3g}. "
                         "Ask for less, or for top.")  # fmt: skip
    return found


def score(answers: Float[Tensor, "*draw label"], target: Target, *, scale: Scale, activation: str) -> Float[Tensor, "*draw"]:
    """Return a target's score for the model's own numbers.

    ``log_odds`` is log p/(1-p), computed from logits without forming p. Several labels as one: for softmax their
    probabilities add up; for sigmoid p is the probability of at least one, taken as independent. A contrast of softmax
    labels on the scale of log-odds is log p_A/p_B; otherwise the difference of the two scores.
    """
    if target.minus:
        if scale != "probability" and activation == "softmax":
            return _logsumexp(answers, target.plus) - _logsumexp(answers, target.minus)
        sides = (Target(target.plus), Target(target.minus))
        first, second = (score(answers, side, scale=scale, activation=activation) for side in sides)
        return first - second
    if scale == "probability":
        return any_of(probabilities(answers, activation), target.plus)
    if activation == "softmax":
        others = tuple(i for i in range(answers.shape[-1]) if i not in target.plus)
        own = _logsumexp(answers, target.plus)
        return own if scale == "logit" else own - _logsumexp(answers, others)
    if len(target.plus) == 1:
        return answers[..., target.plus[0]]
    some = answers[..., list(target.plus)]
    surprise = torch.nn.functional.softplus(some).sum(dim=-1)  # minus log of the probability that there is none
    return surprise + torch.log(-torch.expm1(-surprise))


def any_of(row: Float[Tensor, "*draw label"], labels: tuple[int, ...]) -> Float[Tensor, "*draw"]:
    """Return the probability of any of some labels: the sum where they exclude each other, else of at least one.

    Labels exclude each other where all probabilities of the row sum to one.
    """
    some = row[..., list(labels)]
    if len(labels) == 1:
        return some[..., 0]
    exclusive = (row.sum(dim=-1) - 1).abs() < SUMS_TO_ONE
    return torch.where(exclusive, some.sum(dim=-1), 1 - (1 - some).prod(dim=-1))


def _logsumexp(answers: Tensor, labels: tuple[int, ...]) -> Tensor:
    return answers[..., labels[0]] if len(labels) == 1 else answers[..., list(labels)].logsumexp(dim=-1)


def probabilities(answers: Float[Tensor, "*draw label"], activation: str) -> Float[Tensor, "*draw label"]:
    """Return probabilities from the model's own numbers."""
    if activation == "softmax":
        return answers.softmax(dim=-1)
    return answers.sigmoid() if activation == "sigmoid" else answers
