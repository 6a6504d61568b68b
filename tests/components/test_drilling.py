"""Splitting one part again: its pieces stand in its place, sum to it, share its fill, and say whose they are."""

import pytest
import torch

from hearwhy import Recording, audio
from hearwhy.components import components, drilled, is_drilled, segments, with_fill
from toys import noise, noisy, tone


@pytest.fixture
def stems(tmp_path):
    """Two stems that add up to the recording, and the recording."""
    waves = {"bass": tone(440)[None], "drums": tone(2000)[None] + noise(gain=0.05)}
    for name, wave in waves.items():
        audio.write(Recording(wave, 8000), tmp_path / f"{name}.wav")
    return f"sources:stems={tmp_path}", Recording(sum(waves.values()), 8000, "song")


def test_the_pieces_stand_in_the_place_of_the_part_and_are_called_after_it(stems):
    spec, recording = stems
    parts = components(f"{spec} / bass:segments:2", recording)
    assert parts.names == ("bass / 0.00-0.50 s", "bass / 0.50-1.00 s", "drums")
    assert parts.parents == ("bass", "bass", "drums")
    assert parts.groups == (0, 0, 1)
    assert parts.shape == (3,)
    assert parts.spec == f"{spec} / bass:segments:2"
    assert components(spec, recording).groups is None


@pytest.mark.parametrize("how", ["bands:4", "segments:3", "tiles:2x3", "sources:hpss", "sources:hpss * segments:2"])
def test_the_pieces_sum_to_the_part_and_the_others_stay_to_the_bit(stems, how):
    spec, recording = stems
    before, after = components(spec, recording), components(f"{spec} / drums:{how}", recording)
    pieces = after.audio[[parent == "drums" for parent in after.parents]]
    assert torch.equal(after.audio[0], before.audio[0])
    # float32 sums, and 24 bits in the stem's file
    assert audio.level_db(pieces.sum(dim=0) - before.audio[1]) - audio.level_db(before.audio[1]) < -110
    assert len(pieces) > 1


@pytest.mark.parametrize("how", ["bands:4", "sources:hpss"])
def test_the_pieces_share_what_stands_in_for_the_part(stems, how):
    spec, recording = stems
    before, after = (with_fill(components(s, recording), "noise") for s in (spec, f"{spec} / drums:{how}"))
    mine = torch.tensor([parent == "drums" for parent in after.parents])
    whole, split = (parts.mix(mask[None])[0, 0] for parts, mask in ((before, torch.tensor([True, False])), (after, ~mine)))
    assert torch.allclose(whole, split, atol=1e-6)  # without drums: the same sound, split again or not; float32 sums
    filled_first = drilled(before, "drums", lambda part: components(how, part))
    assert torch.allclose(filled_first.mix(~mine[None]), after.mix(~mine[None]), atol=1e-6)


def test_several_parts_and_pieces_of_pieces_are_split_one_after_the_other(stems):
    spec, recording = stems
    parts = components(f"{spec} / drums:segments:2 / drums / 0.00-0.50 s:sources:hpss / bass:segments:2", recording)
    assert parts.names == (
        "bass / 0.00-0.50 s", "bass / 0.50-1.00 s", "drums / 0.00-0.50 s / harmonic", "drums / 0.00-0.50 s / percussive",
        "drums / 0.50-1.00 s",
    )  # fmt: skip
    assert parts.parents == ("bass", "bass", "drums", "drums", "drums")


def test_a_cell_of_a_product_is_split_again():
    parts = components("bands:2 * segments:2 / 20-4000 Hz / 0.00-0.50 s:segments:2", noisy())
    assert parts.names[2:4] == tuple(f"20-4000 Hz / 0.00-0.50 s / {span} s" for span in ("0.00-0.50", "0.50-1.00"))
    assert parts.linear


def test_a_separation_of_a_part_is_not_made_anew_from_the_recording(stems):
    spec, recording = stems
    assert not components(f"{spec} / drums:bands:2", recording).linear


def test_whether_a_spec_splits_again_is_known_before_it_is_made():
    assert is_drilled("sources:stems=a/b / drums:bands:6")
    assert not is_drilled("sources:stems=a/b * segments:3")
    assert not is_drilled("cells:tiles=2x2")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("segments:2 / drums:bands:3", r"There is no part 'drums' to split again; there is 0.00-0.50 s, 0.50-1.00 s"),
        ("segments:2 / *:bands:3", r"One part is split again at a time; got '\*'. .* the product segments:2 \* KIND"),
        ("segments:2 / 0.00-0.50 s", "After / stands the name of a part and how to split it .* got '0.00-0.50 s'"),
        ("segments:2 / 0.00-0.50 s:blocks:3", "as in drums:bands:6; got"),
        ("segments:2 / 0.00-0.50 s:bands:x", "bands takes a whole number"),
        ("segments:2 / 0.00-0.50 s:bands:2 / 0.00-0.50 s:bands:2", "There is no part '0.00-0.50 s' to split again"),
        ("cells:tiles=2x2 / a:bands:3", "cannot be multiplied or split again"),
    ],
)
def test_what_cannot_be_split_again_is_refused(spec, message):
    with pytest.raises(ValueError, match=message):
        components(spec, noisy())


def test_what_the_split_refuses_names_the_part():
    with pytest.raises(ValueError, match=r"1 to 8000 spans for 0.00-0.50 s; got 0"):
        drilled(segments(noisy(), 2), "0.00-0.50 s", lambda half: segments(half, 0))
