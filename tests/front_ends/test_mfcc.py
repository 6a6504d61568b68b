import librosa
import numpy as np
import pytest
import torch

from hearwhy import audio as sound
from hearwhy.front_ends.mfcc import Mfcc, cosines

TUTORIAL = Mfcc(sample_rate=22_050, preemphasis=0.97, length=44)


def noise(seconds, seed=0):
    rng = np.random.default_rng(seed)
    fading = np.exp(-np.linspace(0, 12, round(seconds * 22_050)))  # over 80 dB: the top_db is reached
    return (rng.standard_normal(fading.size) * fading).astype(np.float32)


def by_librosa(audio, n_frames=None):
    made = librosa.feature.mfcc(y=librosa.effects.preemphasis(audio), sr=22_050, n_mfcc=40)
    if n_frames is None:
        return made
    return np.pad(made, ((0, 0), (0, max(0, n_frames - made.shape[1]))))[:, :n_frames]


@pytest.mark.parametrize("seconds", [0.4, 1.0, 5.0])
def test_coefficients_are_librosas(seconds):
    audio = noise(seconds)
    made = TUTORIAL(torch.from_numpy(audio)[None])[0].numpy()
    assert made.shape == (40, 44)
    assert np.abs(made - by_librosa(audio, 44)).max() < 1e-3


def test_all_frames_without_a_length():
    audio = noise(2.0)
    made = Mfcc(sample_rate=22_050, preemphasis=0.97)
    assert np.abs(made(torch.from_numpy(audio)[None])[0].numpy() - by_librosa(audio)).max() < 1e-3
    assert made.n_frames(audio.size) == by_librosa(audio).shape[1]


@pytest.mark.shared_data
def test_coefficients_of_real_recordings_are_librosas(shared_data):
    for path in sorted((shared_data / "esc10" / "audio").glob("5-*.ogg"))[:5]:
        audio = sound.convert(sound.load(path), 22_050, 1).audio
        assert np.abs(TUTORIAL(audio)[0].numpy() - by_librosa(audio[0].numpy(), 44)).max() < 1e-3


def test_each_row_of_a_batch_is_as_if_alone_and_silence_is_finite():
    both = torch.stack([torch.from_numpy(noise(1.0)), torch.zeros(22_050)])
    made = TUTORIAL(both)
    assert torch.equal(made[1], TUTORIAL(both[1:])[0]) and torch.isfinite(made).all()
    assert torch.allclose(made[0], TUTORIAL(both[:1])[0], atol=1e-4)


def test_slope_reaches_the_audio():
    audio = torch.from_numpy(noise(0.5))[None].requires_grad_()
    TUTORIAL(audio).square().mean().backward()
    assert torch.isfinite(audio.grad).all() and (audio.grad != 0).any()


def test_the_transform_is_orthonormal():
    whole = cosines(128, 128)
    assert torch.allclose(whole @ whole.T, torch.eye(128, dtype=torch.float64), atol=1e-12)
    assert torch.equal(whole[:40], cosines(40, 128))


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"n_mfcc": 200}, "n_mfcc lies between 1 and n_mels = 128; got 200"),
        ({"preemphasis": 1.0}, "preemphasis lies between"),
        ({"top_db": 0.0}, "top_db is positive"),
        ({"length": 0}, "length at least 1"),
        ({"hop_length": 0}, "hop_length"),
    ],
)
def test_settings_out_of_range(settings, words):
    with pytest.raises(ValueError, match=words):
        Mfcc(sample_rate=22_050, **settings)


def test_audio_of_a_wrong_shape():
    with pytest.raises(ValueError, match="at least two samples"):
        TUTORIAL(torch.zeros(1, 1))
    with pytest.raises(ValueError, match=r"\(batch, time\)"):
        TUTORIAL(torch.zeros(22_050))
