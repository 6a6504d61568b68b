"""The command line asks until it knows enough, or until time is up, and says why it goes on."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hearwhy import Recording, audio
from hearwhy.cli import main
from toys import noise

HERE = str(Path(__file__).parent)
WORDS = ("--components", "segments:14", "--second-fill", "none", "--target", "one")


@pytest.fixture
def song(tmp_path):
    return audio.write(Recording(noise(0.7, gain=0.2), 8000), tmp_path / "song.wav")


@pytest.fixture
def run(monkeypatch, capsys, song, tmp_path):
    """Explain in this process: (exit code, settings and caveats, standard error)."""
    monkeypatch.syspath_prepend(HERE)

    def run(model, *words):
        asked = ("explain", song, "--model", f"py:stopping_models:{model}", *WORDS, *words, "--out", tmp_path / "out", "--json")
        monkeypatch.setattr(sys, "argv", ["hearwhy", *map(str, asked)])
        with pytest.raises(SystemExit) as stop:
            main()
            raise SystemExit(0)
        said = capsys.readouterr()
        return stop.value.code or 0, json.loads(said.out) if said.out else None, said.err

    return run


@pytest.mark.parametrize("words", [("--n-samples", "auto", "--tolerance", "0.03"), ("--tolerance", "0.03")])
def test_it_asks_until_the_error_is_small_enough(run, words):
    code, found, err = run("quick", *words)
    assert code == 0, err
    assert found["settings"]["stopped"] == "tolerance"
    assert 0 < found["settings"]["error"] <= 0.03
    assert 8 * 14 < found["settings"]["n_masks"] < 2**14
    assert "stopped" not in [caveat["kind"] for caveat in found["caveats"]]


def test_it_ends_when_time_is_up_and_the_page_says_so(run, tmp_path):
    started = time.perf_counter()
    code, found, err = run("slow", "--time-budget", "0.8", "--method", "banzhaf(tolerance=0.0001)")
    assert code == 0, err
    assert found["settings"]["stopped"] == "time"
    assert found["settings"]["n_masks"] * 0.004 <= 0.8  # which is what the model takes for a mask
    assert time.perf_counter() - started > 0.4
    said = [caveat["text"] for caveat in found["caveats"] if caveat["kind"] == "stopped"]
    assert said[0].startswith(f"Time was up after {found['settings']['n_masks']} masks: the largest sampling error is ")
    assert said[0].endswith(" % of the range of values, 0.01 % was wanted.")
    assert f"Time was up after {found['settings']['n_masks']} masks" in (tmp_path / "out" / "index.html").read_text()


def test_the_bar_says_why_it_goes_on(song, tmp_path):
    """On a terminal, as a user sees it."""
    asked = ("explain", song, "--model", "py:stopping_models:slow", *WORDS, "--tolerance", "0.02", "--out", tmp_path / "out")
    screen, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": HERE, "COLUMNS": "160", "TERM": "xterm", "MPLBACKEND": "Agg"}
    with subprocess.Popen(
        [sys.executable, "-m", "hearwhy", *map(str, asked)], stdout=subprocess.DEVNULL, stderr=terminal, env=environment
    ) as process:
        os.close(terminal)
        seen = b""
        while True:
            try:
                seen += os.read(screen, 4096)
            except OSError:  # the other end is closed
                break
    os.close(screen)
    assert process.returncode == 0
    notes = re.findall(r"error ([\d.]+) % of the range, 2 % wanted", seen.decode(errors="replace"))
    assert notes and float(notes[0]) > 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "shapley", "--n-samples", "auto"), "shapley has no option 'n_samples=auto'; it takes max_s"),
        (("--n-samples", "200", "--tolerance", "0.1"), "A tolerance says when n_samples=auto ends"),
        (("--n-samples", "200", "--time-budget", "9"), "A time budget ends n_samples=auto"),
        (("--method", "occlusion", "--time-budget", "9"), "occlusion has no rounds that a time budget of 9 s could end"),
        (("--time-budget", "-1"), "A time budget is a number of seconds above 0; got -1"),
        (("--tolerance", "2"), "tolerance is a share of the range of values, between 0 and 1; got 2.0"),
        (("--n-samples", "many"), "masks for 14 components; got n_samples='many'"),
        (("--method", "lime(tolerance=0.1)", "--tolerance", "0.1"), "tolerance is given twice"),
    ],
)
def test_what_makes_no_sense_is_one_message(run, words, message, tmp_path):
    code, _, err = run("quick", *words)
    assert code == 1
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
