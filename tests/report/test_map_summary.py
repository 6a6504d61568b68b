"""What the summary says of the map of a spectrogram and of its mask."""

import json
import math
from dataclasses import replace

import pytest
import torch
from map_scenes import LABELS, METRICS, beep, mapped, silent, tiled

from hearwhy.report import summarise
from hearwhy.report.panels import Shelf, panels

AS_IS = (0.95, 0.04, 0.01)
HUM = (0.10, 0.80, 0.10)


def said(attribution, kind):
    summary = summarise(attribution)
    return [found for found in [*summary["caveats"], *summary["passed"]] if found["kind"] == kind]


def test_the_verdict_says_what_the_model_says_of_the_marked_part_and_of_the_rest():
    assert summarise(mapped())["verdict"] == (
        "The model says beep, 0.95. What grad_cam marks (5 % of the spectrogram) alone gets beep 0.91; "
        "without it beep 0.10 (the model says hum, 0.80)."
    )


def test_of_cells_it_names_the_strongest_by_its_place_too():
    verdict = summarise(tiled())["verdict"]
    assert "comes from 0.0-0.5 s, 3600-8000 Hz. What lime marks (12 % of the spectrogram) alone gets beep 0.91;" in verdict
    assert "cell" not in verdict


def test_a_contrast_tells_both_sides_and_several_labels_are_heard_at_once():
    verdict = summarise(replace(mapped(), targets=("beep - hum",)))["verdict"]
    assert "alone gets beep 0.91 and hum 0.05; without it beep 0.10 and hum 0.80." in verdict
    many = replace(mapped(), settings=mapped().settings | {"activation": "sigmoid"})
    assert summarise(many)["verdict"].endswith("alone gets beep 0.91; without it beep 0.10.")


def test_nothing_is_claimed_of_a_mask_that_was_not_asked_about_or_keeps_nothing_or_everything():
    assert summarise(mapped(line=None))["verdict"].endswith("The model was not asked about a mask of the map.")
    nothing = mapped(values=torch.zeros(32, 63), line="top_k_pos(k=0.3)")
    assert summarise(nothing)["verdict"].endswith("The mask top_k_pos(k=0.3) keeps nothing of the spectrogram.")
    everything = mapped(values=torch.ones(32, 63), line="binary")
    assert summarise(everything)["verdict"].endswith("The mask binary keeps the whole spectrogram.")
    for attribution in (mapped(line=None), nothing, everything):
        assert not said(attribution, "map") and not said(attribution, "control")


def test_a_soft_mask_is_called_soft():
    attribution = mapped(line="minmax")
    area = summarise(attribution)["map"]["area"]
    assert area == pytest.approx(float(attribution.masked[0].mask.mean())) and 0.2 < area < 0.5
    assert f"({100 * area:.0f} % of the spectrogram in the mean, softly)" in summarise(attribution)["verdict"]
    assert not said(attribution, "mask")


def test_a_fill_that_alone_gives_the_answer_comes_before_the_map():
    attribution = replace(
        mapped(), removed=torch.tensor([0.97, 0.02, 0.01]), score_base=torch.tensor([1.6])
    )  # all that is present adds 1.4
    assert summarise(attribution)["verdict"].endswith(
        "Nothing present explains it: with everything removed beep still gets 0.97."
    )


@pytest.mark.parametrize(
    ("kept", "removed", "severity", "words"),
    [
        ((0.91, 0.05, 0.04), HUM, "passed", "gets more beep than the rest"),
        (HUM, (0.9, 0.05, 0.05), "warning", "does not carry the decision: what it marks alone no longer gives beep"),
        ((0.80, 0.1, 0.1), (0.9, 0.05, 0.05), "warning", "matters less than the rest: the rest alone gets beep 0.90"),
        ((0.90, 0.05, 0.05), (0.895, 0.05, 0.055), "note", "get as much beep (0.90 and 0.89)"),
    ],
)
def test_a_map_that_the_answers_contradict_is_said_to_be(kept, removed, severity, words):
    (found,) = said(mapped((AS_IS, kept, removed, kept, removed)), "map")
    assert found["severity"] == severity and words in found["text"]


def test_what_is_heard_is_compared_with_what_was_asked():
    rows = [AS_IS, (0.91, 0.05, 0.04), HUM, (0.88, 0.1, 0.02), (0.14, 0.76, 0.1)]
    (found,) = said(mapped(rows), "sound")
    assert found["severity"] == "passed" and "differs by at most 0.04" in found["text"]
    rows[3] = (0.70, 0.2, 0.1)  # 0.21 less, still beep
    (found,) = said(mapped(rows), "sound")
    assert (
        found["severity"] == "warning" and "the mask keeps gets beep 0.91 as features and beep 0.70 as sound" in found["text"]
    )
    rows[3], rows[4] = (0.91, 0.05, 0.04), (0.10, 0.42, 0.48)  # beep alike, another label
    (found,) = said(mapped(rows), "sound")
    assert found["severity"] == "warning" and "removes gets beep 0.10 (the model says hum, 0.80) as features" in found["text"]


def test_where_there_is_no_way_back_to_sound_that_is_said():
    (found,) = said(silent(), "sound")
    assert found["severity"] == "note" and "no way from these features back to sound" in found["text"]
    answers = summarise(silent())["map"]["answers"]
    assert answers["heard_kept"] is None and answers["kept"][0] == {"label": "beep", "probability": 0.91}


def test_a_mask_that_is_filled_up_with_what_the_map_does_not_mark_is_warned_of():
    (found,) = said(mapped(line="top_k(k=0.3)"), "mask")  # 5 % of the map is positive
    assert found["severity"] == "warning" and "85 % of what the mask top_k(k=0.3) keeps has no value above 0" in found["text"]
    assert not said(mapped(), "mask")


def test_fills_and_controls_are_told_as_they_are():
    (found,) = said(mapped(), "fill")
    assert found["text"] == "What the mask removes is replaced by silence; another fill may tell otherwise."
    other = mapped(settings={"method": "gradient_shap", "fill": "noise"})
    assert "silence, and values are relative to noise;" in said(other, "fill")[0]["text"]
    (found,) = said(mapped(), "control")
    assert found["severity"] == "note" and "hearwhy evaluate compares" in found["text"]


def test_the_additivity_of_deep_shap_is_told_and_of_grad_cam_not():
    values = torch.full((32, 63), 5.0 / (32 * 63))
    (found,) = said(mapped(values=values, settings={"method": "deep_shap"}), "completeness")
    assert found["severity"] == "passed" and "within 1 %" in found["text"]
    (found,) = said(mapped(values=0.9 * values, settings={"method": "deep_shap"}), "completeness")
    assert found["severity"] == "warning" and "miss 10 %" in found["text"]
    assert not said(mapped(values=values), "completeness")


def test_the_map_stands_in_the_summary_in_numbers_and_single_bins_do_not():
    summary = summarise(mapped())
    assert summary["components"] == []
    found = summary["map"]
    assert found["method"] == "grad_cam" and found["shape"] == [32, 63] and found["mask"] == "threshold_pos(tau=0.5)"
    assert found["area"] == pytest.approx(7 * 13 / (32 * 63)) and (found["lowest"], found["highest"]) == (-1.0, 2.0)
    assert found["chances"] == pytest.approx(
        {"as_is": 0.95, "kept": 0.91, "removed": 0.1, "heard_kept": 0.85, "heard_removed": 0.12}
    )
    assert [row["label"] for row in found["answers"]["removed"]] == ["beep", "hum", LABELS[2]]
    assert found["metrics"] == METRICS
    assert len(json.dumps(summary, allow_nan=False)) < 20_000


@pytest.mark.parametrize(("method", "unit"), [("saliency", "logit per dB"), ("grad_cam", "logit"), ("deep_shap", "logit")])
def test_the_unit_is_that_of_the_method(method, unit):
    assert summarise(mapped(settings={"method": method}))["map"]["unit"] == unit


def test_of_cells_the_strongest_are_listed_with_their_place():
    rows = summarise(tiled())["components"]
    assert [row["cell"] for row in rows] == list(range(8))
    assert rows[3]["name"] == "0.0-0.5 s, 3600-8000 Hz" and rows[3]["rank"] == 1
    assert rows[3]["area"] == pytest.approx(8 * 31 / (32 * 63)) and rows[3]["ci95"] == pytest.approx([2.402, 2.598])
    assert rows[7]["absent"] and rows[7]["rank"] is None
    assert summarise(tiled())["map"]["unit"] == "log-odds"


def test_many_cells_are_not_all_listed():
    attribution = tiled()
    n = 32 * 63
    spectrum = replace(attribution.spectrum, cell=torch.arange(n).reshape(32, 63))
    values, names = torch.linspace(-1, 1, n)[None], type(attribution.names)(n)
    many = replace(attribution, values=values, names=names, shape=(n,), stderr=None, absent=(), spectrum=spectrum)
    cells = [row["cell"] for row in summarise(many)["components"]]
    assert len(cells) == 64 and cells[:32] == list(range(32)) and cells[-1] == n - 1


def test_another_fill_is_compared_by_cell_and_told_by_place():
    second = {"fill": "noise", "top": "cell 4", "tops": ["cell 4"], "values": [], "agrees": True}
    assert said(replace(tiled(), second_fill=second), "fill")[0]["severity"] == "passed"
    (found,) = said(replace(tiled(), second_fill=second | {"tops": ["cell 1"]}), "fill")
    assert found["severity"] == "warning" and "the first component is 0.0-0.5 s, 0-" in found["text"]


def test_cells_that_hold_nothing_but_the_fill_are_counted():
    assert said(tiled(), "absent")[0]["text"] == "1 cell holds nothing but silence, and so no value."


def test_a_panel_has_the_metrics_in_words_and_no_bin_by_name():
    (panel,), _ = panels([mapped()], shelf := Shelf.of([mapped()]))
    by_name = {metric["name"]: metric for metric in panel["metrics"]}
    assert by_name["ff"]["title"].startswith("Faithfulness on spectra: how much probability is lost")
    assert by_name["ad"] == {
        "name": "ad",
        "direction": "lower is better",
        "value": "4.1 %",
        "of": "",
        "title": by_name["ad"]["title"],
    }
    assert by_name["heard_ff"]["value"] == "–" and by_name["heard_ff"]["of"] == "of the sound that is heard"
    assert by_name["sps_map"]["of"] == "of the map"
    assert shelf.cases[0]["names"] == [] and shelf.cases[0]["answers"] is None and panel["cells"] == []


def test_the_bank_holds_the_recording_as_the_model_hears_it_and_both_sides_of_the_mask():
    attribution = mapped(recording=beep(rate=48_000))
    attribution = replace(mapped(), recording=attribution.recording)
    (bank,) = Shelf.of([attribution]).banks
    assert bank.sample_rate == 16_000 and [track.key for track in bank.tracks] == ["recording", "kept 0", "removed 0"]
    assert bank.level_db("removed 0") < -10 < bank.level_db("kept 0") < 0
    (cells,) = Shelf.of([tiled()]).banks
    assert {f"cell {i}" for i in range(7)} == {track.key for track in cells.tracks[3:]}  # the last is absent


def test_answers_of_few_cells_make_no_switches():
    attribution = replace(tiled(), answers=torch.rand(256, 3))
    (panel,), _ = panels([attribution], shelf := Shelf.of([attribution]))
    assert panel["kind"] == "map" and shelf.cases[0]["answers"] is None


def test_no_number_is_infinite():
    assert json.dumps(summarise(mapped(settings={"gap_db": -math.inf})), allow_nan=False)
