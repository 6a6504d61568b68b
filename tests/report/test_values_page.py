"""The page of an explanation over values of features, in Chromium: what stands there, and what plays."""

import re

import numpy as np
import pytest
from librosa import mel_frequencies
from report_scenes import VALUES, coefficients, table, valued
from test_page import luminance, sounding, until, words

from hearwhy.report import report

pytestmark = pytest.mark.browser
MEL_HZ = mel_frequencies(5, fmin=0, fmax=4000)  # edges of the three bands of the table


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("values")
    return {name: report(make(), folder / f"{name}.html") for name, make in VALUES.items()}


@pytest.fixture
def visit(watched, written):
    """Open a page; whatever goes wrong on it fails the test."""
    return lambda name, **options: watched(written[name], **options)


def unfold(page):
    for fold in page.locator(".panel.shown details").all():
        fold.evaluate("item => item.open = true")


def row(page, name):
    return page.locator(".panel.shown .row", has=page.locator(".label bdi", has_text=re.compile(f"^{re.escape(name)}$")))


@pytest.mark.parametrize(("name", "make", "feature", "button", "key"), [
    ("coefficients", coefficients, 0, "Play: mfcc 0 one standard deviation lower: softer", "lower"),
    ("coefficients", coefficients, 1, "Play: mfcc 1 one standard deviation higher: darker", "higher"),
    ("coefficients", coefficients, 37, "Play: mfcc 37 one standard deviation higher", "higher"),  # one of those folded up
    ("table", table, 7, "Play: rms one standard deviation higher: louder", "higher"),
    ("table", table, 2, f"Play: mel 0 alone: 0-{MEL_HZ[2]:.0f} Hz", "alone"),
    ("table", table, 5, "Play: chroma C alone: C", "alone"),
])  # fmt: skip
def test_a_player_plays_exactly_its_own_sound(visit, name, make, feature, button, key):
    page = visit(name)
    unfold(page)
    page.get_by_role("button", name=button, exact=True).click()
    until(page, "hearwhy.player.playing && hearwhy.player.position > 0")
    (track,) = sounding(page)
    assert page.get_by_role("button", name=button, exact=True).get_attribute("aria-pressed") == "true"
    heard = page.evaluate("track => hearwhy.renderMix([track]).then(mix => mix.map(channel => [...channel]))", track)
    truth = page.evaluate("hearwhy.banks[0].gain") * make().audible()[feature].sounds[key].numpy()
    assert np.shape(heard) == (1, len(truth))
    assert np.abs(np.array(heard[0]) - truth).max() <= 0.5 / 2**15 + 1e-6  # half a step of 16 bits, and float32's rounding


def test_the_recording_is_what_the_model_hears_of_it(visit):
    page = visit("coefficients")
    page.get_by_role("button", name="Play: The recording").click()
    until(page, "hearwhy.player.playing")
    assert sounding(page) == [0] or page.evaluate("hearwhy.banks[0].tracks[0]") == "recording"
    assert "as the model hears it: its first 1.0 s" in page.locator(".panel.shown .presets").inner_text()
    assert page.evaluate("hearwhy.banks[0].duration") == (59 * 128 + 128) / 8000


def test_every_feature_tells_its_value_what_is_usual_and_how_far_away_it_is(visit):
    page = visit("coefficients")
    unfold(page)
    assert page.locator(".panel.shown .row:not(.header)").count() == 40
    for i in (0, 1, 5, 39):
        text = row(page, f"mfcc {i}").locator(".here").inner_text()
        away = "as usual" if i == 0 else f"{i / 2:.1f} SD above the usual"
        assert text.split("\n") == [f"{10 + i}.0", "usually 10.0 ± 2.0", away]
    dots = [float(dot.get_attribute("cx").rstrip("%")) for dot in row(page, "mfcc 2").locator("circle").all()]
    assert dots == [pytest.approx(50 + 46 / 3, abs=0.01)]


def test_forty_features_can_all_be_heard(visit):
    page = visit("coefficients")
    assert page.locator(".panel.shown .voice").count() == 80
    assert page.locator(".panel.shown .components > .table .row:not(.header)").count() == 12
    shown = [page.locator(f'.panel.shown .row[data-row="{i}"] .voice').count() for i in range(40)]
    assert shown == [2] * 40


def test_what_has_no_sound_says_so_and_has_no_player(visit):
    page = visit("table")
    for name, why in {"centroid": "very different sounds share this number", "chroma": "it stands for several numbers"}.items():
        assert row(page, name).locator(".play").count() == 0
        assert why in row(page, name).locator(".voices").inner_text()
    assert row(page, "mel 0 to mel 1").locator(".voice").inner_text().split("\n") == ["alone", f"0-{MEL_HZ[3]:.0f} Hz"]


def test_without_a_background_nothing_usual_and_no_step_is_claimed(visit):
    page = visit("unknown")
    assert page.locator(".panel.shown .voice").count() == 0 and page.locator(".panel.shown .stands").count() == 0
    text = page.locator(".panel.shown").inner_text()
    assert text.count("usually not known") == 3 and text.count("how much it usually varies is not known") == 3
    assert " SD" not in text


def test_switches_show_the_models_answer_to_every_combination_and_promise_no_sound(visit):
    page, attribution = visit("three"), valued([1.0, -0.5, 2.0])
    answers, mask = attribution.answers.double().numpy().round(5), 7
    page.locator(".panel.shown .main").click()
    until(page, "hearwhy.player.playing")
    for bit in (0, 1, 0, 2, 0, 1, 0):  # from one combination to the next a single switch changes
        page.locator(f'.switch[data-bit="{bit}"]').click()
        mask ^= 1 << bit
        rows = page.locator(".panel.shown .now li").all()
        shown = {item.locator("bdi").inner_text(): item.locator(".number").inner_text() for item in rows}
        assert shown == dict(zip(("guitar", "piano"), map(words, answers[mask]), strict=True)), f"{mask:03b}"
        kept = " + ".join(f"mfcc {i}" for i in range(3) if mask >> i & 1)
        said = page.locator(".panel.shown .mix").inner_text()
        assert said == (f"{kept} as in the recording, the rest as usual" if kept else "All features as usual")
    assert sounding(page) == [0] and "no sound" in page.locator(".panel.shown .live .fine").inner_text()


@pytest.mark.parametrize("name", VALUES)
def test_no_word_of_the_page_is_of_sounds_that_are_taken_away(visit, name):
    page = visit(name)
    unfold(page)
    text = page.locator("main").inner_text()
    for word in ("mix", "Everything removed", "omponent", "silent", "The rest", "alone."):
        assert word not in re.sub("(?s)How this was made.*", "", text), word


def test_step_by_step_adds_up_to_the_score(visit):
    page, attribution = visit("coefficients"), coefficients()
    numbers = [text.replace("−", "-") for text in page.locator(".panel.shown .falls .value").all_inner_texts()]
    base, *steps, score = map(float, numbers)
    assert len(steps) == 11 and base == 0.3 and score == round(float(attribution.score_full[0]), 2)
    assert base + sum(steps) == pytest.approx(score, abs=0.005 * 12)  # each was rounded to two digits
    bars = page.locator(".panel.shown .falls rect").all()
    ends = [(float(bar.get_attribute("x")[:-1]), float(bar.get_attribute("width")[:-1])) for bar in bars]
    at = float(page.locator(".panel.shown .falls .end .level").first.get_attribute("x1")[:-1])
    for (x, width), value in zip(ends, steps, strict=True):
        start, stop = (x, x + width) if value > 0 else (x + width, x)
        assert start == pytest.approx(at, abs=0.01)  # percent, rounded to three digits
        at = stop
    assert at == pytest.approx(float(page.locator(".panel.shown .falls .end .level").last.get_attribute("x1")[:-1]), abs=0.01)


def test_targets_share_their_sounds(visit):
    page = visit("targets")
    assert page.evaluate("hearwhy.banks.length") == 1
    page.locator("#tab-1").click()
    assert page.locator(".panel.shown").get_attribute("id") == "panel-1"
    page.locator(".panel.shown").get_by_role("button", name="Play: mfcc 2 one standard deviation lower").click()
    until(page, "hearwhy.player.playing")
    assert page.evaluate("[...hearwhy.banks[0].chosen].map(i => hearwhy.banks[0].tracks[i])") == ["lower 2"]


def test_hostile_names_are_only_text(visit):
    page = visit("hostile")
    page.wait_for_timeout(200)  # an image that fails to load would have called its handler by now
    assert page.locator("img").count() == 0
    assert "<img src=x onerror=alert(1)>" in page.locator(".panel.shown .label bdi").all_inner_texts()


@pytest.mark.parametrize("name", VALUES)
def test_nothing_scrolls_sideways(visit, name):
    page = visit(name)
    unfold(page)
    for width in (320, 700, 950, 1180):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_small_text_has_contrast(visit, scheme):
    page = visit("table", color_scheme=scheme)
    for selector in (".here b", ".here small", ".mute", ".voice span", ".voice small", ".falls li span", ".falls .value"):
        text, ground = page.locator(f".panel.shown {selector}").first.evaluate(
            "item => { let at = item, ground; do { ground = getComputedStyle(at).backgroundColor; at = at.parentElement }"
            "while (ground === 'rgba(0, 0, 0, 0)'); return [getComputedStyle(item).color, ground] }"
        )
        light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (selector, text, ground)  # WCAG 2.2, 1.4.3


def test_it_reads_without_javascript_and_prints_without_buttons(browser, written):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written["table"].as_uri())
    assert page.locator(".here").nth(1).is_visible() and not page.locator(".voice").first.is_visible()
    context.close()
    page = browser.new_page()
    page.goto(written["table"].as_uri())
    page.emulate_media(media="print")
    assert not page.locator(".voices").first.is_visible() and page.locator(".here").nth(1).is_visible()
    page.close()
