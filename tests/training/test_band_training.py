"""Training the band network: the planted shortcut is learned, the best epoch is kept, a seed decides everything."""

import json

import numpy as np
import pytest
import torch

from hearwhy import audio as sound
from hearwhy.classifiers.band import load_file
from hearwhy.datasets.band.metadata import write_metadata
from hearwhy.datasets.band.presets import INST_CLASS, STEMS
from hearwhy.datasets.band.songs import read_split
from hearwhy.training import RECIPES
from hearwhy.training import band as training
from hearwhy.training.band import (
    CONFOUNDERS,
    PAPER,
    SETTINGS,
    TEST_SETS,
    Settings,
    evaluate_band_cnn,
    fit,
    fresh_network,
    train_band_cnn,
)
from hearwhy.types import Recording

TINY = Settings(epochs=1, per_song=1, batch_size=3)  # two steps


def made_up_stems(rng):
    """Noise bursts for drums, tones for the rest; guitar and piano are the same tone, so only a confounder can tell."""
    time = np.arange(3 * 16_000) / 16_000
    tone = 440 * 2 ** (rng.integers(0, 12) / 12)
    same = 0.1 * np.sin(2 * np.pi * tone * time)
    return {
        "bass": 0.1 * np.sin(2 * np.pi * tone / 8 * time),
        "drums": 0.2 * rng.normal(size=len(time)) * (time % 0.25 < 0.05),
        "guitar": same,
        "piano": same,
        "strings": 0.05 * np.sin(2 * np.pi * tone * 1.5 * time),
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("songs")
    rng = np.random.default_rng(0)
    for split, n in (("train", 3), ("validation", 1), ("test", 2)):
        for number in range(n):
            folder = root / split / f"Track{number:05d}"
            about = {}
            for i, (stem, audio) in enumerate(made_up_stems(rng).items()):
                recording = Recording(torch.from_numpy(audio.astype(np.float32)), 16_000)
                sound.write(recording, folder / "stems" / f"S{i:02d}.flac")
                about[f"S{i:02d}"] = {"inst_class": INST_CLASS[stem], "audio_rendered": True}
            write_metadata(folder / "metadata.yaml", {"stems": about})
    return root


@pytest.mark.parametrize("confounder", CONFOUNDERS)
def test_every_confounder_gives_weights_that_say_what_they_are(data, tmp_path, confounder, monkeypatch):
    monkeypatch.setattr(training, "SETTINGS", TINY)
    told = []
    out = tmp_path / "w.safetensors"
    figures = train_band_cnn(data, out, confounder=confounder, seed=3, progress=lambda *step: told.append(step))
    assert list(figures) == list(TEST_SETS) and all(0 <= figure <= 100 for figure in figures.values())
    classifier = load_file(out)
    assert classifier.labels == ("guitar", "piano")
    assert (classifier.about["confounder"], classifier.about["seed"]) == (confounder, 3)
    assert classifier.about["accuracy_percent"] == figures
    assert json.loads(out.with_suffix(".json").read_text()) == classifier.about
    assert told == [(1, 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.json", "w.safetensors"]


def test_a_seed_decides_everything_and_touches_no_global_state(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SETTINGS", TINY)
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_band_cnn(data, tmp_path / f"{name}.safetensors", seed=seed)
        if name == "a":
            assert torch.equal(torch.rand(3), expected)
    a, b, c = ((tmp_path / f"{name}.safetensors").read_bytes() for name in "abc")
    assert a == b and a != c


def test_the_best_epoch_is_kept_and_training_stops_when_nothing_gets_better(data, tmp_path, monkeypatch):
    losses = iter([1.0, 0.5, 0.9, 0.8, 0.1])  # the second is best; the fifth is never reached with a patience of 2
    states = []

    def loss(network, *_):
        states.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return next(losses)

    monkeypatch.setattr(training, "_validation_loss", loss)
    monkeypatch.setattr(training, "SETTINGS", Settings(epochs=9, patience=2, per_song=1, batch_size=3))
    out = tmp_path / "w.safetensors"
    train_band_cnn(data, out)
    kept = load_file(out)
    assert len(states) == 4 and kept.about["epoch"] == 2
    for name, tensor in kept.network.state_dict().items():
        assert torch.equal(tensor, states[1][name])
    assert not torch.equal(states[1]["head.weight"], states[3]["head.weight"])


def test_where_only_the_drums_tell_the_classes_apart_they_are_what_is_learned(data):
    songs = {split: read_split(data, split) for split in ("train", "validation", "test")}
    settings = Settings(epochs=5, per_song=8, batch_size=8, learning_rate=3e-3)
    network, _ = fit(songs["train"], songs["validation"], CONFOUNDERS["drums"], settings=settings)
    figures = evaluate_band_cnn(network, songs["test"])
    # Guitar and piano sound the same: right exactly where the drums are with their class, wrong where they are not
    assert figures["t_dr-gtr gpdb"] == 100 and figures["t_dr-pno gpdb"] == 0


def test_test_sets_are_the_papers_and_their_mirror():
    for name, pairing in TEST_SETS.items():
        short, label = name.split()[0].removeprefix("t_").split("-")
        assert (pairing.confounder, pairing.goes_with) == (
            {"dr": "drums", "bs": "bass"}[short],
            {"gtr": "guitar", "pno": "piano"}[label],
        )
        assert pairing.others["strings"] == float(name.endswith("gpdbs"))
    assert set(STEMS) >= set(CONFOUNDERS) - {"independent"}
    assert RECIPES["band-cnn"] is train_band_cnn


def test_bad_requests_are_refused_before_any_work(data, tmp_path):
    with pytest.raises(ValueError, match=r"confounder is one of drums, bass, independent; got 'strings'"):
        train_band_cnn(data, tmp_path / "w.safetensors", confounder="strings")
    with pytest.raises(ValueError, match=r"written as \.safetensors; got .*w\.pt"):
        train_band_cnn(data, tmp_path / "w.pt")
    with pytest.raises(FileNotFoundError, match=r"There are no songs in .*hearwhy data band"):
        train_band_cnn(tmp_path, tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


class WithDropout(torch.nn.Module):
    """A small network that draws from torch's global generator while it learns."""

    def __init__(self, n_labels):
        super().__init__()
        self.pool = torch.nn.AdaptiveAvgPool2d(4)
        self.dropout = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(16, n_labels)

    def forward(self, features):
        return self.head(self.dropout(self.pool(features[:, None]).flatten(1)))


def test_another_network_and_protocol_are_trained_as_asked(data, monkeypatch):
    monkeypatch.setitem(training.NETWORKS, "dropout", WithDropout)
    songs, held_out = read_split(data, "train"), read_split(data, "validation")
    plain = {"per_song": 1, "batch_size": 64, "optimiser": "sgd", "falling": False, "label_smoothing": 0.0, "varied_db": 0.0}
    settings = Settings("dropout", epochs=1, learning_rate=0.5, **plain)
    before, batches = fresh_network("dropout", 3).state_dict(), []

    def keep(songs, plan):
        batches.append(plan)
        return mix(songs, plan)

    mix = training.mix
    monkeypatch.setattr(training, "mix", keep)
    torch.manual_seed(1)
    first, _ = fit(songs, held_out, CONFOUNDERS["drums"], seed=3, settings=settings)
    torch.manual_seed(2)
    second, _ = fit(songs, held_out, CONFOUNDERS["drums"], seed=3, settings=settings)
    after = first.state_dict()
    assert torch.equal(after["head.weight"], second.state_dict()["head.weight"])  # dropout too hangs on the seed alone
    assert {gain for snippet in batches[0] for gain in snippet.gains} == {0.0, 1.0}  # as rendered
    # One step of SGD: against the gradient of the plain cross-entropy under the same dropout, times the rate
    network = fresh_network("dropout", 3).train()
    features = training.FRONT_END(mix(songs, batches[0]))
    labels = torch.tensor([snippet.label for snippet in batches[0]])
    with training._chance("cpu", (3, 1)):
        torch.nn.functional.cross_entropy(network(features), labels).backward()
    assert torch.allclose(after["head.weight"], before["head.weight"] - 0.5 * network.head.weight.grad, atol=1e-6)


def test_the_rate_falls_or_stays(data, monkeypatch):
    rates = {}
    for falling in (True, False):
        network = fresh_network("band-cnn", 0)
        optimiser, schedule = training._optimiser(network, Settings(epochs=4, falling=falling, learning_rate=0.1))
        seen = []
        for _ in range(4):
            seen.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        rates[falling] = seen
    assert rates[False] == [0.1] * 4
    assert rates[True] == pytest.approx([0.1, 0.1 * (1 + 2**-0.5) / 2, 0.05, 0.1 * (1 - 2**-0.5) / 2])  # half a cosine


def test_the_papers_settings_are_the_papers():
    assert (PAPER.network, PAPER.optimiser, PAPER.learning_rate, PAPER.batch_size) == ("vgg16-bn", "sgd", 0.01, 16)
    assert (PAPER.epochs, PAPER.patience, PAPER.falling) == (200, 20, False)
    ours = (SETTINGS.network, SETTINGS.optimiser, SETTINGS.learning_rate, SETTINGS.batch_size, SETTINGS.label_smoothing)
    assert ours == ("band-cnn", "adam", 1e-3, 32, 0.02)  # of the weights that ship
    with pytest.raises(ValueError, match=r"no network 'vgg19'; give one of band-cnn, vgg16-bn"):
        fresh_network("vgg19", 0)


def test_some_test_sets_alone_are_the_same_as_among_all(data):
    songs, network = read_split(data, "test"), fresh_network("band-cnn", 0)
    every = evaluate_band_cnn(network, songs)
    assert evaluate_band_cnn(network, songs, sets=["t_bs-pno gpdb"]) == {"t_bs-pno gpdb": every["t_bs-pno gpdb"]}
