"""Training separators: losses as they are defined, notes where they sound, songs told apart, and resumed to the bit."""

import json
import math
from functools import partial

import mido
import numpy as np
import pytest
import torch

from hearwhy import audio as sound
from hearwhy.datasets.band.metadata import write_metadata
from hearwhy.datasets.band.presets import INST_CLASS, STEMS
from hearwhy.networks.mask_heads import LOWEST_KEY, unit
from hearwhy.separators.mask_inference import Design, cerberus, load
from hearwhy.training import RECIPES, options_of, separation
from hearwhy.training.rolls import roll
from hearwhy.training.separation import train_cerberus, train_ova
from hearwhy.training.separation_fitting import Schedule
from hearwhy.training.separation_losses import clustering_loss, counted_bins, distortion, mask_loss, roll_loss
from hearwhy.training.separation_songs import FRAMES, read_songs
from hearwhy.types import Recording

RATE, SECONDS = 16_000, 3
HERTZ = {"bass": 125, "drums": 5000, "guitar": 500, "piano": 1200, "strings": 2500}
SMALL = {"unet": {"channels": [4, 6, 8, 8, 8]}, "blstm": {"units": 6, "layers": 2}}


def midi(path, notes):
    """Write notes as (start in s, stop in s, key), at 120 beats a minute: 960 ticks a second."""
    events = sorted((time, kind, key) for start, stop, key in notes for time, kind, key in ((start, 1, key), (stop, 0, key)))
    track, now = mido.MidiTrack(), 0.0
    for time, kind, key in events:
        track.append(mido.Message("note_on", note=key, velocity=90 * kind, time=round((time - now) * 960)))
        now = time
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(path)


def song(folder, rng, *, notes=True):
    """Tones in bursts, each stem in a band of its own."""
    time = np.arange(SECONDS * RATE) / RATE
    about = {}
    for i, (stem, hertz) in enumerate(HERTZ.items()):
        start = float(rng.uniform(0, 0.4))
        held = (time >= start) & ((time - start) % 0.8 < 0.5)
        wave = 0.1 * held * np.sin(2 * np.pi * (hertz + rng.uniform(-9, 9)) * time)
        sound.write(Recording(torch.from_numpy(wave.astype(np.float32))[None], RATE), folder / "stems" / f"S{i:02d}.flac")
        if notes:
            midi(folder / "MIDI" / f"S{i:02d}.mid", [(start + 0.8 * k, start + 0.8 * k + 0.5, 40 + i) for k in range(4)])
        about[f"S{i:02d}"] = {"inst_class": INST_CLASS[stem], "audio_rendered": True}
    write_metadata(folder / "metadata.yaml", {"stems": about})


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("songs"), np.random.default_rng(0)
    for split, n in (("train", 3), ("validation", 1), ("test", 1)):
        for number in range(n):
            song(root / split / f"Track{number:05d}", rng)
    return root


@pytest.fixture
def small(monkeypatch):
    """Networks and spectrograms a quarter as large as those of the recipes."""
    monkeypatch.setattr(separation, "Design", partial(Design, n_fft=256, hop_length=128))
    monkeypatch.setattr(separation, "SIZES", {key: SMALL[key[1]] for key in separation.SIZES})
    schedule = Schedule(epochs=2, per_song=2, batch_size=3, learning_rate=1e-2)
    monkeypatch.setattr(separation, "SCHEDULES", dict.fromkeys(SMALL, schedule))


def random_spectra(seed, *shape):
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def test_clustering_loss_is_the_distance_of_two_affinity_matrices():
    rng = torch.Generator().manual_seed(0)
    embedding = unit(torch.randn(2, 4, 5, 6, generator=rng))
    loudest = torch.randint(3, (2, 5, 6), generator=rng)
    counted = torch.rand(2, 5, 6, generator=rng) > 0.3
    expected = []
    for vectors, sources, counts in zip(embedding, loudest, counted, strict=True):
        v = vectors[:, counts].T
        y = torch.nn.functional.one_hot(sources[counts], 3).float()
        expected.append(((v @ v.T - y @ y.T) ** 2).mean())
    torch.testing.assert_close(clustering_loss(embedding, loudest, counted), torch.stack(expected).mean())


def test_clustering_loss_is_nought_where_sources_lie_at_right_angles():
    loudest = torch.tensor([[[0, 1, 1, 2]]])
    apart = torch.nn.functional.one_hot(loudest, 3).permute(0, 3, 1, 2).float()
    everything = torch.ones(1, 1, 4, dtype=torch.bool)
    assert clustering_loss(apart, loudest, everything) == 0
    assert clustering_loss(apart[:, :, :, :1].expand_as(apart), loudest, everything) == 10 / 16  # 10 pairs of unlike sources


def test_bins_count_within_40_db_of_the_loudest():
    mix = torch.tensor([[[1.0, 0.011, 0.009]]], dtype=torch.complex64)
    assert counted_bins(mix.abs()).tolist() == [[[True, True, False]]]


def test_mask_loss_by_hand():
    """A mix of 2: sources 1 in phase, 1 + 2i (real part 1), -4 (opposed: 0), 4 (no mask is above 1), -2i (at right angles)."""
    sources = torch.tensor([1, 1 + 2j, -4, 4, -2j])[None, :, None, None]
    mix = sources.sum(dim=1)
    assert mix.item() == 2
    half = torch.full((1, 5, 1, 1), 0.5)
    assert mask_loss(half, sources, mix).item() == pytest.approx((0 + 0 + 1 + 1 + 1) / 5)
    best = torch.tensor([0.5, 0.5, 0, 1, 0])[None, :, None, None]
    assert mask_loss(best, sources, mix).item() == pytest.approx(0, abs=1e-6)


def test_distortion_by_hand():
    """Of a mix of energy 4: an estimate that is wrong by 1, and one by nothing, which counts as 30 dB."""
    sources = torch.tensor([1 + 0j, 1 + 0j])[None, :, None, None]
    masks = torch.tensor([1.0, 0.5])[None, :, None, None]
    found = distortion(masks, sources, sources.sum(dim=1)).item()
    assert found == pytest.approx((math.log(1 / 4 + 1e-3) + math.log(1e-3)) / 2)


def test_mask_loss_is_least_for_the_best_mask_there_is():
    """Of all masks, none is nearer to the sources than the target's, bin by bin (searched)."""
    sources = random_spectra(0, 1, 3, 4, 5)
    mix = sources.sum(dim=1)
    grid = torch.linspace(0, 1, 1001)
    distance = (grid[:, None, None, None, None] * mix[:, None] - sources).abs()
    best = grid[distance.argmin(dim=0)]
    assert mask_loss(best, sources, mix) < 1e-3 * mix.abs().max()  # the grid's step


def test_roll_loss_is_cross_entropy():
    rolls, held = torch.tensor([[[[0.0, 3.0]]]]), torch.tensor([[[[True, False]]]])
    assert roll_loss(rolls, held).item() == pytest.approx((math.log(2) + math.log(1 + math.exp(3))) / 2)


def test_a_roll_by_hand(tmp_path):
    """Frames of 0.1 s: 0.52 to 0.78 s is frames 5 to 7; a short note has one; 10 is no key of a piano; 60 again at once."""
    midi(tmp_path / "a.mid", [(0.52, 0.78, 21), (1.01, 1.02, 108), (0.2, 0.9, 10), (0.0, 0.3, 60), (0.3, 0.5, 60)])
    held = roll(tmp_path / "a.mid", 12, frame_s=0.1)
    assert held.shape == (88, 12)
    found = {int(key) + LOWEST_KEY: held[key].nonzero()[:, 0].tolist() for key in held.any(dim=1).nonzero()[:, 0]}
    assert found == {21: [5, 6, 7], 108: [10], 60: [0, 1, 2, 3, 4]}
    later = roll(tmp_path / "a.mid", 4, frame_s=0.1, start_s=0.6)
    assert {(int(k) + LOWEST_KEY, int(t)) for k, t in later.nonzero()} == {(21, 0), (21, 1)}


def test_a_roll_follows_changes_of_tempo_and_notes_that_never_end(tmp_path):
    track = mido.MidiTrack([
        mido.MetaMessage("set_tempo", tempo=1_000_000, time=0),
        mido.Message("note_on", note=50, velocity=80, time=480),  # at 1 s
        mido.MetaMessage("set_tempo", tempo=250_000, time=0),
        mido.Message("note_off", note=50, time=480),  # a quarter of a second later
        mido.Message("note_on", note=52, velocity=80, time=0),
        mido.MetaMessage("end_of_track", time=480),
    ])  # fmt: skip
    mido.MidiFile(tracks=[track], ticks_per_beat=480).save(tmp_path / "a.mid")
    held = roll(tmp_path / "a.mid", 40, frame_s=0.05)
    assert held[50 - LOWEST_KEY].nonzero()[:, 0].tolist() == list(range(20, 25))
    assert held[52 - LOWEST_KEY].nonzero()[:, 0].tolist() == list(range(25, 30))


def test_snippets_are_the_songs_they_say(songs):
    """Any stems play, each its own gain; notes stand where their sound is, and silent stems hold none."""
    read = read_songs(songs, "train", Design("cerberus", "unet", STEMS, True, {}))
    cuts = read.draw(np.random.default_rng(0), 40)
    assert len(cuts) == 120 and {cut.song for cut in cuts} == {0, 1, 2}
    gains = torch.tensor([cut.gains for cut in cuts])
    assert (gains > 0).any(dim=1).all() and 0.6 < (gains > 0).float().mean() < 0.85  # 0.7, and one always plays
    playing = gains[gains > 0]
    assert playing.min() > 0.5 and playing.max() < 2 and playing.std() > 0.2  # 6 dB either way
    assert max(cut.frame for cut in cuts) <= (SECONDS * RATE - (FRAMES - 1) * 512) // 512
    batch = next(read.batches(cuts, 30))
    assert batch.sources.shape == (30, 5, 513, FRAMES) and batch.held.shape == (30, 5, 88, FRAMES)
    level = batch.sources.abs().square().sum(dim=2).sqrt()  # (batch, source, frame)
    for sounds, held in zip(level[:, :, 2:-2], batch.held.any(dim=2)[:, :, 2:-2], strict=True):
        for row, keys in zip(sounds, held, strict=True):
            assert not keys.any() if not row.any() else row[keys].mean() > 5 * row[~keys].mean()


def test_songs_told_apart_that_can_be(songs, tmp_path, small, monkeypatch):
    """Tones in bands of their own: in gpdb's mixes each gains more than 10 dB, and the file separates as its figures say."""
    monkeypatch.setattr(separation, "SIZES", {("cerberus", "unet"): {"channels": [8, 12, 16, 16, 16]}})
    monkeypatch.setattr(separation, "SCHEDULES", {"unet": Schedule(epochs=6, per_song=40, batch_size=6, learning_rate=5e-3)})
    out, told = tmp_path / "w.safetensors", []
    figures = train_cerberus(songs, out, progress=lambda *step: told.append(step))
    assert told == [(k, 6) for k in range(1, 7)] and not out.with_suffix(".state").exists()
    gained = {name: value for name, value in figures.items() if name.endswith("improvement_db")}
    four = [value for name, value in gained.items() if name.startswith("gpdb ")]
    assert len(gained) == 9 and len(four) == 4 and min(four) > 10, figures
    about = json.loads(out.with_suffix(".json").read_text())
    assert about["without_midi"] is None and about["transcribes"] and len(about["curve"]) == 6
    assert about["curve"][-1]["validation_loss"] < about["curve"][0]["validation_loss"]
    test = [sound.load(songs / "test" / "Track00000" / "stems" / f"S0{i}.flac") for i in range(5)]
    mix = Recording(sum(stem.audio for stem in test[:3]), RATE)  # bass, drums, guitar
    from hearwhy.metrics.separation import si_sdr

    found = cerberus(mix, out)
    for name, true in zip(STEMS[:3], test, strict=False):
        assert si_sdr(found[name], true.audio) == pytest.approx(about["separation"]["gpdb guitar"][name]["si_sdr_db"], abs=0.01)
    absent = sound.level_db(found["strings"]) - sound.level_db(mix.audio)
    assert absent < -15  # what does not play has learned to be nearly silent


@pytest.mark.parametrize("network", SMALL)
@pytest.mark.parametrize("train", [train_ova, train_cerberus])
def test_killed_and_resumed_is_as_undisturbed(train, network, songs, tmp_path, small):
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    figures = train(songs, whole, network=network, seed=3)

    def stop(done, expected):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(songs, resumed, network=network, seed=3, progress=stop)
    assert not resumed.exists()
    with pytest.raises(ValueError, match="go on with --resume"):
        train(songs, resumed, network=network, seed=3)
    with pytest.raises(ValueError, match="other settings"):
        train(songs, resumed, network=network, seed=4, resume=True)
    assert train(songs, resumed, network=network, seed=3, resume=True) == figures
    assert whole.read_bytes() == resumed.read_bytes()
    recipe = train.__name__.removeprefix("train_")
    assert load(whole, recipe).design.network == network


def test_ova_is_networks_that_learn_alone(songs, tmp_path, small, monkeypatch):
    """What the drums' network learns does not depend on what the others do: here they start elsewhere."""
    from hearwhy.networks.mask_heads import OneVsAll
    from hearwhy.networks.mask_unet import MaskUNet

    def built(seed):
        torch.manual_seed(0)
        drums = MaskUNet(1, 129, **SMALL["unet"])
        torch.manual_seed(seed)
        return OneVsAll({stem: drums if stem == "drums" else MaskUNet(1, 129, **SMALL["unet"]) for stem in STEMS})

    learned = []
    for seed in (1, 2):
        monkeypatch.setattr(separation, "_fresh", lambda design, _, seed=seed: built(seed))
        train_ova(songs, tmp_path / f"{seed}.safetensors", epochs=1)
        learned.append(load(tmp_path / f"{seed}.safetensors", "ova").network)
    one, other = (network.state_dict() for network in learned)
    same = {key.split(".")[0] for key in one if "num_batches" not in key and torch.equal(one[key], other[key])}
    assert same == {"drums"}
    assert all(torch.equal(one[key], other[key]) for key in one if key.startswith("drums."))


def test_without_midi_the_transcription_head_is_left_out(songs, tmp_path, small):
    import shutil

    data = tmp_path / "data"
    shutil.copytree(songs, data)
    missing = data / "train" / "Track00001" / "MIDI" / "S02.mid"
    missing.unlink()
    out = tmp_path / "w.safetensors"
    train_cerberus(data, out, epochs=1)
    about = json.loads(out.with_suffix(".json").read_text())
    assert about["without_midi"] == str(missing) and not about["transcribes"]
    assert not any("keys" in name for name in load(out, "cerberus").network.state_dict())


def test_what_cannot_be_trained(songs, tmp_path):
    with pytest.raises(ValueError, match="network is one of unet, blstm; got 'tcn'"):
        train_ova(songs, tmp_path / "w.safetensors", network="tcn")
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        train_cerberus(songs, tmp_path / "w.safetensors", epochs=0)
    with pytest.raises(ValueError, match="safetensors"):
        train_ova(songs, tmp_path / "w.pt")
    with pytest.raises(FileNotFoundError, match="hearwhy data band"):
        train_ova(tmp_path, tmp_path / "w.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_song_shorter_than_a_snippet_is_named(tmp_path):
    for split in ("train", "validation"):
        folder = tmp_path / split / "Track00001"
        song(folder, np.random.default_rng(0))
        for path in (folder / "stems").iterdir():
            short = sound.load(path, duration_s=1.0)
            sound.write(short, path)
    with pytest.raises(ValueError, match=r"2\.0 s long, and Track00001 are shorter"):
        train_ova(tmp_path, tmp_path / "w.safetensors")


def test_the_recipes_are_there():
    assert RECIPES["ova"] is train_ova and RECIPES["cerberus"] is train_cerberus
    assert options_of("ova") == options_of("cerberus") == ("network", "epochs", "resume", "seed", "device")
