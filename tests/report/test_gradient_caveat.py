"""What the report says of a gradient that was checked."""

import json

from report_scenes import scene

from hearwhy.report import summarise


def caveat(**settings):
    summary = summarise(scene(settings=settings))
    found = [c for c in [*summary["caveats"], *summary["passed"]] if c["kind"] == "gradient"]
    assert len(found) <= 1
    return found[0] if found else None


def test_a_gradient_that_passed_is_said_to_have():
    said = caveat(method="integrated_gradients", gradient_check={"error": 0.0004, "passed": True, "cause": None})
    assert said["severity"] == "passed" and "within 1 %" in said["text"]


def test_a_gradient_that_failed_is_warned_of_with_its_cause_and_the_way_on():
    check = {"error": 0.47, "passed": False, "cause": "layer bn0 (BatchNorm2d): torch's backward is wrong"}
    said = caveat(method="integrated_gradients", gradient_check=check)
    assert said["severity"] == "warning"
    for words in ("by 47 %", "layer bn0 (BatchNorm2d)", "kernel_shap"):
        assert words in said["text"]
    assert json.dumps(said)
    assert "cause" not in caveat(method="integrated_gradients", gradient_check=check | {"cause": None})["text"]


def test_it_is_said_only_of_methods_that_follow_a_gradient():
    assert caveat(method="kernel_shap") is None
    assert caveat(method="integrated_gradients")["severity"] == "note"
