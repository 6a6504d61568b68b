"""Each check against a model whose virtue or fault is planted."""

from dataclasses import replace

import pytest
import torch
from sanity_scenes import (
    GAINS,
    HERTZ,
    Confounded,
    Meter,
    WrongSlope,
    deaf_to_the_question,
    erratic,
    holes,
    loudness,
    question,
    song,
    songs,
    told,
)  # fmt: skip

from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.background import Background
from hearwhy.datasets.items import Dataset
from hearwhy.front_ends import Mfcc
from hearwhy.sanity import Question, Taking, sanity

FORGETTING = ("untrained networks", "layer by layer", "most important")


@pytest.fixture(scope="module")
def confounded():
    torch.manual_seed(0)
    return sanity(Confounded(), songs(), question(n_networks=10))


@pytest.fixture(scope="module")
def meter():
    torch.manual_seed(0)
    return sanity(Meter(), songs(), question(n_networks=4))


def test_an_explanation_of_what_was_learnt_is_forgotten_with_it(confounded):
    found = confounded["untrained networks"]
    assert found.state == "passed" and found.number.high < 0.3
    assert found.details["reset"] == 2
    assert confounded["layer by layer"].state == "passed"


def test_what_the_model_prefers_is_not_what_untrained_networks_prefer(confounded):
    found = confounded["most important"]
    assert found.details["top"] == "low" and found.details["share"] == 1.0
    assert found.details["trained"] == {"low": 4, "middle": 0, "high": 0, "top": 0}
    assert all(sum(row["counts"].values()) <= 4 for row in found.details["networks"])


def test_an_answer_that_does_not_hang_on_the_weights_is_flagged(meter):
    found = meter["untrained networks"]
    assert found.state == "failed" and found.number.mean == pytest.approx(1.0)
    assert found.details["levels_model"] == pytest.approx(1.0)
    assert found.details["from_levels"] == pytest.approx(1.0)  # the levels account for all of it
    assert meter["layer by layer"].state == "failed"
    assert meter["most important"].state == "warning" and meter["most important"].p == 1.0


def test_an_answer_that_is_the_energy_is_told_from_one_that_is_not(meter, confounded):
    assert meter["energy"].state == "warning" and meter["energy"].number.mean == 1.0
    assert confounded["energy"].state == "passed" and confounded["energy"].number.mean == 0.0
    assert confounded["energy"].details == {
        "loudest": confounded["energy"].number.as_json(), "guess": 0.25, "constant": ["low", 4],
    }  # fmt: skip


def test_removing_what_is_important_costs_more_than_removing_what_is_as_loud(confounded):
    found = confounded["deletion"]
    assert found.state == "passed" and found.number.mean > 5
    assert found.p == 2 / 16  # four sources: all signs plus, or all minus
    assert "4 source recordings cannot show more" in found.text


def test_two_labels_that_exclude_each_other_have_turned_explanations(confounded):
    assert confounded["other target"].number.mean == pytest.approx(-1.0) and confounded["other target"].state == "passed"


def test_a_model_that_answers_the_same_to_every_question_is_flagged():
    model = told(deaf_to_the_question, activation="sigmoid")
    found = sanity(model, songs(), question(components="segments:4"))["other target"]
    assert found.state == "warning" and found.number.mean == pytest.approx(1.0)


def test_a_model_that_hears_only_the_level_is_flagged_by_level_matched_mixes(confounded):
    found = sanity(told(loudness), songs(), question())
    assert found["level"].state == "failed" and found["level"].number.mean < 0.5
    relative = sanity(told(share_of_low), songs(), question())["level"]
    assert relative.state == "passed" and relative.number.mean == pytest.approx(1.0)


def test_a_model_that_hears_the_fill_is_flagged_by_another_fill(confounded):
    found = sanity(told(holes), songs(), question(components="segments:4"))
    assert found["second fill"].state == "failed"
    assert confounded["second fill"].state == "passed"


def test_a_method_that_hangs_on_its_seed_is_flagged():
    asked = question("kernel_shap(n_samples=48)", "segments:12")
    shaky, firm = (sanity(told(model), songs(2), asked)["seeds"] for model in (erratic, loudness_of_each))
    assert shaky.state == "failed" and shaky.number.mean < 0.5
    assert firm.state == "passed" and firm.number.mean > 0.99


def share_of_low(audio):
    """How much of the sound is the low tone, however loud it is."""
    levels = 10 ** (Confounded().levels(audio / audio.norm(dim=2, keepdim=True).clamp(min=1e-9)) - 6)
    share = (levels * torch.tensor([3.0, 1.0, 0.5, 0.2])).sum(dim=1) / levels.sum(dim=1)
    return torch.stack([share, 0 * share], dim=1)


def loudness_of_each(audio):
    """Adds up over time, so that any sample of masks tells all."""
    power = (audio[:, 0].square() * torch.linspace(0, 1, audio.shape[-1])).mean(dim=1)
    return torch.stack([100 * power, 0 * power], dim=1)


def test_a_method_that_draws_nothing_has_no_seeds(confounded):
    assert confounded["seeds"].state == "does not apply" and "All masks fit" in confounded["seeds"].text
    assert "draws nothing" in sanity(told(loudness), songs(1), question("occlusion"))["seeds"].text


def test_a_wrong_slope_is_flagged_and_a_right_one_is_not(confounded):
    wrong, right = (sanity(model(), songs(2), question("integrated_gradients", n_networks=2))["gradient"]
                    for model in (WrongSlope, Confounded))  # fmt: skip
    assert wrong.state == "failed" and "misses finite differences" in wrong.text
    assert right.state == "passed"
    assert confounded["gradient"].state == "does not apply"


def test_what_cannot_forget_says_why():
    found = sanity(told(loudness), songs(1), question())
    for name in FORGETTING:
        assert found[name].state == "does not apply" and "no torch module" in found[name].text
    assert found["deletion"].p is None and "1 source recording cannot show more" in found["deletion"].text


def test_a_recording_that_cannot_be_explained_is_named_and_left_out():
    silent = song(9, dict.fromkeys(HERTZ, 0.0))
    found = sanity(told(loudness), Dataset("files", (song(0, GAINS[0]), silent)), question())
    assert found.about["n_recordings"] == 1
    assert found.problems[0][0] == "song 9" and "silent" in found.problems[0][1]
    with pytest.raises(ValueError, match=r"None of 1 recordings can be explained; song 9: .*silent"):
        sanity(told(loudness), Dataset("files", (silent,)), question())


def test_the_loudest_stretch_that_the_model_takes_is_examined():
    model = Confounded()
    model.window_s = 0.1
    quiet_then_loud = song(0, GAINS[0])
    for wave in quiet_then_loud.sources.values():
        wave[:1200] *= 0.1
    found = sanity(model, Dataset("files", (quiet_then_loud,)), question(n_networks=2))
    assert found.recordings[0]["span"] == "0.15-0.25 s"


def test_stems_may_be_multiplied_by_segments_and_take_files(tmp_path):
    found = sanity(told(loudness), songs(1), question(components="sources:stems * segments:2"))
    assert len(found.recordings[0]["components"]) == 8


def test_the_same_seed_gives_the_same_to_the_bit_and_another_does_not(confounded):
    def at(seed):
        torch.manual_seed(7 + seed)
        return sanity(Confounded(), songs(2), question(n_networks=2, seed=seed)).as_json()

    assert at(0) == at(0)
    assert at(0)["findings"][0]["number"] != at(1)["findings"][0]["number"]


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"n_networks": 1}, "n_networks is at least 2; got 1"),
        ({"n_recordings": 0}, "n_recordings is at least 1"),
        ({"taking": Taking(fill="noise", second_fill="noise")}, "another one than the first; got 'noise' twice"),
    ],
)
def test_too_little_is_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        Question(**wrong)


def test_what_does_not_go_together_is_refused():
    with pytest.raises(ValueError, match="explains every bin of a spectrogram"):
        sanity(Confounded(), songs(1), question("saliency", "segments:4"))
    with pytest.raises(ValueError, match="too many components"):
        sanity(Confounded(), songs(1), question(components="features"))
    with pytest.raises(ValueError, match="no label 'perhaps'"):
        sanity(Confounded(), songs(1), question(target="perhaps"))


def test_it_tells_how_far_it_is(confounded):
    told_ = []
    sanity(Confounded(), songs(2), question(), progress=lambda done, expected: told_.append((done, expected)))
    assert told_[-1][0] == told_[-1][1] and [done for done, _ in told_] == list(range(1, len(told_) + 1))


def test_interrupted_work_goes_on_where_it_stopped_with_the_same_numbers(tmp_path):
    model = Confounded()
    whole = sanity(model, songs(2), question()).as_json()

    def stop(done, expected):
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sanity(model, songs(2), question(), memory=tmp_path, progress=stop)
    kept = sorted(tmp_path.rglob("*.npz"))
    times = [path.stat().st_mtime_ns for path in kept]
    assert len(kept) == 9
    assert sanity(model, songs(2), question(), memory=tmp_path).as_json() == whole
    assert [path.stat().st_mtime_ns for path in kept] == times


def test_what_was_kept_of_other_weights_is_not_taken(tmp_path):
    first, other = (sanity(Confounded(part), songs(2), question(), memory=tmp_path) for part in ("low", "top"))
    assert first["most important"].details["top"] == "low" and other["most important"].details["top"] == "top"


def test_values_of_features_are_asked_again_given_the_rest_and_are_the_same_thing_in_every_recording():
    """A linear network: its values hang on its weights, and what the rest lets expect changes them."""
    front_end = Mfcc(sample_rate=8000, n_mfcc=4, n_fft=512, hop_length=256, n_mels=20)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool1d(1), torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
    rows = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)) * 20
    rows[:, 1] = rows[:, 0] + rows[:, 2]  # so that what is left tells of what is gone
    model = SpectrogramClassifier(front_end, network, ("a", "b"), layout="batch freq frame", background=Background.of(rows))
    asked = replace(question(n_networks=3), taking=Taking("vector:mfcc=4", "a"))
    found = sanity(model, songs(), asked)
    assert (found.about["fill"], found.about["second_fill"]) == ("mean of background", "conditional of background")
    assert found["most important"].state != "does not apply" and found["level"].state == "does not apply"
    assert "With conditional of background instead of mean of background" in found["second fill"].text
