"""Integrated gradients on scores whose integral is known."""

import pytest
import torch

from games import GAMES, Game, sigmoid
from hearwhy.attribution import integrated_gradients
from laws import ROUNDING, one_thread  # noqa: F401 (a fixture)


def gap(game, **options):
    """What the values miss of score(ones) - score(zeros), and the size of that."""
    ones, zeros = game.ends
    estimate = integrated_gradients(game, game.shape, **options)
    return (estimate.values.double().flatten(1).sum(dim=1) - (ones - zeros)).abs().max().item()


@pytest.mark.parametrize("n_steps", [1, 2, 5, 32])
def test_polynomials_are_exact_up_to_twice_the_steps(n_steps):
    """z^k integrates to 1 for every k; the slope k a^(k-1) has degree k - 1, and n points are exact up to 2 n - 1."""
    highest = 2 * n_steps
    power = lambda k: Game((1,), lambda z: z**k)
    for k in {1, n_steps, highest}:
        assert integrated_gradients(power(k), (1,), n_steps=n_steps).values.item() == pytest.approx(1, abs=k * ROUNDING)
    if n_steps <= 5:  # beyond, the error of the next degree is too small for float32 to show
        assert abs(integrated_gradients(power(highest + 1), (1,), n_steps=n_steps).values.item() - 1) > 1e-6


def test_a_product_is_shared_by_its_powers():
    """x^a y^b along the diagonal: slopes a t^(a+b-1) and b t^(a+b-1), so a / (a + b) and b / (a + b)."""
    game = Game((2,), lambda z: torch.stack([z[:, 0] ** 3 * z[:, 1], -4 * z[:, 0] * z[:, 1]], dim=1))
    expected = torch.tensor([[0.75, 0.25], [-2.0, -2.0]])
    torch.testing.assert_close(integrated_gradients(game, (2,)).values, expected, rtol=0, atol=4 * ROUNDING)


def test_smooth_scores_are_complete_to_rounding():
    assert gap(sigmoid(10, seed=1, targets=3)) < 10 * ROUNDING


def test_kinks_are_not_and_more_steps_help():
    few, many = gap(GAMES["kinked"], n_steps=32), gap(GAMES["kinked"], n_steps=1000)
    assert 100 * ROUNDING < few < 0.5
    assert many < few / 10


def test_the_score_is_asked_for_slopes_between_nothing_and_everything_only():
    game, seen = sigmoid(4, seed=0), []

    class Watched:
        __call__ = staticmethod(game)

        def gradient(self, mask):
            seen.append(mask)
            return game.gradient(mask)

    assert integrated_gradients(Watched(), (4,), n_steps=12).n_calls == 13
    soft = torch.cat(seen)
    assert soft.shape == (12, 4) and soft.dtype == torch.float32
    assert ((soft > 0) & (soft < 1)).all() and (soft == soft[:, :1]).all()


@pytest.mark.parametrize("n_steps", [0, -1, 1001, 2.5, "many", True])
def test_a_number_of_steps_out_of_range_is_refused(n_steps):
    with pytest.raises(ValueError, match=r"integrated_gradients takes 1 to 1000 steps; got n_steps=.*32 is usual"):
        integrated_gradients(GAMES["glove"], (3,), n_steps=n_steps)


def test_a_gradient_that_is_none_is_said_to_be_missing():
    class Blind:
        gradient = None
        __call__ = staticmethod(GAMES["glove"])

    with pytest.raises(ValueError, match=r"this model gives no gradients\. Use kernel_shap"):
        integrated_gradients(Blind(), (3,))
