"""Synthetic bitext: `load_bitext` reads what is written; a stopped run goes on; other work is not overwritten."""

import json
from multiprocessing import get_context

import pytest
from filelock import FileLock

from optical_hf.data import load_bitext, write_bitext
from optical_hf.data.bitext import bitext_translation

TEXTS = [f"text {number}" for number in range(10)]


class Marked:
    """Writes a mark before each text; counts the texts, and stops after so many calls where it is told to."""

    def __init__(self, mark="x", stop_after=None):
        self.name = self.fingerprint = f"marks of {mark}"
        self.mark, self.stop_after, self.read = mark, stop_after, []

    def __call__(self, texts, language):
        assert language == "en"
        if self.stop_after is not None and len(self.read) >= self.stop_after:
            raise KeyboardInterrupt
        self.read += texts
        return [f"{self.mark} {text}" for text in texts]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(bitext_translation, "PIECE", 4)


def written(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_files_read_as_bitext_by_their_names(tmp_path):
    files = write_bitext(TEXTS, {"som": Marked("so"), "zh_TW": Marked("zh")}, tmp_path / "out", progress=False)
    assert {code: path.name for code, path in files.items()} == {"so": "so-en.tsv.gz", "zh-Hant": "zh_Hant-en.tsv.gz"}
    rows = load_bitext([str(path) for path in files.values()], cache_dir=tmp_path / "cache")
    assert rows["source"][:] == TEXTS * 2
    assert rows["target"][:] == [f"so {text}" for text in TEXTS] + [f"zh {text}" for text in TEXTS]
    assert rows.unique("language") == ["so", "zh-Hant"]
    record = json.loads((tmp_path / "out" / "translation.json").read_text())
    assert (record["so"]["model"], record["so"]["pairs"]) == ("marks of so", 10)
    assert not (tmp_path / "out" / ".pieces").exists()


def test_tabs_and_line_feeds_become_spaces_and_repeated_texts_are_translated_once(tmp_path):
    translator = Marked("a\tb\n")
    files = write_bitext(["a\tdog \n ran", "a dog ran", " ", "a cat"], {"so": translator}, tmp_path, progress=False)
    assert translator.read == ["a dog ran", "a cat"]
    rows = load_bitext(str(files["so"]), cache_dir=tmp_path / "cache")
    assert rows["target"][:] == ["a b a dog ran", "a b a cat"]


def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_files(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    write_bitext(TEXTS, {"so": Marked("so"), "sw": Marked("sw")}, whole, progress=False)
    for so, sw in (
        (4, None),
        (4, None),
        (None, 8),
    ):  # stopped before the second call, and again, and in the second language
        with pytest.raises(KeyboardInterrupt):
            write_bitext(TEXTS, {"so": Marked("so", so), "sw": Marked("sw", sw)}, broken, progress=False)
        assert not (broken / "sw-en.tsv.gz").exists()
        assert (broken / "so-en.tsv.gz").exists() == (so is None)
    so, sw = Marked("so"), Marked("sw")
    write_bitext(TEXTS, {"so": so, "sw": sw}, broken, progress=False)
    assert (so.read, sw.read) == ([], TEXTS[8:])  # so was whole, two pieces of sw were kept
    assert written(broken) == written(whole)
    again = Marked("so")
    write_bitext(TEXTS, {"so": again}, broken, progress=False)
    assert again.read == []


def test_a_disk_that_is_full_at_the_end_costs_no_translation(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(bitext_translation, "write_whole", full)
        with pytest.raises(OSError, match="No space left"):
            write_bitext(TEXTS, {"so": Marked("so")}, tmp_path, progress=False)
    assert not (tmp_path / "so-en.tsv.gz").exists()
    translator = Marked("so")
    files = write_bitext(TEXTS, {"so": translator}, tmp_path, progress=False)
    assert translator.read == []
    assert len(load_bitext(str(files["so"]), cache_dir=tmp_path / "cache")) == 10


def test_a_damaged_piece_is_translated_again(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_bitext(TEXTS, {"so": Marked("so", 8)}, tmp_path, progress=False)
    pieces = sorted((tmp_path / ".pieces").iterdir())
    pieces[0].write_text("[")
    translator = Marked("so")
    files = write_bitext(TEXTS, {"so": translator}, tmp_path, progress=False)
    assert len(translator.read) == 6
    assert len(load_bitext(str(files["so"]), cache_dir=tmp_path / "cache")) == 10


def test_a_stopped_run_of_other_texts_shares_the_pieces_that_are_alike(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_bitext(TEXTS, {"so": Marked("so", 8)}, tmp_path, progress=False)
    translator = Marked("so")
    write_bitext([*TEXTS[:4], "other"], {"so": translator}, tmp_path, progress=False)
    assert translator.read == ["other"]


@pytest.mark.parametrize(("texts", "mark"), [(TEXTS[:9], "so"), (TEXTS, "other")])
def test_a_file_of_other_texts_or_another_model_is_not_overwritten(tmp_path, texts, mark):
    write_bitext(TEXTS, {"so": Marked("so")}, tmp_path, progress=False)
    before = written(tmp_path)
    translator = Marked(mark)
    with pytest.raises(ValueError, match=r"so-en.tsv.gz is there already, from other texts or another model"):
        write_bitext(texts, {"sw": Marked("sw"), "so": translator}, tmp_path, progress=False)
    assert (written(tmp_path), translator.read) == (before, [])
    write_bitext(texts, {"sw": Marked("sw")}, tmp_path, progress=False)  # another language may stand beside it
    assert set(written(tmp_path)) == {*before, "sw-en.tsv.gz"}


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "so-en.tsv.gz").write_text("mine")
    with pytest.raises(ValueError, match=r"not an empty folder, and holds no translation.json"):
        write_bitext(TEXTS, {"so": Marked()}, tmp_path, progress=False)
    assert written(tmp_path) == {"so-en.tsv.gz": b"mine"}
    (tmp_path / "translation.json").write_text("[]")
    with pytest.raises(ValueError, match=r"translation.json is damaged"):
        write_bitext(TEXTS, {"so": Marked()}, tmp_path, progress=False)


def hold(path, held, done):
    with FileLock(path):
        held.set()
        done.wait(60)


def test_a_folder_that_another_process_writes_to(tmp_path):
    context = get_context("fork")
    held, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / ".lock", held, done))
    process.start()
    try:
        assert held.wait(60)
        with pytest.raises(ValueError, match="another process writes bitext to"):
            write_bitext(TEXTS, {"so": Marked()}, tmp_path, progress=False)
    finally:
        done.set()
        process.join()
    assert set(write_bitext(TEXTS, {"so": Marked()}, tmp_path, progress=False)) == {"so"}


def test_empty_translations_are_left_out_and_counted(tmp_path, caplog):
    class Silent(Marked):
        def __call__(self, texts, language):
            return [" " if text.endswith(self.mark) else text for text in texts]

    files = write_bitext(TEXTS, {"so": Silent("3")}, tmp_path / "some", progress=False)
    assert "so: 1 of 10 translations are empty and left out" in caplog.text
    assert len(load_bitext(str(files["so"]), cache_dir=tmp_path / "cache")) == 9
    with pytest.raises(ValueError, match="marks of  writes nothing in so for any of 10 texts"):
        write_bitext(TEXTS, {"so": Silent("")}, tmp_path / "all", progress=False)
    assert not (tmp_path / "all" / "so-en.tsv.gz").exists()


def test_what_cannot_be_meant_is_an_error(tmp_path):
    class Lost(Marked):
        def __call__(self, texts, language):
            return texts[1:]

    for texts, translators, message in (
        ([" ", ""], {"so": Marked()}, "no texts to translate"),
        (TEXTS, {"en": Marked()}, "English is among the languages"),
        (TEXTS, {"so": Marked(), "som": Marked()}, "name the language 'so' twice"),
        (TEXTS, {"so": Lost()}, "returned 3 translations of 4 texts"),
    ):
        with pytest.raises(ValueError, match=message):
            write_bitext(texts, translators, tmp_path / "out", progress=False)
