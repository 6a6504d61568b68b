"""Which snippets are asked about, and what may be asked."""

from itertools import pairwise

import pytest
from insight_scenes import songs

from hearwhy.insight import Question, Selection
from hearwhy.insight.question import spans, unit_seed, units


def test_snippets_follow_each_other_or_are_spread_and_never_overlap():
    assert spans(7.0, 2.0, None) == [(0.0, 2.0), (2.0, 2.0), (4.0, 2.0)]
    assert spans(7.0, 2.0, 1) == [(2.5, 2.0)]
    assert spans(7.0, 2.0, 9) == spans(7.0, 2.0, 3)
    for n in (1, 2, 3):
        found = spans(7.0, 2.0, n)
        gaps = [b[0] - a[0] - 2.0 for a, b in pairwise(found)]
        assert all(gap == pytest.approx((7 - 2 * n) / n, abs=2e-3) for gap in gaps)  # starts are cut to milliseconds
        assert found[0][0] >= 0 and found[-1][0] + 2.0 <= 7.0


def test_what_is_shorter_than_a_snippet_or_has_no_window_is_one():
    assert spans(1.5, 2.0, 3) == [(0.0, 1.5)]
    assert spans(9.0, None, None) == [(0.0, 9.0)]
    assert spans(2.1 * 3, 2.1, None) == [(0.0, 2.1), (2.1, 2.1), (4.2, 2.1)]  # 6.3 / 2.1 is a little under 3


def test_a_limit_spreads_over_the_dataset(tmp_path):
    data = songs(tmp_path, n=5, seconds=1.0)
    found = units(Selection(limit=2).conditions(data), Selection(limit=2), 1.0)
    assert [unit.item.name for unit in found] == ["test/Track00001", "test/Track00003"]


def test_each_mix_of_stems_is_a_condition(tmp_path):
    selection = Selection(stems=(("piano", "drums"), ("guitar",)))
    conditions = selection.conditions(songs(tmp_path, n=1, seconds=1.0))
    assert list(conditions) == ["piano+drums", "guitar"]
    assert list(conditions["piano+drums"].items[0].stems()) == ["piano", "drums"]
    found = units(conditions, selection, 0.5)
    assert [unit.key for unit in found] == [("test/Track00001", name, i) for name in conditions for i in (0, 1)]
    assert len({unit_seed(0, unit) for unit in found}) == 4 and unit_seed(0, found[0]) != unit_seed(1, found[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Question("sources:hpss", method="grad_cam"), "bins of many recordings have no common axis"),
        (lambda: Question("cells:quickshift"), "makes other components of every recording"),
        (lambda: Question("features"), "makes other components of every recording"),
        (lambda: Question("sources:hpss", seed=-1), r"seed is a whole number from 0 to 2\*\*63 - 1; got -1"),
        (lambda: Selection(limit=0), "limit is at least 1; got 0"),
        (lambda: Selection(per_item=0), "per_item is at least 1; got 0"),
        (lambda: Selection(snippet_s=0.0), r"lasts more than 0 seconds; got 0\.0"),
        (lambda: Selection(stems=(("a", "b"), ("b", "a"))), "Two conditions mix the same stems"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_cells_of_a_grid_have_a_common_axis():
    assert Question("cells:tiles=4x4").components == "cells:tiles=4x4"
