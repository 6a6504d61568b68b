"""The command line, as a process where it matters and through `main` where only its words do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from hearwhy import Attribution, Recording, audio
from hearwhy.cli import main
from toys import noise, tone

HERE = str(Path(__file__).parent)
ENV = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")]),
    "MPLBACKEND": "Agg",
}
CONTRACT = {".hearwhy", "index.html", "attribution.json", "attribution.npz", "plot.png", "audio"}


def hearwhy(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "hearwhy", *map(str, words)], capture_output=True, text=True, env=ENV, **options
    )


@pytest.fixture
def song(tmp_path):
    low, high = tone(300)[None], tone(2500, gain=0.05)[None] + noise(gain=0.01)
    for name, stem in {"low": low, "high": high}.items():
        audio.write(Recording(stem, 8000), tmp_path / "stems" / f"{name}.wav")
    return audio.write(Recording(low + high, 8000), tmp_path / "song.wav")


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command line in this process: (exit code, standard output, standard error)."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["hearwhy", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
            raise SystemExit(0)
        said = capsys.readouterr()
        return stop.value.code or 0, said.out, said.err

    return run


def test_help_names_every_command_and_loads_no_torch():
    helped = hearwhy("--help")
    assert helped.returncode == 0
    for command in ("demo", "explain", "components", "fetch", "list", "train", "data"):
        assert command in helped.stdout
    code = "import sys, hearwhy.cli; print('torch' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENV)
    assert loaded.stdout.strip() == "False"


def test_explain_writes_every_file_of_the_contract(song, tmp_path):
    out = tmp_path / "out"
    done = hearwhy("explain", song, "--model", "py:cli_models:loud", "--components", f"sources:stems={tmp_path / 'stems'}",
                   "--target", "low", "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "low" in done.stderr
    assert {path.name for path in out.iterdir()} == CONTRACT
    assert {"recording.wav", "01-high.wav", "02-low.wav"} <= {path.name for path in (out / "audio").iterdir()}
    for wav in (out / "audio").iterdir():
        assert soundfile.info(wav).subtype == "PCM_24"
    assert Attribution.load(out).names == ("high", "low")
    assert (out / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_one_object_and_nothing_else(song, tmp_path):
    done = hearwhy(
        "explain", song, "--model", "py:cli_models:loud", "--components", "bands:3", "--json", "--out", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "verdict" in json.loads(done.stdout)


def test_quiet_is_quiet_and_a_second_run_replaces_the_first(run, song, tmp_path):
    words = ["explain", song, "--model", "py:cli_models:loud", "--quiet", "--out", tmp_path / "out", "--components"]
    assert run(*words, "segments:4") == (0, "", "")
    assert run(*words, "segments:2") == (0, "", "")
    assert len(list((tmp_path / "out" / "audio").glob("0*.wav"))) == 2


def test_per_window_writes_a_folder_a_window(run, song, tmp_path):
    code, _, said = run(
        "explain", song, "--model", "py:cli_models:loud", "--per-window", "--components", "bands:2", "--out", tmp_path / "o"
    )
    assert code == 0
    assert "0.0-1.0 s" in said
    assert Attribution.load(tmp_path / "o" / "window-0000-0.0s").shape == (2,)


def test_components_are_written_to_be_heard(run, song, tmp_path):
    code, _, said = run("components", song, "--components", "bands:3 * segments:2", "--out", tmp_path / "parts")
    assert code == 0
    assert said.count("dB") >= 6
    written = sorted((tmp_path / "parts" / "audio").iterdir())
    whole = sum(soundfile.read(path)[0] for path in written)
    assert np.abs(whole - soundfile.read(song)[0]).max() < 6 * 2**-23  # one rounding to 24 bits a part


LISTS = ["methods", "masks", "metrics", "components", "targets", "fills", "models", "descriptions", "separators", "recipes"]


@pytest.mark.parametrize("what", LISTS)
def test_lists_name_what_there_is(run, what):
    code, listed, _ = run("list", what)
    assert code == 0
    assert all(len(line.split("  ", 1)[1].strip()) > 10 for line in listed.strip().splitlines())


def test_wrong_usage_is_exit_code_2():
    assert hearwhy("explain").returncode == 2
    assert hearwhy("no-such-command").returncode == 2


def bad(tmp_path, name):
    path = tmp_path / f"{name}.wav"
    samples, rate = {
        "empty": (np.zeros(0), 8000),
        "silent": (np.zeros(8000), 8000),
        "nan": (np.full(8000, np.nan), 8000),
        "short": (np.ones(20) * 0.1, 8000),
    }[name]
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


FINE = ["--model", "py:cli_models:loud"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["missing.wav", *FINE], "There is no file"),
        (["text", *FINE], "cannot be read as sound"),
        (["empty", *FINE], "is empty"),
        (["silent", *FINE], "is silent"),
        (["nan", *FINE], "8000 of 8000 samples are NaN"),
        (["short", *FINE], "shorter than one frame"),
        (["song", "--model", "magic"], "There is no model 'magic'"),
        (["song", "--model", "py:no_such_module:f"], "cannot be imported"),
        (["song", "--model", "py:cli_models:nothing"], "has no attribute 'nothing'"),
        (["song", "--model", "py:cli_models:untold"], "does not say its sample_rate and labels"),
        (["song", "--model", "py:cli_models:flat"], "must answer (batch, label)"),
        (["song", *FINE, "--target", "dog"], "no label 'dog'; it has low, high"),
        (["song", *FINE, "--method", "magic"], "There is no method 'magic'"),
        (["song", *FINE, "--method", "lime(x=1)"], "lime has no option"),
        (["song", *FINE, "--components", "magic:3"], "There are no components"),
        (["song", *FINE, "--components", "sources:stems=LONG"], "stems of another length|samples and"),
        (["song", *FINE, "--components", "sources:stems=FAST"], "16000 Hz and song.wav has 8000 Hz"),
        (["song", *FINE, "--components", "segments:40", "--method", "shapley"], "40 components"),
        (["song", *FINE, "--fill", "mud"], "There is no fill 'mud'"),
        (["song", *FINE, "--device", "tpu9"], "There is no device"),
        (["song", *FINE, "--fill", ""], "There is no fill ''"),
        (["song", *FINE, "--duration", "-1"], "a length above 0 s"),
        (["song", *FINE, "--duration", "inf"], "a length above 0 s"),
        (["song", *FINE, "--seed", "-1"], "from 0 to 2**63 - 1; got -1"),
        (["song", *FINE, "--n-samples", "9", "--method", "lime(n_samples=3)"], "n_samples is given twice"),
        (["song", *FINE, "--out", "FILE"], "is a file; give a folder"),
        (["song", *FINE, "--out", "/proc/nowhere/out"], "cannot be written"),
    ],
    ids=lambda value: "-".join(map(str, value))[:40] if isinstance(value, list) else None,
)
def test_bad_input_is_one_message_and_leaves_nothing(run, song, tmp_path, words, message):
    (tmp_path / "text.wav").write_text("no sound at all")
    audio.write(Recording(noise(1.5), 8000), tmp_path / "long" / "a.wav")
    audio.write(Recording(noise(1.0, rate=16000), 16000), tmp_path / "fast" / "a.wav")
    first = words[0]
    path = bad(tmp_path, first) if first in ("empty", "silent", "nan", "short") else tmp_path / f"{Path(first).stem}.wav"
    words = [
        w.replace("LONG", str(tmp_path / "long")).replace("FAST", str(tmp_path / "fast")).replace("FILE", str(song))
        for w in words
    ]
    before = sorted(tmp_path.rglob("*"))
    out = [] if "--out" in words else ["--out", tmp_path / "out"]
    code, printed, said = run("explain", path, *words[1:], *out)
    assert code == 1
    assert printed == ""
    assert said.startswith("hearwhy: ")
    assert any(m in said for m in message.split("|")), said
    assert "Traceback" not in said
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("rate", "channels"), [(192000, 1), (44100, 6), (8000, 2)])
def test_unusual_rates_and_channels_are_explained_and_said(run, tmp_path, rate, channels):
    path = audio.write(Recording(noise(0.5, channels=channels, rate=rate), rate), tmp_path / "a.flac")
    code, printed, _ = run("explain", path, *FINE, "--components", "segments:2", "--json", "--out", tmp_path / "out")
    assert code == 0
    history = " ".join(json.loads((tmp_path / "out" / "attribution.json").read_text())["settings"]["history"])
    assert ("resampled" in history) == (rate != 8000)
    assert ("mono" in history) == (channels != 1)
    assert json.loads(printed)
    assert Attribution.load(tmp_path / "out").recording.audio.shape[0] == channels  # kept for the ear


def test_a_foreign_audio_folder_is_not_touched(run, song, tmp_path):
    mine = audio.write(Recording(noise(), 8000), tmp_path / "mine" / "audio" / "precious.wav")
    code, _, said = run("explain", song, *FINE, "--out", tmp_path / "mine")
    assert code == 1
    assert "not hearwhy's" in said
    assert mine.exists()
    page = tmp_path / "site" / "index.html"
    page.parent.mkdir()
    page.write_text("mine")
    assert run("explain", song, *FINE, "--out", page.parent)[0] == 1
    assert page.read_text() == "mine"


def test_a_new_result_leaves_nothing_of_the_one_before_and_all_of_yours(run, song, tmp_path):
    out = tmp_path / "out"
    assert run("explain", song, *FINE, "--components", "segments:4", "--out", out)[0] == 0
    (out / "notes.txt").write_text("mine")
    assert run("explain", song, *FINE, "--components", "bands:2", "--per-window", "--out", out)[0] == 0
    timeline = {"index.html", "timeline.json", "timeline.npz", "window-0000-0.0s", ".hearwhy"}
    assert {path.name for path in out.iterdir()} == timeline | {"notes.txt"}
    assert run("components", song, "--components", "bands:2", "--out", out)[0] == 0
    assert {path.name for path in out.iterdir()} == {"components.json", "audio", "notes.txt", ".hearwhy"}


def test_a_model_in_the_working_folder_is_found(song, tmp_path):
    words = ["explain", song, *FINE, "--components", "bands:2", "--out", tmp_path / "out"]
    environment = {**ENV, "PYTHONPATH": str(Path(audio.__file__).parents[1])}
    # -P: as the installed command, which does not put the working folder on the path by itself
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hearwhy", *words], capture_output=True, text=True, env=environment, cwd=HERE
    )
    assert done.returncode == 0, done.stderr


def test_an_interrupt_leaves_nothing_behind(song, tmp_path):
    asked = tmp_path / "asked"
    (tmp_path / "slow_model.py").write_text(
        f"import pathlib, time, torch\ndef f(a):\n    pathlib.Path({str(asked)!r}).touch()\n    time.sleep(60)\n"
        "f.sample_rate, f.labels = 8000, ('a', 'b')\n"
    )
    words = ["explain", song, "--model", "py:slow_model:f", "--components", "segments:8", "--out", tmp_path / "out"]
    path = {**ENV, "PYTHONPATH": f"{tmp_path}:{ENV['PYTHONPATH']}"}
    heeded = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # work in the background is started with it ignored
    process = subprocess.Popen(
        [sys.executable, "-m", "hearwhy", *words], env=path, stderr=subprocess.PIPE, text=True, preexec_fn=heeded
    )
    while not asked.exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(2)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out-*"))


def test_debug_shows_the_traceback(song, tmp_path):
    words = [sys.executable, "-m", "hearwhy", "explain", song, "--model", "magic", "--out", tmp_path / "out"]
    done = subprocess.run(words, capture_output=True, text=True, env={**ENV, "HEARWHY_DEBUG": "1"})
    assert "Traceback" in done.stderr


def test_torch_stays_seeded_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    import hearwhy as library
    from toys import ToneDetector

    library.explain(
        ToneDetector({"a": 300.0, "b": 900.0}), Recording(noise(), 8000), components="segments:12", method="lime(n_samples=100)"
    )
    assert torch.equal(torch.rand(3), expected)


def test_a_folder_that_cannot_be_written_is_said_before_the_model_is_asked(run, song):
    code, _, said = run("explain", song, "--model", "py:cli_models:flat", "--out", song)
    assert code == 1
    assert "is a file; give a folder" in said


def test_empty_folders_of_yours_stay_and_a_failure_leaves_no_parents(run, song, tmp_path):
    (tmp_path / "out" / "yours" / "empty").mkdir(parents=True)
    words = ["explain", song, *FINE, "--components", "bands:2", "--out", tmp_path / "out"]
    assert run(*words)[0] == run(*words)[0] == 0
    assert (tmp_path / "out" / "yours" / "empty").is_dir()
    assert run("explain", song, *FINE, "--target", "dog", "--out", tmp_path / "a" / "b" / "c")[0] == 1
    assert not (tmp_path / "a").exists()
