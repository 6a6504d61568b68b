"""What a check finds about models with one fault each, and about those with none."""

import json

import numpy as np
import pytest
import torch
from check_models import FRONT_END, Dropping, Functional, Reused, Small, Together

from hearwhy import Recording
from hearwhy.attribution import METHODS
from hearwhy.check import check, pink_noise
from hearwhy.check.subject import prepared
from hearwhy.classifiers.callable import from_callable
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.trust import whole
from toys import ToneDetector, noise, tone

TONES = {"low": 440.0, "mid": 1000.0, "high": 2000.0}


@pytest.fixture(autouse=True)
def _timed_briefly(monkeypatch):
    monkeypatch.setattr("hearwhy.check.speed.SIZES", (1, 2))


SOUND = Recording(tone(440)[None] + noise(gain=0.05), 8000, "sound")


def says(function, labels=("a", "b"), **said):
    function.sample_rate, function.labels = 8000, labels
    for key, value in said.items():
        setattr(function, key, value)
    return from_callable(function)


def states(found):
    return {finding.name: finding.state for finding in found.findings}


def test_a_sound_model_is_trusted_with_every_method_there_is():
    found = check(ToneDetector(TONES), SOUND)
    assert states(found) == dict.fromkeys(states(found), "passed") | {"level": states(found)["level"]}
    assert [verdict.method for verdict in found.methods] == list(METHODS)
    asks = {name: entry.asks for name, entry in METHODS.items()}
    assert {v.trust for v in found.methods if asks[v.method] != "network"} == {"trusted"}


@pytest.mark.parametrize(("act", "trust"), [(torch.nn.ReLU(), "trusted"), (torch.relu, "with care")])
def test_methods_that_look_inside_need_a_spectrogram_model_and_those_that_hook_its_modules(act, trust):
    small = Small()
    small.act = act if isinstance(act, torch.nn.Module) else torch.nn.Identity()
    small.forward = lambda x: small.head(
        (small.act if isinstance(act, torch.nn.Module) else act)(small.conv(x / 20)).mean((2, 3))
    )
    found = check(SpectrogramClassifier(FRONT_END, small, Small.labels), SOUND)
    assert (found.trust("saliency"), found.trust("deep_shap")) == ("trusted", trust)
    assert check(Small(), SOUND).trust("saliency") == "not possible"


def test_it_describes_the_model_and_what_it_says_like_predict():
    from hearwhy import Predict

    model = ToneDetector(TONES, window_s=0.5)
    found = check(model, SOUND)
    row = Predict(model, whole(SOUND)).probabilities(torch.ones(1, 1, dtype=torch.bool))[0]
    assert found.about["labels"] == list(TONES) and found.about["window_s"] == 0.5
    assert found.prediction[0] == ("low", pytest.approx(float(row[0])))
    assert [p for _, p in found.prediction] == sorted((p for _, p in found.prediction), reverse=True)
    assert found.speed[0].batch_size == 1 and all(one.ms > 0 for one in found.speed)


def test_the_text_fits_a_terminal_and_the_json_is_plain():
    found = check(ToneDetector({f"a label that is rather long, number {i}": 100.0 * i for i in range(1, 20)}), SOUND)
    assert max(len(line) for line in found.describe().splitlines()) <= 80
    assert "and 7 more" in found.describe()
    kept = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert len(kept["prediction"]) == 5 and {f["name"] for f in kept["findings"]} == set(states(found))


def test_without_a_recording_it_is_pink_noise_and_said():
    found = check(Small())
    assert found.recording == "pink noise, 5.0 s"
    power = torch.fft.rfft(pink_noise().audio[0]).abs().square()
    low, high = (power[a : 2 * a].sum() for a in (500, 20_000))  # an octave each
    assert 0.9 < float(low / high) < 1.1


def test_answers_that_change_from_call_to_call_limit_every_method():
    found = check(Dropping(), SOUND)
    assert found["repeatable"].state == "failed" and found["repeatable"].number > 1e-3
    assert found["gradient"].state == "not possible" and "change from call to call" in found["gradient"].text
    assert found.trust("kernel_shap") == "not trusted"


def test_a_batch_that_is_normalised_as_one_fails():
    found = check(Together(), SOUND)
    assert found["batch"].state == "failed" and "other sounds in the batch" in found["batch"].text
    assert found.trust("kernel_shap") == "not trusted"
    assert check(Small(), SOUND)["batch"].number < 1e-5


def test_a_model_that_takes_one_sound_at_a_time_is_named():
    def single(audio):
        return audio.reshape(1, -1)[:, :8000].square().mean(dim=1, keepdim=True) * torch.tensor([[1.0, -1.0]])

    found = check(says(single), SOUND)
    assert found["batch"].state == "failed"


@pytest.mark.parametrize(("window_s", "state"), [(None, "failed"), (0.5, "passed")])
def test_a_length_that_is_not_taken_is_found(window_s, state):
    weights = torch.randn(4000 if window_s else 8000, 2, generator=torch.Generator().manual_seed(0))
    found = check(says(lambda audio: audio[:, 0] @ weights, window_s=window_s), SOUND)["length"]
    assert found.state == state
    assert window_s or ("half as long" in found.text and "Set window_s" in found.text)


def test_a_model_that_hears_only_the_level_is_warned_of():
    def loud(audio):
        level = audio.square().mean(dim=(1, 2)).add(1e-9).log10()
        return torch.stack([level + 1.5, -level - 1.5], dim=1)

    found = check(says(loud), SOUND)["level"]
    assert found.state == "warning" and found.number > 0.1


def test_a_model_that_divides_by_the_level_fails_at_silence():
    def shape(audio):
        spectrum = torch.fft.rfft(audio[:, 0]).abs()
        return 5 * torch.stack([spectrum[:, :1000].sum(1), spectrum[:, 1000:].sum(1)], dim=1) / spectrum.sum(1, keepdim=True)

    found = check(says(shape), SOUND)
    assert found["silence"].state == "failed" and "--fill noise" in found["silence"].text
    assert found["level"].state == "passed" and found["level"].number < 1e-3


def test_a_jump_between_silence_and_a_faint_noise_is_warned_of():
    def normalised(audio):
        audio = audio[:, 0] / audio[:, 0].square().mean(1, keepdim=True).sqrt().clamp(min=1e-9)
        return 3 * torch.stack([audio.abs().mean(1), 0 * audio[:, 0]], dim=1)

    found = check(says(normalised), SOUND)["silence"]
    assert found.state == "warning" and "exact zeros" in found.text


def test_a_model_that_is_sure_about_silence_is_warned_of():
    found = check(says(lambda audio: torch.stack([audio.mean((1, 2)) + 5, audio.mean((1, 2))], dim=1)), SOUND)["silence"]
    assert found.state == "warning" and "sure about digital silence: a 0.99" in found.text


def test_what_hangs_on_the_place_or_on_the_sign_is_found():
    ramp = torch.linspace(0, 1, 8000)
    found = check(
        says(lambda a: torch.stack([100 * (a[:, 0].square() * ramp).mean(1), a.mean((1, 2))], 1), window_s=1.0), SOUND
    )
    assert found["position"].state == "warning"
    signed = check(says(lambda a: (a[:, 0] * tone(440)).mean(1)[:, None] * torch.tensor([[9.0, -9.0]]), window_s=1.0), SOUND)
    assert "hears phase" in signed["polarity"].text
    assert "upside down gets the same" in check(Small(), SOUND)["polarity"].text


def test_answers_that_are_not_numbers_end_the_check():
    found = check(says(lambda audio: audio.mean(2).repeat(1, 2) * torch.nan), SOUND)
    assert states(found) == {"answers": "failed"}
    assert {verdict.trust for verdict in found.methods} == {"not trusted", "not possible"}


def test_decisions_and_half_precision_are_warned_of():
    decide = says(lambda audio: (audio.amax((1, 2)) > 0.1).long()[:, None].repeat(1, 2))
    assert "int64" in check(decide, SOUND)["answers"].text

    class Half(Small):
        def forward(self, audio):
            return super().forward(audio).half()

    assert "half precision" in check(Half(), SOUND)["answers"].text


def test_modules_that_are_used_twice_and_functions_are_told_apart():
    assert "Module act is used 2 times" in check(Reused(), SOUND)["modules"].text
    functional = check(Functional(), SOUND)["modules"]
    assert functional.state == "warning" and "not as a module: relu." in functional.text
    assert check(Small(), SOUND)["modules"].state == "passed"
    assert check(says(lambda audio: audio.mean(2).repeat(1, 2)), SOUND)["modules"].state == "not possible"


def test_nothing_stays_hooked_or_doubled():
    model = Reused()
    check(model, SOUND)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert next(model.parameters()).dtype == torch.float32


def test_a_numpy_model_gives_no_gradient_and_kernel_shap_stays():
    def energy(audio):
        return np.abs(audio.numpy()).mean(axis=(1, 2))[:, None] * [1.0, -1.0]

    found = check(says(energy), SOUND)
    assert found["gradient"].state == "not possible" and "kernel_shap" in found["gradient"].text
    assert (found.trust("integrated_gradients"), found.trust("kernel_shap")) == ("not possible", "trusted")


def test_the_loudest_stretch_is_examined():
    quiet = torch.cat([0.01 * tone(440), tone(440), 0.01 * tone(440)])[None]
    assert prepared(ToneDetector(TONES, window_s=1.0), Recording(quiet, 8000), device="cpu", seed=0).span == "1.00-2.00 s"
    short = prepared(ToneDetector(TONES, window_s=2.0), SOUND, device="cpu", seed=0)
    assert short.span == "0.00-1.00 s, followed by 1.00 s of silence" and short.clip.shape == (1, 1, 16_000)


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (says(lambda audio: audio.mean(2)), ValueError, r"must answer \(batch, label\)"),
        (says(lambda audio: {}["nothing"]), RuntimeError, "raised KeyError"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused(model, kind, message):
    with pytest.raises(kind, match=message):
        check(model, SOUND)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="There is no device 'tpu9' here"):
        check(Small(), SOUND, device="tpu9")
