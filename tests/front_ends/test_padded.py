"""Front ends that fill up short audio: as Whisper's and CLAP's extractors do."""

import numpy as np
import pytest
import torch

from hearwhy.front_ends import LogMel
from hearwhy.front_ends.padded import Padded
from hearwhy.front_ends.whisper import WhisperLogMel
from toys import noise, tone

transformers = pytest.importorskip("transformers")
RATE = 16_000


class Itself:
    """A front end that shows what it was given."""

    sample_rate, n_features = 10, 1

    def n_frames(self, n_samples):
        return n_samples

    def __call__(self, audio):
        return audio[:, None]


@pytest.mark.parametrize(
    ("filling", "full"),
    [
        ("pad", [1, 2, 3, 9, 9, 9, 9, 9, 9, 9]),
        ("repeat", [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]),
        ("repeatpad", [1, 2, 3, 1, 2, 3, 1, 2, 3, 9]),
    ],
)
def test_short_audio_is_filled_up(filling, full):
    front_end = Padded(Itself(), 10, filling, value=9.0)
    assert front_end(torch.tensor([[1.0, 2.0, 3.0]])).tolist() == [[full]]
    assert front_end(torch.arange(10.0)[None]).tolist() == [[list(range(10))]]
    assert (front_end.n_frames(3), front_end.sample_rate, front_end.n_features, front_end.longest) == (10, 10, 1, 10)


@pytest.mark.parametrize("seconds", [0.04, 1.0, 1.7, 3.0])
@pytest.mark.parametrize("n_mels", [80, 128])
def test_whispers_log_mel_is_what_its_extractor_makes(seconds, n_mels):
    extractor = transformers.WhisperFeatureExtractor(feature_size=n_mels, chunk_length=3)
    audio = torch.cat([noise(seconds, rate=RATE), 1e-3 * noise(seconds, rate=RATE, seed=1)])
    audio = torch.cat([audio, tone(700, seconds=seconds, rate=RATE)[None], torch.zeros_like(audio[:1])])
    expected = torch.from_numpy(np.stack(extractor(list(audio.numpy()), sampling_rate=RATE)["input_features"]))
    made = Padded(WhisperLogMel(n_mels=n_mels), 3 * RATE)(audio)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)  # both float32; mel filters are rounded from float64


@pytest.mark.parametrize("truncation", ["rand_trunc", "fusion"])
@pytest.mark.parametrize("filling", ["repeatpad", "repeat", "pad"])
def test_claps_mel_is_what_its_extractor_makes(truncation, filling):
    extractor = transformers.ClapFeatureExtractor(truncation=truncation, padding=filling, max_length_s=1)
    audio = noise(0.3, channels=2, rate=48_000) + tone(900, seconds=0.3, rate=48_000)
    audio[1] = tone(900, seconds=0.3, rate=48_000)  # bins so soft beside it that float32 would miss them by decibels
    expected = np.stack(extractor(list(audio.numpy()), sampling_rate=48_000)["input_features"])
    fusion = truncation == "fusion"
    mel = LogMel(48_000, 1024, 480, 64, f_max=14_000, htk=fusion, norm=None if fusion else "slaney")
    made = Padded(mel, 48_000, filling, double=True)(audio).transpose(1, 2)
    assert made.dtype == torch.float32
    for copy in expected.swapaxes(0, 1):  # four times the same where details are fused
        # decibels down to -100, rounded to float32
        torch.testing.assert_close(made, torch.from_numpy(copy).float(), rtol=0, atol=1e-4)


def test_whisper_sees_nothing_more_than_80_db_under_the_loudest():
    loud = torch.cat([tone(1000, seconds=0.5, rate=RATE), torch.zeros(RATE // 2)])[None]
    made = WhisperLogMel()(loud)
    assert float(made.max() - made.min()) == pytest.approx(2.0, abs=1e-5)  # 8 powers of ten, over 4


def test_gradients_are_the_slope():
    front_end = Padded(WhisperLogMel(), RATE, "repeatpad")
    audio = noise(0.3, rate=RATE).double().requires_grad_()
    direction = torch.randn(audio.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    front_end(audio).square().sum().backward()
    with torch.no_grad():
        up, down = (front_end(audio + step * direction).square().sum() for step in (1e-7, -1e-7))
    assert float((audio.grad * direction).sum()) == pytest.approx(float(up - down) / 2e-7, rel=1e-4)


def test_what_it_cannot_take_is_refused_in_words():
    with pytest.raises(ValueError, match=r"takes 1 to 16000 samples \(1\.00 s\) at a time; got 16001\. Cut"):
        Padded(WhisperLogMel(), RATE)(torch.zeros(1, RATE + 1))
    with pytest.raises(ValueError, match=r"takes 1 to 16000 samples .* got 0"):
        Padded(WhisperLogMel(), RATE)(torch.zeros(1, 0))
    with pytest.raises(ValueError, match=r"of shape \(batch, time\); got torch\.float32 of shape \(1, 1, 5\)"):
        Padded(WhisperLogMel(), RATE)(torch.zeros(1, 1, 5))
    with pytest.raises(ValueError, match=r"filling must be one of \('pad', 'repeat', 'repeatpad'\); got 'loop'"):
        Padded(WhisperLogMel(), RATE, "loop")
