"""Hugging Face's audio classifiers: ``hf:ID_OR_DIR``, the logits of AST, wav2vec2, HuBERT, WavLM, Whisper and their like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.classifiers.callable import CallableClassifier, checked
from hearwhy.classifiers.hub import Place, fingerprint, load_model, load_part, place, settings_of
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import FrontEnd, Standardised
from hearwhy.front_ends.fbank import Fbank
from hearwhy.front_ends.padded import Padded
from hearwhy.front_ends.whisper import WhisperLogMel
from hearwhy.types import Activation, Classifier


class Logits(nn.Module):
    """A saved model, from what its extractor makes to the logits alone."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> Float[Tensor, "batch label"]:
        """Return the logits of features, laid out as the model takes them."""
        return self.model(features, return_dict=True).logits


class Waveform(nn.Module):
    """A saved model of the wav2vec2 family: audio of any length, brought to mean 0 and variance 1 where it wants that.

    Parameters
    ----------
    model
        Audio (batch, time) to logits.
    normalise
        Whether each row of audio is brought to mean 0 and variance 1 first, as ``Wav2Vec2FeatureExtractor`` does.
    attends
        Whether the model is told that all of the audio counts, as some extractors do.
    """

    def __init__(self, model: nn.Module, *, normalise: bool, attends: bool) -> None:
        super().__init__()
        self.model, self.normalise, self.attends = model, normalise, attends
        self.shortest = _shortest(model.config)

    def forward(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch label"]:
        """Return the logits of each row.

        Raises
        ------
        ValueError
            It is shorter than one frame.
        """
        if audio.shape[1] < self.shortest:
            raise ValueError(f"it needs at least {self.shortest} samples, one frame; got {audio.shape[1]}. Give a longer one.")
        if self.normalise:
            variance, mean = torch.var_mean(audio, dim=1, correction=0, keepdim=True)
            audio = (audio - mean) / torch.sqrt(variance + 1e-7)
        mask = torch.ones(audio.shape, dtype=torch.int32, device=audio.device) if self.attends else None
        return self.model(audio, attention_mask=mask, return_dict=True).logits


class ThroughExtractor(nn.Module):
    """A saved model behind an extractor that hearwhy has no front end of its own for: audio (batch, time) to logits."""

    def __init__(self, model: nn.Module, extractor: Any) -> None:
        super().__init__()
        self.model, self.extractor = model, extractor

    def forward(self, audio: Float[Tensor, "batch time"]) -> Float[Tensor, "batch label"]:
        """Return the logits of each row; no gradients pass."""
        rows = list(audio.detach().cpu().numpy())
        inputs = self.extractor(rows, sampling_rate=self.extractor.sampling_rate, return_tensors="pt")
        return self.model(**inputs.to(audio.device), return_dict=True).logits


def load(argument: str) -> Classifier:
    """Return an audio classifier that Hugging Face's transformers saved: its logits, as its extractor and model give them.

    Features are made by hearwhy's own front ends, through which gradients pass, for the extractors of AST (Kaldi's filter
    bank), the wav2vec2 family (mean 0, variance 1) and Whisper (log-mel); any other runs through NumPy, without gradients,
    and `notes` says so. AST and Whisper take up to `window_s` seconds and fill up shorter recordings by themselves, as the
    library does (`pads`); where the library would crop a longer recording, hearwhy listens window by window.

    Parameters
    ----------
    argument
        A folder that ``save_pretrained`` of model and extractor wrote (nothing is fetched then), or an ID of the hub.

    Returns
    -------
    Classifier
        Mono, on the CPU, in eval mode, frozen, float32. ``sigmoid`` where the config says ``multi_label_classification``,
        else ``softmax``; the labels are those of ``id2label`` in the order of their numbers.

    Raises
    ------
    ImportError
        transformers is not installed.
    FileNotFoundError
        There is no such folder, or nothing comes from the hub under that ID.
    ValueError
        It is no audio classifier, regresses, repeats a label, has no safetensors, or brings code of its own.

    Examples
    --------
    >>> load("")
    Traceback (most recent call last):
        ...
    ValueError: hf: takes a folder or an ID of the hub, as in hf:my-model or hf:owner/name.
    """
    where = place(argument, "hf")
    config = load_part(where, "AutoConfig")
    same: dict[str, Any] = {"labels": _labels(config, where), "activation": _activation(config, where), "name": where.name}
    extractor = load_part(where, "AutoFeatureExtractor")
    if not isinstance(getattr(extractor, "sampling_rate", None), int):
        raise ValueError(f"{where.name}: its {type(extractor).__name__} does not say a sampling_rate, so it is not for audio.")
    model, notes = load_model(where, "AutoModelForAudioClassification", config)
    same |= {"fingerprint": fingerprint(model.state_dict(), settings_of(config), settings_of(extractor)), "notes": notes}
    return checked(BUILDERS.get(type(extractor).__name__, _any)(model, extractor, same))


def _labels(config: Any, where: Place) -> tuple[str, ...]:
    names = {int(number): str(label) for number, label in config.id2label.items()}
    if sorted(names) != list(range(len(names))):
        raise ValueError(f"{where.name}: id2label in config.json must number its labels from 0 on; got {sorted(names)[:12]}.")
    labels = tuple(names[number] for number in range(len(names)))
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(
            f"{where.name}: labels must differ, and {', '.join(twice[:5])} stands more than once; give each number of id2label "
            "in its config.json a name of its own."
        )
    return labels


def _activation(config: Any, where: Place) -> Activation:
    if config.problem_type == "multi_label_classification":
        return "sigmoid"
    if config.problem_type == "regression" or config.num_labels == 1:
        raise ValueError(
            f"{where.name} regresses to a number (problem_type {config.problem_type!r}, labels: {config.num_labels}), and "
            'hearwhy explains classifiers. If it is one, set "problem_type": "multi_label_classification" in its config.json.'
        )
    return "softmax"


def _ast(model: nn.Module, extractor: Any, same: dict[str, Any]) -> Classifier:
    plain = Fbank(extractor.sampling_rate, n_mels=extractor.num_mel_bins, n_frames_fixed=extractor.max_length)
    front_end: FrontEnd = Standardised(plain, extractor.mean, 2 * extractor.std) if extractor.do_normalize else plain
    window_s = (plain.longest or 0) / plain.sample_rate
    network = Logits(model).eval()
    return SpectrogramClassifier(front_end, network, layout="batch frame freq", window_s=window_s, pads=True, **same)


def _whisper(model: nn.Module, extractor: Any, same: dict[str, Any]) -> Classifier:
    plain = WhisperLogMel(extractor.sampling_rate, extractor.n_fft, extractor.hop_length, extractor.feature_size)
    front_end = Padded(plain, extractor.n_samples, value=extractor.padding_value)
    if extractor.dither:
        same |= {"notes": (*same["notes"], f"its extractor's dither of {extractor.dither:g}, random noise, is left out")}
    window_s = extractor.n_samples / plain.sample_rate
    network = Logits(model).eval()
    return SpectrogramClassifier(front_end, network, layout="batch freq frame", window_s=window_s, pads=True, **same)


def _wav2vec2(model: nn.Module, extractor: Any, same: dict[str, Any]) -> Classifier:
    network = Waveform(model, normalise=extractor.do_normalize, attends=extractor.return_attention_mask).eval()
    return CallableClassifier(network, sample_rate=extractor.sampling_rate, layout="batch time", **same)


def _any(model: nn.Module, extractor: Any, same: dict[str, Any]) -> Classifier:
    note = f"its features are made by its own {type(extractor).__name__} through NumPy, which gradients cannot pass"
    same |= {"notes": (*same["notes"], note)}
    network = ThroughExtractor(model, extractor).eval()
    return CallableClassifier(network, sample_rate=extractor.sampling_rate, layout="batch time", **same)


BUILDERS: dict[str, Callable[[nn.Module, Any, dict[str, Any]], Classifier]] = {
    "ASTFeatureExtractor": _ast,
    "Wav2Vec2FeatureExtractor": _wav2vec2,
    "WhisperFeatureExtractor": _whisper,
}
"""What makes a classifier of a model, by the class of its extractor; `_any` for every other."""


def _shortest(config: Any) -> int:
    """Samples that one frame of the first layers needs."""
    samples = 1
    for kernel, stride in zip(
        reversed(getattr(config, "conv_kernel", ())), reversed(getattr(config, "conv_stride", ())), strict=True
    ):
        samples = (samples - 1) * stride + kernel
    return samples
