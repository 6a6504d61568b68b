"""The log-mel front end against librosa, as an independent implementation."""

import itertools
import warnings

import librosa
import numpy as np
import pytest
import torch

from hearwhy.front_ends import LogMel

RATE = 16_000


def sound(seconds: float = 0.5, *, seed: int = 0) -> torch.Tensor:
    """Two channels of noise, loud and soft, with a tone, so that loud and soft bins both occur."""
    time = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal((2, time.size)) * [[0.1], [0.001]]
    return torch.from_numpy((noise + 0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32))


def librosa_mel(audio: torch.Tensor, front_end: LogMel) -> np.ndarray:
    return librosa.feature.melspectrogram(
        y=audio.numpy(),
        sr=front_end.sample_rate,
        n_fft=front_end.n_fft,
        hop_length=front_end.hop_length,
        n_mels=front_end.n_mels,
        fmin=front_end.f_min,
        fmax=front_end.f_max,
        htk=front_end.htk,
        norm=front_end.norm,
        power=front_end.power,
        center=front_end.pad is not None,
        pad_mode=front_end.pad or "constant",
    )


@pytest.mark.parametrize(
    "pad, power, htk, norm",
    list(itertools.product(["reflect", "constant", None], [1.0, 2.0], [True, False], ["slaney", None])),
)
def test_the_mel_spectrogram_is_librosas(pad, power, htk, norm):
    front_end = LogMel(RATE, 512, 200, 40, htk=htk, norm=norm, power=power, pad=pad, log="none")
    ours, theirs = front_end(sound()).numpy(), librosa_mel(sound(), front_end)
    assert ours.shape == theirs.shape
    # float32: two FFTs of 512 samples differ by a few units in the last place of the loudest bin
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * theirs.max())


@pytest.mark.parametrize(
    "front_end",
    [
        LogMel(RATE, 512, 256, 96, log="none"),
        LogMel(RATE, 1024, 512, 128, power=1.0, log="none"),
        LogMel(32_000, 1024, 320, 64, f_min=50.0, f_max=14_000.0, htk=True, norm=None, log="none"),
    ],
    ids=["musicnn", "band", "panns"],
)
def test_the_settings_in_use_are_librosas(front_end):
    ours, theirs = front_end(sound()).numpy(), librosa_mel(sound(), front_end)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6 * theirs.max())  # as above


@pytest.mark.parametrize("power, decibels", [(1.0, librosa.amplitude_to_db), (2.0, librosa.power_to_db)])
def test_decibels_are_librosas_with_a_floor_at_minus_100(power, decibels):
    audio = torch.cat([sound(), torch.zeros(2, 4000)], dim=1)
    front_end = LogMel(RATE, 512, 256, 40, power=power, log="db")
    theirs = decibels(librosa_mel(audio, front_end), ref=1.0, amin=1e-5**power, top_db=None)
    ours = front_end(audio).numpy()
    # in the softest bins of the loud row, float32's FFT noise is up to 1e-4 of their magnitude: about 1e-3 dB
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)
    assert ours.min() == pytest.approx(-100)


@pytest.mark.parametrize("log, formula", [("log1p", np.log1p), ("log10_1p", lambda x: np.log10(1 + x))])
def test_the_logarithms_are_what_they_say(log, formula):
    plain = LogMel(RATE, 512, 256, 40, log="none")(sound()).double().numpy()
    ours = LogMel(RATE, 512, 256, 40, log=log, gain=100.0)(sound()).numpy()
    np.testing.assert_allclose(ours, formula(100 * plain), rtol=1e-5, atol=1e-6)  # float32's logarithm


@pytest.mark.parametrize("pad", ["reflect", "constant", None])
@pytest.mark.parametrize("n_fft", [512, 400, 513])
@pytest.mark.parametrize("n_samples", [513, 767, 768, 769, 3000])
def test_it_says_how_many_frames_there_will_be(pad, n_fft, n_samples):
    front_end = LogMel(RATE, n_fft, 256, 10, pad=pad)
    assert front_end(torch.zeros(1, n_samples)).shape[2] == front_end.n_frames(n_samples)


@pytest.mark.parametrize("power, log", list(itertools.product([1.0, 2.0], ["db", "log1p", "log10_1p", "none"])))
def test_its_slope_is_the_difference_quotient(power, log):
    front_end = LogMel(RATE, 512, 256, 20, power=power, log=log, gain=10.0)
    audio = sound(0.1).double().requires_grad_()
    generator = torch.Generator().manual_seed(1)
    direction = torch.randn(audio.shape, generator=generator, dtype=torch.double)
    weight = torch.randn(front_end(audio).shape, generator=generator, dtype=torch.double)

    def total(x):
        return (front_end(x) * weight).sum()

    (slope,) = torch.autograd.grad(total(audio), audio)
    step = 1e-8  # far below the softest bin, where a magnitude bends sharply
    with torch.no_grad():
        quotient = (total(audio + step * direction) - total(audio - step * direction)) / (2 * step)
    # doubles round the sums to 1e-15 of themselves, so the quotient to 1e-15 / step = 1e-7, and more where terms cancel
    assert float((slope * direction).sum()) == pytest.approx(float(quotient), rel=1e-5)


@pytest.mark.parametrize("power, log", list(itertools.product([1.0, 2.0], ["db", "log1p", "log10_1p", "none"])))
def test_silence_has_a_finite_slope(power, log):
    audio = torch.zeros(1, 2000, requires_grad=True)
    LogMel(RATE, 512, 256, 20, power=power, log=log)(audio).sum().backward()
    assert torch.isfinite(audio.grad).all()


def test_double_precision_stays_double():
    assert LogMel(RATE, 512, 256, 20)(sound().double()).dtype == torch.double


def test_two_with_the_same_settings_are_equal_and_no_other():
    assert LogMel(RATE, 512, 256, 20) == LogMel(RATE, 512, 256, 20)
    assert repr(LogMel(RATE, 512, 256, 20)) != repr(LogMel(RATE, 512, 256, 20, gain=2.0))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"n_fft": 0}, r"at least 1; got \(16000, 0, 256, 20\)"),
        ({"f_max": 9000.0}, "between 0 and 8000 Hz.*got 0 and 9000"),
        ({"f_min": 4000.0, "f_max": 300.0}, "got 4000 and 300"),
        ({"power": 3.0}, "power must be 1.0 or 2.0.*got 3.0"),
        ({"gain": 0.0}, "gain positive; got 2.0 and 0.0"),
        ({"log": "ln"}, "log must be one of .*got 'ln'"),
        ({"norm": "l1"}, "norm must be one of .*got 'l1'"),
        ({"pad": "edge"}, "pad must be one of .*got 'edge'"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LogMel(**{"sample_rate": RATE, "n_fft": 512, "hop_length": 256, "n_mels": 20} | settings)


@pytest.mark.parametrize(
    "audio, pad, message",
    [
        (torch.zeros(3000), "reflect", r"\(batch, time\); got torch.float32 of shape \(3000,\)"),
        (torch.zeros(1, 1, 3000), "reflect", r"of shape \(1, 1, 3000\)"),
        (torch.zeros(1, 3000, dtype=torch.int16), "reflect", "got torch.int16"),
        (torch.zeros(1, 256), "reflect", "at least 257 samples of audio; got 256"),
        (torch.zeros(1, 511), None, "at least 512 samples of audio; got 511"),
        (torch.zeros(1, 0), "constant", "at least 1 samples of audio; got 0"),
    ],
)
def test_audio_that_makes_no_frame_is_refused(audio, pad, message):
    with pytest.raises(ValueError, match=message):
        LogMel(RATE, 512, 256, 20, pad=pad)(audio)


def test_the_shortest_audio_makes_a_frame():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LogMel(RATE, 512, 256, 20)(torch.zeros(1, 257)).shape == (1, 20, 2)
