"""Masks: from a map of values over (freq, frame) to what of the spectrogram is kept. `MASKS` is what everything else reads.

Every mask is a function ``(values, *, options) -> mask`` over maps (..., freq, frame), each map by itself; binary masks are
bool and applied by selection (`masked`). Ties always break alike: the lower frequency first, then the earlier frame. A map that
is not finite is refused; what a constant, all-zero or all-negative map gives stands in each docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from hearwhy.masks.applying import masked
from hearwhy.masks.binary import binary, n_kept, threshold_pos, top_k, top_k_pos
from hearwhy.masks.checking import ProtocolName, check_protocol
from hearwhy.masks.controls import CONTROLS, equal_area
from hearwhy.masks.nested import AREAS, nested_masks, steps
from hearwhy.masks.soft import minmax, minmax_pos, scaled_sigmoid, sigmoid, sigmoid_pos
from hearwhy.one_line import parse_call

__all__ = [
    "ALL_MASKS",
    "AREAS",
    "CONTROLS",
    "MASKS",
    "PAPER_MASKS",
    "Entry",
    "ProtocolName",
    "equal_area",
    "make_mask",
    "masked",
    "n_kept",
    "nested_masks",
    "parse_mask",
    "steps",
]


@dataclass(frozen=True)
class Entry:
    """A mask and what is known about it.

    Parameters
    ----------
    function
        ``(values, *, options) -> mask``.
    signed
        Whether it looks at the whole map; otherwise at its positive part.
    binary
        Whether the mask is bool.
    parameters
        Each option that shapes the mask, with the values published for it.
    """

    function: Callable[..., Tensor]
    signed: bool
    binary: bool
    parameters: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


_SHARES = (0.05, 0.3, 0.5)

MASKS: dict[str, Entry] = {
    "minmax": Entry(minmax, True, False),
    "sigmoid": Entry(sigmoid, True, False),
    "scaled_sigmoid": Entry(scaled_sigmoid, True, False),
    "binary": Entry(binary, True, True),
    "top_k": Entry(top_k, True, True, {"k": _SHARES}),
    "minmax_pos": Entry(minmax_pos, False, False),
    "sigmoid_pos": Entry(sigmoid_pos, False, False),
    "threshold_pos": Entry(threshold_pos, False, True, {"tau": (0.25, 0.5, 0.75)}),
    "top_k_pos": Entry(top_k_pos, False, True, {"k": _SHARES}),
}
"""Every mask by name; adding one is a function and a line here."""

PAPER_MASKS: dict[str, str] = {
    "minmax": "minmax",
    "sigmoid": "sigmoid",
    "bin": "binary",
    "topK_5": "top_k(k=0.05)",
    "topK_30": "top_k(k=0.3)",
    "topK_50": "top_k(k=0.5)",
    "minmax_pos": "minmax_pos",
    "sigmoid_pos": "sigmoid_pos",
    "pos_thresh_25": "threshold_pos(tau=0.25)",
    "pos_thresh_50": "threshold_pos(tau=0.5)",
    "pos_thresh_75": "threshold_pos(tau=0.75)",
    "topK_5_pos": "top_k_pos(k=0.05)",
    "topK_30_pos": "top_k_pos(k=0.3)",
    "topK_50_pos": "top_k_pos(k=0.5)",
}
"""The 14 masks of Pak & Teryokhina 2025 under their published names, in the one-line language."""

ALL_MASKS: dict[str, str] = PAPER_MASKS | {"scaled_sigmoid": "scaled_sigmoid"}
"""The published masks and ours: what an evaluation of all masks asks."""


def parse_mask(text: str, *, protocol: ProtocolName = "corrected") -> tuple[str, dict[str, Any], Entry]:
    """Return name, options and entry of ``"top_k(k=0.3)"`` or a published name; the protocol joins where it is taken.

    Parameters
    ----------
    text
        A name of `MASKS`, with options in brackets, or of `PAPER_MASKS`.
    protocol
        "corrected" or "paper", for the masks that differ; one that stands in the line itself goes before it.

    Raises
    ------
    ValueError
        No such mask, option or protocol.

    Examples
    --------
    >>> parse_mask("topK_30")[:2]
    ('top_k', {'k': 0.3, 'protocol': 'corrected'})
    """
    check_protocol(protocol)
    line = PAPER_MASKS.get(text.strip(), text)
    functions = {name: entry.function for name, entry in MASKS.items()}
    name, options = parse_call(line, functions, what="mask", example="top_k(k=0.3)", joining={"protocol": protocol})
    return name, options, MASKS[name]


def make_mask(text: str, values: Tensor, *, protocol: ProtocolName = "corrected") -> Tensor:
    """Return the mask that a line makes of values (..., freq, frame): bool where it is binary, else in [0, 1].

    Parameters
    ----------
    text
        See `parse_mask`.
    values
        Signed attribution, (..., freq, frame), finite.
    protocol
        "corrected" or "paper".

    Raises
    ------
    ValueError
        No such mask, option or protocol; values that no mask can be made of.

    Examples
    --------
    >>> import torch
    >>> make_mask("top_k(k=0.5)", torch.tensor([[3.0, 1.0, 2.0, 0.0]]))
    tensor([[ True, False,  True, False]])
    """
    _, options, entry = parse_mask(text, protocol=protocol)
    return entry.function(values, **options)
