"""Behaviour: does a model answer alike each time, whatever stands beside it, and what does it make of level and silence?"""

from __future__ import annotations

import torch
from torch import Tensor

from hearwhy.check.findings import Finding
from hearwhy.check.subject import Subject, refusal
from hearwhy.check.words import probability

EVERY = ("score", "gradient", "network")
SAME = 1e-5  # of the range of answers: what float32 rounding leaves, and what hearwhy promises
CLOSE = 1e-3  # up to here values move by less than is shown of them
LEVELS_DB = (-20, -15, -10, -5, 5, 10, 15, 20)
MOVES = 0.1  # of probability: less is seldom shown
SURE = 0.9  # a model that gives silence so much probability has made up its mind
NEARLY_SILENT = 1e-5  # -100 dB: the noise floor of a good recording


def answers(subject: Subject) -> Finding:
    """Return whether the answers are finite floating-point numbers in the range that the activation says."""
    found = torch.as_tensor(subject.classifier(subject.clip)).detach()
    bad = int((~torch.isfinite(found)).sum())
    if bad:
        text = f"{bad} of {found.numel()} answers are NaN or infinite: nothing can be explained. Mend the model first."
        return Finding("answers", "failed", text, bad, EVERY)
    if not found.is_floating_point():
        text = (f"The answers are {str(found.dtype).removeprefix('torch.')}, not floating-point numbers: decisions have no "
                "shades to explain. Return logits or probabilities.")  # fmt: skip
        return Finding("answers", "warning", text, limits=EVERY)
    if found.dtype in (torch.float16, torch.bfloat16):
        text = "The answers are half precision: small values are rounding. Run the model in float32."
        return Finding("answers", "warning", text, limits=EVERY)
    shape = "(batch, label)" if found.ndim == 2 else "(batch, label, frame)"
    return Finding("answers", "passed", f"The answers are {shape} and finite, a number for each label.")


def repeatable(subject: Subject) -> Finding:
    """Return whether the same sound gets the same answer twice."""
    first, again = subject.ask(subject.clip), subject.ask(subject.clip)
    gap = float((first - again).abs().max()) / _range(subject)
    if gap == 0:
        return Finding("repeatable", "passed", "The same sound twice gets the same answer, to the bit.", gap)
    if gap <= SAME:
        return Finding("repeatable", "passed", f"The same sound twice gets the same answer within {gap:.0e} of its range.", gap)
    text = (f"The same sound twice gets answers that differ by {_percent(gap)} of their range: values of less than that are "
            "chance. Take randomness (dropout, random crops) out of the model.")  # fmt: skip
    return Finding("repeatable", "failed" if gap > CLOSE else "warning", text, gap, EVERY)


def batch(subject: Subject, repeats: float) -> Finding:
    """Return whether an answer depends on what else is in the batch; `repeats` is by how much it changes anyway."""
    clip, others = subject.clip, _others(subject)
    alone = subject.ask(clip)[0]
    try:
        first, last = subject.ask(torch.cat([clip, others]))[0], subject.ask(torch.cat([others, clip]))[-1]
        pair = subject.ask(torch.cat([clip, others[:1]]))[0]
    except Exception as error:  # a model may raise anything
        text = (
            f"The model takes one sound at a time only ({type(error).__name__} for {1 + len(others)}); hearwhy needs batches."
        )
        return Finding("batch", "failed", text, limits=EVERY)
    gap = max(float((answer - alone).abs().max()) for answer in (first, last, pair)) / _range(subject)
    if repeats > SAME and gap <= 3 * repeats:
        return Finding("batch", "not possible", "An answer that changes each time cannot be compared between batches.", gap)
    if gap <= SAME:
        return Finding("batch", "passed", f"Alone or among others, a sound gets the same answer: within {max(gap, 1e-9):.0e} "
                       "of its range.", gap)  # fmt: skip
    if gap <= CLOSE:
        text = f"Alone or among others, answers differ by {_percent(gap)} of their range: values agree within that, not closer."
        return Finding("batch", "warning", text, gap, EVERY)
    text = (f"What the model says of a sound depends on the other sounds in the batch, by {_percent(gap)} of the range of its "
            "answers (batch normalisation in train mode, or a batch that is normalised as one): values mean nothing. "
            "Call .eval(), and normalise each sound by itself.")  # fmt: skip
    return Finding("batch", "failed", text, gap, EVERY)


def lengths(subject: Subject) -> Finding:
    """Return whether a model that says it takes any length does."""
    window = subject.classifier.window_s
    if window is not None:
        text = f"The model takes {window:.2f} s at a time: longer recordings are cut into windows, shorter ones end in silence."
        return Finding("length", "passed", text)
    time = subject.clip.shape[-1]
    tried = {"half as long": time // 2, "twice as long": 2 * time, "an odd length": (7 * time // 10) | 1}
    double = torch.cat([subject.clip, subject.clip], dim=-1)
    said = {name: refusal(lambda n=n: subject.ask(double[..., :n])) for name, n in tried.items()}  # type: ignore[misc]
    bad = {name: reason for name, reason in said.items() if reason is not None}
    if not bad:
        return Finding("length", "passed", "Half the length, twice the length and an odd length are taken too.", 0)
    name, reason = next(iter(bad.items()))
    text = (f"The model says that it takes any length, and fails at {', '.join(bad)} ({tried[name]} samples: {reason}). "
            "Set window_s to the seconds that it takes.")  # fmt: skip
    return Finding("length", "failed", text, len(bad), EVERY)


def level(subject: Subject) -> Finding:
    """Return whether the level alone, from -20 to +20 dB, changes what the model says."""
    gains = torch.tensor([10 ** (db / 20) for db in LEVELS_DB]).to(subject.clip)
    rows = torch.cat([subject.probabilities(gain * subject.clip) for gain in gains])
    row = subject.probabilities(subject.clip)[0]
    top = int(row.argmax())
    move = float((rows[:, top] - row[top]).abs().max())
    turned = [f"{db:+d} dB" for db, other in zip(LEVELS_DB, rows, strict=True) if int(other.argmax()) != top]
    if not turned and move <= MOVES:
        return Finding(
            "level", "passed", f"From -20 to +20 dB the answer stays: its probability moves by up to {move:.2f}.", move
        )
    what = (f"At {turned[0]}{f' and {len(turned) - 1} more levels' if len(turned) > 1 else ''} the model says another label"
            if turned else f"From -20 to +20 dB its probability moves by up to {move:.2f}")  # fmt: skip
    text = f"{what}: what is removed also makes a sound softer, so values may tell of the level. Compare --second-fill noise."
    return Finding("level", "warning", text, move)


def silence(subject: Subject) -> Finding:
    """Return what the model makes of digital silence, which stands where something was removed, and of a faint noise."""
    nothing = torch.zeros_like(subject.clip)
    answer, faint = subject.ask(nothing), subject.probabilities(NEARLY_SILENT * subject.noise(nothing))[0]
    if not torch.isfinite(answer).all():
        text = "The answer to digital silence is NaN or infinite, and silence is the default fill. Use --fill noise."
        return Finding("silence", "failed", text, limits=("score", "gradient"))
    row = subject.probabilities(nothing)[0]
    top, jump = int(row.argmax()), float((row - faint).abs().max())
    label, p = subject.classifier.labels[top], float(row[top])
    if jump > MOVES:
        text = (f"Digital silence gets {label} {probability(p)}, a noise of -100 dB moves it by up to {jump:.2f}: exact zeros "
                "are a special case to this model, and removing leaves zeros. Use --fill noise.")  # fmt: skip
        return Finding("silence", "warning", text, jump, ("score",))
    if p >= SURE:
        text = (f"The model is sure about digital silence: {label} {probability(p)}. Values count from there; look at both "
                "fills (--second-fill noise).")  # fmt: skip
        return Finding("silence", "warning", text, p)
    return Finding("silence", "passed", f"Digital silence gets {label} {probability(p)}, a noise of -100 dB the same "
                   f"within {jump:.2f}.", p)  # fmt: skip


def position(subject: Subject) -> Finding:
    """Return whether it matters where in the window a sound lies; the sound is the first half of the clip."""
    half = subject.clip[..., : subject.clip.shape[-1] // 2]
    rest = torch.zeros_like(subject.clip[..., half.shape[-1] :])
    early, late = (subject.probabilities(torch.cat(pair, dim=-1))[0] for pair in ((half, rest), (rest, half)))
    top = int(early.argmax())
    move = float((early[top] - late[top]).abs())
    if int(late.argmax()) == top and move <= 2 * MOVES:
        return Finding("position", "passed", f"At the start or the end of the window a sound gets the same: within {move:.2f}.",
                       move)  # fmt: skip
    text = (f"A sound gets another answer at the end of the window than at its start (probability moves by {move:.2f}): values "
            "of segments tell of their place too.")  # fmt: skip
    return Finding("position", "warning", text, move)


def polarity(subject: Subject) -> Finding:
    """Return whether turning the waveform upside down changes the answer; for information only."""
    row, turned = subject.probabilities(subject.clip), subject.probabilities(-subject.clip)
    move = float((row - turned).abs().max())
    if move <= CLOSE:
        return Finding("polarity", "passed", "The waveform upside down gets the same answer, as from a spectrogram.", move)
    return Finding(
        "polarity", "passed", f"The waveform upside down moves a probability by {move:.2f}: the model hears phase.", move
    )


def _others(subject: Subject) -> Tensor:
    loudness = subject.clip.square().mean().sqrt()
    noises = [gain * loudness * subject.noise(subject.clip, stream=i) for i, gain in enumerate((1.0, 0.1, 5.0, 0.3))]
    return torch.cat([*noises, torch.zeros_like(subject.clip), 0.5 * subject.clip, -subject.clip])


def _range(subject: Subject) -> float:
    """Return how far answers lie apart: over labels, and over the clip, a noise and silence."""
    loudness = subject.clip.square().mean().sqrt()
    rows = [subject.ask(sound) for sound in (subject.clip, loudness * subject.noise(subject.clip), 0 * subject.clip)]
    found = torch.cat(rows).nan_to_num(0.0, 0.0, 0.0)
    return max(float(found.max() - found.min()), 1e-6)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
