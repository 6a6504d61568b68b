import pytest
import torch
from scipy.stats import spearmanr

from hearwhy.sanity.agreement import mean_of, rank_correlation, standard_ranks, top


def test_it_is_spearmans_correlation_ties_included():
    rows = torch.randint(0, 5, (40, 12), generator=torch.Generator().manual_seed(0)).float()
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert float(rank_correlation(first, second)) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


def test_a_constant_explanation_agrees_with_nothing_not_even_itself():
    flat = torch.full((5,), 0.3)
    assert float(rank_correlation(flat, torch.arange(5.0))) == 0
    assert float(rank_correlation(flat, flat)) == 0
    assert torch.equal(standard_ranks(flat), torch.zeros(5, dtype=torch.float64))


def test_nothing_is_most_important_where_nothing_speaks_for_the_target():
    assert top(torch.tensor([-1.0, 0.0])) is None
    assert top(torch.tensor([-1.0, 0.2, 0.1])) == 1


def test_one_group_has_a_mean_and_no_interval():
    one, two = mean_of([0.0, 1.0], ["a", "a"]), mean_of([0.0, 1.0], ["a", "b"])
    assert (one.mean, one.low, one.high) == (0.5, None, None)
    assert (two.low, two.high) == (0.0, 1.0)
