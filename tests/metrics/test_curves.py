"""Insertion, deletion and metrics at equal area."""

from __future__ import annotations

import pytest
import torch

from hearwhy.masks import masked, nested_masks, steps
from hearwhy.metrics.curves import at_area, deletion_auc, insertion_auc


def test_by_hand_on_uneven_areas():
    areas = torch.tensor([0.0, 0.1, 0.5, 1.0])
    scores = torch.tensor([[0.0, 0.5, 1.0, 1.0], [0.3, 0.3, 0.3, 0.3]])
    expected = torch.tensor([0.025 + 0.3 + 0.5, 0.3], dtype=torch.float64)
    torch.testing.assert_close(insertion_auc(scores, areas), expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(
        deletion_auc(scores[..., 1:3], areas[1:3]), torch.tensor([0.75, 0.3], dtype=torch.float64), atol=1e-7, rtol=0
    )


def test_the_true_map_inserts_best_and_deletes_fastest():
    truth = torch.rand(6, 7, generator=torch.Generator().manual_seed(0))
    features = torch.zeros(6, 7)

    def curves(values):
        pairs = [masked(features, mask) for mask in nested_masks(values, steps(14))]
        model = lambda kept: ((kept == 0) * truth).sum() / truth.sum()
        return tuple(torch.stack([model(pair[side]) for pair in pairs]) for side in (0, 1))

    def areas_under(values):
        inserted, deleted = curves(values)
        return insertion_auc(inserted, steps(14)).item(), deletion_auc(deleted, steps(14)).item()

    best, worst = areas_under(truth), areas_under(-truth)
    shuffled = areas_under(truth.flatten()[torch.randperm(42, generator=torch.Generator().manual_seed(1))].reshape(6, 7))
    assert best[0] > shuffled[0] > worst[0] and best[1] < shuffled[1] < worst[1]
    assert best[0] + best[1] == pytest.approx(1, abs=1e-6)  # an additive model: what is inserted is what is not deleted


def test_a_metric_is_read_between_the_areas_measured():
    areas, measured = torch.tensor([0.05, 0.1, 0.3]), torch.tensor([[1.0, 2.0, 6.0], [0.0, 0.0, 1.0]])
    for area, expected in ((0.05, [1, 0]), (0.1, [2, 0]), (0.15, [3, 0.25]), (0.3, [6, 1])):
        read = at_area(measured, areas, area)
        torch.testing.assert_close(read, torch.tensor(expected, dtype=torch.float64), atol=1e-6, rtol=0)  # areas in float32
    with pytest.raises(ValueError, match=r"go from 0\.05 to 0\.3; got 0\.5"):
        at_area(measured, areas, 0.5)


@pytest.mark.parametrize(
    "scores, areas, message",
    [
        (torch.ones(3), [0.0, 0.5, 0.4], "must rise"),
        (torch.ones(3), [0.0, 0.5, 1.5], "within 0 to 1"),
        (torch.ones(1), [0.0], "at least two"),
        (torch.ones(2), [0.0, 0.5, 1.0], r"one score for each of 3 areas.*got \(2,\)"),
        (torch.ones(3) / 0, [0.0, 0.5, 1.0], "3 scores are NaN or infinite"),
    ],
)
def test_what_is_no_curve_is_refused(scores, areas, message):
    for metric in (insertion_auc, deletion_auc):
        with pytest.raises(ValueError, match=message):
            metric(scores, torch.tensor(areas))
