"""The page of a sanity check in Chromium, and what of it a hostile name could break."""

import re

import pytest

from hearwhy.classifiers import classifier
from hearwhy.datasets import demo_song, read
from hearwhy.report.sanity import page, report_sanity
from hearwhy.sanity import Question, Taking, sanity
from hearwhy.sanity.agreement import mean_of
from hearwhy.sanity.findings import Finding, Sanity

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def found():
    asked = Question(taking=Taking(f"sources:stems={demo_song() / 'stems'}"), n_networks=3)
    return sanity(classifier("band"), read(demo_song() / "mix.flac"), asked)


@pytest.fixture(scope="module")
def written(found, tmp_path_factory):
    return report_sanity(found, tmp_path_factory.mktemp("page") / "index.html")


@pytest.fixture
def visit(watched, written):
    """Open the page; whatever goes wrong on it, or is fetched, fails the test."""
    return lambda path=written, width=1280: watched(path, width=width)


@pytest.mark.browser
class TestInChromium:
    @pytest.mark.parametrize("width", [320, 1280])
    def test_it_fits_and_shows_every_check(self, visit, found, width):
        shown = visit(width=width)
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        names = shown.locator(".check h3").all_inner_texts()
        applied = [finding for finding in found.findings if finding.state != "does not apply"]
        assert sorted(name.rsplit(maxsplit=1)[0] for name in names) == sorted(finding.name for finding in applied)
        assert shown.locator(".skipped dt").count() == len(found.findings) - len(applied)

    def test_the_curve_begins_at_one_and_has_a_point_for_every_step(self, visit, found):
        shown = visit()
        steps = found["layer by layer"].details["curve"]
        points = shown.locator("polyline.course-line.signed").get_attribute("points").split()
        places = [float(point.split(",")[1]) for point in points]
        assert places[0] == pytest.approx(50 - 46)
        assert places[1:] == pytest.approx([50 - 46 * step["signed"]["mean"] for step in steps], abs=0.005)  # two decimals

    def test_the_bars_hold_the_counts(self, visit, found):
        shown = visit()
        assert shown.locator(".bars li").count() == 1 + 3
        assert shown.locator(".bars li svg").first.get_attribute("aria-label") == "drums: 1"
        full = shown.locator(".bars .own svg").bounding_box()["width"]
        assert shown.locator(".bars .own rect").bounding_box()["width"] == pytest.approx(full, abs=1)

    def test_a_hostile_name_is_text(self, visit, tmp_path):
        row = {"name": HOSTILE, "group": HOSTILE, "span": "0-1 s", "target": HOSTILE, "components": [HOSTILE, "b"],
               "levels": [0.0, -3.0], "values": [1.0, 0.5]}  # fmt: skip
        about = {"model": HOSTILE, "method": HOSTILE, "components": HOSTILE, "target": HOSTILE, "fill": "silence",
                 "scale": "log_odds", "seed": 0, "n_recordings": 1}  # fmt: skip
        one = Finding(HOSTILE, "failed", HOSTILE, mean_of([-0.5]), HOSTILE)
        shown = visit(report_sanity(Sanity(about, (row,), (one,), ((HOSTILE, HOSTILE),)), tmp_path / "hostile.html"))
        assert shown.locator("h3").first.inner_text().startswith(HOSTILE)


def test_negative_numbers_have_a_true_minus_and_words_keep_their_hyphens(found):
    text = page(found)
    checks = re.search(r'<ul class="checks">(.*?)</ul>', text, re.DOTALL)[1]
    assert not re.search(r"[ \[]-\d", checks)
    assert "level-matched" in checks and "--limit" in checks


def test_a_folder_is_not_overwritten(found, tmp_path):
    with pytest.raises(ValueError, match="is a folder"):
        report_sanity(found, tmp_path)


def test_nothing_that_was_not_found_is_drawn():
    about = {"model": "m", "method": "occlusion", "components": "segments:8", "target": "top", "fill": "silence",
             "scale": "log_odds", "seed": 0, "n_recordings": 0}  # fmt: skip
    text = page(Sanity(about, (), (Finding("gradient", "does not apply", "No slope."),)))
    assert "As the network forgets" not in text and "learnt nothing" not in text and "No slope." in text
