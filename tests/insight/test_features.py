"""Many explanations of values: means by hand, intervals of three recordings, what goes with what, and the command's numbers."""

import numpy as np
import pytest
import torch
from insight_scenes import WEIGHTS, clips, explanation, insight, snippet, weighed

from hearwhy.components.background import Background
from hearwhy.datasets import with_background_of
from hearwhy.insight import Question, Selection, explain_many
from hearwhy.insight.features import Features, partner
from hearwhy.insight.statistics import energy
from hearwhy.insight.tables import write_tables

NAMES = ("mfcc 0", "mfcc 1", "mfcc 2")
A = [(1.0, -2.0, 0.0), (-3.0, 0.0, 0.0), (2.0, 2.0, 0.0)]  # values for guitar, of one snippet of each song
B = [(0.0, 1.0, 0.5), (1.0, -1.0, 0.0), (0.0, 1.0, -0.5)]


def three(stderr=None, groups=("x", "y", "z")):
    rows = []
    for i, (a, b) in enumerate(zip(A, B, strict=True)):
        named = dict(zip(NAMES, a, strict=True)), dict(zip(NAMES, b, strict=True))
        own = {name: 10.0 * i + place for place, name in enumerate(NAMES)}
        told = tuple(explanation(t, v, stderr=stderr) for t, v in zip(("guitar", "piano"), named, strict=True))
        rows.append(snippet(i, named[0], own=own, explanations=told, group=groups[i], label="guitar"))
    return Features(insight(*rows, targets=["all"]))


def test_means_are_those_computed_by_hand():
    found = three()
    guitar = found.classes["guitar"]
    assert guitar.size.mean == pytest.approx([2, 4 / 3, 0]) and guitar.sign.mean == pytest.approx([0, 0, 0])
    assert found.classes["piano"].sign.mean == pytest.approx([1 / 3, 1 / 3, 0])
    assert found.total.mean == pytest.approx([7 / 3, 7 / 3, 1 / 3])
    assert found.parts == pytest.approx(np.array([[2, 4 / 3, 0], [1 / 3, 1, 1 / 3]]))
    assert found.ranked == [0, 1, 2] and found.targets == ("guitar", "piano")


def test_of_three_recordings_the_interval_reaches_from_the_least_to_the_largest():
    """All three draws are of the same recording once in 27 times: more often than the 2.5 % that the interval leaves out."""
    size = three().classes["guitar"].size
    assert size.low == pytest.approx([1, 0, 0]) and size.high == pytest.approx([3, 2, 0])


def test_of_one_recording_there_is_no_interval():
    size = three(groups=("x", "x", "x")).classes["guitar"].size
    assert np.isnan(size.low).all() and size.mean == pytest.approx([2, 4 / 3, 0])


def test_sampling_errors_shrink_with_snippets_and_add_up_over_classes():
    found = three(stderr=(0.3, 0.0, 0.4))
    assert found.classes["guitar"].size.sampling == pytest.approx(np.array([0.3, 0, 0.4]) / np.sqrt(3))
    assert found.total.sampling == pytest.approx(2 * np.array([0.3, 0, 0.4]) / np.sqrt(3))  # both from the same masks
    lengths = [np.linalg.norm(row) for row in (*A, *B)]
    assert found.sampling == pytest.approx(np.median([0.5 / length for length in lengths]))
    assert three().sampling is None


def test_each_snippets_own_label_makes_bars_of_pieces_too():
    rows = [
        snippet(0, dict(zip(NAMES, A[0], strict=True)), own=dict.fromkeys(NAMES, 1.0), target="guitar"),
        snippet(1, dict(zip(NAMES, B[0], strict=True)), own=dict.fromkeys(NAMES, 2.0), target="piano"),
    ]
    found = Features(insight(*rows))
    assert found.parts == pytest.approx(np.array([[0.5, 1, 0], [0, 0.5, 0.25]]))  # over both snippets
    assert found.total.mean == pytest.approx(found.parts.sum(axis=0))
    assert found.classes["piano"].size.mean == pytest.approx([0, 1, 0.5]) and len(found.classes["piano"].view) == 1


def planted(product, n=80):
    """Shapley values of the score 2 x0 + product * x1 * x2 where what is usual is 0: each of the pair holds half of it."""
    own = np.random.default_rng(1).standard_normal((n, 6))
    return own, 3 * own[:, 1] + product / 2 * own[:, 1] * own[:, 2]


def test_the_feature_that_goes_with_another_is_found():
    own, values = planted(2.0)
    found = partner(own, values, 1)
    assert found.feature == 2 and found.r > 0.9 and found.stands_out
    flipped = partner(own, 3 * own[:, 1] - own[:, 1] * own[:, 2], 1)
    assert flipped.feature == 2 and flipped.r < -0.9


def test_what_chance_gives_does_not_stand_out():
    """Of 40 effects of nothing but the own value and noise, 2 pass the bar of 95 %, and more than 7 seldom do."""
    rng, hits = np.random.default_rng(2), 0
    for _ in range(40):
        own = rng.standard_normal((40, 10))
        hits += partner(own, own[:, 0] ** 2 + rng.standard_normal(40), 0).stands_out
    assert hits <= 7  # binomial(40, .05) exceeds it once in 1000 times


def test_of_too_few_snippets_or_of_one_value_nothing_is_said_to_go_together():
    own, values = planted(2.0)
    assert partner(own[:11], values[:11], 1) is None
    assert partner(own[:, [1]], values, 0) is None
    assert partner(np.ones((40, 3)), np.ones(40), 0) is None


# --- asked of a model whose values are known ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return clips(tmp_path_factory.mktemp("clips"))


ALL = Question("vector:mfcc=6", method="shapley", targets=("all", "low - high"))


@pytest.fixture(scope="module")
def found(data, tmp_path_factory):
    return explain_many(data, weighed(), tmp_path_factory.mktemp("out"), question=ALL)


def test_values_are_weights_times_what_is_unusual_and_own_values_are_kept(found):
    """The contrast of two logits is linear, so its Shapley values are known; what stands for a removed value is the mean."""
    usual = weighed().background.mean
    view = found.by_target["low - high"]
    assert found.of_values and found.names == tuple(f"mfcc {i}" for i in range(6)) and len(view) == 9
    expected = (view.own - usual.numpy()) * (WEIGHTS[:, 0] - WEIGHTS[:, 2]).numpy()
    assert view.values == pytest.approx(expected, abs=2e-3)
    assert set(found.by_target) == {"low", "middle", "high", "low - high"}
    assert {level for row in found.snippets for level in row.levels_db} == {None} and found.snippets[0].loudest is None
    assert found.about["fill"] == "mean" and found.about["background"].startswith("30 clips (")


def test_an_own_value_is_that_of_the_recording(found, data):
    from insight_scenes import FRONT_END

    from hearwhy import load

    row = next(s for s in found.snippets if s.item.endswith("low-0.wav"))
    assert row.own == pytest.approx(FRONT_END(load(data / "low" / "low-0.wav").audio)[0].mean(dim=1).tolist(), abs=1e-3)


def test_ten_classes_cost_no_more_calls_than_one(data, tmp_path):
    """One pass answers for all classes; fresh masks included there are at most a tenth more calls than the method's masks."""
    many = Selection(limit=2)
    asked = lambda name, targets: explain_many(
        data, weighed(), tmp_path / name, question=Question("vector", "kernel_shap(n_samples=1000)", targets), selection=many
    )
    one, every = asked("one", ("low",)), asked("all", ("all",))
    assert [row.n_calls for row in one.snippets] == [row.n_calls for row in every.snippets]
    assert all(row.n_calls <= 64 for row in every.snippets)  # six values have no more masks, and none is asked about twice


@pytest.mark.parametrize("change", ["fill", "background"])
@pytest.mark.usefixtures("found")
def test_another_fill_or_background_is_another_question(data, tmp_path, change):
    explain_many(data, weighed(), tmp_path, question=ALL, selection=Selection(limit=1))
    question, model = ALL, weighed()
    if change == "fill":
        question = Question("vector:mfcc=6", "shapley", ALL.targets, fill="silence")
    else:
        model = with_background_of(model, data)
    with pytest.raises(ValueError, match=f"another question .*{change} was"):
        explain_many(data, model, tmp_path, question=question, selection=Selection(limit=1))


def test_a_background_of_equal_name_and_other_values_is_another_one():
    first = weighed()
    other = Background(first.background.rows + 1, first.background.weights, first.background.covariance, "30 clips")
    object.__setattr__(first, "background", other)
    told = [ALL.absent(model)["background"] for model in (weighed(), first, weighed())]
    assert told[0] == told[2] != told[1]
    assert Question("segments:4").absent(first) == {"fill": "silence", "background": None}
    assert Question("vector", fill="noise").absent(first) == {"fill": "noise", "background": None}


def test_tables_hold_every_value_and_the_means_over_them(found, tmp_path):
    import csv

    write_tables(found, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"snippets.csv", "shap_values.csv", "feature_importance.csv"}
    with (tmp_path / "shap_values.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 * 4 * 6
    mine = [row for row in rows if row["class"] == "low" and row["feature"] == "mfcc 1"]
    first = next(s for s in found.snippets if s.item == mine[0]["item"])
    assert float(mine[0]["own_value"]) == first.own[1] and mine[0]["stderr"] == ""  # all masks were asked about
    with (tmp_path / "feature_importance.csv").open(newline="") as file:
        means = {(row["class"], row["feature"]): row for row in csv.DictReader(file)}
    row = means["low", "mfcc 1"]
    values = torch.tensor([float(one["value"]) for one in mine], dtype=torch.float64)
    assert float(row["mean_abs"]) == pytest.approx(float(values.abs().mean())) and row["snippets"] == "9"
    assert float(row["mean"]) == pytest.approx(float(values.mean())) and float(row["mean_abs_sampling_stderr"]) == 0
    assert float(row["mean_low"]) < float(row["mean"]) < float(row["mean_high"])
    own = [float(one["own_value"]) for one in mine]
    assert float(row["own_value_r"]) == pytest.approx(np.corrcoef(own, values)[0, 1]) and float(row["own_value_r"]) > 0.5
    together = sum(float(means[name, "mfcc 1"]["mean_abs"]) for name in ("low", "middle", "high", "low - high"))
    assert float(means["", "mfcc 1"]["mean_abs"]) == pytest.approx(together) and means["", "mfcc 1"]["mean"] == ""


def test_cells_have_neither_levels_nor_values_of_their_own(data, tmp_path):
    found = explain_many(
        data, weighed(), tmp_path, question=Question("cells:tiles=2x2", "shapley"), selection=Selection(limit=3)
    )
    assert len(found.snippets) == 3 and not found.problems and not found.of_values
    assert found.snippets[0].levels_db == found.snippets[0].own == (None,) * 4 and energy(found.views[0]) is None
