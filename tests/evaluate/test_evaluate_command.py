"""The two commands: options reach the evaluation, and an interrupt says how to go on."""

import evaluate_scenes
import pytest
import typer
from evaluate_scenes import contents, dataset

from hearwhy.cli.evaluate import evaluate, table
from hearwhy.cli.long import Interrupted
from laws import one_thread  # noqa: F401 (a fixture)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate_scenes, "MODEL", evaluate_scenes.detector(), raising=False)
    monkeypatch.setattr("hearwhy.evaluate.work.find_classifier", lambda model: evaluate_scenes.MODEL)
    return dataset(tmp_path / "data", folds=5, per_class=1)


def run(*words: object) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(evaluate)
    app.command()(table)
    app([str(word) for word in words], standalone_mode=False)


def test_options_reach_the_evaluation_and_the_tables(data, tmp_path, capsys):
    out = tmp_path / "r.sqlite"
    run("evaluate", data, "--model", "some", "--out", out, "--methods", "lime(n_samples=64),saliency", "--masks", "bin,topK_5",
        "--fold", 4, "--fold", 5, "--per-class", 1, "--controls", "energy", "--components", "cells:tiles=2x4",
        "--protocol", "paper", "--seed", 3)  # fmt: skip
    told = capsys.readouterr()
    assert told.out == "" and "8 units in" in told.err and f"hearwhy table {out}" in told.err
    rows = contents(out)
    assert len(rows["units"]) == 8 and len(rows["masks"]) == 8 * 2 * 2
    assert {row[3] for row in rows["units"]} == {"paper"} and {row[6] for row in rows["masks"]} == {"", "energy"}
    run("table", out, "--metrics", "ff,ai", "--validation", 4, "--test", 5)
    assert "| mask | FF ↑ | AI ↑ |" in capsys.readouterr().out
    run("table", out, "--format", "csv", "--out", tmp_path / "t.csv")
    assert capsys.readouterr().out == "" and (tmp_path / "t.csv").read_text().startswith("table,model,")


def test_problems_are_named_and_counted(data, tmp_path, capsys):
    sorted((data / "audio").iterdir())[0].write_bytes(b"no sound")
    run("evaluate", data, "--model", "some", "--out", tmp_path / "r.sqlite", "--methods", "saliency", "--masks", "bin")
    told = capsys.readouterr().err
    assert "cannot be read as sound" in told and "1 problem(s); the same command tries them again" in told


def test_an_interrupt_says_that_the_same_command_goes_on(data, tmp_path, monkeypatch):
    import hearwhy.evaluate as evaluation

    real = evaluation.Store.add
    calls = []

    def add(self, found, *rest):
        real(self, found, *rest)
        calls.append(found)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(evaluation.Store, "add", add)
    words = ("evaluate", data, "--model", "some", "--out", tmp_path / "r.sqlite", "--methods", "saliency", "--masks", "bin")
    with pytest.raises(Interrupted, match=r"interrupted; 1 of 10 units lie in .*, and the same command goes on from there"):
        run(*words)
    monkeypatch.undo()
    assert len(contents(tmp_path / "r.sqlite")["units"]) == 2  # the one that was just written too


@pytest.mark.parametrize(
    "words, message",
    [
        (("--format", "html"), "There is no format 'html'; give one of md, csv, latex, parquet"),
        (("--format", "parquet"), "parquet is written to a file; give --out FILE"),
    ],
)
def test_tables_that_cannot_be_made_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        run("table", "none.sqlite", *words)
