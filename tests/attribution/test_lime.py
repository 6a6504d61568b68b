"""LIME as published, and without what was wrong with it."""

import warnings

import pytest
import torch

from games import GAMES, Game, additive, random_unanimity, sigmoid, unanimity
from hearwhy.attribution import METHODS, lime
from hearwhy.attribution.lime import surrogate
from laws import excess, one_thread, padded  # noqa: F401 (one_thread is a fixture)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sklearn.linear_model import Ridge


def published_weights(masks):
    """Written from the paper's text: sqrt(exp(-distance^2 / 0.25^2)), the cosine distance to all ones, 1 for none."""
    ones = torch.ones(masks.shape[1], dtype=torch.float64)
    cosine = torch.nn.functional.cosine_similarity(masks.double(), ones, dim=1)
    distance = torch.where(masks.any(dim=1), 1 - cosine, 1.0)
    return torch.sqrt(torch.exp(-(distance**2) / 0.25**2))


def asking(game, asked):
    return lambda mask: (asked.append(mask.clone()), game(mask))[1]


@pytest.mark.parametrize(("n", "n_samples"), [(1, 10), (5, 1000), (5, 20), (10, 1000), (10, 64), (35, 32), (35, 300)])
def test_the_published_protocol_equals_scikit_learns_ridge(n, n_samples):
    game, asked = sigmoid(n, seed=n, targets=2), []
    estimate = lime(asking(game, asked), (n,), n_samples=n_samples, protocol="paper", seed=3)
    masks = torch.cat(asked)
    weights = published_weights(masks).numpy()
    ridge = Ridge(alpha=1, fit_intercept=True).fit(masks.double().numpy(), game(masks).numpy(), sample_weight=weights)
    fit, base = surrogate(masks, game(masks), width=0.25, ridge=1.0)
    torch.testing.assert_close(fit.coefficients.T, torch.from_numpy(ridge.coef_), rtol=0, atol=1e-10)
    torch.testing.assert_close(base, torch.from_numpy(ridge.intercept_), rtol=0, atol=1e-10)
    assert torch.equal(estimate.values, fit.coefficients.T.float()) and torch.equal(estimate.base, base.float())
    assert estimate.stderr is None


def test_the_published_protocol_asks_all_masks_from_ones_to_zeros_or_coin_flips_after_ones():
    asked = []
    lime(asking(sigmoid(5, seed=0), asked), (5,), n_samples=32, protocol="paper")
    masks = torch.cat(asked)
    assert len(masks) == 32 == len({tuple(row) for row in masks.tolist()})
    assert masks[0].all() and not masks[-1].any()
    asked = []
    lime(asking(sigmoid(6, seed=0), asked), (6,), n_samples=63, protocol="paper")
    masks = torch.cat(asked)
    assert len(masks) == 63 and masks[0].all()
    assert len({tuple(row) for row in masks.tolist()}) < 55  # 63 draws out of 64 leave about 24 undrawn


def test_the_published_protocol_shrinks_a_linear_score_and_the_corrected_one_does_not():
    game = additive([1.0, 1.0, 1.0, 1.0, 1.0])
    shrunken = lime(game, (5,), protocol="paper").values / game.shapley
    assert shrunken.min() >= 0.67
    assert shrunken.max() <= 0.83
    sampled = [lime(game, (5,), protocol="paper", n_samples=n, seed=s).values.mean() for n in (20, 31) for s in range(5)]
    assert all(0.45 < value < 0.83 for value in sampled), sampled
    # 35 components and 32 masks: fewer masks than values, which only the penalty lets it fit at all.
    slopes = []
    for seed in range(40):
        large = additive(torch.randn(35, generator=torch.Generator().manual_seed(seed)).tolist())
        values = lime(large, (35,), protocol="paper", n_samples=32, seed=seed).values.double()
        slopes.append((values * large.shapley).sum() / large.shapley.square().sum())
    # Published: 0.58. One run spreads by 0.07, so the mean of 40 is known to 0.012.
    assert 0.53 < torch.stack(slopes).mean() < 0.63
    torch.testing.assert_close(lime(large, (35,)).values.double(), large.shapley, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["glove", "sigmoid", "kinked", "large sigmoid"])
def test_the_corrected_protocol_is_the_published_one_without_the_penalty(name):
    game = GAMES[name]
    masks = torch.cartesian_prod(*[torch.tensor([False, True])] * game.n).flip(0)
    design = torch.cat([torch.ones(len(masks), 1), masks], dim=1).double()
    weights = published_weights(masks)[:, None]
    expected = torch.linalg.solve(design.T @ (weights * design), design.T @ (weights * game(masks)))
    estimate = lime(game, game.shape, n_samples=2**game.n)
    torch.testing.assert_close(estimate.values.double(), expected[1:].T, rtol=0, atol=1e-5)
    torch.testing.assert_close(estimate.base.double(), expected[0], rtol=0, atol=1e-5)


def test_leverage_is_the_diagonal_of_the_hat_matrix_with_the_intercept():
    masks = torch.rand(30, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    fit, _ = surrogate(masks, sigmoid(6, seed=0)(masks), width=0.25, ridge=0.0)
    root = published_weights(masks).sqrt()[:, None]
    design = root * torch.cat([torch.ones(30, 1), masks], dim=1).double()
    hat = design @ torch.linalg.inv(design.T @ design) @ design.T
    torch.testing.assert_close(fit.leverage, hat.diagonal(), rtol=0, atol=1e-10)
    assert fit.leverage.sum().item() == pytest.approx(7)


def test_an_irrelevant_component_gets_a_little_from_the_kernel_and_nothing_without_it():
    game = padded(GAMES["glove"])
    near, alike = (lime(game, (4,), width=width).values.abs() for width in (0.25, 1e8))
    assert 0.001 < near[0, 3] / near[0].max() < 0.01
    assert excess(alike[None, :, 3].double(), 1.0) <= 1


@pytest.mark.parametrize(("n", "n_samples"), [(10, 44), (10, 100), (10, 600), (16, 64), (16, 200), (30, 1000)])
@pytest.mark.parametrize("kind", ["sigmoid", "unanimity"])
def test_the_standard_error_is_the_spread_over_seeds(kind, n, n_samples):
    """As for kernel_shap."""
    game = sigmoid(n, seed=5, targets=2) if kind == "sigmoid" else random_unanimity((n,), seed=5, terms=3 * n)
    runs = [lime(game, game.shape, n_samples=n_samples, seed=seed) for seed in range(60)]
    ratio = (
        torch.stack([r.stderr for r in runs]).mean(dim=0).sum() / torch.stack([r.values for r in runs]).std(dim=0).sum()
    ).item()
    assert 0.8 < ratio < 1.3, ratio


def test_a_sample_aims_at_what_all_masks_give():
    game = sigmoid(10, seed=6, targets=2)
    truth = lime(game, (10,), n_samples=1024).values
    runs = torch.stack([lime(game, (10,), n_samples=400, seed=seed).values - truth for seed in range(30)]).double()
    assert excess(runs, 1.0) <= 1


def test_pairs_cancel_an_interaction_that_single_masks_would_feel():
    """An even interaction is the same in a mask and its complement: with equal weights it moves no value at all."""
    game = Game((10,), lambda z: 2 * z[:, [3]] + 5 * (2 * z[:, [0]] - 1) * (2 * z[:, [1]] - 1))
    values = lime(game, (10,), n_samples=100, width=1e8).values[0]
    torch.testing.assert_close(values, 2.0 * (torch.arange(10) == 3), rtol=0, atol=1e-5)


def test_narrower_kernels_come_nearer_to_the_recording_itself():
    """Two that are only needed together: near the recording, where the other is there, each is worth everything."""
    game = unanimity(6, {(0, 1): [1.0]})
    values = [lime(game, (6,), width=width).values[0, 0].item() for width in (1e8, 0.25, 0.1)]
    assert values[0] == pytest.approx(0.5, abs=1e-6)
    assert values[0] < values[1] < values[2] < 1


@pytest.mark.parametrize("width", [0, 0.05, -1.0, float("nan"), "wide"])
def test_a_width_that_leaves_nothing_to_fit_is_refused(width):
    with pytest.raises(ValueError, match=r"lime needs a width of at least 0\.1; got .* The usual one is 0\.25\."):
        lime(GAMES["glove"], (3,), width=width)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match="lime knows the protocols 'corrected' and 'paper'; got 'old'"):
        lime(GAMES["glove"], (3,), protocol="old")


def test_the_published_protocol_takes_as_few_as_two_masks():
    assert lime(sigmoid(40, seed=0), (40,), protocol="paper", n_samples=2).n_calls == 2
    with pytest.raises(ValueError, match="needs at least 2 masks for 40 components; got n_samples=1"):
        METHODS["lime"].function(sigmoid(40, seed=0), (40,), protocol="paper", n_samples=1)
