"""The statistics of figure 3 against answers computed by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sanity_scenes import Confounded, question, songs

from hearwhy.sanity import _plan, sanity
from hearwhy.sanity.bench import Bench
from hearwhy.sanity.cases import Taking, case_of
from hearwhy.sanity.preferences import N_DRAWS, chi_square, entropy_of, most_important
from hearwhy.sanity.untrained import Untrained

NAMES = ["a", "b", "c", "d"]


def alike_cases(n, names=NAMES):
    return [SimpleNamespace(names=names)] * n


def test_entropy_in_nats():
    assert entropy_of(np.array([2.0, 2.0, 0.0, 0.0])) == pytest.approx(math.log(2))
    assert entropy_of(np.array([5.0, 0.0])) == 0.0
    assert entropy_of(np.zeros(3)) == 0.0


def test_chi_square_against_uniform_choice():
    found = chi_square(np.array([5.0, 0, 0, 0]), alike_cases(5), NAMES, there=np.ones(5, bool), seed=0)
    assert found["chi_square"] == pytest.approx(15.0)  # (5 - 1.25)**2 / 1.25 + 3 * 1.25
    true = 4 / 4**5  # all five alike
    assert abs(found["p"] - true) < 4 * math.sqrt(true / N_DRAWS)


def test_an_even_choice_is_no_surprise():
    assert chi_square(np.array([2.0, 2, 2, 2]), alike_cases(8), NAMES, there=np.ones(8, bool), seed=0)["p"] == 1.0


def test_what_is_not_there_is_not_expected():
    three = [SimpleNamespace(names=["a", "b"])] * 4
    found = chi_square(np.array([2.0, 2, 0, 0]), three, NAMES, there=np.ones(4, bool), seed=0)
    assert found == {"chi_square": 0.0, "p": 1.0}


def test_what_every_untrained_network_chooses_too_proves_nothing():
    model, best = Confounded(), [torch.tensor([1.0, 0, 0, 0])] * 4
    others = [torch.eye(4)[i] for i in (1, 2, 3, 1)]
    bench = Bench(
        [case_of(item, model, "sources:stems", Taking(target="yes")) for item in songs().items], _plan(model, question())
    )
    alike, unlike, few = (
        most_important(bench, Untrained(best, [], own)) for own in ([best] * 20, [others] * 20, [others] * 3)
    )  # fmt: skip
    assert (alike.state, alike.p) == ("warning", 1.0)
    assert (unlike.state, unlike.p) == ("passed", pytest.approx(1 / 21))
    assert (few.state, few.p) == ("passed", 0.25) and "3 networks cannot show more" in few.text
    assert alike.details["favourite"] == "low" and alike.details["p_uniform"] < 0.001


def test_one_models_share_is_ranked_among_the_networks():
    found = sanity(Confounded(), songs(), question(n_networks=5))["most important"]
    shares = [row["counts"]["low"] / 4 for row in found.details["networks"]]
    assert found.p == (1 + sum(share >= 1.0 for share in shares)) / 6
    assert found.details["untrained_share"]["mean"] == pytest.approx(sum(shares) / 5)
