"""What two components do together: the sentence, what is worth showing, and the small matrix."""

import json
from dataclasses import replace

import pytest
import torch
from report_scenes import scene

from hearwhy.report import summarise
from hearwhy.report.case import Case
from hearwhy.report.html import page
from hearwhy.report.interactions import Pairs

NAMES = ("bass", "drums", "piano", "strings")


def together(pairs: dict[tuple[int, int], float], *, stderr: float | None = None, **changes):
    """A scene whose components act together as given; bass 0.9, drums 4.6, piano -2.4, strings absent."""
    made = scene(**changes)
    n = len(made.names)
    values = torch.zeros(1, n, n)
    for (i, j), value in pairs.items():
        values[0, i, j] = values[0, j, i] = value
    error = None if stderr is None else torch.full((1, n, n), stderr)
    return replace(made, interactions=values, interactions_stderr=error)


def said(attribution) -> str:
    return summarise(attribution)["interactions"]["text"]


def test_the_strongest_pair_is_told_and_the_strongest_of_the_other_sign():
    assert said(together({(0, 1): 1.3, (0, 2): -0.7, (1, 2): 0.9})) == (
        "drums and bass together add 1.30 more than each alone. "
        "bass and piano together add 0.70 less than each alone: in part each does what the other does."
    )


def test_where_none_is_noticeable_that_is_said_and_nothing_is_drawn():
    quiet = together({(0, 1): 0.4, (1, 2): -0.2})  # under a tenth of 4.6
    text = "Components act by themselves: no two of them add noticeably more or less together than alone (at most drums and bass, +0.40)."  # fmt: skip  # noqa: E501
    assert said(quiet) == text
    html = page([quiet])
    assert '<section class="together">' in html
    assert '<table class="pairs"' not in html
    assert '<table class="pairs"' in page([together({(0, 1): 0.5})])


def test_what_sampling_may_have_made_is_not_told():
    # Of 3 pairs at 95 % together: 2.39 standard errors each.
    assert said(together({(0, 1): 1.3}, stderr=0.55)).startswith("Components act by themselves")
    assert said(together({(0, 1): 1.3}, stderr=0.54)).startswith("drums and bass together add 1.30 more")


def test_the_absent_have_no_row_and_rows_follow_the_values():
    pairs = Pairs.of(Case(together({(0, 1): 1.3, (0, 2): -0.7})))
    assert [row["name"] for row in pairs.matrix] == ["drums", "bass", "piano"]
    cells = {tuple(cell["names"]): round(cell["value"], 3) for row in pairs.matrix for cell in row["cells"]}
    assert cells == {("drums", "bass"): 1.3, ("drums", "piano"): 0.0, ("bass", "piano"): -0.7}
    assert pairs.matrix[1]["cells"][0]["share"] == 1.0


def test_more_components_than_a_matrix_can_show_are_listed_by_pairs():
    n = 10
    many = together(
        {(0, 1): -1.0, (2, 3): 0.8, (4, 5): 0.05}, weights=[2.0] * n, names=tuple("abcdefghij"), absent=(), stderr=0.1
    )
    pairs = Pairs.of(Case(many))
    assert pairs.matrix is None
    assert [tuple(map(str, cell["names"])) for cell in pairs.listed] == [("a", "b"), ("c", "d")]
    assert pairs.error == pytest.approx(0.196)
    html = page([many])
    assert html.count("<li><span class=\"cell\">") == 2  # fmt: skip
    assert "±0.20" in html


def test_nothing_is_told_where_nothing_is_known_or_there_are_no_two():
    assert summarise(scene())["interactions"] is None
    assert '<section class="together">' not in page([scene()])
    alone = together({}, absent=(0, 2, 3))
    assert summarise(alone)["interactions"] is None


def test_the_summary_holds_every_pair_and_is_json():
    found = summarise(together({(0, 1): 1.3, (0, 2): -0.7}, stderr=0.1))["interactions"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["noticeable"] == 2
    assert [pair["components"] for pair in found["pairs"]] == [["drums", "bass"], ["bass", "piano"], ["drums", "piano"]]
    assert found["pairs"][0]["value"] == pytest.approx(1.3)
    assert found["pairs"][0]["stderr"] == pytest.approx(0.1)


def test_names_cannot_break_the_page():
    names = ("<img src=x onerror=alert(1)>", "</td></table><script>alert(2)</script>", "p", "s")
    html = page([together({(0, 1): 1.3}, names=names)])
    assert "<img src=x" not in html
    assert "<script>alert" not in html
