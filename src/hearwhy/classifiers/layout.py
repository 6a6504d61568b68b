"""Layouts: the order of axes that a model wants, as in ``"batch 1 freq frame"``; no tensor is ever transposed unsaid."""

from __future__ import annotations

from torch import Tensor

AUDIO = ("batch", "channel", "time")
FEATURES = ("batch", "freq", "frame")
ANSWERS = ("batch", "label")
FRAME_ANSWERS = ("batch", "label", "frame")


def check_layout(layout: str, axes: tuple[str, ...], *, optional: str | None = None) -> str:
    """Return the layout, or raise ValueError where it does not name each of `axes` once.

    ``1`` stands for an axis of length one; the axis `optional` may be left out.
    """
    named = [axis for axis in layout.split() if axis != "1"]
    if sorted(named) not in (sorted(axes), sorted(axis for axis in axes if axis != optional)):
        may = f" ({optional} may be left out)" if optional else ""
        raise ValueError(f"A layout names the axes {', '.join(axes)}{may}, and 1 for an axis of length one, as in "
                         f"{' '.join(axes)!r}; got {layout!r}.")  # fmt: skip
    return layout


def arrange(tensor: Tensor, axes: tuple[str, ...], layout: str) -> Tensor:
    """Return `tensor`, whose axes are `axes`, with its axes as `layout` says; one that `layout` leaves out is the only one.

    Raises
    ------
    ValueError
        An axis that is left out is longer than one.

    Examples
    --------
    >>> import torch
    >>> arrange(torch.zeros(8, 64, 501), FEATURES, "batch 1 frame freq").shape
    torch.Size([8, 1, 501, 64])
    """
    wanted = layout.split()
    for at, axis in reversed(list(enumerate(axes))):
        if axis not in wanted:
            if tensor.shape[at] != 1:
                raise ValueError(f"The layout {layout!r} has no {axis}, and there are {tensor.shape[at]}: give it one.")
            tensor = tensor.squeeze(at)
    have = [axis for axis in axes if axis in wanted]
    tensor = tensor.permute([have.index(axis) for axis in wanted if axis != "1"])
    for at, axis in enumerate(wanted):
        if axis == "1":
            tensor = tensor.unsqueeze(at)
    return tensor.contiguous()  # some kernels and some file formats take nothing else


def restore(answers: Tensor, layout: str) -> Tensor:
    """Return a model's answers, laid out as `layout` says, as (batch, label) or (batch, label, frame).

    Where their number of axes is another, they come back as they are: whoever asked says what is wrong with them.
    """
    axes = layout.split()
    if answers.ndim != len(axes) or any(axis == "1" and size != 1 for axis, size in zip(axes, answers.shape, strict=True)):
        return answers
    have = [axis for axis in axes if axis != "1"]
    answers = answers.reshape([size for axis, size in zip(axes, answers.shape, strict=True) if axis != "1"])
    return answers.permute([have.index(axis) for axis in FRAME_ANSWERS if axis in have])
