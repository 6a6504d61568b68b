"""Components: what of a recording can be switched off, and the one-line language that says so.

``sources:stems=DIR``, ``sources:hpss`` and other separators, ``segments:N``, ``bands:N``, ``tiles:FxT``; ``A * B`` is the
product, ``A / drums:bands:6`` splits one part again. ``cells:quickshift``, ``cells:slic=N``, ``cells:felzenszwalb``,
``cells:tiles=FxT`` and ``features`` divide the spectrogram of a model that has a front end, ``vector`` the features that it is
given into their rows. A new kind is one function here and one line in `KINDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import overload

from torch import Tensor

from hearwhy.components.bands import bands, tiles
from hearwhy.components.cells import Cells, cells
from hearwhy.components.donors import with_donors
from hearwhy.components.drilling import drilled
from hearwhy.components.fills import FILLS, noise_floor, with_fill
from hearwhy.components.parts import ABSENT_DB, Parts, product
from hearwhy.components.segments import segments
from hearwhy.components.sources import sources
from hearwhy.components.vectors import vectors
from hearwhy.separators import conversions, separate, usage
from hearwhy.types import Classifier, Recording

__all__ = [
    "ABSENT_DB", "FILLS", "KINDS", "Cells", "Parts", "asks_for_stems", "bands", "cells", "components", "drilled", "is_drilled",
    "is_of_features", "is_vector", "noise_floor", "product", "segments", "sources", "tiles", "vectors", "with_donors",
    "with_fill",
]  # fmt: skip


@overload
def components(
    spec: str, recording: Recording, *, classifier: None = ..., stems: Mapping[str, Tensor] | None = ...
) -> Parts: ...
@overload
def components(
    spec: str, recording: Recording, *, classifier: Classifier, stems: Mapping[str, Tensor] | None = ...
) -> Parts | Cells: ...
def components(
    spec: str, recording: Recording, *, classifier: Classifier | None = None, stems: Mapping[str, Tensor] | None = None
) -> Parts | Cells:
    """Return what `spec` makes of `recording`.

    Parameters
    ----------
    spec
        One of the kinds above with its argument, or several joined by ``*``: ``"sources:stems=DIR * segments:4"``.
        ``,residual=drop`` after a separator leaves out what it misses. After `` / `` the name of a part and how to split it
        again, ``"sources:stems=DIR / drums:bands:6"``; its pieces, called "drums / 20-180 Hz", may be split in turn.
    recording
        What to take apart.
    classifier
        Whose spectrogram is divided, for ``cells:``, ``features`` and ``vector``; the others need none.
    stems
        True sources, name to waveform (channel, time), that ``sources:stems`` without a folder stands for.

    Returns
    -------
    Parts or Cells
        Waveforms that add up to the recording, or cells or rows of what the classifier's network is given.

    Raises
    ------
    ValueError
        The spec says nothing that is known, or does not fit the recording.
    TypeError
        Cells are asked of a classifier whose front end cannot be seen.

    Examples
    --------
    >>> import hearwhy, torch
    >>> tone = hearwhy.Recording(torch.sin(torch.arange(8000) / 5), 8000)
    >>> hearwhy.components("bands:3 * segments:2", tone).shape
    (3, 2)
    """
    if is_of_features(spec):
        return _cells(spec.strip(), recording, classifier)
    first, *splits = _steps(spec)
    whole = _product(first, recording, stems)
    for name, how in (_named(split) for split in splits):
        whole = drilled(whole, name, lambda part, how=how: _product(how, part))  # type: ignore[misc]
    steps = conversions(recording, spec)  # what separators did to it that work in another rate
    return replace(whole, recording=replace(recording, history=(*recording.history, *steps))) if steps else whole


def asks_for_stems(spec: str) -> bool:
    """Return whether a spec stands for true sources that are given beside it: ``sources:stems`` without a folder."""
    return any(_is_of_stems(factor.strip()) for factor in re.split(r"\s+[*/]\s+", spec))


def is_drilled(spec: str) -> bool:
    """Return whether a spec splits a part again."""
    return not is_of_features(spec) and len(_steps(spec)) > 1


def is_of_features(spec: str) -> bool:
    """Return whether a spec divides what a network is given, for which the classifier is needed."""
    return is_vector(spec) or _kind(spec) in ("cells", "features")


def is_vector(spec: str) -> bool:
    """Return whether a spec makes a component of every row of the features."""
    return _kind(spec) == "vector"


def _kind(spec: str) -> str:
    return re.split(r"[:\s]", spec.strip(), maxsplit=1)[0]


def _cells(spec: str, recording: Recording, classifier: Classifier | None) -> Cells:
    kind, _, how = spec.partition(":")
    if " * " in spec or " / " in spec or (kind == "features" and how):
        raise ValueError(
            f"What divides a model's own features cannot be multiplied or split again, and features take nothing; got {spec!r}."
        )
    if classifier is None:
        raise ValueError(f"{spec} divides what a model is given: give the classifier too, or use `hearwhy explain --model`.")
    if kind == "vector":
        return vectors(recording, classifier, how)
    return cells(recording, classifier, "every" if kind == "features" else how)


def _steps(spec: str) -> list[str]:
    """The first split, and each PART:KIND:ARGUMENT after a `` / ``; a part may have such a sign in its name."""
    first, *pieces = (piece.strip() for piece in re.split(r"\s+/\s+", spec))
    steps, name = [first], ""
    for piece in pieces:
        name += f" / {piece}" if name else piece
        if re.match(_SPLIT, name):
            steps.append(name)
            name = ""
    return [*steps, name] if name else steps


def _named(split: str) -> tuple[str, str]:
    found = re.match(_SPLIT, split)
    if not found:
        raise ValueError(f"After / stands the name of a part and how to split it ({', '.join(KINDS)}), as in drums:bands:6; "
                         f"got {split!r}.")  # fmt: skip
    return found[1].strip(), found[2]


def _product(spec: str, recording: Recording, stems: Mapping[str, Tensor] | None = None) -> Parts:
    made = [_one(factor.strip(), recording, stems) for factor in re.split(r"\s+\*\s+", spec.strip())]
    whole = made[0]
    for factor in made[1:]:
        whole = product(whole, factor)
    return whole


def _one(spec: str, recording: Recording, stems: Mapping[str, Tensor] | None) -> Parts:
    kind, _, argument = spec.partition(":")
    if stems is not None and _is_of_stems(spec):
        return _completed(recording, stems, argument)
    if kind not in KINDS:
        raise ValueError(f"There are no components {spec!r}; give one of {', '.join(USAGE)}.")
    return KINDS[kind](recording, argument)


def _sources(recording: Recording, argument: str) -> Parts:
    return _completed(recording, separate(recording, argument.partition(",residual=")[0]), argument)


def _completed(recording: Recording, estimates: Mapping[str, Tensor], argument: str) -> Parts:
    residual = argument.partition(",residual=")[2] or "part"
    return sources(recording, estimates, residual=residual, spec=f"sources:{argument}")  # type: ignore[arg-type]


def _is_of_stems(spec: str) -> bool:
    return spec.partition(",residual=")[0] == "sources:stems"


def _number(kind: str, argument: str) -> int:
    if not re.fullmatch(r"\d+", argument):
        raise ValueError(f"{kind} takes a whole number, as in {kind}:8; got {kind}:{argument}.")
    return int(argument)


def _segments(recording: Recording, argument: str) -> Parts:
    return segments(recording, _number("segments", argument))


def _bands(recording: Recording, argument: str) -> Parts:
    return bands(recording, _number("bands", argument))


def _tiles(recording: Recording, argument: str) -> Parts:
    size = re.fullmatch(r"(\d+)x(\d+)", argument)
    if not size:
        raise ValueError(f"tiles takes bands x segments, as in tiles:4x8; got tiles:{argument}.")
    return tiles(recording, int(size[1]), int(size[2]))


KINDS: dict[str, Callable[[Recording, str], Parts]] = {
    "sources": _sources,
    "segments": _segments,
    "bands": _bands,
    "tiles": _tiles,
}
_SPLIT = rf"(.+?):((?:{'|'.join(KINDS)})(?::.*)?)$"
USAGE = {
    **{f"sources:{line}": about for line, about in usage().items()},
    "segments:N": "N equal spans of time",
    "bands:N": "N bands of frequency from 0 Hz to Nyquist, the inaudible one named",
    "tiles:FxT": "F bands x T segments",
    "A * B": "the product, as in sources:stems=DIR * segments:4",
    "A / PART:B": "one part split again, as in sources:stems=DIR / drums:bands:6",
    "cells:quickshift": "patches of alike bins of the model's own spectrogram; also cells:slic=N, cells:felzenszwalb",
    "cells:tiles=FxT": "a grid over the model's own spectrogram",
    "features": "every bin of the model's own spectrogram, for methods that use its slope",
    "vector": "every row of the model's own features; vector:mfcc=40 says how many, fewer make groups of neighbours",
    "vector:features": "every feature of a table, the twelve values of chroma as one",
}
