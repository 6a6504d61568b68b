"""ff, ai, ad, ag and fid_in by hand, at the edges of certainty, and for models with labels on their own."""

from __future__ import annotations

import math

import pytest
import torch

from hearwhy.masks import masked
from hearwhy.metrics import METRICS, SEVEN, evaluate, heard
from hearwhy.metrics.fidelity import ad, ag, ai, ff, fid_in

# two recordings, three masks each; the target is the top label, 0 and 1
X = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]], dtype=torch.float64)
IN = torch.tensor(
    [
        [[0.85, 0.1, 0.05], [0.35, 0.6, 0.05], [0.7, 0.2, 0.1]],
        [[0.5, 0.4, 0.1], [0.0, 1.0, 0.0], [0.05, 0.9, 0.05]],
    ],
    dtype=torch.float64,
).clamp(min=1e-30)
BY_HAND = {
    "ff": [[-0.15, 0.35, 0.0], [0.4, -0.2, -0.1]],
    "ai": [[100, 0, 0], [0, 100, 100]],
    "ad": [[0, 50, 0], [50, 0, 0]],
    "ag": [[50, 0, 0], [0, 100, 50]],
    "fid_in": [[1, 0, 1], [0, 1, 1]],
}
MODEL = [name for name in METRICS if name in BY_HAND]


@pytest.mark.parametrize("shift", [0.0, 500.0, -3.0])
@pytest.mark.parametrize("name", MODEL)
def test_by_hand_from_logits_whose_offset_does_not_matter(name, shift):
    result = METRICS[name].function(X.log() + shift, IN.log() - shift)
    torch.testing.assert_close(result, torch.tensor(BY_HAND[name], dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", MODEL)
def test_by_hand_from_probabilities(name):
    result = METRICS[name].function(X, IN, activation="probability")
    torch.testing.assert_close(result, torch.tensor(BY_HAND[name], dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", MODEL)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "probability"])
def test_many_masks_at_once_are_as_one_by_one_and_lie_in_their_range(name, activation):
    entry = METRICS[name]
    generator = torch.Generator().manual_seed(4)
    before, after = 3 * torch.randn(4, 6, generator=generator), 3 * torch.randn(4, 2, 5, 6, generator=generator)
    if activation == "probability":
        before, after = before.sigmoid(), after.sigmoid()
    target = torch.tensor([0, 5, 2, 2])
    together = entry.function(before, after, target, activation=activation)
    assert together.shape == (4, 2, 5) and together.dtype == torch.float64
    assert together.min() >= entry.lowest and together.max() <= entry.highest
    alone = entry.function(before[1], after[1, 0, 3], 5, activation=activation)
    assert alone.shape == () and alone == together[1, 0, 3]


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", MODEL)
def test_an_identity_mask_has_the_neutral_answer_even_at_certainty(name, activation):
    logits = torch.tensor([[2.0, -1.0], [400.0, -400.0], [-400.0, -500.0]])
    same = METRICS[name].function(logits, logits, 0, activation=activation)
    assert same.tolist() == [1.0 if name == "fid_in" else 0.0] * 3


def test_a_probability_that_float64_cannot_tell_from_1_still_gains_and_from_0_still_drops():
    sure, surer = torch.tensor([[60.0, 0.0]]), torch.tensor([[60.0 + math.log(2), 0.0]])
    for activation in ("softmax", "sigmoid"):
        assert ag(sure, surer, activation=activation).item() == pytest.approx(50, abs=1e-4)  # the logits are float32
    unlikely, less = (torch.tensor([[logit, 900.0]], dtype=torch.float64) for logit in (0.0, -math.log(4)))
    assert ad(unlikely, less, 0).item() == pytest.approx(75)


def test_probabilities_of_exactly_0_and_1_divide_nothing():
    zero, one, half = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    options = {"target": 0, "activation": "probability"}
    assert ad(zero, half, **options) == ad(zero, zero, **options) == ag(one, half, **options) == ag(one, one, **options) == 0
    assert ad(one, zero, **options) == ag(zero, one, **options) == ag(half, one, **options) == 100
    assert ag(torch.zeros(1, 1), torch.ones(1, 1)) == ad(torch.zeros(1, 1), torch.ones(1, 1)) == 0  # one label: p is 1


def test_a_rise_counts_above_one_millionth_and_any_rise_in_the_published_protocol():
    def after(rise):
        return torch.tensor([[0.6 + rise, 0.4 - rise]], dtype=torch.float64).log()

    before = after(0)
    for rise, counts in ((1e-7, 0), (9.9e-7, 0), (1.1e-6, 100), (1e-3, 100), (-1e-3, 0)):
        assert ai(before, after(rise)) == counts
        assert ai(before, after(rise), protocol="paper") == (100 if rise > 0 else 0)
    assert ai(before, before, protocol="paper") == 0


def test_defect_4_an_identity_mask_by_arithmetic_raises_the_answer_of_the_published_protocol_only():
    generator = torch.Generator().manual_seed(0)
    features, weights = -90 * torch.rand(40, 8, 10, generator=generator), torch.randn(80, 5, generator=generator)

    def network(batch):
        return (batch.flatten(1) @ weights) / 100

    logits, ones = network(features), torch.ones(8, 10)
    published = network(masked(features, ones, protocol="paper")[0])
    assert ai(logits, published, protocol="paper").mean() > 20
    assert ai(logits, published).sum() == ai(logits, network(masked(features, ones)[0]), protocol="paper").sum() == 0


def test_with_labels_on_their_own_a_metric_is_of_the_target_whatever_the_others_say():
    before, after = torch.tensor([[1.0, 5.0, -1.0]]), torch.tensor([[0.5, -9.0, 2.0]])
    sigmoid = lambda z: 1 / (1 + math.exp(-z))
    assert ff(before, after, 0, activation="sigmoid").item() == pytest.approx(sigmoid(1) - sigmoid(0.5))
    assert ad(before, after, 0, activation="sigmoid").item() == pytest.approx(100 * (1 - sigmoid(0.5) / sigmoid(1)))
    assert ag(before, after, 2, activation="sigmoid").item() == pytest.approx(100 * (1 - sigmoid(-2) / sigmoid(1)))
    assert [fid_in(before, after, c, activation="sigmoid").item() for c in range(3)] == [1, 0, 0]
    assert fid_in(before.sigmoid(), after.sigmoid(), 0, activation="probability") == 0
    assert fid_in(before.sigmoid(), after.sigmoid(), 0, activation="probability", keeps="side") == 1
    assert fid_in(before, after, 0, activation="sigmoid", keeps="top_label") == 0


def test_fid_in_is_of_the_models_decision_and_the_others_of_the_target():
    logits, logits_in = torch.tensor([[2.0, 1.0]]), torch.tensor([[2.0, 0.0]])
    assert fid_in(logits, logits_in, 1) == 1
    assert ad(logits, logits_in, 1) > 0 == ad(logits, logits_in)


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        ((X, IN[:1]), {}, r"same units and labels; got \(2, 3\) and \(1, 3, 3\)"),
        ((X, IN[..., :2]), {}, "same units and labels"),
        ((IN, X), {}, "same units and labels"),
        ((X / 0, IN), {}, "6 of the model's numbers are NaN or infinite"),
        ((X, IN, 3), {}, "target must be 0 to 2, for the model has 3 labels; got 3"),
        ((X, IN, torch.tensor([0, 1, 2])), {}, r"one label's index or \(2,\) of them; got torch.int64 \(3,\)"),
        ((X, IN, torch.tensor([0.0, 1.0])), {}, "got torch.float32"),
        ((X, IN), {"activation": "relu"}, "softmax, sigmoid or probability; got 'relu'"),
        ((X * 2, IN), {"activation": "probability"}, "takes 0 to 1; got 0.2 to 1.6"),
    ],
)
@pytest.mark.parametrize("name", MODEL)
def test_what_cannot_be_measured_is_refused(name, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        METRICS[name].function(*arguments, **options)


def test_evaluate_computes_what_it_is_given_and_the_heard_metrics_from_the_heard_sound():
    given = {"logits": X.log(), "logits_in": IN.log(), "logits_out": IN.flip(1).log(), "mask": torch.rand(2, 3, 4, 5) > 0.5}
    assert set(evaluate(given)) == set(SEVEN)
    given |= {"heard_logits_in": IN.flip(1).log(), "heard_logits_out": IN.log(), "values": torch.rand(2, 4, 5)}
    results = evaluate(given)
    assert set(results) == {*SEVEN, "sps_map", "comp_map", "heard_ff", "heard_ai", "heard_ad", "heard_ag", "heard_fid_in"}
    assert torch.equal(results["heard_ad"], results["ad"].flip(1)) and torch.equal(results["heard_ff"], results["ff"].flip(1))
    assert results["sps_map"].shape == (2,) and results["sps"].shape == (2, 3)
    assert list(evaluate(given, ["comp", "ff"])) == ["comp", "ff"]
    assert torch.equal(evaluate(given | {"target": 2})["ff"], ff(X.log(), IN.flip(1).log(), 2))
    assert heard(METRICS["ff"]).needs == METRICS["heard_ff"].needs
    constant = evaluate({"mask": torch.ones(1, 2, 2, dtype=torch.bool)}, protocol="paper")
    assert constant["comp"] == 0
    assert set(evaluate({"logits": X, "logits_in": IN}, activation="probability")) == {"ai", "ad", "ag", "fid_in"}


def test_evaluate_says_what_is_missing():
    with pytest.raises(ValueError, match="There is no metric 'faithfulness'; give one of ff, ai"):
        evaluate({}, ["faithfulness"])
    with pytest.raises(ValueError, match="heard_ff needs logits, heard_logits_out; not given: heard_logits_out"):
        evaluate({"logits": X}, ["heard_ff"])


def test_every_metric_says_its_direction_range_and_needs():
    assert [METRICS[name].higher_is_better for name in SEVEN] == [True, True, False, True, True, True, False]
    for entry in METRICS.values():
        assert entry.lowest < entry.highest and entry.needs
        assert ("higher is" in " ".join(entry.function.__doc__.lower().split())) == entry.higher_is_better, entry
        assert "Degenerate:" in entry.function.__doc__ and "References" in entry.function.__doc__
