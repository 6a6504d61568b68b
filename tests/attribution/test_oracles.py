"""The same values from tools that others wrote."""

import warnings

import numpy as np
import pytest
import torch

from games import GAMES, sigmoid
from hearwhy.attribution import integrated_gradients, kernel_shap, occlusion, shapley
from laws import one_thread  # noqa: F401 (a fixture)

with warnings.catch_warnings():  # what they warn of when imported is theirs
    warnings.simplefilter("ignore")
    shap = pytest.importorskip("shap")
    captum = pytest.importorskip("captum.attr")

SMALL = {name: game for name, game in GAMES.items() if game.n <= 5} | {"ten": sigmoid(10, seed=9, targets=2)}
GAME = pytest.mark.parametrize("game", SMALL.values(), ids=SMALL)
FLOAT32 = 1e-5  # our values and captum's are float32, of sizes up to 14


def as_arrays(game):
    """A game as shap wants it: rows of 0 and 1 in, one number a target out."""
    return lambda rows: game.play(torch.from_numpy(np.asarray(rows, dtype=np.float64))).numpy()


def targets_first(values):
    return torch.from_numpy(np.atleast_2d(np.asarray(values)[0].T).copy())  # shap drops the axis of a single target


@GAME
def test_shapley_equals_shaps_exact_explainer(game):
    masker = shap.maskers.Independent(np.zeros((1, game.n)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = shap.explainers.Exact(as_arrays(game), masker)(np.ones((1, game.n))).values
    torch.testing.assert_close(shapley(game, game.shape).values.double(), targets_first(expected), rtol=0, atol=FLOAT32)


@GAME
def test_kernel_shap_equals_shaps_where_both_ask_every_mask(game):
    if game.n < 2:
        pytest.skip("shap asks nothing of a single component")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = shap.KernelExplainer(as_arrays(game), np.zeros((1, game.n)))
        expected = explainer.shap_values(np.ones((1, game.n)), nsamples=2**game.n, l1_reg=0, silent=True)
    values = kernel_shap(game, game.shape, n_samples=2**game.n).values.double()
    torch.testing.assert_close(values, targets_first(expected), rtol=0, atol=FLOAT32)


@GAME
@pytest.mark.parametrize("target", [0, -1])
def test_captum_agrees(game, target):
    forward = lambda soft: game.play(soft.double())[:, target]
    ones, zeros = torch.ones(1, game.n), torch.zeros(1, game.n)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ig = captum.IntegratedGradients(forward).attribute(ones, zeros, n_steps=32, method="gausslegendre")
        ablated = captum.FeatureAblation(forward).attribute(ones, zeros)
        exact = captum.ShapleyValues(forward).attribute(ones, zeros) if game.n <= 5 else None
    for method, expected in ((integrated_gradients, ig), (occlusion, ablated), (shapley, exact)):
        if expected is not None:
            values = method(game, game.shape).values[target]
            torch.testing.assert_close(values.double(), expected[0].double(), rtol=0, atol=FLOAT32)
