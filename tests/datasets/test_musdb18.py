"""MUSDB18 and MUSDB18-HQ: real stem files, written by ffmpeg here, and folders of WAV files."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from dataset_scenes import RATE, make_hq_song

from hearwhy import audio as sound
from hearwhy.datasets import mixture_gap, read

N = 50_003  # of no whole number of AAC frames, and of no whole number of milliseconds
STREAMS = ("mixture", "drums", "bass", "other", "vocals")
HQ = ("bass", "drums", "other", "vocals")


def tones() -> np.ndarray:
    """(stream, time, channel): four stems of tones that swell differently left and right, and their sum first."""
    time = np.arange(N) / RATE
    stems = [
        np.stack(
            [0.1 * np.sin(2 * np.pi * (200 * k + 3 * c) * time) * np.sin(np.pi * time * (k + c)) ** 2 for c in (1, 2)], axis=1
        )
        for k in (1, 2, 3, 5)
    ]
    return np.stack([sum(stems), *stems])


@pytest.fixture(scope="module")
def musdb18(tmp_path_factory):
    """Two songs as stem files: five streams in AAC, as MUSDB18's."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg, which decodes stem files, is not installed")
    pytest.importorskip("stempeg", reason="stempeg reads stem files")
    root = tmp_path_factory.mktemp("musdb18")
    inputs, maps = [], []
    for number, (name, stream) in enumerate(zip(STREAMS, tones(), strict=True)):
        soundfile.write(root / f"{name}.wav", stream, RATE, subtype="FLOAT")
        inputs += ["-i", str(root / f"{name}.wav")]
        maps += ["-map", str(number), f"-metadata:s:a:{number}", f"handler_name={name}"]
    first = root / "train" / "One - Two.stem.mp4"
    first.parent.mkdir()
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *maps, "-c:a", "aac", "-b:a", "256k", str(first)], check=True)
    (root / "test").mkdir()
    shutil.copy(first, root / "test" / "Three - Four.stem.mp4")
    for name in STREAMS:
        (root / f"{name}.wav").unlink()
    return root


@pytest.fixture(scope="module")
def song(musdb18):
    return read(musdb18 / "test" / "Three - Four.stem.mp4").items[0]


@pytest.fixture(scope="module")
def whole(song):
    return song.stems()


def test_stem_files_are_songs_of_their_true_length(musdb18):
    dataset = read(musdb18)
    assert dataset.layout == "musdb18" and not dataset.problems
    assert [(item.name, item.group) for item in dataset.items] == [(n, n) for n in ("train/One - Two", "test/Three - Four")]
    assert [item.duration_s for item in dataset.items] == [N / RATE] * 2
    (song,) = read(musdb18 / "test").items
    assert song.name == "Three - Four"
    assert read(musdb18 / "test" / "Three - Four.stem.mp4").items[0].name == "Three - Four"


def test_stems_are_those_that_were_encoded_and_their_padding_is_cut_off_and_said(whole):
    assert tuple(whole) == STREAMS[1:]
    for stem, original in zip(whole.values(), tones()[1:], strict=True):
        assert (stem.sample_rate, stem.audio.shape) == (RATE, (2, N))
        # 49 frames of 1024 samples are decoded
        assert stem.history == (f"{49 * 1024 - N} samples of the codec's padding cut off at the end",)
        error = stem.audio.T.numpy() - original
        # AAC at 256 kbit/s is good to about 30 dB on these tones; a shift by one sample would leave -20 dB at best of them
        assert 10 * np.log10((error**2).mean() / (original**2).mean()) < -30
        lags = [(stem.audio[0, 2000:40_000].numpy() * original[2000 - lag : 40_000 - lag, 0]).sum() for lag in range(-3, 4)]
        assert np.argmax(lags) == 3  # no shift


def test_spans_of_stem_files_are_the_samples_of_the_whole(song, whole):
    for start, length in ((0, 1000), (12_345, 6789), (44_099, N - 44_099)):
        span = song.stems(start_s=start / RATE, duration_s=length / RATE)
        for name, stem in span.items():
            assert torch.equal(stem.audio, whole[name].audio[:, start : start + length]), (start, length)
        assert "read from" in span["drums"].history[0]
    rest = song.stems(start_s=1.0, duration_s=9.0)["bass"]
    assert torch.equal(rest.audio, whole["bass"].audio[:, RATE:])


def test_the_song_is_the_sum_and_the_mixture_differs_by_the_codec(song, whole):
    loaded = song.load()
    assert torch.equal(loaded.audio, torch.stack([stem.audio for stem in whole.values()]).sum(dim=0))
    assert loaded.name == "Three - Four" and "the sum of its 4 stems drums, bass, other, vocals" in loaded.history
    gap = mixture_gap(song)
    assert abs(gap.gain_db) < 0.01 and -60 < gap.gap_db < -25


def test_only_the_stems_asked_for_are_mixed(musdb18, whole):
    some = read(musdb18, split="test", stems=["vocals", "bass"]).items[0]
    assert list(some.stems()) == ["vocals", "bass"] and some.mixture() is None
    assert torch.equal(some.load().audio, whole["vocals"].audio + whole["bass"].audio)
    with pytest.raises(ValueError, match=r"has no piano; it has drums, bass, other, vocals"):
        read(musdb18, stems=["piano"])


def test_the_musdb_package_reads_the_same_but_for_its_rounding_and_padding(musdb18, song, whole):
    musdb = pytest.importorskip("musdb", reason="musdb reads MUSDB18")
    theirs = {track.name: track for track in musdb.DB(root=str(musdb18), subsets=["test"])}
    track = theirs["Three - Four"]
    for name, stem in whole.items():
        audio = track.targets[name].audio
        assert len(audio) >= N
        np.testing.assert_allclose(audio[:N].T, stem.audio.numpy(), atol=1.01 / 2**15, rtol=0)  # it rounds to 16 bits
    np.testing.assert_allclose(track.audio[:N].T, song.mixture().audio.numpy(), atol=1.01 / 2**15, rtol=0)


def test_the_example_that_comes_with_stempeg_is_read():
    stempeg = pytest.importorskip("stempeg", reason="it has the example")
    song = read(stempeg.example_stem_path()).items[0]
    assert song.n_samples == 268_288  # made by the makers of the format; no edit list, nothing is cut off
    stems = song.stems()
    assert stems["drums"].history == () and all(stem.audio.shape == (2, 268_288) for stem in stems.values())
    assert float(song.mixture().audio.abs().max()) > 1  # what the codec overshoots is not clipped


def test_files_that_were_cut_off_are_noticed(musdb18, tmp_path):
    whole = musdb18 / "test" / "Three - Four.stem.mp4"
    early = tmp_path / "train" / "moov first.stem.mp4"
    early.parent.mkdir()
    command = ["ffmpeg", "-v", "error", "-i", str(whole), "-map", "0", "-c", "copy", "-movflags", "+faststart", str(early)]
    subprocess.run(command, check=True)
    (copy,) = read(tmp_path).items
    assert copy.stems()["drums"].audio.shape == (2, copy.n_samples)
    early.write_bytes(early.read_bytes()[: early.stat().st_size * 2 // 3])
    late = tmp_path / "train" / "moov last.stem.mp4"
    late.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    two = tmp_path / "train" / "two streams.stem.mp4"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(whole), "-map", "0:0", "-map", "0:1", "-c", "copy", str(two)], check=True
    )
    dataset = read(tmp_path)
    assert [item.name for item in dataset.items] == ["train/moov first"]
    reasons = dict(dataset.problems)
    assert "moov last.stem.mp4 cannot be read as a stem file (" in reasons["train/moov last"]
    assert "has 5 streams of one length, rate and channels" in reasons["train/two streams"]
    with pytest.raises(ValueError, match=r"moov first\.stem\.mp4 is damaged: \d+ of 5000\d samples could be decoded"):
        dataset.items[0].load()
    with pytest.raises(ValueError, match=r"None of the 3 recordings in .* can be used"):
        read(tmp_path, check=True)


def test_spans_outside_a_stem_file_are_refused(song):
    for span in ({"start_s": 1.2}, {"start_s": -1.0}, {"duration_s": 0.0}, {"duration_s": float("nan")}):
        with pytest.raises(ValueError, match=r"is 1\.13 s long; it has no"):
            song.load(**span)


def test_what_is_missing_is_said_with_the_remedy(musdb18, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(FileNotFoundError, match=r"decoded by ffmpeg and ffprobe, which .* MUSDB18-HQ's WAV files"):
            read(musdb18)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "stempeg", None)
        with pytest.raises(ImportError, match=r"pip install 'hearwhy\[musdb\]'"):
            read(musdb18)


# ---- MUSDB18-HQ


@pytest.fixture(scope="module")
def hq(tmp_path_factory):
    root = tmp_path_factory.mktemp("musdb18hq")
    make_hq_song(root / "train" / "One - Two", HQ)
    make_hq_song(root / "test" / "Three - Four", HQ)
    return root


def test_hq_songs_are_stereo_and_the_sum_of_their_stems(hq):
    dataset = read(hq)
    assert dataset.layout == "musdb18hq" and not dataset.problems
    assert [item.name for item in dataset.items] == ["train/One - Two", "test/Three - Four"]
    song = dataset.items[1]
    stems = song.stems()
    assert tuple(stems) == HQ
    for name, stem in stems.items():
        assert torch.equal(stem.audio, sound.load(hq / "test" / "Three - Four" / f"{name}.wav").audio)
        assert (stem.sample_rate, stem.audio.shape) == (RATE, (2, RATE // 2))
    total = torch.stack([stem.audio for stem in stems.values()]).sum(dim=0)
    assert torch.equal(song.load().audio, total)
    # The mixture is their sum before they were rounded to 24 bits; it was rounded, too
    np.testing.assert_allclose(song.mixture().audio.numpy(), total.numpy(), atol=3 / 2**23, rtol=0)
    assert mixture_gap(song).gap_db < -100
    assert [item.name for item in read(hq / "test" / "Three - Four").items] == ["Three - Four"]


def test_hq_songs_that_are_not_whole_are_left_out(tmp_path):
    make_hq_song(tmp_path / "train" / "a", HQ)
    (make_hq_song(tmp_path / "train" / "b", HQ) / "drums.wav").write_bytes(b"RIFF")
    make_hq_song(tmp_path / "train" / "c", ())
    twice = make_hq_song(tmp_path / "train" / "d", HQ)
    shutil.copy(twice / "bass.wav", twice / "bass.flac")
    dataset = read(tmp_path)
    assert [item.name for item in dataset.items] == ["train/a"]
    reasons = dict(dataset.problems)
    assert (
        "drums.wav cannot be read as sound" in reasons["train/b"]
        and "has a mixture.wav and no sound file" in reasons["train/c"]
    )
    assert "has a mixture.wav and bass.flac, bass.wav, drums.wav" in reasons["train/d"]


def test_multitracks_of_ones_own_may_have_any_stems(tmp_path):
    make_hq_song(tmp_path / "my song", ("voice", "cello"))
    (song,) = read(tmp_path).items
    assert song.name == "my song" and list(song.stems()) == ["cello", "voice"]
