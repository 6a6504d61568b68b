"""`hearwhy components`: a recording taken apart, heard, and measured against true stems."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from leaky_separator import SOURCES, leaky

from hearwhy import Recording, audio
from hearwhy.metrics.separation import si_sdr, si_sdr_improvement
from toys import noise

HERE = Path(__file__).parent
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])}


SPEC = "sources:py=leaky_separator:leaky"


@pytest.fixture
def song(tmp_path):
    for name, stem in SOURCES.items():
        audio.write(Recording(stem, 8000), tmp_path / "stems" / f"{name}.wav")
    return audio.write(Recording(sum(SOURCES.values()), 8000), tmp_path / "song.wav")


@pytest.fixture
def run(tmp_path):
    def run(*words):
        command = [sys.executable, "-m", "hearwhy", "components", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=ENV | {"HEARWHY_CACHE": str(tmp_path / "cache")})

    return run


def test_each_part_is_measured_against_the_stem_of_its_name(run, song, tmp_path):
    done = run(song, "--components", SPEC, "--reference", tmp_path / "stems", "--out", tmp_path / "o", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    rows = {row["name"]: row for row in told["parts"]}
    mix, found = sum(SOURCES.values()), leaky(None)
    for part, stem in (("Low", "low"), ("high", "high")):
        # the files hold 24 bits
        assert rows[part]["si_sdr_db"] == pytest.approx(si_sdr(found[part], SOURCES[stem]), abs=1e-3)
        gained = si_sdr_improvement(found[part], SOURCES[stem], mix)
        assert rows[part]["si_sdr_improvement_db"] == pytest.approx(gained, abs=1e-3)
    assert told["without_reference"] == ["unheard of", "nothing", "residual"]
    assert "si_sdr_db" not in rows["unheard of"]
    assert rows["nothing"]["absent"] and rows["nothing"]["level_db"] is None
    assert (tmp_path / "o" / "audio" / "01-Low.wav").is_file()
    assert all(Path(row["file"]).is_file() for row in told["parts"])


def test_the_lines_say_the_same(run, song, tmp_path):
    done = run(song, "--components", SPEC, "--reference", tmp_path / "stems", "--out", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    low, high, unheard, nothing, residual = done.stderr.splitlines()[:5]
    mix, found = sum(SOURCES.values()), leaky(None)
    for line, part, stem in ((low, "Low", "low"), (high, "high", "high")):
        said = re.search(r"SI-SDR (-?\d+\.\d) dB, ([+-]\d+\.\d) dB against the mix$", line)
        assert float(said[1]) == pytest.approx(si_sdr(found[part], SOURCES[stem]), abs=0.051)  # one decimal
        assert float(said[2]) == pytest.approx(si_sdr_improvement(found[part], SOURCES[stem], mix), abs=0.051)
    assert all(line.endswith("no reference") for line in (unheard, nothing, residual))
    assert nothing.lstrip().startswith("-inf dB  nothing  (absent)")


def test_a_silent_stem_is_said_and_not_scored(run, song, tmp_path):
    audio.write(Recording(torch.zeros(1, 8000), 8000), tmp_path / "true" / "low.wav")
    words = [song, "--components", SPEC, "--reference", tmp_path / "true", "--out", tmp_path / "o"]
    assert "the reference is silent" in run(*words).stderr.splitlines()[0]
    assert json.loads(run(*words, "--json").stdout)["parts"][0]["si_sdr_db"] is None


def test_without_a_reference_nothing_is_said_of_any(run, song, tmp_path):
    done = run(song, "--components", "sources:nmf=2,seed=3", "--out", tmp_path / "o")
    assert done.returncode == 0, done.stderr
    assert "no reference" not in done.stderr and "SI-SDR" not in done.stderr
    assert done.stderr.count("nmf ") == 2
    kept = list((tmp_path / "cache" / "separated").iterdir())
    assert len(kept) == 1
    assert json.loads((tmp_path / "o" / "components.json").read_text())["components"] == "sources:nmf=2,seed=3"


def test_a_dropped_residual_says_its_gap(run, song, tmp_path):
    done = run(song, "--components", f"{SPEC},residual=drop", "--out", tmp_path / "o", "--json")
    told = json.loads(done.stdout)
    gap = sum(SOURCES.values()) - sum(leaky(None).values())
    expected = audio.level_db(gap) - audio.level_db(sum(SOURCES.values()))
    assert told["gap_db"] == pytest.approx(expected, abs=0.01)  # 24 bits in the file
    said = run(song, "--components", f"{SPEC},residual=drop", "--out", tmp_path / "o").stderr
    assert f"What the parts miss of the recording: {expected:.1f} dB" in said


@pytest.mark.parametrize(
    ("reference", "spec", "message"),
    [
        ("stems", "bands:2", r"No part is called like a file of \S+stems: there are .* and the files high, low; rename"),
        ("none", SPEC, "There is no folder"),
        ("long", SPEC, "source 'low' has 12000 samples and song.wav has 8000"),
        ("stems", "sources:magic", "There is no separator 'magic'"),
    ],
)
def test_what_cannot_be_measured_is_one_message_and_writes_nothing(run, song, tmp_path, reference, spec, message):
    audio.write(Recording(noise(1.5), 8000), tmp_path / "long" / "low.wav")
    done = run(song, "--components", spec, "--reference", tmp_path / reference, "--out", tmp_path / "o", "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.match(f"hearwhy: .*{message}", done.stderr), done.stderr
    assert not (tmp_path / "o").exists()


def test_what_a_separator_converts_is_said(run, song, tmp_path, tmp_path_factory):
    sys.path.insert(0, str(HERE.parent / "separators"))
    from demucs_scenes import tiny

    spec = f"sources:demucs={tiny(tmp_path_factory)}"
    done = run(song, "--components", spec, "--out", tmp_path / "o", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["name"] for row in told["parts"]] == ["drums", "bass", "other", "vocals", "residual"]
    assert told["history"][0] == "1 channel copied to 2 channels for the separator, and its sources back"
    assert told["history"][1].startswith("resampled from 8000 to 44100 Hz for the separator, and its sources back")
    assert run(song, "--components", spec, "--out", tmp_path / "o").stderr.startswith(told["history"][0])
