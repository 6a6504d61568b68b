"""How many masks are asked: named, until the error is small, until time is up, or all where that is forecast to be quick."""

from dataclasses import replace

import pytest
import torch

import hearwhy
from hearwhy import Attribution, Recording, stopping
from hearwhy.answers import Answers
from hearwhy.attribution.parsing import parse_method
from hearwhy.report import summarise
from laws import one_thread  # noqa: F401 (a fixture)
from toys import noise
from toys_in_time import Paced

D = 14
PAUSE_S = 0.0008  # of all 2**14 masks 13 s, of the 1000 there are by default not one


def heard(seconds: float = 0.7) -> Recording:
    return Recording(noise(seconds, gain=0.3), 8000, "noise")


def explained(model: Paced, method: str | None = None, **options) -> Attribution:
    options = {"components": f"segments:{D}", "target": "one", **options}
    return hearwhy.explain(model, heard(), method=method, **options)


class Watcher:
    """What a progress bar is told, in numbers and in words."""

    def __init__(self):
        self.told, self.notes = [], []

    def __call__(self, done: int, expected: int) -> None:
        self.told.append((done, expected))

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_where_no_number_is_named_all_masks_are_asked_if_that_is_quick(monkeypatch):
    monkeypatch.setattr(stopping, "ENUMERATE_S", 300.0)  # it takes one, but the machine may do other things too
    found = explained(Paced(D), components="segments:11")  # 2048, more than the 1000 there are by default
    assert found.stderr is None and found.settings["options"]["n_samples"] == found.settings["n_masks"] == 2048
    assert found.settings["stopped"] == "all masks" and found.settings["error"] == 0
    assert 0 < found.settings["forecast_s"] < stopping.ENUMERATE_S
    again = explained(Paced(D), "kernel_shap(n_samples=2048)", components="segments:11")
    assert torch.equal(found.values, again.values)  # what is recorded repeats it


def test_where_all_masks_would_take_long_as_many_are_asked_as_by_default():
    found = explained(Paced(D, pause_s=PAUSE_S), method="lime")  # 2**14 pauses are 13 s
    assert found.stderr is not None and found.settings["n_masks"] == 1000 == found.settings["options"]["n_samples"]
    assert found.settings["stopped"] == "n_samples" and found.settings["forecast_s"] >= 2**D * PAUSE_S


def test_the_second_fill_is_in_the_forecast():
    alone, twice = (explained(Paced(D, pause_s=PAUSE_S), "banzhaf", second_fill=fill) for fill in (None, "noise"))
    assert twice.settings["forecast_s"] > 1.2 * alone.settings["forecast_s"]  # twice, but for what else the machine does


def test_a_number_that_is_named_decides_whatever_the_clock_says():
    first, second = (explained(Paced(D), "kernel_shap(n_samples=1000)", components="segments:11") for _ in range(2))
    assert first.settings["forecast_s"] is None and first.settings["n_masks"] == 1000
    assert first.stderr is not None and torch.equal(first.values, second.values)


def test_the_published_lime_asks_what_it_asked_when_it_was_published():
    found = explained(Paced(D), "lime(protocol=paper)", components="segments:11")
    assert found.settings["forecast_s"] is None and found.settings["stopped"] == "n_samples"


def test_one_of_many_windows_does_not_look_at_the_clock():
    model = Paced(D, window_s=0.35)
    timeline = hearwhy.explain(model, heard(), components="segments:11", target="one", per_window=True)
    assert [window.settings["stopped"] for window in timeline.attributions] == ["n_samples", "n_samples"]
    assert {window.settings["forecast_s"] for window in timeline.attributions} == {None}


def test_where_answers_are_remembered_the_clock_has_no_say():
    cache = Answers()
    first, second = (explained(Paced(D), components="segments:11", cache=cache) for _ in range(2))
    assert second.settings["forecast_s"] is None and second.settings["n_masks"] == 1000
    assert torch.equal(first.values, second.values)


def test_auto_ends_at_the_tolerance_and_tells_why_it_goes_on():
    seen = Watcher()
    found = explained(Paced(D), "kernel_shap(tolerance=0.02)", progress=seen)
    assert found.settings["options"]["n_samples"] == "auto" and found.settings["stopped"] == "tolerance"
    assert 0 < found.settings["error"] <= 0.02
    said = [note for note in seen.notes if note]
    assert said and all(note.startswith("error ") and note.endswith(" % of the range, 2 % wanted") for note in said)
    assert seen.notes[-1] == ""  # and no more, when it is done
    assert seen.told[-1][0] == found.n_calls and all(done <= expected for done, expected in seen.told)
    # In the end as many are expected as were made, but for checks whose masks were asked anyway.
    assert seen.told[-1][1] <= 1.2 * found.n_calls


def test_a_progress_that_only_counts_is_told_numbers():
    told = []
    found = explained(Paced(D), "banzhaf(n_samples=auto, tolerance=0.05)", progress=lambda done, expected: told.append(done))
    assert told[-1] == found.n_calls


def test_a_time_budget_is_kept_and_the_page_says_what_error_was_reached():
    model = Paced(D, pause_s=PAUSE_S)
    found = explained(model, "kernel_shap(tolerance=0.0001)", time_budget_s=0.6)
    assert found.settings["stopped"] == "time" and found.settings["time_budget_s"] == 0.6
    assert found.settings["n_masks"] * PAUSE_S <= 0.6  # a round is no longer than the time that is left
    assert found.settings["n_masks"] >= 8 * D  # the first round is asked whatever it takes
    said = {caveat["kind"]: caveat["text"] for caveat in summarise(found)["caveats"]}
    error = f"{100 * found.settings['error']:.2g} %"
    assert said["stopped"] == (
        f"Time was up after {found.settings['n_masks']} masks: the largest sampling error is {error} of the range of values, "
        "0.01 % was wanted."
    )


def test_with_a_budget_all_masks_are_asked_if_they_fit_into_it():
    found = explained(Paced(D), components="segments:11", time_budget_s=60)
    assert found.settings["stopped"] == "all masks" and found.settings["forecast_s"] < 60
    rough = explained(Paced(D), "kernel_shap(tolerance=0.2)", components="segments:11", time_budget_s=60)
    assert rough.settings["stopped"] == "tolerance" and rough.settings["n_masks"] < 1000  # which is all that was asked for


def test_the_budget_is_shared_with_the_second_fill_and_the_parts_before():
    model = Paced(D, pause_s=PAUSE_S)
    method = "owen(n_samples=auto, tolerance=0.0001)"
    spec = "segments:14 / 0.000-0.050 s:segments:28"  # 15 pieces of 14 parts: each of the three games would take 13 s
    found = explained(model, method, components=spec, time_budget_s=1.5, second_fill="noise")
    assert found.settings["stopped"] == "time"
    assert found.settings["n_masks"] * PAUSE_S <= 0.5
    assert 3 * 8 * 14 < found.n_calls <= 1.5 / PAUSE_S + 200  # and the checks: fresh masks, those that lack one, levels


@pytest.mark.parametrize(
    ("method", "budget_s", "message"),
    [
        ("shapley", 5, "shapley has no rounds that a time budget of 5 s could end"),
        ("integrated_gradients", 5, "integrated_gradients has no rounds"),
        ("lime(protocol=paper)", 5, "lime has no rounds"),
        ("lime(n_samples=200)", 5, r"A time budget ends n_samples=auto, but lime\(n_samples=200\) names n_samples=200"),
        ("lime", 0, "A time budget is a number of seconds above 0; got 0"),
        ("lime", float("nan"), "A time budget is a number of seconds above 0; got nan"),
        ("shapley(n_samples=auto)", None, "shapley has no option 'n_samples=auto'"),
        ("lime(n_samples=200, tolerance=0.1)", None, r"A tolerance says when n_samples=auto ends, but .* names n_samples=200"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(method, budget_s, message):
    with pytest.raises(ValueError, match=message):
        explained(Paced(D), method, time_budget_s=budget_s)


def test_a_tolerance_asks_as_many_masks_as_it_takes():
    assert parse_method("rise(tolerance=0.1)")[1]["n_samples"] == "auto"
    assert parse_method("rise(n_samples=auto, tolerance=0.1)")[1]["tolerance"] == 0.1
    assert parse_method("rise")[1]["n_samples"] == 1000


def test_methods_that_do_not_sample_say_nothing_of_stopping():
    found = explained(Paced(D), "occlusion")
    assert found.settings["stopped"] is None and "error" not in found.settings


def test_intervals_are_wider_where_few_masks_tell_the_error():
    """97.5 % quantiles of Student's t from the tables: 2.228 at 10 degrees of freedom, 1.96 where nothing limits them."""
    found = explained(Paced(D), "kernel_shap(n_samples=100)")
    assert 1 < found.settings["df"] < 100
    stderr = found.stderr[0, 0].item()
    for known, quantile in ((10, 2.228), (None, 1.960)):
        shown = summarise(replace(found, settings={**found.settings, "df": known}))["components"][0]
        low, high = shown["ci95"]
        assert (high - low) / 2 == pytest.approx(quantile * stderr, rel=1e-3)


def test_the_page_says_that_intervals_are_sampling_errors_only(tmp_path):
    found = explained(Paced(D), "kernel_shap(n_samples=100)")
    page = hearwhy.report([found], tmp_path / "index.html").read_text()
    assert "Intervals are sampling errors only" in page
    exact = explained(Paced(D), "kernel_shap(n_samples=256)", components="segments:8")
    assert "Intervals are sampling errors only" not in hearwhy.report([exact], tmp_path / "exact.html").read_text()


def test_what_was_decided_is_kept_with_the_results(tmp_path):
    found = explained(Paced(D), "kernel_shap(tolerance=0.05)")
    kept = Attribution.load(found.save(tmp_path / "out")).settings
    assert all(kept[key] == found.settings[key] for key in ("stopped", "error", "df", "n_masks", "forecast_s"))
