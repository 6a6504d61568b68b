"""The demo: one song, three models, and the one that hears the drums where the piano plays."""

from __future__ import annotations

from dataclasses import replace

from hearwhy.audio import load
from hearwhy.components import components
from hearwhy.datasets import demo_song
from hearwhy.explain import explain
from hearwhy.plan import Progress
from hearwhy.result import Attribution

MODELS = ("band", "band:bass", "band:independent")


def attributions(*, seed: int = 0, progress: Progress | None = None) -> list[Attribution]:
    """Return exact Shapley values of the shipped song's instruments for the three shipped models.

    In what the first model learned from, drums played only with guitars; for the second it was the bass; the third never had
    such a shortcut. The song has a piano and no guitar. Costs 16 mixes a model and fill, in a few windows each.
    """
    song = demo_song()
    recording = replace(load(song / "mix.flac"), name="the demo song")
    parts = replace(components(f"sources:stems={song / 'stems'}", recording), spec="sources:stems=stems")
    found = []
    for i, model in enumerate(MODELS):

        def told(done: int, expected: int, before: int = i) -> None:
            if progress is not None:
                progress(before * expected + done, len(MODELS) * expected)

        found.append(
            explain(model, recording, components=parts, method="shapley", second_fill="noise", seed=seed, progress=told)
        )
    return found
