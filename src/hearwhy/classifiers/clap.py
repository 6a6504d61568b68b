"""CLAP, a model of sound and text: ``clap:ID_OR_DIR`` tells apart whatever the prompts say, without training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy.classifiers.callable import checked
from hearwhy.classifiers.hub import Place, fingerprint, load_model, load_part, place, settings_of
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import LogMel
from hearwhy.front_ends.padded import Padded
from hearwhy.types import Classifier

HOW = "say in words what it shall tell apart, as in --prompts 'a dog barking' --prompts 'rain on a roof'"


class AudioTower(nn.Module):
    """CLAP's ear: log-mel features to the likeness of the sound to each prompt, times the model's own scale.

    Parameters
    ----------
    model
        A ``ClapModel``; only its audio half is kept.
    text
        The prompts' embeddings, of length 1, (label, dimension).
    fusion
        Whether the model takes four spectrograms, a whole and three details. For a window that it hears as a whole they
        are the same four times, and the model is told to fuse them, as the library does for a clip on its own. (In a
        batch the library tells so for one clip that it draws at random; here every clip is told so, so that an answer
        depends on nothing but the sound.)
    """

    def __init__(self, model: Any, text: Float[Tensor, "label dimension"], *, fusion: bool) -> None:
        super().__init__()
        self.audio_model, self.audio_projection, self.fusion = model.audio_model, model.audio_projection, fusion
        self.register_buffer("text", text)
        self.register_buffer("scale", model.logit_scale_a.detach().exp())

    def forward(self, features: Float[Tensor, "batch 1 frame mel"]) -> Float[Tensor, "batch label"]:
        """Return the model's ``logits_per_audio``."""
        if self.fusion:
            features = features.expand(-1, 4, -1, -1)
        fuse = torch.full((len(features), 1), self.fusion, device=features.device)
        pooled = self.audio_model(input_features=features, is_longer=fuse, return_dict=True).pooler_output
        audio = self.audio_projection(pooled)
        return self.scale * (audio / audio.norm(dim=-1, keepdim=True)) @ self.text.T


def load(argument: str, *, prompts: Sequence[str] = ()) -> Classifier:
    """Return a zero-shot classifier whose labels are the prompts, by softmax over the likeness of the sound to each.

    Probabilities are relative: they say which prompt fits best, even where none fits. The sound is heard in windows of
    10 s (the library would crop a longer recording at random); a shorter one is repeated as often as it fits and followed
    by silence, as the library does. Gradients reach the audio.

    Parameters
    ----------
    argument
        A folder that ``save_pretrained`` of model and processor wrote (nothing is fetched then), or an ID of the hub.
    prompts
        At least two. CLAP was trained on sentences such as "this is a sound of a dog barking".

    Returns
    -------
    Classifier
        Mono, on the CPU, in eval mode, frozen, float32. The prompts are embedded once.

    Raises
    ------
    ImportError
        transformers is not installed.
    FileNotFoundError
        There is no such folder, or nothing comes from the hub under that ID.
    ValueError
        There are no two prompts, a prompt is too long or stands twice, or it is no CLAP model in safetensors.

    Examples
    --------
    >>> load("my-clap", prompts=["a dog"])
    Traceback (most recent call last):
        ...
    ValueError: clap:my-clap got one prompt, and the probability of one thing among one is always 1; give at least two, \
as in --prompts 'a dog' --prompts 'another sound'.
    """
    where = place(argument, "clap")
    _check_prompts(prompts, where)
    config = load_part(where, "AutoConfig")
    if config.model_type != "clap":
        raise ValueError(f"{where.name} is a model of type {config.model_type}, not clap; hf: takes audio classifiers.")
    processor = load_part(where, "AutoProcessor")
    model, notes = load_model(where, "AutoModel", config)
    extractor = processor.feature_extractor
    text = _embedded(model, processor.tokenizer, prompts, where)
    network = AudioTower(model, text, fusion=extractor.truncation == "fusion").eval()
    front_end = _front_end(extractor)
    settings = (tuple(prompts), settings_of(config), front_end)
    return checked(
        SpectrogramClassifier(
            front_end,
            network,
            labels=tuple(prompts),
            layout="batch 1 frame freq",
            window_s=front_end.longest / front_end.sample_rate,
            fingerprint=fingerprint(network.state_dict(), *settings),
            name=where.name,
            notes=notes,
            pads=True,
        )
    )


def _check_prompts(prompts: Sequence[str], where: Place) -> None:
    if isinstance(prompts, str) or not prompts:
        raise ValueError(f"{where.name} has no labels of its own: {HOW}.")
    if len(prompts) == 1:
        raise ValueError(
            f"{where.name} got one prompt, and the probability of one thing among one is always 1; give at least two, "
            f"as in --prompts {prompts[0]!r} --prompts 'another sound'."
        )


def _embedded(model: Any, tokenizer: Any, prompts: Sequence[str], where: Place) -> Float[Tensor, "label dimension"]:
    tokens = tokenizer(list(prompts), padding=True, return_tensors="pt")
    config = model.config.text_config
    most = min(tokenizer.model_max_length, config.max_position_embeddings - config.pad_token_id - 1)
    lengths = tokens["attention_mask"].sum(dim=1)
    if int(lengths.max()) > most:
        longest = prompts[int(lengths.argmax())]
        raise ValueError(
            f"{where.name} reads at most {most} tokens a prompt; '{longest[:40]}...' has {int(lengths.max())}. Use fewer words."
        )
    with torch.no_grad():
        text = model.text_projection(model.text_model(**tokens, return_dict=True).pooler_output)
    return text / text.norm(dim=-1, keepdim=True)


def _front_end(extractor: Any) -> Padded:
    """CLAP's log-mel spectrogram in dB, from the settings of its extractor; its two kinds were made with two mel scales."""
    fusion = extractor.truncation == "fusion"
    mel = LogMel(
        extractor.sampling_rate, extractor.fft_window_size, extractor.hop_length, extractor.feature_size,
        f_min=extractor.frequency_min, f_max=extractor.frequency_max, htk=fusion, norm=None if fusion else "slaney",
        pad="reflect",
    )  # fmt: skip
    return Padded(mel, extractor.nb_max_samples, filling=extractor.padding, value=0.0, double=True)
