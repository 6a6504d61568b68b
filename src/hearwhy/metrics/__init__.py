"""Metrics: how good an explanation is, one function each; `METRICS` is what everything else reads.

A metric is a function of tensors, for many units (recordings under a condition) and masks at once, and needs no model: the
model's own numbers are stored by whoever asked it, so that a new metric needs no new run. Names are the papers':
``ff ai ad ag fid_in sps comp``. With ``heard_`` before it, a metric is of the re-analysed sound, which is what is heard, and
not of the masked features.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from hearwhy.masks.checking import ProtocolName
from hearwhy.metrics.choosing import SEVEN, Choice, choose
from hearwhy.metrics.conciseness import comp, sps
from hearwhy.metrics.curves import at_area, deletion_auc, insertion_auc
from hearwhy.metrics.fidelity import ad, ag, ai, ff, fid_in
from hearwhy.metrics.sound import LIMIT_DB, log_spectral_distance, si_sdr
from hearwhy.metrics.statistics import Interval, bootstrap_difference, bootstrap_mean, holm, sign_flip_p
from hearwhy.types import Activation

__all__ = [
    "METRICS",
    "SEVEN",
    "Choice",
    "Entry",
    "Interval",
    "at_area",
    "bootstrap_difference",
    "bootstrap_mean",
    "choose",
    "evaluate",
    "heard",
    "holm",
    "sign_flip_p",
]


@dataclass(frozen=True)
class Entry:
    """A metric and what is known about it.

    Parameters
    ----------
    function
        Tensors to one number for each unit and mask.
    higher_is_better
        Its direction.
    lowest, highest
        Its range.
    needs
        What it must be given: the function's parameter to the quantity's name in `evaluate`.
    unit
        "" (none), "%", "nat" or "dB".
    """

    function: Callable[..., Tensor]
    higher_is_better: bool
    lowest: float
    highest: float
    needs: Mapping[str, str]
    unit: str = ""


def heard(entry: Entry) -> Entry:
    """Return the same metric, given the model's numbers for the re-analysed sound instead of the masked features."""
    needs = {
        parameter: f"heard_{name}" if name in ("logits_in", "logits_out") else name for parameter, name in entry.needs.items()
    }
    return replace(entry, needs=needs)


_KEPT = {"logits": "logits", "logits_in": "logits_in"}
_REMOVED = {"logits": "logits", "logits_out": "logits_out"}
_SOUNDS = {"sound": "sound", "recording": "recording"}

_OF_THE_MODEL: dict[str, Entry] = {
    "ff": Entry(ff, True, -1, 1, _REMOVED),
    "ai": Entry(ai, True, 0, 100, _KEPT, "%"),
    "ad": Entry(ad, False, 0, 100, _KEPT, "%"),
    "ag": Entry(ag, True, 0, 100, _KEPT, "%"),
    "fid_in": Entry(fid_in, True, 0, 1, _KEPT),
}

METRICS: dict[str, Entry] = {
    **_OF_THE_MODEL,
    "sps": Entry(sps, True, 0, 1, {"values": "mask"}),
    "comp": Entry(comp, False, 0, math.inf, {"values": "mask"}, "nat"),
    "sps_map": Entry(sps, True, 0, 1, {"values": "values"}),
    "comp_map": Entry(comp, False, 0, math.inf, {"values": "values"}, "nat"),
    **{f"heard_{name}": heard(entry) for name, entry in _OF_THE_MODEL.items()},
    "si_sdr": Entry(si_sdr, True, -LIMIT_DB, LIMIT_DB, _SOUNDS, "dB"),
    "log_spectral_distance": Entry(log_spectral_distance, False, 0, math.inf, _SOUNDS, "dB"),
    "insertion_auc": Entry(insertion_auc, True, -math.inf, math.inf, {"scores": "insertion_scores", "areas": "areas"}),
    "deletion_auc": Entry(deletion_auc, False, -math.inf, math.inf, {"scores": "deletion_scores", "areas": "areas"}),
}
"""Every metric by name; adding one is a function and a line here. `sps` and `comp` are of the mask, as published, and
`sps_map` and `comp_map` of the attribution map, as that paper's text says; the range of an AUC is the score's."""


def evaluate(
    given: Mapping[str, Any],
    names: Iterable[str] | None = None,
    *,
    activation: Activation = "softmax",
    protocol: ProtocolName = "corrected",
) -> dict[str, Tensor]:
    """Return every metric that can be computed from what is given, or those named, as float64 (unit, ...) tensors.

    Parameters
    ----------
    given
        Quantities by name. The model's own numbers: ``logits`` (unit, label), ``logits_in``, ``logits_out``, and of the
        re-analysed sound ``heard_logits_in``, ``heard_logits_out`` (unit, ..., label); ``target`` (unit,), else the top label;
        ``mask`` and ``values`` (unit, ..., freq, frame); ``sound`` and ``recording`` (..., time); ``insertion_scores`` and
        ``deletion_scores`` (..., step) with ``areas`` (step,).
    names
        Names of `METRICS`; None: all whose quantities are given.
    activation, protocol
        Joined where a metric takes them.

    Raises
    ------
    ValueError
        No such metric, a quantity that a named metric needs is missing, or what the metric itself refuses.

    Examples
    --------
    >>> import torch
    >>> p, p_in = torch.tensor([[0.8, 0.2]]), torch.tensor([[0.4, 0.6]])
    >>> {name: value.item() for name, value in evaluate({"logits": p, "logits_in": p_in}, activation="probability").items()}
    {'ai': 0.0, 'ad': 50.0, 'ag': 0.0, 'fid_in': 0.0}
    """
    possible = [name for name, entry in METRICS.items() if set(entry.needs.values()) <= given.keys()]
    wanted = possible if names is None else list(names)
    joining = {"activation": activation, "protocol": protocol, "target": given.get("target")}
    results = {}
    for name in wanted:
        if name not in METRICS:
            raise ValueError(f"There is no metric {name!r}; give one of {', '.join(METRICS)}.")
        entry = METRICS[name]
        missing = [need for need in entry.needs.values() if need not in given]
        if missing:
            raise ValueError(f"{name} needs {', '.join(entry.needs.values())}; not given: {', '.join(missing)}.")
        takes = inspect.signature(entry.function).parameters
        tensors = {parameter: given[need] for parameter, need in entry.needs.items()}
        results[name] = entry.function(**tensors, **{key: value for key, value in joining.items() if key in takes})
    return results
