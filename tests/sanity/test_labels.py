"""Explanations of networks that learnt true labels, and shuffled ones."""

import pytest
from sanity_scenes import Confounded, Meter, question, songs

from hearwhy.sanity import Recipe, _plan
from hearwhy.sanity.bench import Bench
from hearwhy.sanity.cases import Taking, case_of
from hearwhy.sanity.labels import shuffled_labels


@pytest.fixture
def bench():
    model = Confounded()
    cases = [case_of(item, model, "sources:stems", Taking(target="yes")) for item in songs().items]
    return Bench(cases, _plan(model, question()))


def test_other_labels_teach_another_explanation(bench):
    def train_on(shuffled):
        return Confounded("top" if shuffled else "low")

    found = shuffled_labels(bench, train_on, accuracies=lambda: {"true": 100.0, "shuffled": 50.0})
    assert found.state == "passed"
    assert found.number.mean == pytest.approx(-1 / 3)  # of four, each alone in front of a tie of three
    assert found.details["accuracy_percent"] == {"true": 100.0, "shuffled": 50.0}


def test_an_explanation_that_no_label_taught_is_flagged(bench):
    meter = Meter()
    assert shuffled_labels(bench, lambda shuffled: meter).state == "failed"


def test_a_network_of_other_labels_is_not_compared(bench):
    model = Confounded()
    model.labels = ("guitar", "piano")
    found = shuffled_labels(bench, lambda shuffled: model)
    assert found.state == "does not apply" and "does not know yes" in found.text


def test_a_recipe_that_is_not_there_or_cannot_shuffle_is_refused(tmp_path):
    with pytest.raises(ValueError, match="There is no recipe 'nothing'"):
        Recipe("nothing", tmp_path)
    with pytest.raises(ValueError, match="The recipe cerberus cannot teach shuffled labels"):
        Recipe("cerberus", tmp_path)
