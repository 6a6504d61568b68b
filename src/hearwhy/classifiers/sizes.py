"""Sizes: whether a description fits the model file it describes, before anything is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hearwhy.classifiers.description import Description

Size = int | None
"""How long an axis is in a file; None: any length."""


def check_sizes(path: Path, told: Description, takes: Sequence[Size], answers: Sequence[Size]) -> None:
    """Raise ValueError where the axes of a model file are not those of its description.

    Parameters
    ----------
    path
        The model file, to be named.
    told
        Its description.
    takes
        Length of every axis of what the file takes, the batch's among them.
    answers
        Length of every axis of its answers.

    Raises
    ------
    ValueError
        The number of axes or a length is another; the message gives both, and what to change.
    """
    layout, output = told.layout.split(), told.output.split()
    if len(takes) != len(layout):
        raise ValueError(
            f"{path} takes {_shape(takes)}, {len(takes)} axes, and its description says input = {told.layout!r}. Name every "
            "axis there, 1 for an axis of length one, as in 'batch time 1'."
        )
    for axis, there, here in zip(layout, takes, _lengths(told), strict=True):
        if axis != "batch" and there is not None and there != here:
            raise ValueError(_another_length(path, told, takes, axis, here))
    if len(answers) != len(output):
        raise ValueError(
            f"{path} answers {_shape(answers)}, {len(answers)} axes, and its description says output = {told.output!r}. "
            "Name every axis there; a model that answers frame by frame has a frame."
        )
    n_labels = answers[output.index("label")]
    if n_labels not in (None, len(told.labels)):
        raise ValueError(f"{path} answers {n_labels} numbers, and its description has {len(told.labels)} labels; mend labels.")


def _lengths(told: Description) -> list[Size]:
    """Length of every axis of the input as the description has it; None where any window is taken."""
    layout = told.layout.split()
    if told.input_size is not None:
        sizes = iter(told.input_size)
        return [None if axis == "batch" else next(sizes) for axis in layout]
    known: dict[str, Size] = {"1": 1, "channel": told.channels}
    if told.front_end is not None:
        known["freq"] = told.front_end.n_features
    return [known.get(axis) for axis in layout]


def _another_length(path: Path, told: Description, takes: Sequence[Size], axis: str, here: Size) -> str:
    there = takes[told.layout.split().index(axis)]
    named = "an axis of length one" if axis == "1" else f"the axis {axis}"
    said = f"{path} takes {_shape(takes)}, where its description says {told.layout!r}: {named} is {there} long"
    if here is None:
        seconds = f" = {there / told.sample_rate:g}" if axis == "time" and there else ""
        return f"{said}, and the description has no window_s. Add window_s{seconds}."
    return f"{said}, and the description makes it {here}. Mend sample_rate, window_s, channels, input or front_end."


def _shape(sizes: Sequence[Size]) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in sizes)})"


def check_given(given: Sequence[int], takes: Sequence[Size], name: str) -> None:
    """Raise ValueError where a tensor of shape `given` is not what a model `takes`: some would answer all the same."""
    if len(given) != len(takes) or any(size not in (None, have) for size, have in zip(takes, given, strict=True)):
        raise ValueError(
            f"{name} takes {_shape(takes)}; got {_shape(given)}. Resample, downmix and cut into windows first, as "
            "hearwhy.explain does."
        )


def which_answer(path: Path, told: Description, names: Sequence[str]) -> int:
    """Return which of a model file's answers its description means: the one of its name or position, or the only one.

    Raises
    ------
    ValueError
        There are several and none is named, or there is none of that name.
    """
    positions = {str(at): at for at in range(len(names))} | {name: at for at, name in enumerate(names)}
    if told.answer in positions:
        return positions[told.answer]
    if len(names) == 1 and not told.answer:
        return 0
    wrong = f"has no answer {told.answer!r}; it has" if told.answer else f"gives {len(names)} things,"
    raise ValueError(
        f"{path} {wrong} {', '.join(names)}. Name the one that is meant in its description, as in answer = {names[0]!r}."
    )
