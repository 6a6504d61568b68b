"""The experiment on MFCC features: a tiny share from end to end, shap's call as the tutorial makes it, and what is counted."""

import csv
import gzip
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from hearwhy import audio as sound
from hearwhy.datasets.band.metadata import write_metadata
from hearwhy.datasets.band.presets import INST_CLASS, STEMS
from hearwhy.datasets.reading import read
from hearwhy.types import Recording

HERE = Path(__file__).parents[2] / "experiments" / "mfcc_features"
CLASSES = ("noise", "tone", "clicks")
RATE = 22_050


@pytest.fixture(scope="module")
def parts():
    """The experiment's modules, importable while this file is tested."""
    before, threads = set(sys.modules), torch.get_num_threads()
    sys.path.insert(0, str(HERE))
    import asked
    import clips
    import counting
    import curve
    import run
    import setting
    import trained

    yield {"asked": asked, "clips": clips, "counting": counting, "curve": curve, "run": run, "setting": setting,
           "trained": trained}  # fmt: skip
    sys.path.remove(str(HERE))
    torch.set_num_threads(threads)
    own = {path.stem for path in HERE.glob("*.py")}
    for name in (set(sys.modules) - before) & own:
        del sys.modules[name]


@pytest.fixture(scope="module")
def esc10(tmp_path_factory):
    """Thirty clips of a second in ESC-50's layout: three classes, five folds, two takes of every source."""
    root, rng = tmp_path_factory.mktemp("esc"), np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        for target, name in enumerate(CLASSES):
            for take in "AB":
                wave = {
                    "noise": 0.1 * rng.standard_normal(len(time)),
                    "tone": 0.2 * np.sin(2 * math.pi * (300 + 50 * fold) * time) + 0.001 * rng.standard_normal(len(time)),
                    "clicks": (time * (5 + fold) % 1 < 0.01) * rng.standard_normal(len(time)) * 0.2,
                }[name]
                file = f"{fold}-{100 * fold + target}-{take}-{target}.wav"
                lines.append(f"{file},{fold},{target},{name},True,{100 * fold + target},{take}")
                sound.write(Recording(torch.from_numpy(wave.astype(np.float32)), RATE), root / "audio" / file)
    (root / "meta").mkdir()
    (root / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def band(tmp_path_factory):
    """Two songs of three seconds a split, a tone for each instrument that is louder in its second half."""
    root = tmp_path_factory.mktemp("band")
    time = np.arange(3 * 16_000) / 16_000
    for split in ("train", "validation", "test"):
        for number in range(2):
            folder, about = root / split / f"Track{'train validation test'.index(split):02d}{number:03d}", {}
            for i, stem in enumerate(STEMS):
                wave = np.sin(2 * math.pi * 110 * 2**i * (1 + number / 8) * time) * np.where(time < 1, 0.05, 0.2)
                recording = Recording(torch.from_numpy(wave.astype(np.float32)), 16_000)
                sound.write(recording, folder / "stems" / f"S{i:02d}.flac")
                about[f"S{i:02d}"] = {"inst_class": INST_CLASS[stem], "audio_rendered": True}
            write_metadata(folder / "metadata.yaml", {"stems": about})
    return root


@pytest.fixture(scope="module")
def finished(parts, esc10, band, tmp_path_factory):
    """What the command wrote, and how to give it again."""
    tiny = parts["setting"].Setting(
        budgets=(10, 200), seeds=2, n_reference=400, curve_clips=2, checked_clips=1, exact_clips=1, n_groups=6, beside_clips=3,
        beside_budgets=(200,), fill_clips=1, band_epochs=1, songs=None, epochs=2,
    )  # fmt: skip
    out = tmp_path_factory.mktemp("out")

    def command(*more):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(parts["run"].CONFIGURATIONS, "trial", tiny)
            asked = ("--esc10", esc10, "--band", band, "--config", "trial", "--workers", "1", "--out", out, *more)
            patch.setattr(sys, "argv", ["run.py", *map(str, asked)])
            parts["run"].main()

    command()
    return out, command


def rows_of(file):
    text = gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()
    return list(csv.DictReader(text.splitlines()))


def test_a_tiny_share_from_end_to_end(finished):
    out, _ = finished
    errors = rows_of(out / "errors.csv.gz")
    # 2 clips x 3 classes x 2 scales x 2 seeds; shap twice, and of ours those that take so few masks
    for method in ("shap", "shap, no l1"):
        assert len([row for row in errors if row["method"] == method]) == 2 * 3 * 2 * 2 * 2
    ours = [row for row in errors if row["masks"] == "200" and not row["method"].startswith("shap")]
    assert {row["method"] for row in ours} == {"kernel_shap", "regression_adjusted", "permutation"}
    assert len(ours) == 3 * 2 * 3 * 2 * 2
    assert max(float(row["gap"]) for row in ours) < 1e-5  # every explanation adds up, in float32
    references = rows_of(out / "references.csv")
    assert all(0 < float(row["stderr"]) < 0.5 for row in references) and len(references) == 2 * 3 * 2
    assert sum(bool(row["other_masks"]) for row in references) == 3 * 2  # one clip was asked with other masks, too
    anchors = rows_of(out / "anchors.csv")
    assert {row["what"] for row in anchors} == {"shapley", "kernel_shap", "model function"}
    assert max(float(row["difference"]) for row in anchors) < 1e-5
    beside = rows_of(out / "lime_beside_shap.csv.gz")
    assert len(beside) == 3 * 2 * 3 * 2 and {len(row["local"].split()) for row in beside} == {40}
    fills = {row["fill"]: row for row in rows_of(out / "fills.csv")}
    assert set(fills) == {"mean", "rows", "conditional", "silence"}
    assert len({row["values"] for row in fills.values()}) == 4  # each means something else by absent
    assert int(fills["rows"]["calls"]) == 10 * int(fills["mean"]["calls"])
    scores = rows_of(out / "scores.csv")
    assert {row["network"] for row in scores} == {"ours", "paper", "band"}
    assert sum(int(row["clips"]) for row in scores if row["set"] == "other songs of other sounds") == 2 * 5
    tables = (out / "tables.md").read_text()
    assert "## The error curve" in tables and "## LIME beside SHAP" in tables and "epoch kept" in tables
    assert all((out / f"{name}.png").stat().st_size > 10_000 for name in ("error_curve", "learning_curve", "lime_vs_shap"))


def test_a_run_goes_on_where_it_was_stopped(finished):
    out, command = finished
    kept = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    units = {path: path.stat().st_mtime_ns for path in (out / "out" / "units").iterdir()}
    lost = out / "out" / "units" / "estimates-01-200.json"
    lost.unlink()
    command()
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == kept
    assert [path for path, at in units.items() if path.stat().st_mtime_ns != at] == [lost]


def test_results_of_something_else_are_not_mixed_in(parts, tmp_path):
    parts["run"].check_folder({"seeds": 1}, tmp_path / "out" / "setting.json")
    parts["run"].check_folder({"seeds": 1}, tmp_path / "out" / "setting.json")
    with pytest.raises(SystemExit, match=r"holds results of other settings \(setting\.json\); give another --out"):
        parts["run"].check_folder({"seeds": 2}, tmp_path / "out" / "setting.json")


def test_shap_is_asked_as_the_tutorial_asks_it(parts, finished, esc10):
    """Forty values against one row of background, and ones against zeros, are one game."""
    with warnings.catch_warnings():  # of its colours, as it is imported
        warnings.simplefilter("ignore")
        import shap
    learnt, test = parts["clips"].tutorial_split(esc10)
    model = parts["asked"].tutorial_model(finished[0] / "out" / "paper.safetensors", learnt)
    asked = parts["asked"].Asked(model, test[0])
    values = asked.predict.parts.features.mean(dim=1).numpy()[None].astype(np.float64)
    first_ten = torch.stack([model.features(item.load().audio[None])[0].mean(dim=1) for item in learnt[:10]])
    background = first_ten.mean(dim=0, keepdim=True).numpy().astype(np.float64)
    np.random.seed(3)  # noqa: NPY002  # shap's only source of chance
    explainer = shap.KernelExplainer(asked.of_values, background)
    expected = np.asarray(explainer.shap_values(values, nsamples=200, l1_reg=False, silent=True))[0].T
    found = parts["curve"].shap_values(asked.of_rows("probability"), 40, 200, l1_reg=False, seed=3)
    # float32 answers of the model, and a system of 200 masks that makes their rounding larger
    assert np.abs(found.numpy() - expected).max() < 1e-3 * np.abs(expected).max()


def test_the_tutorials_test_clips_are_told_apart_by_their_source(parts, finished, esc10):
    place = parts["trained"].Place(esc10, esc10, finished[0] / "out", {})
    sets = parts["trained"].sets_of(place, "paper")
    learnt, test = parts["clips"].tutorial_split(esc10)
    assert (len(learnt), len(test)) == (24, 6)
    known = {item.name.split("-")[1] for item in learnt}
    assert [item.name.split("-")[1] in known for item in sets["test, source learnt from"]] == [True] * len(
        sets["test, source learnt from"]
    )
    assert not [item for item in sets["test, source unknown"] if item.name.split("-")[1] in known]
    assert len(sets["test, source learnt from"]) + len(sets["test, source unknown"]) == 6
    ours = parts["trained"].sets_of(place, "ours")["test (fold 5)"]
    assert {item.name[0] for item in ours} == {"5"}


def test_clips_are_of_all_classes(parts, esc10):
    items = sorted(read(esc10).items, key=lambda item: item.name)
    chosen = parts["clips"].spread(items, 6)
    assert sorted(item.label for item in chosen[:3]) == sorted(CLASSES)
    assert [item.name for item in chosen] == ["1-102-A-2.wav", "1-100-A-0.wav", "1-101-A-1.wav",
                                              "1-102-B-2.wav", "1-100-B-0.wav", "1-101-B-1.wav"]  # fmt: skip


def test_the_loudest_span_is_cut(parts):
    wave = torch.zeros(100)
    wave[45:65] = 1
    assert torch.equal(parts["clips"].loudest(wave, 20), wave[45:65])  # they begin at 0, 5, 10, ...


def test_errors_are_relative_to_the_reference(parts):
    about = {"clip": "a", "target": "dog", "scale": "probability"}
    references = [{**about, "values": [3.0, 4.0], "stderr": 0.005}]
    estimates = [
        {**about, "method": "shap", "masks": 10, "values": [3.0, 4.0]},
        {**about, "method": "shap", "masks": 10, "values": [0.0, 0.0]},
        {**about, "method": "shap", "masks": 10, "values": [3.0, 5.0]},
        {**about, "clip": "not known yet", "method": "shap", "masks": 10, "values": [3.0, 5.0]},
    ]
    found = parts["curve"].errors(references, estimates)
    assert [row["error"] for row in found] == [0.0, 1.0, 0.2] and "values" not in found[0]
    assert len(parts["counting"].counted(found)) == 3
    uncertain = [{**row, "reference_stderr": 0.01} for row in found]
    assert parts["counting"].counted(uncertain) == []


def test_clips_are_won_by_their_median(parts):
    table = {"a": ([0.1, 0.9, 0.2], [0.3, 0.3, 0.3], [0.3]), "b": ([0.5], [0.4], [0.6]), "c": ([0.5], [0.6], [0.4])}
    rows = [
        {"clip": clip, "method": method, "error": error}
        for clip, both in table.items()
        for method, errors in zip(("mine", "theirs", "other"), both, strict=True)
        for error in errors
    ]
    assert parts["counting"].wins(rows, "mine", ("theirs", "other")) == (1, 3)


def test_agreement_of_two_and_of_one_with_itself(parts):
    counting = parts["counting"]
    assert counting.shared_top([5, -9, 1, 0], [0, 7, 6, 5], 2) == 0.5  # sizes count: 1, 0 and 1, 2
    assert counting.spearman([1, 2, 3], [10, 30, 20]) == pytest.approx(0.5)
    values = {("lime", 0): [1, 2, 3], ("lime", 1): [1, 3, 2], ("shap", 0): [1, 2, 3], ("shap", 1): [3, 2, 1]}
    rows = [{"clip": c, "method": m, "seed": s, "local": v, "global": v} for c in "ab" for (m, s), v in values.items()]
    ranks, _ = counting.local_agreement(rows, "lime", "lime")
    assert (ranks.median, ranks.n) == (pytest.approx(0.5), 2)
    ranks, _ = counting.local_agreement(rows, "lime", "shap")  # seed by seed: 1 and -0.5
    assert ranks.median == pytest.approx(0.25)
    over = counting.global_agreement(rows, "shap", "shap")["spearman"]
    assert (over.median, over.n) == (pytest.approx(-1), 1)
