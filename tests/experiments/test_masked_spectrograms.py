"""The experiment on masked spectrograms: a small share of it runs, goes on, and each defect does what is said of it."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import planted
from hearwhy.attribution.deep_shap import additivity_error, deep_shap
from hearwhy.attribution.grad_cam import grad_cam
from hearwhy.classifiers import classifier
from hearwhy.evaluate.maps import Scene, inside
from hearwhy.front_ends import FLOOR_DB
from hearwhy.training.augmentation import Augmentation

HERE = Path(__file__).parents[2] / "experiments" / "masked_spectrograms"


@pytest.fixture(scope="module")
def parts():
    """The experiment's modules, importable while this file is tested."""
    before = set(sys.modules)
    sys.path.insert(0, str(HERE))
    import choosing
    import defects
    import rows

    yield {"choosing": choosing, "defects": defects, "rows": rows}
    sys.path.remove(str(HERE))
    own = {path.stem for path in HERE.glob("*.py")}
    for name in (set(sys.modules) - before) & own:
        del sys.modules[name]


@pytest.fixture(scope="module")
def scene():
    return Scene.of(planted.recording(), planted.classifier(), device="cpu", batch_size=16)


def share_in_box(values: torch.Tensor) -> float:
    """How much of the positive values lies where the burst is."""
    positive = values.clamp(min=0)
    return float(positive[planted.box(values.shape[1])].sum() / positive.sum())


@pytest.mark.shared_data
@pytest.mark.timeout(300)
def test_a_small_share_runs_and_goes_on(shared_data, tmp_path):
    command = [
        sys.executable, HERE / "run.py", shared_data / "esc10", "--noises", shared_data / "noises", "--features", "stft",
        "--published", shared_data.parent / "reference" / "published_tables.csv", "--limit", "1", "--masks", "bin,topK_30",
        "--n-samples", "500", "--jobs", "1", "--out", tmp_path,
    ]  # fmt: skip
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert first.stdout.count("4 units, 0 from before") == 3
    with (tmp_path / "rows.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # 3 rounds of 4 methods; 2 masks, each with 2 controls, and everything and nothing
    assert len(rows) == 3 * 4 * (2 * 3 + 2)
    assert {row["fold"] for row in rows if row["protocol"] == "corrected"} == {"4", "5"}
    kept = [row for row in rows if row["control"] == "identity" and row["protocol"] == "corrected"]
    assert {(row["ai"], row["ad"], row["fid_in"]) for row in kept} == {("0", "0", "1")}
    tables = (tmp_path / "tables.md").read_text(encoding="utf-8")
    assert "| LIME | published | bin | 0.790 | 26.00 |" in tables and "ours corrected, chosen on fold 4" in tables
    assert (tmp_path / "figure_2.png").exists() or "dog" not in {row["category"] for row in rows}
    before = (tmp_path / "rows.csv").read_bytes()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout.count("4 units, 4 from before") == 3
    assert (tmp_path / "rows.csv").read_bytes() == before
    other = subprocess.run([*command, "--n-samples", "501"], capture_output=True, text=True, check=False)
    assert other.returncode == 1 and "give another --out" in other.stderr


@pytest.mark.shared_data
def test_the_published_winners_follow_the_rule_over_all_tables(parts, shared_data):
    published = parts["rows"].read_published(shared_data.parent / "reference" / "published_tables.csv")
    chosen, choosing = parts["choosing"].published_winners(published), parts["choosing"]
    printed = {
        (*place, method): mask
        for place, masks in choosing.PUBLISHED_BEST.items() for method, mask in zip(choosing.METHODS, masks, strict=True)
    }  # fmt: skip
    assert chosen["published"] == printed
    assert sum(chosen["text"][key] == mask for key, mask in printed.items()) == 16


def test_defect_1_the_transposed_map_misses_the_burst(parts, scene):
    network = inside(scene, 0, scale="logit")
    right = grad_cam(network, scene.spectrum.features)[0]
    wrong = parts["defects"].transposed_grad_cam(network, scene.spectrum.features)[0]
    assert share_in_box(right) > 0.9 and share_in_box(wrong) < 0.1


def test_defect_3_the_gradient_at_the_background_does_not_add_up(parts, scene):
    network, features = inside(scene, 0, scale="logit"), scene.spectrum.features
    assert additivity_error(network, features, deep_shap(network, features)) < 1e-4
    wrong = parts["defects"].gradient_at_background(network, features)
    assert additivity_error(network, features, wrong) > 0.99  # at silence no unit is awake: it is all zeros


def test_defect_5_exchanged_axes_leave_the_answer_and_break_the_gradient(parts):
    found = classifier("esc10-small")
    features = torch.randn(2, 64, 501, generator=torch.Generator().manual_seed(0)) * 10 - 40
    published = parts["defects"].PublishedAxes(found.network)
    gradients = []
    for network in (found.network, published):
        given = features.clone().requires_grad_(True)
        answers = network(given)
        gradients.append(torch.autograd.grad(answers[:, 0].sum(), given)[0])
    assert torch.allclose(found.network(features), published(features), atol=1e-4)
    error = float((gradients[1] - gradients[0]).norm() / gradients[0].norm())
    if torch.__version__.startswith("2.13"):
        assert error > 1
    way = gradients[0] / gradients[0].norm()
    with torch.no_grad():
        rise = (found.network(features + way)[:, 0] - found.network(features - way)[:, 0]).sum() / 2
    assert float(rise) == pytest.approx(float(gradients[0].norm()), rel=0.1)  # the right one is right


def test_defect_7_stripes_are_loud_in_the_same_places(parts):
    features = torch.full((3, 64, 100), -40.0)
    stripes = {"freq_stripes": (1, 10), "time_stripes": (1, 20)}
    labels = torch.eye(3)
    silent, _ = Augmentation(**stripes)(features, labels, np.random.default_rng(1))
    loud, _ = parts["defects"].LoudStripes(**stripes)(features, labels, np.random.default_rng(1))
    assert set(silent.unique().tolist()) == {FLOOR_DB, -40.0} and set(loud.unique().tolist()) == {0.0, -40.0}
    assert torch.equal(silent == FLOOR_DB, loud == 0)
