"""Drilling: one part split again, its pieces in its place; what is it in the drums?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hearwhy.components.parts import Parts
from hearwhy.types import Recording


def drilled(parts: Parts, name: str, split: Callable[[Recording], Parts]) -> Parts:
    """Return the parts with one of them replaced, in its place, by the pieces that `split` makes of its waveform.

    The pieces are called "drums / 20-180 Hz" and sum to the part, so that the others and the recording stay as they were; a
    fill's share of the part is divided among them as `split` divides it. `Parts.parents` says which belong together: their
    Owen values sum to the value of the part as one.

    Parameters
    ----------
    parts
        What the recording was taken apart into.
    name
        Which part to split.
    split
        Makes parts of the sound of that part.

    Raises
    ------
    ValueError
        There is no part of that name, or `split` cannot split it.

    Examples
    --------
    >>> import hearwhy, torch
    >>> from hearwhy.components import segments
    >>> halves = segments(hearwhy.Recording(torch.ones(8000), 8000), 2)
    >>> drilled(halves, "0.00-0.50 s", lambda half: segments(half, 2)).parents
    ('0.00-0.50 s', '0.00-0.50 s', '0.50-1.00 s')
    """
    at = _number(parts, name)
    pieces = split(Recording(parts.audio[at], parts.sample_rate, name))

    def spread(audio: Tensor) -> Tensor:
        shares = parts.spread(audio)
        return _in_place(shares, at, pieces.spread(shares[at]))

    before, after = slice(at), slice(at + 1, None)
    names = (*parts.names[before], *(f"{name} / {piece}" for piece in pieces.names), *parts.names[after])
    parents = parts.parents or parts.names
    return Parts(
        audio=_in_place(parts.audio, at, pieces.audio),
        recording=parts.recording,
        names=names,
        shape=(len(names),),
        spread=spread,
        linear=parts.linear and pieces.linear,
        spec=f"{parts.spec} / {name}:{pieces.spec}",
        fills=tuple(None if fill is None else _in_place(fill, at, pieces.spread(fill[at])) for fill in parts.fills),
        fill_names=parts.fill_names,
        parents=(*parents[before], *[parents[at]] * len(pieces.names), *parents[after]),
    )


def _number(parts: Parts, name: str) -> int:
    if name in parts.names:
        return parts.names.index(name)
    there = ", ".join(parts.names)
    if "*" in name:
        raise ValueError(f"One part is split again at a time; got {name!r}. Name it ({there}), or split every part with "
                         f"the product {parts.spec} * KIND.")  # fmt: skip
    raise ValueError(f"There is no part {name!r} to split again; there is {there}.")


def _in_place(rows: Tensor, at: int, pieces: Tensor) -> Tensor:
    """Rows with one of them replaced by several."""
    return torch.cat([rows[:at], pieces, rows[at + 1 :]])
