"""Maps: a planted event is found by every method that can find it, the right way round, and its sound can be heard."""

import pytest
import torch

import hearwhy
from hearwhy.attribution import METHODS
from planted import BurstNetwork, box, classifier, recording

INSIDE = [name for name, entry in METHODS.items() if entry.asks == "network"]
ASKING = ["kernel_shap", "lime", "rise", "occlusion", "integrated_gradients"]


def inside_share(values: torch.Tensor) -> float:
    """Share of all that speaks for the target which lies in the burst; its box is 7 % of the picture."""
    positive = values.clamp(min=0)
    return float((positive * box(values.shape[1])).sum() / positive.sum())


@pytest.mark.parametrize("turned", [False, True], ids=["freq_frame", "frame_freq"])
@pytest.mark.parametrize("method", INSIDE)
def test_methods_that_look_inside_find_the_burst_whichever_way_the_network_lies(method, turned):
    found = hearwhy.explain(classifier(turned=turned), recording(), method=method, target="burst")
    values = found.map()
    assert values.shape == found.spectrum.features.shape
    assert inside_share(values) > 0.5
    at = int(values.argmax())
    assert box(values.shape[1]).flatten()[at]


@pytest.mark.parametrize("method", ASKING)
def test_methods_that_ask_find_the_cells_of_the_burst(method):
    found = hearwhy.explain(classifier(), recording(), method=method, components="cells:tiles=8x8", target="burst")
    first = found.spectrum.cell == found.top()
    assert bool((first & box(first.shape[1])).any())
    assert inside_share(found.map()) > 0.3  # a tile is wider than the burst


@pytest.mark.parametrize("how", ["quickshift", "slic=40", "felzenszwalb"])
def test_superpixels_find_it_too(how):
    found = hearwhy.explain(classifier(), recording(), method="occlusion", components=f"cells:{how}", target="burst")
    first = found.spectrum.cell == found.top()
    assert bool((first & box(first.shape[1])).any())


def test_integrated_gradients_take_every_bin():
    found = hearwhy.explain(classifier(), recording(), method="integrated_gradients", components="features", target="burst")
    assert inside_share(found.map()) > 0.5
    effect = float(found.score_full[0] - found.score_base[0])
    assert float(found.values.sum()) == pytest.approx(effect, rel=0.05)  # kinks leave an error of the quadrature


def test_a_map_laid_with_its_axes_exchanged_would_not_pass():
    values = hearwhy.explain(classifier(), recording(), method="grad_cam", target="burst").map()
    turned = torch.nn.functional.interpolate(values.T[None, None], size=values.shape)[0, 0]
    assert inside_share(turned) < 0.2


def test_what_the_mask_keeps_carries_the_decision_and_the_rest_does_not():
    found = hearwhy.explain(classifier(), recording(), method="saliency", target="burst", mask="top_k(k=0.1)")
    masked = found.masked[0]
    as_is, kept, removed, heard_kept, heard_removed = masked.probabilities[:, 0].tolist()
    assert as_is > 0.6
    assert kept == pytest.approx(as_is, abs=0.05)
    assert removed == pytest.approx(0.5, abs=0.02)  # nothing is loud any more
    assert heard_kept > removed + 0.05 and heard_kept > heard_removed
    assert float(masked.mask.mean()) == pytest.approx(0.1, abs=0.01)
    assert masked.metrics["ff"] == pytest.approx(as_is - removed, abs=1e-5)


def test_kept_and_removed_can_be_heard_and_the_whole_mask_is_the_recording():
    sound = recording()
    found = hearwhy.explain(classifier(), sound, method="saliency", target="burst", mask="top_k(k=0.1)")
    heard = found.heard_masks()
    level = lambda audio: float(audio[:, int(0.72 * 16000) : int(0.83 * 16000)].square().mean())
    assert level(heard["kept"].audio) > 0.8 * level(sound.audio)
    assert level(heard["removed"].audio) < 0.1 * level(sound.audio)
    everything = found.spectrum.sound(sound, found.spectrum.features[None])[0]
    error = (everything - sound.audio).square().mean() / sound.audio.square().mean()
    assert error < 1e-10  # over 100 dB


def test_a_mask_of_ones_changes_no_bit_of_the_answer():
    from hearwhy.masking import ask_features

    model, sound = classifier(), recording()
    found = hearwhy.explain(model, sound, method="saliency", target="burst")
    whole = found.spectrum.masked(torch.ones_like(found.masked[0].mask, dtype=torch.bool))[0]
    rows = ask_features(model, torch.stack([found.spectrum.features, whole]))
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], model(sound.audio[None])[0])


def test_grad_cam_takes_a_layer_by_name_and_refuses_one_without_a_grid():
    ask = lambda layer: hearwhy.explain(classifier(), recording(), method=f"grad_cam(layer={layer})", target="burst")
    assert inside_share(ask("smooth").map()) > 0.3
    with pytest.raises(ValueError, match="has no layer 'nothing'; its convolutions are smooth, conv"):
        ask("nothing")
    with pytest.raises(ValueError, match="needs a layer with a grid"):
        ask("head")


def test_deep_shap_refuses_a_network_that_hides_its_activations():
    class Hiding(BurstNetwork):
        def forward(self, features):
            loud = torch.nn.functional.relu(self.smooth(features[:, None]))
            return self.head(self.flatten(self.pool(torch.nn.functional.relu(self.conv(loud)))))

    model = classifier()
    object.__setattr__(model, "network", Hiding())
    with pytest.raises(ValueError, match=r"miss \d+ % of the effect"):
        hearwhy.explain(model, recording(), method="deep_shap", target="burst")
    assert hearwhy.explain(classifier(), recording(), method="deep_shap", target="burst").values.isfinite().all()


def test_background_recordings_are_what_deep_shap_is_relative_to(tmp_path):
    from hearwhy import Recording, audio

    for seed in range(3):
        hum = 0.01 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(seed))
        audio.write(Recording(hum, 16_000), tmp_path / f"{seed}.wav")
    found = hearwhy.explain(classifier(), recording(), method="deep_shap", target="burst", fill=str(tmp_path))
    effect = float(found.score_full[0] - found.score_base[0])
    assert float(found.values.sum()) == pytest.approx(effect, rel=0.01)
    assert inside_share(found.map()) > 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "saliency", "components": "segments:3"}, "explains every bin of a spectrogram, not"),
        ({"method": "lime", "components": "features"}, "too many components"),
        ({"method": "lime", "components": "segments:3", "mask": "binary"}, "give components such as cells:quickshift"),
        ({"method": "saliency", "mask": "circle"}, "There is no mask 'circle'"),
        ({"method": "lime", "components": "cells:circles"}, "There are no cells 'circles'"),
        ({"method": "lime", "components": "cells:tiles=90x2"}, "tiles takes frequency x time, up to 64x63"),
        ({"method": "lime", "components": "cells:slic=0"}, "slic takes the number of cells"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        hearwhy.explain(classifier(), recording(), target="burst", **options)


def test_a_model_without_a_front_end_of_its_own_is_told_what_to_use():
    from toys import ToneDetector

    with pytest.raises(TypeError, match="front end hearwhy can see"):
        hearwhy.explain(ToneDetector({"a": 440.0, "b": 900.0}), recording(), method="saliency")


def test_a_long_recording_is_mapped_window_by_window():
    long = hearwhy.Recording(recording().audio.repeat(1, 2), 16_000, "twice")
    with pytest.raises(ValueError, match="window by window, with --per-window"):
        hearwhy.explain(classifier(), long, method="saliency", target="burst")
    found = hearwhy.explain(classifier(), long, method="saliency", target="burst", per_window=True)
    assert [inside_share(attribution.map()) > 0.5 for attribution in found.explained] == [True, True]


def test_a_map_comes_back_as_it_was_saved(tmp_path):
    found = hearwhy.explain(classifier(), recording(), method="saliency", target="burst")
    back = hearwhy.Attribution.load(found.save(tmp_path))
    assert torch.equal(back.map(), found.map())
    assert torch.equal(back.mask("top_k", k=0.1), found.mask("top_k", k=0.1))
    assert back.spectrum.front_end == found.spectrum.front_end
    assert (back.masked[0].line, dict(back.masked[0].metrics)) == (found.masked[0].line, dict(found.masked[0].metrics))
    for name, heard in found.heard_masks().items():
        assert torch.allclose(back.heard_masks()[name].audio, heard.audio, atol=1e-6)
    assert len(back.names) == found.map().numel()


@pytest.mark.parametrize("fill", ["silence", "noise", "mean", "min", "max", "zero", "uniform", "shuffle"])
def test_every_fill_of_cells_is_what_removing_leaves(fill):
    from hearwhy.components import with_fill

    cells = with_fill(hearwhy.components("cells:tiles=4x4", recording(), classifier=classifier()), fill)
    nothing, everything = cells.mix(torch.tensor([[False] * 16, [True] * 16]))
    assert torch.equal(everything[0], cells.features)
    assert torch.equal(nothing[0], cells.fills[0])
    expected = {"min": cells.features.min(), "max": cells.features.max(), "zero": torch.tensor(0.0)}
    if fill in expected:
        assert (nothing == expected[fill]).all()
    if fill == "mean":
        assert torch.allclose(nothing[0][cells.cell == 5].mean(), cells.features[cells.cell == 5].mean(), atol=1e-4)
    if fill == "shuffle":
        assert torch.equal(nothing[0].flatten().sort().values, cells.features.flatten().sort().values)


def test_cells_fill_the_picture_without_overlap():
    for how in ("quickshift", "slic=30", "felzenszwalb", "tiles=3x5", "every"):
        spec = "features" if how == "every" else f"cells:{how}"
        cells = hearwhy.components(spec, recording(), classifier=classifier())
        numbers = cells.cell.unique()
        assert torch.equal(numbers, torch.arange(len(cells.names)))
        assert cells.cell.shape == cells.features.shape
