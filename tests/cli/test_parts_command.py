"""The command line on parts split again and on sounds that are added."""

import json
import sys
from pathlib import Path

import pytest

from hearwhy import Recording, audio
from hearwhy.cli import main
from toys import tone


@pytest.fixture
def run(monkeypatch, capsys):
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


@pytest.fixture
def song(tmp_path):
    return audio.write(Recording(tone(300)[None], 8000), tmp_path / "song.wav")


def test_what_if_it_were_added_is_answered(run, song, tmp_path):
    audio.write(Recording(tone(3500, gain=0.5)[None], 8000), tmp_path / "cymbal.wav")
    words = ("explain", song, "--model", "py:cli_models:loud", "--components", "segments:2", "--out", tmp_path / "out")
    code, out, err = run(*words, "--add", f"cymbal={tmp_path}/cymbal.wav@-3dB", "--json", "--second-fill", "none")
    assert code == 0, err
    found = json.loads(out)
    assert found["components"][-1]["name"] == "added cymbal"
    assert found["components"][-1]["added"] is True
    assert "If cymbal were added" in found["verdict"]
    assert found["recording"]["name"] == "song.wav with cymbal added"


def test_a_part_is_split_again_by_owen_values_where_no_method_is_named(run, song, tmp_path):
    words = ("explain", song, "--model", "py:cli_models:loud", "--components", "segments:2 / 0.00-0.50 s:bands:2", "--quiet")
    code, out, err = run(*words, "--n-samples", 64, "--json", "--out", tmp_path / "out")
    assert code == 0, err
    found = json.loads(out)
    assert found["settings"]["method"] == "owen"
    assert found["settings"]["options"]["n_samples"] == 64
    first = found["parents"][0]
    assert first["sum"] == pytest.approx(first["value"], abs=1e-5)  # float32
    assert (tmp_path / "out" / "index.html").is_file()


@pytest.mark.parametrize(
    ("add", "message"),
    [("drums.wav", "--add takes a name and a file, as in drums=drums.flac@-6dB"), ("drums=no.wav", "There is no file no.wav")],
)
def test_what_cannot_be_added_is_refused(run, song, tmp_path, add, message):
    out = tmp_path / "out"
    code, _, err = run("explain", song, "--model", "py:cli_models:loud", "--add", add, "--out", out)
    assert code == 1
    assert message in err
    assert not out.exists()


def test_one_name_is_given_once(run, song, tmp_path):
    both = ("--add", "a=x.wav", "--add", "a=y.wav")
    code, _, err = run("explain", song, "--model", "py:cli_models:loud", *both, "--out", tmp_path / "out")
    assert code == 1
    assert "Each sound that is added has a name of its own; got a, a." in err
