"""A model run in lower precision: another model by its fingerprint, and the same by its answers up to rounding."""

import pytest
import torch

import hearwhy
from hearwhy import Recording, classifier
from hearwhy.classifiers.running import original, running
from toys import ToneDetector, noise

AUDIO = noise(2.0, rate=16_000)[None]


def test_bfloat16_answers_in_float32_and_nearly_the_same():
    model = classifier("band")
    ran = running(model, precision="bfloat16")
    change = (ran(AUDIO) - model(AUDIO)).abs().max()
    assert ran(AUDIO).dtype == torch.float32
    assert 0 < change < 0.2  # logits of a few units, through seven layers that keep 8 bits each


def test_what_is_run_otherwise_says_so():
    model = classifier("band")
    ran = running(model, precision="bfloat16")
    assert ran.fingerprint == f"{model.fingerprint} bfloat16"
    assert ran.notes[-1] == "run in bfloat16 precision"
    assert original(ran) is model and original(model) is None


def test_weights_are_registered_once():
    model = classifier("band")
    ran = running(model, precision="bfloat16")
    assert len(list(ran.network.parameters())) == len(list(model.network.parameters()))


def test_a_module_that_is_the_classifier_itself_is_run_too():
    model = ToneDetector({"low": 440.0, "high": 2000.0}, rate=16_000)
    ran = running(model, precision="bfloat16")
    assert ran.labels == model.labels and ran.fingerprint is None
    assert torch.allclose(ran(AUDIO).double(), model(AUDIO), atol=0.1)  # 8 bits of a few units


def test_the_change_in_the_scores_is_measured():
    song = Recording(AUDIO[0], 16_000)
    model = classifier("band")
    plain = hearwhy.explain(model, song, components="bands:4", second_fill=None)
    ran = hearwhy.explain(running(model, precision="bfloat16"), song, components="bands:4", second_fill=None)
    check = ran.settings["running_check"]
    ends = max(float((ran.score_full - plain.score_full).abs()), float((ran.score_base - plain.score_base).abs()))
    assert 0 < ends <= check["change"] * 1.001 and check["n_masks"] == 16
    assert plain.settings["running_check"] is None and ran.n_calls == plain.n_calls + 16


def test_a_model_without_a_torch_module_can_only_be_run_as_it_is():
    def loud(audio):
        return audio.square().mean(2)

    loud.sample_rate, loud.labels, loud.activation = 16_000, ("loud",), "sigmoid"
    with pytest.raises(ValueError, match="sees no torch module in loud, so it can only be run as it is"):
        running(classifier(loud), precision="bfloat16")
