"""The page of a map in Chromium, and what stands in it."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from map_scenes import LABELS, beep, mapped, silent, tiled

from hearwhy.report import report, report_timeline, summarise_timeline
from hearwhy.result import Attribution
from hearwhy.timeline import Timeline


def timeline(make=mapped):
    """Three windows, the second silent."""
    rows = torch.tensor([[0.95, 0.04, 0.01], [float("nan")] * 3, [0.95, 0.04, 0.01]])
    return Timeline([make(), None, make()], ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0)), rows, LABELS, "field.wav")


def padded():
    """Half a second of sound in a window of one second."""
    return mapped(recording=beep(0.5))


def evil():
    name = "<img src=x onerror=alert(3)>"
    labels = (name, "</script><script>alert(2)</script>", "תופים")
    return replace(mapped(), labels=labels, targets=(name,), recording=replace(beep(), name="<b>x</b>\u202e.wav"))


PAGES = {
    "map": lambda: [mapped()],
    "cells": lambda: [tiled()],
    "soft": lambda: [mapped(line="minmax")],
    "empty": lambda: [mapped(values=torch.zeros(32, 63), line="top_k_pos(k=0.3)")],
    "unmasked": lambda: [mapped(line=None)],
    "silent": lambda: [silent()],
    "padded": lambda: [padded()],
    "evil": lambda: [evil()],
    "two": lambda: [mapped(), mapped(values=torch.ones(32, 63).tril(), settings={"method": "saliency"})],
    "timeline": timeline,
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    made = {name: make() for name, make in PAGES.items()}
    return {
        name: (report_timeline if isinstance(found, Timeline) else report)(found, folder / f"{name}.html")
        for name, found in made.items()
    }


@pytest.fixture
def visit(watched, written):
    """Open a page; whatever goes wrong on it fails the test."""
    return lambda name, **options: watched(written[name], **options)


def picture(page):
    """The picture as it is painted: (row, column, colour)."""
    from matplotlib import image

    png = page.locator(".panel.shown .map-picture .layers, html:not(.js) .layers").first.screenshot()
    return image.imread(io.BytesIO(png))[..., :3]


def at(pixels, row, frame, *, rows=32, frames=63):
    """Mean colour of a bin."""
    height, width = pixels.shape[0] / rows, pixels.shape[1] / frames
    top, left = (rows - 1 - row) * height, frame * width
    return pixels[int(top + 1) : int(top + height), int(left + 1) : int(left + width)].mean(axis=(0, 1))


def blueness(colour):
    return float(colour[2] - colour[0])


def choose(page, view):
    page.locator(f".panel.shown input[value={view}]").focus()
    page.keyboard.press("Space")


class TestInChromium:
    pytestmark = pytest.mark.browser

    def test_the_map_is_blue_where_it_speaks_for_and_orange_where_against(self, visit):
        page = visit("map")
        pixels = picture(page)
        assert blueness(at(pixels, 16, 45)) == pytest.approx(0, abs=0.05)
        assert blueness(at(pixels, 16, 31)) > 0.4
        assert blueness(at(pixels, 1, 45)) < -0.2

    def test_views_are_reached_by_keyboard_and_show_what_they_say(self, visit):
        page = visit("map")
        choose(page, "spectrogram")
        plain = picture(page)
        assert blueness(at(plain, 16, 31)) == pytest.approx(0, abs=0.06)
        assert at(plain, 17, 31).mean() < at(plain, 25, 5).mean() - 0.3, "the tone is darker than what is quiet"
        page.keyboard.press("ArrowRight")
        assert page.locator(".panel.shown input[value=map]").is_checked()
        page.keyboard.press("ArrowRight")
        masked = picture(page)
        assert page.locator(".when-mask").first.is_visible() and not page.locator(".when-map").first.is_visible()
        outside = [at(masked, row, frame) for row, frame in ((25, 5), (17, 5), (1, 45))]
        assert np.ptp(outside, axis=0).max() < 0.12, "what is removed is covered alike"
        assert np.allclose(at(masked, 17, 31), at(plain, 17, 31), atol=0.03), "what is kept is not"

    def test_the_strength_of_the_map_can_be_set(self, visit):
        page = visit("map")
        strong = blueness(at(picture(page), 14, 31))
        page.locator(".strength").evaluate("(e) => { e.value = 20; e.dispatchEvent(new Event('input')); }")
        weak = blueness(at(picture(page), 14, 31))
        assert 0.05 < weak < 0.5 * strong

    def test_what_is_played_is_what_the_mask_keeps(self, visit):
        page, attribution = visit("map"), mapped()
        page.get_by_role("button", name="Play: What the mask keeps").click()
        page.wait_for_timeout(300)
        assert page.evaluate("[...hearwhy.banks[0].chosen]") == [1] and page.evaluate("hearwhy.player.playing")
        gain = page.evaluate("hearwhy.banks[0].gain")
        for track, name in ((1, "kept"), (2, "removed")):
            heard = page.evaluate("t => hearwhy.renderMix([t]).then(mix => [...mix[0]])", track)
            truth = gain * attribution.heard_masks()[name].audio[0].numpy()
            assert np.abs(np.array(heard) - truth).max() <= 0.5 / 2**15 + 1e-6

    def test_a_cell_alone_can_be_heard(self, visit):
        page, attribution = visit("cells"), tiled()
        page.get_by_role("button", name="Play alone: 0.0-0.5 s, 3600-8000 Hz").click()
        page.wait_for_timeout(200)
        (track,) = page.evaluate("[...hearwhy.banks[0].chosen]")
        assert page.evaluate(f"hearwhy.banks[0].tracks[{track}]") == "cell 3"
        heard = page.evaluate("t => hearwhy.renderMix([t]).then(mix => [...mix[0]])", track)
        truth = page.evaluate("hearwhy.banks[0].gain") * attribution.component_audio(3).audio[0].numpy()
        assert np.abs(np.array(heard) - truth).max() <= 0.5 / 2**15 + 1e-6

    def test_the_playhead_stands_where_the_sound_is_also_in_a_window_longer_than_it(self, visit):
        page = visit("padded")
        page.locator(".seek").evaluate("(e) => { e.value = 0.25; e.dispatchEvent(new Event('input')); }")
        assert page.evaluate("document.querySelector('.head').style.left") == "25%"
        assert page.locator(".time").inner_text() == "0.3 / 0.5 s"

    def test_answers_stand_in_a_table_row_by_row(self, visit):
        page = visit("map")
        rows = page.locator(".asked tbody tr")
        cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
        assert cells[1] == ["Features that the mask keeps", "0.91", "0.05", "0.04"]
        assert cells[4] == ["Sound of what it removes", "0.12", "0.75", "0.13"]
        assert page.locator(".asked thead th").all_inner_texts() == list(LABELS)

    def test_without_a_way_back_to_sound_only_the_recording_is_played(self, visit):
        page = visit("silent")
        assert page.locator(".preset").count() == 1
        assert page.locator(".notice:visible").inner_text().startswith("There is no way from these features back to sound")
        assert page.locator(".asked .none").all_inner_texts() == ["cannot be made"] * 2

    def test_without_a_mask_there_is_no_view_and_no_table_of_it(self, visit):
        page = visit("unmasked")
        assert page.locator("[type=radio]").count() == 2 and page.locator(".asked").count() == 0

    def test_a_soft_mask_covers_by_degrees_and_an_empty_one_everything(self, visit):
        page = visit("empty")
        choose(page, "mask")
        pixels = picture(page)
        assert np.ptp([at(pixels, 17, 31), at(pixels, 25, 5)], axis=0).max() < 0.12
        page = visit("soft")
        choose(page, "mask")
        pixels = picture(page)
        # of -1 to 2 the map is 0 at a third: the cover is that much thinner than where the lowest values are
        middle, gone = (at(pixels, *place).mean() for place in ((25, 5), (1, 45)))
        assert middle > gone + 0.05

    @pytest.mark.parametrize("name", PAGES)
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_nothing_is_cut_off_on_a_phone(self, visit, name, scheme):
        page = visit(name, width=320, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        for view in ("spectrogram", "map"):
            choose(page, view)

    def test_without_javascript_the_map_lies_over_the_spectrogram_and_views_still_work(self, visit):
        page = visit("map", java_script_enabled=False)
        assert blueness(at(picture(page), 16, 31)) > 0.4
        page.locator("input[value=spectrogram]").check(force=True)
        assert blueness(at(picture(page), 16, 31)) == pytest.approx(0, abs=0.06)
        assert not page.locator(".strength").is_visible() and not page.locator(".transport").is_visible()

    def test_names_are_text(self, visit):
        page = visit("evil")
        assert page.locator("img").count() == 0
        assert page.locator(".asked thead th").first.inner_text() == "<img src=x onerror=alert(3)>"

    def test_panels_have_pictures_of_their_own(self, visit):
        page = visit("two")
        assert blueness(at(picture(page), 16, 31)) > 0.4
        page.get_by_role("tab", name="saliency").click()
        second = picture(page)  # positive below the diagonal, 0 elsewhere
        assert blueness(at(second, 25, 10)) > 0.3 and blueness(at(second, 16, 31)) == pytest.approx(0, abs=0.06)

    def test_windows_of_a_timeline_have_their_maps_and_no_rows_of_bins(self, visit):
        page = visit("timeline")
        assert page.locator(".heat").count() == 0 and page.locator(".map-panel.shown").count() == 1
        assert "what the mask threshold_pos(tau=0.5) keeps gets 0.91 alone, and what it removes 0.10" in page.locator(
            ".timeline .mean"
        ).inner_text().replace("\n", " ")
        page.locator(".window[aria-selected=false]").click()
        assert page.evaluate("[...document.querySelectorAll('.panel')].findIndex(p => p.classList.contains('shown'))") == 1
        box, curve = (page.locator(what).first.bounding_box() for what in (".window .cell", ".curve"))
        assert box["y"] + box["height"] <= curve["y"] + curve["height"] + 8, "windows do not reach below the curve"


def test_a_loaded_attribution_gives_the_same_page(tmp_path):
    for name, attribution in (("map", mapped()), ("cells", tiled())):
        attribution.save(tmp_path / name)
        pages = []
        for found in (attribution, Attribution.load(tmp_path / name)):
            html = report([found], tmp_path / "page.html").read_text()
            # Recordings are stored as 24 bits, so the last of 16 may fall otherwise: the sound is compared elsewhere.
            html = re.sub(r'(<script type="text/plain" id="track-\S+">)[^<]*', r"\1", html)
            html = re.sub(r'"gain":[\d.]+|"gram":\[\]|This file is [\d.]+ MB', "", html)
            pages.append(re.sub(r"'sha256-[^']+'", "", html))
        assert pages[0] == pages[1]


def test_the_page_never_lists_the_bins(written):
    assert not re.search(r"bin \d", written["map"].read_text()) and written["map"].stat().st_size < 400_000


def test_the_summary_of_a_timeline_tells_the_mean_of_the_masks():
    summary = summarise_timeline(timeline())
    assert summary["mean"] is None and summary["map"]["n_windows"] == 2
    assert summary["map"]["chances"] == pytest.approx({"as_is": 0.95, "kept": 0.91, "removed": 0.1})
    assert summary["map"]["metrics"]["ff"] == 0.85 and "heard_ff" not in summary["map"]["metrics"]
    assert summarise_timeline(timeline(tiled))["map"]["mask"] == "threshold_pos(tau=0.5)"
    assert summarise_timeline(timeline(lambda: mapped(line=None)))["map"] is None
