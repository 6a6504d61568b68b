"""The deletion against explanations that are right and wrong on purpose."""

import pytest
import torch
from sanity_scenes import Confounded, loudness, question, songs, told

from hearwhy.sanity import _plan, controls
from hearwhy.sanity.bench import Bench
from hearwhy.sanity.cases import Taking, case_of


@pytest.fixture
def bench():
    model = Confounded()
    cases = [case_of(item, model, "sources:stems", Taking(target="yes")) for item in songs().items]
    return Bench(cases, _plan(model, question()))


def values(bench, best):
    return [torch.tensor([float(name == best) for name in case.names], dtype=torch.float64) for case in bench.cases]


def test_a_right_explanation_is_confirmed_and_a_wrong_one_is_not(bench):
    model = Confounded("low")
    right, wrong = (controls.deletion(bench, model, values(bench, name)) for name in ("low", "high"))
    assert right.state == "passed" and wrong.state == "failed"
    assert wrong.number.mean < 0 < right.number.mean


def test_what_is_lost_is_what_the_score_says(bench):
    row = controls.deletion(bench, Confounded("low"), values(bench, "low")).details["rows"][0]
    # logits: 3 x the level of the low tone, against 0; a tone of gain g has power (g / 2)**2
    level = 6 + torch.log10(torch.tensor((0.05 / 2) ** 2 + 1e-6))
    assert row["top"] == pytest.approx(3 * float(level), abs=0.02)  # 0.25 s of the other tones leak a little
    assert row["loudest"] == pytest.approx(0, abs=0.02) and not row["top_is_loudest"]


def test_only_what_is_about_as_loud_is_compared(bench):
    low = torch.tensor([0])  # 0.05 in the first song; 0.1 is 6.02 dB louder: nothing is within 6 dB, so the nearest counts
    assert [int(i) for i in controls._alike(bench.cases[0], low, 0)] == [bench.cases[0].names.index("high")]
    second = torch.tensor([0])  # 0.1 in the second: middle 0.05 is too soft, top 0.15 is 3.5 dB louder
    assert [int(i) for i in controls._alike(bench.cases[1], second, 0)] == [bench.cases[1].names.index("top")]


def test_where_nothing_speaks_for_the_target_there_is_nothing_to_remove(bench):
    nothing = [torch.zeros(4, dtype=torch.float64) for _ in bench.cases]
    assert controls.deletion(bench, told(loudness), nothing).state == "does not apply"
