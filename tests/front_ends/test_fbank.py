"""Kaldi's filter bank: what AST's own extractor makes, with a slope."""

import warnings

import numpy as np
import pytest
import torch

from hearwhy.front_ends import Standardised
from hearwhy.front_ends.fbank import Fbank
from toys import noise, tone

transformers = pytest.importorskip("transformers")
RATE = 16_000
SOUNDS = {
    "noise": noise(1.0, rate=RATE)[0],
    "faint noise": 1e-4 * noise(0.7, rate=RATE)[0],
    "tone": tone(440, seconds=1.3, rate=RATE),
    "tone with an offset": 0.2 + tone(3000, seconds=0.5, rate=RATE),
    "one frame": noise(400 / RATE, rate=RATE)[0],
    "silence": torch.zeros(RATE),
    "a click": torch.nn.functional.one_hot(torch.tensor(5000), RATE).float(),
}


def extracted(audio, **settings):
    with warnings.catch_warnings():  # of its own defaults: the lowest of 128 bands hold no bin
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        extractor = transformers.ASTFeatureExtractor(**settings)
    return torch.from_numpy(np.stack(extractor(list(audio.numpy()), sampling_rate=extractor.sampling_rate)["input_values"]))


@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS.keys())
@pytest.mark.parametrize(("n_mels", "rate"), [(128, RATE), (40, RATE), (64, 22_051)])
def test_it_is_what_the_extractor_of_ast_makes(sound, n_mels, rate):
    expected = extracted(sound[None], num_mel_bins=n_mels, max_length=130, sampling_rate=rate, do_normalize=False)
    made = Fbank(rate, n_mels=n_mels, n_frames_fixed=130)(sound[None])
    assert made.dtype == torch.float32 and made.shape == (1, n_mels, 130)
    # the extractor rounds its spectrum to complex64: a few units of the last place of logarithms up to 16
    torch.testing.assert_close(made.transpose(1, 2), expected, rtol=0, atol=1e-5)


def test_standardised_it_is_the_normalised_features_of_a_batch():
    audio = noise(1.0, channels=3, rate=RATE)
    expected = extracted(audio, max_length=120, mean=-5.5, std=3.2)
    made = Standardised(Fbank(RATE, n_frames_fixed=120), -5.5, 2 * 3.2)(audio)
    torch.testing.assert_close(made.transpose(1, 2), expected, rtol=0, atol=1e-5)


def test_short_audio_is_followed_by_zeros_that_are_not_silence():
    made = Fbank(RATE, n_frames_fixed=50)(torch.zeros(1, 4000))
    assert (made[..., 23:] == 0).all() and (made[..., :23] < -15.9).all()


@pytest.mark.parametrize("n_samples", [400, 559, 560, 4000, 16_000])
def test_the_number_of_frames_is_told_beforehand(n_samples):
    front_end = Fbank(RATE, n_mels=16)
    assert front_end(torch.zeros(1, n_samples)).shape == (1, front_end.n_features, front_end.n_frames(n_samples))
    fixed = Fbank(RATE, n_mels=16, n_frames_fixed=98)
    assert fixed(torch.zeros(1, n_samples)).shape[2] == fixed.n_frames(n_samples) == 98


def test_the_longest_fills_every_frame_to_its_last_sample():
    front_end = Fbank(RATE, n_mels=16, n_frames_fixed=20)
    free = Fbank(RATE, n_mels=16)
    assert free.n_frames(front_end.longest) == 20 and free.n_frames(front_end.longest - 1) == 19
    assert free.longest is None
    audio = noise(1.0, rate=RATE)
    torch.testing.assert_close(front_end(audio[:, : front_end.longest]), free(audio)[..., :20], rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"20 frames hold at most 3440 samples \(0\.21 s\); got 3600\. Cut"):
        front_end(audio[:, : front_end.longest + 160])


def test_gradients_are_the_slope_and_finite_at_silence():
    front_end = Fbank(RATE, n_frames_fixed=40)
    audio = noise(0.3, rate=RATE).double().requires_grad_()
    weights = torch.randn(128, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    direction = torch.randn(audio.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    (front_end(audio) * weights).sum().backward()
    with torch.no_grad():
        up, down = ((front_end(audio + step * direction) * weights).sum() for step in (1e-6, -1e-6))
    assert float((audio.grad * direction).sum()) == pytest.approx(float(up - down) / 2e-6, rel=1e-5)
    silence = torch.zeros(1, 4800, requires_grad=True)
    front_end(silence).sum().backward()
    assert torch.isfinite(silence.grad).all()


def test_gradients_pass_after_answers_in_inference_mode():
    front_end = Fbank(RATE, n_mels=23, n_frames_fixed=33)  # settings of no other test: its filters are made here
    with torch.inference_mode():
        front_end(torch.zeros(1, 4000, dtype=torch.float64))
    audio = torch.ones(1, 4000, dtype=torch.float64, requires_grad=True)
    front_end(audio).sum().backward()


@pytest.mark.parametrize(
    ("audio", "says"),
    [
        (torch.zeros(4000), r"shape \(batch, time\); got torch\.float32 of shape \(4000,\)"),
        (torch.zeros(1, 4000, dtype=torch.int16), r"made from float audio .* got torch\.int16"),
        (torch.zeros(1, 399), r"needs at least 400 samples, one frame; got 399"),
    ],
)
def test_audio_that_it_cannot_take_is_refused_in_words(audio, says):
    with pytest.raises(ValueError, match=says):
        Fbank(RATE)(audio)


def test_settings_out_of_range_are_refused_in_words():
    with pytest.raises(ValueError, match=r"must be at least 1, and a frame no longer than n_fft; got .*0"):
        Fbank(RATE, n_mels=0)
    with pytest.raises(ValueError, match=r"no longer than n_fft; got .*600"):
        Fbank(RATE, frame_length=600)
