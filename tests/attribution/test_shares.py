"""Sobol indices and HSIC: unsigned shares, by their definitions."""

import itertools
import sys

import pytest
import torch

from games import GAMES, Game, additive, sigmoid
from hearwhy.attribution import METHODS
from hearwhy.attribution.hsic import hsic
from hearwhy.attribution.sobol import sobol
from laws import one_thread  # noqa: F401 (a fixture)

SMALL = {name: GAMES[name] for name in ("glove", "xor", "airport", "sigmoid", "kinked")}
GAME = pytest.mark.parametrize("game", SMALL.values(), ids=SMALL)


def every(n: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=n)), dtype=torch.float64)


def by_variances(game: Game, order: str) -> torch.Tensor:
    """Total: the mean variance left when all but one are known; first: the variance of the mean given that one."""
    masks = every(game.n)
    scores, shares = game.play(masks), []
    for i in range(game.n):
        rest = [k for k in range(game.n) if k != i] if order == "total" else [i]
        blocks = [scores[(masks[:, rest] == key).all(1)] for key in masks[:, rest].unique(dim=0)]
        inside = torch.stack([block.var(0, correction=0) for block in blocks]).mean(0)
        means = torch.stack([block.mean(0) for block in blocks]).var(0, correction=0)
        shares.append(inside if order == "total" else means)
    return (torch.stack(shares) / scores.var(0, correction=0)).T


@GAME
@pytest.mark.parametrize("order", ["total", "first"])
def test_all_masks_give_the_variances_of_the_definition(game, order):
    torch.testing.assert_close(
        sobol(game, game.shape, order=order).values.double(), by_variances(game, order), rtol=0, atol=1e-6
    )


def test_an_additive_score_is_shared_by_squares():
    for order in ("total", "first"):
        assert sobol(additive([3.0, -4.0]), (2,), order=order).values[0].tolist() == pytest.approx([9 / 25, 16 / 25])


def test_one_or_the_other_matters_wholly_and_explains_nothing_alone():
    xor = Game((2,), lambda z: (z[:, :1] - z[:, 1:]).abs())
    assert sobol(xor, (2,)).values[0].tolist() == [1, 1]
    assert sobol(xor, (2,), order="first").values[0].tolist() == [0, 0]


@GAME
def test_all_masks_give_the_criterion_of_the_definition(game):
    """tr(K H L H), normalised by the same of each with itself."""
    masks = every(game.n)
    n = len(masks)
    centring = torch.eye(n, dtype=torch.float64) - 1 / n
    found = hsic(game, game.shape).values.double()
    for target, scores in enumerate(game.play(masks).T):
        gap = (scores[:, None] - scores).abs()
        output = torch.exp(-((gap / gap[gap > 1e-9].median()) ** 2) / 2)
        for i in range(game.n):
            own = (masks[:, i, None] == masks[:, i]).double()
            both, first, second = (
                (a @ centring @ b @ centring).trace() for a, b in ((own, output), (own, own), (output, output))
            )
            assert found[target, i].item() == pytest.approx(float(both / (first * second).sqrt()), abs=1e-6)


def test_a_score_that_is_one_component_depends_on_it_alone():
    assert hsic(lambda mask: 5.0 * mask[:, :1].double(), (3,)).values[0].tolist() == pytest.approx([1, 0, 0], abs=1e-7)


@pytest.mark.parametrize("method", ["sobol", "hsic"])
def test_samples_aim_at_what_all_masks_give(method):
    game, function = sigmoid(9, seed=6, targets=2), METHODS[method].function
    truth = function(game, (9,), n_samples=512).values.double()
    runs = [function(game, (9,), n_samples=400, seed=s) for s in range(30)]
    missed = torch.stack([run.values.double() - truth for run in runs])
    # Ratios of estimates are right up to terms of one over the masks, a hundredth here; the mean of 30 runs has an error too.
    assert (missed.mean(0).abs() - 4 * missed.std(0) / 30**0.5).max() < 0.01
    ratio = torch.stack([r.stderr for r in runs]).square().mean().sqrt() / missed.square().mean().sqrt()
    assert 0.8 < ratio < 1.3, ratio


@pytest.mark.parametrize("method", ["sobol", "hsic"])
def test_shares_do_not_change_with_the_unit_of_the_score(method):
    game, function = sigmoid(9, seed=1), METHODS[method].function
    scaled = Game((9,), lambda z: -1000 * game.play(z))
    first, second = (function(g, (9,), n_samples=200).values for g in (game, scaled))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["sobol", "hsic"])
def test_a_score_that_never_changes_has_no_shares(method):
    for n_samples in (200, 1024):
        found = METHODS[method].function(lambda mask: torch.full((len(mask), 1), 0.1), (10,), n_samples=n_samples)
        assert not found.values.any()


def test_hsic_in_pieces_is_hsic_at_once(monkeypatch):
    game = sigmoid(9, seed=2)
    whole = hsic(game, (9,), n_samples=300)
    monkeypatch.setattr(sys.modules["hearwhy.attribution.hsic"], "ROWS", 64)  # the name is the function's as well
    pieces = hsic(game, (9,), n_samples=300)
    torch.testing.assert_close(whole.values, pieces.values, rtol=0, atol=1e-6)
    torch.testing.assert_close(whole.stderr, pieces.stderr, rtol=0, atol=1e-6)


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match="sobol knows the orders 'total' and 'first'; got 'second'"):
        sobol(GAMES["glove"], (3,), order="second")
