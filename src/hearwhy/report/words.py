"""Words: how numbers and names read in a sentence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

MANY = 4  # names that a sentence lists before it says "and 7 more"

Sentence = tuple[str, ...]
"""Pieces of text; those that are a `Name` came from a file or a model and are shown apart from our own words."""


Finding = tuple[str, str, Sentence]
"""(kind, severity, text); severity is "warning", "note" or "passed"."""


class Name(str):
    """A label or a component's name inside a sentence."""

    __slots__ = ()


def say(template: str, *fills: object) -> Sentence:
    """Return the pieces of `template` with each ``{}`` filled, names kept apart.

    Examples
    --------
    >>> "".join(say("The model says {}, {}.", Name("guitar"), 0.5))
    'The model says guitar, 0.5.'
    """
    texts = template.split("{}")
    if len(texts) != len(fills) + 1:
        raise ValueError(f"{template!r} has {len(texts) - 1} places; got {len(fills)} things to say.")
    pieces = [texts[0]]
    for fill, text in zip(fills, texts[1:], strict=True):
        pieces += [fill if isinstance(fill, Name) else str(fill), text]
    return tuple(piece for piece in pieces if piece)


def probability(p: float) -> str:
    """Return a probability as it is read: two digits, more only where two would claim certainty."""
    if p > 0.9995:
        return "> 0.999"
    if p < 0.0005:
        return "< 0.001"
    return f"{p:.3f}" if p > 0.995 or p < 0.005 else f"{p:.2f}"


def signed(value: float, digits: int = 2) -> str:
    """Return a number with its sign, a true minus, and no sign on zero."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else "\N{MINUS SIGN}") + text


def significant(value: float) -> str:
    """Return a number with its sign and two digits, however small it is; a true minus, and no sign on zero.

    Examples
    --------
    >>> significant(0.000123), significant(-0.0000123), significant(12.34)
    ('+0.00012', '\N{MINUS SIGN}1.2·10⁻⁵', '+12')
    """
    text, _, power = f"{abs(value):.2g}".partition("e")
    if float(text) == 0:
        return "0"
    if power:
        text += "·10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return ("+" if value > 0 else "\N{MINUS SIGN}") + text


def decibel(level: float | None) -> str:
    """Return a level in dB; silence has none."""
    return "silent" if level is None or level == -math.inf else f"{signed(level, 1)} dB"


def seconds(duration_s: float) -> str:
    """Return a duration as it is read: seconds, or minutes and seconds from two minutes on."""
    if duration_s < 120:
        return f"{duration_s:.1f} s"
    return f"{int(duration_s // 60)} min {int(duration_s % 60)} s"


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{100 * share:.0f} %"


def share(part: float) -> str:
    """Return a share in percent, of a small one its first digit too."""
    return percent(part) if part >= 0.01 or part == 0 else f"{100 * part:.1g} %"


def listing(names: Iterable[str]) -> str:
    """Return names in a row: "bass, drums and 3 more"."""
    names = list(names)
    if len(names) > MANY:
        return f"{', '.join(names[: MANY - 1])} and {len(names) - MANY + 1} more"
    return joined(names, "and")


def shared_start(names: Sequence[str]) -> str:
    """Return the words that all names begin with; windows of one file are told apart by what follows."""
    rows = [name.split(" ")[:-1] for name in names]
    same = itertools.takewhile(lambda words: len(set(words)) == 1, zip(*rows, strict=False))
    return "".join(f"{words[0]} " for words in same) if len(rows) > 1 else ""


def joined(names: Sequence[str], word: str) -> str:
    """Return names in a row with `word` before the last."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def megabytes(size: float) -> str:
    """Return a size in bytes as it is read."""
    return f"{size / 1e6:.1f} MB"
