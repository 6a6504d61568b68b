"""The gradient check: right gradients pass, wrong ones fail, and the layer that is wrong is named."""

import math

import pytest
import torch
from check_models import Flipped, HalfBlind, Panns, Small, Wrong

import hearwhy
from hearwhy import Predict, TargetScore
from hearwhy.audio import load
from hearwhy.check import pink_noise
from hearwhy.check.culprit import culprit
from hearwhy.check.differences import best, central, disagreement
from hearwhy.check.gradients import check_masks, gradient
from hearwhy.check.subject import prepared
from hearwhy.datasets import demo_song
from hearwhy.game import Game
from toys import ToneDetector, noisy

PINK = hearwhy.Recording(pink_noise(sample_rate=8000).audio[:, :8000], 8000, "pink noise")
TONES = {"low": 440.0, "mid": 1000.0, "high": 2000.0}


def song():
    return load(demo_song() / "mix.flac")


def examined(model, recording=PINK):
    return gradient(prepared(model, recording, device="cpu", seed=0))


def bn_backward_is_wrong():
    """Whether this torch gets PANNs' first layer wrong: its slope beside weight / sqrt(variance)."""
    bn = Panns().bn0
    features = torch.randn(1, 1, 32, 20, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    weights = torch.randn(1, 1, 20, 32, generator=torch.Generator().manual_seed(1))
    (found,) = torch.autograd.grad((bn(features.transpose(2, 3).transpose(1, 3)).transpose(1, 3) * weights).sum(), features)
    true = weights.transpose(2, 3) * (bn.weight / (bn.running_var + bn.eps).sqrt())[:, None]
    return float(((found - true).norm() / true.norm()).detach()) > 0.5


@pytest.mark.parametrize("model", [Small(), ToneDetector(TONES), Panns("channels last"), Panns("one-dimensional")])
def test_a_right_gradient_passes(model):
    found = examined(model)
    assert found.state == "passed" and found.number < 0.001


@pytest.mark.parametrize("variant", ["band", "band:bass", "band:independent"])
def test_the_shipped_models_pass_on_the_shipped_song(variant):
    assert examined(hearwhy.classifier(variant), song()).number < 0.001


def test_a_right_gradient_passes_in_float32_too(monkeypatch):
    monkeypatch.setattr("hearwhy.check.subject.MAX_DOUBLE", 0)
    for model, recording in ((Small(), PINK), (hearwhy.classifier("band"), song())):
        assert examined(model, recording).state == "passed"
    assert examined(HalfBlind()).state == "failed"


@pytest.mark.parametrize("how", ["transposed", "contiguous"])
def test_the_first_layer_of_panns_is_found_where_torch_gets_it_wrong(how):
    found = examined(Panns(how))
    if not bn_backward_is_wrong():  # a torch without the fault: then the check must pass it
        assert found.state == "passed"
        return
    assert found.state == "failed" and found.number > 0.05
    assert "layer bn0 (BatchNorm2d)" in found.text and "channels_last" in found.text and "kernel_shap" in found.text


def test_a_slope_that_is_cut_off_fails_though_no_layer_is_wrong():
    found = examined(HalfBlind())
    assert found.state == "failed" and found.number > 0.5 and "Cause" not in found.text


def test_where_only_rounding_is_wrong_it_is_a_warning():
    found = examined(hearwhy.classifier("band"), PINK)  # nothing above 4 kHz, and the model hears up to 8
    assert found.state == "warning" and "right in double precision" in found.text


def test_a_layer_of_ones_own_is_named():
    class Skewed(Flipped):
        def network(self, features):
            return super().network(features * torch.linspace(0, 2, features.shape[-1]))

    model = Skewed()
    audio = torch.randn(1, 1, 8000, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    cause = culprit(model, lambda: torch.autograd.grad(model(audio)[0, 0], audio))
    assert cause is not None and cause.startswith("layer flip (Flip)")
    assert culprit(Small(), lambda: torch.autograd.grad(Small()(audio)[0, 0], audio)) is None


def test_every_layer_is_named_by_itself_also_where_relu_works_in_place():
    class Flip(torch.nn.Module):
        def forward(self, x):
            return Wrong.apply(x)

    torch.manual_seed(0)
    layers = [torch.nn.Linear(8, 8), torch.nn.ReLU(inplace=True), Flip(), torch.nn.Linear(8, 8), torch.nn.Tanh()]
    network, x = torch.nn.Sequential(*layers), torch.randn(4, 8, requires_grad=True)
    cause = culprit(network, lambda: torch.autograd.grad((network(x) * torch.arange(8.0)).sum(), x))
    assert cause is not None and cause.startswith("layer 2 (Flip)")
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network)


def test_differences_of_a_cube_are_known():
    cube = lambda x: x.pow(3).sum(dim=1, keepdim=True)
    at, ways = torch.tensor([1.0, 2.0]).double(), torch.eye(2).double()
    # (f(x+h) - f(x-h)) / 2h of x**3 is 3 x**2 + h**2
    assert torch.allclose(central(cube, at, ways, 0.1), torch.tensor([[3.01], [12.01]]).double())
    right, wrong = torch.tensor([[3.0], [12.0]]).double(), torch.tensor([[12.0], [3.0]]).double()
    options = {"steps": (1e-3,), "enough": 1e-4, "rounding": 1e-14}
    assert float(best(cube, at, ways, right, **options)) < 1e-6
    assert float(best(cube, at, ways, wrong, **options)) == pytest.approx(math.hypot(9, 9) / math.hypot(3, 12), rel=1e-3)


def test_two_flat_slopes_agree_and_rounding_is_no_disagreement():
    flat = torch.zeros(2, 1, dtype=torch.float64)
    assert float(disagreement(flat, flat)) == 0
    at, ways, options = flat[0].expand(2), torch.eye(2).double(), {"steps": (1e-3,), "enough": 0.01}
    assert float(best(lambda x: 0 * x[:, :1], at, ways, flat + 1e-9, rounding=1e-7, **options)) == 0
    assert float(best(lambda x: 0 * x[:, :1], at, ways, flat + 1e-9, rounding=1e-15, **options)) == 10
    assert float(disagreement(flat + 1e-9, flat)) == 10


def game(model, recording, spec="segments:4", targets=None):
    parts = hearwhy.components(spec, recording)
    return Game(TargetScore(Predict(model, parts), targets or [model.labels[0]]), gradient=True)


@pytest.mark.parametrize("spec", ["segments:4", "bands:4", "segments:2 * bands:2"])
def test_along_masks_right_gradients_pass(spec):
    played = game(hearwhy.classifier("band"), song(), spec, ["guitar", "piano"])
    found = check_masks(played)
    assert found.passed and found.error < 0.005 and found.cause is None
    calls = played.score.predict.n_calls // played.score.predict.n_draws
    assert calls == 1 + 18  # finding out whether there is a gradient, and what the docstring says


def test_along_masks_in_float32_what_is_grossly_wrong_is_found(monkeypatch):
    monkeypatch.setattr("hearwhy.check.gradients.MAX_DOUBLE_SAMPLES", 0)
    assert check_masks(game(hearwhy.classifier("band"), song())).passed
    assert not check_masks(game(HalfBlind(), PINK)).passed


def test_along_masks_panns_fails_with_its_cause():
    found = check_masks(game(Panns(), noisy(1.0)))
    assert found.passed is not bn_backward_is_wrong()
    assert found.passed or "layer bn0 (BatchNorm2d)" in (found.cause or "")


def test_an_explanation_carries_the_check_and_a_score_method_has_none():
    ask = lambda method, model: hearwhy.explain(model, PINK, components="segments:3", target="a", method=method).settings
    assert "gradient_check" not in ask("kernel_shap", Small())
    right = ask("integrated_gradients(n_steps=4)", Small())["gradient_check"]
    assert right["passed"] is True and right["error"] < 0.001
    wrong = ask("integrated_gradients(n_steps=4)", HalfBlind())["gradient_check"]
    assert wrong["passed"] is False and wrong["error"] > 0.1
