"""Separations on disk: once for each content, never one for another, never more than fits."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import torch

from hearwhy import Recording
from hearwhy.separators import SEPARATORS, keeping, separate
from toys import noise, noisy


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HEARWHY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "separated"


class Counting:
    """A separator that tells how often it was asked."""

    def __init__(self, gain=0.5):
        self.asked, self.gain = 0, gain

    def __call__(self, recording, argument=""):
        self.asked += 1
        return {"b": self.gain * recording.audio, "a": recording.audio.mean(0, keepdim=True)}


@pytest.fixture
def counting(monkeypatch):
    function = Counting()
    entry = replace(SEPARATORS["demucs"], function=function, version=1)
    monkeypatch.setitem(SEPARATORS, "demucs", entry)
    return function


def files(folder):
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_recording_is_separated_once_and_comes_back_to_the_bit(counting):
    recording = noisy(channels=2)
    first, second = separate(recording, "demucs"), separate(recording, "demucs")
    assert counting.asked == 1
    assert list(first) == list(second) == ["b", "a"]  # in their own order, not the file's
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_name_of_a_recording_does_not_count_but_its_sound_does(counting):
    recording = noisy()
    separate(recording, "demucs")
    separate(Recording(recording.audio, 8000, "another name"), "demucs")
    assert counting.asked == 1
    for other in (noisy(seed=1), Recording(recording.audio, 8001), Recording(recording.audio.reshape(2, -1), 8000)):
        before = counting.asked
        separate(other, "demucs")
        assert counting.asked == before + 1


def test_another_argument_or_version_is_another_separation(counting, monkeypatch):
    separate(noisy(), "demucs")
    separate(noisy(), "demucs=htdemucs_6s")
    assert counting.asked == 2
    monkeypatch.setitem(SEPARATORS, "demucs", replace(SEPARATORS["demucs"], version=2))
    separate(noisy(), "demucs")
    assert counting.asked == 3


def test_a_weight_file_counts_by_its_content(counting, tmp_path):
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    one.write_bytes(b"weights")
    two.write_bytes(b"weights")
    separate(noisy(), f"demucs={one}")
    separate(noisy(), f"demucs={two}")  # moved or copied: the same
    assert counting.asked == 1
    one.write_bytes(b"Weights")
    separate(noisy(), f"demucs={one}")  # trained on: another, under the same name
    assert counting.asked == 2


@pytest.mark.parametrize("harm", ["cut", "text", "empty", "flip", "foreign"])
def test_a_damaged_file_is_separated_anew_and_mended(counting, folder, harm):
    recording = noisy()
    first = separate(recording, "demucs")
    (path,) = files(folder)
    whole = path.read_bytes()
    if harm == "foreign":
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(3)}, path)
    else:
        flipped = bytearray(whole)
        flipped[-100] ^= 1
        path.write_bytes({"cut": whole[:-10], "text": b"no tensors", "empty": b"", "flip": bytes(flipped)}[harm])
    again = separate(recording, "demucs")
    assert counting.asked == 2
    assert all(torch.equal(first[name], again[name]) for name in first)
    separate(recording, "demucs")
    assert counting.asked == 2
    assert len(files(folder)) == 1


@pytest.mark.parametrize("what", ["stems=FOLDER", "py=test_keeping:half"])
def test_what_others_may_change_is_never_kept(folder, tmp_path, what):
    from hearwhy import audio

    recording = noisy()
    for gain in (0.2, 0.4):
        audio.write(Recording(recording.audio * gain, 8000), tmp_path / "stems" / "half.wav")
        half.gain = gain
        found = separate(recording, what.replace("FOLDER", str(tmp_path / "stems")))["half"]
        assert torch.allclose(found, recording.audio * gain, atol=1e-6)  # 24 bits in the file
    assert not files(folder)


def half(recording):
    return {"half": recording.audio * half.gain}


def test_what_was_used_longest_ago_makes_room(counting, folder, monkeypatch):
    songs = [noisy(seed=i) for i in range(3)]
    separate(songs[0], "demucs")
    size = files(folder)[0].stat().st_size
    monkeypatch.setattr(keeping, "LIMIT_BYTES", 2 * size)
    separate(songs[1], "demucs")
    for path, age in zip(sorted(files(folder), key=lambda path: path.stat().st_mtime_ns), (50, 40), strict=True):
        os.utime(path, (1e9 - age, 1e9 - age))
    separate(songs[0], "demucs")  # used again: the other is now the oldest
    assert counting.asked == 2
    separate(songs[2], "demucs")
    assert len(files(folder)) == 2
    separate(songs[0], "demucs")
    assert counting.asked == 3
    separate(songs[1], "demucs")
    assert counting.asked == 4


def test_what_is_larger_than_all_there_may_be_is_not_kept(counting, folder, monkeypatch):
    monkeypatch.setattr(keeping, "LIMIT_BYTES", 1000)
    assert set(separate(noisy(), "demucs")) == {"a", "b"}
    assert not files(folder)


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(counting, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HEARWHY_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert set(separate(noisy(), "demucs")) == {"a", "b"}
    assert counting.asked == 2
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_separation_that_fails_keeps_nothing(folder, monkeypatch):
    def fails(recording):
        raise RuntimeError("no")

    monkeypatch.setitem(SEPARATORS, "demucs", replace(SEPARATORS["demucs"], function=fails))
    with pytest.raises(RuntimeError):
        separate(noisy(), "demucs")
    assert not files(folder)


def test_threads_that_write_and_make_room_at_once_all_get_their_own(counting, folder, monkeypatch):
    songs = [noisy(0.2, seed=i) for i in range(4)]
    monkeypatch.setattr(keeping, "LIMIT_BYTES", 30_000)  # about two of them: each removes what another has just written
    wrong = []

    def work():
        for song in songs * 5:
            try:
                if not torch.equal(separate(song, "demucs")["b"], 0.5 * song.audio):
                    wrong.append("another's")
            except Exception as error:
                wrong.append(repr(error))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong
    assert not [path for path in files(folder) if path.suffix != ".safetensors"]


PROCESS = """
import sys, torch
from hearwhy import Recording
from hearwhy.separators import separate
noise = 0.1 * torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
found = separate(Recording(noise, 8000), "nmf=2")
print(float(sum(found.values()).sub(noise).abs().max()))
"""


def test_processes_share_what_is_kept(folder):
    at_once = [subprocess.Popen([sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=200)[0] for process in at_once]
    assert all(float(gap) < 1e-6 for gap in said)
    (path,) = files(folder)
    assert path.name.startswith("nmf-")
    before = path.read_bytes()
    found = separate(Recording(noise(), 8000), "nmf=2")
    assert path.read_bytes() == before
    assert sum(found.values()).sub(noise()).abs().max() < 1e-6
