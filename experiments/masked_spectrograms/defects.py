"""What four defects of the published code do to the seven metrics, each beside the same thing done right, on the same clips.

``python defects.py ESC10`` takes two clips a class of fold 5 and `esc10-small` (Mel-dB, clean); ``--train EPOCHS`` adds defect
7, for which small networks are trained. 1: the transposed Grad-CAM map; 3: a "DeepSHAP" that is a gradient; 5: torch's wrong
gradient behind a transposed BatchNorm; 7: the last epoch, and stripes of 0 dB. Nothing of this is in the package.
"""

from __future__ import annotations

import argparse
import copy
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from asking import TEST, VALIDATION
from rows import Row
from tables_text import COLUMNS, HEADS, cells, table
from torch import Tensor, nn

from hearwhy.asking import check_recording
from hearwhy.attribution.deep_shap import additivity_error, deep_shap
from hearwhy.attribution.grad_cam import grad_cam
from hearwhy.attribution.inside import Network, caught
from hearwhy.attribution.saliency import saliency
from hearwhy.classifiers import classifier as find_classifier
from hearwhy.classifiers.cnn14 import FRONT_ENDS, fresh_network
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.datasets.esc50 import Clip, Esc50, read_esc50
from hearwhy.evaluate import Clips, Question
from hearwhy.evaluate.maps import Scene, inside
from hearwhy.evaluate.question import background_clips
from hearwhy.masking import ask_features
from hearwhy.masks import make_mask, masked
from hearwhy.metrics import SEVEN, evaluate
from hearwhy.networks.cnn14 import SpectrogramCnn
from hearwhy.training.augmentation import Augmentation
from hearwhy.training.esc50 import PROTOCOLS, examples
from hearwhy.training.fitting import Checkpoint, fit, grade

HERE = Path(__file__).parent
MASKS = ("bin", "topK_30", "topK_50_pos", "minmax")
Maker = Callable[[Network, Tensor], Tensor]
TOP_DB = 0.0  # what the published SpecAugment fills with


def main() -> None:
    """Measure and write ``defects.csv`` and ``defects.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder in ESC-50's layout")
    parser.add_argument("--per-class", type=int, default=2)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--train", type=int, default=0, metavar="EPOCHS", help="defect 7: train so many epochs, twice")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    dataset = read_esc50(options.data)
    clips = Clips((TEST,), options.limit, options.per_class).of(dataset)
    rows, notes = measured(find_classifier("esc10-small"), dataset, clips)
    if options.train:
        more, said = trained(dataset, clips, options.train)
        rows, notes = rows + more, notes + said
    else:
        notes.append("Defect 7 was not run; `python defects.py ESC10 --train 20` trains for it.")
    write(rows, notes, len(clips), options.out)
    print(*notes, f"took {time.perf_counter() - started:.0f} s", sep="\n")


def measured(classifier: SpectrogramClassifier, dataset: Esc50, clips: tuple[Clip, ...]) -> tuple[list[Row], list[str]]:
    """Return a row for each map of defects 1, 3 and 5 and its right counterpart, and what else was seen."""
    scenes = [scene_of(clip, classifier) for clip in clips]
    published = replace(classifier, network=PublishedAxes(classifier.network))
    background = background_of(dataset, classifier)
    right = [inside_of(scene, classifier, background) for scene in scenes]
    wrong = [inside_of(scene, published, background) for scene in scenes]
    makers: tuple[tuple[str, str, Maker, list[Network]], ...] = (
        ("1", "Grad-CAM, right", grad_cam, right),
        ("1", "Grad-CAM, transposed", transposed_grad_cam, right),
        ("3", "DeepSHAP, right", deep_shap, right),
        ("3", "gradient at the background x difference", gradient_at_background, right),
        ("5", "Saliency, right", saliency, right),
        ("5", "Saliency, BatchNorm over transposed axes", saliency, wrong),
        ("–", "random values", random_values, right),
    )
    rows: list[Row] = []
    maps: dict[str, list[Tensor]] = {}
    for defect, name, maker, networks in makers:
        maps[name] = [maker(network, s.spectrum.features)[0] for s, network in zip(scenes, networks, strict=True)]
        rows += list(scored(defect, name, scenes, maps[name]))
    return rows, list(told(scenes, right, wrong, maps))


def told(scenes: list[Scene], right: list[Network], wrong: list[Network], maps: dict[str, list[Tensor]]) -> Iterator[str]:
    """Say how far each defect is off, by its own measure."""
    found = maps["Grad-CAM, right"], maps["Grad-CAM, transposed"]
    pairs = [torch.stack([a.flatten(), b.flatten()]) for a, b in zip(*found, strict=True)]
    alike = torch.tensor([float(torch.corrcoef(pair)[0, 1]) for pair in pairs])
    yield f"Defect 1: right and transposed maps correlate by {alike.mean():.2f} (mean; {alike.min():.2f} to {alike.max():.2f})."
    for name in ("DeepSHAP, right", "gradient at the background x difference"):
        errors = torch.tensor([
            additivity_error(network, scene.spectrum.features, values[None])
            for network, scene, values in zip(right, scenes, maps[name], strict=True)
        ])  # fmt: skip
        half, most = 100 * errors.median(), 100 * errors.max()
        yield f"Defect 3: {name}: the sum misses {half:.2g} % of the effect (median; at most {most:.2g} %)."
    with torch.no_grad():
        answers = [
            float((a.scores(s.spectrum.features[None]) - b.scores(s.spectrum.features[None])).abs().max())
            for s, a, b in zip(scenes, right, wrong, strict=True)
        ]
    pairs = zip(maps["Saliency, right"], maps["Saliency, BatchNorm over transposed axes"], strict=True)
    errors = torch.tensor([float((b - a).norm() / a.norm()) for a, b in pairs])
    verdict = "is wrong" if errors.median() > 0.01 else "is right, so that the defect is not there"
    yield (
        f"Defect 5: torch {torch.__version__}: the gradient {verdict}: it misses by {errors.median():.2g} of its norm "
        f"(median); answers differ by {max(answers):.1g} at most."
    )


def random_values(network: Network, features: Tensor) -> Tensor:
    """Return a map that knows nothing: what every other row must beat."""
    return torch.randn((1, *features.shape), generator=torch.Generator().manual_seed(0))


# Defect 1 ------------------------------------------------------------------------------------------------------------------


def transposed_grad_cam(network: Network, features: Tensor) -> Tensor:
    """Return Grad-CAM as published: the grid, time x frequency there, is stretched as if it were frequency x time."""
    grid = grid_of(network, features)
    return nn.functional.interpolate(grid.transpose(2, 3), size=features.shape, mode="bilinear", align_corners=False)[:, 0]


def grid_of(network: Network, features: Tensor) -> Tensor:
    """Return the last convolution's output, weighted by its mean gradient: (1, 1, freq, frame)."""
    layer = [part for part in network.module.modules() if isinstance(part, nn.Conv2d)][-1]
    held: list[Tensor] = []
    with caught(layer, lambda _, inputs, found: held.append(found)):
        score = network.scores(features[None].detach().requires_grad_(True))[0, 0]
    slope = torch.autograd.grad(score, held[-1])[0]
    return (slope.mean(dim=(2, 3), keepdim=True) * held[-1]).sum(dim=1, keepdim=True).detach()


# Defect 3 ------------------------------------------------------------------------------------------------------------------


def gradient_at_background(network: Network, features: Tensor) -> Tensor:
    """Return what DeepSHAP becomes where it sees no activation: the gradient at the background times the difference."""
    rows = network.background.detach().clone().requires_grad_(True)
    slope = torch.autograd.grad(network.scores(rows)[:, 0].sum(), rows)[0]
    return (slope * (features - rows)).mean(dim=0, keepdim=True).detach()


# Defect 5 ------------------------------------------------------------------------------------------------------------------


class PublishedAxes(nn.Module):
    """The same network as PANNs and the paper lay it out: time x frequency behind a BatchNorm over exchanged axes.

    Kernels are turned, so that answers are the same. That the network goes on in time x frequency belongs to the defect: the
    gradient that comes back to the BatchNorm lies in another order in memory than its input, and torch 2.13 mixes them up.
    """

    def __init__(self, network: SpectrogramCnn) -> None:
        super().__init__()
        self.bn0, self.head = network.bn0, network.head
        self.blocks = nn.Sequential(*(copy.deepcopy(network.get_submodule(name)) for name in network._blocks))
        for layer in self.blocks.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.transpose(2, 3).contiguous()
                layer.stride, layer.padding = layer.stride[::-1], layer.padding[::-1]

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of (batch, freq, frame)."""
        turned = features[:, None].contiguous().transpose(2, 3).transpose(1, 3)  # (batch, freq, frame, 1)
        plane = self.blocks(self.bn0(turned).transpose(1, 3))  # (batch, channel, frame, freq)
        over_time = plane.mean(dim=3)
        return self.head(over_time.amax(dim=2) + over_time.mean(dim=2))


# Defect 7 ------------------------------------------------------------------------------------------------------------------


class LoudStripes(Augmentation):
    """SpecAugment that fills with 0 dB, the loudest there is on a scale whose floor is -100."""

    def _striped(self, features: Tensor, rng) -> Tensor:  # type: ignore[no-untyped-def]
        silent = super()._striped(torch.zeros_like(features), rng)
        return torch.where(silent == 0, features, TOP_DB)


def trained(dataset: Esc50, clips: tuple[Clip, ...], epochs: int) -> tuple[list[Row], list[str]]:
    """Return rows and accuracies of networks trained with stripes of silence and of 0 dB, best epoch and last."""
    front_end = FRONT_ENDS["mel"]
    train = dataset.of_folds(*(fold for fold in dataset.folds if fold not in (VALIDATION, TEST)))
    held_out = dataset.of_folds(VALIDATION)
    sets = [examples(some, dataset.categories, front_end) for some in (train, held_out, dataset.of_folds(TEST))]
    rows, notes = [], []
    for fill, kind in (("silence", Augmentation), ("0 dB", LoudStripes)):
        ours = PROTOCOLS["ours"]
        protocol = replace(ours, epochs=epochs, augmentation=kind(**vars(ours.augmentation)))
        for epoch, weights in weights_of(protocol, (sets[0], sets[1]), len(dataset.categories)):
            network = fresh_network("esc-small", "mel", len(dataset.categories))
            network.load_state_dict(weights)
            network.eval().requires_grad_(False)
            right = [100 * grade(network, of_set)[0] for of_set in sets]
            name = f"stripes of {fill}, {epoch}"
            notes.append(
                "Defect 7: {}: right on {:.1f} % of folds 1-3, {:.1f} % of fold 4, {:.1f} % of fold 5.".format(name, *right)
            )
            rows += _rows_of(network, name, dataset, clips)
    return rows, notes


def weights_of(protocol, sets, n_labels: int) -> Iterator[tuple[str, dict[str, Tensor]]]:  # type: ignore[no-untyped-def]
    """Train, and yield the weights of the best epoch and of the last."""
    torch.manual_seed(0)
    network = fresh_network("esc-small", "mel", n_labels)
    with TemporaryDirectory() as folder:
        checkpoint = Checkpoint(Path(folder) / "last.state", "defects")
        best = fit(network, sets, protocol, checkpoint=checkpoint)
        last = torch.load(checkpoint.path, weights_only=True)["network"]
    yield f"best epoch ({best.epoch})", best.weights
    yield f"last epoch ({protocol.epochs})", last


def _rows_of(network: SpectrogramCnn, name: str, dataset: Esc50, clips: tuple[Clip, ...]) -> Iterator[Row]:
    classifier = replace(
        find_classifier("esc10-small"), network=network, labels=dataset.categories, fingerprint=None, name=name
    )
    scenes = [scene_of(clip, classifier) for clip in clips]
    for method, maker in (("Grad-CAM", grad_cam), ("Saliency", saliency)):
        maps = [maker(inside_of(scene, classifier, None), scene.spectrum.features)[0] for scene in scenes]
        yield from scored("7", f"{method}, {name}", scenes, maps)


# What all share ------------------------------------------------------------------------------------------------------------


def scene_of(clip: Clip, classifier: SpectrogramClassifier) -> Scene:
    """Return a clip as a classifier is given it."""
    recording = clip.load()
    check_recording(recording)
    return Scene.of(recording, classifier, device="cpu", batch_size=16)


def background_of(dataset: Esc50, classifier: SpectrogramClassifier) -> Tensor:
    """Return the features of two training clips a class, those that `run.py` takes."""
    ranked = background_clips(dataset, Question())
    return torch.stack([scene_of(clip, classifier).spectrum.features for of_class in ranked for clip in of_class[:2]])


def inside_of(scene: Scene, classifier: SpectrogramClassifier, background: Tensor | None) -> Network:
    """Return a classifier's network and the logit of what it takes the scene for."""
    target = int(ask_features(scene.classifier, scene.spectrum.features[None])[0].argmax())
    return inside(replace(scene, classifier=classifier), target, scale="logit", background=background)


def scored(defect: str, name: str, scenes: list[Scene], maps: list[Tensor]) -> Iterator[Row]:
    """Yield the mean metrics of every mask of some maps; masks and metrics are the corrected ones throughout."""
    for mask in MASKS:
        found = [_one(scene, make_mask(mask, values)) for scene, values in zip(scenes, maps, strict=True)]
        means = {metric: float(torch.cat([one[metric] for one in found]).mean()) for metric in SEVEN}
        yield {"defect": defect, "what": name, "mask": mask, "n_clips": len(scenes), **means}


def _one(scene: Scene, mask: Tensor) -> dict[str, Tensor]:
    spectrum = scene.spectrum
    kept, removed = masked(spectrum.features, mask, fill=spectrum.floor)
    answers = ask_features(scene.classifier, torch.stack([spectrum.features, kept, removed]))
    given = {"logits": answers[:1], "logits_in": answers[1:2], "logits_out": answers[2:], "mask": mask[None]}
    return evaluate(given, SEVEN, activation=scene.classifier.activation)


def write(rows: list[Row], notes: list[str], n_clips: int, folder: Path) -> None:
    """Write the rows as CSV and as a table."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "defects.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    body = [[row["defect"], row["what"], row["mask"], *cells(row)] for row in rows]
    shown = table(["defect", "map", "mask", *(HEADS[c] for c in COLUMNS)], body)
    head = (
        f"# Defects\n\nMade by `defects.py`: means over {n_clips} clips of fold 5, Mel-dB, clean, masks and metrics corrected."
    )
    (folder / "defects.md").write_text(
        "\n\n".join([head, "\n".join(f"- {note}" for note in notes), shown]) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
