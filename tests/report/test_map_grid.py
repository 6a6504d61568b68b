"""Where the bins of a spectrogram lie, and how a map and its mask are drawn."""

import io
from dataclasses import dataclass

import librosa
import numpy as np
import pytest
import torch
from map_scenes import MEL, RATE, beep, mapped, spectrum_of, tiled

from hearwhy.front_ends import MEL_DB, STFT_DB, LogMel, LogStft, PeakNormalised, Standardised
from hearwhy.front_ends.fbank import Fbank
from hearwhy.front_ends.whisper import WhisperLogMel
from hearwhy.plots import html_fragment, plot
from hearwhy.report import layers
from hearwhy.report.grid import Grid, is_decibel
from hearwhy.spectrum import Masked, Spectrum

MELS = {
    "log_mel": (MEL, RATE),
    "mel_db": (PeakNormalised(MEL_DB), 32_000),
    "whisper": (WhisperLogMel(), RATE),
    "fbank": (Standardised(Fbank(RATE), -4.0, 4.5), RATE),
    "stft": (LogStft(RATE, 512, 256), RATE),
    "from the first sample": (LogMel(RATE, 512, 256, 32, pad=None), RATE),
}


def grid_of(front_end, rate):
    n = front_end.n_frames(rate)
    return Grid.of(Spectrum(torch.zeros(front_end.n_features, n), torch.zeros(1), torch.zeros(1), front_end, rate))


@pytest.mark.parametrize("name", MELS)
def test_a_tone_lies_where_the_grid_says(name):
    front_end, rate = MELS[name]
    time = torch.arange(rate) / rate
    for hz, start in ((1000.0, 0.3), (3300.0, 0.7)):
        tone = torch.sin(2 * torch.pi * hz * time) * ((time >= start) & (time < start + 0.1))
        features = front_end(tone[None])[0]
        grid = grid_of(front_end, rate)
        frame = int(features.amax(0).argmax())
        row = int(features[:, frame].argmax())
        assert grid.edges_hz[row] <= hz * 1.05 and hz * 0.95 <= grid.edges_hz[row + 1], "frequency"
        assert start - 0.02 <= grid.edges_s[frame] and grid.edges_s[frame + 1] <= start + 0.12, "time"


def test_mel_rows_are_those_of_librosa_and_stft_rows_evenly_apart():
    grid = grid_of(MEL, RATE)
    centres = librosa.mel_frequencies(n_mels=34, fmin=0, fmax=8000)[1:-1]
    assert ((grid.edges_hz[:-1] < centres) & (centres < grid.edges_hz[1:])).all() and len(grid.edges_hz) == 33
    stft = grid_of(STFT_DB, RATE)
    assert stft.edges_hz[[0, 1, -1]] == pytest.approx([0, 15.625, 8000]) and stft.duration_s == 1.0
    assert [hz for _, hz in stft.ticks] == [500, 2000, 5000]
    assert {hz: height for height, hz in stft.ticks}[2000] == pytest.approx(0.25, abs=0.01)


def test_a_place_is_told_with_as_many_digits_as_it_means():
    grid, inside = grid_of(MEL, RATE), torch.zeros(32, 63, dtype=torch.bool)
    inside[13:20, 25:38] = True
    assert grid.place(inside) == "0.39-0.60 s, 1300-2500 Hz"  # 24.5 and 37.5 hops of 16 ms
    assert grid.place(torch.ones(32, 63)) == "0.0-1.0 s, 0-8000 Hz"


def test_a_front_end_that_tells_no_frequencies_has_rows():
    @dataclass(frozen=True)
    class Own:
        sample_rate: int = RATE
        n_features: int = 12

        def n_frames(self, n_samples):
            return 10

    grid = grid_of(Own(), RATE)
    assert grid.ticks == () and grid.edges_s == pytest.approx(np.linspace(0, 1, 11))
    inside = torch.zeros(12, 10)
    inside[2:5, 3:6] = 1
    assert grid.place(inside) == "0.3-0.6 s, rows 3-5"


def test_what_fills_up_to_a_length_of_its_own_has_a_longer_axis():
    assert grid_of(Fbank(RATE, n_frames_fixed=300), RATE).duration_s > 3.0


def test_decibels_are_told_from_other_steps():
    assert is_decibel(PeakNormalised(MEL)) and is_decibel(STFT_DB)
    assert not is_decibel(Standardised(MEL, 0.0, 20.0)) and not is_decibel(WhisperLogMel())


def opacity(png):
    from matplotlib import image

    return image.imread(io.BytesIO(png))[..., -1]


def test_layers_are_as_opaque_as_values_are_large_and_the_highest_row_is_on_top():
    values = torch.zeros(20, 30)
    values[2], values[15, 3:12] = 1.0, -4.0
    drawn = layers.layers(values, Masked("binary", 0, (values > 0).float(), torch.rand(5, 3)))
    assert drawn.full == pytest.approx(4.0) and drawn.signs == (True, True)
    positive, negative, cover = opacity(drawn.positive), opacity(drawn.negative), opacity(drawn.cover)
    assert positive[17] == pytest.approx(0.25, abs=0.003) and positive[:17].max() == 0
    assert negative[4, 3:12] == pytest.approx(1.0) and negative.sum() == pytest.approx(9)
    assert cover[17].max() == 0 and cover[:17].min() == 1


def test_few_extreme_bins_do_not_pale_the_rest_and_a_flat_map_is_drawn_as_nothing():
    values = torch.ones(20, 30)
    values[0, 0] = 1000.0
    assert layers.layers(values, None).full == 1.0
    flat = layers.layers(torch.zeros(20, 30), None)
    assert opacity(flat.positive).max() == 0 and flat.signs == (False, False) and flat.cover is None


def test_a_long_map_keeps_its_short_events():
    values = torch.zeros(4, 5000)
    values[1, 2501], values[2, 10] = 3.0, -2.0
    drawn = layers.layers(values, Masked("binary", 0, (values > 0).float(), torch.rand(5, 3)))
    positive = opacity(drawn.positive)
    assert positive.shape == (4, 1250) and positive[2, 2501 // 4] == 1 and opacity(drawn.negative)[1, 2] > 0
    assert opacity(drawn.cover)[2, 2501 // 4] == pytest.approx(0.75, abs=0.01)
    recording = beep()
    ground = layers.ground(spectrum_of(recording), grid_of(MEL, RATE))
    assert ground.left == pytest.approx(-0.8) and ground.width == pytest.approx(63 * 256 / 160)
    assert opacity(ground.stencil)[31 - 17, 31] > 0.9 > opacity(ground.stencil)[31 - 17, 5]


@pytest.mark.parametrize("attribution", [mapped(), tiled(), mapped(line="minmax"), mapped(line=None),
                                         mapped(values=torch.zeros(32, 63), line="top_k_pos(k=0.3)")])  # fmt: skip
def test_a_map_can_be_plotted(attribution, tmp_path):
    figure = plot(attribution, path=tmp_path / "plot.png")
    picture, bar = figure.axes
    assert picture.get_xlim() == (0, 1) and picture.get_ylim() == (0, 32)
    assert [label.get_text() for label in picture.get_yticklabels()] == ["200", "500", "1000", "2000", "5000"]
    assert bar.get_ylabel().startswith("for beep (lo")
    assert bar.get_ylim()[0] == -bar.get_ylim()[1]


def test_the_plot_lays_colours_where_the_values_are():
    picture = plot(mapped()).axes[0]
    grey, positive, negative = (image.get_array() for image in picture.images)
    assert grey.shape == (32, 63) and positive[15, 30, 3] == pytest.approx(0.8) and positive[15, 5, 3] == 0
    assert negative[1, 5, 3] == pytest.approx(0.4) and negative[15, 30, 3] == 0
    assert picture.get_title(loc="right") == "inside the line: threshold_pos(tau=0.5)"


def test_a_scattered_mask_is_not_outlined_and_an_empty_one_said_to_be():
    noise = torch.randn(32, 63, generator=torch.Generator().manual_seed(0))
    axes = plot(mapped(values=noise, line="top_k(k=0.3)")).axes[0]
    assert "too scattered" in axes.get_title(loc="right")
    empty = plot(mapped(values=torch.zeros(32, 63), line="top_k_pos(k=0.3)")).axes[0]
    assert empty.get_title(loc="right") == "top_k_pos(k=0.3) keeps nothing"


def test_the_fragment_holds_the_picture_the_sounds_and_no_bin_by_name():
    html = html_fragment(mapped())
    assert html.count("<audio") == 3 and "data:image/png;base64," in html and "<table" not in html and "bin 1" not in html
    assert "What the mask keeps" in html and len(html) < 2_000_000 and "<script" not in html
    cells = html_fragment(tiled())
    assert "0.0-0.5 s, 3600-8000 Hz" in cells and "12 %" in cells and cells.count("<tr") == 8
