"""Long work on the command line: a timeline is interrupted, goes on where it stopped, and leaves nothing beside the result."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
import torch

from hearwhy import Recording, Timeline, audio
from toys import noise, tone

HERE = str(Path(__file__).parent)
MODEL = """
import pathlib, time, torch
CALLS = pathlib.Path({calls!r})
def f(a):
    with CALLS.open("a") as file:
        file.write("x" * len(a))
    time.sleep({pause} * len(a))
    spectrum = torch.fft.rfft(a[:, 0]).abs().square()
    half = spectrum.shape[1] // 2
    return torch.stack([spectrum[:, :half].sum(1), spectrum[:, half:].sum(1)], 1).add(1e-6).log()
f.sample_rate, f.labels, f.window_s = 8000, ("low", "high"), 0.5
"""


@pytest.fixture
def field(tmp_path):
    """Four seconds, a second of which is silent, and a model that counts how often it is asked."""
    pieces = [tone(300), torch.zeros(8000), tone(3000), tone(300)]
    sound = torch.cat(pieces)[None]
    sound[:, :8000] += noise(gain=1e-3)
    return audio.write(Recording(sound, 8000), tmp_path / "field.wav")


def command(field, tmp_path, *words, pause=0.0):
    calls = tmp_path / "calls"
    calls.unlink(missing_ok=True)
    (tmp_path / "slow_model.py").write_text(MODEL.format(calls=str(calls), pause=pause))
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{HERE}", "MPLBACKEND": "Agg"}
    line = [sys.executable, "-m", "hearwhy", "explain", field, "--model", "py:slow_model:f", "--components", "bands:3",
            "--per-window", "--out", tmp_path / "out", *words]  # fmt: skip
    heeded = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # work in the background is started with it ignored
    return subprocess.Popen(
        [str(word) for word in line], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heeded,
    )  # fmt: skip


def asked(tmp_path):
    return len((tmp_path / "calls").read_text())


def beside(tmp_path):
    return [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_timeline_holds_every_window_that_is_not_silent(field, tmp_path):
    process = command(field, tmp_path, "--json")
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    rows = json.loads(said)["windows"]
    assert [row["verdict"] == "silent" for row in rows] == [False, False, True, True, False, False, False, False]
    found = Timeline.load(tmp_path / "out")
    assert found.numbers == (0, 1, 4, 5, 6, 7)
    assert found.explained[0].names[found.explained[0].top()].startswith("20-")
    assert (tmp_path / "out" / "index.html").is_file()
    assert beside(tmp_path) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_was_stopped_goes_on_and_ends_as_if_undisturbed(field, tmp_path, how):
    undisturbed = command(field, tmp_path, "--json")
    said, _ = undisturbed.communicate(timeout=120)
    whole, values = asked(tmp_path), Timeline.load(tmp_path / "out").values.clone()
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            path.unlink()

    process = command(field, tmp_path, "--json", pause=0.05)
    while not list(tmp_path.glob(".out-*/window-0001*")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(how)
    _, complaint = process.communicate(timeout=60)
    assert not (tmp_path / "out" / "index.html").exists()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from there" in complaint
    [partial] = tmp_path.glob(".out-*")
    done = len(list(partial.glob("window-*/attribution.json")))
    assert 0 < done < 6

    process = command(field, tmp_path, "--json")
    again, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    assert asked(tmp_path) < whole
    assert torch.allclose(Timeline.load(tmp_path / "out").values.nan_to_num(-9), values.nan_to_num(-9), atol=1e-5)
    verdicts = [[row["verdict"] for row in json.loads(text)["windows"]] for text in (said, again)]
    assert verdicts[0] == verdicts[1]
    assert beside(tmp_path) == []


def test_another_question_does_not_go_on_from_the_first(field, tmp_path):
    process = command(field, tmp_path, pause=0.05)
    while not list(tmp_path.glob(".out-*/window-0001*")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    other = command(field, tmp_path, "--target", "high", "--windows", "1")
    other.communicate(timeout=120)
    found = Timeline.load(tmp_path / "out")
    assert found.numbers in ((4,), (5,))
    assert found.explained[0].targets == ("high",)


def test_a_recording_too_long_to_be_taken_apart_as_one_names_the_way_on(tmp_path):
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", samplerate=8000, channels=8) as file:
        for _ in range(20):
            file.write(torch.zeros(60 * 8000, 8).numpy())
    words = [sys.executable, "-m", "hearwhy", "explain", str(path), "--model", "band", "--out", str(tmp_path / "out")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert "20 minutes long" in done.stderr
    assert "--per-window" in done.stderr
    assert not (tmp_path / "out").exists()
