"""Intervals and tests against closed forms and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from hearwhy.metrics import statistics
from hearwhy.metrics.statistics import bootstrap_difference, bootstrap_mean, holm, sign_flip_p


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_interval_of_a_mean_is_the_normal_one_and_scipys():
    values = 0.4 + normal(80)
    interval = bootstrap_mean(values, range(80))
    error = float(values.std(correction=0)) / math.sqrt(80)
    # a resampled quantile's own error at 10,000 draws is about 0.027 standard errors; the shape is off by less than that
    assert interval.mean.item() == pytest.approx(values.mean().item())
    assert interval.low.item() == pytest.approx(values.mean().item() - 1.96 * error, abs=0.12 * error)
    assert interval.high.item() == pytest.approx(values.mean().item() + 1.96 * error, abs=0.12 * error)
    scipys = stats.bootstrap((values.numpy(),), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(0))
    assert interval.low.item() == pytest.approx(scipys.confidence_interval.low, abs=0.12 * error)
    assert interval.high.item() == pytest.approx(scipys.confidence_interval.high, abs=0.12 * error)
    z = 2 * stats.norm.sf(values.mean().item() / error)
    assert z / 3 < interval.p.item() < 3 * z + 4e-4


def test_all_resamples_of_two_groups_are_known():
    # drawn aa 1/4, ab 1/2, bb 1/4; a holds three units, b one: means 0, 1, 4
    interval = bootstrap_mean(torch.tensor([0.0, 0.0, 0.0, 4.0]), ["a", "a", "a", "b"], confidence=0.4)
    assert (interval.mean, interval.low, interval.high, interval.n_groups) == (1, 1, 1, 2)
    interval = bootstrap_mean(torch.tensor([0.0, 0.0, 0.0, 4.0]), ["a", "a", "a", "b"], confidence=0.9)
    assert (interval.low, interval.high) == (0, 4)
    assert pytest.approx(interval.p.item(), abs=0.03) == 2 * 0.25


def test_clips_of_one_source_count_once():
    once = 0.3 + normal(30)
    copies, sources = once.repeat_interleave(5), torch.arange(30).repeat_interleave(5).tolist()
    right, single, wrong = bootstrap_mean(copies, sources), bootstrap_mean(once, range(30)), bootstrap_mean(copies, range(150))
    torch.testing.assert_close(torch.stack([right.low, right.high]), torch.stack([single.low, single.high]))
    assert (wrong.high - wrong.low) < 0.6 * (right.high - right.low)
    assert sign_flip_p(copies, sources) == sign_flip_p(once, range(30)) > sign_flip_p(copies, range(150))


def test_a_paired_difference_does_not_see_what_both_sides_share():
    shared, noise = 10 * normal(40, 3), 0.1 * normal(40, 3, seed=1)
    first, second = shared + noise + 0.2, shared
    interval = bootstrap_difference(first, second, range(40))
    assert (interval.low > 0.1).all() and (interval.high < 0.3).all() and interval.mean.shape == (3,)
    column = bootstrap_difference(first[:, 1], second[:, 1], range(40))
    assert column.low == interval.low[1] and column.p == interval.p[1]
    opposite = bootstrap_difference(second, first, range(40))
    torch.testing.assert_close(opposite.low, -interval.high)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    hits = 0
    for seed in range(150):
        source = 0.7 * normal(40, seed=seed).repeat_interleave(2) + normal(80, seed=1000 + seed)
        interval = bootstrap_mean(source, torch.arange(40).repeat_interleave(2).tolist(), n_resamples=500, seed=seed)
        hits += bool(interval.low <= 0 <= interval.high)
    assert 0.88 <= hits / 150 <= 0.99  # 95 % less what 40 groups cost, within 3 standard errors of a share of 150


def test_sign_flips_are_exact_for_few_groups_as_scipy_has_them():
    differences = torch.tensor([0.9, -0.2, 1.4, 0.3, 0.8, -0.1, 0.5, 0.7])
    scipys = stats.permutation_test(
        (differences.numpy(), np.zeros(8)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert sign_flip_p(differences, range(8)).item() == pytest.approx(scipys.pvalue)
    assert sign_flip_p(torch.ones(5), "abcde").item() == 2 / 2**5
    assert sign_flip_p(torch.tensor([1.0, -1.0]), "ab") == sign_flip_p(torch.zeros(3), "abc") == 1


def test_drawn_sign_flips_are_near_the_exact_ones_and_near_students():
    values = 0.35 + normal(60, 2)
    drawn = sign_flip_p(values, range(60))
    students = stats.ttest_1samp(values.numpy(), 0).pvalue
    np.testing.assert_allclose(drawn.numpy(), students, atol=4 * math.sqrt(0.05 / 10_000) + 0.005)
    assert sign_flip_p(torch.ones(40), range(40)).item() == 1 / 10_001
    few = values[:12]
    exact, sampled = sign_flip_p(few, range(12)), sign_flip_p(few, range(12), n_resamples=4000)
    assert (exact * 4096 % 1 == 0).all()
    assert ((exact - sampled).abs() < 4 * (exact * (1 - exact) / 4000).sqrt() + 1e-3).all()


def test_one_seed_one_answer_and_chunks_do_not_show(monkeypatch):
    values = normal(50, 2)
    first, again = bootstrap_mean(values, range(50), seed=3), bootstrap_mean(values, range(50), seed=3)
    assert torch.equal(first.low, again.low) and not torch.equal(first.low, bootstrap_mean(values, range(50), seed=4).low)
    flips = sign_flip_p(values, range(50))
    monkeypatch.setattr(statistics, "_MAX_CELLS", 50 * 64)
    torch.testing.assert_close(bootstrap_mean(values, range(50), seed=3).low, first.low)
    assert torch.equal(sign_flip_p(values, range(50)), flips)
    monkeypatch.setattr(statistics, "_MAX_CELLS", 8 * 16)
    assert sign_flip_p(torch.ones(8), range(8)).item() == 2 / 2**8


def test_holm_by_hand():
    p = torch.tensor([0.01, 0.04, 0.03, 0.005], dtype=torch.float64)
    torch.testing.assert_close(holm(p), torch.tensor([0.03, 0.06, 0.06, 0.02], dtype=torch.float64))
    assert holm(torch.tensor([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert holm(torch.tensor([0.2], dtype=torch.float64)).item() == 0.2 and holm(torch.zeros(0)).shape == (0,)
    many = torch.rand(30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (holm(many) >= many).all() and (holm(many) <= (many * 30).clamp(max=1)).all()


@pytest.mark.parametrize("function", [bootstrap_mean, sign_flip_p])
def test_what_cannot_be_resampled_is_refused(function):
    with pytest.raises(ValueError, match="at least 2 different ones; got 2 group names, 1 of them different"):
        function(torch.ones(2), ["a", "a"])
    with pytest.raises(ValueError, match="one group a unit"):
        function(torch.ones(3), ["a", "b"])
    with pytest.raises(ValueError, match="1 values are NaN or infinite; leave out such units on both sides"):
        function(torch.tensor([1.0, float("nan")]), ["a", "b"])
    with pytest.raises(ValueError, match="n_resamples must be a whole number from 1; got 0"):
        function(torch.ones(2), ["a", "b"], n_resamples=0)


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match=r"confidence must be between 0 and 1.*got 95"):
        bootstrap_mean(torch.ones(2), "ab", confidence=95)
    with pytest.raises(ValueError, match="same units on both sides"):
        bootstrap_difference(torch.ones(2), torch.ones(3), "ab")
    with pytest.raises(ValueError, match="p values from 0 to 1; got"):
        holm(torch.tensor([0.5, 1.5]))
