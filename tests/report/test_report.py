"""The file that the report writes: self-contained, escaped, no larger than need be, whole or not at all."""

import base64
import io
import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
import torch
from report_scenes import LABELS, RATE, SCENES, additive, band, evil, scene, tiled, troubled

import hearwhy
from hearwhy.report import html, sound, spectrogram
from hearwhy.report.bars import axis
from hearwhy.types import Recording


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def tracks_of(page, bank=0):
    found = re.findall(rf'<script type="text/plain" id="track-{bank}-\d+">(.*?)</script>', page, re.S)
    return [soundfile.read(io.BytesIO(base64.b64decode(track)), always_2d=True)[0].T for track in found]


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def pages():
    return {name: html.page(make()) for name, make in SCENES.items()}


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_fetched_and_no_handler_or_style_stands_in_an_attribute(pages, name):
    for tag, attributes in Elements(pages[name]).found:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert not {"src", "href", "style"} & set(attributes), (tag, attributes)
        assert not [key for key in attributes if key.startswith("on")]
    assert "@import" not in pages[name] and "url(h" not in pages[name]


def test_the_policy_allows_only_this_script_and_this_style(pages):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', pages["one"])[1].replace("&#39;", "'")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy and "connect" not in policy
    for kind, element in (("script-src", "<script>"), ("style-src", "<style>")):
        text = re.search(rf"{element}(.*?)</{element[1:]}", pages["one"], re.S)[1]
        assert html._hash(text) in re.search(rf"{kind} ([^;]*)", policy)[1]


def test_names_stay_text(pages):
    tags = [tag for tag, _ in Elements(pages["evil"]).found]
    assert tags.count("img") == 0 and tags.count("b") == len(re.findall("<b>", html.page([scene()])))
    assert tags.count("script") == [tag for tag, _ in Elements(pages["one"]).found].count("script")
    assert data_of(pages["evil"])["cases"][0]["names"] == list(evil().names)


def test_json_is_safe_inside_a_script_element():
    text = html.safe_json({"</script>\u2028<!--": "&"})
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"</script>\u2028<!--": "&"}


def test_the_same_song_is_embedded_once_for_three_models(pages):
    data = data_of(pages["three"])
    assert len(data["banks"]) == 1 and [case["bank"] for case in data["cases"]] == [0, 0, 0]
    assert len(tracks_of(pages["three"])) == 4


def test_every_answer_is_on_the_page(pages):
    case = data_of(pages["one"])["cases"][0]
    assert case["labels"] == list(LABELS)
    np.testing.assert_allclose(case["answers"], scene().answers, atol=5.1e-6)  # written with five decimals


def test_tracks_are_the_components_at_their_own_levels(pages):
    attribution, tracks = scene(), tracks_of(pages["one"])
    gain = data_of(pages["one"])["banks"][0]["gain"]
    for track, part in zip(tracks, attribution.parts, strict=True):
        # half a step of 16 bits, and float32's rounding of the product
        assert np.abs(track - gain * part.numpy()).max() <= 0.5 / 2**15 + 1e-7


def test_no_mix_clips():
    parts = torch.stack([band(0.5)[1], -2 * band(0.5)[1], 5 * band(0.5)[0]])
    bank = sound.Bank(tuple(sound.Track(str(i), part) for i, part in enumerate(parts)), RATE, 3, 1.0)
    gain = sound.common_gain(bank)
    loudest = max((parts[list(kept)].sum(0) * gain).abs().max() for kept in ([0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]))
    assert loudest == pytest.approx(0.999, rel=1e-5)


def test_levels_of_any_mix_follow_from_the_gram_matrix(pages):
    attribution, products = scene(), np.array(data_of(pages["one"])["banks"][0]["gram"])
    kept = np.array([1, 0, 1, 0])
    mix = attribution.parts[[0, 2]].sum(0).double()
    truth = float(mix.square().mean() / attribution.recording.audio.double().square().mean())
    assert kept @ products @ kept == pytest.approx(truth, rel=1e-9)


def test_a_recording_that_its_components_miss_has_a_track_of_its_own(pages):
    assert data_of(pages["troubled"])["banks"][0]["tracks"] == ["0", "1", "2", "3", "recording"]
    assert data_of(pages["one"])["banks"][0]["tracks"] == ["0", "1", "2", "3"]


def test_many_components_get_players_for_the_strongest_and_words_for_the_rest(pages):
    bank = data_of(pages["tiles"])["banks"][0]
    assert bank["mixed"] == 0 and len(bank["tracks"]) == 1 + 12 + 3
    assert 'role="switch" class="switch"' not in pages["tiles"]
    assert "too many for the model to have answered every mix" in pages["tiles"]
    assert "20 weaker components" in pages["tiles"]


def test_without_sound_the_answers_stay():
    silent = replace(scene(), sounds=lambda: None)
    data = data_of(html.page([silent]))
    assert data["banks"][0]["tracks"] == ["recording"] and len(data["cases"][0]["answers"]) == 16


@pytest.mark.parametrize(
    ("channels", "rate", "seconds", "expected"),
    [
        (1, 16_000, 10, (1, 16_000, ())),
        (2, 44_100, 200, (1, 11_025, ("averaged to mono", "resampled to 11025 Hz"))),
        (6, 48_000, 1, (1, 48_000, ("6 channels averaged to mono",))),
        (1, 4_000, 2, (1, 8_000, ("resampled to 8000 Hz",))),
        (1, 192_000, 1, (1, 48_000, ("resampled to 48000 Hz",))),
    ],
)
def test_sound_is_made_to_fit_and_each_step_is_noted(channels, rate, seconds, expected):
    audio = torch.zeros(channels, rate * seconds)
    tracks = tuple(sound.Track(str(i), audio) for i in range(4))
    fitted = sound.fit([sound.Bank(tracks, rate, 4, 1.0)])[0]
    assert (fitted.tracks[0].audio.shape[0], fitted.sample_rate, fitted.notes) == expected
    assert fitted.n_samples <= sound.MAX_SAMPLES


def test_what_no_rate_makes_small_enough_is_cut(monkeypatch):
    monkeypatch.setattr(sound, "MAX_SAMPLES", 4_000)
    bank = sound.fit([sound.Bank((sound.Track("0", torch.zeros(1, 8_000)),), 8_000, 1, 1.0)])[0]
    assert bank.tracks[0].audio.shape == (1, 4_000) and bank.notes == ("cut to the first 0.5 s",)


def test_what_was_done_to_the_sound_is_said(monkeypatch):
    monkeypatch.setattr(sound, "MAX_SAMPLES", 150_000)
    assert "11.025 kHz, mono, 16 bit, for this page resampled to 11025 Hz" not in html.page([scene()])
    assert "8 kHz, mono, 16 bit, for this page resampled to 8000 Hz" in html.page([scene()])


def test_panels_are_named_by_what_sets_them_apart():
    apart = html.page([scene(), scene(settings={"components": "bands:4"})])
    tabs = re.findall(r'role="tab" id="tab-\d"[^>]*><bdi>(.*?)</bdi>', apart)
    assert tabs == ["sources:stems=stems", "bands:4"]


def test_many_labels_keep_those_that_are_ever_said():
    attribution = scene()
    labels = ("guitar", *(f"label {i}" for i in range(400)), "piano")
    wide = torch.zeros(16, len(labels))
    wide[:, 0], wide[:, -1] = attribution.answers.T
    page = html.page([replace(attribution, labels=labels, answers=wide, probabilities=wide[-1], removed=wide[0],
                              without=wide[[14, 13, 11, 7]])])  # fmt: skip
    kept = data_of(page)["cases"][0]["labels"]
    assert kept[:2] == ["guitar", "piano"] and len(kept) == 6


def test_a_panel_for_each_target_up_to_sixty_and_the_others_are_named():
    attribution = scene()
    labels = tuple(f"label {i}" for i in range(64))
    p = torch.full((64,), 1 / 64)
    many = {"targets": labels, "labels": labels, "values": attribution.values.repeat(64, 1), "base": torch.zeros(64)}
    scores = {"score_full": torch.ones(64), "score_base": torch.zeros(64), "fidelity": (0.9,) * 64}
    asked = {"probabilities": p, "removed": p, "without": p.repeat(4, 1), "answers": p.repeat(16, 1)}
    wide = replace(attribution, **many, **scores, **asked, interaction_share=(0.1,) * 64, level_check=None, second_fill=None)
    page = html.page([wide])
    assert page.count('class="panel') == 60 and "There was no room for 4 more: label 60" in page
    assert '<select id="choose">' in page


def test_it_is_written_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "index.html"
    assert hearwhy.report([scene()], target) == target
    before = target.read_text()
    with pytest.raises(ValueError, match="float values are not JSON compliant"):
        hearwhy.report([scene(settings={"n_windows": 1}, probabilities=torch.tensor([float("nan"), 0.5]))], target)
    assert target.read_text() == before and [path.name for path in target.parent.iterdir()] == ["index.html"]


def test_bad_requests_are_named(tmp_path):
    with pytest.raises(ValueError, match="at least one attribution; got none"):
        hearwhy.report([], tmp_path / "index.html")
    with pytest.raises(ValueError, match="is a folder; give the file to write, such as"):
        hearwhy.report([scene()], tmp_path)


def test_the_picture_is_a_png_of_the_spectrogram():
    picture = spectrogram.picture(scene().recording)
    assert picture.db.shape[0] == 96 and picture.db.shape[1] <= 800
    assert picture.db.max() == 0 and picture.db.min() >= -80
    data = spectrogram.png(picture)
    width, height = (int.from_bytes(data[at : at + 4]) for at in (16, 20))
    assert (height, width) == picture.db.shape
    body = data[data.index(b"IDAT") + 4 :]
    rows = np.frombuffer(zlib.decompressobj().decompress(body), np.uint8).reshape(height, width + 1)
    assert (rows[:, 0] == 0).all() and (rows[0, 1:] == np.round((picture.db[-1] / 80 + 1) * 255)).all()


@pytest.mark.parametrize("rate", [2_000, 8_000, 11_025, 44_100, 192_000])
def test_a_tone_stands_at_its_own_frequency(rate):
    hertz = rate / 8
    time = torch.arange(rate * 2) / rate
    picture = spectrogram.picture(Recording(torch.sin(2 * torch.pi * hertz * time)[None], rate))
    peak = int(picture.db.mean(axis=1).argmax()) / picture.db.shape[0]
    below = max((height for height, tick in picture.ticks if tick <= hertz), default=0)
    above = min((height for height, tick in picture.ticks if tick > hertz), default=1)
    assert below - 0.03 <= peak <= above + 0.03  # a filter is 1/96 of the height; its neighbours may tie


@pytest.mark.parametrize("samples", [1, 100, 8_000 * 400])
def test_short_and_long_recordings_have_a_picture(samples):
    picture = spectrogram.picture(Recording(torch.ones(1, samples), 8_000))
    assert 1 <= picture.db.shape[1] <= 800


def test_the_axis_holds_zero_and_every_interval():
    rows = [{"value": 2.0, "ci95": [1.0, 3.0]}, {"value": -0.5, "ci95": None}]
    scale = axis(rows)
    assert scale.low < -0.5 and scale.high > 3
    assert scale.bar(rows[1]).x + scale.bar(rows[1]).width == pytest.approx(scale.percent(0), abs=0.002)  # rounded to 0.001 %
    assert [text for _, text in scale.ticks] == ["0", "1", "2", "3"]
    assert axis([{"value": 0.0, "ci95": None}]).percent(0) == 50


def test_the_scene_is_what_it_says():
    assert troubled().settings["gap_db"] == -32 and len(tiled().names) == 32
    assert float(additive([1.0])(torch.ones(1, 1).double())[0, 0]) == pytest.approx(0.731, abs=5e-4)


def test_windows_of_one_file_are_told_apart_by_their_times():
    from hearwhy.report.words import shared_start

    assert shared_start(["my song.mp3 0.00-2.99 s", "my song.mp3 2.99-5.98 s"]) == "my song.mp3 "
    assert shared_start(["my song.mp3 0.00-2.99 s"]) == ""
    assert shared_start(["a.wav", "b.wav"]) == ""
    assert shared_start(["same", "same"]) == ""
