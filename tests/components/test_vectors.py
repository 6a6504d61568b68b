"""Vectors: what is given to the model when a feature is an ordinary one."""

import numpy as np
import pytest
import torch

from hearwhy.asking import Predict
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.classifiers.table import of_table
from hearwhy.components.background import Background
from hearwhy.components.fills import with_fill
from hearwhy.components.vectors import vectors
from hearwhy.front_ends import FeatureTable, LogMel, Mfcc
from hearwhy.scoring import TargetScore
from toys import noisy

FRONT_END = Mfcc(sample_rate=8000, n_mfcc=6, n_fft=512, hop_length=256, n_mels=20, length=20)


class Linear(torch.nn.Module):
    """Logits that are linear in the mean of every row: their Shapley values are known."""

    def __init__(self, n=6):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.randn(n, 2, generator=torch.Generator().manual_seed(1)) / 10)

    def forward(self, features):
        return features.mean(dim=2) @ self.weights


def clip_values(n=40, d=6, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((d, d))
    return torch.from_numpy(rng.standard_normal((n, d)) @ mixing * 5 + np.arange(d)).float()


def model(background=None):
    network = Linear().eval()
    return SpectrogramClassifier(FRONT_END, network, ("a", "b"), layout="batch freq frame", background=background)


def test_a_mask_of_ones_is_the_features_and_of_zeros_has_the_backgrounds_means():
    background = Background.of(clip_values())
    made = vectors(noisy(), model(background), "mfcc=6")
    ends = made.mix(torch.tensor([[True] * 6, [False] * 6]))
    assert torch.equal(ends[0, 0], made.features)
    assert torch.allclose(ends[1, 0].mean(dim=1), background.mean, atol=1e-4)
    moved = ends[1, 0] - made.features
    assert torch.allclose(moved, moved[:, :1].expand_as(moved), atol=1e-4), "a row is shifted as a whole"
    assert made.names == tuple(f"mfcc {i}" for i in range(6)) and made.shape == (6,) and made.domain == "vector"
    assert made.fill_names == ("mean of background",)


def test_the_score_of_a_linear_model_is_linear_in_the_values():
    """Closed form: leaving out row i changes the contrast's score by weight times (value - mean)."""
    background = Background.of(clip_values())
    asked = model(background)
    made = vectors(noisy(), asked)
    score = TargetScore(Predict(asked, made), ["a - b"])
    left_out = ~torch.eye(6, dtype=torch.bool)
    found = score(torch.ones(1, 6, dtype=torch.bool)) - score(left_out)
    weights = asked.network.weights[:, 0] - asked.network.weights[:, 1]
    expected = weights * (made.features.mean(dim=1) - background.mean)
    assert torch.allclose(found[:, 0], expected.detach(), atol=1e-3)


def test_rows_count_as_often_as_the_clips_they_stand_for():
    """30 clips near one point, 10 near another: the typical clips are the two, weighted 3 to 1."""
    near = torch.cat([torch.zeros(30, 6), torch.full((10, 6), 100.0)]) + clip_values() / 100
    background = Background.of(near, n_rows=2)
    assert torch.allclose(background.weights.sort().values, torch.tensor([0.25, 0.75]))
    assert torch.allclose(background.mean, near.mean(dim=0), atol=1e-4)
    asked = model(background)
    made = with_fill(vectors(noisy(), asked), "rows")
    score = TargetScore(Predict(asked, made), ["a - b"])
    weights = (asked.network.weights[:, 0] - asked.network.weights[:, 1]).detach()
    nothing = score(torch.zeros(1, 6, dtype=torch.bool))
    assert torch.allclose(nothing[0], near.mean(dim=0) @ weights, atol=1e-3), "linear: the weighted mean over rows"
    predict = Predict(asked, made)
    each = predict(torch.zeros(1, 6, dtype=torch.bool)).softmax(-1)[0]
    assert torch.allclose(predict.probabilities(torch.zeros(1, 6, dtype=torch.bool))[0], background.weights @ each)


def test_conditional_is_the_normal_laws_mean_given_the_rest():
    values = clip_values(n=2000)
    background = Background.of(values)
    mean, covariance = background.mean.double(), background.covariance.double()
    covariance += 1e-3 * covariance.diagonal().mean() * torch.eye(6)
    x = values[3].double()
    keep = torch.tensor([True, False, True, True, False, False])
    k, r = keep.nonzero()[:, 0], (~keep).nonzero()[:, 0]
    expected = mean[r] + covariance[r][:, k] @ torch.linalg.inv(covariance[k][:, k]) @ (x - mean)[k]
    found = background.given(values[3], torch.stack([keep, torch.ones(6).bool(), torch.zeros(6).bool()]))
    assert torch.allclose(found[0, r].double(), expected, atol=1e-3)
    assert torch.equal(found[0, k], values[3][k]) and torch.equal(found[1], values[3])
    assert torch.allclose(found[2], background.mean, atol=1e-4)


def test_conditional_vectors_shift_rows_to_what_is_expected():
    background = Background.of(clip_values(n=200))
    asked = model(background)
    made = with_fill(vectors(noisy(), asked), "conditional")
    mask = torch.tensor([[True, False, True, True, False, True], [True] * 6])
    mixed = made.mix(mask)[:, 0]
    own = made.features.mean(dim=1)
    assert torch.equal(mixed[1], made.features)
    assert torch.allclose(mixed[0].mean(dim=1), background.given(own, mask[:1])[0], atol=1e-3)
    assert Predict(asked, made)(mask).shape == (2, 1, 2)
    assert TargetScore(Predict(asked, made), ["a"]).gradient is None, "what is expected has no slope in a mask"


def test_silence_noise_and_other_fills_of_vectors():
    made = vectors(noisy(), model())
    assert made.fill_names == ("silence",)
    silence = FRONT_END(torch.zeros(1, 8000))[0].mean(dim=1)
    assert torch.allclose(made.mix(torch.zeros(1, 6).bool())[0, 0].mean(dim=1), silence, atol=1e-3)
    assert with_fill(made, "noise").fill_names == ("noise",)
    with pytest.raises(ValueError, match="has no background: give --background DATA"):
        with_fill(made, "rows")
    with pytest.raises(ValueError, match="for vectors mean, rows, conditional"):
        with_fill(made, "shuffle")


def test_groups_of_neighbouring_rows():
    mel = LogMel(sample_rate=8000, n_fft=512, hop_length=256, n_mels=20)
    asked = SpectrogramClassifier(mel, lambda x: x.mean(2)[:, :2], ("a", "b"), layout="batch freq frame")
    made = vectors(noisy(), asked, "mel=4")
    assert made.shape == (4,) and torch.bincount(made.cell[:, 0]).tolist() == [5, 5, 5, 5]
    assert made.names[0].startswith("mel 0 (0-") and " to mel 4 (" in made.names[0]
    for how in ("mfcc=4", "mel=21", "mel=0", "mel"):
        with pytest.raises(ValueError, match="20 rows of mel"):
            vectors(noisy(), asked, how)


def test_a_table_of_features_and_a_forest():
    from sklearn.ensemble import RandomForestClassifier

    names = ("mfcc=3", "chroma", "centroid", "rms", "tempo")
    table = FeatureTable(sample_rate=8000, features=names)
    clips = torch.stack([noisy(seed=i).audio[0] * (1 + i % 2) for i in range(12)])
    rows = table(clips)[:, :, 0]
    labels = ["soft" if i % 2 == 0 else "loud" for i in range(12)]
    forest = RandomForestClassifier(10, random_state=0).fit(rows.numpy(), labels)
    asked = of_table(forest, names, sample_rate=8000, rows=rows)
    made = vectors(noisy(), asked)
    assert made.names[:4] == ("mfcc 0", "mfcc 1", "mfcc 2", "chroma C") and made.names[-1] == "tempo"
    everything = Predict(asked, made).probabilities(torch.ones(1, 18).bool())
    expected = forest.predict_proba(table(noisy().audio)[:, :, 0].numpy())
    assert np.allclose(everything.numpy(), expected)
    nothing = made.mix(torch.zeros(1, 18).bool())[0, 0, :, 0]
    assert torch.allclose(nothing, rows.mean(dim=0), rtol=1e-4, atol=1e-4)
    grouped = vectors(noisy(), asked, "features")
    assert grouped.names == ("mfcc", "chroma", "centroid", "rms", "tempo")
    assert not hasattr(forest, "sample_rate"), "the caller's estimator stays as it is"


def test_a_background_needs_clips():
    with pytest.raises(ValueError, match="at least two clips"):
        Background.of(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="finite"):
        Background.of(torch.full((4, 3), torch.nan))


def test_a_background_in_a_file_is_the_same():
    background = Background.of(clip_values())
    read = Background.from_tensors(background.as_tensors())
    assert all(torch.equal(getattr(read, name), getattr(background, name)) for name in ("rows", "weights", "covariance"))
    assert Background.from_tensors({}) is None
