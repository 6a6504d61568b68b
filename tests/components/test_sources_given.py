"""True sources that are given beside a spec: what `sources:stems` without a folder stands for."""

import pytest
import torch

from hearwhy import Recording
from hearwhy.components import asks_for_stems, components
from toys import RATE, noise


@pytest.fixture
def song():
    stems = {name: noise(seed=i) for i, name in enumerate(("drums", "bass"))}
    return Recording(sum(stems.values()), RATE), stems


def test_given_sources_are_what_the_spec_means_in_products_and_split_again(song):
    recording, stems = song
    made = components("sources:stems", recording, stems=stems)
    assert made.names == ("drums", "bass") and torch.equal(made.audio, torch.stack(list(stems.values())))
    halves = components("sources:stems * segments:2", recording, stems=stems)
    assert halves.shape == (2, 2) and torch.allclose(halves.audio.sum(0), recording.audio, atol=1e-6)
    pieces = components("sources:stems / drums:bands:3", recording, stems=stems)
    assert pieces.names[-1] == "bass" and torch.allclose(pieces.audio[:-1].sum(0), stems["drums"], atol=1e-6)


def test_what_they_miss_is_a_part_or_left_out(song):
    recording, stems = song
    only = {"drums": stems["drums"]}
    assert components("sources:stems", recording, stems=only).names == ("drums", "residual")
    assert components("sources:stems,residual=drop", recording, stems=only).names == ("drums",)


def test_a_folder_is_still_a_folder_and_without_sources_one_is_asked_for(song):
    recording, stems = song
    with pytest.raises(FileNotFoundError, match="There is no folder nowhere"):
        components("sources:stems=nowhere", recording, stems=stems)
    with pytest.raises(ValueError, match="stems needs an argument, as in sources:stems=DIR"):
        components("sources:stems", recording)


def test_which_specs_ask_for_them():
    asking = ("sources:stems", "sources:stems,residual=drop", "segments:2 * sources:stems", "sources:stems / drums:bands:2")
    assert all(map(asks_for_stems, asking))
    assert not any(map(asks_for_stems, ("sources:stems=DIR", "sources:hpss", "segments:4 * bands:2")))
