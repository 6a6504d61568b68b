"""Explanations of vectors from end to end: values, fills, what is kept on disk, backgrounds of a dataset, the command line."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import hearwhy
from games import Game, by_sets
from hearwhy import Recording, audio
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.classifiers.table import of_table
from hearwhy.components.background import Background
from hearwhy.datasets import with_background_of
from hearwhy.front_ends import FeatureTable, Mfcc
from hearwhy.report import summarise
from toys import noisy, tone

FRONT_END = Mfcc(sample_rate=8000, n_mfcc=6, n_fft=512, hop_length=256, n_mels=20, length=20)


class Linear(torch.nn.Module):
    """Logits that are linear in the mean of every row: their Shapley values are known."""

    def __init__(self):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.randn(6, 2, generator=torch.Generator().manual_seed(1)) / 10)

    def forward(self, features):
        return features.mean(dim=2) @ self.weights


def clip_values(n=40, d=6):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) * 5 + np.arange(d)).float()


@pytest.fixture
def linear():
    background = Background.of(clip_values(), source="40 clips")
    return SpectrogramClassifier(FRONT_END, Linear().eval(), ("a", "b"), layout="batch freq frame", background=background,
                                 fingerprint="linear")  # fmt: skip


def closed_form(model, recording):
    """Weight times how far each value lies from its mean."""
    weights = (model.network.weights[:, 0] - model.network.weights[:, 1]).detach()
    return weights * (model.front_end(recording.audio)[0].mean(dim=1) - model.background.mean)


@pytest.mark.parametrize("method", ["kernel_shap", "permutation", "occlusion", "integrated_gradients", "owen"])
def test_values_of_a_linear_model_are_its_weights_times_what_is_unusual(linear, method):
    found = hearwhy.explain(linear, noisy(), components="vector:mfcc=6", target="a - b", method=method)
    assert torch.allclose(found.values[0], closed_form(linear, noisy()), atol=2e-3)
    assert found.names == tuple(f"mfcc {i}" for i in range(6)) and found.settings["fill"] == "mean of 40 clips"
    assert found.spectrum is None and found.masked == () and found.listen() is None


def test_the_second_fill_is_what_the_rest_lets_expect_and_noise_for_methods_that_follow_a_slope(linear):
    found = hearwhy.explain(linear, noisy(), components="vector", target="a - b", second_fill="other")
    assert found.second_fill["fill"] == "conditional of 40 clips"
    sloped = hearwhy.explain(linear, noisy(), components="vector", target="a - b", method="integrated_gradients",
                             second_fill="other")  # fmt: skip
    assert sloped.second_fill["fill"] == "noise"


def test_what_is_saved_is_what_is_loaded(linear, tmp_path):
    found = hearwhy.explain(linear, noisy(), components="vector", target=["a", "b"])
    again = hearwhy.Attribution.load(found.save(tmp_path))
    for name in ("values", "usual", "spread"):
        assert torch.equal(getattr(again.vector, name), getattr(found.vector, name))
    assert torch.equal(found.vector.usual, linear.background.mean) and again.vector.rows == tuple((i,) for i in range(6))
    assert torch.allclose(found.vector.values, FRONT_END(noisy().audio)[0].mean(dim=1), atol=1e-5)
    for before, after in zip(found.audible(), again.audible(), strict=True):  # the recording was rounded to 24 bits
        assert torch.allclose(before.sounds["higher"], after.sounds["higher"], atol=1e-4) and before.words == after.words
    kept = {file.name for file in (tmp_path / "audio").glob("*.wav")}
    assert kept == {"recording.wav"} | {f"{i + 1:02d}-mfcc-{i}-{word}.wav" for i in range(6) for word in ("lower", "higher")}
    heard = audio.load(tmp_path / "audio" / "03-mfcc-2-lower.wav")
    gain = json.loads((tmp_path / "attribution.json").read_text())["gain"]
    assert heard.sample_rate == 8000 and torch.allclose(heard.audio[0] / gain, found.audible()[2].sounds["lower"], atol=1e-4)


def test_a_value_is_no_sound_and_says_so(linear):
    found = hearwhy.explain(linear, noisy(), components="vector", target="a")
    with pytest.raises(ValueError, match=r"mfcc 0 is a value, not a part of the sound; attribution.audible\(\)"):
        found.component_audio(0)
    with pytest.raises(ValueError, match="not parts of the sound"):
        found.parts  # noqa: B018
    with pytest.raises(ValueError, match="no cells and have no map"):
        found.map()
    sounds = hearwhy.explain(linear, noisy(), components="segments:2", target="a")
    with pytest.raises(ValueError, match="no values of features"):
        sounds.audible()


@pytest.mark.parametrize(("options", "message"), [
    ({"components": "vector * segments:2"}, "cannot be multiplied or split again"),
    ({"components": "vector:mel=3"}, "makes 6 rows of mfcc; give vector, vector:mfcc=6 or fewer"),
    ({"components": "vector", "fill": "rough"}, "There is no fill 'rough'"),
    ({"components": "vector", "mask": "top_k(k=0.3)"}, "A mask is made of a spectrogram's map"),
    ({"components": "vector", "method": "saliency"}, "looks inside explains every bin"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_sentence(linear, options, message):
    with pytest.raises(ValueError, match=message):
        hearwhy.explain(linear, noisy(), target="a", **options)


def test_neighbours_are_the_mean_of_their_values_and_vary_less(linear):
    found = hearwhy.explain(linear, noisy(), components="vector:mfcc=3", target="a")
    values, background = FRONT_END(noisy().audio)[0].mean(dim=1), linear.background
    assert found.names == ("mfcc 0 to mfcc 1", "mfcc 2 to mfcc 3", "mfcc 4 to mfcc 5")
    assert torch.allclose(found.vector.values, values.unflatten(0, (3, 2)).mean(1), atol=1e-5)
    pairs = clip_values().unflatten(1, (3, 2)).mean(2)
    assert torch.allclose(found.vector.spread, pairs.std(dim=0), rtol=1e-4)
    assert torch.allclose(found.vector.usual, background.mean.unflatten(0, (3, 2)).mean(1))
    assert all(not heard.sounds for heard in found.audible())


def folder_of_tones(path, n=6):
    for i in range(n):
        audio.write(Recording(tone(300.0 + 200 * i), 8000), path / f"{i}.wav")
    return path


def test_a_datasets_recordings_say_what_is_usual(linear, tmp_path):
    folder = folder_of_tones(tmp_path)
    known = with_background_of(linear, folder)
    rows = torch.stack([FRONT_END(tone(300.0 + 200 * i)[None])[0].mean(dim=1) for i in range(6)])
    assert torch.allclose(known.background.mean, rows.mean(dim=0), atol=0.05)  # files of 16 bits
    assert torch.allclose(known.background.std, rows.std(dim=0), rtol=0.02, atol=0.05)
    assert known.background.source == f"6 recordings of {tmp_path.name}"
    assert known.fingerprint not in (None, linear.fingerprint), "another background gives another explanation"
    with pytest.raises(ValueError, match="at least two clips"):
        with_background_of(linear, folder_of_tones(tmp_path / "one", n=1))


def test_a_model_of_a_table_has_values_of_every_feature(tmp_path):
    """Against the definition, of the same scikit-learn model on rows that are put together here."""
    names = ("mfcc=3", "mel=4", "chroma", "centroid", "rolloff", "flatness", "zcr", "rms", "tempo")
    table = FeatureTable(8000, names)
    rng = torch.Generator().manual_seed(0)
    clips = [torch.randn(1, 16_000, generator=rng).cumsum(1) / 50 if i % 2 else torch.randn(1, 16_000, generator=rng) / 5
             for i in range(8)]  # fmt: skip
    rows = torch.stack([table(clip)[0, :, 0] for clip in clips])
    scaled = (rows - rows.mean(0)) / rows.std(0).clamp(min=1e-6)
    fitted = LogisticRegression().fit(scaled.numpy(), ["bright", "dark"] * 4)
    # back into the features' own units: the same model
    fitted.coef_ = fitted.coef_ / rows.std(0).clamp(min=1e-6).numpy()
    fitted.intercept_ = fitted.intercept_ - fitted.coef_ @ rows.mean(0).numpy()
    model = of_table(fitted, names, sample_rate=8000, rows=rows)
    recording = Recording(clips[0], 8000)
    found = hearwhy.explain(model, recording, components="vector:features", target="dark", method="shapley")
    assert found.names == ("mfcc", "mel", "chroma", "centroid", "rolloff", "flatness", "zcr", "rms", "tempo")
    owner = np.repeat(np.arange(9), [3, 4, 12, 1, 1, 1, 1, 1, 1])
    usual = rows.mean(0).numpy()

    def dark(keep):
        return torch.from_numpy(fitted.predict_proba(np.where(keep.numpy()[:, owner] == 1, rows[0].numpy(), usual))[:, 1:])

    assert torch.allclose(found.values[0].double(), by_sets(Game((9,), dark, lambda: None)), atol=1e-5)


def test_damaged_recordings_of_a_background_are_left_out_and_told(linear, tmp_path):
    folder = folder_of_tones(tmp_path)
    (folder / "7.wav").write_bytes(b"RIFF no sound")
    cut = (folder / "0.wav").read_bytes()
    (folder / "8.flac").write_bytes(cut[:10])
    known = with_background_of(linear, folder)
    assert known.background.source == f"6 recordings of {tmp_path.name} (2 could not be read)"
    assert torch.equal(known.background.mean, with_background_of(linear, folder_of_tones(tmp_path / "clean")).background.mean)


def test_that_the_model_hears_only_silence_is_a_warning(linear):
    """Its 20 frames end before the sound begins."""
    late = Recording(torch.cat([torch.zeros(8000), noisy().audio[0, :4000]])[None], 8000)
    for recording, expected in ((late, ["unheard"]), (noisy(), [])):
        told = summarise(hearwhy.explain(linear, recording, components="vector", target="a"))
        found = [caveat for caveat in told["caveats"] if caveat["kind"] == "unheard"]
        assert [caveat["kind"] for caveat in found] == expected
        assert all(caveat["severity"] == "warning" and "give a part that sounds" in caveat["text"] for caveat in found)


MODEL = """
import torch
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import Mfcc

front_end = Mfcc(sample_rate=8000, n_mfcc=6, n_fft=512, hop_length=256, n_mels=20, length=20)
weights = torch.randn(6, 2, generator=torch.Generator().manual_seed(1)) / 10
model = SpectrogramClassifier(front_end, lambda x: x.mean(2) @ weights, ("a", "b"), layout="batch freq frame")
"""


def test_the_command_line_takes_a_background(tmp_path):
    (tmp_path / "models.py").write_text(MODEL)
    folder = folder_of_tones(tmp_path / "tones")
    audio.write(noisy(), tmp_path / "clip.wav")
    command = [sys.executable, "-m", "hearwhy", "explain", "clip.wav", "--model", "py:models:model", "--components", "vector",
               "--target", "a", "--out", "out", "--json", "--background", folder.name]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["settings"]["fill"] == "mean of 6 recordings of tones"
    assert [row["name"] for row in told["components"]] == [f"mfcc {i}" for i in range(6)]
    again = hearwhy.Attribution.load(tmp_path / "out")
    assert again.second_fill["fill"] == "conditional of 6 recordings of tones"
    refused = subprocess.run([*command, "--fill", "mode"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode != 0 and "There is no fill 'mode'" in refused.stderr and refused.stderr.count("\n") == 1
