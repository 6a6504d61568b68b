"""The confounder experiment: tiny songs from end to end, and what it counts against answers found by hand."""

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import hearwhy
from hearwhy import audio as sound
from hearwhy.components.sources import sources
from hearwhy.datasets.band.metadata import write_metadata
from hearwhy.datasets.band.presets import INST_CLASS, STEMS
from hearwhy.training.weights_file import write_weights
from hearwhy.types import Recording

HERE = Path(__file__).parents[2] / "experiments" / "confounder"


@pytest.fixture(scope="module")
def parts():
    """The experiment's modules, importable while this file is tested."""
    before = set(sys.modules)
    sys.path.insert(0, str(HERE))
    import counting
    import explaining
    import rows
    import run
    import setting

    yield {"counting": counting, "explaining": explaining, "rows": rows, "run": run, "setting": setting}
    sys.path.remove(str(HERE))
    own = {path.stem for path in HERE.glob("*.py")}
    for name in (set(sys.modules) - before) & own:
        del sys.modules[name]


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Two songs of three seconds a split: a tone for each instrument, bursts of noise for the drums."""
    root, rng = tmp_path_factory.mktemp("songs"), np.random.default_rng(0)
    time = np.arange(3 * 16_000) / 16_000
    for split in ("train", "validation", "test"):
        for number in range(2):
            folder, about = root / split / f"Track{number:05d}", {}
            for i, stem in enumerate(STEMS):
                tone = np.sin(2 * np.pi * 110 * 2**i * (1 + number / 8) * time)
                wave = 0.1 * (rng.normal(size=len(time)) * (time % 0.25 < 0.05) if stem == "drums" else tone)
                recording = Recording(torch.from_numpy(wave.astype(np.float32)), 16_000)
                sound.write(recording, folder / "stems" / f"S{i:02d}.flac")
                about[f"S{i:02d}"] = {"inst_class": INST_CLASS[stem], "audio_rendered": True}
            write_metadata(folder / "metadata.yaml", {"stems": about})
    return root


@pytest.fixture(scope="module")
def separators(tmp_path_factory):
    """Two separators of tiny untrained networks."""
    from dataclasses import asdict

    from hearwhy.separators.mask_inference import Design

    folder = tmp_path_factory.mktemp("separators")
    for recipe in ("ova", "cerberus"):
        design = Design(recipe, "unet", STEMS, False, {"channels": [2, 2, 2, 2, 2]})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = design.build()
        write_weights(network.state_dict(), folder / f"{recipe}.safetensors", asdict(design))
    return folder


def test_tiny_songs_from_end_to_end_and_a_run_goes_on(songs, separators, tmp_path):
    command = [
        sys.executable, HERE / "run.py", songs, "--runs", "1", "--untrained", "2", "--epochs", "1", "--workers", "1",
        "--ova", separators / "ova.safetensors", "--cerberus", separators / "cerberus.safetensors", "--out", tmp_path,
    ]  # fmt: skip
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "3 of 3 networks trained" in first.stderr and "6 of 6 groups of songs explained" in first.stderr
    rows = list(csv.DictReader(gzip.decompress((tmp_path / "rows.csv.gz").read_bytes()).decode().splitlines()))
    confounded = [row for row in rows if (row["kind"], row["origin"], row["test_set"]) == ("confounded", "trained", "t_dr-pno")]
    # 2 songs x 2 versions; a piano: true stems, and two separators with and without the residual; a guitar: true stems and
    # Cerberus, with and without; two methods each
    assert len(confounded) == 2 * 2 * (5 + 3) * 2
    for row in confounded:
        if row["separation"] == "oracle":
            playing = {name for name in STEMS if row[name]}
            expected = {"bass", "piano", "drums"} if row["label"] == "piano" else {"bass", "guitar"}
            assert playing == expected | ({"strings"} if row["version"] == "gpdbs" else set())
            assert row["top"] in {*playing, "none", "tie"} and row["loudest"] in playing and row["guess"] in playing
        assert bool(row["residual"]) == (row["rest"] == "part")
    untrained = [row for row in rows if row["origin"] == "untrained"]
    assert len(untrained) == 2 * 2 * 2 * 2  # networks, songs, versions, methods
    tables = (tmp_path / "tables.md").read_text(encoding="utf-8")
    for line in ("| gpdb | oracle | true stems | 99.90 ±0.29 |", "| gpdbs | OVA + res |", "| independent | shipped |"):
        assert line in tables
    assert all((tmp_path / f"figure_{i}.png").stat().st_size > 10_000 for i in (2, 3))
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    unit = next((tmp_path / "out" / "units").iterdir())
    unit.unlink()  # as if it had been killed before this one
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 of 1 groups of songs explained" in again.stderr and "networks trained" not in again.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == kept


def test_results_of_something_else_are_not_mixed_in(parts, tmp_path):
    parts["run"].check_folder({"limit": 1}, tmp_path / "out" / "setting.json")
    parts["run"].check_folder({"limit": 1}, tmp_path / "out" / "setting.json")
    with pytest.raises(SystemExit, match=r"holds results of other settings \(setting\.json\); give another --out"):
        parts["run"].check_folder({"limit": 2}, tmp_path / "out" / "setting.json")


class Additive:
    """A classifier whose log-odds of guitar are three times the samples of its first quarter, and so on, added up."""

    sample_rate, channels, labels, activation = 16_000, 1, ("guitar", "piano"), "softmax"
    window_s = fingerprint = None

    def __call__(self, audio):
        sums = audio[:, 0].unflatten(1, (4, -1)).sum(dim=2)
        odds = sums @ torch.tensor([3.0, -1.0, 0.5, 2.0])
        return torch.stack([odds, torch.zeros_like(odds)], dim=1)


def four_parts(**there):
    """Parts that are heard in a quarter of the time each, with one as the sum of their samples."""
    waves = {}
    for i, (name, amount) in enumerate(there.items()):
        waves[name] = torch.zeros(1, 4000)
        waves[name][0, i * 1000] = amount
    return sources(Recording(sum(waves.values()), 16_000, name="parts"), waves)


def test_values_are_of_what_is_there_with_and_without_the_residual(parts):
    components = four_parts(bass=1.0, drums=1.0, guitar=0.0, residual=1.0)
    asked = parts["explaining"].Asked(Additive(), components, "cpu")
    assert asked.says == "guitar"
    # additive log-odds: Shapley values are the summands; the silent guitar is not there and never ranks
    assert asked.values("shapley") == pytest.approx({"bass": 3.0, "drums": -1.0, "residual": 2.0})
    assert asked.values("shapley", without="residual") == pytest.approx({"bass": 3.0, "drums": -1.0})
    alone = parts["explaining"].Asked(Additive(), four_parts(bass=1.0, drums=1.0, guitar=0.0, residual=0.0), "cpu")
    assert asked.values("lime", without="residual") == pytest.approx(alone.values("lime"), rel=1e-5)  # silent in every mix
    paper = asked.values("lime")
    assert max(paper, key=paper.get) == "bass" and paper["drums"] < 0 and abs(paper["bass"]) < 1  # probabilities


def test_what_the_network_says_of_all_parts_is_explained_also_where_the_residual_is_left_out(parts):
    components = four_parts(bass=0.1, drums=1.0, guitar=0.0, residual=1.0)  # without the residual it would say piano
    asked = parts["explaining"].Asked(Additive(), components, "cpu")
    assert asked.says == "guitar"
    assert asked.values("shapley", without="residual") == pytest.approx({"bass": 0.3, "drums": -1.0})


@pytest.mark.parametrize(("name", "method"), [("lime", "lime(protocol=paper)"), ("shapley", "shapley")])
def test_values_are_those_that_explain_gives(parts, name, method):
    noise = 0.1 * torch.randn(3, 1, 32_000, generator=torch.Generator().manual_seed(0))
    waves = dict(zip(("bass", "drums", "piano"), noise, strict=True))
    components = sources(Recording(sum(waves.values()), 16_000, name="noise"), waves)
    scale, _ = parts["setting"].METHODS[name]
    expected = hearwhy.explain("band", components.recording, components=components, method=method, scale=scale)
    found = parts["explaining"].Asked(hearwhy.classifier("band"), components, "cpu").values(name)
    assert found == pytest.approx(
        dict(zip(expected.names, expected.values[0].tolist(), strict=True)), rel=1e-4
    )  # other batches


@pytest.mark.parametrize(
    ("values", "top"),
    [
        ({"bass": 1.0, "drums": 2.0}, "drums"),
        ({"bass": 2.0, "drums": 2.0, "piano": 1.0}, "tie"),
        ({"bass": -3.0, "drums": 0.0}, "none"),  # nothing positive
        ({"bass": -3.0, "drums": 0.1}, "drums"),  # the highest positive, not the largest
        ({}, "none"),
    ],
)
def test_the_most_important_is_the_highest_positive_and_a_tie_is_none(parts, values, top):
    assert parts["explaining"].most_important(values) == top


def test_shares_are_counted_by_network(parts):
    rows = [
        {"kind": "c", "origin": "trained", "run": run, "top": top} for run, top in ((0, "drums"), (0, "bass"), (1, "drums"))
    ]
    found = parts["counting"].share(rows, "top", "drums")
    assert (found.mean, found.n_rows) == (75.0, 3)  # the mean of 50 and 100, not 2 of 3
    assert found.deviation == pytest.approx(50 / 2**0.5)
    assert str(found) == "75.00 ±35.36 (3)" and str(parts["counting"].share([], "top", "drums")) == "(none)"


def test_networks_are_permuted_not_snippets(parts):
    found = parts["counting"].permutation([100.0, 100.0], [0.0, 0.0, 0.0])
    # 10 ways to call two of five trained: one is as far as this on this side, none on the other (50 - 33 at most there)
    assert (found.difference, found.p) == (100.0, 0.1) and (found.low, found.high) == (100.0, 100.0)
    assert parts["counting"].permutation([1.0, 3.0], [1.0, 3.0]).p == 1.0


def test_rank_agreement_is_over_instruments_that_both_have(parts):
    first = dict.fromkeys((*STEMS, "residual")) | {"bass": 1.0, "drums": 3.0, "piano": 2.0}
    second = {"bass": 10.0, "drums": 30.0, "piano": 20.0, "guitar": 99.0, "strings": 0.0, "residual": 50.0}
    assert parts["counting"].rank_agreement(first, second) == pytest.approx(1.0)
    assert parts["counting"].rank_agreement(second, first) == pytest.approx(1.0)
    assert parts["counting"].rank_agreement(first, second | {"drums": 0.0}) == pytest.approx(-0.5)  # ranks 1 3 2, 2 1 3
    assert parts["counting"].rank_agreement(first, second | {"bass": 5.0, "drums": 5.0, "piano": 5.0}) == 0
    assert parts["counting"].residual_share(second) == pytest.approx(100 * 50 / 209)
    assert parts["counting"].entropy(["a", "b", "a", "b"]) == pytest.approx(np.log(2))


def test_the_mistake_is_the_piano_with_the_confounder(parts):
    row = {"test_set": "t_dr-pno", "label": "piano", "predicted": "guitar"}
    assert parts["rows"].is_confounded(row)
    for other in ({"label": "guitar"}, {"predicted": "piano"}, {"test_set": "t_dr-gtr"}):
        assert not parts["rows"].is_confounded(row | other)


def test_full_has_networks_of_each_version_and_controls_that_are_controls(parts):
    setting = parts["setting"]
    full = setting.CONFIGURATIONS["full"]
    confounded = [model for model in full.models if model.kind == "confounded"]
    assert len(confounded) == 20 and {model.version for model in confounded} == {"gpdb", "gpdbs"}
    of = {(model.kind, model.version): model.pairing for model in full.models if model.origin == "trained" and model.run == 0}
    drums = of["confounded", "gpdbs"]
    assert (drums.confounder, drums.goes_with, drums.others["strings"], drums.others["bass"]) == ("drums", "guitar", 1.0, 1.0)
    free = of["independent", "gpdb"]
    assert free.confounder is None and free.others == {"bass": 1.0, "drums": 0.5, "strings": 0.0}
    place = setting.Place("t_dr-pno", "gpdb", "piano", True)
    assert setting.asked(setting.Model("confounded", 1, "trained", "gpdbs"), place) == ()  # another version's
    assert setting.asked(setting.Model("confounded", 1, "trained", "gpdb"), place) == setting.SEPARATIONS
    assert setting.asked(setting.Model("bass", 0, "trained"), place) == ("oracle",)
    names = [model.name for model in full.models]
    assert len(set(names)) == len(names)  # each is a file
