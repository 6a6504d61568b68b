"""Values worked out by hand, and by brute force."""

import itertools

import pytest
import torch

from games import GAMES, Game, additive, airport, glove, random_unanimity, sigmoid, unanimity, xor
from hearwhy.attribution import METHODS, integrated_gradients, kernel_shap, lime, occlusion, shapley
from laws import ROUNDING, one_thread, unit_of  # noqa: F401 (a fixture)

KNOWN = {name: game for name, game in GAMES.items() if game.shapley is not None} | {
    "twelve": random_unanimity((3, 4), seed=6),
    "fifteen": random_unanimity((15,), seed=7, terms=30),
}


def by_permutations(game: Game) -> torch.Tensor:
    """Shapley values as defined: what each adds when it joins, averaged over all orders of joining."""
    total, orders = 0.0, list(itertools.permutations(range(game.n)))
    for order in orders:
        mask = torch.zeros(1, game.n, dtype=torch.bool)
        before = game(mask)[0]
        added = torch.zeros(len(before), game.n, dtype=torch.float64)
        for i in order:
            mask[0, i] = True
            after = game(mask)[0]
            added[:, i], before = after - before, after
        total = total + added
    return total / len(orders)


def by_swings(game: Game) -> torch.Tensor:
    """Banzhaf values as defined: what each adds, averaged over all sets of the others."""
    total = torch.zeros(len(game.ends[0]), game.n, dtype=torch.float64)
    for others in itertools.product([0.0, 1.0], repeat=game.n - 1):
        for i in range(game.n):
            sets = torch.tensor([[*others[:i], on, *others[i:]] for on in (1.0, 0.0)], dtype=torch.float64)
            total[:, i] += game.play(sets)[0] - game.play(sets)[1]
    return total / 2 ** (game.n - 1)


def assert_values(estimate, expected, game):
    torch.testing.assert_close(estimate.values.flatten(1).double(), expected, rtol=0, atol=ROUNDING * unit_of(game))


@pytest.mark.parametrize("game", KNOWN.values(), ids=KNOWN)
def test_shapley_values_are_those_of_the_textbook(game):
    assert_values(shapley(game, game.shape), game.shapley, game)


@pytest.mark.parametrize("game", KNOWN.values(), ids=KNOWN)
def test_kernel_shap_is_exact_where_it_may_ask_every_mask(game):
    estimate = kernel_shap(game, game.shape, n_samples=2**game.n)
    assert estimate.stderr is None and estimate.n_calls == 2**game.n
    assert_values(estimate, game.shapley, game)


@pytest.mark.parametrize("game", KNOWN.values(), ids=KNOWN)
def test_integrated_gradients_of_a_multilinear_game_are_its_shapley_values(game):
    """Owen 1972: along the diagonal the slopes integrate to them. Degree 4 here, at most 15, so 8 steps are exact."""
    assert_values(integrated_gradients(game, game.shape, n_steps=8), game.shapley, game)


@pytest.mark.parametrize("n", [2, 3, 5, 6])
def test_shapley_values_are_the_mean_over_all_orders(n):
    game = sigmoid(n, seed=n, targets=2)
    assert_values(shapley(game, (n,)), by_permutations(game), game)
    assert_values(kernel_shap(game, (n,)), by_permutations(game), game)


@pytest.mark.parametrize("name", ["glove", "airport", "sigmoid", "kinked", "unanimity"])
def test_lime_that_weighs_all_masks_alike_gives_banzhaf_values(name):
    """Least squares over all masks of equal weight: Hammer and Holzman 1992."""
    game = GAMES[name]
    assert_values(lime(game, game.shape, width=1e8), by_swings(game), game)


@pytest.mark.parametrize("name", ["glove", "airport", "sigmoid", "kinked", "unanimity"])
@pytest.mark.parametrize("method", ["banzhaf", "rise"])
def test_banzhaf_values_are_the_mean_over_all_sets_of_the_others(method, name):
    game = GAMES[name]
    assert_values(METHODS[method].function(game, game.shape), by_swings(game), game)


@pytest.mark.parametrize("method", ["permutation", "regression_adjusted"])
@pytest.mark.parametrize("game", KNOWN.values(), ids=KNOWN)
def test_other_estimates_of_shapley_values_are_exact_where_they_may_ask_every_mask(method, game):
    estimate = METHODS[method].function(game, game.shape, n_samples=2**game.n)
    assert estimate.stderr is None and estimate.n_calls == 2**game.n
    assert_values(estimate, game.shapley, game)


def test_the_textbook_games_are_what_they_say():
    """The games' own closed forms, by brute force: an error there would otherwise be everyone's."""
    for game in (glove(), xor(), airport(1.0, 2.0, 4.0, 7.0), unanimity(4, {(0, 2): [1.0], (0, 1, 3): [3.0]})):
        torch.testing.assert_close(by_permutations(game), game.shapley, rtol=0, atol=1e-12)


def test_occlusion_is_blind_to_what_is_there_twice():
    either = Game((2,), lambda z: 1 - (1 - z).prod(dim=1, keepdim=True))
    estimate = occlusion(either, (2,))
    assert estimate.values.tolist() == [[0.0, 0.0]]
    assert estimate.base.tolist() == [1.0]  # right for the recording as it is, not for silence
    assert shapley(either, (2,)).values.tolist() == [[0.5, 0.5]]


def test_occlusion_counts_what_is_done_together_for_each():
    both = unanimity(3, {(0, 1): [6.0, -2.0], (2,): [1.0, 1.0]})
    estimate = occlusion(both, (3,))
    assert estimate.values.tolist() == [[6.0, 6.0, 1.0], [-2.0, -2.0, 1.0]]
    assert estimate.base.tolist() == [7.0 - 13.0, -1.0 + 3.0]


def test_lime_with_the_locality_kernel_on_two_components_by_hand():
    """One interaction; weights 1, a, a, b for both, either, none: the normal equations have a solution on paper.

    Slope s, the same for both by symmetry, and intercept c minimise (1 - c - 2 s)^2 + 2 a (c + s)^2 + b c^2.
    """
    a, b = (torch.exp(torch.tensor(-((1 - k**0.5) ** 2) / 0.125, dtype=torch.float64)).item() for k in (0.5, 0.0))
    # d/dc: (1 + 2a + b) c + (2 + 2a) s = 1 ; d/ds: (2 + 2a) c + (4 + 2a) s = 2
    det = (1 + 2 * a + b) * (4 + 2 * a) - (2 + 2 * a) ** 2
    slope = ((1 + 2 * a + b) * 2 - (2 + 2 * a)) / det
    intercept = ((4 + 2 * a) - (2 + 2 * a) * 2) / det
    estimate = lime(unanimity(2, {(0, 1): [1.0]}), (2,))
    torch.testing.assert_close(estimate.values, torch.tensor([[slope, slope]]), rtol=0, atol=ROUNDING)
    torch.testing.assert_close(estimate.base, torch.tensor([intercept]), rtol=0, atol=ROUNDING)


def test_a_large_offset_does_not_drown_small_values():
    """Scores of a million with differences of a thousandth: float64 keeps seven digits of them, float32 none."""
    game = additive([0.001, -0.002, 0.003, 0.0], offset=1e6)
    for method in (shapley, kernel_shap, lime, occlusion):
        torch.testing.assert_close(method(game, (4,)).values.double(), game.shapley, rtol=0, atol=1e-9)
