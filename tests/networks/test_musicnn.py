"""musicnn's networks and taggers: their shape and slope with random weights, their numbers against TensorFlow's."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from torch import nn

from hearwhy.cache import cache_folder
from hearwhy.classifiers.musicnn import FRONT_END, VARIANTS, WINDOW, load
from hearwhy.fetch import fetch_musicnn
from hearwhy.networks.musicnn import Musicnn, MusicnnVGG
from hearwhy.types import Classifier

SHARED = Path(__file__).parents[2] / "../shared"
NETWORKS = [Musicnn, MusicnnVGG]


def randomised(network, *, seed=0):
    """The network with weights, and moments of its normalisations, that are all different from one another."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            draw = torch.randn(tensor.shape, generator=generator)
            n_inputs = tensor[0].numel() if tensor.ndim > 1 else 1
            tensor.copy_(0.5 + draw.abs() if name.endswith("running_var") else draw / n_inputs**0.5)
    return network.eval()


def features(n=2, *, seed=0):
    return 3 * torch.rand(n, 187, 96, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("network", NETWORKS)
def test_each_window_gives_its_own_fifty_logits(network):
    network = randomised(network())
    together = network(features(3))
    assert together.shape == (3, 50)
    alone = torch.cat([network(window[None]) for window in features(3)])
    # a batch is computed in another order of sums than a single window: float32's rounding
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_activation_and_pooling_is_used_exactly_once(network):
    network, calls = randomised(network()), Counter()
    kinds = (nn.ReLU, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.Linear)
    layers = {name: module for name, module in network.named_modules() if isinstance(module, kinds)}
    for name, module in layers.items():
        module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    network(features(1))
    assert calls == Counter(layers.keys())


@pytest.mark.parametrize("network", NETWORKS)
def test_the_slope_is_the_difference_quotient_whatever_the_layout_in_memory(network):
    network = randomised(network()).double()
    transposed = features().double().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    generator = torch.Generator().manual_seed(1)
    direction = torch.randn(transposed.shape, generator=generator, dtype=torch.double)
    weight = torch.randn(2, 50, generator=generator, dtype=torch.double)
    (slope,) = torch.autograd.grad((network(transposed) * weight).sum(), transposed)
    step = 1e-8  # so small that hardly any maximum or ReLU changes sides; doubles leave 1e-8 / 1e-16 / slope = 1e-6
    up, down = (network(transposed.detach() + sign * step * direction) for sign in (1, -1))
    quotient = ((up - down).detach() * weight).sum() / (2 * step)
    assert float((slope * direction).sum()) == pytest.approx(float(quotient), rel=1e-4)


@pytest.mark.parametrize("branch, length", [(0, 128), (1, 64), (2, 32)])
def test_an_even_filter_leans_as_tensorflows_does(branch, length):
    pad, convolution = Musicnn().tempo[branch][:2]
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    with torch.no_grad():
        convolution.weight[:, 0, length // 2 - 1] = 1  # "same": (length - 1) // 2 frames before, the odd one after
    plane = features(1)[:, None]
    assert torch.equal(convolution(pad(plane))[:, :1], plane)


def test_the_pools_of_the_vgg_shrink_as_documented():
    network, shapes = MusicnnVGG().eval(), []
    for block in network.blocks:
        block.register_forward_hook(lambda _module, _inputs, output: shapes.append(tuple(output.shape[2:])))
    network(features(1))
    assert shapes == [(92, 48), (46, 24), (23, 12), (11, 6), (2, 1)]


@pytest.mark.parametrize("network, n_frames, n_mels", [(Musicnn, 187, 96), (MusicnnVGG, 161, 94)])
def test_a_network_is_deaf_to_what_it_says_and_to_nothing_else(network, n_frames, n_mels):
    spectrogram = features(8).requires_grad_()
    randomised(network())(spectrogram).sum().backward()
    heard = (spectrogram.grad != 0).any(dim=0)
    assert torch.equal(heard.any(dim=1), torch.arange(187) < n_frames)
    assert torch.equal(heard.any(dim=0), torch.arange(96) < n_mels)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 186, 96), (1, 187, 97), (187, 96), (1, 1, 187, 96)])
def test_a_spectrogram_of_another_shape_is_refused(network, shape):
    with pytest.raises(ValueError, match=r"of shape \(batch, 187, 96\); got \("):
        network()(torch.zeros(shape))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache that holds all taggers, with random weights."""
    monkeypatch.setenv("HEARWHY_CACHE", str(tmp_path))
    (tmp_path / "musicnn").mkdir()
    for seed, (variant, network) in enumerate(VARIANTS.items()):
        weights = randomised(network(), seed=seed).state_dict()
        labels = json.dumps([f"{variant} {i}" for i in range(50)])
        save_file(weights, tmp_path / "musicnn" / f"{variant}.safetensors", {"labels": labels})
    return tmp_path


def windows(n=1, *, seed=0):
    return 0.1 * torch.randn(n, 1, WINDOW, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_tagger_is_a_classifier_of_windows(cache, variant):
    tagger = load(variant)
    assert isinstance(tagger, Classifier)
    assert (tagger.sample_rate, tagger.channels, tagger.activation) == (16_000, 1, "sigmoid")
    assert tagger.window_s * tagger.sample_rate == 187 * 256
    assert tagger.labels[7] == f"{variant} 7"
    assert tagger(windows(2)).shape == (2, 50)


@pytest.mark.parametrize("variant, n_heard", [("MTT_musicnn", 187), ("MTT_vgg", 161)])
def test_a_tagger_hears_the_window_as_far_as_it_says(cache, variant, n_heard):
    audio = windows(4).requires_grad_()
    tagger = load(variant)
    tagger(audio).sum().backward()
    assert torch.isfinite(audio.grad).all()
    heard = (audio.grad.reshape(4, 187, 256) != 0).any(dim=2).any(dim=0)
    # frame k is centred where hop k begins, so the last frame that is heard reaches into the hop of its number
    assert torch.equal(heard, torch.arange(187) < n_heard)
    assert not any(weight.requires_grad for weight in tagger.parameters())


def test_frames_of_a_window_are_those_of_the_whole_recording_but_for_the_first(cache):
    recording = windows(3).reshape(1, -1)
    whole = FRONT_END(recording)[0].T  # (frame, mel)
    cut = load("MTT_vgg").features(recording.reshape(3, 1, -1))
    for k, window in enumerate(cut):
        there = whole[187 * k : 187 * (k + 1)]
        assert torch.equal(window[1:], there[1:])
        assert torch.equal(window[0], there[0]) == (k == 0)


def test_its_fingerprint_is_of_the_weights(cache):
    assert load("MTT_vgg").fingerprint == load("MTT_vgg").fingerprint
    assert len({load(variant).fingerprint for variant in VARIANTS}) == 4


def test_loading_draws_no_random_numbers(cache):
    before = torch.get_rng_state()
    load("MTT_musicnn")
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(1, 1, 47_871), (1, 2, 47_872), (1, 47_872)])
def test_audio_of_another_shape_is_refused(cache, shape):
    with pytest.raises(ValueError, match=r"\(batch, 1, 47872\), 2.992 s at 16 kHz; got \("):
        load("MTT_vgg")(torch.zeros(shape))


def test_an_unknown_tagger_is_answered_with_the_known():
    with pytest.raises(ValueError, match=r"no model 'MTT_lstm'\. Choose one of MTT_musicnn, MSD_musicnn, MTT_vgg, MSD_vgg"):
        load("MTT_lstm")


def test_a_tagger_that_was_not_fetched_says_how(tmp_path, monkeypatch):
    monkeypatch.setenv("HEARWHY_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"MSD_vgg are not at .*: run `hearwhy fetch musicnn` first"):
        load("MSD_vgg")


@pytest.mark.parametrize("content", [b"", b"not weights at all", None])
def test_a_file_that_is_not_the_weights_is_refused(cache, content):
    file = cache / "musicnn" / "MTT_vgg.safetensors"
    file.write_bytes(file.with_name("MTT_musicnn.safetensors").read_bytes() if content is None else content)
    with pytest.raises(ValueError, match="does not hold the weights of MTT_vgg; delete it and run `hearwhy fetch musicnn`"):
        load("MTT_vgg")


@pytest.fixture(scope="module")
def reference():
    file = SHARED / "reference/musicnn_reference.npz"
    if not file.is_file():
        pytest.skip("the reference figures are not part of the repository")
    return np.load(file, allow_pickle=False)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """The cache with the published weights: the user's where they are there, otherwise one for these tests."""
    there = all((cache_folder() / "musicnn" / f"{variant}.safetensors").is_file() for variant in VARIANTS)
    folder = cache_folder() if there else tmp_path_factory.mktemp("cache")
    try:
        fetch_musicnn(folder)
    except ConnectionError as error:
        pytest.skip(f"musicnn wheel cannot be downloaded: {error}")
    return folder


@pytest.mark.shared_data
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("features", ["random", "music"])
def test_the_probabilities_are_tensorflows(reference, fetched, monkeypatch, variant, features):
    monkeypatch.setenv("HEARWHY_CACHE", str(fetched))
    with torch.no_grad():
        ours = load(variant).network(torch.from_numpy(reference[f"{features}_logmel"])).sigmoid().numpy()
    # two implementations in float32, sums of up to 1506 terms in another order: 1.7e-6 seen
    np.testing.assert_allclose(ours, reference[f"{variant}_{features}"], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def song():
    file = SHARED / "data/music/joram-moments_of_clarity-08-solipsism-59-88.mp3"
    if not file.is_file():
        pytest.skip("the recordings are not part of the repository")
    samples, rate = soundfile.read(file, dtype="float32")
    assert (samples.ndim, rate) == (1, FRONT_END.sample_rate)
    return torch.from_numpy(samples)


@pytest.mark.shared_data
def test_the_log_mel_of_a_song_is_musicnns(reference, song):
    theirs = reference["music_logmel"].reshape(-1, 96)
    ours = FRONT_END(song[None])[0].T[: len(theirs)].numpy()
    # theirs was rounded to float16, so its power is off by 2**-11 of itself, and the logarithm by log10(1 + 2**-11)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=np.log10(1 + 2**-11) + 1e-6)


@pytest.mark.shared_data
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_songs_prediction_from_its_sound_is_musicnns(reference, fetched, song, monkeypatch, variant):
    monkeypatch.setenv("HEARWHY_CACHE", str(fetched))
    tagger, theirs = load(variant), reference[f"{variant}_music"]
    windows = song[: len(theirs) * WINDOW].reshape(-1, 1, WINDOW)
    uncut = FRONT_END(song[None])[0].T[: 187 * len(theirs)].reshape(-1, 187, 96)
    with torch.no_grad():
        ours, from_uncut = (logits.sigmoid().numpy() for logits in (tagger(windows), tagger.network(uncut)))
    # the spectrogram of the whole song, cut afterwards, is musicnn's way: its rounding to float16 is left (5e-5)
    np.testing.assert_allclose(from_uncut, theirs, rtol=0, atol=1e-4)
    # the sound is cut first here, so each window but the first begins with half a frame of its own reflection. That is
    # up to 0.011 in a window's probability and 0.0011 in the song's mean; the bounds are twice what was seen
    assert np.abs(ours - theirs).max() < 0.022
    assert np.abs(ours.mean(0) - theirs.mean(0)).max() < 0.0022
    assert np.argsort(ours.mean(0))[-5:].tolist() == np.argsort(theirs.mean(0))[-5:].tolist()
