"""The tutorial's recipe on sounds whose class is heard at once."""

import csv
import json
import math

import numpy as np
import pytest
import torch

import hearwhy
from hearwhy import audio as sound
from hearwhy.training.learning_curve import learning_curve_figure
from hearwhy.training.mfcc import AUDIBLE_DB, FRONT_END, PROTOCOLS, _windows, train_conv_lstm

RATE = 22_050


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Ten clips of noise and ten of a tone, five source recordings each, two takes a recording."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for i in range(20):
        name, source, take = ("noise", "tone")[i % 2], i // 4, i // 2 % 2
        time = torch.arange(round(1.5 * RATE)) / RATE
        wave = torch.from_numpy(rng.standard_normal(len(time))).float() * 0.1
        if name == "tone":
            wave = 0.3 * torch.sin(2 * math.pi * (300 + 20 * source) * time) + wave / 100
        (folder / name).mkdir(exist_ok=True)
        sound.write(hearwhy.Recording(wave[None], RATE), folder / name / f"{source}_{take:02d}.wav")
    return folder


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_recipe_learns_and_says_what_it_did(sounds, tmp_path, protocol):
    out = tmp_path / "model.safetensors"
    figures = train_conv_lstm(sounds, out, protocol=protocol, epochs=6)
    assert set(figures) == {"train", "validation", "test"} and figures["train"] >= 90
    about = json.loads(out.with_suffix(".json").read_text())
    assert about["labels"] == ["noise", "tone"] and len(about["curve"]) == 6 and 1 <= about["epoch"] <= 6
    assert about["curve"][-1]["train_loss"] < about["curve"][0]["train_loss"]
    held_out = "test" if protocol == "paper" else "validation"
    with out.with_suffix(".curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows if row["kept"] == "1"] == [about["epoch"]]
    for row, epoch in zip(rows, about["curve"], strict=True):
        assert float(row["train_loss"]) == pytest.approx(epoch["train_loss"], rel=1e-4)  # five digits are written
        assert float(row[f"{held_out}_loss"]) == pytest.approx(epoch["validation_loss"], rel=1e-4)
        assert float(row[f"{held_out}_accuracy_percent"]) == pytest.approx(100 * epoch["validation_accuracy"], rel=1e-4)
    assert out.with_suffix(".curve.png").read_bytes().startswith(b"\x89PNG")
    if protocol == "paper":  # the leakage: the test set decides
        assert about["clips"]["validation"] == about["clips"]["test"] == 4
        losses = [row["validation_loss"] for row in about["curve"]]
        assert about["epoch"] == 1 + int(np.argmin(losses))
    assert not out.with_suffix(".state").exists()


def test_a_learning_curve_is_drawn_as_it_was(tmp_path):
    figure = learning_curve_figure([(2.0, 0.25, 2.5), (1.0, 0.75, 1.5), (0.5, 0.5, 3.0)], kept=2, held_out="test")
    loss, accuracy = figure.axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in loss.lines}
    assert drawn["training, with dropout"] == [2.0, 1.0, 0.5] and drawn["test"] == [2.5, 1.5, 3.0]
    assert list(accuracy.lines[0].get_ydata()) == [25.0, 75.0, 50.0]
    assert {tuple(axis.lines[-1].get_xdata()) for axis in figure.axes} == {(2, 2)}  # the epoch that was kept
    assert accuracy.get_ylabel() == "test accuracy (%)" and accuracy.texts[0].get_text() == "kept: epoch 2, 75.0 %"


def test_the_model_explains_its_rows(sounds, tmp_path):
    out = tmp_path / "model.safetensors"
    train_conv_lstm(sounds, out, epochs=6)
    model = hearwhy.classifier(f"conv-lstm:{out}")
    clip = hearwhy.load(sounds / "tone" / "0_00.wav")
    with torch.no_grad():
        says = model(sound.convert(clip, RATE, 1).audio[None])
    assert model.labels[int(says.argmax())] == "tone"
    assert model.background.rows.shape[1] == 40 and "training clips" in model.background.source


def test_killed_and_resumed_is_as_undisturbed(sounds, tmp_path):
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    train_conv_lstm(sounds, whole, epochs=4)

    def stop(done, expected):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_conv_lstm(sounds, resumed, epochs=4, progress=stop)
    with pytest.raises(ValueError, match="go on with --resume"):
        train_conv_lstm(sounds, resumed, epochs=4)
    train_conv_lstm(sounds, resumed, epochs=4, resume=True)
    assert whole.read_bytes() == resumed.read_bytes()


def test_windows_are_audible_ones(sounds):
    """A clip whose second half is silent is learned from its first half."""

    class Item:
        def load(self):
            wave = torch.randn(1, 3 * RATE, generator=torch.Generator().manual_seed(0)) / 10
            return hearwhy.Recording(wave * (torch.arange(3 * RATE) < RATE), RATE)

    views = _windows(Item(), 0)
    assert views.shape == (8, 40, 44)
    levels = views[:, 0].mean(dim=1) / math.sqrt(FRONT_END.n_mels)
    assert float(levels.max() - levels.min()) <= AUDIBLE_DB


def test_what_cannot_be_learned(sounds, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "a.wav").write_bytes((sounds / "tone" / "0_00.wav").read_bytes())
    with pytest.raises(ValueError, match="no labels to learn"):
        train_conv_lstm(flat, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="protocol is one of ours, paper"):
        train_conv_lstm(sounds, tmp_path / "m.safetensors", protocol="mine")
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        train_conv_lstm(sounds, tmp_path / "m.safetensors", epochs=0)
    with pytest.raises(ValueError, match="safetensors"):
        train_conv_lstm(sounds, tmp_path / "m.pt")
    with pytest.raises(ValueError, match="does not hold a conv-lstm"):
        hearwhy.classifier(f"conv-lstm:{next(iter((tmp_path / 'flat').glob('*')))}")
    with pytest.raises(FileNotFoundError, match="hearwhy train conv-lstm"):
        hearwhy.classifier("conv-lstm:nothing.safetensors")
