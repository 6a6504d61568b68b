"""What the summary says: sentences for every kind of result, and caveats that appear exactly when they should."""

import json
import math
from dataclasses import replace

import pytest
import torch
from report_scenes import SCENES, additive, masks, nothing, scene, tiled, troubled

from hearwhy.report import summarise
from hearwhy.report.case import Case
from hearwhy.report.words import Name, decibel, listing, probability, say, signed


def kinds(attribution, severity=None):
    return {c["kind"] for c in summarise(attribution)["caveats"] if severity in (None, c["severity"])}


def verdict(attribution, **settings):
    changed = replace(attribution, settings={**attribution.settings, "n_windows": 1, **settings})
    return summarise(changed)["verdict"]


def test_the_verdict_names_what_carries_the_prediction_and_what_is_said_without_it():
    assert verdict(scene()) == "The model says guitar, 0.97. Most of it comes from drums: without drums it says piano, 0.77."


def test_a_mean_over_windows_is_said():
    assert "0.97 (mean of 4 windows)." in verdict(scene(), n_windows=4)


def test_a_prediction_that_survives_the_removal_is_not_called_lost():
    attribution = scene([1.0, 2.0, 0.5, 0.0])
    assert verdict(attribution).endswith("Most of it comes from drums; without drums it still says guitar, 0.86.")
    assert "redundancy" not in kinds(attribution)  # 0.86 of 0.98 is under nine tenths


def test_two_that_stand_in_for_each_other_are_told():
    attribution = scene([0.5, 2.0, 0.1, 0.0], without=torch.tensor([[0.94, 0.06]] * 4))
    assert "redundancy" in kinds(attribution, "note")


def test_without_is_only_claimed_where_it_was_asked():
    assert verdict(scene(without=None)).endswith("Most of it comes from drums.")


def test_a_target_that_is_not_what_the_model_says():
    attribution = scene([0.9, 2.6, -6.0, 0.0])
    assert verdict(attribution) == (
        "The model says piano, 0.90; guitar, which is explained here, gets 0.10. "
        "Most of what speaks for guitar is drums: without drums, guitar gets 0.01."
    )


def test_a_contrast_reports_both_sides():
    attribution = replace(scene(), targets=("guitar - piano",))
    assert verdict(attribution) == (
        "The model gives guitar 0.97 and piano 0.03. Most of what speaks for guitar rather than piano is drums: "
        "without drums it is guitar 0.23 and piano 0.77."
    )


def test_labels_that_do_not_exclude_each_other_are_heard_not_said():
    attribution = replace(scene(), probabilities=torch.tensor([0.62, 0.8]), removed=torch.tensor([0.1, 0.1]))
    assert verdict(attribution, activation="sigmoid") == (
        "The model hears guitar with 0.62. Most of what speaks for guitar is drums: without drums it gets 0.23."
    )


def test_a_sliver_beside_what_speaks_against_is_not_named():
    said = verdict(scene([0.1, -0.3, -3.6, 0.0]))
    assert (
        said == "The model says piano, 0.97; guitar, which is explained here, gets 0.03. No component raises guitar noticeably."
    )


def test_what_the_fill_alone_says_is_not_credited_to_what_is_there():
    said = "The model says guitar, 0.94. Nothing present explains it: with everything removed guitar still gets 0.97."
    assert verdict(nothing()) == said
    assert "without_first" not in summarise(nothing())["prediction"]


def test_evidence_that_lies_in_absent_parts_explains_nothing():
    absent = scene([0.0, 0.0, 0.0, 0.0], bias=0.3, absent=(1, 3))
    assert verdict(absent).endswith("Nothing present explains it: with everything removed guitar still gets 0.57.")
    together = replace(absent, removed=torch.tensor([0.4, 0.6]))  # said, though neither the fill nor any component says it
    assert verdict(together).endswith("Nothing present explains it: no component raises guitar noticeably.")
    assert [row["rank"] for row in summarise(absent)["components"]] == [1, None, 2, None]


def test_half_a_probability_from_the_fill_is_no_evidence():
    attribution = scene([0.02, 0.45, 0.0, 0.0], removed=torch.tensor([0.51, 0.49]), score_base=torch.tensor([0.51]))
    assert "Most of it comes from drums" in verdict(attribution, scale="probability")


def test_a_difference_within_the_sampling_error_is_not_a_ranking():
    stderr = torch.tensor([[0.5, 0.5, 0.5, 0.0]])
    near = scene([4.0, 4.6, -2.4, 0.0], stderr=stderr)
    assert "It rests on drums or bass first; which of them more cannot be told apart." in verdict(near)
    assert "sampling" in kinds(near, "warning")
    far = scene([1.0, 4.6, -2.4, 0.0], stderr=stderr)
    assert "Most of it comes from drums" in verdict(far)
    assert "sampling" not in kinds(far)


def test_a_value_below_its_own_error_is_no_answer():
    noisy = scene([0.1, 0.6, -0.4, 0.0], stderr=torch.full((1, 4), 0.5))
    assert "No component can be told from none" in verdict(noisy)


def test_every_limit_has_its_warning_and_no_other():
    assert kinds(troubled(), "warning") == {"fidelity", "interaction", "fill", "level", "gap"}
    assert kinds(scene(), "warning") == set()
    assert kinds(scene([0.9, 4.6, -2.4, 0.0], fidelity=(0.79,)), "warning") == {"fidelity"}
    assert kinds(scene(interaction_share=(0.21,)), "warning") == {"interaction"}


def test_the_level_warning_says_which_level_and_what_is_said_then():
    text = next(c["text"] for c in summarise(troubled())["caveats"] if c["kind"] == "level")
    assert text == "The level matters: the same recording 12 dB softer gets piano 0.61."


def test_notes_appear_for_what_was_not_checked():
    bare = scene(second_fill=None, level_check=None, settings={"scale": "probability", "method": "integrated_gradients"})
    assert {"fill", "level", "scale", "gradient", "absent"} <= kinds(bare, "note")


def test_a_draw_with_everything_removed_is_not_a_prediction():
    assert "fill alone" in kinds(scene(bias=0.3), "note")
    assert "fill alone" not in kinds(scene(bias=0.0))


@pytest.mark.parametrize(("gap", "told"), [(-math.inf, False), (-120.0, False), (-60.0, True), (None, False)])
def test_a_gap_is_told_where_sixteen_bits_could_hold_it(gap, told):
    assert ("gap" in kinds(scene(settings={"gap_db": gap}))) is told


def test_the_interval_is_1_96_standard_errors():
    row = summarise(troubled())["components"][1]
    assert row["name"] == "drums" and row["rank"] == 1
    # float32 values carry 7 digits
    assert row["ci95"] == pytest.approx([4.6 - 1.96 * 0.4, 4.6 + 1.96 * 0.4], rel=1e-6)


@pytest.mark.parametrize("name", SCENES)
def test_it_is_json_without_nan(name):
    for attribution in SCENES[name]():
        text = json.dumps(summarise(attribution), allow_nan=False)
        assert json.loads(text)["verdict"]


def test_a_silent_component_has_no_level():
    assert summarise(scene(levels_db=(-2.0, -6.0, -9.0, -math.inf)))["components"][3]["level_db"] is None


def test_each_target_is_summarised():
    attribution = scene()
    both = replace(
        attribution,
        targets=("guitar", "piano"),
        values=torch.cat([attribution.values, -attribution.values]),
        base=torch.tensor([0.3, -0.3]),
        score_full=torch.cat([attribution.score_full, -attribution.score_full]),
        score_base=torch.tensor([0.3, -0.3]),
        fidelity=(0.97, 0.97),
        interaction_share=(0.0, 0.0),
        second_fill={"fill": "noise", "tops": ["drums", "bass"]},
    )
    found = summarise(both)
    assert [target["target"] for target in found["targets"]] == ["guitar", "piano"]
    assert kinds(both, "warning") == set()
    assert "Another fill tells otherwise" in found["targets"][1]["caveats"][0]["text"]
    assert "What speaks for piano is piano: without piano, piano gets" in found["targets"][1]["verdict"]


def test_many_components_are_summarised_without_answers():
    assert len(summarise(tiled())["components"]) == 32


def test_the_scenes_answer_as_they_claim():
    attribution = scene()
    expected = additive([0.9, 4.6, -2.4, 0.0], 0.3)(masks(4))
    assert torch.equal(attribution.answers, expected.float())
    assert Case(attribution).exclusive


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.976, "0.98"), (0.998, "0.998"), (0.99996, "> 0.999"), (0.0001, "< 0.001"), (0.002, "0.002"), (0.5, "0.50")],
)
def test_probabilities_never_claim_certainty(p, text):
    assert probability(p) == text


def test_numbers_read_well():
    assert [signed(v) for v in (1.234, -0.5, -0.001)] == ["+1.23", "−0.50", "0.00"]
    assert [decibel(v) for v in (-3.21, None, -math.inf, 0.0)] == ["−3.2 dB", "silent", "silent", "0.0 dB"]
    assert listing(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
    assert listing(["a", "b"]) == "a and b"


def test_braces_in_a_name_stay_as_they_are():
    assert "".join(say("It is {}.", Name("{}{0}"))) == "It is {}{0}."
    with pytest.raises(ValueError, match="has 1 places; got 2"):
        say("It is {}.", 1, 2)
