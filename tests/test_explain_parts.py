"""Explaining parts split again, sounds that are not there, and components acting together: games known on paper, heard."""

import json

import pytest
import torch

import hearwhy
from hearwhy import Recording
from hearwhy.components import components, with_donors
from hearwhy.components.sources import sources
from toys import ToneDetector, noisy, tone

TONES = {"left": 440.0, "other left": 2500.0, "right": 3500.0}


class Gloves(ToneDetector):
    """A pair is worth a logit of 1: the right glove and one of the left ones are heard, as the tones that they are."""

    labels = ("pair",)

    def __init__(self, **options):
        super().__init__(TONES, activation="sigmoid", **options)
        self.labels = ("pair",)

    def forward(self, audio):
        left, other, right = (super().forward(audio) > -3).unbind(dim=1)
        return ((left | other) & right)[:, None].to(torch.float64)


def gloves() -> tuple[Recording, hearwhy.Parts]:
    waves = {"lefts": tone(440)[None] + tone(2500)[None], "right": tone(3500)[None]}
    recording = Recording(sum(waves.values()), 8000, "gloves")
    return recording, sources(recording, waves, spec="sources:gloves")


def split(parts):
    """The two left gloves, told apart by where they lie."""
    from hearwhy.components import bands, drilled

    return drilled(parts, "lefts", lambda part: bands(part, 3))


def test_the_values_of_the_pieces_sum_to_that_of_the_part():
    recording, parts = gloves()
    whole = hearwhy.explain(Gloves(), recording, components=parts, method="shapley")
    assert whole.values.tolist() == [[0.5, 0.5]]  # on paper: neither is worth anything without the other
    found = hearwhy.explain(Gloves(), recording, components=split(parts))
    assert found.settings["method"] == "owen"
    # On paper: who of the two lefts comes first bargains for the half; below 20 Hz there is nothing.
    assert torch.allclose(found.values, torch.tensor([[0.0, 0.25, 0.25, 0.5]]), atol=1e-6)
    assert found.parents.names == ("lefts", "right")
    assert found.parents.of == (0, 0, 0, 1)
    assert torch.allclose(found.parents.values, whole.values, atol=1e-6)
    assert torch.equal(found.parents.without, whole.without)
    assert found.parents.pieces(0) == [0, 1, 2]


def test_another_method_does_as_it_is_asked_and_what_the_part_as_one_adds_is_told():
    recording, parts = gloves()
    found = hearwhy.explain(Gloves(), recording, components=split(parts), method="shapley")
    assert torch.allclose(found.values, torch.tensor([[0.0, 1 / 6, 1 / 6, 2 / 3]]), atol=1e-6)  # the glove game of the textbook
    assert torch.allclose(found.parents.values, torch.tensor([[0.5, 0.5]]), atol=1e-6)


def test_a_method_that_follows_the_slope_plays_the_game_between_the_parts_too():
    recording, parts = gloves()
    model = ToneDetector({"low": 440.0, "high": 3500.0})
    found = hearwhy.explain(model, recording, components=split(parts), target="low", method="integrated_gradients")
    lefts = found.values[0, :3].sum()
    assert found.parents.values[0, 0] == pytest.approx(float(lefts), abs=1e-4)  # fading three alike or one: the same way
    assert lefts > 1


def test_what_is_absent_belongs_to_its_part_and_gets_nothing():
    waves = {"low": tone(440)[None], "choir": torch.zeros(1, 8000), "high": tone(3500)[None]}
    recording = Recording(sum(waves.values()), 8000, "choir")
    parts = components("segments:2", recording)
    from hearwhy.components import drilled

    parts = drilled(sources(recording, waves), "choir", lambda part: components("segments:2", part))
    found = hearwhy.explain(ToneDetector({"low": 440.0, "high": 3500.0}), recording, components=parts, target="low")
    assert found.parents.values[0, 1] == 0
    assert found.values[0, 1:3].tolist() == [0, 0]
    assert torch.equal(found.parents.without[1], found.probabilities)
    assert found.parents.values[0, 0] > 1


def test_a_part_that_is_split_again_by_a_spec_is_explained_window_by_window(tmp_path):
    found = hearwhy.explain(
        ToneDetector(TONES, window_s=0.5), noisy(1.0), components="segments:2 / 0.00-0.25 s:bands:2", target="left",
        per_window=True,
    )  # fmt: skip
    for window in found.attributions:
        assert window.settings["method"] == "owen"
        assert window.values[0, :2].sum() == pytest.approx(float(window.parents.values[0, 0]), abs=1e-5)


@pytest.mark.parametrize(("method", "forecast"), [("owen", True), ("shapley", True), ("lime(n_samples=60)", True)])
def test_calls_for_parts_split_again_are_counted(method, forecast):
    told = []
    parts = components("segments:5 / 0.00-0.20 s:bands:5", noisy(1.0))
    found = hearwhy.explain(
        ToneDetector(TONES), noisy(1.0), components=parts, target="left", method=method,
        progress=lambda done, expected: told.append((done, expected)),
    )  # fmt: skip
    assert found.n_calls == told[-1][0]
    assert found.n_calls <= told[0][1] <= 2 * found.n_calls  # a forecast: masks that come twice are asked once


def test_two_that_are_worth_something_only_together_interact():
    recording, parts = gloves()
    found = hearwhy.explain(Gloves(), recording, components=parts, method="occlusion")
    assert found.interactions.tolist() == [[[0.0, 1.0], [1.0, 0.0]]]
    assert found.interactions_stderr is None
    pieces = hearwhy.explain(Gloves(), recording, components=split(parts))
    # On paper, the average over orders: two lefts -1/2; a left and the right 1/2 (the other left is there or not).
    expected = torch.tensor([[0, 0, 0, 0], [0, 0, -0.5, 0.5], [0, -0.5, 0, 0.5], [0, 0.5, 0.5, 0.0]])
    assert torch.allclose(pieces.interactions[0], expected, atol=1e-6)


def test_interactions_of_many_components_cost_what_is_asked_for(tmp_path):
    model = ToneDetector(TONES)
    plain = hearwhy.explain(model, noisy(1.0), components="segments:14", target="left", method="occlusion")
    assert plain.interactions is None
    found = hearwhy.explain(model, noisy(1.0), components="segments:14", target="left", method="occlusion", interactions=400)
    assert found.interactions.shape == found.interactions_stderr.shape == (1, 14, 14)
    assert 300 <= found.n_calls - plain.n_calls <= 400
    assert torch.equal(found.values, plain.values)
    assert found.interaction_share == plain.interaction_share
    back = hearwhy.Attribution.load(found.save(tmp_path / "out"))
    assert torch.equal(back.interactions_stderr, found.interactions_stderr)
    with pytest.raises(
        ValueError, match=r"interactions of 14 components take at least 56 masks; got 20. Give interactions=1000"
    ):
        hearwhy.explain(model, noisy(1.0), components="segments:14", target="left", interactions=20)


def test_interactions_are_free_where_every_mask_was_asked():
    model = ToneDetector(TONES)
    found = hearwhy.explain(model, noisy(1.0), components="segments:9", target="left", method="shapley")
    assert found.interactions.shape == (1, 9, 9)
    assert found.n_calls == 2**9 + 3


def test_what_is_absent_interacts_with_nothing():
    recording, parts = gloves()
    silent = sources(recording, {"choir": torch.zeros(1, 8000), **dict(zip(parts.names, parts.audio, strict=True))})
    found = hearwhy.explain(Gloves(), recording, components=silent)
    assert found.interactions[0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_what_if_it_were_added_is_answered():
    recording, right = Recording(tone(440)[None], 8000, "lefts"), Recording(tone(3500)[None], 8000, "right.wav")
    found = hearwhy.explain(Gloves(), recording, components="segments:2", add={"right": right}, method="shapley")
    assert found.names[-1] == "added right"
    assert found.added.names == ("right",)
    assert found.added.components == (2,)
    assert found.added.probabilities.item() == pytest.approx(0.5)  # no pair: a logit of 0
    assert found.probabilities.item() == pytest.approx(torch.sigmoid(torch.tensor(1.0)).item())
    assert found.values[0, 2] >= 0.5
    assert torch.equal(found.without[2], found.added.probabilities)
    assert torch.allclose(found.recording.audio, recording.audio + right.audio, atol=1e-6)
    by_hand = with_donors(components("segments:2", recording), {"right": right})
    assert torch.equal(hearwhy.explain(Gloves(), recording, components=by_hand, method="shapley").values, found.values)


def test_the_label_that_is_explained_is_that_with_what_was_added():
    model = ToneDetector({"low": 440.0, "high": 3500.0})
    recording, loud = Recording(tone(440, gain=0.1)[None], 8000, "low"), Recording(tone(3500, gain=0.5)[None], 8000, "high")
    found = hearwhy.explain(model, recording, components="segments:2", add={"high": loud})
    assert found.targets == ("high",)
    assert found.labels[int(found.added.probabilities.argmax())] == "low"


def test_all_of_it_is_saved_and_comes_back(tmp_path):
    recording, parts = gloves()
    more = with_donors(split(parts), {"hum": Recording(tone(1000)[None], 8000, "hum")})
    found = hearwhy.explain(Gloves(), recording, components=more)
    back = hearwhy.Attribution.load(found.save(tmp_path / "out"))
    assert torch.equal(back.interactions, found.interactions)
    assert torch.equal(back.parents.values, found.parents.values)
    assert torch.equal(back.parents.without, found.parents.without)
    assert (back.parents.names, back.parents.of) == (found.parents.names, found.parents.of)
    assert (back.added.names, back.added.components) == (found.added.names, found.added.components)
    assert torch.equal(back.added.probabilities, found.added.probabilities)


def test_what_an_earlier_hearwhy_saved_still_loads(tmp_path):
    recording, parts = gloves()
    folder = hearwhy.explain(Gloves(), recording, components=parts).save(tmp_path / "out")
    described = json.loads((folder / "attribution.json").read_text())
    (folder / "attribution.json").write_text(json.dumps({k: v for k, v in described.items() if k not in ("parents", "added")}))
    import numpy as np

    with np.load(folder / "attribution.npz") as arrays:
        kept = {name: arrays[name] for name in arrays.files if not name.startswith("interactions")}
    np.savez_compressed(folder / "attribution.npz", **kept)
    back = hearwhy.Attribution.load(folder)
    assert (back.interactions, back.parents, back.added) == (None, None, None)


def test_what_cannot_be_added_is_refused():
    hum = Recording(tone(1000)[None], 8000, "hum")
    with pytest.raises(ValueError, match="cannot be explained window by window"):
        hearwhy.explain(Gloves(), noisy(), components="segments:2", add={"hum": hum}, per_window=True)
    with pytest.raises(ValueError, match=r"no part 'drums' to split again"):
        hearwhy.explain(Gloves(), noisy(), components="segments:2 / drums:bands:2")
