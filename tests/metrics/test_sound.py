"""SI-SDR and the log-spectral distance against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import stft

from hearwhy.metrics.sound import log_spectral_distance, si_sdr


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_si_sdr_of_orthogonal_noise_is_the_ratio_of_powers_at_any_gain():
    time = torch.arange(1000) / 1000
    tone, other = torch.sin(2 * torch.pi * 50 * time), torch.sin(2 * torch.pi * 80 * time)  # orthogonal, equal power
    for level in (1.0, 0.1, 0.01):
        for gain in (1.0, -3.0, 1e-3):
            assert si_sdr(gain * (tone + level * other), tone).item() == pytest.approx(-20 * np.log10(level), abs=1e-4)


def test_si_sdr_is_the_reference_formula():
    sound, recording = noise(3, 2, 500, seed=1), noise(3, 2, 500, seed=2)
    sound = sound + torch.tensor([0.1, 1.0, 9.0])[:, None, None] * recording
    x, s = sound.double().numpy(), recording.double().numpy()
    alpha = ((x * s).sum(-1) / (s * s).sum(-1))[..., None]  # torchmetrics, zero_mean=False, without its epsilon
    expected = 10 * np.log10(((alpha * s) ** 2).sum(-1) / ((alpha * s - x) ** 2).sum(-1))
    np.testing.assert_allclose(si_sdr(sound, recording).numpy(), expected, rtol=1e-12)


def test_si_sdr_at_its_ends():
    recording = noise(100)
    assert si_sdr(recording, recording) == si_sdr(4 * recording, recording) == 120
    assert si_sdr(torch.zeros(100), recording) == -120
    assert si_sdr(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])) == -120
    with pytest.raises(ValueError, match="1 of 2 recordings are silent"):
        si_sdr(noise(2, 10), torch.stack([torch.zeros(10), torch.ones(10)]))


@pytest.mark.parametrize("gain, distance", [(1.0, 0.0), (0.5, 6.0206), (2.0, 6.0206), (0.1, 20.0)])
def test_a_gain_is_its_own_distance(gain, distance):
    recording = noise(2, 8000)
    torch.testing.assert_close(
        log_spectral_distance(gain * recording, recording), torch.full((2,), distance, dtype=torch.float64), atol=1e-3, rtol=0
    )


def test_the_distance_is_that_of_spectra_computed_elsewhere():
    sound, recording = noise(4000, seed=1), noise(4000, seed=2).cumsum(0)

    def decibels(audio):
        padded = np.pad(audio.double().numpy(), 128, mode="reflect")
        spectrum = stft(padded, window="hann", nperseg=256, noverlap=192, boundary=None, padded=False, scaling="psd")[2]
        return 20 * np.log10(np.abs(spectrum) * np.sqrt(np.sum(np.hanning(257)[:-1] ** 2)))  # undo "psd"

    expected = np.sqrt(((decibels(sound) - decibels(recording)) ** 2).mean(0)).mean()
    measured = log_spectral_distance(sound, recording, n_fft=256, hop_length=64)
    assert measured.item() == pytest.approx(expected, abs=1e-6)
    assert log_spectral_distance(recording, sound, n_fft=256, hop_length=64) == measured


def test_silence_is_as_far_as_the_sound_is_above_the_floor():
    recording = noise(8000)
    spectrum = torch.stft(recording.double(), 1024, 256, window=torch.hann_window(1024).double(), return_complex=True)
    height = 20 * spectrum.abs().log10() + 100
    expected = height.square().mean(0).sqrt().mean()
    torch.testing.assert_close(log_spectral_distance(torch.zeros(8000), recording), expected)
    assert log_spectral_distance(torch.zeros(8000), torch.zeros(8000)) == 0


@pytest.mark.parametrize("metric", [si_sdr, log_spectral_distance])
def test_sounds_that_cannot_be_compared_are_refused(metric):
    with pytest.raises(ValueError, match=r"of one shape; got \(2000,\) and \(2001,\)"):
        metric(noise(2000), noise(2001))
    with pytest.raises(ValueError, match="NaN or infinite"):
        metric(noise(2000) / 0, noise(2000))
    with pytest.raises(ValueError, match="needs over 512 samples; got 512"):
        log_spectral_distance(noise(512), noise(512))
