"""What a feature is, as sound: measured on the sound."""

import math

import pytest
import torch
from librosa import mel_frequencies

from hearwhy import Recording
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.audible import audible as audible_of
from hearwhy.components.background import Background
from hearwhy.components.vectors import vectors
from hearwhy.front_ends import FeatureTable, LogMel, Mfcc, PeakNormalised
from hearwhy.front_ends.fbank import Fbank
from hearwhy.vector import Vector
from toys import noisy, tone

MFCC = Mfcc(sample_rate=8000, n_mfcc=5, n_fft=512, hop_length=256, n_mels=40)


def made(front_end, recording, *, std=4.0, how=""):
    n = front_end.n_features
    values = torch.stack([torch.zeros(n), torch.full((n,), math.sqrt(2) * std)])
    asked = SpectrogramClassifier(front_end, lambda x: x.mean(2)[:, :2], ("a", "b"), layout="batch freq frame",
                                  background=Background.of(values))  # fmt: skip
    return vectors(recording, asked, how)


def audible(cells):
    return Vector.of(cells).audible(cells.recording)


def power_db(audio):
    return 10 * math.log10(float(audio.square().mean()))


def test_an_mfcc_moves_by_a_standard_deviation_and_the_others_stay():
    recording = noisy()
    own = MFCC(recording.audio)[0].mean(dim=1)
    for number, found in enumerate(audible(made(MFCC, recording))):
        for word, sign in (("lower", -1), ("higher", 1)):
            moved = MFCC(found.sounds[word][None])[0].mean(dim=1) - own
            expected = torch.zeros(5).index_fill(0, torch.tensor(number), sign * 4.0)
            assert torch.allclose(moved, expected, atol=0.8), (number, word, moved)  # a mel band is wider than a bin


def test_a_mel_band_is_the_clip_filtered():
    mel = LogMel(sample_rate=8000, n_fft=512, hop_length=256, n_mels=20)
    low, high = tone(300.0), tone(3000.0)
    cells = made(mel, Recording(low + high, 8000))
    sounds = audible(cells)
    heard = {name: power_db(found.sounds["alone"]) for name, found in zip(cells.names, sounds, strict=True)}
    loudest = sorted(heard, key=heard.__getitem__)[-4:]  # neighbours share a tone
    spans = [tuple(float(hz) for hz in name.split("(")[1].removesuffix(" Hz)").split("-")) for name in loudest]
    assert all(any(a <= hz <= b for hz in (300, 3000)) for a, b in spans)
    assert max(heard.values()) <= power_db(low + high) + 0.1 and min(heard.values()) < -60


def test_the_level_of_a_table_is_heard_softer_and_louder():
    recording = noisy()
    table = FeatureTable(sample_rate=8000, features=("rms", "centroid"))
    rms, centroid = audible(made(table, recording, std=0.02))
    level = float(recording.audio.square().mean().sqrt())
    for word, sign in (("lower", -1), ("higher", 1)):
        assert float(rms.sounds[word].square().mean().sqrt()) == pytest.approx(level + sign * 0.02, rel=1e-3)
    assert centroid.sounds == {} and "no sound of its own" in centroid.words


def test_tempo_is_a_track_of_clicks():
    time = torch.arange(4 * 8000)
    clicks = (time % 4000 < 80) * noisy(4.0).audio[0] * 5  # every half second: 120 beats a minute
    table = FeatureTable(sample_rate=8000, features=("tempo",))
    (tempo,) = audible(made(table, Recording(clicks[None], 8000), std=30.0))
    for word, bpm in (("lower", 90), ("higher", 150)):
        onsets = (tempo.sounds[word].abs() > 0.15).int().diff().clamp(min=0).nonzero()[:, 0]
        starts = onsets[torch.cat([torch.tensor([10_000]), onsets.diff()]) > 1000]
        assert len(starts) == pytest.approx(4 * bpm / 60, abs=1.1)
        assert abs(int(tempo.titles[word].removesuffix(" BPM")) - bpm) <= 6  # tempo is known in steps of a frame


def test_a_pitch_is_the_clip_filtered():
    cells = made(FeatureTable(sample_rate=8000, features=("chroma",)), Recording(tone(440.0) + tone(523.25), 8000))
    heard = {name: power_db(found.sounds["alone"]) for name, found in zip(cells.names, audible(cells), strict=True)}
    assert set(sorted(heard, key=heard.__getitem__)[-2:]) == {"chroma A", "chroma C"}


def test_without_a_background_nothing_says_how_far_to_move():
    asked = SpectrogramClassifier(MFCC, lambda x: x.mean(2)[:, :2], ("a", "b"), layout="batch freq frame")
    found = audible(vectors(noisy(), asked))
    assert all(not one.sounds and "how much it usually varies" in one.words for one in found)


def test_only_what_the_model_hears_is_played():
    short = Mfcc(sample_rate=8000, n_mfcc=5, n_fft=512, hop_length=256, n_mels=40, length=10)
    assert len(audible(made(short, noisy()))[0].sounds["lower"]) == 9 * 256 + 256


@pytest.mark.parametrize(("features", "how", "why"), [
    (("chroma",), "features", "it stands for several numbers"),  # twelve pitches together are the whole clip
    (("mel=4",), "features", "it stands for several numbers"),
    (("mfcc=4",), "features", "it stands for several numbers"),
    (("zcr",), "", "very different sounds share this number"),
])  # fmt: skip
def test_what_no_sound_stands_for_says_why(features, how, why):
    (found,) = audible(made(FeatureTable(sample_rate=8000, features=features), noisy(), how=how))
    assert found.sounds == {} and why in found.words


def test_what_never_varies_cannot_be_moved_by_what_it_varies():
    (found,) = audible(made(FeatureTable(sample_rate=8000, features=("rms",)), noisy(), std=0.0))
    assert found.sounds == {} and "the same in every clip" in found.words


@pytest.mark.parametrize(("front_end", "seconds", "why"), [
    (Mfcc(sample_rate=8000, n_mfcc=2, n_fft=256, hop_length=200, n_mels=20), 1.0, "overlap by less than half"),
    (Mfcc(sample_rate=8000, n_mfcc=2, n_fft=2048, hop_length=512, n_mels=20), 0.1, "shorter than one frame"),
    (PeakNormalised(Fbank(sample_rate=8000)), 1.0, "nothing tells what such a row is made of"),
])  # fmt: skip
def test_where_there_is_no_way_back_to_sound_there_is_a_reason(front_end, seconds, why):
    rows = [[0], [1]]
    for found in audible_of(noisy(seconds), front_end, rows, torch.ones(2)):
        assert found.sounds == {} and why in found.words


def test_of_silence_nothing_can_be_turned_up():
    for found in audible_of(Recording(torch.zeros(1, 8000), 8000), MFCC, [[0], [1]], torch.ones(2)):
        assert found.sounds == {} and "the clip is silent" in found.words


def test_sounds_are_called_by_what_one_hears():
    level, balance, ripple, *_ = audible(made(MFCC, noisy()))
    assert level.titles == {"lower": "softer", "higher": "louder"}
    assert balance.titles == {"lower": "brighter", "higher": "darker"} and ripple.titles == {}
    centroid = FeatureTable(sample_rate=8000, features=("centroid",))
    as_is, darker, brighter = (float(centroid(audio[None])) for audio in (noisy().audio[0], *reversed(balance.sounds.values())))
    assert darker < as_is < brighter
    powers = [power_db(audio) for audio in (level.sounds["lower"], noisy().audio, level.sounds["higher"])]
    assert powers == sorted(powers)
    (rms,) = audible(made(FeatureTable(sample_rate=8000, features=("rms",)), noisy(), std=5.0))  # far more than there is
    assert rms.titles["lower"] == "silence" and not rms.sounds["lower"].any()


def test_bands_together_are_called_from_the_first_to_the_last():
    mel = LogMel(sample_rate=8000, n_fft=512, hop_length=256, n_mels=4)
    low, high = audible(made(mel, noisy(), how="mel=2"))
    edges = [f"{hz:.0f}" for hz in mel_frequencies(6, fmin=0, fmax=4000)]
    assert low.titles == {"alone": f"{edges[0]}-{edges[3]} Hz"} and high.titles == {"alone": f"{edges[2]}-{edges[5]} Hz"}
