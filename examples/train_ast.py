"""A small Audio Spectrogram Transformer, trained from scratch on ESC-10 and saved as Hugging Face's library saves models.

    python examples/train_ast.py ESC-10-FOLDER OUT_DIR      # folds 1-3 teach, 4 picks the epoch, 5 is printed
    hearwhy explain DOG.ogg --model hf:OUT_DIR

ESC-10-FOLDER has ESC-50's layout: `meta/esc50.csv` and `audio/`. Takes a few minutes on two CPU cores.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

from hearwhy import audio as sound

RATE, MEL, FRAMES = 16_000, 64, 512  # 512 frames of 10 ms: 5.1 s, a little more than the clips have
EPOCHS, BATCH, SEED = 40, 24, 0


def clips(folder: Path, extractor: ASTFeatureExtractor) -> tuple[Tensor, Tensor, Tensor, list[str]]:
    """Features (clip, frame, mel), class numbers, folds and class names of a folder."""
    with (folder / "meta" / "esc50.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["category"] for row in rows})
    waves = []
    for row in rows:
        recording = sound.convert(sound.load(folder / "audio" / row["filename"]), RATE, 1)
        waves.append(recording.audio[0].numpy())
    features = extractor(waves, sampling_rate=RATE, return_tensors="pt")["input_values"]
    classes = torch.tensor([names.index(row["category"]) for row in rows])
    return features, classes, torch.tensor([int(row["fold"]) for row in rows]), names


def varied(features: Tensor, generator: torch.Generator) -> Tensor:
    """Each clip begun elsewhere, louder or softer, and with a band of frequencies and a span of time covered."""

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    out = features.clone()
    for clip in out:
        clip.copy_(clip.roll(draw(0, FRAMES), dims=0))
        clip += 0.1 * torch.randn((), generator=generator)
        start, stop = draw(0, FRAMES), draw(0, MEL)
        clip[start : start + draw(0, FRAMES // 5)] = clip.mean()
        clip[:, stop : stop + draw(0, MEL // 5)] = clip.mean()
    return out


def mixed(features: Tensor, classes: Tensor, n_classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs of clips laid over each other, with the classes in the same proportion."""
    share = torch.rand(len(features), generator=generator) * 0.4
    other = torch.randperm(len(features), generator=generator)
    targets = torch.nn.functional.one_hot(classes, n_classes).float()
    targets = (1 - share[:, None]) * targets + share[:, None] * targets[other]
    share = share[:, None, None]
    return (1 - share) * features + share * features[other], targets


def accuracy(model: ASTForAudioClassification, features: Tensor, classes: Tensor) -> float:
    """Share of clips whose highest logit is their class."""
    model.eval()
    with torch.inference_mode():
        logits = torch.cat([model(part).logits for part in features.split(40)])
    return float((logits.argmax(dim=1) == classes).float().mean())


def small(names: list[str]) -> ASTForAudioClassification:
    """An untrained transformer of 96 dimensions and 4 layers on patches of 16 x 16."""
    config = ASTConfig(
        hidden_size=96, num_hidden_layers=4, num_attention_heads=4, intermediate_size=192, patch_size=16,
        frequency_stride=16, time_stride=16, num_mel_bins=MEL, max_length=FRAMES,
        hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(names)), label2id={name: i for i, name in enumerate(names)},
    )  # fmt: skip
    return ASTForAudioClassification(config)


def fit(model: ASTForAudioClassification, features: Tensor, classes: Tensor, folds: Tensor) -> float:
    """Train on folds 1-3, leave the model as it was after the epoch that was best on fold 4, return that accuracy."""
    generator = torch.Generator().manual_seed(SEED)
    learn, check = (folds <= 3).nonzero()[:, 0], folds == 4
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    steps = EPOCHS * -(-len(learn) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps, pct_start=0.15)
    best, kept = -1.0, {}
    for epoch in range(EPOCHS):
        model.train()
        for batch in learn[torch.randperm(len(learn), generator=generator)].split(BATCH):
            inputs, targets = mixed(varied(features[batch], generator), classes[batch], model.config.num_labels, generator)
            loss = cross_entropy(model(inputs).logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        score = accuracy(model, features[check], classes[check])
        if score > best:
            best, kept = score, {key: value.clone() for key, value in model.state_dict().items()}
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {loss.item():.2f}, fold 4 {score:.3f}", flush=True)
    model.load_state_dict(kept)
    return best


def train(folder: Path, out: Path) -> None:
    """Train, print the accuracy on fold 5, which nothing was chosen by, and save model and extractor."""
    torch.manual_seed(SEED)
    extractor = ASTFeatureExtractor(num_mel_bins=MEL, max_length=FRAMES, sampling_rate=RATE)
    features, classes, folds, names = clips(folder, extractor)
    plain = features * (2 * extractor.std) + extractor.mean  # the mean and spread were AudioSet's: the training clips' instead
    extractor.mean, extractor.std = float(plain[folds <= 3].mean()), float(plain[folds <= 3].std()) / 2
    features = (plain - extractor.mean) / (2 * extractor.std)
    model = small(names)
    print(f"fold 4: accuracy {fit(model, features, classes, folds):.3f} at the best epoch")
    test = folds == 5
    print(f"fold 5: accuracy {accuracy(model, features[test], classes[test]):.3f} on {int(test.sum())} clips")
    model.save_pretrained(out)
    extractor.save_pretrained(out)


if __name__ == "__main__":
    train(Path(sys.argv[1]), Path(sys.argv[2]))
