"""Whether sampled values are right on average, and whether their intervals hold the truth as often as they say.

The full count, thousands of games for every method, is `benchmarks/intervals.py`.
"""

import pytest
import torch

from games import Game, random_unanimity, sigmoid
from hearwhy.attribution import METHODS
from laws import one_thread  # noqa: F401 (a fixture)

SAMPLED = [name for name, entry in METHODS.items() if entry.asks == "score" and entry.sampled]
D = 9
PAIRS = 60  # games with a seed each: of 540 intervals, nine a game and not independent, the share is known to about 1.5 %


def remembered(game: Game) -> Game:
    masks = torch.arange(2**D)[:, None] >> torch.arange(D) & 1
    answers, bit = game.play(masks.double()), 2 ** torch.arange(D)
    return Game((D,), lambda z: answers[(z.long() * bit).sum(1)])


def answered(method: str, pair: int, n_samples: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Error, standard error and margin, in units of the game's range of values."""
    game = sigmoid(D, seed=pair, pair=1.0) if pair % 2 else random_unanimity((D,), seed=pair, terms=30, targets=1)
    game, function = remembered(game), METHODS[method].function
    truth = function(game, (D,), n_samples=2**D).values[0].double()
    found = function(game, (D,), n_samples=n_samples, seed=pair)
    span = truth.max() - truth.min()
    return (found.values[0].double() - truth) / span, found.stderr[0].double() / span, found.margin()[0].double() / span


@pytest.mark.parametrize("method", SAMPLED)
def test_intervals_hold_the_truth_as_often_as_they_say(method):
    error, stderr, margin = (torch.stack(x) for x in zip(*(answered(method, pair, 180) for pair in range(PAIRS)), strict=True))
    inside = (error.abs() <= margin + 1e-6).double().mean().item()
    ratio = (stderr.square().mean().sqrt() / error.square().mean().sqrt()).item()
    assert 0.91 < inside < 0.99, inside
    assert 0.8 < ratio < 1.3, ratio


@pytest.mark.parametrize("method", [m for m in SAMPLED if METHODS[m].signed])
def test_values_are_right_on_average(method):
    game, function = remembered(sigmoid(D, seed=4, pair=1.0)), METHODS[method].function
    truth = function(game, (D,), n_samples=2**D).values[0].double()
    errors = torch.stack([function(game, (D,), n_samples=180, seed=s).values[0].double() - truth for s in range(40)])
    assert (errors.mean(0) / (errors.std(0) / 40**0.5)).abs().max() < 4
