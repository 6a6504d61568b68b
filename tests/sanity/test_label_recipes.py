"""Recipes that teach labels which say nothing of the sound, and the sanity check that trains by them."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hearwhy import Recording
from hearwhy import audio as sound
from hearwhy.datasets import read
from hearwhy.datasets.band.snippets import Snippet
from hearwhy.sanity import Question, Recipe, Taking, sanity
from hearwhy.training import esc50
from hearwhy.training.band import SETTINGS, _labelled
from hearwhy.training.fitting import Examples

RATE = 8000


def test_half_of_the_songs_get_the_other_label_in_all_their_snippets():
    plan = [Snippet(song, label, 0, (1.0,)) for song in range(10) for label in (0, 1) for _ in range(3)]
    taught = _labelled(plan, 10, replace(SETTINGS, shuffle_labels=True), seed=0)
    swapped = [{a.label != b.label for a, b in zip(plan, taught, strict=True) if a.song == song} for song in range(10)]
    assert all(len(states) == 1 for states in swapped) and sum(states == {True} for states in swapped) == 5
    assert taught == _labelled(plan, 10, replace(SETTINGS, shuffle_labels=True), seed=0)
    assert taught != _labelled(plan, 10, replace(SETTINGS, shuffle_labels=True), seed=1)
    assert _labelled(plan, 10, SETTINGS, seed=0) is plan


def test_clips_keep_their_sound_and_get_the_labels_of_others():
    clips = Examples(torch.arange(30.0).reshape(30, 1, 1), torch.arange(30) % 3, 3)
    dealt = esc50._shuffled(clips, 0)
    assert torch.equal(dealt.features, clips.features)
    assert torch.equal(dealt.labels.sort().values, clips.labels.sort().values)
    assert not torch.equal(dealt.labels, clips.labels)


@pytest.fixture
def tones(tmp_path):
    """Low and high tones, two clips of each in every fold."""
    rng, rows = np.random.default_rng(0), [("filename", "fold", "target", "category")]
    for fold in range(1, 6):
        for target, (category, hertz) in enumerate((("low", 300), ("high", 3000))):
            for take in "AB":
                time = np.arange(RATE) / RATE
                wave = 0.1 * np.sin(2 * np.pi * hertz * rng.uniform(0.9, 1.1) * time) + 0.001 * rng.standard_normal(RATE)
                name = f"{fold}-{fold}{target}-{take}-{target}.wav"
                sound.write(
                    Recording(torch.from_numpy(wave.astype(np.float32))[None], RATE), tmp_path / "data" / "audio" / name
                )
                rows.append((name, fold, target, category))
    (tmp_path / "data" / "meta").mkdir()
    with (tmp_path / "data" / "meta" / "esc50.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return tmp_path / "data"


def test_two_networks_are_trained_once_and_compared(tones, tmp_path):
    from hearwhy.classifiers import classifier

    recipe = Recipe("esc-small", tones, {"epochs": 1})
    asked = Question(taking=Taking("segments:3", "low"), n_recordings=2, n_networks=2, recipe=recipe)
    kept = tmp_path / "kept"
    # whatever is examined, the two networks are the recipe's; its own true one will do
    model = recipe.trained(False, folder=tmp_path / "model", seed=0, device="cpu")
    found = sanity(model, read(tones), asked, memory=kept)["shuffled labels"]
    assert found.state in ("passed", "warning", "failed") and found.number is not None
    assert set(found.details["accuracy_percent"]) == {"true", "shuffled"}
    (true,), (shuffled,) = kept.rglob("true.safetensors"), kept.rglob("shuffled.safetensors")
    assert json.loads(true.with_suffix(".json").read_text())["shuffle_labels"] is False
    assert json.loads(shuffled.with_suffix(".json").read_text())["shuffle_labels"] is True
    weights = [next(classifier(f"esc-small:{path}").network.parameters()) for path in (true, shuffled)]
    assert not torch.equal(*weights)
    times = [path.stat().st_mtime_ns for path in (true, shuffled)]
    sanity(model, read(tones), asked, memory=kept)
    assert [path.stat().st_mtime_ns for path in (true, shuffled)] == times
