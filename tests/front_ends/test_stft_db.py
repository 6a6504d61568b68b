"""STFT-dB, Mel-dB and the log1p STFT against librosa, with their slopes; the peak normalisation in front of them."""

import librosa
import numpy as np
import pytest
import torch

from hearwhy.front_ends import FLOOR_DB, MEL_DB, STFT_DB, FrontEnd, LogStft, PeakNormalised, front_end


def five_seconds(rate: int, *, seed: int = 0) -> torch.Tensor:
    """Two sounds: a tone in noise, loud and soft, with a second of digital silence at the end."""
    time = np.arange(5 * rate) / rate
    noise = np.random.default_rng(seed).standard_normal((2, time.size)) * [[0.1], [0.001]]
    audio = (noise + 0.3 * np.sin(2 * np.pi * 440 * time)) * (time < 4)
    return torch.from_numpy(audio.astype(np.float32))


def librosa_power(audio: np.ndarray, n_fft: int, hop: int, pad: str | None = "reflect") -> np.ndarray:
    spectrum = librosa.stft(audio, n_fft=n_fft, hop_length=hop, center=pad is not None, pad_mode=pad or "constant")
    return np.abs(spectrum) ** 2


def test_stft_db_is_librosas_and_the_papers():
    audio = five_seconds(16_000)
    ours = STFT_DB(audio)
    theirs = librosa.power_to_db(librosa_power(audio.double().numpy(), 512, 256), ref=1.0, amin=1e-10, top_db=None)
    assert ours.shape == (2, 257, 313) == (2, STFT_DB.n_features, STFT_DB.n_frames(80_000))
    # float32's FFT misses by 1e-7 of a frame's loudest bin (about 40 dB here): the power of the softest by its share of that
    np.testing.assert_allclose(10 ** (ours.numpy() / 20), 10 ** (theirs / 20), rtol=0, atol=1e-6 * 10 ** (theirs.max() / 20))
    loud = theirs > theirs.max() - 80
    np.testing.assert_allclose(ours.numpy()[loud], theirs[loud], rtol=0, atol=0.02)
    assert ours.min() == FLOOR_DB == -100 and (ours[:, :, -50:] == -100).all()


def test_mel_db_is_librosas_and_the_papers():
    audio = five_seconds(32_000)
    ours = MEL_DB(audio)
    mel = librosa.feature.melspectrogram(
        y=audio.double().numpy(), sr=32_000, n_fft=1024, hop_length=320, n_mels=64, fmin=50, fmax=14_000, htk=True,
        norm=None, power=2.0, center=True, pad_mode="reflect",
    )  # fmt: skip
    theirs = librosa.power_to_db(mel, ref=1.0, amin=1e-10, top_db=None)
    assert ours.shape == (2, 64, 501) == (2, MEL_DB.n_features, MEL_DB.n_frames(160_000))
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-3)  # sums of bins: the softest hide in the louder
    assert ours.min() == FLOOR_DB


@pytest.mark.parametrize("pad", ["reflect", "constant", None])
def test_log1p_is_librosas_magnitude(pad):
    audio = five_seconds(16_000)
    ours = LogStft(16_000, 400, 160, log="log1p", gain=10.0, pad=pad)(audio).numpy()
    theirs = np.log1p(10 * np.sqrt(librosa_power(audio.double().numpy(), 400, 160, pad)))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)  # 10 times float32's rounding of the loudest, 3e2


@pytest.mark.parametrize("pad", ["reflect", "constant", None])
@pytest.mark.parametrize("n_fft", [512, 400, 513])
@pytest.mark.parametrize("n_samples", [513, 767, 768, 769, 3000])
def test_it_says_how_many_frames_there_will_be(pad, n_fft, n_samples):
    made = LogStft(16_000, n_fft, 256, pad=pad)
    assert made(torch.zeros(1, n_samples)).shape == (1, made.n_features, made.n_frames(n_samples))


@pytest.mark.parametrize(
    "made", [STFT_DB, MEL_DB, LogStft(16_000, 512, 256, log="log1p"), PeakNormalised(STFT_DB), PeakNormalised(MEL_DB)]
)
def test_its_slope_is_the_difference_quotient(made):
    generator = torch.Generator().manual_seed(1)
    audio = 0.1 * torch.randn(1, 4096, generator=generator, dtype=torch.float64)
    direction = torch.randn(1, 4096, generator=generator, dtype=torch.float64)
    audio.requires_grad_()
    weights = torch.randn(made(audio).shape, generator=generator, dtype=torch.float64)
    (made(audio) * weights).sum().backward()
    step = 1e-7
    with torch.no_grad():
        up, down = ((made(audio + sign * step * direction) * weights).sum() for sign in (1, -1))
    slope = float((audio.grad * direction).sum())
    assert float(up - down) / (2 * step) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("made", [STFT_DB, MEL_DB, LogStft(16_000, 512, 256, log="log1p"), PeakNormalised(STFT_DB)])
def test_its_slope_at_silence_is_finite(made):
    audio = torch.zeros(1, 4096, requires_grad=True)
    made(audio).sum().backward()
    assert torch.isfinite(audio.grad).all()


def test_behind_the_peak_no_level_is_heard_and_silence_stays_silence():
    audio = five_seconds(16_000)
    made = PeakNormalised(STFT_DB)
    torch.testing.assert_close(made(audio), STFT_DB(audio / audio.abs().amax(dim=1, keepdim=True)), rtol=0, atol=0)
    torch.testing.assert_close(made(0.125 * audio), made(audio), rtol=0, atol=0)  # a power of two: no rounding
    assert (made(torch.zeros(1, 8000)) == FLOOR_DB).all()
    rows = torch.cat([made(row[None]) for row in audio])  # each row by its own peak
    torch.testing.assert_close(made(audio), rows, rtol=0, atol=0)


def test_front_ends_are_plain_values():
    assert LogStft(16_000, 512, 256) == STFT_DB and hash(LogStft(16_000, 512, 256)) == hash(STFT_DB)
    assert PeakNormalised(STFT_DB) == PeakNormalised(LogStft(16_000, 512, 256)) != PeakNormalised(MEL_DB)
    assert isinstance(PeakNormalised(STFT_DB).n_frames(80_000), int)
    wrapped: FrontEnd = PeakNormalised(MEL_DB)
    assert (wrapped.sample_rate, wrapped.n_features, wrapped.n_frames(160_000)) == (32_000, 64, 501)
    table = {"kind": "log_stft", "sample_rate": 16_000, "n_fft": 512, "hop_length": 256}
    assert front_end(table) == STFT_DB
    with pytest.raises(ValueError, match=r"log_stft needs hop_length"):
        front_end({key: value for key, value in table.items() if key != "hop_length"})


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"hop_length": 0}, r"must be at least 1; got \(16000, 512, 0\)"),
        ({"log": "dB"}, r"log must be one of \('db', 'log1p'\); got 'dB'"),
        ({"pad": "wrap"}, r"pad must be one of .*; got 'wrap'"),
        ({"gain": 0.0}, r"gain must be positive; got 0.0"),
    ],
)
def test_senseless_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LogStft(**{"sample_rate": 16_000, "n_fft": 512, "hop_length": 256} | settings)


@pytest.mark.parametrize(
    "audio, message",
    [
        (torch.zeros(8000), r"\(batch, time\); got torch.float32 of shape \(8000,\)"),
        (torch.zeros(1, 1, 8000), r"\(batch, time\); got torch.float32 of shape \(1, 1, 8000\)"),
        (torch.zeros(1, 8000, dtype=torch.int16), r"got torch.int16 of shape"),
        (torch.zeros(1, 256), r"need at least 257 samples of audio; got 256"),
        (torch.zeros(1, 0), r"need at least 257 samples of audio; got 0"),
    ],
)
@pytest.mark.parametrize("made", [STFT_DB, PeakNormalised(STFT_DB)], ids=["plain", "peak"])
def test_audio_that_is_none_is_refused(made, audio, message):
    with pytest.raises(ValueError, match=message):
        made(audio)
