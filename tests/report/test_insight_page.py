"""The page of an insight in Chromium: what is drawn, filtered, told and played; and its words and figures."""

import base64
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import torch
from report_scenes import EVIL

from hearwhy import Recording
from hearwhy.insight.features import Features
from hearwhy.report.insight import page, report_insight
from hearwhy.report.insight_feature_figures import heat, summary
from hearwhy.report.insight_features import fall_of, palette, shown_of
from hearwhy.report.insight_figures import coordinates, faithful, profile_map, write_figures
from hearwhy.report.insight_words import Findings, describe, findings, plain, verdict
from insight.insight_scenes import confounded, explanation, insight, snippet
from toys import tone


def hear(row, component):
    sound = Recording(tone(440, seconds=1.0)[None], 8000)
    return {"": sound} if component is None else {"": sound, component: Recording(0.1 * sound.audio, 8000)}


def many(n=2000):
    """As many lines as the page must bear, over 8 components."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(n, 8, generator=generator).tolist()
    return insight(*(snippet(i, {f"part {k}": v for k, v in enumerate(row)}) for i, row in enumerate(values)))


def evil():
    values = dict(zip(EVIL, (1.0, 2.0, 3.0, -1.0), strict=True))
    rows = [
        snippet(i, values, item=f"{EVIL[i % 4]} {i}", group=EVIL[i % 4], condition=EVIL[1], label=EVIL[0]) for i in range(8)
    ]
    return insight(*rows, model=EVIL[0], data=EVIL[1])


def tagger():
    """Fifty tags, each explained in every snippet, over two parts: a taggers' page."""
    tags, rows = [f"tag {k}" for k in range(50)], []
    for i in range(12):
        chances = tuple(0.9 if k == i % 3 else 0.1 for k in range(50))
        own = tuple(explanation(tag, {"harmonic": 0.1 * k, "percussive": -0.05 * i}) for k, tag in enumerate(tags))
        rows.append(snippet(i, {"harmonic": 1.0, "percussive": 0.0}, chances=chances, removed=(0.1,) * 50, explanations=own))
    return insight(*rows, labels=tags, activation="sigmoid", targets=["all"])


def features():
    """Forty values of a feature vector, of ten classes: no sound, no level, no chance to compare with energy."""
    generator, rows = torch.Generator().manual_seed(0), []
    names, labels = [f"MFCC {k}" for k in range(40)], [f"class {k}" for k in range(10)]
    for i in range(20):
        values = [torch.randn(40, generator=generator).tolist() for _ in labels]
        own = tuple(explanation(t, dict(zip(names, row, strict=True))) for t, row in zip(labels, values, strict=True))
        chances = tuple(0.91 if k == i % 10 else 0.01 for k in range(10))
        rows.append(snippet(i, dict.fromkeys(names, 0.0), chances=chances, removed=(0.1,) * 10, explanations=own,
                            label=f"class {i % 10}", levels=dict.fromkeys(names),
                            own=dict(zip(names, torch.randn(40, generator=generator).tolist(), strict=True))))  # fmt: skip
    return insight(*rows, labels=labels, targets=["all"], components="vector:mfcc=40", fill="mean", background="7 clips (ab)")


def single():
    return insight(snippet(0, {"a": 1.0, "b": -1.0}, item="only one"))


SCENES = {"band": confounded, "many": many, "evil": evil, "tagger": tagger, "features": features, "single": single}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {name: report_insight(Findings(make()), folder / f"{name}.html", hear=hear) for name, make in SCENES.items()}


@pytest.fixture
def visit(watched, written):
    """Open a scene; whatever goes wrong on it, or is fetched, fails the test."""
    return lambda name, **options: watched(written[name], **options)


def until(page, condition):
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"it never came true: {condition}")


def shown(page):
    return sorted(page.evaluate("hearwhy.visible()"))


@pytest.mark.browser
def test_the_legend_hides_and_shows_what_is_predicted(visit):
    page = visit("band")
    assert page.locator("#count").inner_text() == "40 snippets"
    page.locator("#chips").get_by_role("button", name="guitar").click()
    view = confounded().views[0]
    assert shown(page) == [i for i, label in enumerate(view.predictions) if label == "piano"]
    assert page.locator("#count").inner_text() == "20 of 40 snippets"
    page.get_by_role("button", name="Show all").click()
    assert page.locator("#count").inner_text() == "40 snippets"


@pytest.mark.browser
def test_a_brush_on_an_axis_keeps_the_lines_that_cross_there(visit):
    page, view = visit("band"), confounded().views[0]
    axis = view.names.index("drums")
    page.locator("#lines").evaluate("element => element.scrollIntoView({block: 'center'})")
    box = page.locator("canvas.over").bounding_box()
    across, top, bottom = page.evaluate(f"[hearwhy.x({axis}), hearwhy.y(5.3), hearwhy.y(5.05)]")
    page.mouse.move(box["x"] + across, box["y"] + top)
    page.mouse.down()
    page.mouse.move(box["x"] + across, box["y"] + bottom, steps=4)
    page.mouse.up()
    # a pixel is 0.02 log-odds here, and values are 0.02 apart from 5.0 on: none lies nearer than that to an end but 5.3's
    low, high = page.evaluate(f"hearwhy.state.kept.get({axis})")
    assert low == pytest.approx(5.05, abs=0.03) and high == pytest.approx(5.3, abs=0.03)
    assert shown(page) == [i for i in range(40) if low <= view.values[i, axis] <= high] != []
    page.mouse.click(box["x"] + across, box["y"] + 40)  # a click lets go
    assert len(shown(page)) == 40


@pytest.mark.browser
def test_the_keyboard_filters_by_sign_and_walks_through_the_snippets(visit):
    page, view = visit("band"), confounded().views[0]
    guitar = page.locator("#axis-names button").nth(view.names.index("guitar"))
    guitar.focus()
    page.keyboard.press("Enter")
    assert guitar.get_attribute("aria-label") == "guitar: only above zero"
    assert shown(page) == [i for i in range(40) if view.values[i, 0] >= 0]
    page.keyboard.press("Enter")
    assert shown(page) == [i for i in range(40) if view.values[i, 0] <= 0]
    page.keyboard.press("Enter")
    page.locator("canvas.over").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    told = page.locator("#readout").inner_text()
    assert told == "song 1 2.0 s (piano+drums+bass): says guitar 0.90, is piano; drums +5, piano +0.3, bass +0.1"


@pytest.mark.browser
def test_pointing_at_a_line_tells_what_it_is(visit):
    page, view, row = visit("band"), confounded().views[0], 36
    axis = view.names.index("guitar")
    page.locator("#lines").evaluate("element => element.scrollIntoView({block: 'center'})")
    box = page.locator("canvas.over").bounding_box()
    place = page.evaluate(f"[hearwhy.x({axis}) + 1, hearwhy.y({view.values[row, axis]})]")
    page.mouse.move(box["x"] + place[0], box["y"] + place[1] - 4)  # it is the highest there: from above it is the nearest
    assert page.locator("#readout b").first.inner_text() == "song 0"
    assert "drums +5.18" in page.locator("#readout").inner_text()


@pytest.mark.browser
def test_a_cluster_can_be_shown_alone_and_coloured(visit):
    page, found = visit("band"), Findings(confounded())
    page.locator("#cluster-1 .only").click()
    assert shown(page) == found.clustering.clusters[0].rows
    assert page.locator("#colour").input_value() == "cluster"


@pytest.mark.browser
def test_two_thousand_lines_are_drawn_and_filtered_without_a_wait(visit):
    page = visit("many")
    page.wait_for_timeout(200)
    spent = page.evaluate(
        """async () => {
          const start = performance.now();
          for (let i = 0; i < 5; i++) {
            document.querySelector("#axis-names button").click();
            await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
          }
          return (performance.now() - start) / 5;
        }"""
    )
    assert spent < 1000  # a fifth of that on an idle machine
    pixels = page.evaluate(
        """(() => {
          const canvas = document.querySelector("#lines canvas"), size = canvas.width * canvas.height;
          const drawn = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          return drawn.filter((x, i) => i % 4 === 3 && x).length / size;
        })()"""
    )
    assert pixels > 0.3  # the lines are there


@pytest.mark.browser
def test_targets_can_be_chosen(visit):
    page = visit("tagger")
    options = page.locator("#view option").all_inner_texts()
    assert options[:3] == ["what the model predicts", "tag 0", "tag 1"] and len(options) == 51
    page.locator("#view").select_option(label="tag 49")
    page.locator("canvas.over").focus()
    page.keyboard.press("Home")
    assert "harmonic +4.9" in page.locator("#readout").inner_text()


@pytest.mark.browser
def test_examples_are_played_one_at_a_time(visit):
    page = visit("band")
    first, second = page.locator(".play").nth(0), page.locator(".play").nth(1)
    first.click()
    until(page, "hearwhy.playing() !== null")
    assert first.get_attribute("aria-pressed") == "true"
    second.click()
    until(page, "hearwhy.playing()?.button === document.querySelectorAll('.play')[1]")
    assert first.get_attribute("aria-pressed") == "false"
    until(page, "hearwhy.playing() === null")  # it ends by itself
    assert second.get_attribute("aria-pressed") == "false"
    page.evaluate("(() => { const b = document.querySelectorAll('.play')[0]; b.click(); })()")
    until(page, "hearwhy.playing() !== null")
    first.click()
    assert page.evaluate("hearwhy.playing() === null") and first.get_attribute("aria-pressed") == "false"


@pytest.mark.browser
def test_a_recording_is_picked_out_of_the_scatter(visit):
    page = visit("band")
    before = page.evaluate("document.getElementById('scatter').toDataURL()")
    song = page.get_by_role("button", name="song 2", exact=True)
    song.click()
    assert song.get_attribute("aria-pressed") == "true"
    assert page.evaluate("document.getElementById('scatter').toDataURL()") != before
    song.click()
    assert page.evaluate("document.getElementById('scatter').toDataURL()") == before
    page.locator("#points").select_option("whole")
    assert page.evaluate("document.getElementById('scatter').toDataURL()") != before


@pytest.mark.browser
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("options", [{"width": 320}, {"width": 320, "color_scheme": "dark"}, {"java_script_enabled": False}])
def test_every_scene_fits_every_screen(visit, scene, options):
    page = visit(scene, **options)
    wide, screen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]") if options.get(
        "java_script_enabled", True
    ) else (0, 0)  # fmt: skip
    assert wide <= screen
    assert page.locator("h1").inner_text()
    assert page.locator(".profile").first.is_visible()


@pytest.mark.browser
def test_hostile_names_are_only_text(visit):
    page = visit("evil")
    page.wait_for_timeout(200)
    assert page.locator("img").count() == 0
    page.locator("canvas.over").focus()
    page.keyboard.press("ArrowRight")
    assert EVIL[0] in page.locator("#readout").inner_text()


def test_the_verdict_says_what_counts_what_energy_has_to_do_with_it_and_how_sure_it_is():
    told = plain(verdict(Findings(confounded())))
    assert told == (
        "Much of what band predicts rests on drums: it counts most in 50 % of 40 snippets from 4 recordings. In 50 %, "
        "nothing present explains it. Its explanations do not follow loudness: the loudest component is the most important "
        "one in 0 %, where chance gives 0 %. It is right in 50 %; in its mistakes drums counts most in 50 %. On fresh mixes "
        "the explanations follow the model closely (correlation 1.00)."
    )


def test_a_cluster_is_described_with_its_mistakes_and_what_sets_it_apart():
    cluster = next(c for c in Findings(confounded()).clustering.clusters if c.tops["drums"])
    assert "".join(describe(cluster)) == (
        "20 snippets from 2 recordings: the model says guitar, wrongly in 50 %. drums counts most in 100 %; what sets it apart "
        "is drums (+5.1, elsewhere not there); the loudest component counts most in 0 %."
    )


def test_a_genre_that_the_model_does_not_know_is_no_mistake():
    rows = [snippet(i, {"a": 1.0, "b": 0.0}, label="rock") for i in range(4)]
    told = plain(verdict(Findings(insight(*rows))))
    assert "right" not in told and "Whether its explanations follow loudness cannot be told: a is always the loudest." in told
    assert 'class="outcome unknown"' in page(Findings(insight(*rows)))


def test_another_way_of_asking_stands_beside():
    text = page(Findings(confounded(), confounded()))
    assert "both name the same most important component in 100 %" in text and "<td>1.000</td>" in text
    assert "h-beside" not in page(Findings(confounded()))


def test_what_limits_it_is_said_first():
    kinds = [(kind, severity) for kind, severity, _ in findings(Findings(confounded()))]
    assert kinds == [("strategy", "warning"), ("groups", "warning"), ("fidelity", "passed")]
    poor = insight(snippet(0, {"a": 1.0}, explanations=(explanation("guitar", {"a": 1.0}, fidelity=-0.5),)))
    told = {kind: (severity, "".join(text)) for kind, severity, text in findings(Findings(poor))}
    text = "The median R² of the explanations on fresh masks is \N{MINUS SIGN}0.50: worse than one number for all mixes."
    assert told["fidelity"] == ("warning", text)


def test_without_sound_there_is_no_player():
    assert 'class="play"' not in page(Findings(confounded())) and 'class="play"' in page(Findings(confounded()), hear)


def test_a_component_alone_is_as_quiet_on_the_page_as_it_is():
    text = page(Findings(confounded()), hear)
    drums = next(button for button in re.findall(r'<button[^>]*class="play"[^>]*>', text) if "Play drums of" in button)
    number = int(re.search(r'data-track="(\d+)"', drums)[1])
    waves = [
        soundfile.read(io.BytesIO(base64.b64decode(re.search(rf'id="track-{i}">([^<]*)<', text)[1])))[0]
        for i in (number - 1, number)
    ]
    assert abs(waves[1]).max() / abs(waves[0]).max() == pytest.approx(0.1, abs=1e-3)  # 16 bits


def test_a_page_bears_many_rows_and_stays_small(written):
    assert written["many"].stat().st_size < 1_500_000


@pytest.mark.parametrize("scene", [name for name in SCENES if name != "many"])
def test_figures_are_written_for_every_scene(scene, tmp_path):
    write_figures(Findings(SCENES[scene]()), tmp_path)
    more = "features" if scene == "features" else "profiles.png"
    assert {path.name for path in tmp_path.iterdir()} == {"figure_4a.png", "figure_4b.png", more}
    assert all(path.stat().st_size > 5000 for path in tmp_path.rglob("*.p*"))


def test_the_figures_hold_the_numbers():
    found = Findings(confounded())
    axes = coordinates(found).axes[0]
    lines = {tuple(line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == len(found.view.names)}
    assert len(lines) >= len({tuple(row) for row in found.view.values.tolist()}) - 2  # NaN is not itself
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(found.view.names)
    texts = [text.get_text() for text in faithful(found).axes[0].get_legend().get_texts()]
    assert texts[0] == "song 0: r = 1.00"
    means = profile_map(found).axes[0].images[0].get_array()
    assert means[0].tolist() == pytest.approx(found.profiles[0].mean.tolist(), nan_ok=True)


def test_a_folder_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="is a folder; give the file to write"):
        report_insight(Findings(confounded()), tmp_path)


# --- of values of features ------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_a_bar_of_the_summary_tells_its_pieces_to_the_keyboard(visit):
    page, found = visit("features"), Findings(features()).features
    first = page.locator("#summary li").first
    first.focus()
    told = page.locator("#summary-told").inner_text()
    strongest = max(range(10), key=lambda k: found.parts[k, found.ranked[0]])
    assert told.startswith(f"{found.names[found.ranked[0]]} {found.total.mean[found.ranked[0]]:#.3g} (95 % ")
    assert f": {found.targets[strongest]} " in told and "5 more" in told
    drawn = first.locator("rect").evaluate_all("all => all.map(piece => piece.getAttribute('width'))")
    widths = [float(width.rstrip("%")) for width in drawn]
    pieces = found.parts[:, found.ranked[0]]
    assert [width / sum(widths) for width in widths] == pytest.approx((pieces / pieces.sum()).tolist(), abs=1e-4)


@pytest.mark.browser
def test_a_class_is_chosen_for_all_pictures_at_once(visit):
    page, found = visit("features"), Findings(features()).features
    page.locator(".classes").get_by_role("button", name="class 7").click()
    assert page.locator(".of-class").evaluate_all("all => all.map(one => one.value)") == ["7"] * 3
    swarm = page.locator("#swarm")
    swarm.focus()
    page.keyboard.press("ArrowDown")
    strongest = int(found.classes["class 7"].size.mean.argmax())
    values = found.classes["class 7"].view.values[:, strongest]
    page.keyboard.press("End")  # is none of its keys
    for _ in range(25):
        page.keyboard.press("ArrowRight")
    told = page.locator("#swarm-told").inner_text()
    row = int(values.argmax())  # the last to the right
    assert told.startswith(f"song {row % 4}") and f"{found.names[strongest]} is " in told and told.endswith(" to class 7")
    assert f"adds +{values[row]:.3g}" in told


@pytest.mark.browser
def test_pointing_at_a_dot_tells_of_its_snippet_and_a_press_chooses_it(visit):
    page = visit("features")
    swarm = page.locator("#swarm")
    swarm.scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    alone = page.evaluate(
        """(() => {
          const all = hearwhy.features.swarm().flat();
          const others = dot => all.filter(other => other !== dot);
          const far = dot => Math.min(...others(dot).map(other => Math.hypot(other.x - dot.x, other.y - dot.y)));
          return all.sort((a, b) => far(b) - far(a))[0];
        })()"""
    )
    swarm.click(position={"x": alone["x"], "y": alone["y"]})
    chosen = page.evaluate("hearwhy.features.state")
    assert chosen["swarm"][1] == alone["row"] and page.locator("#clip").input_value() == str(chosen["clip"])
    name = page.evaluate(f"hearwhy.features.data.names[{alone['i']}]")
    assert name in page.locator("#swarm-told").inner_text()


@pytest.mark.browser
def test_the_steps_lead_from_what_is_usual_to_the_score(visit):
    page, found = visit("features"), Findings(features()).features
    page.locator(".of-class").first.select_option("3")
    page.locator("#clip").select_option("5")
    number = lambda text: float(text.replace("\N{MINUS SIGN}", "-"))
    values = [number(text) for text in page.locator("#fall .value").all_inner_texts()]
    explanation = found.classes["class 3"].view.explanations[5]
    assert values[0] == pytest.approx(explanation.base, rel=1e-2) and values[-1] == pytest.approx(explanation.score, rel=1e-2)
    assert values[0] + sum(values[1:-1]) == pytest.approx(values[-1], abs=0.06)  # 11 numbers of three digits
    labels = page.locator("#fall .label").all_inner_texts()
    assert len(labels) == 11 and labels[-1] == "30 others"
    strongest = found.names[abs(found.classes["class 3"].view.values[5]).argmax()]
    assert labels[0].startswith(f"{strongest} = ")


@pytest.mark.browser
def test_a_feature_is_chosen_for_the_dependence_and_coloured_in_two_ways(visit):
    page, found = visit("features"), Findings(features()).features
    page.locator("#feature").select_option("2")
    page.wait_for_timeout(100)
    before = page.evaluate("document.getElementById('depend').toDataURL()")
    page.locator("#tint").select_option("mate")
    page.wait_for_timeout(100)
    assert page.evaluate("document.getElementById('depend').toDataURL()") != before
    assert "low" in page.locator("#depend-legend").inner_text()
    page.locator("#depend").focus()
    page.keyboard.press("ArrowRight")
    feature = found.ranked[2]
    own = found.classes[found.targets[page.evaluate("hearwhy.features.state.cls")]].view.own[:, feature]
    assert f"{found.names[feature]} is " in page.locator("#depend-told").inner_text()
    marks = page.evaluate("hearwhy.features.depend().map(mark => mark.x)")
    assert sorted(range(20), key=lambda i: marks[i]) == sorted(range(20), key=lambda i: own[i])


@pytest.mark.browser
@pytest.mark.parametrize("scripted", [True, False])
def test_the_heat_map_turns_to_the_signed_means_without_a_script(visit, scripted):
    page, found = visit("features", java_script_enabled=scripted), Findings(features()).features
    size, sign = page.locator(".heat-size table").first, page.locator(".heat-sign table").first
    assert size.is_visible() and not sign.is_visible()
    page.locator("label[for=heat-sign]").click()
    assert sign.is_visible() and not size.is_visible()
    mean = found.classes["class 2"].sign.mean[found.ranked[0]]
    text = sign.locator("tbody tr").first.locator("td").nth(2).inner_text()
    assert text.splitlines()[0] == f"{mean:+.2f}".replace("-", "\N{MINUS SIGN}") and "…" in text


def test_of_features_nothing_is_said_of_sounds_and_of_sounds_nothing_of_features():
    text = page(Findings(features()))
    body = re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL).replace("<dt>components</dt>", "")  # an option
    for word in ("loud", " dB", "mixes", "stems", "component", "nothing present", "values.csv.</p>"):
        assert word not in body.replace("shap_values.csv", ""), word
    assert "what is usual (mean of 7 clips)" in body
    assert 'id="features"' not in page(Findings(confounded())) and "#swarm" not in page(Findings(confounded()))


def test_the_sampling_error_of_the_values_is_told():
    names = ("a", "b")
    rows = [
        snippet(i, dict.fromkeys(names, 0.0), own=dict.fromkeys(names, float(i)),
                explanations=(explanation("guitar", {"a": 3.0, "b": 4.0}, stderr=(error, 0.0)),))
        for i, error in enumerate((0.2, 0.25, 5.0))
    ]  # fmt: skip
    told = {kind: (severity, "".join(text)) for kind, severity, text in findings(Findings(insight(*rows)))}
    assert told["sampling"] == ("passed", "The median relative sampling error of the values is 5 %.")
    assert "sampling" not in {kind for kind, _, _ in findings(Findings(features()))}


def test_the_figures_of_features_hold_the_numbers():
    found = Findings(features()).features
    bars = summary(found).axes[0]
    ends = {round(bar.get_y() + bar.get_height() / 2): bar.get_x() + bar.get_width() for bar in bars.patches}
    assert [ends[19 - i] for i in range(20)] == pytest.approx(found.total.mean[found.ranked[:20]].tolist())
    assert [tick.get_text() for tick in bars.get_yticklabels()] == [found.names[i] for i in found.ranked[:20]]
    sizes, signs = (axes.images[0].get_array() for axes in heat(found).axes[:2])
    assert signs[0].tolist() == pytest.approx([found.classes[t].sign.mean[found.ranked[0]] for t in found.targets])
    assert sizes[3].tolist() == pytest.approx([found.classes[t].size.mean[found.ranked[3]] for t in found.targets])


def test_a_waterfall_ends_at_the_score_even_where_values_miss_it():
    rows = [snippet(0, {"a": 1.0, "b": -3.0}, own={"a": 5.0, "b": 6.0},
                    explanations=(explanation("guitar", {"a": 1.0, "b": -3.0}, base=0.5, stderr=(0.1, 0.2)),))]  # fmt: skip
    fall = fall_of(Features(insight(*rows)), "guitar", 0)
    assert [(step.name, step.start, step.stop) for step in fall.steps] == [("b = 6", 0.5, -2.5), ("a = 5", -2.5, -1.5)]
    assert fall.steps[0].error == pytest.approx(0.2 * 1.96, rel=1e-3)
    missed = replace(rows[0].explanations[0], score=1.0)
    fall = fall_of(Features(insight(replace(rows[0], explanations=(missed,)))), "guitar", 0)
    assert fall.steps[-1].name == "what the values miss" and fall.steps[-1].stop == 1.0


def test_more_classes_than_colours_share_the_last_one():
    found = Findings(features()).features
    assert palette(found) == {f"class {k}": k for k in range(10)}
    more = replace(found, insight=many_classes())
    colour = palette(more)
    assert len(colour) == 9 and "class 0" not in colour  # of twelve, the three that count least share a colour
    assert shown_of(more)["n_others"] == 3


def many_classes():
    own = {"a": 1.0, "b": 2.0}
    told = tuple(explanation(f"class {k}", {"a": 0.1 * k, "b": 1.0}) for k in range(12))
    chances = (1 / 12,) * 12
    rows = [snippet(i, own, own=own, explanations=told, chances=chances, removed=chances) for i in range(3)]
    return insight(*rows, labels=[f"class {k}" for k in range(12)])
