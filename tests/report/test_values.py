"""Values of features in words and numbers: what is said of them, the summary, the waterfall, what is put on the page."""

import math
import re
from dataclasses import replace

import pytest
import torch
from report_scenes import MEAN, RATE, VALUES, coefficients, scene, table, valued

from hearwhy.components.audible import Audible
from hearwhy.plots import html_fragment, plot, waterfall, write_figures
from hearwhy.report import report, report_timeline, spectrogram, summarise, values
from hearwhy.report.case import Case
from hearwhy.report.sound import MAX_SAMPLES
from hearwhy.report.standing import Standing
from hearwhy.report.waterfall import Waterfall
from hearwhy.timeline import Timeline
from hearwhy.types import Recording


@pytest.fixture(scope="module")
def forty():
    """Forty coefficients."""
    return coefficients()


def verdict(attribution, **settings):
    return summarise(replace(attribution, settings={**attribution.settings, **settings}))["verdict"]


def caveats(attribution):
    return {row["kind"]: row["text"] for row in summarise(attribution)["caveats"]}


@pytest.mark.parametrize(("fill", "off"), [
    (MEAN, "as usual"), ("10 typical rows of 240 training clips", "as usual"), ("silence", "as in silence"),
    ("conditional of 240 training clips", "as the other values suggest"), ("rain.wav", "as in rain.wav"),
])  # fmt: skip
def test_the_verdict_says_what_a_value_is_put_to(fill, off):
    attribution = valued([0.5, 4.0, -1.5], bias=-1.0)
    said = "The model says guitar, 0.88. Most of it comes from mfcc 1 (11.0, 0.5 SD above the usual): "
    assert verdict(attribution, fill=fill) == f"{said}with mfcc 1 {off} it says piano, 0.88."


def test_where_the_usual_says_it_already_nothing_is_called_absent():
    attribution = valued([0.1, -0.3], bias=3.0)
    assert verdict(attribution).endswith(
        "None of these features explains it: with every feature as usual guitar still gets 0.95."
    )
    expected = verdict(attribution, fill="conditional of 9 clips")
    assert "with every feature as usual guitar" in expected  # where all are off there are no others to suggest anything


def test_a_contrast_that_the_usual_decides_is_told_so():
    attribution = replace(valued([0.1, -0.3], bias=-3.0), targets=("guitar - piano",))
    assert "None of these features decides it: with every feature as usual it is guitar 0.05 and piano" in verdict(attribution)


@pytest.mark.parametrize(("fill", "front_end", "put"), [
    (MEAN, "matrix", f"the {MEAN}: its row is shifted as a whole, and what moves within it stays."),
    (MEAN, "table", f"the {MEAN}."),
    ("10 typical rows of 9 clips", "table", "each of 10 typical rows of 9 clips in turn."),
    ("conditional of 9 clips", "table", "what is expected of it given those that are on (of 9 clips)."),
    ("silence", "table", "what it is in silence."),
])  # fmt: skip
def test_a_note_says_what_off_means(fill, front_end, put):
    attribution = table() if front_end == "table" else valued([1.0, 2.0])
    found = caveats(replace(attribution, settings={**attribution.settings, "fill": fill}))
    assert found["off"] == f"A feature that is off is put to {put} The recording itself was asked about as it is."


def test_what_is_usual_is_not_made_up():
    attribution = valued([1.0, 2.0], known=False)
    assert "What is usual is not known" in caveats(attribution)["off"]
    assert "mfcc 1 (11.0); with mfcc 1 as in silence" in verdict(attribution)
    row = summarise(attribution)["components"][1]
    assert (row["feature_value"], row["usual"], row["spread"]) == (11.0, None, None)


@pytest.mark.parametrize("name", VALUES)
def test_no_word_is_of_sounds_that_are_taken_away(name):
    for attribution in VALUES[name]():
        said = summarise(attribution)
        for target in said["targets"]:
            text = " ".join([target["verdict"], *(row["text"] for row in target["caveats"] + target["passed"])])
            for word in ("mix", "without", "removed", "component", "60 dB", "The rest"):
                assert word not in text, (word, text)


def test_the_summary_has_what_every_feature_is_and_usually_is():
    rows = summarise(table())["components"]
    assert [row["feature_value"] for row in rows] == [10.0 + i for i in range(8)]
    assert all((row["usual"], row["spread"], row["level_db"]) == (10.0, 2.0, None) for row in rows)
    assert [row["unit"] for row in rows] == ["", "", "dB", "dB", "", "", "Hz", ""]
    assert "feature_value" not in summarise(scene())["components"][0]


@pytest.mark.parametrize(("value", "usual", "spread", "unit", "words"), [
    (-34.12, -8.13, 4.0, "", ("−34.1", "−8.1 ± 4.0", "6.5 SD below the usual")),
    (1834.4, 1200.0, 950.0, "Hz", ("1,834 Hz", "1,200 ± 950 Hz", "0.7 SD above the usual")),
    (0.01234, 0.0301, 0.0119, "", ("0.012", "0.030 ± 0.012", "1.5 SD below the usual")),
    (5.01, 5.0, 1.0, "", ("5.0", "5.0 ± 1.0", "as usual")),
    (-0.001, 0.0, 1.0, "", ("0.0", "0.0 ± 1.0", "as usual")),
    (120.0, None, None, "BPM", ("120 BPM", "not known", "")),
    (0.0, None, None, "", ("0.00", "not known", "")),
    (3.0, 3.0, 0.0, "", ("3.00", "3.00 ± 0.00", "")),
])  # fmt: skip
def test_numbers_are_as_fine_as_what_usually_varies(value, usual, spread, unit, words):
    found = Standing(value, usual, spread, unit)
    assert (found.here, found.usually, found.away) == words


def test_a_value_off_the_small_scale_is_marked_and_stays_on_it():
    ends = [values.place(Standing(10 + distance, 10.0, 1.0, "")) for distance in (-9.0, -3.0, 0.0, 1.0, 9.0)]
    assert [(place["x"], place["beyond"]) for place in ends] == [(4, True), (4, False), (50, False), (65.33, False), (96, True)]
    assert values.place(Standing(1.0, None, None, "")) is None


# --- the waterfall ---------------------------------------------------------------------------------------------------


def test_the_waterfall_leads_from_the_base_to_the_score():
    attribution = coefficients()
    found = Waterfall.of(Case(attribution))
    assert len(found.steps) == 11 and found.steps[-1].name == "the other 30"
    at = float(attribution.score_base[0])
    for step in found.steps:
        assert step.start == at
        at = step.stop
    assert at == pytest.approx(float(attribution.score_full[0]), abs=1e-5) == pytest.approx(found.score)  # float32's sum
    assert [abs(step.value) for step in found.steps[:10]] == sorted(attribution.values[0].abs().tolist(), reverse=True)[:10]
    assert found.steps[0].name == "mfcc 0 = 10.0"
    assert found.steps[0].error == pytest.approx(1.96 * 0.05, rel=1e-3)
    assert found.steps[-1].error == pytest.approx(1.96 * 0.05 * math.sqrt(30), rel=1e-3)  # as if they were independent


def test_one_feature_is_never_called_the_others():
    found = Waterfall.of(Case(valued([float(i + 1) for i in range(8)])), most=7)
    assert [step.name.split(" =")[0] for step in found.steps] == [f"mfcc {i}" for i in reversed(range(8))]


def test_what_values_miss_of_the_score_is_a_step_of_its_own():
    # an additive explanation's own base is no answer of the model's: the way begins at what the model says
    attribution = replace(valued([1.0, 2.0]), score_full=torch.tensor([4.3]), base=torch.tensor([1.3]))
    found = Waterfall.of(Case(attribution))
    assert found.base == pytest.approx(0.3)
    assert found.steps[-1].name == "what the values miss"
    assert found.steps[-1].value == pytest.approx(1.0, abs=1e-6) and found.steps[-1].stop == pytest.approx(4.3)


def test_shares_without_a_sign_have_no_waterfall():
    attribution = valued([1.0, 2.0], settings={"method": "sobol", "fill": MEAN})
    with pytest.raises(ValueError, match="Values of sobol do not add up to a score"):
        waterfall(attribution)
    assert values.waterfall(Case(attribution)) is None


def test_the_figure_of_the_waterfall_ends_at_the_score(tmp_path):
    attribution = coefficients()
    axes = waterfall(attribution, path=tmp_path / "new" / "waterfall.png").axes[0]
    assert (tmp_path / "new" / "waterfall.png").read_bytes().startswith(b"\x89PNG")
    bars = axes.patches
    assert bars[0].get_x() == pytest.approx(0.3)
    assert bars[-1].get_x() + bars[-1].get_width() == pytest.approx(float(attribution.score_full[0]), abs=1e-5)
    assert axes.get_yticklabels()[0].get_text() == "mfcc 0 = 10.0"
    assert axes.yaxis_inverted()  # the first step on top
    assert len(waterfall(scene()).axes[0].patches) == 3  # of sounds too; what is absent takes no step


@pytest.mark.parametrize(("make", "files"), [
    (lambda: valued([1.0, 2.0]), {"plot.png", "waterfall.png"}), (scene, {"plot.png"}),
    (lambda: valued([1.0, 2.0], settings={"method": "sobol", "fill": MEAN}), {"plot.png"}),
])  # fmt: skip
def test_a_waterfall_is_written_of_features_whose_values_add_up(make, files, tmp_path):
    write_figures(make(), tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == files


# --- figure and fragment ---------------------------------------------------------------------------------------------


def test_the_figure_has_each_value_beside_its_name_and_the_sound_that_the_model_hears():
    bars, picture = plot(coefficients()).axes
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert "mfcc 0 = 10.0" in names and "mfcc 5 = 15.0" in names
    assert bars.get_title(loc="right") == "24 weaker features are not drawn"
    assert picture.get_xlim()[1] == pytest.approx((59 * 128 + 128) / 8000)  # of 1.5 s


def test_the_fragment_tells_each_value_and_plays_the_strongest_feature():
    fragment = html_fragment(coefficients())
    for name, here in {"mfcc 0": "10.0", "mfcc 5": "15.0"}.items():
        (row,) = re.findall(f"<bdi>{name}</bdi>.*?</tr>", fragment, re.DOTALL)
        assert f"{here} (usually 10.0 ± 2.0)" in row
    assert "24 weaker features are left out" in fragment
    assert fragment.count("<audio") == 3 and "mfcc 0 one standard deviation lower" in fragment
    assert "levels relative" not in fragment and "silent" not in fragment
    assert html_fragment(valued([1.0, 2.0], known=False)).count("<audio") == 1


# --- what the page has room for --------------------------------------------------------------------------------------


def test_the_strongest_are_heard_where_there_is_no_room_for_all(forty):
    length = values.as_heard(forty).audio.numel()
    told = values.voices(forty, room=12 * length)  # the recording, and five coefficients twice
    strongest = forty.values[0].abs().argsort(descending=True)[:5].tolist()
    assert {i for i, one in enumerate(told) if one.sounds} == set(strongest)
    assert all(
        torch.equal(told[i].sounds[key], forty.audible()[i].sounds[key]) for i in strongest for key in ("lower", "higher")
    )
    assert sum(bool(one.sounds) for one in values.voices(forty, room=0)) == 3  # a few whatever the room
    rows = {row["index"]: row["voice"] for row, *_ in values.panel(Case(forty), values.bank(forty, told), told)["folded"]}
    assert rows[39] == {"players": [], "words": "no room for its sound on this page"}
    assert [one.words for one in values.voices(table(), room=0)][6].startswith("no sound of its own")  # centroid


def test_every_feature_of_a_short_clip_is_heard(forty):
    bank = values.bank(forty, values.voices(forty, room=MAX_SAMPLES))
    assert len(bank.tracks) == 81 and bank.sample_rate == 8000 and bank.mixed == 0
    assert all(track.audio.shape == bank.tracks[0].audio.shape for track in bank.tracks)


def test_a_player_is_called_what_one_hears():
    told = (Audible({"lower": torch.zeros(8), "higher": torch.ones(8)}, "clicks", {"lower": "90 BPM"}),)
    attribution = valued([1.0])
    bank = values.bank(attribution, told)
    (row, *_), = values.panel(Case(attribution), bank, told)["shown"]  # fmt: skip
    assert [(one["title"], one["hint"], one["spoken"]) for one in row["voice"]["players"]] == [
        ("−1 SD", "90 BPM", "mfcc 0 one standard deviation lower: 90 BPM"),
        ("+1 SD", "", "mfcc 0 one standard deviation higher"),
    ]


def test_the_recording_is_played_as_the_model_hears_it():
    heard = values.as_heard(coefficients())
    assert heard.sample_rate == 8000 != RATE and heard.audio.shape == (1, 59 * 128 + 128)


def test_silence_is_drawn_dark_and_called_silent(tmp_path):
    attribution = replace(valued([1.0, 2.0]), recording=Recording(torch.zeros(1, RATE), RATE, "nothing.wav"))
    assert (spectrogram.picture(attribution.recording).db == -spectrogram.RANGE_DB).all()
    html = report([attribution], tmp_path / "index.html").read_text()
    assert "as the model hears it, which is silent" in html
    assert html.count("there is nothing to change") == 2 and 'class="play voice"' not in html


def test_windows_are_told_and_heard_as_features(tmp_path):
    made = [valued([1.0, -0.5 * i, 2.0]) for i in range(3)]
    rows = torch.stack([attribution.probabilities for attribution in made])
    windows = Timeline(made, ((0.0, 1.5), (1.5, 3.0), (3.0, 4.5)), rows, made[0].labels, "long.wav")
    html = report_timeline(windows, tmp_path / "index.html").read_text()
    assert html.count('class="play voice"') == 3 * 3 * 2 and html.count('id="track-') == 3 * 7
    assert "What each feature adds to <bdi" in html and "component adds" not in html
