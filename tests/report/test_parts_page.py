"""Parts split again, what was added, products and what acts together: in words, and in Chromium as a reader sees it."""

from dataclasses import replace

import pytest
import torch
from report_scenes import additive, band, masks, scene
from test_interactions_page import together

from hearwhy.parents import Added, Parents
from hearwhy.report import report, summarise

WEIGHTS = (0.9, 3.6, 1.0, -2.4)
NAMES = ("bass", "drums / 0-200 Hz", "drums / 200-8000 Hz", "piano")


def split(*, as_one: float = 4.6, **changes):
    """Drums split in two, worth 3.6 and 1.0."""
    made = scene(WEIGHTS, names=NAMES, absent=(), **changes)
    answer = additive(WEIGHTS, 0.3)
    without = answer(torch.tensor([[0, 1, 1, 1], [1, 0, 0, 1], [1, 1, 1, 0]]).double()).float()
    parents = Parents(("bass", "drums", "piano"), (0, 1, 1, 2), torch.tensor([[0.9, as_one, -2.4]]), without)
    return replace(made, parents=parents)


def supposed(weights=(0.9, 4.6, -2.4, 0.0), *, targets=("guitar",), **changes):
    """A song without drums, and drums added to it."""
    made = scene(weights, names=("bass", "added drums", "piano", "strings"), title="song with drums added", **changes)
    alone = additive(weights, 0.3)(masks(4)[[0b1101]])[0].float()
    history = ("added drums: drums.flac, -2.9 dB beside the recording",)
    return replace(made, added=Added(("drums",), (1,), alone), recording=replace(made.recording, history=history),
                   targets=targets)  # fmt: skip


def verdict(attribution, **settings):
    return summarise(replace(attribution, settings={**attribution.settings, "n_windows": 1, **settings}))["verdict"]


def texts(attribution, kind):
    found = summarise(attribution)
    return [(c["severity"], c["text"]) for c in (*found["caveats"], *found["passed"]) if c["kind"] == kind]


# --- split again ------------------------------------------------------------------------------------------------------


def test_the_verdict_names_the_part_and_then_the_piece():
    assert verdict(split()) == (
        "The model says guitar, 0.97. Most of it comes from drums: without drums it says piano, 0.77. "
        "Within drums, most comes from 0-200 Hz."
    )
    assert summarise(split())["prediction"]["without_first"]["component"] == "drums"


def test_pieces_that_cannot_be_told_apart_are_not_ranked():
    sampled = replace(split(), values=torch.tensor([[0.9, 2.4, 2.2, -2.4]]), stderr=torch.full((1, 4), 0.3))
    assert verdict(sampled).endswith("Within drums, 0-200 Hz or 200-8000 Hz counts most.")


def test_whether_pieces_sum_to_the_part_is_told():
    assert texts(split(), "pieces") == [("passed", "The pieces of drums sum to what it adds as one: +4.60.")]
    apart = split(as_one=5.6)
    (told,) = texts(apart, "pieces")
    assert told[0] == "note"
    assert told[1].startswith("The pieces of drums sum to +4.60, but as one it adds +5.60: with shapley every piece is")
    assert summarise(apart)["parents"][1] == {
        "name": "drums", "value": pytest.approx(5.6), "sum": pytest.approx(4.6), "pieces": list(NAMES[1:3])
    }  # fmt: skip
    assert summarise(scene())["parents"] is None


def test_a_piece_says_whose_it_is():
    assert [row["parent"] for row in summarise(split())["components"]] == ["bass", "drums", "drums", "piano"]
    assert [row["parent"] for row in summarise(scene())["components"]] == [None] * 4


# --- added ------------------------------------------------------------------------------------------------------------


def test_what_is_said_as_it_is_and_what_would_be_said():
    assert verdict(supposed()) == (
        "The model says piano, 0.77. If drums were added, it would say guitar (0.23 → 0.97). "
        "Most of it comes from added drums, which the recording does not have."
    )


def test_where_nothing_changes_that_is_said():
    same = verdict(supposed((3.0, 0.4, -1.0, 0.0)))
    assert same.startswith("The model says guitar, 0.91. If drums were added, it would still say guitar (0.91 → 0.94).")
    other = verdict(supposed((0.2, 0.4, -3.0, 0.0)))
    assert "it would still say piano, 0.89; guitar, which is explained here, would get 0.11 (now 0.08)." in other


def test_what_if_of_a_contrast_and_of_labels_that_do_not_exclude_each_other():
    contrast = verdict(supposed(targets=("guitar - piano",)))
    assert contrast.startswith("The model gives guitar 0.23 and piano 0.77. If drums were added, it would be 0.97 and 0.03.")
    several = verdict(supposed(), activation="sigmoid")
    assert several.startswith("The model hears guitar with 0.23. If drums were added, it would be 0.97.")


def test_what_was_added_is_labelled_and_told():
    found = summarise(supposed())
    assert [row["added"] for row in found["components"]] == [False, True, False, False]
    assert texts(supposed(), "added") == [
        ("note", "Not in the recording, but mixed in to ask what if: drums: drums.flac, -2.9 dB beside the recording.")
    ]
    assert found["prediction"]["without_added"][0]["label"] == "piano"
    assert found["prediction"]["as_is"][0]["label"] == "guitar"
    assert "without_first" not in found["prediction"]  # it would be the recording as it is


# --- why not ----------------------------------------------------------------------------------------------------------


def test_a_contrast_that_was_lost_is_answered_by_what_decided_it():
    lost = replace(scene([0.9, 2.6, -6.0, 0.0]), targets=("guitar - piano",))
    assert verdict(lost) == (
        "The model gives guitar 0.10 and piano 0.90. What speaks most for piano instead is piano: without piano it is "
        "guitar 0.98 and piano 0.02. What speaks most for guitar is drums."
    )
    none = replace(scene([0.01, 0.02, -6.0, 0.0]), targets=("guitar - piano",))
    assert verdict(none).endswith("Nothing here speaks for guitar.")


def test_where_what_is_missing_may_be_the_reason_that_is_said():
    bare = replace(scene([0.01, 0.02, -0.3, 0.0], bias=-4.0), targets=("guitar - piano",))
    assert verdict(bare).endswith("Nothing present decides it: with everything removed it is guitar 0.02 and piano 0.98.")
    assert texts(bare, "missing")[0][1].startswith("What speaks for guitar may be missing from the recording: --add NAME=FILE")
    assert not texts(replace(scene(), targets=("guitar - piano",)), "missing")


# --- the page ---------------------------------------------------------------------------------------------------------


def crossed():
    names = tuple(f"{a} / {b}" for a in ("drums", "piano") for b in ("0.00-0.50 s", "0.50-1.00 s"))
    made = scene(WEIGHTS, names=names, absent=(3,))
    return replace(made, shape=(2, 2), values=made.values.reshape(1, 2, 2))


def eight():
    names = ("bass", "drums", "a very long name of a part", "strings", "voice", "organ", "reed", "brass")
    return together({(i, j): (-1) ** (i + j) * (1.5 - 0.1 * i - 0.1 * j) for i in range(8) for j in range(i)},
                    weights=[2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.8, 0.6], names=names, parts=band(n=8), absent=())  # fmt: skip


PAGES = {"split": split, "apart": lambda: split(as_one=5.6), "supposed": supposed, "crossed": crossed, "eight": eight}


@pytest.fixture
def visit(watched, tmp_path):
    """Open a page; whatever goes wrong on it fails the test."""
    return lambda name, width=1180: watched(report([PAGES[name]()], tmp_path / f"{name}.html"), width=width)


def chosen(page):
    return page.evaluate("[...hearwhy.banks[0].chosen].sort()")


@pytest.mark.browser
def test_pieces_stand_under_their_part_which_plays_them_together(visit):
    page = visit("split")
    labels = page.locator(".panel .row:not(.header) .label bdi").all_inner_texts()
    assert labels == ["drums", "0-200 Hz", "200-8000 Hz", "bass", "piano"]
    whole, first = page.locator(".row.whole"), page.locator(".row.piece").first
    assert whole.locator(".value").inner_text() == "+4.60"
    assert whole.locator(".switch").count() == 0
    assert first.locator(".label bdi").bounding_box()["x"] > whole.locator(".label bdi").bounding_box()["x"] + 10
    whole.locator(".play").click()
    assert chosen(page) == [1, 2]
    assert page.locator(".row.whole rect").evaluate("bar => getComputedStyle(bar).fillOpacity") == "0.16"


@pytest.mark.browser
def test_a_part_that_its_pieces_do_not_sum_to_says_so(visit):
    assert visit("apart").locator(".row.whole .value").inner_text().split() == ["+5.60", "pieces", "+4.60"]


@pytest.mark.browser
def test_what_was_added_is_labelled_and_can_be_heard_with_and_without(visit):
    page = visit("supposed")
    row = page.locator(".row", has_text="added drums")
    assert "not in the recording" in row.inner_text()
    assert page.locator(".tag", has_text="not in the recording").count() == 1
    page.get_by_role("button", name="Play: The recording as it is").click()
    assert chosen(page) == [0, 2, 3]
    assert page.locator(".headline").inner_text() == "piano 0.77"
    page.get_by_role("button", name="Play: With drums added").click()
    assert chosen(page) == [0, 1, 2, 3]
    assert page.locator(".headline").inner_text() == "guitar 0.97"
    titles = page.locator(".predictions h3").all_inner_texts()
    assert titles == ["As it is", "With drums added", "Everything removed"]


@pytest.mark.browser
def test_a_product_is_a_table_with_sums(visit):
    page = visit("crossed")
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator(".crossed tr").all()]
    assert rows[0][1:] == ["0.00-0.50 s", "0.50-1.00 s", "sum"]
    assert [[text.strip() for text in row] for row in rows[1:]] == [
        ["drums", "+0.90", "+3.60", "+4.50"], ["piano", "+1.00", "·", "−1.40"], ["sum", "+1.90", "+1.20", ""]
    ]  # fmt: skip


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 1180])
def test_the_matrix_of_eight_can_be_read(visit, width):
    page = visit("eight", width)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    names = page.locator(".pairs th bdi").all_inner_texts()
    assert names == sorted(PAGES["eight"]().names, key=list(PAGES["eight"]().names).index)
    assert page.locator(".pairs .cell").count() == 28
    assert page.locator(".pairs tr").nth(1).locator(".cell .number").inner_text() == "−1.4"
    for cell in page.locator(".pairs .cell").all():  # a number lies within its cell
        box, number = cell.bounding_box(), cell.locator(".number").bounding_box()
        assert number["x"] >= box["x"] - 1 and number["x"] + number["width"] <= box["x"] + box["width"] + 1
        assert number["height"] < 24  # one line
    last = page.locator(".pairs th bdi").last.bounding_box()
    assert last["x"] + last["width"] <= width


@pytest.mark.browser
def test_a_table_that_is_too_wide_scrolls_by_itself(visit):
    page = visit("crossed", 320)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- values without a sign --------------------------------------------------------------------------------------------


def test_values_without_a_sign_never_speak_for_or_against(tmp_path):
    shares = replace(scene(), values=torch.tensor([[0.1, 0.7, 0.3, 0.0]]), settings={**scene().settings, "method": "sobol"})
    assert verdict(shares).endswith("What matters most for guitar is drums: without drums it says piano, 0.77.")
    assert texts(shares, "unsigned")[0][0] == "note"
    html = report([shares], tmp_path / "page.html").read_text()
    assert html.count("speaks") == 1  # in the note that says that they do not tell it
    assert "+0.70" not in html
    assert not texts(scene(), "unsigned")
