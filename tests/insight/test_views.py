"""Views: common axes, what counts most, and what is no answer."""

import numpy as np
import pytest
from insight_scenes import confounded, explanation, insight, snippet

from hearwhy.insight import NOTHING, PREDICTED


def test_one_axis_for_every_component_and_nan_where_a_snippet_has_none():
    view = insight(snippet(0, {"a": 1.0, "b": 2.0}), snippet(1, {"b": 3.0, "residual": 0.0}, absent=("residual",))).views[0]
    assert view.names == ("a", "b", "residual")
    np.testing.assert_array_equal(view.values, [[1, 2, np.nan], [np.nan, 3, 0]])
    np.testing.assert_array_equal(view.present, [[True, True, False], [False, True, False]])


def test_the_main_view_is_what_is_predicted_and_each_shared_target_has_one_of_its_own():
    both = (explanation("guitar", {"a": 1.0}), explanation("piano", {"a": -1.0}))
    views = insight(
        snippet(0, {"a": 1.0}, explanations=both), snippet(1, {"a": 1.0}, chances=(0.1, 0.9), explanations=both)
    ).views
    assert [view.name for view in views] == [PREDICTED, "guitar", "piano"]
    assert [view.values[:, 0].tolist() for view in views] == [[1, -1], [1, 1], [-1, -1]]


def test_a_target_that_is_not_always_predicted_is_its_own_main_view():
    views = insight(snippet(0, {"a": 1.0}), snippet(1, {"a": 1.0}, chances=(0.1, 0.9))).views
    assert [view.name for view in views] == ["guitar"]


def test_a_label_that_is_always_predicted_is_not_shown_twice():
    assert [view.name for view in insight(snippet(0, {"a": 1.0}), snippet(1, {"a": 2.0})).views] == [PREDICTED]


def test_targets_that_differ_from_snippet_to_snippet_are_shown_by_the_first():
    views = insight(
        snippet(0, {"a": 1.0}, explanations=(explanation("piano", {"a": 5.0}),)),
        snippet(1, {"a": 1.0}, chances=(0.1, 0.9)),
    ).views
    assert [(view.name, view.values[:, 0].tolist()) for view in views] == [("the first target", [5, 1])]


@pytest.mark.parametrize(
    ("values", "more", "top"),
    [
        ({"a": 1.0, "b": 2.0}, {}, "b"),
        ({"a": 1.0, "b": 2.0}, {"absent": ("b",)}, "a"),  # what is not there is no cause
        ({"a": 0.04, "b": -0.01}, {}, NOTHING),  # nothing noticeable
        ({"a": 0.06, "b": -0.01}, {}, "a"),
        ({"a": 0.4, "b": -9.0}, {}, NOTHING),  # under 5 % of the strongest
        ({"a": -1.0, "b": -2.0}, {}, NOTHING),
    ],
)
def test_what_counts_most(values, more, top):
    assert insight(snippet(0, values, **more)).views[0].tops == [top]


@pytest.mark.parametrize(
    ("removed", "base", "top"),
    [
        ((0.3, 0.7), 3.0, "a"),  # the fill alone says piano, so it does not explain a guitar
        ((0.9, 0.1), 3.0, NOTHING),  # it says guitar by itself, by more than anything adds
        ((0.9, 0.1), 0.5, "a"),  # by less
    ],
)
def test_the_fill_alone_may_be_the_answer(removed, base, top):
    own = (explanation("guitar", {"a": 1.0}, base=base),)
    assert insight(snippet(0, {"a": 1.0}, removed=removed, explanations=own)).views[0].tops == [top]


def test_of_a_tagger_the_fill_alone_counts_from_one_half_on():
    own = (explanation("guitar", {"a": 1.0}, base=1.5),)
    rows = [snippet(i, {"a": 1.0}, removed=(p, 0.1), explanations=own) for i, p in enumerate((0.49, 0.5))]
    assert insight(*rows, activation="sigmoid").views[0].tops == ["a", NOTHING]


def test_of_a_contrast_the_fill_decides_where_what_is_there_lowers_it():
    rows = [
        snippet(0, {"a": 1.0, "b": -2.0}, explanations=(explanation("guitar - piano", {"a": 1.0, "b": -2.0}, base=3.0),)),
        snippet(1, {"a": 1.0, "b": 0.0}, explanations=(explanation("guitar - piano", {"a": 1.0, "b": 0.0}, base=3.0),)),
    ]
    assert insight(*rows).views[0].tops == [NOTHING, "a"]


def test_the_loudest_is_the_one_with_the_highest_level_and_silence_never_is():
    rows = [snippet(0, {"a": 9.0, "b": 0.0}, levels={"a": -20.0, "b": -3.0}), snippet(1, {"a": 1.0}, levels={"a": None})]
    assert insight(*rows).views[0].loudest == ["b", None]


def test_right_or_wrong_is_told_only_of_labels_that_the_model_has():
    rows = [snippet(i, {"a": 1.0}, label=label) for i, label in enumerate(("guitar", "piano", "rock", None))]
    assert insight(*rows).views[0].right == [True, False, None, None]


def test_explanations_are_gathered_by_target_the_most_frequent_first():
    held = confounded(8).by_target
    assert {target: len(view) for target, view in held.items()} == {"guitar": 4, "piano": 4}
    assert list(insight(snippet(0, {"a": 1.0}, target="piano"), *(snippet(i, {"a": 1.0}) for i in (1, 2))).by_target) == [
        "guitar", "piano",
    ]  # fmt: skip
