"""Sound files and folders of classes: what is found, what it is called, what is damaged and how that is said."""

import csv
import shutil

import numpy as np
import pytest
import soundfile
from dataset_scenes import noise

from hearwhy import audio as sound
from hearwhy.datasets import read
from hearwhy.datasets.groups import groups_by_name
from hearwhy.datasets.headers import read_header

RATE = 8000
FORMATS = ("wav", "flac", "ogg", "mp3", "aiff")


def write(path, seed=0, *, seconds=1.0, rate=RATE, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(seed, seconds=seconds, rate=rate).audio.T.numpy(), rate, **how)
    return path


def cut_off(path, share):
    path.write_bytes(path.read_bytes()[: round(path.stat().st_size * share)])


# ---- layouts


def test_a_folder_for_each_class(tmp_path):
    write(tmp_path / "dog" / "b.wav")
    write(tmp_path / "dog" / "deep" / "a.flac")
    write(tmp_path / "cat" / "c.ogg", seconds=2.0)
    (tmp_path / "dog" / "notes.txt").write_text("no sound, and none by its name")
    write(tmp_path / "cat" / ".hidden.wav")
    write(tmp_path / ".cache" / "c.wav")
    (tmp_path / "empty class").mkdir()
    dataset = read(tmp_path)
    assert dataset.layout == "folder" and not dataset.problems and dataset.labels == ("cat", "dog")
    found = [(item.name, item.label, item.duration_s) for item in dataset.items]
    assert found == [("cat/c.ogg", "cat", 2.0), ("dog/b.wav", "dog", 1.0), ("dog/deep/a.flac", "dog", 1.0)]
    assert all(item.stems() is None for item in dataset.items)
    recording = dataset.items[1].load(start_s=0.25, duration_s=0.5)
    assert recording.name == "dog/b.wav" and recording.audio.shape == (1, 4000)
    assert dataset.summary() == "folder: 3 recordings, 0.1 minutes, 2 classes: cat 1, dog 2"


def test_classes_in_splits(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / split / "dog" / "a.wav")
        write(tmp_path / split / "cat" / "a.wav")
    names = ["train/cat/a.wav", "train/dog/a.wav", "test/cat/a.wav", "test/dog/a.wav"]
    assert [item.name for item in read(tmp_path).items] == names
    assert [(item.name, item.label) for item in read(tmp_path, split="test").items] == [
        ("test/cat/a.wav", "cat"),
        ("test/dog/a.wav", "dog"),
    ]
    with pytest.raises(FileNotFoundError, match=r"There is no split 'dev' in .*; it has test, train\."):
        read(tmp_path, split="dev")
    with pytest.raises(FileNotFoundError, match=r"There is no split '\.\./test'"):
        read(tmp_path / "train", split="../test")


def test_files_without_more(tmp_path):
    write(tmp_path / "a.wav")
    write(tmp_path / "one" / "b.wav")
    write(tmp_path / "two" / "c.wav")
    dataset = read(tmp_path)  # a sound file beside the folders: they are no classes
    assert dataset.layout == "files" and [item.label for item in dataset.items] == [None] * 3
    assert [item.name for item in dataset.items] == ["a.wav", "one/b.wav", "two/c.wav"]
    (only,) = read(tmp_path / "a.wav").items
    assert only.name == "a.wav" and only.duration_s == 1.0
    (tmp_path / "a.wav").unlink()
    assert read(tmp_path).layout == "folder"
    shutil.rmtree(tmp_path / "two")
    assert read(tmp_path).layout == "files"  # one folder is no choice of classes


def test_esc50s_layout_as_items(tmp_path):
    rows = [
        ("1-100-A-7.wav", 1, 7, "rain"),
        ("1-100-B-7.wav", 1, 7, "rain"),
        ("2-31-A-0.wav", 2, 0, "dog"),
        ("2-32-A-0.wav", 2, 0, "dog"),
    ]
    (tmp_path / "meta").mkdir()
    with (tmp_path / "meta" / "esc50.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("filename", "fold", "target", "category"), *rows])
    for number, row in enumerate(rows[:3]):
        write(tmp_path / "audio" / row[0], number)
    dataset = read(tmp_path)
    assert dataset.layout == "esc50"
    found = [(item.name, item.label, item.group) for item in dataset.items]
    expected = [("1-100-A-7.wav", "rain", "100"), ("1-100-B-7.wav", "rain", "100"), ("2-31-A-0.wav", "dog", "31")]
    assert found == expected
    ((name, reason),) = dataset.problems
    assert name == "2-32-A-0.wav" and "There is no file" in reason
    assert [item.name for item in read(tmp_path, split="2").items] == ["2-31-A-0.wav"]
    assert "they were cut from 2 sources" in dataset.summary()
    with pytest.raises(ValueError, match=r"is a fold, one of 1, 2; got 'train'"):
        read(tmp_path, split="train")
    with pytest.raises(ValueError, match=r"no clip in fold 3"):
        read(tmp_path, split="3")


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no .*nowhere; give a folder of recordings"):
        read(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"There is no sound file in .*; hearwhy reads \.wav, \.flac"):
        read(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"None of the 1 recordings in .* can be used; a\.wav: .*cannot be read as sound"):
        read(tmp_path)
    write(tmp_path / "a.wav")
    with pytest.raises(ValueError, match=r"layout 'files', in which the sources are not known; leave stems out"):
        read(tmp_path, stems=["drums"])
    for wrong in ("drums", []):
        with pytest.raises(ValueError, match=r"stems is a list of names"):
            read(tmp_path, stems=wrong)


# ---- damage


@pytest.mark.parametrize("suffix", FORMATS)
def test_headers_of_every_format(tmp_path, suffix):
    header = read_header(write(tmp_path / f"a.{suffix}", seconds=3.0))
    assert (header.n_samples, header.sample_rate, header.n_channels, header.exact) == (3 * RATE, RATE, 1, True)


@pytest.mark.parametrize("share", [0.95, 0.5])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_was_cut_off_never_passes_for_a_whole_one(tmp_path, suffix, share):
    write(tmp_path / "good.wav")
    cut_off(write(tmp_path / f"cut.{suffix}", seconds=20.0), share)
    if suffix in ("wav", "ogg", "aiff"):  # seen without decoding
        ((name, reason),) = read(tmp_path).problems
        assert name == f"cut.{suffix}" and ("is cut off" in reason or "empty" in reason)
    else:
        damaged = next(item for item in read(tmp_path).items if item.name.startswith("cut"))
        with pytest.raises(ValueError, match=r"cut\.\w+ is damaged"):
            damaged.load()
        with pytest.raises(ValueError, match=r"cut\.\w+ is (damaged|empty)"):
            damaged.load(start_s=18.0, duration_s=1.9)
        assert damaged.load(duration_s=1.0).audio.shape == (1, RATE)  # its beginning is whole
    dataset = read(tmp_path, check=True)
    assert [item.name for item in dataset.items] == ["good.wav"]
    assert dataset.problems[0][0] == f"cut.{suffix}"
    assert f"1 left out:\n  cut.{suffix}: " in dataset.summary()


def test_an_ogg_file_that_ends_with_a_page_but_not_with_the_last_one_is_cut_off(tmp_path):
    path = write(tmp_path / "a.ogg", seconds=20.0)
    data = path.read_bytes()
    assert read_header(path).n_samples == 20 * RATE
    path.write_bytes(data[: data.rfind(b"OggS")])
    with pytest.raises(ValueError, match=r"a\.ogg is cut off"):
        read_header(path)


def test_headers_alone_and_files_of_nothing_are_left_out(tmp_path):
    write(tmp_path / "good.wav")
    for suffix in FORMATS:
        whole = write(tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"zero.{suffix}").write_bytes(b"")
        (tmp_path / f"head.{suffix}").write_bytes(whole[:20])
        (tmp_path / f"text.{suffix}").write_text("this is not a sound")
    soundfile.write(tmp_path / "none.wav", np.zeros((0, 1)), RATE)
    dataset = read(tmp_path)
    assert {item.name for item in dataset.items} == {"good.wav", *(f"whole.{suffix}" for suffix in FORMATS)}
    assert len(dataset.problems) == 3 * len(FORMATS) + 1
    assert "it holds no samples" in dict(dataset.problems)["none.wav"]


def test_sound_of_a_kind_that_is_not_read_is_named_and_other_files_are_not(tmp_path):
    write(tmp_path / "dog" / "LOUD.WAV")
    (tmp_path / "dog" / "b.m4a").write_bytes(b"any")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "c.opus").write_bytes(b"any")
    (tmp_path / "cat" / "cover.jpg").write_bytes(b"any")
    dataset = read(tmp_path)
    assert dataset.layout == "folder" and [item.name for item in dataset.items] == ["dog/LOUD.WAV"]
    assert [name for name, _ in dataset.problems] == ["cat/c.opus", "dog/b.m4a"]
    assert all("of a kind that hearwhy does not read; convert it" in reason for _, reason in dataset.problems)


def test_digital_silence_is_left_out_by_checking(tmp_path):
    write(tmp_path / "good.wav")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    told = []
    dataset = read(tmp_path, check=True, progress=lambda *numbers: told.append(numbers))
    assert dataset.problems == (("silent.wav", "silent.wav is digitally silent; leave it out."),)
    assert told == [(1, 2), (2, 2)] and len(read(tmp_path).items) == 2


def test_files_written_to_a_pipe(tmp_path):
    wav = write(tmp_path / "pipe.wav")
    data = bytearray(wav.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4  # the sizes that ffmpeg leaves where it cannot go back to write them
    wav.write_bytes(data)
    assert read(tmp_path).items[0].load().audio.shape == (1, RATE)
    flac = write(tmp_path / "pipe.flac")
    data = bytearray(flac.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # STREAMINFO's 36 bits of length: unknown
    flac.write_bytes(data)
    ((name, reason),) = read(tmp_path).problems
    assert name == "pipe.flac" and "does not say how long it is" in reason


def test_an_mp3_file_without_a_length_is_not_called_damaged(tmp_path):
    path = write(tmp_path / "a.mp3", seconds=3.0, rate=44_100, bitrate_mode="CONSTANT", compression_level=0.5)
    data = path.read_bytes()
    # Its first frame holds no sound but the length: 144 bytes a kbit/s and kHz, and one where the padding bit is set
    kbits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)[data[2] >> 4]
    path.write_bytes(data[144_000 * kbits // 44_100 + (data[2] >> 1 & 1) :])
    (item,) = read(tmp_path).items
    assert not item.header.exact
    assert item.load().audio.shape[1] == pytest.approx(3 * 44_100, rel=0.05)
    tagged = tmp_path / "tagged.mp3"
    tagged.write_bytes(b"ID3\x04\x00\x00" + bytes((0, 0, 39, 16)) + bytes(39 * 128 + 16) + data)  # a tag longer than a page
    assert read_header(tagged).exact


# ---- names


def test_takes_of_a_source_are_one_group_whatever_their_class(tmp_path):
    names = ["dog/yard_01.wav", "dog/yard_02.wav", "dog/hall-a.wav", "cat/yard_03.wav", "cat/hall.wav", "cat/x.wav"]
    labels = [name.partition("/")[0] for name in names]
    assert groups_by_name(names, labels) == ["yard", "yard", "hall", "yard", "hall", "cat/x.wav"]
    for name in names:
        write(tmp_path / name)
    assert {item.name: item.group for item in read(tmp_path).items} == dict(
        zip(names, groups_by_name(names, labels), strict=True)
    )


def test_esc50s_names_tell_the_source():
    names = ["rain/1-100-A-7.wav", "rain/1-100-B-7.wav", "dog/1-100-C-0.wav", "dog/2-31-A-0.wav"]
    assert groups_by_name(names, ["rain", "rain", "dog", "dog"]) == ["100", "100", "100", "31"]


def test_numbers_that_count_a_whole_class_are_no_takes():
    names = [f"dog/dog_{i:03d}.wav" for i in range(9)] + ["cat/a_1.wav", "cat/a_2.wav", "cat/b_1.wav"]
    groups = groups_by_name(names, ["dog"] * 9 + ["cat"] * 3)
    assert groups == [*names[:9], "a", "a", "b"]


def test_numbers_alone_are_no_takes():
    names = ["dog/01.wav", "dog/02.wav", "cat/01.wav"]
    assert groups_by_name(names, ["dog", "dog", "cat"]) == names


# ---- real recordings


@pytest.mark.shared_data
def test_real_recordings(shared_data):
    dataset = read(shared_data / "esc10")
    assert len(dataset.items) == 400 and not dataset.problems and len(dataset.labels) == 10
    assert len({item.group for item in dataset.items}) == len({sound_file.name.split("-")[1] for sound_file in
                                                               (shared_data / "esc10" / "audio").iterdir()})  # fmt: skip
    assert [item.layout for item in (read(shared_data / "music"),)] == ["files"]
    assert read(shared_data / "music").items[0].load().sample_rate == 16_000
    assert sound.level_db(dataset.items[0].load().audio) > -60
