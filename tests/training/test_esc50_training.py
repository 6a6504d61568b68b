"""Training on ESC-50's layout: it learns, keeps the best epoch, goes on where it was killed, and a seed decides everything."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hearwhy import audio as sound
from hearwhy.classifiers.cnn14 import FRONT_ENDS, about_file, load, load_file
from hearwhy.datasets.esc50 import read_esc50
from hearwhy.networks.cnn14 import Cnn6
from hearwhy.training import RECIPES, Plan, esc50, fitting, options_of, train, train_esc50
from hearwhy.training.augmentation import Augmentation, mixed
from hearwhy.training.esc50 import PROTOCOLS, five_seconds
from hearwhy.training.fitting import Checkpoint, Examples, Protocol, fit
from hearwhy.types import Recording

RATE = 8000
FIGURES = ["train (folds 1-3)", "validation (fold 4)", "test (fold 5)"]
PLAIN = Protocol(epochs=3, batch_size=4, learning_rate=1e-2, augmentation=Augmentation())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Low and high tones of half a second to six, two clips of each in every fold."""
    root = tmp_path_factory.mktemp("tones")
    (root / "meta").mkdir()
    rows = [("filename", "fold", "target", "category")]
    rng = np.random.default_rng(0)
    for fold in range(1, 6):
        for target, (category, hertz) in enumerate((("low", 300), ("high", 3000))):
            for take in "AB":
                time = np.arange(int(RATE * rng.uniform(0.5, 6))) / RATE
                tone = 0.1 * np.sin(2 * np.pi * hertz * rng.uniform(0.9, 1.1) * time) + 0.001 * rng.standard_normal(len(time))
                name = f"{fold}-{fold}{target}-{take}-{target}.wav"
                sound.write(Recording(torch.from_numpy(tone.astype(np.float32))[None], RATE), root / "audio" / name)
                rows.append((name, fold, target, category))
    with (root / "meta" / "esc50.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return root


@pytest.fixture(scope="module")
def made():
    """Spectrograms made so far, by clips and front end."""
    return {}


@pytest.fixture
def small(monkeypatch, made):
    """Two epochs, and every spectrogram made once for all tests."""
    real = esc50.examples

    def once(clips, categories, front_end):
        key = (clips, front_end)
        made[key] = made[key] if key in made else real(clips, categories, front_end)
        return made[key]

    monkeypatch.setattr(esc50, "examples", once)
    monkeypatch.setitem(PROTOCOLS, "ours", replace(PROTOCOLS["ours"], epochs=2, batch_size=6))


def weights(path):
    from safetensors.torch import load_file as tensors

    return tensors(path)


def test_it_says_what_it_is_and_its_figures_are_those_of_the_weights_as_stored(data, tmp_path, small, monkeypatch):
    told, graded = [], []
    grade = esc50.grade
    monkeypatch.setattr(
        esc50, "grade", lambda network, clips: graded.append(network.stem[0].weight.clone()) or grade(network, clips)
    )
    out = tmp_path / "w.safetensors"
    figures = train("esc-small", data, out, options={"seed": 3}, progress=lambda *step: told.append(step))
    assert told == [(1, 2), (2, 2)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.json", "w.safetensors"]  # the state is gone
    about = about_file(out)
    assert json.loads((tmp_path / "w.json").read_text()) == about
    assert (about["seed"], about["epochs"], about["network"], about["front_end"]) == (3, 2, "esc-small", "mel")
    assert about["accuracy_percent"] == figures and list(figures) == FIGURES
    classifier = load(str(out))
    assert classifier.labels == ("low", "high") and classifier.name == "esc-small w"
    confusion = torch.zeros(2, 2, dtype=torch.int64)
    for clip in read_esc50(data).of_folds(5):
        logits = classifier(five_seconds(clip.load(), classifier.sample_rate)[None])
        confusion[classifier.labels.index(clip.category), int(logits.argmax())] += 1
    assert about["confusion_test"] == confusion.tolist()
    assert figures["test (fold 5)"] == 100 * int(confusion.trace()) / 4
    stored = weights(out)
    assert stored["stem.0.weight"].dtype == torch.float16
    assert len(graded) == 3 and all(torch.equal(weight, stored["stem.0.weight"].float()) for weight in graded)
    assert stored["bn0.running_var"].dtype == stored["head.weight"].dtype == torch.float32
    assert {weight.dtype for weight in classifier.network.parameters()} == {torch.float32}


class Killed(Exception):
    pass


def kill_after(epoch):
    def told(done, _):
        if done == epoch:
            raise Killed

    return told


def test_killed_and_resumed_ends_as_undisturbed(data, tmp_path, small):
    train("esc-small", data, tmp_path / "whole.safetensors")
    out = tmp_path / "broken.safetensors"
    with pytest.raises(Killed):
        train("esc-small", data, out, progress=kill_after(1))
    assert not out.exists() and out.with_suffix(".state").exists()
    with pytest.raises(ValueError, match=r"broken\.state is an unfinished training; go on with --resume, or delete it"):
        train("esc-small", data, out)
    for other in ({"seed": 1}, {"epochs": 4}, {"front_end": "stft"}, {"protocol": "paper"}):
        with pytest.raises(ValueError, match=r"broken\.state is an unfinished training with other settings or other clips"):
            train("esc-small", data, out, options={"resume": True} | other)
    told = []
    train("esc-small", data, out, options={"resume": True}, progress=lambda *step: told.append(step))
    assert told == [(2, 2)]
    assert_same(weights(tmp_path / "whole.safetensors"), weights(out))
    assert about_file(out) == about_file(tmp_path / "whole.safetensors")
    with pytest.raises(ValueError, match=r"There is no unfinished training .*broken\.state; leave --resume out"):
        train("esc-small", data, out, options={"resume": True})


def toy_examples(n=8, *, seed=0):
    """Spectrograms in dB of 4 x 6 whose label is whether the upper half is the louder."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 2
    features = -60 + 5 * torch.randn(n, 4, 6, generator=generator)
    features[:, 2:] += 10 * (2.0 * labels - 1)[:, None, None]
    return Examples(features, labels, 2)


def toy_network(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.BatchNorm1d(24), torch.nn.Dropout(0.2), torch.nn.Linear(24, 2))


ALL = replace(
    PLAIN,
    epochs=6,
    falling=True,
    weight_decay=0.1,
    augmentation=Augmentation(freq_stripes=(1, 2), time_stripes=(1, 2), roll=True, mixup=0.5, tilt_db=3.0),
)


def test_it_learns_what_tells_the_classes_apart():
    network = toy_network()
    assert fitting.grade(network, toy_examples(40, seed=1))[0] < 0.9
    fit(network, (toy_examples(40), toy_examples(seed=2)), replace(PLAIN, epochs=20))
    assert fitting.grade(network, toy_examples(40, seed=1))[0] > 0.95


def test_a_seed_decides_everything_and_touches_no_global_state():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    networks = [toy_network() for _ in range(3)]
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        fit(network, (toy_examples(), toy_examples(seed=1)), ALL, seed=seed)
    assert torch.equal(torch.rand(3), expected)
    a, b, c = (network[3].weight for network in networks)
    assert torch.equal(a, b) and not torch.equal(a, c)


@pytest.mark.parametrize("epoch", [1, 3, 5])
def test_a_fit_goes_on_where_it_was_killed_with_dropout_and_all(epoch, tmp_path):
    sets = (toy_examples(), toy_examples(seed=1))
    whole, broken, fresh = toy_network(), toy_network(), toy_network(seed=9)
    best = fit(whole, sets, ALL, seed=4, checkpoint=Checkpoint(tmp_path / "whole", "same"))
    with pytest.raises(Killed):
        fit(broken, sets, ALL, seed=4, checkpoint=Checkpoint(tmp_path / "broken", "same"), progress=kill_after(epoch))
    torch.rand(epoch)  # another process has another state of the global generator
    resumed = fit(fresh, sets, ALL, seed=4, checkpoint=Checkpoint(tmp_path / "broken", "same"))
    assert (resumed.epoch, resumed.loss) == (best.epoch, best.loss)
    assert_same(whole.state_dict(), fresh.state_dict())
    # not only the best epoch, which may have been before, but the last one is the same
    last = [torch.load(tmp_path / name, weights_only=True)["network"] for name in ("whole", "broken")]
    assert_same(*last)


def assert_same(one, other):
    assert list(one) == list(other)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_every_epoch_is_another_and_the_rate_follows_all_steps(monkeypatch):
    seen, steps = [], []
    monkeypatch.setattr(
        Augmentation, "__call__", lambda self, features, shares, rng: seen.append(features) or (features, shares)
    )
    monkeypatch.setattr(Protocol, "rate", lambda self, step, n_steps: steps.append((step, n_steps)) or 1e-3)
    fit(toy_network(), (toy_examples(), toy_examples()), PLAIN)
    assert steps == [(i, 6) for i in range(6)]  # three epochs of two batches
    epochs = [torch.cat(seen[i : i + 2]) for i in (0, 2, 4)]
    assert not torch.equal(epochs[0], epochs[1]) and not torch.equal(epochs[1], epochs[2])
    for epoch in epochs:  # each clip once
        assert sorted(epoch[:, 0, 0].tolist()) == sorted(toy_examples().features[:, 0, 0].tolist())


def test_the_best_epoch_is_really_kept(monkeypatch):
    grades = iter([(0.5, 1.0), (0.9, 0.5), (0.9, 0.4), (0.9, 0.6), (0.8, 0.1)])  # the third: as right as others, least loss
    states = []

    def grade(network, *_):
        states.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return next(grades)

    monkeypatch.setattr(fitting, "grade", grade)
    network = toy_network()
    best = fit(network, (toy_examples(), toy_examples()), replace(PLAIN, epochs=5))
    assert (best.epoch, best.accuracy, best.loss) == (3, 0.9, 0.4)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, states[2][name])
    assert not torch.equal(states[2]["3.weight"], states[4]["3.weight"]) and not network.training


def test_a_damaged_state_and_a_loss_that_is_none_are_named(tmp_path):
    (tmp_path / "w.state").write_text("rubbish")
    with pytest.raises(ValueError, match=r"w\.state is damaged \(.*\); delete it to begin anew"):
        fit(toy_network(), (toy_examples(), toy_examples()), PLAIN, checkpoint=Checkpoint(tmp_path / "w.state", ""))
    broken = toy_examples()
    broken.features[3] = math.nan
    with pytest.raises(FloatingPointError, match=r"loss is nan in epoch 1"):
        fit(toy_network(), (broken, toy_examples()), PLAIN)


def test_the_rate_rises_and_falls_or_stays():
    falling = replace(PLAIN, falling=True)
    rates = [falling.rate(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1e-3) and rates[9] == rates[10] == 1e-2 and rates[99] < 1e-5
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert {PLAIN.rate(step, 100) for step in range(100)} == {1e-2}


def test_the_papers_protocol_is_the_papers():
    paper = PROTOCOLS["paper"]
    assert (paper.epochs, paper.batch_size, paper.learning_rate, paper.weight_decay) == (20, 32, 1e-4, 0.0)
    assert not paper.falling and paper.augmentation == Augmentation(freq_stripes=(1, 10), time_stripes=(1, 20))
    assert Plan("cnn14", protocol="paper", init="w.pth").settings == paper
    assert Plan("cnn14", init="w.pth").settings.learning_rate == pytest.approx(PROTOCOLS["ours"].learning_rate / 10)


def test_stripes_are_filled_with_the_floor_and_leave_the_clips_as_they_were():
    features = torch.zeros(64, 32, 100)
    made, _ = Augmentation(freq_stripes=(1, 8), time_stripes=(1, 20))(features, torch.ones(64, 1), np.random.default_rng(0))
    assert (features == 0).all() and set(made.unique().tolist()) == {-100.0, 0.0}
    rows, columns = (made == -100).all(dim=2).sum(dim=1), (made == -100).all(dim=1).sum(dim=1)
    assert set(rows.tolist()) == set(range(9))  # every width from 0 to the widest
    assert columns.max() <= 20 and columns.max() > 15 and columns.min() < 3


def test_clips_are_mixed_as_powers_and_labels_by_the_same_share():
    assert mixed(torch.tensor(-20.0), torch.tensor(-20.0), 0.3) == pytest.approx(-20)
    assert mixed(torch.tensor(-10.0), torch.tensor(-100.0), 0.5) == pytest.approx(-13.0103, abs=1e-3)
    features = torch.stack([torch.full((4, 5), -10.0), torch.full((4, 5), -100.0)])
    made, shares = Augmentation(mixup=1.0)(features, torch.eye(2), np.random.default_rng(2))
    assert shares.sum(dim=1) == pytest.approx(1.0)
    share = 10 ** (made[:, 0, 0] / 10) / 0.1  # what share of the loud clip is in each
    torch.testing.assert_close(share, shares[:, 0].clamp(min=1e-9), rtol=1e-3, atol=1e-6)
    assert len(set(shares[:, 0].tolist())) == 2


def test_rolling_keeps_every_frame_and_tilting_the_middle():
    features = torch.arange(60.0).reshape(1, 3, 20) - 90
    rolled, _ = Augmentation(roll=True)(features, torch.ones(1, 1), np.random.default_rng(1))
    assert not torch.equal(rolled, features) and torch.equal(rolled.sort(dim=2).values, features)
    tilted, _ = Augmentation(tilt_db=6.0)(features, torch.ones(1, 1), np.random.default_rng(1))
    change = tilted - features
    assert torch.equal(change[:, 1], torch.zeros(1, 20)) and change[0, 0, 0] == -change[0, 2, 0] != 0
    assert change.abs().max() <= 3


def test_a_clip_is_cut_or_continued_with_silence():
    short = five_seconds(Recording(torch.ones(2, 8000), 8000), 8000)
    assert short.shape == (1, 40_000) and short[0, :8000].eq(1).all() and short[0, 8000:].eq(0).all()
    ramp = torch.linspace(0, 1, 48_000)[None]
    assert torch.equal(five_seconds(Recording(ramp, 8000), 8000), ramp[:, :40_000])


def test_training_begins_with_panns_where_they_are_given(data, tmp_path, small, monkeypatch):
    state = Cnn6(527).state_dict()
    theirs = {name.replace("head", "fc_audioset"): t.transpose(2, 3) if t.ndim == 4 else t for name, t in state.items()}
    torch.save({"model": theirs}, tmp_path / "panns.pth")
    monkeypatch.setattr(esc50, "fit", lambda network, *_args, **_options: fit_nothing(network))
    (tmp_path / "w.state").touch()
    train("cnn6", data, tmp_path / "w.safetensors", options={"init": tmp_path / "panns.pth", "resume": True})
    about, stored = about_file(tmp_path / "w.safetensors"), weights(tmp_path / "w.safetensors")
    assert about["init"] == "panns.pth" and about["not_from_init"] == ["head.bias", "head.weight"]
    assert torch.equal(stored["conv_block3.conv1.weight"], state["conv_block3.conv1.weight"])


def fit_nothing(network):
    network.eval()
    return fitting.Best(0, 0.0, 0.0, {})


def test_recipes_say_what_may_be_asked_and_refuse_the_rest(data, tmp_path):
    assert list(RECIPES) == ["band-cnn", "cnn14", "cnn10", "cnn6", "esc-small", "conv-lstm", "ova", "cerberus"]
    assert options_of("cnn14") == ("front_end", "protocol", "epochs", "init", "resume", "shuffle_labels", "seed", "device")
    assert all(recipe.__doc__.startswith("Train ") for recipe in RECIPES.values())
    out = tmp_path / "w.safetensors"
    with pytest.raises(ValueError, match=r"no recipe 'cnn15'; give one of band-cnn, cnn14"):
        train("cnn15", data, out)
    with pytest.raises(
        ValueError, match=r"The recipe cnn14 takes no confounder and no x; it takes front_end, protocol, epochs"
    ):
        train("cnn14", data, out, options={"confounder": "drums", "seed": 1, "x": 2})
    taken = "confounder, shuffle_labels, epochs, seed, device"
    with pytest.raises(ValueError, match=rf"The recipe band-cnn takes no front_end; it takes {taken}"):
        train("band-cnn", data, out, options={"front_end": "mel"})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"front_end": "mfcc"}, r"front_end is one of mel, stft; got 'mfcc'"),
        ({"protocol": "theirs"}, r"protocol is one of ours, paper; got 'theirs'"),
        ({"epochs": 0}, r"epochs must be at least 1; got 0"),
        ({"init": "w.pth"}, r"PANNs has no network of the kind esc-small"),
    ],
)
def test_bad_options_are_refused_before_any_work(options, message, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        train("esc-small", data, tmp_path / "w.safetensors", options=options)
    assert not list(tmp_path.iterdir())


def test_bad_files_are_refused_before_any_work(data, tmp_path):
    with pytest.raises(ValueError, match=r"written as \.safetensors; got .*w\.pt"):
        train_esc50(data, tmp_path / "w.pt", Plan("esc-small"))
    with pytest.raises(FileNotFoundError, match=r"There is no .*esc50\.csv"):
        train_esc50(tmp_path, tmp_path / "w.safetensors", Plan("esc-small"))
    with pytest.raises(FileNotFoundError, match=r"There are no weights .*none\.pth"):
        train_esc50(data, tmp_path / "w.safetensors", Plan("cnn6", init=tmp_path / "none.pth"))
    assert not list(tmp_path.iterdir())


def test_files_of_another_kind_are_no_classifier(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(FileNotFoundError, match=r"There are no weights .*; make them with: hearwhy train"):
        load_file(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=r"Say which weights, as in cnn14:FILE"):
        load("")
    (tmp_path / "w.pth").touch()
    with pytest.raises(ValueError, match=r"w\.pth is no \.safetensors file. PANNs' own weights are for: .*--init"):
        load_file(tmp_path / "w.pth")
    (tmp_path / "text.safetensors").write_text("no weights at all")
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    about = {"network": "esc-small", "front_end": "mel", "labels": ["a", "b"]}
    save_file({"x": torch.zeros(2)}, tmp_path / "less.safetensors", metadata={"hearwhy": json.dumps(about)})
    for name in ("text", "other", "less"):
        with pytest.raises(ValueError, match=rf"{name}\.safetensors does not hold one of cnn14, cnn10, cnn6, esc-small"):
            load_file(tmp_path / f"{name}.safetensors")


def test_front_ends_are_the_papers_behind_the_peak():
    assert {name: (made.sample_rate, made.n_features) for name, made in FRONT_ENDS.items()} == {
        "mel": (32_000, 64),
        "stft": (16_000, 257),
    }
    quiet = 0.001 * torch.sin(torch.arange(32_000.0))[None]
    for made in FRONT_ENDS.values():
        torch.testing.assert_close(made(quiet), made(512 * quiet), rtol=0, atol=1e-3)
