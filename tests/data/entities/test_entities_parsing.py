"""Phrase marks and annotation files of Flickr30k Entities: the real samples, and every fault caused on purpose."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optical_hf.data.entities import Box, parse_annotation, parse_sentence
from optical_hf.data.entities.marks import strip_line_tag


def test_every_real_english_sample(shared_data):
    files = sorted((shared_data / "flickr30k_entities" / "samples" / "Sentences").glob("*.txt"))
    assert len(files) == 9
    for file in files:
        for line in file.read_text().splitlines():
            sentence = parse_sentence(line)
            assert len(sentence.phrases) == line.count("[/EN#") > 0
            assert "[" not in sentence.text
            assert "EN#" not in sentence.text
            for phrase in sentence.phrases:
                assert sentence.text[phrase.start : phrase.end] == phrase.text != ""


def test_a_tag_with_several_types_and_the_not_visual_chain():
    line = "[/EN#255543/people A woman] holds [/EN#255545/bodyparts/people a man 's arm] in [/EN#0/notvisual it] ."
    sentence = parse_sentence(line)
    assert sentence.text == "A woman holds a man 's arm in it ."
    assert [phrase.types for phrase in sentence.phrases] == [("people",), ("bodyparts", "people"), ("notvisual",)]
    assert sentence.phrases[2].chain_id == "0"


def test_the_japanese_sample_keeps_the_english_order(shared_data):
    file = shared_data / "flickr30k_entities" / "samples" / "Sentences_jp" / "1000092795.txt"
    sentence = parse_sentence(file.read_text(encoding="utf-8").splitlines()[0])
    assert sentence.text == "ボサボサ髪の２人の若い男が、庭をうろつきながら手に視線を向けている。"
    assert [(p.text, p.order, p.chain_id) for p in sentence.phrases] == [
        ("ボサボサ髪", 2, "2"),
        ("２人の若い男", 1, "1"),
        ("庭", 4, "8"),
        ("手", 3, "3"),
    ]


def test_the_french_marks(shared_data):
    folder = shared_data / "flickr30k_entities" / "fr"
    with gzip.open(folder / "public_val.fr.gz", "rt", encoding="utf-8") as file:
        lines = [strip_line_tag(line) for line in file]
    assert [number for _, number in lines] == list(range(1014))
    sentences = [parse_sentence(line) for line, _ in lines]
    assert sentences[0].text == "un groupe d' hommes chargent du coton dans un camion"
    # the file has 3,426 marks, of which 74 in 67 lines are never closed: the 3,352 phrases that its users count
    assert sum(len(sentence.phrases) for sentence in sentences) == 3352
    assert sum(len(sentence.damaged) for sentence in sentences) == 74
    assert sum(bool(sentence.damaged) for sentence in sentences) == 67
    assert sentences[93].text == "un enfant qui est déguisé en spiderman sonne à la porte ."
    assert [phrase.text for phrase in sentences[93].phrases] == ["qui", "spiderman"]
    for sentence in sentences:
        assert "EN#" not in sentence.text
        assert all(sentence.text[phrase.start : phrase.end] == phrase.text for phrase in sentence.phrases)
    assert strip_line_tag("no tag") == ("no tag", None)


WORDS = st.text("aZé'。の9-.,:/#", min_size=1, max_size=6)
TEXT = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
TYPES = st.lists(st.sampled_from(["people", "clothing", "scene", "other"]), min_size=1, max_size=3)


@settings(max_examples=60)
@given(st.lists(st.tuples(TEXT, st.integers(0, 999999), TYPES, TEXT), max_size=5), TEXT)
def test_what_is_written_is_read(pieces, end):
    line = "".join(f"{text} [/EN#{chain}/{'/'.join(types)} {phrase}] " for text, chain, types, phrase in pieces) + end
    sentence = parse_sentence(line)
    assert sentence.text == "".join(f"{text} {phrase} " for text, _, _, phrase in pieces) + end
    assert not sentence.damaged
    read = [(phrase.chain_id, list(phrase.types), phrase.text) for phrase in sentence.phrases]
    assert read == [(str(chain), types, phrase) for _, chain, types, phrase in pieces]
    assert all(sentence.text[phrase.start : phrase.end] == phrase.text for phrase in sentence.phrases)


@settings(max_examples=60)
@given(st.text(max_size=60) | st.text("[]/EN#019a :", max_size=40))
def test_no_line_is_beyond_the_parser(line):
    sentence = parse_sentence(line)
    assert all(sentence.text[phrase.start : phrase.end] == phrase.text != "" for phrase in sentence.phrases)


@pytest.mark.parametrize(
    ("line", "text", "phrases", "message"),
    [
        ("a [/EN#1/people man", "a man", [], "the mark at character 2 is damaged"),
        ("[/EN#1 a man] x", "a man x", [], "the mark at character 0 is damaged"),
        ("[/EN#x/people a man]", "a man", [], "the mark at character 0 is damaged"),
        ("[/EN#1/people a [/EN#2/people man]] .", "a man] .", ["man"], "the mark at character 0 is damaged"),
        ("a [/EN#1/people ] man", "a  man", [], "the mark at character 2 has no words"),
    ],
)
def test_damaged_marks_are_left_out_and_their_words_stay(line, text, phrases, message):
    sentence = parse_sentence(line)
    assert sentence.text == text
    assert [phrase.text for phrase in sentence.phrases] == phrases
    assert sentence.damaged[0].startswith(message)


def xml(*objects, size="<size><width>100</width><height>50</height><depth>3</depth></size>"):
    return f"<annotation>\n<filename>7.jpg</filename>\n{size}\n{''.join(objects)}</annotation>".encode()


def box(names, *corners):
    tags = "".join(f"<{tag}>{n}</{tag}>" for tag, n in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=False))
    return f"<object>\n{''.join(f'<name>{name}</name>' for name in names)}\n<bndbox>{tags}</bndbox>\n</object>\n"


def test_the_real_annotation_sample(shared_data):
    file = shared_data / "flickr30k_entities" / "samples" / "Annotations" / "1000092795.PARTIAL.xml"
    annotation = parse_annotation(file.read_bytes(), file.name)
    assert (annotation.width, annotation.height) == (333, 500)
    assert annotation.boxes == {
        "1": (Box(158, 124, 219, 335), Box(196, 109, 261, 373)),  # two boxes a chain, one shared with chain 6
        "4": (Box(0, 219, 211, 473), Box(275, 214, 332, 337)),
        "6": (Box(196, 109, 261, 373),),
    }
    assert annotation.without_box == {"10"}
    assert annotation.scenes == frozenset()


def test_scene_and_no_box_flags():
    flags = "<object><name>3</name><name>4</name><scene>1</scene><nobndbox>1</nobndbox></object>"
    annotation = parse_annotation(xml(flags, box("3", 1, 1, 9, 9)), "7.xml")
    assert annotation.scenes == annotation.without_box == {"3", "4"}
    assert annotation.boxes == {"3": (Box(0, 0, 9, 9),)}


def test_boxes_over_the_edge_are_cut_and_boxes_outside_left_out():
    annotation = parse_annotation(
        xml(box("1", 0, -4, 101, 60), box("2", 101, 1, 120, 9), box("3", 100, 50, 100, 50)), "7"
    )
    assert annotation.boxes == {"1": (Box(0, 0, 100, 50),), "3": (Box(99, 49, 100, 50),)}
    assert (annotation.clipped, annotation.outside) == (1, 1)


BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<annotation><filename>&b;</filename></annotation>"""
EXTERNAL = b"""<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/hostname">]><annotation><filename>&secret;</filename></annotation>"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "refused, the file declares a DTD"),
        (EXTERNAL, "refused, the file declares a DTD"),
        (b'<!DOCTYPE annotation SYSTEM "http://example.org/voc.dtd"><annotation/>', "refused"),
        (xml(box("1", 1, 1, 9, 9))[:-20], r"7\.xml, line \d+: damaged XML"),
        (b"", r"7\.xml, line 1: damaged XML"),
        (xml(box("1", 1, 1, 9)), r"7\.xml, object 1: a box with 3 of its 4 corners"),
        (xml(box("1", 1, 1, "many", 9)), r"7\.xml, object 1: bndbox/xmax is 'many', expected a whole number"),
        (xml(box("1", 9, 1, 2, 9)), r"object 1: a box that ends before it begins: 9, 1, 2, 9"),
        (xml(box([], 1, 1, 2, 9)), r"object 1 has no name"),
        (xml("<object>\n<name>1</name>\n</object>"), r"object 1 has neither a box nor the flags"),
        (xml(box("1", 1, 1, 2, 2), size=""), "xml: no width and height of the image"),
        (xml(size="<size><width>0</width><height>5</height></size>"), "no width and height"),
    ],
)
def test_damaged_annotations_name_file_and_place(content, message):
    with pytest.raises(ValueError, match=message):
        parse_annotation(content, "7.xml")
