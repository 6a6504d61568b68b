"""Attributions made by hand, for the page and the figures: no model is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from hearwhy.front_ends import FeatureTable, FrontEnd, Mfcc
from hearwhy.front_ends.naming import feature_names
from hearwhy.result import Attribution
from hearwhy.timeline import Timeline
from hearwhy.types import Recording
from hearwhy.vector import Vector

RATE = 16_000
LABELS = ("guitar", "piano")
GAINS_DB = [-12.0, -6.0, 6.0]
SETTINGS: dict[str, Any] = {
    "model": "band",
    "activation": "softmax",
    "window_s": 1.0,
    "n_windows": 4,
    "history": ["2 channels averaged to mono for the model"],
    "components": "sources:stems=stems",
    "fill": "silence",
    "gap_db": -math.inf,
    "method": "shapley",
    "scale": "log_odds",
    "seed": 0,
    "versions": {"hearwhy": "0.1.0", "torch": "2.13.0"},
}
EVIL = ("<img src=x onerror=alert(1)>", "a \"quoted\" & 'single' </script><script>alert(2)</script>", "🥁 toms\u2028x", "תופים")


def band(seconds: float = 4.0, *, rate: int = RATE, channels: int = 1, n: int = 4) -> Tensor:
    """Bass, drums, piano and strings, more or less; (part, channel, time)."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(round(seconds * rate)) / rate
    beat = time % 0.5
    bass = 0.2 * torch.sin(2 * math.pi * 55 * (1 + (time // 1 % 3) / 6) * time) * (1 - beat)
    drums = 0.3 * torch.randn(len(time), generator=generator) * torch.exp(-beat * 18)
    piano = sum(0.08 * torch.sin(2 * math.pi * f * time) * torch.exp(-3 * (time % 1)) for f in (262, 330, 392, 784))
    strings = 0.03 * torch.sin(2 * math.pi * 659 * time + 4 * torch.sin(2 * math.pi * 5 * time))
    parts = torch.stack([bass, drums, piano, strings, *(strings * 0.2 * i for i in range(1, n))][:n])
    return torch.stack([parts * (1 - 0.3 * c) for c in range(channels)], dim=1)


def masks(n: int) -> Tensor:
    return (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).to(torch.float64)


def additive(weights: Sequence[float], bias: float = 0.0) -> Callable[[Tensor], Tensor]:
    """Probabilities of (guitar, piano) whose log-odds add up."""

    def answer(mask: Tensor) -> Tensor:
        p = torch.sigmoid(mask @ torch.tensor(weights, dtype=torch.float64) + bias)
        return torch.stack([p, 1 - p], dim=1)

    return answer


def scene(
    weights: Sequence[float] = (0.9, 4.6, -2.4, 0.0),
    *,
    bias: float = 0.3,
    names: tuple[str, ...] = ("bass", "drums", "piano", "strings"),
    parts: Tensor | None = None,
    absent: tuple[int, ...] = (3,),
    **changes: Any,
) -> Attribution:
    """An attribution for guitar whose answers are those of an additive model; drums speak for it."""
    n = len(weights)
    parts = band(n=n) if parts is None else parts.clone()
    parts[list(absent)] *= 1e-5
    recording = Recording(parts.sum(dim=0), changes.pop("rate", RATE), changes.pop("title", "song.wav"))
    answer, eye = additive(weights, bias), torch.eye(n, dtype=torch.float64)
    ends = answer(torch.stack([torch.ones(n), torch.zeros(n)]).to(torch.float64))
    power = recording.audio.square().mean()
    levels = (10 * torch.log10(parts.square().mean(dim=(1, 2)) / power)).tolist()
    defaults = {
        "values": torch.tensor([list(weights)], dtype=torch.float32),
        "base": torch.tensor([bias]),
        "score_full": torch.tensor([sum(weights) + bias]),
        "score_base": torch.tensor([bias]),
        "shape": (n,),
        "names": names,
        "targets": ("guitar",),
        "labels": LABELS,
        "probabilities": ends[0].float(),
        "removed": ends[1].float(),
        "recording": recording,
        "sounds": lambda: parts,
        "n_calls": 4 * 2**n,
        "without": answer(1 - eye).float(),
        "absent": tuple(i in absent for i in range(n)),
        "levels_db": tuple(levels),
        "answers": answer(masks(n)).float() if n <= 8 else None,
        "fidelity": (0.97,),
        "interaction_share": (0.02,),
        "second_fill": {"fill": "noise", "top": "drums", "tops": ["drums"], "values": [list(weights)], "agrees": True},
        "level_check": {"gains_db": GAINS_DB, "probabilities": [[0.9, 0.1]] * 3, "top": ["guitar"] * 3, "matters": False},
        "settings": SETTINGS | {"n_masks": 2**n} | changes.pop("settings", {}),
    }
    return Attribution(**(defaults | changes))


def troubled() -> Attribution:
    """Everything that can limit an explanation at once."""
    return scene(
        stderr=torch.tensor([[0.3, 0.4, 0.3, 0.0]]), fidelity=(0.61,), interaction_share=(0.35,),
        second_fill={"fill": "noise", "top": "bass", "tops": ["bass"], "values": [[4.0, 1.0, 0.0, 0.0]], "agrees": False},
        level_check={"gains_db": [-12.0, -6.0, 6.0], "probabilities": [[0.39, 0.61], [0.7, 0.3], [0.99, 0.01]],
                     "top": ["piano", "guitar", "guitar"], "matters": True},
        settings={"gap_db": -32.0, "model": "band:bass", "fill": "background"},
    )  # fmt: skip


def tiled(n: int = 32) -> Attribution:
    """Too many components for switches: tiles of the song."""
    whole = band(n=4).sum(dim=0)
    edges = torch.linspace(0, whole.shape[1], n + 1).round().int().tolist()
    parts = torch.stack([torch.zeros_like(whole).index_copy(1, torch.arange(a, b), whole[:, a:b]) for a, b in pairwise(edges)])
    weights = [3 * math.sin(1.7 * i) / (1 + i / 6) for i in range(n)]
    names = tuple(f"{a / RATE:.2f}-{b / RATE:.2f} s" for a, b in pairwise(edges))
    return scene(weights, names=names, parts=parts, absent=(), stderr=torch.full((1, n), 0.21), without=None,
                 second_fill=None, settings={"method": "kernel_shap", "components": "segments:32"})  # fmt: skip


def nothing() -> Attribution:
    """The fill alone says guitar; what is there does not raise it."""
    return scene([0.02, -0.3, -0.4, 0.0], bias=3.4)


def evil() -> Attribution:
    """Names and labels that would break a page that trusts them."""
    made = scene(names=EVIL, title="<b>song</b>\u202e.wav")
    return replace(made, labels=("<img src=x onerror=alert(3)>", "</script>"), targets=("<img src=x onerror=alert(3)>",))


SCENES: dict[str, Callable[[], list[Attribution]]] = {
    "one": lambda: [scene()],
    "three": lambda: [scene(settings={"model": "band"}), scene([5.1, 0.4, -1.9, 0.0], settings={"model": "band:bass"}),
                      scene([0.1, -0.3, -3.6, 0.0], settings={"model": "band:independent"})],
    "tiles": lambda: [tiled()],
    "nothing": lambda: [nothing()],
    "troubled": lambda: [troubled()],
    "evil": lambda: [evil()],
}  # fmt: skip


MEAN = "mean of 240 training clips"
COEFFICIENTS = Mfcc(sample_rate=8000, n_mfcc=40, n_fft=256, hop_length=128, n_mels=40, length=60)  # hears the first 0.96 s
TABLE = FeatureTable(sample_rate=8000, features=("mfcc=2", "mel=3", "chroma", "centroid", "rms"))


def valued(
    weights: Sequence[float],
    front_end: FrontEnd = COEFFICIENTS,
    *,
    rows: Sequence[Sequence[int]] | None = None,
    names: Sequence[str] | None = None,
    known: bool = True,
    bias: float = 0.3,
    **changes: Any,
) -> Attribution:
    """An attribution over values of features whose answers are those of an additive model.

    What feature i is lies at 10 + i, what is usual at 10, and a standard deviation is 2: it is i / 2 of them above the usual.
    """
    n = len(weights)
    rows, every = rows or [[i] for i in range(n)], feature_names(front_end)[1]
    usual, spread = (torch.full((n,), number if known else math.nan) for number in (10.0, 2.0))
    vector = Vector(10.0 + torch.arange(n), usual, spread, tuple(tuple(mine) for mine in rows), front_end)
    defaults = {
        "names": tuple(names or (every[mine[0]] for mine in rows)), "parts": band(1.5, n=max(n, 4))[:n], "absent": (),
        "levels_db": (), "sounds": refused, "vector": vector, "second_fill": None, "level_check": None,
        "recording": Recording(band(1.5, channels=2).sum(dim=0), RATE, "clip.wav"),
        "settings": {"components": "vector", "fill": MEAN if known else "silence", "n_windows": 1},
    }  # fmt: skip
    return scene(weights, bias=bias, **(defaults | changes))


def refused() -> Tensor:
    raise AssertionError("values of features are no sounds; nothing may ask for their waveforms")


def coefficients() -> Attribution:
    """Forty MFCCs: too many to be switched, so the weaker are folded up."""
    weights = [3 * math.cos(1.3 * i) / (1 + i / 4) for i in range(40)]
    return valued(weights, without=None, stderr=torch.full((1, 40), 0.05), settings={"fill": MEAN, "method": "kernel_shap",
                  "components": "vector:mfcc=40", "n_windows": 1})  # fmt: skip


def table(**changes: Any) -> Attribution:
    """A small table: MFCCs, mel bands and chroma as one each, a pitch alone, and features with and without a sound."""
    rows = [[0], [1], [2], [2, 3], list(range(5, 17)), [5], [17], [18]]
    names = ("mfcc 0", "mfcc 1", "mel 0", "mel 0 to mel 1", "chroma", "chroma C", "centroid", "rms")
    return valued([2.0, -1.0, 0.5, 0.3, -0.2, 0.1, 1.0, -0.5], TABLE, rows=rows, names=names, **changes)


def of_targets(attribution: Attribution, *targets: str) -> Attribution:
    """The same values for several targets."""
    n, rest = len(targets), ("values", "stderr", "base", "score_full", "score_base")
    repeated = {key: getattr(attribution, key).repeat(n, *[1] * (getattr(attribution, key).ndim - 1)) for key in rest}
    return replace(attribution, targets=targets, fidelity=(0.9,) * n, interaction_share=(0.02,) * n, **repeated)


VALUES: dict[str, Callable[[], list[Attribution]]] = {
    "coefficients": lambda: [coefficients()],
    "table": lambda: [table()],
    "unknown": lambda: [valued([1.0, -0.5, 2.0], known=False)],
    "three": lambda: [valued([1.0, -0.5, 2.0])],
    "targets": lambda: [of_targets(coefficients(), "guitar", "piano", "guitar - piano")],
    "hostile": lambda: [valued([1.0, 2.0, -1.0], names=EVIL[:3], title="<b>clip</b>")],
}  # fmt: skip
"""Attributions over values of features."""


def timeline(n: int = 6, *, seconds: float = 0.5, silent: tuple[int, ...] = (2,), unexplained: tuple[int, ...] = (3,),
             **changes: Any) -> Timeline:  # fmt: skip
    """A timeline in which guitar gets ever more probable, and drums speak for it ever more."""
    shared = changes.pop("scene", {})
    parts, heard = band(seconds), []
    for i in range(n):
        weights = [0.9, 4.6 * i / n, -2.4, 0.0]
        made = None if i in silent + unexplained else scene(weights, parts=parts * (1 - i / (2 * n)), title=f"w {i}", **shared)
        heard.append(made)
    rows = torch.stack([additive([0.9, 4.6 * i / n, -2.4, 0.0], 0.3)(torch.ones(1, 4).double())[0] for i in range(n)]).float()
    rows[[i for i in silent if i < n]] = math.nan
    spans = tuple((i * seconds, (i + 1) * seconds) for i in range(n))
    return Timeline(
        **({"attributions": heard, "spans_s": spans, "probabilities": rows, "labels": LABELS, "name": "field.wav"} | changes)
    )


def evil_timeline() -> Timeline:
    """A timeline whose names and labels would break a page that trusts them."""
    labels = ("<img src=x onerror=alert(3)>", "</script>")
    found = timeline(scene={"names": EVIL}, labels=labels, name="<script>alert(4)</script>\u202e.wav")
    heard = [None if a is None else replace(a, labels=labels, targets=labels[:1]) for a in found.attributions]
    return replace(found, attributions=heard)
