import librosa
import numpy as np
import pytest
import torch

from hearwhy.front_ends import FeatureTable
from hearwhy.front_ends.table import FEATURES, SIZES

RATE = 22_050


@pytest.fixture(scope="module")
def clip():
    """Two seconds of a click every half second over a tone: 120 beats a minute."""
    time = np.arange(2 * RATE) / RATE
    clicks = (np.arange(2 * RATE) % (RATE // 2) < 200) * np.random.default_rng(0).standard_normal(2 * RATE)
    return (0.1 * np.sin(2 * np.pi * 440 * time) + clicks).astype(np.float32)


def of(clip, *features):
    return FeatureTable(sample_rate=RATE, features=features)(torch.from_numpy(clip)[None])[0, :, 0].numpy()


def test_values_are_librosas_means_over_frames(clip):
    kept = {"y": clip, "sr": RATE}
    expected = {
        "mfcc=5": librosa.feature.mfcc(**kept, n_mfcc=5).mean(axis=1),
        "centroid": librosa.feature.spectral_centroid(**kept).mean(axis=1),
        "rolloff": librosa.feature.spectral_rolloff(**kept).mean(axis=1),
        "zcr": librosa.feature.zero_crossing_rate(y=clip).mean(axis=1),
        "rms": librosa.feature.rms(y=clip).mean(axis=1),
        "flatness": librosa.feature.spectral_flatness(y=clip).mean(axis=1),
    }
    found = of(clip, *expected)
    assert np.allclose(found, np.concatenate(list(expected.values())), rtol=1e-5)


def test_what_is_known_of_the_clip_is_found(clip):
    tempo, *chroma = of(clip, "tempo", "chroma")
    assert abs(tempo - 120) < 5
    assert FeatureTable(sample_rate=RATE, features=("tempo", "chroma")).names[1 + int(np.argmax(chroma))] == "chroma A"


@pytest.mark.parametrize("word", FEATURES)
def test_every_feature_has_as_many_values_as_names_and_survives_silence(word, clip):
    table = FeatureTable(sample_rate=RATE, features=(word,))
    both = table(torch.stack([torch.from_numpy(clip), torch.zeros(len(clip))]))
    assert both.shape == (2, len(table.names), 1) == (2, SIZES.get(word, 1), 1)
    assert torch.isfinite(both).all()


@pytest.mark.parametrize("features", [(), ("rms", "rms"), ("loudness",), ("rms=3",), ("mfcc=0",), ("mfcc=x",)])
def test_features_that_there_are_not(features):
    with pytest.raises(ValueError, match="mfcc, mel, chroma"):
        FeatureTable(sample_rate=RATE, features=features)
