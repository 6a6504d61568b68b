"""Games with known answers for `estimators.py`: synthetic ones, `band` on rendered songs, musicnn on any piece of music."""

from __future__ import annotations

import functools
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import hearwhy
from hearwhy.attribution import kernel_shap, lime, shapley
from hearwhy.components import product, segments, sources
from hearwhy.types import Recording

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from games import sigmoid, subgames

BUDGETS = {
    "games-8": [64], "games-12": [120], "games-16": [64, 160, 480, 1600], "sums-35": [300], "sums-40": [100], "sums-100": [500],
    "band-12": [360], "band-16": [160, 480], "band-36": [300], "musicnn-10": [100],
}  # fmt: skip
SPAN_S = 2.0  # of a song, as `band` hears at a time
MOST_LISTED = 16  # components up to which all masks are asked beforehand
CONVERGED = 16_000  # masks of the truth where they are too many to ask them all
TAGS = 5  # of each window, that musicnn is asked about
GROUP = 5  # components of a sum that interact
MUSIC: list[Path] = []  # where `musicnn` finds its music


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
        return sums(d, game)
    if d > MOST_LISTED:
        return converged(band(d, game), d)
    if name == "games":
        return listed(sigmoid(d, seed=game, pair=1.0).play(numbered(d).double()), d)
    answers = kept(kind, game // TAGS if name == "musicnn" else game)
    return listed(answers[:, game % TAGS : game % TAGS + 1] if name == "musicnn" else answers, d)


def numbered(d: int) -> Tensor:
    """All masks; bit i of the row keeps component i."""
    return (torch.arange(2**d)[:, None] >> torch.arange(d) & 1).bool()


def listed(answers: Tensor, d: int) -> Scene:
    """A game whose answers to all masks are known, by number."""
    bit = 2 ** torch.arange(d)

    def play(mask: Tensor) -> Tensor:
        return answers[(mask.long() * bit).sum(1)]

    return Scene(d, play, shapley(play, (d,)).values[0].double(), lime(play, (d,), n_samples=2**d).values[0].double())


def sums(d: int, game: int) -> Scene:
    """Sigmoids of five components each, looked up; the values are those of each five."""
    whole = subgames(d, seed=game)
    members = torch.randperm(d, generator=torch.Generator().manual_seed(game)).reshape(-1, GROUP)
    nothing = whole.play(torch.zeros(1, d).double())
    alone = torch.zeros(len(members), 2**GROUP, d).double()
    for k, mine in enumerate(members):
        alone[k][:, mine] = numbered(GROUP).double()
    table = whole.play(alone.flatten(0, 1)).reshape(len(members), -1) - nothing
    bit = 2 ** torch.arange(GROUP)

    def play(mask: Tensor) -> Tensor:
        number = (mask[:, members].long() * bit).sum(2)  # (mask, group)
        return table[torch.arange(len(members)), number].sum(1, keepdim=True) + nothing

    return Scene(d, play, whole.shapley[0])


def converged(play: Callable[[Tensor], Tensor], d: int) -> Scene:
    """A model too large to be asked every mask: its truth is an estimate from many more masks than anyone is given."""
    return Scene(d, play, kernel_shap(play, (d,), n_samples=CONVERGED, seed=10_000).values[0].double())


def kept(kind: str, number: int) -> Tensor:
    """Answers of a model to all masks, worked out once and kept in the temporary folder (delete after changing it)."""
    file = Path(tempfile.gettempdir()) / "hearwhy-benchmarks" / f"{kind}-{number}.pt"
    if not file.exists():
        name, d = kind.rsplit("-", 1)
        play = band(int(d), number) if name == "band" else musicnn(int(d), number)
        answers = torch.cat([play(chunk) for chunk in numbered(int(d)).split(256)])
        file.parent.mkdir(exist_ok=True)
        torch.save(answers, file)
    return torch.load(file, weights_only=True)


def band(d: int, span: int) -> Callable[[Tensor], Tensor]:
    """Return the log-odds of guitar, by masks of four stems x segments of two seconds of the demo song."""
    from hearwhy.datasets import demo_song

    stems = {path.stem: hearwhy.load(path) for path in sorted((demo_song() / "stems").glob("*.flac"))}
    rate = next(iter(stems.values())).sample_rate
    first = round(span * SPAN_S * rate)
    cut = {name: stem.audio[:, first : first + round(SPAN_S * rate)] for name, stem in stems.items()}
    mix = Recording(torch.stack(list(cut.values())).sum(0), rate, f"demo {span}")
    return _asked("band", product(sources(mix, cut), segments(mix, d // len(cut))), 1)


def musicnn(d: int, window: int) -> Callable[[Tensor], Tensor]:
    """Return the log-odds of the five likeliest tags, by masks of harmonic and percussive x segments of a window of music."""
    from hearwhy.separators.hpss import hpss

    if not MUSIC:
        raise ValueError("musicnn-* needs a piece of music; got none. Give one with --music FILE.")
    whole, length = hearwhy.load(MUSIC[0]), 3 * 16_000
    if whole.sample_rate != 16_000:
        raise ValueError(f"musicnn-* needs music at 16000 Hz; {MUSIC[0]} has {whole.sample_rate}. Convert it first.")
    first = 2 * window * length  # every other window
    part = Recording(whole.audio[:, first : first + length], whole.sample_rate, f"{whole.name} {window}")
    return _asked("musicnn", product(sources(part, hpss(part)), segments(part, d // 2)), TAGS)


def _asked(model: str, parts: object, n_targets: int) -> Callable[[Tensor], Tensor]:
    """The score of a model for masks that are rows, the likeliest targets on the whole recording first."""
    from hearwhy.asking import Predict
    from hearwhy.scoring import TargetScore

    classifier = hearwhy.classifier(model)
    predict = Predict(classifier, parts)
    likely = predict(torch.ones(1, *parts.shape)).mean(1)[0].topk(n_targets).indices if n_targets > 1 else [0]
    score = TargetScore(predict, [classifier.labels[int(i)] for i in likely])
    assert math.prod(parts.shape) <= 64
    return lambda mask: score(mask.reshape(-1, *parts.shape)).double()
