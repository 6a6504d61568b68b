"""Slakh2100's real layout, in small: what is a stem, what is the song, what is left out and how it is said."""

import re

import numpy as np
import pytest
import soundfile
import torch
import yaml
from dataset_scenes import FULL, RATE, make_slakh, make_slakh_song, noise

from hearwhy import audio as sound
from hearwhy.datasets import mixture_gap, read
from hearwhy.datasets.band import songs
from hearwhy.datasets.band.metadata import read_metadata
from hearwhy.datasets.band.songs import read_song, read_split


@pytest.fixture(scope="module")
def slakh(tmp_path_factory):
    return make_slakh(tmp_path_factory.mktemp("slakh"))


def stored(folder, *names):
    """The sum of some stems, read with another library."""
    return sum(soundfile.read(folder / "stems" / f"{name}.flac", dtype="float64")[0] for name in names)


def test_the_metadata_mean_what_a_yaml_library_reads(slakh):
    path = slakh / "train" / "Track00001" / "metadata.yaml"
    ours, theirs = read_metadata(path), yaml.safe_load(path.read_text())
    assert theirs["stems"]["S00"].pop("integrated_loudness") == float("-inf")  # a silent stem's; we read it as text
    ours["stems"]["S00"].pop("integrated_loudness")
    assert ours == theirs


def test_songs_are_those_of_the_three_splits_and_the_omitted_ones_on_request(slakh):
    dataset = read(slakh)
    assert dataset.layout == "slakh" and not dataset.problems
    names = ["train/Track00001", "train/Track00002", "validation/Track01501", "test/Track01876"]
    assert [item.name for item in dataset.items] == names
    assert [item.name for item in read(slakh, split="omitted").items] == ["omitted/Track00003"]
    assert [item.name for item in read(slakh / "test").items] == ["Track01876"]
    assert [item.name for item in read(slakh / "test" / "Track01876").items] == ["Track01876"]
    assert all(item.label is None and item.duration_s == 0.5 for item in dataset.items)


def test_instruments_of_one_class_are_one_stem_and_unrendered_ones_are_none(slakh):
    song, folder = read(slakh, split="train").items[0], slakh / "train" / "Track00001"
    stems = song.stems()
    assert list(stems) == ["bass", "drums", "guitar", "piano", "strings"]
    files = {"bass": ["S04"], "drums": ["S03"], "guitar": ["S01"], "piano": ["S00", "S02"], "strings": ["S05", "S06"]}
    for name, stem in stems.items():
        assert (stem.sample_rate, stem.audio.shape) == (RATE, (1, RATE // 2))
        # Two float32 numbers around 0.1 are added: exact but for the last bit of the sum
        np.testing.assert_allclose(stem.audio[0].numpy(), stored(folder, *files[name]), atol=3e-8, rtol=0)
    assert stems["piano"].history == ("the sum of its 2 files of its class",) and stems["bass"].history == ()


def test_the_song_is_the_sum_of_its_stems_over_any_span(slakh):
    song = read(slakh, split="test").items[0]
    whole = song.load()
    assert whole.name == "test/Track01876" and "the sum of its 5 stems bass, drums" in whole.history[0]
    assert torch.equal(whole.audio, torch.stack([stem.audio for stem in song.stems().values()]).sum(dim=0))
    span = song.load(start_s=0.1, duration_s=0.2)
    assert torch.equal(span.audio, whole.audio[:, 4410:13230]) and span.history[0] == "read from 0.10 s for 0.20 s"
    stems = song.stems(start_s=0.1, duration_s=0.2)
    assert torch.equal(span.audio, torch.stack([stem.audio for stem in stems.values()]).sum(dim=0))


def test_the_stored_mixture_is_compared_and_its_gain_found(slakh):
    gap = mixture_gap(read(slakh, split="test").items[0])
    assert abs(gap.gain_db) < 1e-4 and gap.gap_db < -90  # what rounding to 24 bits leaves
    halved = mixture_gap(read(slakh, split="validation").items[0])
    assert halved.gain_db == pytest.approx(20 * np.log10(0.5), abs=1e-4) and halved.gap_db < -90
    with pytest.raises(ValueError, match=r"no stored mixture, or not all of its stems were asked for"):
        mixture_gap(read(slakh, split="test", stems=["drums"]).items[0])


def test_a_mixture_of_something_else_has_a_gap(tmp_path):
    folder = make_slakh_song(tmp_path / "Track00001", "1a", FULL)
    mix = sound.load(folder / "mix.flac")
    more = noise(7, level=0.05 * 7**0.5 / 10)  # a tenth of the seven instruments' level
    soundfile.write(folder / "mix.flac", (mix.audio + more.audio)[0].numpy(), RATE)
    # 20 dB below; the noise is half a second long, so that its level is known to about 0.1 dB
    assert mixture_gap(read(tmp_path).items[0]).gap_db == pytest.approx(-20, abs=0.3)


def test_only_the_stems_asked_for_and_songs_without_them_are_named(slakh):
    dataset = read(slakh, stems=["piano", "drums"])
    assert [item.name for item in dataset.items] == ["train/Track00001", "validation/Track01501", "test/Track01876"]
    assert dataset.problems == (("train/Track00002", "train/Track00002 has no piano; it has bass, drums, guitar, strings."),)
    song = dataset.items[0]
    assert list(song.stems()) == ["piano", "drums"]
    expected = stored(slakh / "train" / "Track00001", "S00", "S02", "S03")
    np.testing.assert_allclose(song.load().audio[0].numpy(), expected, atol=5e-8, rtol=0)
    assert "1 left out:\n  train/Track00002: train/Track00002 has no piano" in dataset.summary()


def test_songs_from_one_midi_file_are_one_group(tmp_path):
    make_slakh_song(tmp_path / "train" / "Track00001", "1a81", FULL[:2])
    make_slakh_song(tmp_path / "train" / "Track00002", "2b81", FULL[:2])
    make_slakh_song(tmp_path / "test" / "Track01900", "1a81", FULL[:2])
    assert [item.group for item in read(tmp_path).items] == ["train/Track00001", "train/Track00002", "train/Track00001"]


@pytest.mark.parametrize(
    "break_it, message",
    [
        (lambda song: (song / "stems" / "S01.flac").unlink(), r"There is no file .*S01\.flac"),
        (lambda song: (song / "stems" / "S01.flac").write_bytes(b""), r"S01\.flac cannot be read as sound"),
        (
            lambda song: sound.write(noise(1, seconds=0.4), song / "stems" / "S01.flac"),
            r"stems must be alike; .* 17640 samples",
        ),
        (lambda song: sound.write(noise(1, rate=22050), song / "stems" / "S01.flac"), r"22050 Hz"),
        (lambda song: (song / "metadata.yaml").write_text("stems:\n"), r"names no instrument that was rendered"),
        (
            lambda song: (song / "metadata.yaml").write_text("stems:\n  S00:\n    is_drum: true\n"),
            r"does not say audio_rendered",
        ),
        (lambda song: (song / "metadata.yaml").write_text("- a list\n"), r"line 1: expected 'key: value'"),
    ],
)
def test_a_broken_song_is_left_out_with_the_reason(tmp_path, break_it, message):
    make_slakh_song(tmp_path / "train" / "Track00001", "1a", FULL[:3])
    break_it(make_slakh_song(tmp_path / "train" / "Track00002", "2b", FULL[:3]))
    dataset = read(tmp_path)
    assert [item.name for item in dataset.items] == ["train/Track00001"]
    ((name, reason),) = dataset.problems
    assert name == "train/Track00002" and re.search(message, reason), reason


def test_a_stem_damaged_in_its_middle_is_found_by_checking(tmp_path):
    make_slakh_song(tmp_path / "train" / "Track00001", "1a", FULL[:2])
    song = make_slakh_song(tmp_path / "train" / "Track00002", "2b", FULL[:2])
    stem = song / "stems" / "S00.flac"
    stem.write_bytes(stem.read_bytes()[: stem.stat().st_size // 2])
    assert len(read(tmp_path).items) == 2  # the header is whole
    with pytest.raises(ValueError, match=r"S00\.flac is damaged"):
        read(tmp_path).items[1].load()
    dataset = read(tmp_path, check=True)
    assert len(dataset.items) == 1 and "S00.flac is damaged" in dataset.problems[0][1]


# ---- songs in memory, for training and for the confounder experiment


def test_a_split_is_read_as_five_stems_at_the_rate_asked_for(slakh):
    (song,) = read_split(slakh, "test", sample_rate=16_000)
    assert (song.sample_rate, song.audio.shape) == (16_000, (5, 8000))
    assert song.history == ("resampled from 44100 to 16000 Hz",) == song.mix("bass").history
    folder = slakh / "test" / "Track01876"
    for row, names in zip(song.audio, (["S04"], ["S03"], ["S01"], ["S00", "S02"], ["S05", "S06"]), strict=True):
        direct = sound.resample(torch.from_numpy(stored(folder, *names)).float(), RATE, 16_000)
        torch.testing.assert_close(row, direct, atol=1e-6, rtol=0)  # soxr works at 20 bits
    (as_stored,) = read_split(slakh, "test")
    assert as_stored.sample_rate == RATE and as_stored.history == ()


def test_only_the_middle_of_a_song_is_read(slakh):
    folder = slakh / "test" / "Track01876"
    whole, middle = read_song(folder), read_song(folder, seconds=0.2)
    assert torch.equal(middle.audio, whole.audio[:, 6615:15435])  # 0.15 s to 0.35 s of half a second
    assert middle.history == ("read from 0.15 s for 0.20 s",)
    assert torch.equal(read_song(folder, seconds=3).audio, whole.audio)


def test_songs_that_lack_an_instrument_are_refused_or_skipped_by_name(slakh):
    with pytest.raises(ValueError, match=r"Track00002 has no piano; a song of this set needs all of bass, drums"):
        read_split(slakh, "train")
    with pytest.warns(UserWarning, match=r"^1 of 2 songs in .*train lack an instrument.*: Track00002 \(no piano\)\.$"):
        found = read_split(slakh, "train", incomplete="skip")
    assert [song.name for song in found] == ["Track00001"]
    assert [song.name for song in read_split(slakh, "train", incomplete="skip", limit=1)] == ["Track00001"]
    with pytest.raises(ValueError, match=r"incomplete is 'refuse' or 'skip'; got 'drop'"):
        read_split(slakh, "train", incomplete="drop")
    with pytest.raises(ValueError, match=r"seconds and sample_rate are positive; got -1 s"):
        read_split(slakh, "test", seconds=-1)


def test_a_split_without_a_complete_song_is_refused(tmp_path):
    make_slakh_song(tmp_path / "test" / "Track01876", "1a", FULL[:2])
    with (
        pytest.warns(UserWarning, match=r"1 of 1 songs .* \(no bass, no drums, no strings\)"),
        pytest.raises(FileNotFoundError, match=r"No song in .*test has all of bass, drums, guitar, piano, strings"),
    ):
        read_split(tmp_path, "test", incomplete="skip")


def test_more_songs_than_memory_are_refused_before_any_is_decoded(slakh, monkeypatch):
    needed = 5 * 4 * RATE // 2
    monkeypatch.setattr(songs, "_memory", lambda: needed)
    assert len(read_split(slakh, "test")) == 1
    monkeypatch.setattr(songs, "_memory", lambda: needed - 1)
    with pytest.raises(MemoryError, match=r"1 songs would take 0\.0 GB .* give seconds \(of each song\)"):
        read_split(slakh, "test")
    assert len(read_split(slakh, "test", sample_rate=16_000)) == 1
    assert len(read_split(slakh, "test", seconds=0.2)) == 1
