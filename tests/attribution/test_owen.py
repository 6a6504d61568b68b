"""Owen values: by hand, by all orders that keep groups together, and from a sample."""

import itertools

import pytest
import torch

from games import Game, glove, sigmoid
from hearwhy.attribution import kernel_shap, shapley
from hearwhy.attribution.owen import masks_needed, owen
from laws import ROUNDING, one_thread  # noqa: F401 (a fixture)


def by_orders(game: Game, groups: tuple[int, ...]) -> torch.Tensor:
    """What each adds when it joins, averaged over all orders in which groups come one after the other."""
    members = [[i for i, g in enumerate(groups) if g == group] for group in sorted(set(groups))]
    total, count = torch.zeros(len(game.ends[0]), game.n, dtype=torch.float64), 0
    for whole in itertools.permutations(members):
        for order in itertools.product(*[list(itertools.permutations(group)) for group in whole]):
            z = torch.zeros(1, game.n, dtype=torch.float64)
            before, count = game.play(z)[0], count + 1
            for i in itertools.chain(*order):
                z[0, i] = 1
                after = game.play(z)[0]
                total[:, i], before = total[:, i] + after - before, after
    return total / count


def between(game: Game, groups: tuple[int, ...]) -> torch.Tensor:
    """Shapley values of the game in which whole groups play."""
    named = sorted(set(groups))
    columns = torch.tensor([named.index(g) for g in groups])
    return shapley(lambda mask: game.play(mask[:, columns].double()), (len(named),)).values.double()


@pytest.mark.parametrize("groups", [(0, 0, 1, 1, 1, 2), (5, 2, 5, 2, 5, 2), (0, 1, 2, 3, 4, 5), (7,) * 6])
def test_exact_values_are_those_of_all_orders_that_keep_groups_together(groups):
    game = sigmoid(6, seed=1, targets=2)
    found = owen(game, (6,), groups=groups)
    torch.testing.assert_close(found.values.double(), by_orders(game, groups), rtol=0, atol=ROUNDING)
    assert found.stderr is None and found.n_calls == masks_needed(groups)


def test_two_left_gloves_that_bargain_together_get_half():
    assert owen(glove(), (3,), groups=(0, 0, 1)).values[0].tolist() == [0.25, 0.25, 0.5]
    assert masks_needed((0, 0, 1)) == 8


@pytest.mark.parametrize("n_samples", [60, 150, 1000])
def test_a_groups_parts_share_out_what_the_group_is_worth(n_samples):
    game, groups = sigmoid(12, seed=2, targets=2), (0,) * 5 + (1,) * 4 + (2,) * 2 + (3,)
    found = owen(game, (12,), groups=groups, n_samples=n_samples)
    shared = torch.stack([found.values[:, torch.tensor(groups) == g].sum(1) for g in range(4)], dim=1).double()
    torch.testing.assert_close(shared, between(game, groups), rtol=0, atol=8 * ROUNDING)
    assert found.n_calls <= n_samples and (found.stderr is None) == (n_samples == 1000)


def test_a_sample_is_right_on_average_and_knows_its_error():
    game, groups = sigmoid(12, seed=2, targets=2), (0,) * 5 + (1,) * 4 + (2,) * 2 + (3,)
    truth = owen(game, (12,), groups=groups).values.double()
    runs = [owen(game, (12,), groups=groups, n_samples=150, seed=seed) for seed in range(30)]
    missed = torch.stack([run.values.double() - truth for run in runs])[:, :, :11]
    assert (missed.mean(0) / (missed.std(0) / 30**0.5)).abs().max() < 4.5
    ratio = torch.stack([r.stderr for r in runs]).square().mean().sqrt() / missed.square().mean().sqrt()
    assert 0.8 < ratio < 1.25, ratio


@pytest.mark.parametrize("groups", [(0, 0, *range(1, 11)), (0, 0, 1, 1, *range(2, 10)), (0,) * 12, tuple(range(12))])
def test_the_fewest_masks_allowed_are_enough_whatever_the_groups(groups):
    found = owen(sigmoid(12, seed=2), (12,), groups=groups, n_samples=48)
    assert torch.isfinite(found.values).all() and torch.isfinite(found.stderr).all() and found.n_calls <= 48


def test_every_component_on_its_own_is_kernel_shap():
    game = sigmoid(12, seed=2)
    assert torch.equal(owen(game, (12,), n_samples=200).values, kernel_shap(game, (12,), n_samples=200).values)


def test_groups_must_be_named_for_every_component():
    with pytest.raises(ValueError, match=r"owen needs a group for each of the 3 components; got 2: groups=\(0, 1\)"):
        owen(glove(), (3,), groups=(0, 1))
