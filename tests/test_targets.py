"""Targets: every way to say what is explained, and scores that are what their formula says."""

import math

import pytest
import torch

from hearwhy.targets import Target, any_of, check_targets, chosen, needs_answer, parse_target, score, split_span

LABELS = ("dog", "cat", "rain", "rain - heavy", "rock + roll")
ROW = [0.5, 0.1, 0.3, 0.08, 0.02]
LOGITS = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 0.0, 0.0, 0.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("dog", Target((0,))),
        ("dog - cat", Target((0,), (1,))),
        ("dog + cat", Target((0, 1))),
        ("dog + cat - rain", Target((0, 1), (2,))),
        ("rain - heavy", Target((3,))),
        ("rain - rain - heavy", Target((2,), (3,))),
        ("rock + roll + dog - rain - heavy", Target((4, 0), (3,))),
    ],
)
def test_a_line_names_labels_even_where_they_hold_its_signs(text, target):
    assert parse_target(text, LABELS) == target


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wolf", "no label 'wolf'; it has dog, cat, rain"),
        ("Rain - Heavi", r"did you mean rain - heavy\?"),
        ("ROCK", r"did you mean rock \+ roll\?"),
        ("dog + wolf", "no label 'dog . wolf'"),
        ("dog + dog", "names a label twice"),
        ("dog + cat - cat", "names a label twice"),
    ],
)
def test_what_names_nothing_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_target(text, LABELS)


def test_all_labels_together_are_no_target():
    with pytest.raises(ValueError, match="names every label"):
        parse_target("a + b", ("a", "b"))
    assert parse_target("a", ("a",)) == Target((0,))  # a model of one label


def test_a_time_is_told_from_the_label():
    assert split_span(["dog@2.1-2.6s", "cat @ 2.1-2.6"], LABELS) == (["dog", "cat"], (2.1, 2.6))
    assert split_span(["dog"], LABELS) == (["dog"], None)
    assert split_span(["a@1-2s"], ("a@1-2s",)) == (["a@1-2s"], None)  # a label like that
    with pytest.raises(ValueError, match="at one time"):
        split_span(["dog@1-2s", "cat"], LABELS)
    with pytest.raises(ValueError, match="ends after it begins"):
        split_span(["dog@2-1s"], LABELS)


def test_keywords_become_the_models_own_labels():
    ask = lambda *wanted: chosen(wanted, LABELS, ROW)
    assert ask("top") == ("dog",)
    assert ask("top:3") == ("dog", "rain", "cat")
    assert ask("above:0.1") == ("dog", "rain", "cat")
    assert ask("cat", "top") == ("cat", "dog")
    assert ask("all") == LABELS
    assert needs_answer(["top:2"]) and needs_answer(["above:0.5"]) and not needs_answer(["dog", "all"])
    with pytest.raises(ValueError, match=r"No label reaches 0.9; the most probable is dog with 0.5"):
        ask("above:0.9")
    with pytest.raises(ValueError, match="above takes a probability"):
        ask("above:much")
    with pytest.raises(ValueError, match="asks for no label"):
        ask("top:0")


def test_labels_are_checked_before_the_model_is_asked():
    check_targets(["top:3", "above:0.2", "all", "dog + cat"], LABELS)
    with pytest.raises(ValueError, match="no label 'wolf'"):
        check_targets(["top", "wolf"], LABELS)
    with pytest.raises(ValueError, match="No target"):
        check_targets([], LABELS)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_log_odds_of_one_or_the_other_are_those_of_its_probability(activation):
    target = Target((0, 2))
    p = score(LOGITS, target, scale="probability", activation=activation)
    by_hand = LOGITS.softmax(1)[:, [0, 2]].sum(1) if activation == "softmax" else 1 - (1 - LOGITS.sigmoid()[:, [0, 2]]).prod(1)
    assert torch.allclose(p, by_hand)
    assert torch.allclose(score(LOGITS, target, scale="log_odds", activation=activation), (p / (1 - p)).log())


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_set_of_one_is_its_label(activation):
    z = LOGITS[:, 1]
    others = LOGITS[:, [0, 2, 3]].logsumexp(1)
    expected = z - others if activation == "softmax" else z
    assert torch.allclose(score(LOGITS, Target((1,)), scale="log_odds", activation=activation), expected)


def test_log_odds_stay_finite_where_probabilities_do_not():
    extreme = torch.tensor([[-200.0, -300.0, 0.0], [200.0, 300.0, 0.0]], dtype=torch.float64)
    found = score(extreme, Target((0, 1)), scale="log_odds", activation="sigmoid")
    assert torch.allclose(found[:1], torch.tensor([-200.0], dtype=torch.float64))
    assert found[1] == pytest.approx(500.0)  # log of 1/((1-p)(1-q)) for p, q near 1


def test_a_contrast_of_sets_is_the_log_ratio_of_their_probabilities():
    p = LOGITS.softmax(1)
    found = score(LOGITS, Target((0, 1), (2, 3)), scale="log_odds", activation="softmax")
    assert torch.allclose(found, (p[:, :2].sum(1) / p[:, 2:].sum(1)).log())


def test_labels_exclude_each_other_where_their_probabilities_sum_to_one():
    rows = torch.tensor([[0.5, 0.3, 0.2], [0.5, 0.3, 0.9]])
    assert torch.allclose(any_of(rows, (0, 1)), torch.tensor([0.8, 1 - 0.5 * 0.7]))
    assert math.isclose(float(any_of(rows[1], (2,))), 0.9, rel_tol=1e-6)
