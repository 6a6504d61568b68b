"""Exact Shapley values: what they cost and when they are refused."""

import time

import pytest
import torch

from games import sigmoid
from hearwhy.attribution import shapley
from laws import one_thread  # noqa: F401 (a fixture)


@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_values_sum_to_the_score_difference_and_every_mask_is_asked_once(n):
    game = sigmoid(n, seed=n, targets=3)
    asked = []
    estimate = shapley(lambda mask: (asked.append(mask.clone()), game(mask))[1], (n,))
    ones, zeros = game.ends
    # Each of n values is rounded to float32 once.
    bound = n * torch.finfo(torch.float32).eps * estimate.values.abs().max().item()
    torch.testing.assert_close(estimate.values.double().sum(dim=1), ones - zeros, rtol=0, atol=bound)
    assert estimate.n_calls == 2**n == len({tuple(row) for row in torch.cat(asked).int().tolist()}) == len(torch.cat(asked))


def never(mask):
    raise AssertionError("nothing should be asked")


def test_forty_components_are_refused_before_anything_is_asked():
    with pytest.raises(
        ValueError, match=r"^exact shapley needs 2\*\*components masks, and 40 components would take 1\.1e\+12\. "
    ):
        shapley(never, (5, 8))
    with pytest.raises(ValueError, match=r"Use --method kernel_shap \(about 1000 masks\), or at most 16 components\.$"):
        shapley(never, (40,))
    with pytest.raises(ValueError, match=r"'kernel_shap\(n_samples=1600\)' \(about 1600 masks\)"):
        shapley(never, (400,))
    with pytest.raises(ValueError, match=r"and 2000 components would take 1\.1e\+602\. "):
        shapley(never, (2000,))


def test_a_slow_model_is_refused_after_128_masks_with_the_forecast():
    game, asked = sigmoid(12, seed=0), []

    def slow(mask):
        asked.append(len(mask))
        time.sleep(0.002 * len(mask))
        return game(mask)

    with pytest.raises(
        ValueError, match=r"would take about [\d.]+ s for 2\*\*12 = 4096 masks, longer than max_s=1\. Use --method"
    ):
        shapley(slow, (12,), max_s=1.0)
    assert sum(asked) == 129  # and the empty one


@pytest.mark.parametrize("slow_one", [2, 3])
def test_one_slow_batch_alone_is_forgiven(slow_one):
    """A model that loads or compiles when first asked, or was held up once, must not be taken for a slow one."""
    game, asked = sigmoid(10, seed=0), []

    def warming_up(mask):
        asked.append(len(mask))
        if len(asked) == slow_one:  # the first was the empty mask
            time.sleep(0.3)  # 64 masks in 0.3 s: all 1024 in 4.8 s
        return game(mask)

    assert shapley(warming_up, (10,), max_s=2.0).n_calls == 1024


@pytest.mark.parametrize("max_s", [0, -1.0, float("nan")])
def test_a_limit_that_allows_nothing_is_refused(max_s):
    with pytest.raises(ValueError, match="max_s must be a positive number of seconds; got"):
        shapley(never, (3,), max_s=max_s)
