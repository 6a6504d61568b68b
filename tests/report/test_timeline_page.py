"""The page and the summary of a timeline: every window in its place, the right one chosen, and words that say no more."""

import io
import json
import math
import re
import weakref
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from report_scenes import evil_timeline, scene, timeline

import hearwhy
from hearwhy.report import heat, report_timeline, summarise, summarise_timeline
from hearwhy.report import timeline as pages
from hearwhy.report.overview import clock
from hearwhy.timeline import Timeline
from hearwhy.windowed import PerWindow
from toys import RATE, ToneDetector, tone

TONES = {"low": 300.0, "mid": 1000.0, "high": 2500.0}


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def pieces(n, *, seconds=0.25):
    """One tone or nothing in each window, so that the answer to each is known."""
    kinds = [("low", "mid", "high", None)[i * 7 % 4] for i in range(n)]
    sounds = [torch.zeros(round(seconds * RATE)) if k is None else tone(TONES[k], seconds=seconds) for k in kinds]
    return kinds, hearwhy.Recording(torch.cat(sounds)[None], RATE, "pieces.wav")


def asked(n, *, activation="softmax", **options):
    kinds, recording = pieces(n)
    model = ToneDetector(TONES, window_s=0.25, activation=activation)
    wanted = {"components": "bands:3", "method": "occlusion", "target": "high", "per_window": True} | options
    return kinds, hearwhy.explain(model, recording, **wanted)


@pytest.fixture(scope="module")
def long():
    return asked(200, per_window=PerWindow(n_windows=30))


# The picture


def steps_of(path):
    """Every step of a curve: from, to, height."""
    found, at = [], 0.0
    for kind, numbers in re.findall(r"([MVH])([\d. ]+)", path):
        values = [float(number) for number in numbers.split()]
        if kind == "M":
            at, y = values
        elif kind == "V":
            y = values[0]
        else:
            found.append((at, values[0], y))
            at = values[0]
    return found


def test_the_curve_has_a_step_for_every_window_that_is_not_silent():
    found = timeline(6, silent=(0, 3))
    line, _ = heat.curve(heat.Steps(found.spans_s), found.probabilities[:, 0].tolist())
    expected = [(1000 * i / 6, 1000 * (i + 1) / 6, 100 - 100 * float(found.probabilities[i, 0])) for i in (1, 2, 4, 5)]
    np.testing.assert_allclose(steps_of(line), expected, atol=0.011)  # two decimals
    assert line.count("M") == 2  # broken where it is silent


def test_windows_that_overlap_stand_from_start_to_start():
    steps = heat.Steps(((0.0, 2.0), (0.5, 2.5), (1.0, 3.0), (2.0, 4.0)))
    assert [steps.percent(i) for i in range(4)] == [(0.0, 12.5), (12.5, 12.5), (25.0, 25.0), (50.0, 50.0)]
    columns = steps.columns()
    assert [int((columns == i).sum()) for i in range(4)] == [200, 200, 400, 800]


def test_an_explained_window_is_seen_among_thousands():
    steps = heat.Steps(tuple((i * 3.0, i * 3.0 + 3) for i in range(9600)))
    assert 5003 not in steps.columns()[::2]
    assert {5003, 17, 9599} <= set(steps.columns((17, 5003, 9599)).tolist())


def alpha_of(png):
    width, height = (int.from_bytes(png[at : at + 4]) for at in (16, 20))
    length = int.from_bytes(png[33:37])
    rows = np.frombuffer(zlib.decompress(png[41 : 41 + length]), np.uint8).reshape(height, 1 + 2 * width)
    return rows[:: heat.ROW_PX, 2::2] / 255


def test_each_cell_has_the_colour_of_its_sign_and_the_strength_of_its_value():
    values = np.array([[2.0, -1.0], [math.nan, math.nan], [-4.0, 0.0]])
    columns = heat.Steps(((0, 1), (1, 2), (2, 3))).columns()
    positive, negative, full = heat.masks(columns, values)
    assert full == 4.0
    middles = [heat.GRID * k // 6 for k in (1, 3, 5)]
    np.testing.assert_allclose(alpha_of(positive)[:, middles], [[0.5, 0, 0], [0, 0, 0]], atol=1 / 255)
    np.testing.assert_allclose(alpha_of(negative)[:, middles], [[0, 0, 1], [0.25, 0, 0]], atol=1 / 255)


def test_silent_and_unexplained_windows_are_told_apart_in_the_picture():
    page = pages.page(timeline(6, silent=(2,), unexplained=(3, 4)))
    rects = [at for tag, at in Elements(page).found if tag == "rect" and at.get("class") in ("silent", "unexplained")]
    drawn = {(at["class"], float(at["x"][:-1]), float(at["width"][:-1])) for at in rects if "x" in at}
    assert {(kind, round(x), round(w)) for kind, x, w in drawn} == {("silent", 33, 17), ("unexplained", 50, 33)}


@pytest.mark.parametrize(
    ("end", "most"), [(0.5, 9), (34.0, 9), (185.0, 9), (3600.0, 9), (8 * 3600.0, 9)]
)  # fmt: skip
def test_ticks_are_round_and_few(end, most):
    ticks = heat.Steps(((0.0, end),)).ticks
    assert 3 <= len(ticks) <= most and ticks[0] == (0.0, 0)
    assert all(0 <= x <= 100 for x, _ in ticks)


def test_times_read_as_on_a_clock():
    assert [clock(t, d) for t, d in ((0, 0), (59.999, 2), (3599.96, 1), (7325, 0))] == [
        "0:00",
        "1:00.00",
        "1:00:00.0",
        "2:02:05",
    ]


# Words and numbers


def test_the_headline_of_labels_that_exclude_each_other_counts_who_leads(long):
    kinds, found = long
    said = summarise_timeline(found)["verdict"]
    assert re.match(r"\w+ leads in 50 of 200 windows, \w+ in 50 and \w+ in 50\. ", said)
    assert re.search(r"high is most probable at \d+\.\d\d-\d+\.\d\d s, 0\.\d+\. 50 windows are silent\.$", said)
    assert kinds.count(None) == 50


def test_the_headline_of_labels_that_do_not_exclude_each_other_counts_where_it_is_heard():
    found = timeline(scene={"settings": {"activation": "sigmoid"}})
    rows = torch.tensor([[0.1, 0.2], [0.7, 0.9], [math.nan] * 2, [0.4, 0.4], [0.98, 0.2], [0.5, 0.0]])
    said = summarise_timeline(replace(found, probabilities=rows))["verdict"]
    assert said == "guitar is heard in 3 of 6 windows (probability at least 0.5), most at 2.0-2.5 s, 0.98. 1 window is silent."
    said = summarise_timeline(replace(found, probabilities=rows / 10))["verdict"]
    assert said.startswith("guitar is heard in none of 6 windows (probability at least 0.5), most at 2.0-2.5 s, 0.10.")


def test_a_contrast_counts_where_the_one_is_more_probable():
    found = timeline(4, silent=(), unexplained=())
    found = replace(found, attributions=[replace(a, targets=("guitar - piano",)) for a in found.attributions],
                    probabilities=torch.tensor([[0.4, 0.6], [0.9, 0.1], [0.7, 0.3], [0.2, 0.8]]))  # fmt: skip
    assert summarise_timeline(found)["verdict"] == (
        "guitar is more probable than piano in 2 of 4 windows, most at 0.5-1.0 s, 0.90 to 0.10."
    )
    assert pages.page(found).count('class="line-against" d="M') == 1


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_one_window_only(activation):
    found = timeline(1, silent=(), unexplained=(), scene={"settings": {"activation": activation}})
    assert "only window" in summarise_timeline(found)["verdict"]
    data = data_of(pages.page(found))
    assert data["timeline"]["heard"] == [0] and len(data["panels"]) == 1


def test_the_summary_has_a_row_a_window_and_is_json_without_nan():
    found = timeline()
    summary = json.loads(json.dumps(summarise_timeline(found), allow_nan=False))
    rows = summary["windows"]
    assert [row["start_s"] for row in rows] == [start for start, _ in found.spans_s]
    assert rows[2]["verdict"] == "silent" and rows[2]["probability"] is None
    p = float(found.probabilities[3, 0])
    assert rows[3] == {"start_s": 1.5, "stop_s": 2.0, "verdict": f"not explained: guitar {p:.2f}", "probability": p}
    own = {"start_s": 2.5, "stop_s": 3.0, "probability": float(found.probabilities[5, 0])}
    assert rows[5] == own | json.loads(json.dumps(summarise(found.attributions[5])))
    means = [row["value"] for row in summary["mean"]]
    assert means == pytest.approx(found.mean[0].tolist(), rel=1e-6)
    mean = {row["label"]: row["probability"] for row in summary["prediction"]["mean"]}
    assert mean["guitar"] == pytest.approx(float(found.prediction[0]), abs=1e-6)
    assert summary["prediction"]["highest"]["start_s"] == 2.5


def test_windows_in_components_of_their_own_have_no_mean():
    found = timeline()
    renamed = [a and replace(a, names=tuple(f"{i}-{name}" for name in a.names)) for i, a in enumerate(found.attributions)]
    other = replace(found, attributions=renamed)
    assert summarise_timeline(other)["mean"] is None
    page = pages.page(other)
    assert "so there is no mean over them" in page and "0-drums" in page
    assert "so there is no mean over them" not in pages.page(found)


def test_windows_may_have_different_numbers_of_components():
    found = timeline(2, silent=(), unexplained=())
    two = scene([1.0, 2.0], names=("a", "b"), absent=())
    other = replace(found, attributions=[two, found.attributions[1]])
    assert summarise_timeline(other)["mean"] is None
    assert "strings" in pages.page(other)


def test_a_timeline_without_an_explained_window_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"No window of field.wav was explained"):
        report_timeline(timeline(2, silent=(0,), unexplained=(1,)), tmp_path / "page.html")
    with pytest.raises(ValueError, match="is a folder; give the file"):
        report_timeline(timeline(2), tmp_path)


# The page


def test_every_window_is_told_and_some_can_be_heard(long):
    _, found = long
    page = pages.page(found)
    data = data_of(page)
    assert len(data["timeline"]["words"][0]) == 200
    assert sum("silent" in told for told in data["timeline"]["words"][0]) == 50
    assert sum("not explained" in told for told in data["timeline"]["words"][0]) == 120
    assert len(data["panels"]) == len(data["timeline"]["heard"]) == pages.MAX_WINDOWS
    section = page[page.index('<section class="timeline"') : page.index('<nav class="choose"')]
    assert len(Elements(section).found) < 1500


def test_the_most_probable_windows_are_heard():
    rising = timeline(30, seconds=0.1, unexplained=(3, 29))
    shown, _ = pages.courses(rising)
    assert pages._heard(shown) == list(range(5, 29))


def test_a_window_brings_its_own_sound_answers_and_picture():
    found = timeline()
    data = data_of(pages.page(found))
    for number, i in enumerate(data["timeline"]["heard"]):
        case = data["cases"][data["panels"][number]["case"]]
        np.testing.assert_allclose(case["answers"], found.attributions[i].answers, atol=5.1e-6)
        assert case["bank"] == number
    assert len(set(re.findall(r"\.picture-(\d+)\{", pages.page(found)))) == len(data["timeline"]["heard"])


def test_several_targets_have_a_picture_each():
    _, found = asked(6, target=["high", "low"])
    data = data_of(pages.page(found))
    assert len(data["timeline"]["words"]) == 2
    assert [panel["target"] for panel in data["panels"]] == ["high", "low"] * len(data["timeline"]["heard"])


def test_fewer_windows_are_heard_where_they_last_long():
    found = timeline(8, silent=(), unexplained=())
    spans = tuple((i * 60.0, i * 60.0 + 60.0) for i in range(8))
    data = data_of(pages.page(replace(found, spans_s=spans)))
    assert 1 <= len(data["timeline"]["heard"]) < 8


def test_what_was_saved_gives_the_same_page(tmp_path):
    found = timeline()
    first, second = pages.page(found), pages.page(Timeline.load(found.save(tmp_path)))
    section = lambda page: page[page.index('<section class="timeline"') : page.index('<nav class="choose"')]
    assert section(first) == section(second)
    assert data_of(first)["timeline"] == data_of(second)["timeline"]
    assert data_of(first)["cases"] == data_of(second)["cases"]


def test_attributions_are_read_one_at_a_time():
    kept, alive, most = timeline(10, silent=(), unexplained=()), weakref.WeakSet(), []

    class Counting(type(kept.attributions)):
        def __getitem__(self, i):
            made = replace(list.__getitem__(self, i))
            alive.add(made)
            most.append(len(alive))
            return made

    pages.page(replace(kept, attributions=Counting(kept.attributions)))
    assert len(most) >= 20
    assert max(most) <= 4  # the first, the one at hand, and the one before it until its name is taken over


def test_names_and_labels_stay_text():
    page = pages.page(evil_timeline())
    tags = [tag for tag, _ in Elements(page).found]
    harmless = [tag for tag, _ in Elements(pages.page(timeline())).found]
    assert tags.count("img") == 0 and tags.count("script") == harmless.count("script")
    for tag, attributes in Elements(page).found:
        assert "style" not in attributes and not [key for key in attributes if key.startswith("on")], (tag, attributes)
    assert json.dumps(summarise_timeline(evil_timeline()), allow_nan=False)


# In the browser


@pytest.fixture(scope="module")
def written(tmp_path_factory, long):
    folder = tmp_path_factory.mktemp("timelines")
    made = {"short": timeline(), "long": long[1], "evil": evil_timeline(), "two": asked(6, target=["high", "low"])[1]}
    return {name: report_timeline(found, folder / f"{name}.html") for name, found in made.items()}


@pytest.fixture
def visit(watched, written):
    """Open a timeline; whatever goes wrong on it fails the test."""
    return lambda name, **options: watched(written[name], **options)


def shown(page):
    return page.locator(".panel.shown").get_attribute("id")


def marked(page):
    return page.locator(".window[aria-selected=true]").evaluate_all("items => items.map(i => i.getAttribute('aria-label'))")


def click_window(page, window, n, course=0):
    page.locator(".heat").nth(course).scroll_into_view_if_needed()
    box = page.locator(".windows").nth(course).bounding_box()
    page.mouse.click(box["x"] + box["width"] * (window + 0.5) / n, box["y"] + box["height"] * 0.7)


@pytest.mark.browser
def test_a_click_shows_the_panel_of_that_window(visit):
    page = visit("short")  # windows 0 1 4 5 have panels
    assert shown(page) == "panel-3"  # the most probable one
    for window, panel in ((0, 0), (4, 2), (1, 1), (5, 3)):
        click_window(page, window, 6)
        assert shown(page) == f"panel-{panel}"
        [label] = marked(page)
        assert label.startswith(f"{window / 2:.1f} to {window / 2 + 0.5:.1f} s, guitar 0.") and label.endswith(", explained")
        assert page.locator(f"#tab-{panel}").get_attribute("aria-selected") == "true"


@pytest.mark.browser
def test_a_window_without_a_panel_is_told_and_nothing_else_changes(visit):
    page = visit("short")
    click_window(page, 3, 6)
    assert page.locator(".readout").inner_text().startswith("1.5-2.0 s: guitar")
    assert page.locator(".readout").inner_text().endswith("not explained")
    assert shown(page) == "panel-3"
    click_window(page, 2, 6)
    assert page.locator(".readout").inner_text() == "1.0-1.5 s · silent"


@pytest.mark.browser
def test_the_chooser_and_the_picture_keep_in_step(visit):
    page = visit("long")
    page.locator("#choose").select_option("3")
    assert shown(page) == "panel-3"
    chosen = page.locator("#choose option").nth(3).inner_text()
    assert marked(page)[0].replace(" to ", "-").removesuffix(", explained") == chosen
    page.locator(".window[aria-selected=true]").focus()
    page.keyboard.press("ArrowRight")
    assert shown(page) == "panel-4" and page.locator("#choose").input_value() == "4"
    page.keyboard.press("End")
    assert shown(page) == "panel-23"
    page.keyboard.press("ArrowRight")
    assert shown(page) == "panel-23"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert shown(page) == "panel-1" and len(marked(page)) == 1


@pytest.mark.browser
def test_each_targets_picture_shows_that_targets_panel(visit):
    page = visit("two")
    heard = page.evaluate("JSON.parse(document.getElementById('data').textContent).timeline.heard")
    click_window(page, heard[1], 6, course=1)
    assert shown(page) == "panel-3"
    assert len(marked(page)) == 1
    click_window(page, heard[1], 6, course=0)
    assert shown(page) == "panel-2"


@pytest.mark.browser
def test_the_heat_is_as_blue_as_its_value(visit):
    page = visit("short")
    page.evaluate("document.querySelector('.windows').remove()")
    box = page.locator(".heat").bounding_box()
    name = page.locator(".names span").all_inner_texts().index("drums")

    def colour(window):
        clip = {"x": box["x"] + box["width"] * (window + 0.4) / 6, "y": box["y"] + 24 * name + 10, "width": 2, "height": 2}
        return imread(io.BytesIO(page.screenshot(clip=clip)))[0, 0, :3] * 255

    full, half = colour(5), colour(4)
    np.testing.assert_allclose(full, [0x0B, 0x67, 0xB0], atol=2)
    np.testing.assert_allclose(half, 255 + (np.array([0x0B, 0x67, 0xB0]) - 255) * 4 / 5, atol=3)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["short", "long", "evil", "two"])
@pytest.mark.parametrize("width", [320, 1180])
def test_nothing_scrolls_sideways(visit, name, width):
    page = visit(name, width=width)
    for fold in page.locator("details").all():
        fold.evaluate("item => item.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("img").count() == 0


@pytest.mark.browser
def test_it_reads_without_javascript_and_on_paper(browser, written):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written["short"].as_uri())
    assert page.locator(".timeline h1").is_visible() and page.locator(".heat").is_visible()
    assert not page.locator(".windows").is_visible() and not page.get_by_text("choose one").is_visible()
    assert page.locator(".panel").nth(3).is_visible()
    context.close()
    page = browser.new_page()
    page.goto(written["short"].as_uri())
    page.emulate_media(media="print")
    assert page.locator(".heat").is_visible() and not page.locator(".windows").is_visible()
    page.close()
