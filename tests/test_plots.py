"""Figures and notebook fragments."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent / "report"))  # report_scenes.py
from report_scenes import SCENES, evil, scene, tiled, troubled

from hearwhy.plots import html_fragment, plot
from hearwhy.types import Recording


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_can_be_drawn(name, tmp_path):
    for attribution in SCENES[name]():
        figure = plot(attribution, path=tmp_path / "new" / "plot.png")
        assert len(figure.axes) == 2
        assert (tmp_path / "new" / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_bars_are_as_long_as_the_values_and_the_most_positive_is_on_top():
    figure = plot(troubled())
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["strings (absent)", "piano", "bass", "drums"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([0.0, -2.4, 0.9, 4.6])


def test_intervals_are_drawn_where_something_was_sampled():
    assert len(plot(troubled()).axes[0].containers) == 1 + 3  # the bars, and one for each present component
    assert len(plot(scene()).axes[0].containers) == 1


def test_no_global_state_changes(monkeypatch):
    before = dict(matplotlib.rcParams)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plot(scene())
    assert "matplotlib.pyplot" not in sys.modules
    assert dict(matplotlib.rcParams) == before


def test_names_are_not_read_as_formulas(tmp_path):
    attribution = scene(names=("$\\frac{1}$", "$x", "a_b", "50 %"))
    plot(attribution, path=tmp_path / "plot.png")
    assert "$\\frac{1}$" in [label.get_text() for label in plot(attribution).axes[0].get_yticklabels()]


def test_what_is_not_drawn_is_counted():
    assert "16 weaker components are not drawn" in plot(tiled()).axes[0].get_title(loc="right")


def test_the_fragment_says_the_verdict_and_plays_the_recording():
    fragment = html_fragment(troubled())
    assert re.search(r"Most of it comes from <bdi[^>]*>drums</bdi>", fragment)
    assert 'src="data:audio/flac;base64,' in fragment
    assert "<script" not in fragment and len(fragment) < 2_000_000
    assert scene()._repr_html_() == html_fragment(scene())


def test_the_fragment_leaves_out_sound_that_is_too_long():
    long = replace(scene(), recording=Recording(torch.zeros(1, 800_000) + 0.1, 16_000))
    fragment = html_fragment(long)
    assert "<audio" not in fragment and "too long to be embedded" in fragment


def test_names_in_the_fragment_are_escaped():
    fragment = html_fragment(evil())
    assert "<img" not in fragment and "<script" not in fragment and "&lt;img src=x onerror" in fragment
