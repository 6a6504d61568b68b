"""MIDI files of single parts, for the SoundFont player to read."""

from __future__ import annotations

from pathlib import Path

from hearwhy.datasets.band.composer import Part, Song

TICKS_PER_BEAT = 960  # at 150 beats a minute one tick is 0.4 ms, far below the humanised timing
BANK_SELECT, VOLUME, ALL_SOUND_OFF = 0, 7, 120
DRUM_CHANNEL = 9  # General MIDI's channel 10


def write_midi(song: Song, part: Part, path: Path) -> None:
    """Write one part of a song as a MIDI file; all sound ends with the song."""
    import mido  # type: ignore[import-untyped]

    midi = mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT)
    track = mido.MidiTrack()
    midi.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(song.tempo)))
    track.append(mido.MetaMessage("track_name", name=f"{part.stem}: {part.preset.name}"))
    now = 0
    for tick, message in _messages(song, part):
        track.append(message.copy(time=tick - now))
        now = tick
    midi.save(path)


def _messages(song: Song, part: Part):  # type: ignore[no-untyped-def]  # mido ships no types
    from mido import Message

    channel = DRUM_CHANNEL if part.is_drum else 0
    ticks_per_s = TICKS_PER_BEAT * song.tempo / 60
    bank = 0 if part.is_drum else part.preset.bank  # drum kits are reached by their channel
    setup = [
        Message("control_change", channel=channel, control=BANK_SELECT, value=bank),
        Message("program_change", channel=channel, program=part.preset.program),
        Message("control_change", channel=channel, control=VOLUME, value=part.volume),
    ]
    played = []
    for note in part.notes:
        name = {"channel": channel, "note": note.pitch}
        played.append((round(note.start_s * ticks_per_s), Message("note_on", velocity=note.velocity, **name)))
        played.append((round(note.stop_s * ticks_per_s), Message("note_off", **name)))
    # At one tick a note ends before the next begins: the other way round would silence a repeated pitch
    played.sort(key=lambda item: (item[0], item[1].type != "note_off"))
    end = round(song.duration_s * ticks_per_s)
    # Without it the player renders on until the last voice has died, up to 20 s of it
    off = Message("control_change", channel=channel, control=ALL_SOUND_OFF, value=0)
    return [(0, message) for message in setup] + [item for item in played if item[0] < end] + [(end, off)]
