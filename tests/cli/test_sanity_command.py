"""hearwhy sanity through the front door."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from hearwhy.classifiers.musicnn import weights_folder
from hearwhy.datasets import demo_song

SONG = demo_song() / "mix.flac"
STEMS = f"sources:stems={demo_song() / 'stems'}"
ENV = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}


def command(*words):
    return [sys.executable, "-m", "hearwhy", "sanity", *map(str, words)]


def sanity(*words):
    return subprocess.run(command(*words), capture_output=True, text=True, env=ENV)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("sanity") / "out"
    return out, sanity(SONG, "--model", "band", "--components", STEMS, "--n-networks", 4, "--out", out)


def test_the_drums_of_the_demo_song_pass(demo):
    out, done = demo
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kernel_shap on band: ") and max(map(len, done.stdout.splitlines())) <= 80
    assert "Most important to the model is drums" in " ".join(done.stdout.split())
    assert done.stderr == f"Open {out / 'index.html'}\n"
    found = json.loads((out / "sanity.json").read_text())
    assert {f["name"]: f["state"] for f in found["findings"]}["seeds"] == "does not apply"
    assert found["recordings"][0]["components"] == ["bass", "drums", "piano", "strings"]


def test_nothing_but_the_results_is_left(demo):
    out, _ = demo
    assert {path.name for path in out.iterdir()} == {"index.html", "sanity.json", ".hearwhy"}
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_json_is_one_object_and_nothing_else():
    done = sanity(SONG, "--model", "band:bass", "--components", STEMS, "--n-networks", 2, "--json")
    assert json.loads(done.stdout)["about"]["model"] == "band:bass" and done.stderr == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--n-networks", "1"], "n_networks is at least 2; got 1"),
        (["--recipe", "band-cnn"], "--recipe and --train-data go together"),
        (["--components", "sources:stems"], "The sources of mix.flac are not known"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(words, message):
    done = sanity(SONG, "--model", "band", *words)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    words = [SONG, "--model", "band", "--components", STEMS, "--n-networks", 60, "--out", tmp_path / "out"]
    heeded = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # work in the background is started with it ignored
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(command(*words), **pipes, env=ENV, preexec_fn=heeded)
    end = time.monotonic() + 120
    while len(list(tmp_path.rglob("*.npz"))) < 5 and running.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and out == "" and "goes on from there" in err
    kept = len(list(tmp_path.rglob("*.npz")))
    assert kept >= 5 and not (tmp_path / "out").exists()
    assert sanity(*words).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.shared_data
def test_musicnn_is_examined_on_music(shared_data):
    if not (weights_folder() / "MTT_musicnn.safetensors").is_file():
        pytest.skip("musicnn is not here: run `hearwhy fetch musicnn`")
    done = sanity(
        shared_data / "music", "--model", "musicnn:MTT_musicnn", "--components", "segments:3", "--n-networks", 2, "--json"
    )
    found = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert found["untrained networks"]["state"] == "passed"
    assert len(found["layer by layer"]["details"]["curve"]) == 6
    assert found["layer by layer"]["details"]["curve"][0]["layers"] == ["network.output"]
