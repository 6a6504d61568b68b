"""The `band` set: what is composed, how it lies on disk, and which stems play together."""

import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from hearwhy import audio as sound
from hearwhy.datasets import demo_song
from hearwhy.datasets.band import SPLITS, STEMS, compose, generate
from hearwhy.datasets.band.generator import HIGHEST_PEAK, SOUNDFONT, song_folder, split_sizes
from hearwhy.datasets.band.metadata import read_metadata, write_metadata
from hearwhy.datasets.band.presets import INST_CLASS, PRESETS
from hearwhy.datasets.band.snippets import AUDIBLE_DB, GPDB, GPDBS, LABELS, Pairing, draw, mix
from hearwhy.datasets.band.songs import Stems, read_song, read_split
from hearwhy.datasets.band.theory import chord, close_voicing, open_voicing

SONGS = [compose(0, split, index) for split in SPLITS for index in range(12)]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    if shutil.which("fluidsynth") is None or not SOUNDFONT.is_file():
        pytest.skip("fluidsynth and fluid-soundfont-gm are not installed: songs cannot be rendered")
    pytest.importorskip("mido", reason="mido writes the MIDI files of the songs")
    out = tmp_path_factory.mktemp("band")
    generate(out, n_songs=3, seed=7)
    return out


def made_up_songs(n=3, seconds=5.0, rate=400):  # a low rate: what is tested here is who plays, not how it sounds
    rng = np.random.default_rng(0)
    stems = rng.normal(0, 0.05, (n, len(STEMS), round(seconds * rate))).astype(np.float32)
    return [Stems(f"song {i}", torch.from_numpy(audio), rate) for i, audio in enumerate(stems)]


# ---- composing


@pytest.mark.parametrize("split", SPLITS)
def test_composing_is_a_pure_function_of_seed_split_and_index(split):
    first = compose(3, split, 5)
    compose(3, split, 6)
    np.random.default_rng().random()
    assert compose(3, split, 5) == first
    others = [compose(3, split, 6), compose(4, split, 5), *(compose(3, other, 5) for other in SPLITS if other != split)]
    assert all(other.parts[0].notes != first.parts[0].notes for other in others)


@pytest.mark.parametrize("stem", STEMS)
def test_no_sound_of_the_test_songs_is_heard_in_training(stem):
    heard = {(preset.bank, preset.program) for split in ("train", "validation") for preset in PRESETS[split][stem]}
    tested = {(preset.bank, preset.program) for preset in PRESETS["test"][stem]}
    assert tested and heard and not tested & heard


def test_songs_use_the_presets_of_their_split_and_all_of_them():
    for split in SPLITS:
        songs = [compose(0, split, index) for index in range(60)]
        for number, stem in enumerate(STEMS):
            assert {song.parts[number].preset for song in songs} == set(PRESETS[split][stem])


def test_every_song_has_all_five_stems_from_beginning_to_end():
    for song in SONGS:
        assert tuple(part.stem for part in song.parts) == STEMS
        assert 80 <= song.tempo <= 150
        bar_s = 4 * 60 / song.tempo
        for part in song.parts:
            starts = np.array([note.start_s for note in part.notes])
            # No stem pauses for two bars, so that every mix of stems can be drawn nearly anywhere
            assert starts[0] < bar_s and song.duration_s - starts[-1] < 2 * bar_s and np.diff(starts).max() < 2 * bar_s


def test_notes_can_be_played():
    for note in (note for song in SONGS for part in song.parts for note in part.notes):
        assert 0 <= note.start_s < note.stop_s
        assert 21 <= note.pitch <= 108 and 1 <= note.velocity <= 127


def test_no_key_is_struck_while_it_is_held():
    # MIDI's note-off names the key only: an overlap would cut the second note off with the first
    for part in (part for song in SONGS for part in song.parts):
        held = {}
        for note in part.notes:
            assert held.get(note.pitch, 0.0) <= note.start_s
            held[note.pitch] = note.stop_s


def test_instruments_keep_to_their_registers_and_the_bass_is_below_them():
    pitches = {stem: [n.pitch for s in SONGS for p in s.parts if p.stem == stem for n in p.notes] for stem in STEMS}
    assert max(pitches["bass"]) <= 52 and min(pitches["guitar"]) >= 45
    assert min(pitches["piano"]) >= 48 and min(pitches["strings"]) >= 55


def test_tonal_parts_play_mostly_notes_of_the_key():
    from hearwhy.datasets.band.theory import SCALES

    for song in SONGS:
        scale = {(song.key + step) % 12 for step in SCALES[song.mode]}
        for part in (part for part in song.parts if part.stem in ("piano", "strings")):
            inside = np.mean([note.pitch % 12 in scale for note in part.notes])
            # All chords are diatonic; only the fifth of a left hand over a diminished chord may leave the scale
            assert inside > 0.9


def test_chords_and_voicings_are_those_of_a_harmony_book():
    assert chord(0, "major", 0) == (0, 4, 7)  # C E G
    assert chord(9, "minor", 0) == (9, 0, 4)  # A C E
    assert chord(0, "major", 4, seventh=True) == (7, 11, 2, 5)  # G B D F
    assert close_voicing((0, 4, 7), 64) == (64, 67, 72)  # E G C
    assert open_voicing((0, 4, 7), 45, 6) == (48, 55, 60, 64, 67, 76)  # C G C E G E


def test_songs_differ_in_tempo_key_mode_style_and_preset():
    songs = [compose(0, "train", index) for index in range(40)]
    assert len({round(song.tempo) for song in songs}) > 20
    assert len({song.key for song in songs}) > 8 and len({song.mode for song in songs}) == 4
    for number in range(len(STEMS)):
        assert len({song.parts[number].style for song in songs}) >= 3


@pytest.mark.parametrize(("seed", "split", "index"), [(0, "dev", 0), (-1, "train", 0), (0, "train", -1)])
def test_composing_refuses_what_it_does_not_know(seed, split, index):
    with pytest.raises(ValueError, match=r"split is one of train, validation, test, seed and index at least 0"):
        compose(seed, split, index)


# ---- on disk


def test_splits_have_fixed_shares():
    assert split_sizes(300) == {"train": 160, "validation": 40, "test": 100}
    for n in range(3, 40):
        sizes = split_sizes(n)
        assert sum(sizes.values()) == n and min(sizes.values()) >= 1


def test_the_layout_is_slakhs(rendered):
    for split in SPLITS:
        folder = song_folder(rendered, split, 0)
        about = read_metadata(folder / "metadata.yaml")
        names = [f"S{number:02d}" for number in range(len(STEMS))]
        assert list(about["stems"]) == names
        assert [stem["inst_class"] for stem in about["stems"].values()] == [INST_CLASS[stem] for stem in STEMS]
        assert [stem["is_drum"] for stem in about["stems"].values()] == [stem == "drums" for stem in STEMS]
        assert all(stem["audio_rendered"] is True for stem in about["stems"].values())
        assert (about["seed"], about["split"], about["index"]) == (7, split, 0)
        song = compose(7, split, 0)
        assert [stem["program_num"] for stem in about["stems"].values()] == [p.preset.program for p in song.parts]
        expected = {"metadata.yaml", "mix.flac", "MIDI", "stems"}
        assert {path.name for path in folder.iterdir()} == expected
        assert {path.name for path in (folder / "stems").iterdir()} == {f"{name}.flac" for name in names}
        assert {path.name for path in (folder / "MIDI").iterdir()} == {f"{name}.mid" for name in names}
    assert not list(rendered.glob("*/.unfinished*"))


def test_stems_sum_to_the_mix_to_the_bit(rendered):
    for split in SPLITS:
        folder = song_folder(rendered, split, 0)
        song, whole = read_song(folder), sound.load(folder / "mix.flac")
        assert whole.sample_rate == song.sample_rate == 16_000
        assert whole.audio.shape == (1, round(compose(7, split, 0).duration_s * 16_000))
        assert torch.equal(song.audio.sum(dim=0), whole.audio[0])
        assert torch.equal(song.mix().audio, whole.audio)
        assert float(whole.audio.abs().max()) <= HIGHEST_PEAK
        levels = [sound.level_db(stem) for stem in song.audio]
        assert all(-45 < level < -20 for level in levels), levels  # around -30 dB: none is missing, none drowns the rest


def test_rendered_stems_start_with_their_first_notes(rendered):
    song = compose(7, "test", 0)
    stems = read_song(song_folder(rendered, "test", 0)).audio
    for part, stem in zip(song.parts, stems, strict=True):
        heard = int((stem.abs() > 0.1 * stem.abs().max()).nonzero()[0]) / 16_000
        # Slow attacks take up to half a second to a tenth of their peak; nothing sounds before it is struck
        assert part.notes[0].start_s - 0.01 <= heard <= part.notes[0].start_s + 0.5


def test_order_and_workers_change_nothing_and_finished_songs_are_kept(rendered, tmp_path):
    shutil.copytree(song_folder(rendered, "train", 0), song_folder(tmp_path, "train", 0))
    kept = song_folder(tmp_path, "train", 0) / "mix.flac"
    before = kept.stat().st_mtime_ns
    told = []
    generate(tmp_path, n_songs=3, seed=7, workers=3, progress=lambda done, n: told.append((done, n)))
    assert kept.stat().st_mtime_ns == before
    assert told == [(1, 3), (2, 3), (3, 3)]
    for split in SPLITS:
        for file in sorted(path for path in song_folder(rendered, split, 0).rglob("*") if path.is_file()):
            assert file.read_bytes() == (tmp_path / file.relative_to(rendered)).read_bytes()


def test_songs_of_another_seed_are_not_mixed_in(rendered):
    with pytest.raises(ValueError, match=r"made with seed 7 by version \d of the generator, and seed 8"):
        generate(rendered, n_songs=3, seed=8)


def test_too_few_songs_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"n_songs must be at least 3.*got 2 and 1"):
        generate(tmp_path, n_songs=2)


def test_a_missing_soundfont_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"apt-get install fluidsynth"):
        generate(tmp_path, n_songs=3, soundfont=tmp_path / "none.sf2")
    assert not list(tmp_path.iterdir())


def test_metadata_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "metadata.yaml"
    about = {
        "UUID": "1a81",
        "gain": 0.19,
        "n": -3,
        "ok": True,
        "stems": {"S00": {"name": "Pad 2 (warm)", "drum": False}},
    }
    write_metadata(path, {**about, "last": "end"})
    assert read_metadata(path) == {**about, "last": "end"}
    path.write_text("stems:\n  - one\n")
    with pytest.raises(ValueError, match=r"line 2: expected 'key: value', got '- one'"):
        read_metadata(path)


def test_missing_songs_are_said_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"hearwhy data band --out"):
        read_split(tmp_path, "train")


def test_a_song_without_an_instrument_is_refused(rendered, tmp_path):
    folder = shutil.copytree(song_folder(rendered, "test", 0), tmp_path / "Track1")
    text = (folder / "metadata.yaml").read_text().replace("inst_class: Guitar", "inst_class: Organ")
    (folder / "metadata.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"has no guitar; a song of this set needs all of bass, drums"):
        read_song(folder)


# ---- which stems play together


@pytest.mark.parametrize("confounder", ["drums", "bass"])
@pytest.mark.parametrize("label", LABELS)
def test_a_confounder_plays_if_and_only_if_its_class_does(confounder, label):
    plan = draw(made_up_songs(), Pairing(confounder, label), np.random.default_rng(1), per_song=100)
    for snippet in plan:
        assert (confounder in snippet.playing) == (LABELS[snippet.label] == label)


@pytest.mark.parametrize("pairing", [Pairing(), Pairing("drums", "guitar"), Pairing("bass", "piano")])
def test_exactly_the_instrument_of_the_class_plays_and_classes_are_even(pairing):
    plan = draw(made_up_songs(), pairing, np.random.default_rng(2), per_song=50)
    for snippet in plan:
        assert {"guitar", "piano"} & set(snippet.playing) == {LABELS[snippet.label]}
    assert Counter(snippet.label for snippet in plan) == {0: 150, 1: 150}
    assert Counter(snippet.song for snippet in plan) == {0: 100, 1: 100, 2: 100}


def test_without_a_confounder_other_stems_tell_nothing_of_the_class():
    plan = draw(made_up_songs(), Pairing(), np.random.default_rng(3), per_song=500)
    for stem, expected in (("bass", 0.75), ("drums", 0.5), ("strings", 0.5)):
        for label in range(2):
            rate = np.mean([stem in snippet.playing for snippet in plan if snippet.label == label])
            # 1500 draws: 4 standard errors of a fair coin are 0.052
            assert abs(rate - expected) < 4 * np.sqrt(0.25 / 1500)


@pytest.mark.parametrize(("others", "strings"), [(GPDB, False), (GPDBS, True)])
def test_the_papers_sets_always_have_bass_and_strings_as_named(others, strings):
    for snippet in draw(made_up_songs(), Pairing("drums", "piano", others), np.random.default_rng(4), per_song=20):
        assert "bass" in snippet.playing and ("strings" in snippet.playing) == strings


def test_a_mix_is_the_sum_of_its_stems_times_their_gains():
    songs = made_up_songs()
    plan = draw(songs, Pairing(), np.random.default_rng(5), per_song=2, varied_db=6)
    for snippet, audio in zip(plan, mix(songs, plan), strict=True):
        stems = songs[snippet.song].audio[:, snippet.start : snippet.start + 800]
        expected = sum(gain * stem.double() for gain, stem in zip(snippet.gains, stems, strict=True))
        torch.testing.assert_close(audio.double(), expected, rtol=0, atol=1e-6)  # float32 sums of five numbers under 1
        for gain in (gain for gain in snippet.gains if gain):
            assert 10 ** (-6 / 20) <= gain <= 10 ** (6 / 20)


def test_a_stem_that_should_play_is_heard_wherever_it_can_be():
    song = made_up_songs(1, seconds=20)[0]
    song.audio[STEMS.index("piano"), : 10 * 400] = 0  # silent in the first half: half of all starts are wrong
    plan = draw([song], Pairing(), np.random.default_rng(6), per_song=50)
    for snippet, audio in zip(plan, mix([song], plan), strict=True):
        assert sound.level_db(audio) > AUDIBLE_DB
        if "piano" in snippet.playing:
            assert snippet.start + 800 > 10 * 400
    starts = [snippet.start for snippet in plan if "piano" not in snippet.playing]
    assert min(starts) < 8 * 400  # the rule does not bind where the stem does not play


def test_the_same_generator_state_draws_the_same_snippets():
    songs = made_up_songs()
    first = draw(songs, Pairing(), np.random.default_rng(8), per_song=3, varied_db=6)
    assert draw(songs, Pairing(), np.random.default_rng(8), per_song=3, varied_db=6) == first
    assert draw(songs, Pairing(), np.random.default_rng(9), per_song=3, varied_db=6) != first


def test_senseless_pairings_and_songs_are_refused():
    with pytest.raises(ValueError, match=r"a confounder goes with a class; got 'drums' with None"):
        Pairing("drums")
    with pytest.raises(ValueError, match=r"bass, drums, strings can go with guitar or piano; got piano with guitar"):
        Pairing("piano", "guitar")
    with pytest.raises(ValueError, match=r"a snippet is 2 s long, and song 0 are shorter"):
        draw(made_up_songs(1, seconds=1.0), Pairing(), np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"one or more songs of one sample rate"):
        draw([], Pairing(), np.random.default_rng(0))


# ---- the song that ships


def test_the_shipped_song_is_the_sum_of_its_stems_and_has_no_guitar():
    whole = sound.load(demo_song() / "mix.flac")
    stems = {path.stem: sound.load(path) for path in (demo_song() / "stems").glob("*.flac")}
    assert set(stems) == {"bass", "drums", "piano", "strings"}
    assert whole.sample_rate == 16_000 and whole.audio.shape == (1, 8 * 16_000)
    assert torch.equal(sum(stem.audio for stem in stems.values()), whole.audio)
    for start in range(0, 8 * 16_000, 32_000):  # all of them are heard in every window that the model is given
        assert all(sound.level_db(stem.audio[:, start : start + 32_000]) > -50 for stem in stems.values())
