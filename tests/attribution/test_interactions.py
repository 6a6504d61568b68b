"""Pairwise interactions: by the definition, by hand, and from a sample."""

import itertools
import math

import pytest
import torch

from games import GAMES, Game, random_unanimity, sigmoid, unanimity
from hearwhy.attribution.interactions import interactions
from laws import ROUNDING, one_thread, unit_of  # noqa: F401 (a fixture)


def by_definition(game: Game) -> torch.Tensor:
    """Grabisch and Roubens: what two add together beyond what each adds, weighted over the sets of the others."""
    n = game.n
    values = torch.zeros(len(game.ends[0]), n, n, dtype=torch.float64)
    for i, j in itertools.combinations(range(n), 2):
        others = [k for k in range(n) if k not in (i, j)]
        for size in range(n - 1):
            weight = math.factorial(size) * math.factorial(n - size - 2) / math.factorial(n - 1)
            for inside in itertools.combinations(others, size):
                z = torch.zeros(4, n, dtype=torch.float64)
                z[:, list(inside)] = 1
                z[0, [i, j]] = z[1, i] = z[2, j] = 1
                both, one, other, none = game.play(z)
                values[:, [i, j], [j, i]] += weight * (both - one - other + none)[:, None]
    return values


SMALL = {name: game for name, game in GAMES.items() if game.n <= 5} | {"six": sigmoid(6, seed=4, targets=2)}


@pytest.mark.parametrize("game", SMALL.values(), ids=SMALL)
def test_all_masks_give_the_index_of_the_definition(game):
    found = interactions(game, game.shape)
    torch.testing.assert_close(found.values.double(), by_definition(game), rtol=0, atol=ROUNDING * unit_of(game))
    assert found.stderr is None and found.n_calls == 2**game.n


def test_unanimity_games_by_hand():
    """All of k must be there: any two of them share 1 / (k - 1); here 5 for two, and 3 for three."""
    values = interactions(unanimity(4, {(0, 1): [5.0], (1, 2, 3): [3.0], (3,): [7.0]}), (4,)).values[0]
    expected = torch.tensor([[0.0, 5, 0, 0], [5, 0, 1.5, 1.5], [0, 1.5, 0, 1.5], [0, 1.5, 1.5, 0]])
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-6)


def test_a_single_component_interacts_with_nothing():
    assert interactions(sigmoid(1, seed=0, targets=3), (1,)).values.tolist() == [[[0.0]]] * 3


@pytest.mark.parametrize("n_samples", [100, 400])
def test_a_sample_is_right_on_average_and_knows_its_error(n_samples):
    game = sigmoid(9, seed=2, targets=2)
    truth = interactions(game, (9,), n_samples=512).values.double()
    runs = [interactions(game, (9,), n_samples=n_samples, seed=seed) for seed in range(30)]
    couples = ~torch.eye(9, dtype=torch.bool)
    missed = torch.stack([run.values.double() - truth for run in runs])[:, :, couples]
    stated = torch.stack([run.stderr.double() for run in runs])[:, :, couples]
    assert (missed.mean(0) / (missed.std(0) / 30**0.5)).abs().max() < 5  # 144 of them, 29 degrees of freedom
    ratio = stated.square().mean().sqrt() / missed.square().mean().sqrt()
    assert 0.8 < ratio < 1.25, ratio
    assert all(run.n_calls == n_samples for run in runs)


def test_interactions_of_two_alone_come_back_from_few_masks():
    """A quadratic score is what is fitted: 45 couples from 119 pairs at a time, without error but for the smallest penalty."""
    game = unanimity(10, {pair: [float(k % 7 - 3)] for k, pair in enumerate(itertools.combinations(range(10), 2))})
    truth = interactions(game, (10,), n_samples=1024).values
    torch.testing.assert_close(interactions(game, (10,), n_samples=300).values, truth, rtol=0, atol=1e-3)


def test_thirty_five_components_and_any_shape():
    game = random_unanimity((5, 7), seed=1, terms=60)
    found = interactions(game, (5, 7), n_samples=400)
    assert found.values.shape == found.stderr.shape == (2, 35, 35)
    assert torch.equal(found.values, found.values.mT) and not found.values.diagonal(dim1=1, dim2=2).any()


def test_too_few_masks_are_refused():
    with pytest.raises(ValueError, match="interactions needs at least 40 masks for 10 components; got n_samples=39"):
        interactions(sigmoid(10, seed=0), (10,), n_samples=39)
