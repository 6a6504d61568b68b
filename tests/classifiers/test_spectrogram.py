"""Spectrogram classifiers: a front end and a network, asked as one."""

import numpy as np
import pytest
import torch

import hearwhy
from hearwhy.attribution import N_STEPS
from hearwhy.classifiers.callable import checked, classifier_module
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import LogMel, Standardised
from hearwhy.types import Classifier
from toys import noise, noisy, tone

RATE = 8000
FRONT_END = LogMel(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=20)
LABELS = ("low", "high")


class Network(torch.nn.Module):
    """(batch, 1, freq, frame) to the mean of the lower and of the upper half, weighted."""

    def __init__(self):
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(2, 2)
        self.head.weight.data, self.head.bias.data = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]), torch.zeros(2)
        self.eval()

    def forward(self, features):
        assert features.shape[1:3] == (1, FRONT_END.n_mels)
        halves = features[:, 0].unflatten(1, (2, -1)).mean(dim=(2, 3))
        return self.head(self.drop(halves)) / 10


def classifier(**options):
    options = {"front_end": FRONT_END, "network": Network(), "labels": LABELS} | options
    return SpectrogramClassifier(**options)


def test_it_is_a_classifier_and_its_answers_are_the_network_s():
    made = classifier()
    assert isinstance(made, Classifier) and made.sample_rate == RATE
    audio = noise(0.5, seed=1)[None].expand(3, -1, -1) * torch.tensor([1.0, 0.5, 0.1])[:, None, None]
    by_hand = Network()(FRONT_END(audio[:, 0])[:, None])
    torch.testing.assert_close(made(audio), by_hand, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cat([made(one[None]) for one in audio]), by_hand, rtol=0, atol=1e-5)
    assert torch.equal(made.answers(made.features(audio)), made(audio))


def test_it_is_explained_with_the_slope_of_its_network():
    """Against the same integral in double precision, of waveforms mixed by hand."""
    song, network = hearwhy.Recording((tone(300) + tone(3000))[None], RATE), Network().double()
    parts, low = hearwhy.components("bands:3", song).audio[:, 0].double(), LABELS.index("low")
    expected, (nodes, weights) = torch.zeros(3, dtype=torch.float64), np.polynomial.legendre.leggauss(N_STEPS)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        mask = torch.full((3,), float(node), dtype=torch.float64, requires_grad=True)
        answers = network(FRONT_END((mask[:, None] * parts).sum(dim=0)[None])[:, None])[0]
        others = torch.cat([answers[:low], answers[low + 1 :]])
        expected += weight * torch.autograd.grad(answers[low] - others.logsumexp(dim=0), mask)[0]
    found = hearwhy.explain(classifier(), song, components="bands:3", target="low", method="integrated_gradients").values[0]
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-4)  # float32's rounding of values near 9


def test_another_front_end_gives_other_answers():
    audio = noise(0.5)[None]
    other = classifier(front_end=Standardised(FRONT_END, -50.0, 10.0))
    assert not torch.allclose(other(audio), classifier()(audio))


def test_the_network_may_take_frames_first_and_answer_frame_by_frame():
    seen = []

    def network(features):  # (frame, batch, freq) to (frame, batch, label)
        seen.append(tuple(features.shape))
        return torch.stack([features.mean(2), features.amax(2)], dim=2)

    made = classifier(network=network, layout="frame batch freq", output="frame batch label")
    audio = noise(0.5)[None]
    answers = made(audio.expand(4, -1, -1))
    assert seen == [(32, 4, 20)] and answers.shape == (4, 2, 32)
    torch.testing.assert_close(answers[0, 0], FRONT_END(audio[:, 0])[0].mean(0))


def test_stereo_and_channels_of_two_are_refused():
    with pytest.raises(ValueError, match=r"takes mono sound \(batch, 1, time\); got \(1, 2, 4000\). Downmix"):
        classifier()(torch.zeros(1, 2, 4000))
    with pytest.raises(ValueError, match=r"spectrograms are made of mono sound; got channels = 2"):
        classifier(channels=2)


def test_layouts_are_checked_when_it_is_made():
    with pytest.raises(ValueError, match=r"A layout names the axes batch, freq, frame.* got 'batch time'"):
        classifier(layout="batch time")
    with pytest.raises(ValueError, match=r"A layout names the axes batch, label.* got 'batch'"):
        classifier(output="batch")


def test_a_network_in_train_mode_is_refused_with_the_part_that_is():
    network = Network()
    network.drop.train()
    with pytest.raises(ValueError, match=r"^drop in band is in train mode, .* call the module\.eval\(\) first"):
        checked(classifier(network=network, name="band"))
    network.train()
    with pytest.raises(ValueError, match=r"^band is in train mode"):
        hearwhy.classifier(classifier(network=network, name="band"))


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_a_network_in_half_precision_gets_features_of_its_own(half):
    audio = noise(0.5)[None]
    answers = classifier(network=Network().to(half))(audio)
    assert answers.dtype == torch.float32
    torch.testing.assert_close(answers, classifier()(audio), rtol=0.02, atol=0.02)


def test_the_network_is_what_explain_moves():
    network = Network()
    made = classifier(network=network)
    assert classifier_module(made) is network
    with pytest.raises(Exception, match=r"(?i)meta"):  # moved to a device without numbers, it has none to give
        hearwhy.explain(made, noisy(0.5), device="meta")
    assert {weight.device.type for weight in network.parameters()} == {"meta"}


def test_several_answers_need_a_name():
    def network(features):
        means = features.mean(dim=(1, 2, 3))
        return {"clipwise": torch.stack([means, -means], 1), "embedding": features}

    with pytest.raises(TypeError, match=r"panns answers with several things, 'clipwise': Tensor \(1, 2\), 'embedding'"):
        classifier(network=network, name="panns")(noise(0.5)[None])
    assert classifier(network=network, answer="clipwise")(noise(0.5)[None]).shape == (1, 2)
