"""hearwhy explain --cache and --precision through the front door: nothing is asked twice, and what is lost is said."""

import json
import os
import subprocess
import sys

import pytest
import torch

from hearwhy import Attribution
from hearwhy.datasets import demo_song

SONG = demo_song() / "mix.flac"
ENV = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}


def explain(out, *words):
    told = ["explain", SONG, "--model", "band", "--components", "bands:4", "--second-fill", "none", "--out", out, *words]
    return subprocess.run([sys.executable, "-m", "hearwhy", *map(str, told)], capture_output=True, text=True, env=ENV)


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cached")
    first = explain(folder / "first", "--cache", folder / "answers")
    second = explain(folder / "second", "--cache", folder / "answers", "--method", "shapley", "--json")
    assert first.returncode == 0 == second.returncode, first.stderr + second.stderr
    return folder, first, second


def settings(folder):
    return json.loads((folder / "attribution.json").read_text())


def test_another_method_of_a_later_process_asks_nothing(twice):
    folder, _, second = twice
    assert json.loads(second.stdout)["n_calls"] == 0
    before, after = settings(folder / "first"), settings(folder / "second")
    assert before["n_calls"] > 0 == after["n_calls"]
    assert after["settings"]["n_remembered"] > 0 == before["settings"]["n_remembered"]
    first_found, second_found = (Attribution.load(folder / name) for name in ("first", "second"))
    for name in ("score_full", "score_base", "probabilities", "answers"):
        assert torch.equal(getattr(first_found, name), getattr(second_found, name))


def test_the_size_of_the_cache_is_said_on_standard_error_and_not_with_json(twice):
    folder, first, second = twice
    assert f"{folder / 'answers'} holds " in first.stderr and " MB" in first.stderr
    assert second.stderr == ""


def test_lower_precision_is_measured_and_said(tmp_path):
    done = explain(tmp_path / "out", "--precision", "bfloat16", "--json")
    assert done.returncode == 0, done.stderr
    check = settings(tmp_path / "out")["settings"]["running_check"]
    assert 0 < check["change"] < 1 and check["n_masks"] == 16
    (told,) = [
        caveat for kind in ("caveats", "passed") for caveat in json.loads(done.stdout)[kind] if caveat["kind"] == "running"
    ]
    assert f"by up to {check['change']:.2g}" in told["text"]
    assert "the model: run in bfloat16 precision" in settings(tmp_path / "out")["settings"]["history"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--precision", "half"), "precision half is for GPUs; on the CPU use bfloat16"),
        (("--precision", "int8"), "precision is one of half, bfloat16; got 'int8'"),
    ],
)
def test_a_precision_that_there_is_not_is_refused(words, message, tmp_path):
    done = explain(tmp_path / "out", *words)
    assert done.returncode == 1 and message in " ".join(done.stderr.split()) and not (tmp_path / "out").exists()
