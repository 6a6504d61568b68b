"""Games with known answers for `estimators.py`: synthetic ones, and the model `band` on its demo song."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import hearwhy
from hearwhy.attribution import lime, shapley
from hearwhy.types import Recording

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from games import sigmoid, subgames

BUDGETS = {
    "games-8": [64], "games-12": [120, 360], "games-16": [160, 480], "sums-35": [300, 1000], "sums-100": [1000],
    "band-16": [160, 480],
}  # fmt: skip
SPAN_S = 2.0  # of the demo song, as the model hears at a time


@dataclass(eq=False)
class Scene:
    """A score of booleans that counts how often it was asked."""

    n: int
    play: Callable[[Tensor], Tensor]
    shapley: Tensor
    lime: Tensor | None = None
    calls: int = 0

    def __call__(self, mask: Tensor) -> Tensor:
        self.calls += len(mask)
        return self.play(mask)


@functools.lru_cache(maxsize=64)
def scene(kind: str, game: int) -> Scene:
    """Return the game of this kind and number."""
    name, n = kind.rsplit("-", 1)
    d = int(n)
    if name == "sums":
        sums = subgames(d, seed=game)
        return Scene(d, lambda mask: sums.play(mask.double()), sums.shapley[0])
    answers = band(game) if name == "band" else sigmoid(d, seed=game, pair=1.0).play(numbered(d).double())
    bit = 2 ** torch.arange(d)

    def play(mask: Tensor) -> Tensor:
        return answers[(mask.long() * bit).sum(1)]

    return Scene(d, play, shapley(play, (d,)).values[0].double(), lime(play, (d,), n_samples=2**d).values[0].double())


def numbered(d: int) -> Tensor:
    """All masks; bit i of the row keeps component i."""
    return (torch.arange(2**d)[:, None] >> torch.arange(d) & 1).bool()


def band(span: int) -> Tensor:
    """Return the log-odds of guitar for all 65536 masks of four stems x four segments of two seconds of the demo song."""
    from hearwhy.asking import Predict
    from hearwhy.components import product, segments, sources
    from hearwhy.datasets import demo_song
    from hearwhy.scoring import TargetScore

    stems = {path.stem: hearwhy.load(path) for path in sorted((demo_song() / "stems").glob("*.flac"))}
    model = hearwhy.classifier("band")
    rate = next(iter(stems.values())).sample_rate
    first = round(span * SPAN_S * rate)
    cut = {name: stem.audio[:, first : first + round(SPAN_S * rate)] for name, stem in stems.items()}
    mix = Recording(torch.stack(list(cut.values())).sum(0), rate, f"demo {span}")
    parts = product(sources(mix, cut), segments(mix, 4))
    score = TargetScore(Predict(model, parts), [model.labels[0]])
    masks = numbered(16).reshape(-1, *parts.shape)
    return torch.cat([score(chunk) for chunk in masks.split(1024)]).double()
