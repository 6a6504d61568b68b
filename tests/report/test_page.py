"""The page in Chromium: what is switched, played, shown and typed, as a reader would do it."""

import re

import numpy as np
import pytest
from report_scenes import SCENES, scene

from hearwhy.report import report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {name: report(make(), folder / f"{name}.html") for name, make in SCENES.items()}


@pytest.fixture
def visit(watched, written):
    """Open a scene; whatever goes wrong on it fails the test."""
    return lambda name, **options: watched(written[name], **options)


def headline(page):
    return page.locator(".panel.shown .headline").inner_text()


def shown(page):
    rows = page.locator(".panel.shown .now li")
    return {row.locator("bdi").inner_text(): row.locator(".number").inner_text() for row in rows.all()}


def sounding(page):
    """Gains that are open just now."""
    return page.evaluate(
        "[...(hearwhy.player.running?.gains ?? [])].filter(([, gain]) => gain.gain.value > 0.5).map(([t]) => t)"
    )


def until(page, condition):
    """Wait for a condition; the page's own policy forbids playwright's way, which evaluates inside the page."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it never came true: {condition}")


def words(p):
    return f"{p:.3f}" if p > 0.995 or p < 0.005 else f"{p:.2f}"


def test_every_mix_shows_the_models_own_answer_to_exactly_that_mix(visit):
    page, answers = visit("one"), scene().answers.double().numpy().round(5)
    # From one mix to the next a single switch changes (Gray code), so that each of the 16 is reached by clicking.
    mask = 15
    for step in range(16):
        expected = dict(zip(("guitar", "piano"), map(words, answers[mask]), strict=True))
        assert shown(page) == expected, f"mask {mask:04b}"
        first = max(expected, key=expected.get)
        assert headline(page) == f"{first} {expected[first]}"
        bit = (((step + 1) ^ ((step + 1) >> 1)) ^ (step ^ (step >> 1))).bit_length() - 1
        if bit < 4:
            page.locator(f'.switch[data-bit="{bit}"]').click()
            mask ^= 1 << bit


def test_a_mix_is_exactly_the_sum_of_its_components(visit):
    page, attribution = visit("one"), scene()
    gain = page.evaluate("hearwhy.banks[0].gain")
    for kept in ([0, 1, 2, 3], [1], [0, 2], []):
        heard = page.evaluate("tracks => hearwhy.renderMix(tracks).then(mix => mix.map(channel => [...channel]))", kept)
        truth = gain * attribution.parts[kept].sum(dim=0).numpy()
        assert np.shape(heard) == truth.shape
        # half a step of 16 bits for each track, and float32's rounding of the sum
        assert np.abs(np.array(heard) - truth).max() <= max(1, len(kept)) * 0.5 / 2**15 + 1e-6


def test_quiet_components_stay_quiet(visit):
    page, attribution = visit("one"), scene()
    loud, quiet = (
        np.sqrt(np.mean(np.square(page.evaluate("t => hearwhy.renderMix([t]).then(m => [...m[0]])", track))))
        for track in (1, 2)
    )
    truth = attribution.levels_db[1] - attribution.levels_db[2]
    assert 20 * np.log10(loud / quiet) == pytest.approx(truth, abs=0.01)  # rounding to 16 bits at -98 dB


def test_play_pause_and_the_playhead(visit):
    page = visit("one")
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "hearwhy.player.playing && hearwhy.player.position > 0.1")
    assert sorted(sounding(page)) == [0, 1, 2, 3]
    assert page.locator(".panel.shown .head").is_visible()
    until(page, "parseFloat(document.querySelector('.head').style.left) > 2")
    page.get_by_role("button", name="Pause").click()
    assert not page.evaluate("hearwhy.player.playing")
    stopped = page.evaluate("hearwhy.player.position")
    page.wait_for_timeout(100)
    assert page.evaluate("hearwhy.player.position") == stopped > 0.1


def test_a_switch_while_playing_fades_one_track_and_stops_nothing(visit):
    page = visit("one")
    page.locator(".panel.shown .main").click()
    until(page, "hearwhy.player.playing")
    page.evaluate("window.before = hearwhy.player.running")
    page.get_by_role("switch", name="drums").click()
    until(page, "hearwhy.player.running.gains.get(1).gain.value === 0")
    assert sorted(sounding(page)) == [0, 2, 3]
    assert page.evaluate("hearwhy.player.running === before")


@pytest.mark.parametrize(
    ("button", "tracks", "label"),
    [
        ("Play: The recording", [0, 1, 2, 3], "All components"),
        ("Play: What speaks for guitar", [0, 1], "bass + drums"),
        ("Play: What speaks against it", [2], "piano alone"),
        ("Play: The rest", [2, 3], "piano + strings"),
        ("Play alone: drums", [1], "drums alone"),
    ],
)
def test_every_player_plays_its_own_sound_and_asks_about_it(visit, button, tracks, label):
    page = visit("one")
    page.get_by_role("button", name=button, exact=True).click()
    until(page, "hearwhy.player.playing && hearwhy.player.position > 0")
    assert sorted(sounding(page)) == tracks
    assert page.locator(".panel.shown .mix").inner_text().startswith(label)
    answer = scene().answers[sum(1 << track for track in tracks)]
    assert shown(page)["guitar"] == words(float(answer[0]))
    assert page.get_by_role("button", name=button, exact=True).get_attribute("aria-pressed") == "true"


def test_the_level_of_a_mix_is_shown(visit):
    page = visit("one")
    page.get_by_role("button", name="Play alone: piano").click()
    assert page.locator(".panel.shown .mix").inner_text() == f"piano alone · {scene().levels_db[2]:.1f} dB".replace("-", "−")


def test_everything_off_is_an_answer_too(visit):
    page = visit("one")
    for item in page.locator(".panel.shown .switch").all():
        item.click()
    assert shown(page)["guitar"] == words(float(scene().answers[0, 0]))
    assert "nothing to hear" in page.locator(".panel.shown .mix").inner_text()


def test_seeking_by_clicking_the_spectrogram(visit):
    page = visit("one")
    box = page.locator(".panel.shown .picture").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.evaluate("hearwhy.player.position") == pytest.approx(2.0, abs=0.06)  # half of 4 s; the thumb is 16 px wide


def test_without_loop_it_ends_and_begins_anew(visit):
    page = visit("one")
    page.get_by_role("switch", name="Loop").click()
    page.evaluate("hearwhy.player.seek(3.8)")
    page.locator(".panel.shown .main").click()
    until(page, "hearwhy.player.playing")
    until(page, "!hearwhy.player.playing")
    page.get_by_role("button", name="Play", exact=True).wait_for()
    assert page.evaluate("hearwhy.player.position") == 0


def test_the_keyboard_is_enough(visit):
    page = visit("three")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "tab-0"
    page.keyboard.press("ArrowRight")
    assert page.locator(".panel.shown").get_attribute("id") == "panel-1"
    assert page.locator("#tab-1").get_attribute("aria-selected") == "true"
    drums = page.locator('.panel.shown .switch[aria-label="drums"]')
    for _ in range(30):
        page.keyboard.press("Tab")
        if drums.evaluate("item => item === document.activeElement"):
            break
    page.keyboard.press("Space")
    assert drums.get_attribute("aria-checked") == "false"
    assert page.locator(".panel.shown .mix").inner_text().startswith("bass + piano + strings")
    page.keyboard.press("Enter")
    assert drums.get_attribute("aria-checked") == "true"


def test_models_are_compared_on_the_same_mix_while_it_plays(visit):
    page, models = visit("three"), SCENES["three"]()
    page.locator('.panel.shown .switch[aria-label="drums"]').click()
    page.locator(".panel.shown .main").click()
    until(page, "hearwhy.player.playing")
    for number, model in enumerate(models):
        page.locator(f"#tab-{number}").click()
        assert shown(page)["guitar"] == words(float(model.answers[0b1101, 0]))
        assert page.evaluate("hearwhy.player.playing")


def test_with_many_components_single_players_play_alone(visit):
    page = visit("tiles")
    assert page.locator(".switch").count() == 0
    assert page.locator(".panel.shown .row .play").count() == 12
    page.locator(".panel.shown .row .play").first.click()
    until(page, "hearwhy.player.playing && hearwhy.player.position > 0")
    assert len(sounding(page)) == 1
    page.get_by_role("button", name="Play: What speaks for guitar").click()
    until(page, "hearwhy.player.running?.gains.has(hearwhy.banks[0].tracks.indexOf('positive 0'))")
    assert len(sounding(page)) == 1


def test_the_recording_itself_is_not_passed_off_as_the_sum_of_its_components(visit):
    page = visit("troubled")
    page.get_by_role("button", name="Play: The recording").click()
    until(page, "hearwhy.player.playing")
    assert "the answer is to all components together" in page.locator(".panel.shown .mix").inner_text()
    page.get_by_role("switch", name="drums").click()
    assert page.locator(".panel.shown .mix").inner_text().startswith("bass + piano + strings")
    assert sorted(page.evaluate("[...hearwhy.banks[0].chosen]")) == [0, 2, 3]


def test_hostile_names_are_only_text(visit):
    page = visit("evil")
    page.wait_for_timeout(200)  # an image that fails to load would have called its handler by now
    assert page.locator("img").count() == 0
    page.locator(".panel.shown .switch").nth(1).click()
    assert page.locator(".panel.shown .label bdi").all_inner_texts()[1] == "<img src=x onerror=alert(1)>"
    assert page.locator(".panel.shown .headline bdi").inner_text() == headline(page).rsplit(" ", 1)[0]


def test_the_page_can_reach_nothing(browser, written):
    page = browser.new_page()
    page.goto(written["one"].as_uri())
    for attempt in ("fetch('data:,x')", "fetch('http://127.0.0.1:9/')", "import('data:text/javascript,1')"):
        refused = page.evaluate(
            "attempt => new Promise(done => {"
            "document.addEventListener('securitypolicyviolation', event => done(event.disposition), { once: true });"
            "attempt().catch(() => {}); setTimeout(() => done('allowed'), 2000) })".replace("attempt =>", "")
            .replace("attempt()", f"Promise.resolve().then(() => {attempt})")
            .strip()
        )
        assert refused == "enforce", attempt
    page.close()


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("width", [320, 700, 1180])
def test_nothing_scrolls_sideways(visit, name, width):
    page = visit(name, width=width)
    for fold in page.locator("details").all():
        fold.evaluate("item => item.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, scheme):
    page = visit("troubled", color_scheme=scheme)
    for selector in (".verdict", ".lead", ".said", ".value.positive", ".value.negative", ".level", ".fine", "footer", ".tag"):
        item = page.locator(f".panel.shown {selector}, body > {selector}").first
        text, ground = item.evaluate(
            "item => { let at = item, ground; do { ground = getComputedStyle(at).backgroundColor; at = at.parentElement }"
            "while (ground === 'rgba(0, 0, 0, 0)'); return [getComputedStyle(item).color, ground] }"
        )
        light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (selector, text, ground)  # WCAG 2.2, 1.4.3


def luminance(colour):
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_prints_every_panel_and_no_buttons(visit):
    page = visit("three")
    page.emulate_media(media="print")
    assert all(page.locator(f"#panel-{number}").is_visible() for number in range(3))
    assert not page.locator(".main").first.is_visible() and not page.locator(".switch").first.is_visible()


def test_it_reads_without_javascript(browser, written):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written["three"].as_uri())
    assert page.get_by_text("Sounds and switches need JavaScript").is_visible()
    assert page.locator(".verdict").count() == 3 and page.locator(".verdict").nth(2).is_visible()
    assert not page.locator(".switch").first.is_visible()
    context.close()
