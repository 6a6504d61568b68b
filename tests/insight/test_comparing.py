"""Two ways of asking the same: how alike the answers are, against numbers worked out by hand."""

import pytest
from insight_scenes import explanation, insight, snippet

from hearwhy.insight.comparing import compare


def asked(*rows, **more):
    return insight(*(snippet(i, values, **more) for i, values in enumerate(rows)))


def test_shared_snippets_and_components_are_compared():
    first = asked({"a": 1.0, "b": 0.0}, {"a": 2.0, "b": 3.0}, {"a": 3.0, "b": 0.0}, {"a": 9.0})
    beside = asked({"a": 2.0, "c": 0.0}, {"a": 4.0, "c": 0.0}, {"a": 6.0, "c": 0.0})
    found = compare(first, beside)
    assert found.n == 3 and found.same_top.mean == pytest.approx(2 / 3)  # b counts most in the second
    (alike,) = found.components
    assert (alike.name, alike.n, alike.mean, alike.mean_beside) == ("a", 3, 2.0, 4.0) and alike.r == pytest.approx(1.0)


def test_only_the_same_target_is_compared():
    own = (explanation("guitar", {"a": 1.0}), explanation("piano", {"a": -1.0}))
    found = compare(insight(snippet(0, {"a": 1.0}, explanations=own)), asked({"a": 1.0}, target="piano"))
    assert found.n == 1 and found.same_top.mean == 0.0
    assert found.components[0].r is None and found.components[0].mean == -1.0


def test_what_shares_nothing_is_refused():
    with pytest.raises(ValueError, match="Nothing of songs was asked in both"):
        compare(asked({"a": 1.0}), asked({"a": 1.0}, condition="other"))
