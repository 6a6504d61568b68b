"""Statistics of many explanations, against counts and numbers worked out by hand."""

from collections import Counter

import numpy as np
import pytest
import torch
from insight_scenes import confounded, explanation, insight, snippet

from hearwhy.insight import NOTHING
from hearwhy.insight.statistics import (
    confusion,
    correlation,
    energy,
    faithfulness,
    profiles,
    separation,
    share,
    top_shares,
)
from hearwhy.metrics.statistics import bootstrap_mean


def test_the_confusion_matrix_counts_what_matters_most_and_what_is_loudest():
    cells = {(cell.true, cell.predicted): cell for cell in confusion(confounded(40).views[0])}
    assert set(cells) == {("guitar", "guitar"), ("piano", "guitar"), ("guitar", "piano"), ("piano", "piano")}
    assert cells["piano", "guitar"].tops == Counter({"drums": 10}) and cells["piano", "guitar"].n == 10
    assert cells["guitar", "piano"].tops == Counter({NOTHING: 10})
    assert cells["piano", "guitar"].loudest == Counter({"piano": 10})  # the first component is the loudest in the scene


def test_without_true_labels_there_is_a_row_only_for_each_prediction():
    cells = confusion(insight(*(snippet(i, {"a": 1.0}) for i in range(3))).views[0])
    assert [(cell.true, cell.predicted, cell.n) for cell in cells] == [(None, "guitar", 3)]


def test_agreement_with_energy_and_what_chance_would_give():
    # tops: a a a b; loudest: a a b b
    rows = [snippet(i, {"a": float(i < 3), "b": float(i == 3)}, levels={"a": -9.0 + 6 * (i < 2), "b": -6.0}) for i in range(4)]
    found = energy(insight(*rows).views[0])
    assert found.agreement.mean == 0.75
    assert found.by_chance == pytest.approx(0.75 * 0.5 + 0.25 * 0.5)
    assert found.kappa == pytest.approx(0.5) and found.random == 0.5


def test_components_without_a_level_are_not_compared_with_energy():
    assert energy(insight(snippet(0, {"mfcc 1": 1.0}, levels={"mfcc 1": None})).views[0]) is None


def test_a_share_is_resampled_over_recordings():
    groups = ["a", "a", "a", "b"]
    found = share([True, True, True, False], groups)
    interval = bootstrap_mean(torch.tensor([1.0, 1, 1, 0]), groups, n_resamples=2000)
    assert (found.mean, found.low, found.high) == (0.75, float(interval.low), float(interval.high))
    assert share([True, False], ["a", "a"]).low is None
    assert {name: round(s.mean, 2) for name, s in top_shares(confounded(40).views[0]).items()} == {"drums": 0.5, NOTHING: 0.5}


def test_profiles_are_means_over_the_snippets_that_have_the_component():
    found = insight(
        snippet(0, {"a": 1.0, "b": 5.0}), snippet(1, {"a": 3.0}), snippet(2, {"a": 2.0, "b": 0.0}, absent=("b",)),
        snippet(3, {"c": 1.0}, target="piano"),
    )  # fmt: skip
    guitar, piano = profiles(found)
    assert (guitar.target, guitar.n, guitar.n_groups) == ("guitar", 3, 3) and guitar.n_present.tolist() == [3, 1, 0]
    np.testing.assert_array_equal(guitar.mean, [2.0, 2.5, np.nan])
    expected = bootstrap_mean(torch.tensor([1.0, 3.0, 2.0]), ["song 0", "song 1", "song 2"], n_resamples=2000)
    assert (guitar.low[0], guitar.high[0]) == (float(expected.low), float(expected.high))
    # b is there in songs 0 and 2 only: it is resampled over these
    expected = bootstrap_mean(torch.tensor([5.0, 0.0]), ["song 0", "song 2"], n_resamples=2000)
    assert (guitar.low[1], guitar.high[1]) == (float(expected.low), float(expected.high))
    assert piano.mean[2] == 1.0 and np.isnan(piano.low).all()  # one recording has no interval
    assert [profile.target for profile in profiles(found, most=1)] == ["guitar"]


def test_intervals_of_profiles_are_over_recordings_and_not_over_snippets():
    values, groups = [1.0, 1.0, 1.0, 5.0, 2.0], ["x", "x", "x", "y", "z"]
    rows = [snippet(i, {"a": value}, group=group) for i, (value, group) in enumerate(zip(values, groups, strict=True))]
    (found,) = profiles(insight(*rows))
    expected = bootstrap_mean(torch.tensor(values), groups, n_resamples=2000)
    assert (found.low[0], found.high[0]) == (float(expected.low), float(expected.high)) and found.n_groups == 3


def test_correlations_are_pearsons():
    pairs = np.array([[0.0, 1.0], [1.0, 3.0], [2.0, 2.0]])
    assert correlation(pairs) == pytest.approx(0.5)
    assert correlation(pairs[:2]) is None and correlation(np.array([[1.0, 1], [1, 2], [1, 3]])) is None


def test_faithfulness_is_told_for_all_and_for_each_recording():
    checks = {0: ((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)), 1: ((0.0, 2.0), (1.0, 1.0), (2.0, 0.0))}
    rows = [snippet(i, {"a": 1.0}, explanations=(explanation("guitar", {"a": 1.0}, checks=checks[i]),)) for i in (0, 1)]
    found = faithfulness(insight(*rows).views[0])
    assert [(row.name, row.n, row.r) for row in found] == [("", 2, None), ("song 0", 1, None), ("song 1", 1, None)]
    assert [row.r_fresh for row in found] == pytest.approx([0.0, 1.0, -1.0])


def test_separation_is_averaged_with_what_it_gained():
    rows = [
        snippet(i, {"a": 1.0, "b": 1.0}, si_sdr_db=(10.0 + i, None), si_sdr_mix_db=(2.0, None)) for i in (0, 2)
    ]  # fmt: skip
    assert separation(insight(*rows)) == {"a": (11.0, 9.0, 2)}
