"""Tables: numbers that were computed by hand from answers that were written by hand, and what formats make of them."""

import csv
import io
import math
import subprocess
import sys

import pytest
import torch
from evaluate_scenes import dataset, detector

from hearwhy.datasets.esc50 import read_esc50
from hearwhy.evaluate import Clips, Question, evaluate, tables
from hearwhy.evaluate.answering import Row
from hearwhy.evaluate.formats import comma_separated, latex, markdown, write_parquet
from hearwhy.evaluate.store import Store
from hearwhy.evaluate.tables import notes
from hearwhy.evaluate.work import Found
from hearwhy.metrics import SEVEN
from laws import one_thread  # noqa: F401 (a fixture)

pytestmark = pytest.mark.usefixtures("one_thread")


def logits(p: float) -> torch.Tensor:
    """Two labels, the first with probability p."""
    return torch.tensor([math.log(p / (1 - p)), 0.0])


P, P_SILENCE = 0.6, 0.5
IN = {"topK_30": {1: 0.9, 2: 0.7}, "minmax": {1: 0.3, 2: 0.3}}  # p of what is kept, by fold
OUT = {"topK_30": {1: 0.1, 2: 0.2}, "minmax": {1: 0.5, 2: 0.5}}
SPS = {"topK_30": 0.7, "minmax": 0.1}
COMP = {"topK_30": 4.0, "minmax": 7.0}


def written(root, *, folds: int = 2):
    """A file of results for `low` clips, four a fold and two a source, whose answers hang on mask and fold only."""
    clips = read_esc50(dataset(root / "data", folds=folds, per_class=4))
    question = Question("grad_cam", masks="topK_30,minmax")
    out = root / "r.sqlite"
    with Store(out, clips) as store:
        model = store.add_model("by hand", "f" * 16, detector())
        condition = store.add_condition(question.parsed_conditions()[0])
        (method,) = question.method_lines()
        number = store.add_question(model, method, question, "softmax", "")
        for clip in clips.clips:
            if clip.category == "low" or clip.fold == 2:
                ends = torch.stack([logits(P), logits(P_SILENCE), logits(P)])
                store.add(Found(clip.name, "clean", ends=ends, target=0), condition, model, {})
            if clip.category == "low":
                rows = [
                    Row(mask, control, {"logits_in": logits(IN[mask][clip.fold] if not control else P_SILENCE),
                                        "logits_out": logits(OUT[mask][clip.fold] if not control else 0.55)},
                        {} if control else {"area": 0.3, "sps": SPS[mask], "comp": COMP[mask]})
                    for mask in IN for control in ("", "random")
                ]  # fmt: skip
                found = Found(clip.name, "clean", "grad_cam", values=torch.ones(33, 63), target=0, rows=tuple(rows))
                store.add(found, condition, model, {"grad_cam": number})
    return out


def pick(rows, **about):
    found = [row for row in rows if all(row[key] == value for key, value in about.items())]
    assert len(found) == 1, (len(found), about)
    return found[0]


def test_means_are_those_computed_by_hand(tmp_path):
    rows = tables(written(tmp_path))
    expected = {
        "ff": 0.6 - 0.15, "ai": 100.0, "ad": 0.0, "ag": 100 * (0.3 + 0.1) / 2 / 0.4, "fid_in": 1.0, "sps": 0.7, "comp": 4.0,
    }  # fmt: skip
    for metric, value in expected.items():
        row = pick(rows, table="means", mask="topK_30", control="", metric=metric)
        assert row["value"] == pytest.approx(value, abs=1e-6), metric
        assert (row["n_units"], row["n_sources"], row["model"], row["fold"]) == (8, 4, "by hand", None)
    # two sources a fold, all alike within the fold: a resample of 4 has k of fold 1, so the mean is between the folds'
    ff = pick(rows, table="means", mask="topK_30", control="", metric="ff")
    assert ff["low"] == pytest.approx(0.4, abs=1e-6) and ff["high"] == pytest.approx(0.5, abs=1e-6)
    kept = {"ff": 0.1, "ai": 0.0, "ad": 50.0, "fid_in": 0.0}
    for metric, value in kept.items():
        assert pick(rows, table="means", mask="minmax", control="", metric=metric)["value"] == pytest.approx(value, abs=1e-6)


def test_identity_and_empty_are_known_from_the_recordings_own_answers(tmp_path):
    rows = tables(written(tmp_path))
    identity = {"ff": 0.1, "ai": 0.0, "ad": 0.0, "ag": 0.0, "fid_in": 1.0, "sps": 0.0, "comp": math.log(33 * 63)}
    empty = {"ff": 0.0, "ai": 0.0, "ad": 100 * 0.1 / 0.6, "ag": 0.0, "fid_in": 1.0, "sps": 0.0, "comp": math.log(33 * 63)}
    for control, expected in (("identity", identity), ("empty", empty)):
        found = {row["metric"]: row["value"] for row in rows if row["table"] == "means" and row["control"] == control}
        assert found == pytest.approx(expected, abs=1e-6)


def test_differences_are_paired_and_corrected(tmp_path):
    rows = tables(written(tmp_path))
    ff = pick(rows, table="differences", mask="topK_30", control="random", metric="ff")
    assert ff["value"] == pytest.approx(0.45 - 0.05, abs=1e-6) and ff["low"] == pytest.approx(0.35, abs=1e-6)
    assert ff["p"] == pytest.approx(2 / 16)  # of the 16 patterns of 4 sources only ++++ and ---- are as far
    tested = [row for row in rows if row["table"] == "differences"]
    assert len(tested) == 10 and {row["metric"] for row in tested} == set(SEVEN) - {"sps", "comp"}
    assert ff["p_holm"] == 1.0 and all(row["p_holm"] >= row["p"] for row in tested)


def test_the_mask_is_chosen_on_one_fold_and_reported_on_the_other(tmp_path):
    rows = tables(written(tmp_path), validation=1, test=2)
    for chosen_on in ("fold 1", "fold 2"):
        for rule in ("published", "text"):
            row = pick(rows, table="best", chosen_on=chosen_on, rule=rule, metric="ff")
            assert row["mask"] == "topK_30" and row["fold"] == 2 and row["n_units"] == 4
            assert row["value"] == pytest.approx(0.6 - 0.2, abs=1e-6)  # of fold 2, and not of fold 1
    assert {row["fold"] for row in rows} == {2}
    whole = tables(written(tmp_path / "again"))
    assert {row["chosen_on"] for row in whole if row["table"] == "best"} == {"all"}


def test_folds_4_and_5_are_the_default_where_they_are_there(tmp_path):
    data = dataset(tmp_path / "data", folds=5, per_class=1)
    evaluate(data, [detector()], tmp_path / "r.sqlite", question=Question("grad_cam", masks="topK_30,minmax"),
             clips=Clips(folds=(4, 5)))  # fmt: skip
    rows = [row for row in tables(tmp_path / "r.sqlite") if row["table"] == "best"]
    assert {(row["chosen_on"], row["fold"]) for row in rows} == {("fold 4", 5), ("fold 5", 5)}


def test_accuracy_counts_all_answers_by_class(tmp_path):
    row = pick(tables(written(tmp_path)), table="accuracy")
    assert row["value"] == pytest.approx(100 * 8 / 12) and row["n_units"] == 12 and row["condition"] == "clean"


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The detector on its own tones."""
    root = tmp_path_factory.mktemp("planted")
    data = dataset(root / "data", folds=5, per_class=2)
    evaluate(data, [detector()], root / "r.sqlite", question=Question("grad_cam,saliency", masks="topK_5,topK_30,bin"),
             clips=Clips(folds=(1, 2, 3)))  # fmt: skip
    return root / "r.sqlite"


def test_a_planted_event_beats_the_random_control(planted):
    rows = tables(planted)
    for metric in ("ff", "ai", "ag"):
        row = pick(rows, table="differences", method="grad_cam", mask="topK_5", control="random", metric=metric)
        assert row["low"] > 0 and row["value"] > 0, metric
    assert pick(rows, table="means", method="grad_cam", mask="", control="identity", metric="ai")["value"] == 0


def test_markdown_and_latex_name_directions_and_mark_the_best(planted):
    rows = tables(planted)
    text = markdown(rows)
    assert "| mask | FF ↑ | AI ↑ | AD ↓ | AG ↑ | Fid-In ↑ | SPS ↑ | COMP ↓ |" in text
    best = next(row for row in rows if row["table"] == "means" and row["metric"] == "sps" and row["mask"] == "topK_5")
    assert f"**{best['value']:.3f} (" in text
    assert not [line for line in text.splitlines() if line.startswith("| random(") and "**" in line]
    lines = text.partition("### Mask less")[0].splitlines()
    assert all(line.count(" | ") == 7 for line in lines if line.startswith("| topK_5 |"))
    tex = latex(rows)
    assert r"FF $\uparrow$ & AI $\uparrow$ & AD $\downarrow$" in tex and r"\textbf{0.950 (" in tex and r"topK\_5" in tex
    assert tex.count(r"\toprule") == tex.count(r"\bottomrule") == tex.count(r"\begin{tabular}") == text.count("### ")
    assert r"\begin{tabular}{lrrrrrrr}" in tex


def test_csv_and_parquet_hold_every_row(planted, tmp_path):
    rows = tables(planted)
    read = list(csv.DictReader(io.StringIO(comma_separated(rows))))
    assert len(read) == len(rows) and read[0]["table"] == "means"
    assert [float(row["value"]) for row in read] == [row["value"] for row in rows]
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(rows, tmp_path / "t.parquet")
    back = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    assert [row["value"] for row in back] == [row["value"] for row in rows] and back[0]["low"] == rows[0]["low"]


def test_metrics_that_no_run_was_made_for_come_from_what_is_stored(planted, tmp_path):
    rows = tables(planted, metrics=("sps_map", "ff", "heard_ff"))
    assert {row["metric"] for row in rows if row["table"] == "means"} == {"sps_map", "ff"}
    assert {row["metric"] for row in rows if row["table"] == "differences"} == {"ff"}


def test_a_question_asked_twice_in_other_words_is_told_apart_only_where_it_differs(tmp_path):
    data = dataset(tmp_path / "data", folds=1, per_class=1)
    for seed in (0, 1):
        evaluate(
            data, [detector()], tmp_path / "r.sqlite", question=Question("smooth_grad(n_samples=2)", masks="bin", seed=seed)
        )
    text = markdown(tables(tmp_path / "r.sqlite"))
    assert text.count("### Means") == 2 and "seed 0" in text and "seed 1" in text and "scale" not in text


def test_what_a_reader_must_know_is_noted(tmp_path):
    clips = read_esc50(dataset(tmp_path / "data", folds=1, per_class=1))
    clips.clips[0].path.write_bytes(b"no sound")
    evaluate(clips, [detector()], tmp_path / "r.sqlite", question=Question("saliency", masks="bin"))
    (note,) = notes(tmp_path / "r.sqlite")
    assert note.startswith("1 problem(s) are noted")


def test_bad_input_is_refused_in_words(planted, tmp_path):
    with pytest.raises(FileNotFoundError, match="Make one with `hearwhy evaluate"):
        tables(tmp_path / "none.sqlite")
    for options, message in (
        ({"metrics": ("best",)}, "There is no metric 'best'"),
        ({"validation": 1}, "two different folds"),
        ({"validation": 1, "test": 1}, "two different folds"),
        ({"validation": 4, "test": 1}, "no units of fold 4; it has folds 1, 2, 3"),
    ):
        with pytest.raises(ValueError, match=message):
            tables(planted, **options)
    clips = read_esc50(dataset(tmp_path / "data", folds=1, per_class=1))
    Store(tmp_path / "empty.sqlite", clips).__exit__()
    with pytest.raises(ValueError, match="holds no units yet"):
        tables(tmp_path / "empty.sqlite")


def test_a_single_source_has_no_interval(tmp_path):
    data = dataset(tmp_path / "data", folds=1, per_class=1)
    evaluate(data, [detector()], tmp_path / "r.sqlite", question=Question("saliency", masks="bin"), clips=Clips(limit=1))
    rows = tables(tmp_path / "r.sqlite")
    assert all(row["low"] is None and row["p"] is None for row in rows) and "(" not in markdown(rows).split("|", 20)[18]


def test_evaluation_is_loaded_without_what_it_does_not_need():
    code = "import sys, hearwhy.evaluate; print([m for m in ('ray', 'pyarrow', 'captum', 'skimage') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
