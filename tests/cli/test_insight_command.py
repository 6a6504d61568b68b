"""`hearwhy insight` as a process: everything in one folder; killed and gone on; interrupted; refused."""

import csv
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hearwhy.cli import main
from insight.insight_scenes import clips, songs

HERE = Path(__file__).parents[1]
FILES = {
    ".hearwhy", "figure_4a.png", "figure_4b.png", "index.html", "insight.sqlite", "profiles.png", "snippets.csv", "values.csv",
}  # fmt: skip
MODEL = """
import time
from insight.insight_scenes import Drummed
class Slow(Drummed):
    def forward(self, sound):
        time.sleep({pause})
        return super().forward(sound)
model = Slow()
"""

STEMS = ("--stems", "guitar,drums,bass", "--stems", "piano,drums,bass")
OF_SOUNDS = ("--components", "sources:stems", *STEMS, "--method", "shapley")
MODEL_OF_VALUES = """
import time
from insight.insight_scenes import Weighed, weighed
class Slow(Weighed):
    def forward(self, features):
        time.sleep({pause})
        return super().forward(features)
model = weighed(Slow())
"""
OF_VALUES = ("--components", "vector:mfcc=6", "--method", "kernel_shap(n_samples=40)", "--target", "all")
FIGURES = ("summary", "beeswarm", "waterfall", "heat", "dependence")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return songs(tmp_path_factory.mktemp("songs"), n=4)


def words(data, folder, *more, pause=0.0, model=MODEL):
    (folder / "slow_songs.py").write_text(model.format(pause=pause))
    asked = OF_VALUES if model == MODEL_OF_VALUES else OF_SOUNDS
    line = [sys.executable, "-m", "hearwhy", "insight", data, "--model", "py:slow_songs:model", *asked, "--out", folder / "out",
            *more]  # fmt: skip
    paths = f"{folder}:{HERE}"
    return [str(word) for word in line], {**os.environ, "PYTHONPATH": paths, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}


def begin(data, folder, *more, pause=0.0, model=MODEL, **options):
    line, environment = words(data, folder, *more, pause=pause, model=model)
    heeded = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # work in the background is started with it ignored
    return subprocess.Popen(line, env=environment, text=True, preexec_fn=heeded, **options)


def whole(data, folder, *more, model=MODEL):
    process = begin(data, folder, *more, model=model, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return process.communicate(timeout=200), process.returncode


def contents(folder):
    file = sqlite3.connect(folder / "out" / "insight.sqlite")
    found = {
        table: sorted(file.execute(f"SELECT {columns} FROM {table}").fetchall())
        for table, columns in (("snippets", "item, condition, number, found"), ("silent", "*"), ("problems", "*"))
    }
    file.close()
    return found


def until_there_are(folder, n):
    path = folder / "out" / "insight.sqlite"
    for _ in range(1200):
        if path.is_file():
            try:
                file = sqlite3.connect(path)
                if file.execute("SELECT count(*) FROM snippets").fetchone()[0] >= n:
                    return
            except sqlite3.OperationalError:  # it was just made, and has no tables yet
                pass
            finally:
                file.close()
        time.sleep(0.05)
    raise AssertionError(f"there never were {n} snippets")


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    (out, err), code = whole(data, folder)
    assert code == 0 and out == "", err
    return folder, err


def test_one_command_writes_the_page_the_tables_and_the_figures(done):
    folder, err = done
    assert {path.name for path in (folder / "out").iterdir()} == FILES
    assert "rests on drums: it counts most in 100 % of 22 snippets from 4 recordings" in err
    assert re.search(r"It is right in 50 %; in its mistakes drums counts most in 100 %", err)
    with (folder / "out" / "snippets.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 22 and {row["most_important"] for row in rows} == {"drums"}
    with (folder / "out" / "values.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 66
    page = (folder / "out" / "index.html").read_text()
    assert "guitar+drums+bass" in page and page.count('class="play"') >= 3


def test_killed_and_resumed_it_ends_with_equal_rows(data, done, tmp_path):
    process = begin(data, tmp_path, pause=0.1, stderr=subprocess.DEVNULL)
    until_there_are(tmp_path, 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = contents(tmp_path)["snippets"]
    assert 3 <= len(before) < 22 and not (tmp_path / "out" / "index.html").exists()
    _, code = whole(data, tmp_path)
    assert code == 0 and contents(tmp_path) == contents(done[0])
    for name in ("snippets.csv", "values.csv"):
        assert (tmp_path / "out" / name).read_text() == (done[0] / "out" / name).read_text()


def test_features_killed_and_resumed_give_the_same_tables_to_the_byte(tmp_path):
    data = clips(tmp_path / "clips")
    folders = [tmp_path / name for name in ("whole", "killed")]
    for folder in folders:
        folder.mkdir()
    (out, err), code = whole(data, folders[0], model=MODEL_OF_VALUES)
    assert code == 0 and out == "", err
    assert "of all that features add and take, in 9 snippets from 9 recordings" in err and "loud" not in err, err
    assert re.search(r"The median relative sampling error of the values is \d+ %", err), err
    process = begin(data, folders[1], model=MODEL_OF_VALUES, pause=0.1, stderr=subprocess.DEVNULL)
    until_there_are(folders[1], 3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 3 <= len(contents(folders[1])["snippets"]) < 9 and not (folders[1] / "out" / "shap_values.csv").exists()
    assert whole(data, folders[1], model=MODEL_OF_VALUES)[1] == 0
    for name in ("snippets.csv", "shap_values.csv", "feature_importance.csv"):
        assert (folders[1] / "out" / name).read_bytes() == (folders[0] / "out" / name).read_bytes()
    assert {path.name for path in (folders[0] / "out" / "features").iterdir()} == {
        f"{d}.{s}" for d in FIGURES for s in ("png", "pdf")
    }
    assert not {"values.csv", "profiles.png"} & {path.name for path in (folders[0] / "out").iterdir()}


def test_an_interrupt_says_that_the_same_command_goes_on(data, tmp_path):
    process = begin(data, tmp_path, pause=0.1, stderr=subprocess.PIPE)
    until_there_are(tmp_path, 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    said = re.search(r"interrupted; (\d+) of 24 snippets lie in .*out, and the same command goes on from there", err)
    n = len(contents(tmp_path)["snippets"]) + len(contents(tmp_path)["silent"])
    assert said and int(said[1]) <= n <= int(said[1]) + 1, err  # the one that was just written may not be counted yet


def test_another_question_in_the_same_folder_is_refused(data, done):
    before = contents(done[0])
    (_, err), code = whole(data, done[0], "--seed", "1")
    assert code == 1 and "holds explanations of another question (seed was 0 and is 1); give another --out" in err
    assert "Traceback" not in err and contents(done[0]) == before


def test_what_is_not_hearwhys_is_never_overwritten(data, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "index.html").write_text("mine")
    (_, err), code = whole(data, tmp_path)
    assert code == 1 and "index.html, which is not hearwhy's" in err
    assert (tmp_path / "out" / "index.html").read_text() == "mine" and not (tmp_path / "out" / "insight.sqlite").exists()


def test_a_terminal_sees_a_bar_with_the_time_that_remains(data, tmp_path):
    seen, end = b"", time.monotonic() + 120
    parent, child = pty.openpty()
    process = begin(data, tmp_path, "--limit", "2", pause=0.05, stderr=child, stdout=subprocess.DEVNULL)
    os.close(child)
    while time.monotonic() < end and process.poll() is None:
        if select.select([parent], [], [], 0.2)[0]:
            try:
                seen += os.read(parent, 65536)
            except OSError:  # the other end was closed
                break
    process.wait(timeout=60)
    os.close(parent)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode(errors="replace"))
    assert re.search(r"Explaining .*\d+/12 \d+:\d\d:\d\d", text), text[-2000:]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--method", "grad_cam"), "bins of many recordings have no common axis"),
        (("--limit", "0"), "limit is at least 1; got 0"),
        (("--target", "violin"), "The model has no label 'violin'"),
        (("--split", "best"), "best"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_the_work(data, tmp_path, monkeypatch, capsys, more, message):
    line, _ = words(data, tmp_path, *more)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "slow_songs", raising=False)
    monkeypatch.setattr(sys, "argv", ["hearwhy", *line[3:]])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 1 and message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
