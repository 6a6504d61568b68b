"""Mixing spectra is mixing waveforms, without the STFT of every mix; and it is done only where the front end is linear."""

from dataclasses import dataclass

import pytest
import torch

from hearwhy import Predict, Recording, TargetScore, components
from hearwhy.blending import MAX_PARTS, Spectra, Waveforms, mixer
from hearwhy.classifiers.callable import CallableClassifier
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components import with_fill
from hearwhy.front_ends import FRONT_ENDS, LogMel, LogStft, Mfcc, PeakNormalised, Standardised
from hearwhy.windowing import Listening
from toys import noise, noisy, tone

RATE = 8000
FRONT_ENDS_HERE = {
    "log_mel db": LogMel(RATE, 256, 128, 20),
    "log_mel log1p": LogMel(RATE, 256, 64, 20, power=1.0, log="log1p", gain=10.0, pad="constant"),
    "log_stft": LogStft(RATE, 256, 128, log="log1p", pad=None),
    "mfcc": Mfcc(RATE, 13, 256, 128, 30, preemphasis=0.97, length=50),
    "standardised": Standardised(LogMel(RATE, 256, 128, 20), mean=-30.0, std=12.0),
}


def summary(features: torch.Tensor) -> torch.Tensor:
    return torch.stack([features.mean((1, 2)), features.std((1, 2)), features.square().mean((1, 2)).sqrt()], dim=1)


def by_frame(features: torch.Tensor) -> torch.Tensor:
    return torch.stack([features.mean(1), features.std(1)], dim=1)


def seeing(front_end, *, window_s=None, frame_wise=False, **options) -> SpectrogramClassifier:
    """A classifier whose front end can be seen; its answers are in the unit of its features."""
    network, labels = (by_frame, ("a", "b")) if frame_wise else (summary, ("a", "b", "c"))
    output = "batch label frame" if frame_wise else "batch label"
    return SpectrogramClassifier(
        front_end, network, labels, layout="batch freq frame", output=output, window_s=window_s, activation="sigmoid", **options
    )


def blind(model: SpectrogramClassifier) -> CallableClassifier:
    """The same classifier as a function of sound: what it is given are waveforms."""
    return CallableClassifier(
        model, model.sample_rate, model.labels, activation="sigmoid", window_s=model.window_s, output=model.output
    )


def song(seconds: float = 1.0) -> Recording:
    return Recording(tone(440, seconds=seconds, gain=0.2) + noise(seconds), RATE, "song")


def masks(n: int, size: int) -> torch.Tensor:
    drawn = torch.rand(n, size, generator=torch.Generator().manual_seed(0)) < 0.5
    return torch.cat([drawn, torch.ones(1, size, dtype=torch.bool)])


def assert_alike(model, parts, **options) -> None:
    ours, theirs = Predict(model, parts, **options), Predict(blind(model), parts, **options)
    assert ours._mixture.of_features and not theirs._mixture.of_features
    some = masks(12, len(parts.names))
    a, b = ours(some), theirs(some)
    # Both round in float32, at different steps: 1e-5 of the features' range is a hundred times one rounding.
    assert torch.allclose(a, b, atol=1e-5 * float(b.max() - b.min()), rtol=0)
    assert ours.n_calls == theirs.n_calls


@pytest.mark.parametrize("kind", FRONT_ENDS_HERE)
@pytest.mark.parametrize("fill", ["silence", "noise"])
def test_spectra_mixed_are_the_spectra_of_the_mix(kind, fill):
    parts = with_fill(components("bands:4 * segments:3", song()), fill)
    assert_alike(seeing(FRONT_ENDS_HERE[kind]), parts)


@pytest.mark.parametrize("seconds", [0.3, 1.7])
def test_windows_and_what_fills_them_are_the_same(seconds):
    model = seeing(LogMel(RATE, 256, 128, 20, log="log1p"), window_s=0.5)
    assert_alike(model, components("bands:5", song(seconds)))


def test_overlapping_windows_frames_and_spans_are_the_same():
    model = seeing(LogMel(RATE, 256, 128, 20, log="log1p"), window_s=0.5, frame_wise=True)
    listening = Listening(overlap=0.5, span_s=(0.4, 1.2))
    assert_alike(model, with_fill(components("segments:5", song(2.0)), "noise"), listening=listening, batch_size=3)


def test_the_slope_is_the_same():
    model = seeing(LogMel(RATE, 256, 128, 20, log="log1p", gain=100.0))
    parts = with_fill(components("bands:4", song()), "noise")
    soft = 0.2 + 0.6 * torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
    ours, theirs = (TargetScore(Predict(m, parts), ["a", "c"]).gradient(soft) for m in (model, blind(model)))
    assert torch.allclose(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=0)


@dataclass(frozen=True, eq=False)
class Louder(SpectrogramClassifier):
    """Does something to the sound before its front end."""

    def features(self, audio):
        return super().features(2 * audio)


@dataclass(frozen=True, eq=False)
class Checked(SpectrogramClassifier):
    """Only looks at what it is given."""

    def features(self, audio):
        assert audio.ndim == 3
        return super().features(audio)


@dataclass(frozen=True, eq=False)
class Doubled(SpectrogramClassifier):
    """Does something to its answers."""

    def __call__(self, audio):
        return 2 * super().__call__(audio)


PLAIN = LogMel(RATE, 256, 128, 20)


def of(kind) -> SpectrogramClassifier:
    return kind(PLAIN, summary, ("a", "b", "c"), layout="batch freq frame")


@pytest.mark.parametrize(
    ("model", "n", "expected"),
    [
        (seeing(PLAIN), MAX_PARTS, Spectra), (seeing(PLAIN), MAX_PARTS + 1, Waveforms),
        (seeing(PeakNormalised(PLAIN)), 4, Waveforms), (seeing(Standardised(PeakNormalised(PLAIN), 0.0, 2.0)), 4, Waveforms),
        (blind(seeing(PLAIN)), 4, Waveforms), (of(Louder), 4, Waveforms), (of(Checked), 4, Spectra),
        (of(Doubled), 4, Waveforms),
    ],
)  # fmt: skip
def test_spectra_are_mixed_only_where_nothing_else_happens_to_the_sound(model, n, expected):
    parts = components(f"segments:{n}", noisy())
    assert type(mixer(parts, model, Listening().windows(RATE, model))) is expected


def test_spectra_that_would_take_too_much_memory_are_not_made(monkeypatch):
    monkeypatch.setattr("hearwhy.blending.MAX_BYTES", 1000)
    parts, model = components("segments:4", noisy()), seeing(PLAIN)
    assert type(mixer(parts, model, Listening().windows(RATE, model))) is Waveforms


@pytest.mark.parametrize("made", FRONT_ENDS.values())
def test_every_front_end_of_a_description_is_its_spectrum_and_what_follows(made):
    front_end = made(
        RATE, **{} if made is Mfcc else {"n_fft": 256, "hop_length": 128}, **{"n_mels": 20} if made is LogMel else {}
    )
    audio = noise(1.0)
    assert torch.equal(front_end(audio), front_end.of_spectrum(front_end.spectrum(audio)))
    halves = front_end.spectrum(audio / 4) + front_end.spectrum(audio * 3 / 4)
    assert torch.allclose(halves, front_end.spectrum(audio), atol=1e-5)  # it is linear, within float32's rounding


def test_parts_of_stereo_sound_are_mixed_channel_by_channel():
    stereo = Recording(torch.stack([tone(440), tone(1000)]), RATE)
    parts = with_fill(components("bands:3", stereo), "noise")

    def levels(audio):
        return audio.square().mean(2)

    model = CallableClassifier(levels, RATE, ("left", "right"), channels=2, window_s=0.5, activation="sigmoid")
    some = masks(5, 3)
    by_hand = parts.mix(some)[:, 0, :, :4000].square().mean(2)
    assert torch.allclose(Predict(model, parts)(some)[:, 0], by_hand, atol=1e-7)
