"""Regression adjustment: the proxies' own values are exact, and what they miss is put right."""

import numpy as np
import pytest
import torch

from games import Game, sigmoid, subgames
from hearwhy.attribution import kernel_shap, proxies, shapley
from hearwhy.attribution.regression_adjusted import PROXIES, regression_adjusted
from laws import one_thread  # noqa: F401 (a fixture)


def error(values, truth):
    return float((values.double() - truth).square().sum() / truth.square().sum())


def signs(n_rows: int, n: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.rand(n_rows, n, generator=torch.Generator().manual_seed(seed)) < 0.5
    return 2 * drawn.double() - 1


def test_the_values_of_the_smooth_proxy_are_those_of_the_game_it_is():
    known, weights = signs(12, 7), torch.linspace(-1, 2, 12, dtype=torch.float64)
    reach, level = torch.linspace(0.05, 0.9, 7, dtype=torch.float64), torch.tensor(1.7, dtype=torch.float64)
    game = Game((7,), lambda z: (proxies._covariance(2 * z - 1, known, reach, level) @ weights)[:, None])
    # It is its own odd half: its values are those of the game score(mask) = f(mask).
    expected = shapley(game, (7,)).values[0].double()
    found = proxies._product_values(weights, known, reach, level)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_what_the_smooth_proxy_says_unseen_is_what_a_fit_without_the_row_says():
    rows, reach = signs(15, 5), torch.full((5,), 0.4, dtype=torch.float64)
    rows[0] = 1
    answers = torch.randn(15, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    level, noise = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.01, dtype=torch.float64)
    size = answers.square().mean().sqrt()

    def without(i: int) -> torch.Tensor:
        kept = torch.arange(15) != i
        matrix = proxies._covariance(rows[kept], rows[kept], reach, level) + noise * torch.eye(14, dtype=torch.float64)
        return proxies._covariance(rows, rows[kept], reach, level) @ torch.linalg.solve(matrix, answers[kept])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proxies, "_learnt", lambda known, odd: (reach, level, noise))
        found = proxies.smooth(rows, answers, 0)
    left_out = [without(i) for i in range(1, 15)]
    torch.testing.assert_close(found.unseen[1:], torch.stack([fit[i] for i, fit in enumerate(left_out, 1)]))
    torch.testing.assert_close(found.mean, torch.stack(left_out).mean(0))
    assert size > 0


def test_the_slope_of_the_likelihood_is_what_differences_say():
    rows, answers = signs(25, 6), torch.randn(25, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    free = torch.tensor([0.3, 0.2, 0.5, 0.1, 0.7, 0.4, 0.2, -2.0], dtype=torch.float64)
    _, slope = proxies._unlikely(free, rows, answers)
    for i in range(8):
        step = 1e-6 * torch.eye(8, dtype=torch.float64)[i]
        up, down = (proxies._unlikely(free + s, rows, answers)[0] for s in (step, -step))
        assert slope[i] == pytest.approx((up - down) / 2e-6, rel=1e-4, abs=1e-5)


def test_the_values_of_a_tree_are_those_of_the_game_it_is():
    from sklearn.tree import DecisionTreeRegressor

    game = sigmoid(6, seed=3)
    masks = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).double()
    tree = DecisionTreeRegressor(max_depth=5, random_state=0).fit(2 * masks.numpy() - 1, game.play(masks)[:, 0].numpy())
    played = Game((6,), lambda z: torch.from_numpy(tree.predict(np.asarray(2 * z - 1)))[:, None])
    expected = shapley(played, (6,)).values[0].double()
    torch.testing.assert_close(proxies._tree_values(tree.tree_, 6), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_that_is_wrong_does_no_harm_on_average(proxy, monkeypatch):
    """A model of something else altogether: values stay right, only their errors grow."""
    game, other = sigmoid(8, seed=1, pair=1.0), sigmoid(8, seed=2, pair=1.0)
    truth = shapley(game, (8,)).values[0].double()
    sizes = torch.linspace(1, 3, 8, dtype=torch.float64)

    def misled(rows: torch.Tensor, odd: torch.Tensor, seed: int) -> proxies.Proxy:
        said = rows @ sizes + (other.play((rows + 1) / 2) - other.play((1 - rows) / 2))[:, 0] / 2
        return proxies.Proxy(2 * sizes + shapley(other, (8,)).values[0].double(), said, said)

    monkeypatch.setitem(PROXIES, proxy, misled)
    runs = [regression_adjusted(game, (8,), n_samples=120, seed=s, proxy=proxy) for s in range(30)]
    missed = torch.stack([run.values[0].double() - truth for run in runs])
    assert (missed.mean(0) / (missed.std(0) / 30**0.5)).abs().max() < 4
    assert runs[0].stderr.mean() > 0


@pytest.mark.parametrize("scene", [sigmoid(12, seed=1, pair=1.0), subgames(35, seed=2)], ids=["twelve", "thirty-five"])
def test_the_smooth_proxy_halves_the_error_of_kernel_shap(scene):
    truth = scene.shapley[0] if scene.shapley is not None else shapley(scene, scene.shape).values[0].double()
    pairs = [
        (error(method(scene, scene.shape, n_samples=500, seed=seed).values[0], truth))
        for seed in range(4)
        for method in (regression_adjusted, kernel_shap)
    ]
    assert sum(pairs[0::2]) < sum(pairs[1::2]) / 2, pairs


def test_trees_help_where_the_score_jumps():
    def jumps(z):
        return ((z[:, 0] * z[:, 1] > 0) | (z[:, 2] * z[:, 3] * z[:, 4] > 0)).double()[:, None] + 0.2 * z[:, 5:6]

    game = Game((12,), jumps)
    truth = shapley(game, (12,)).values[0].double()
    trees, plain = (
        sum(error(m(game, (12,), n_samples=300, seed=s, **kept).values[0], truth) for s in range(3))
        for m, kept in ((regression_adjusted, {"proxy": "trees"}), (kernel_shap, {}))
    )
    assert trees < plain / 2, (trees, plain)


def test_more_rows_than_are_fitted_are_predicted(monkeypatch):
    monkeypatch.setattr(proxies, "MAX_FITTED", 60)
    monkeypatch.setattr(proxies, "MAX_LEARNT", 40)
    game = sigmoid(10, seed=0)
    truth = shapley(game, (10,)).values[0].double()
    found = regression_adjusted(game, (10,), n_samples=400)
    assert ((found.values[0].double() - truth).abs() < 5 * found.stderr[0]).all()


def test_an_unknown_proxy_is_refused():
    with pytest.raises(ValueError, match="regression_adjusted knows the proxies smooth, trees; got 'forest'"):
        regression_adjusted(sigmoid(5, seed=0), (5,), proxy="forest")
