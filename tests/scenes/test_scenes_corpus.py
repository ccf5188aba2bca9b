"""Captions, bitext and retrieval parts of the scenes."""

import pytest

from optical_hf.scenes import (
    HIGH_RESOURCE,
    LANGUAGES,
    LOW_RESOURCE,
    caption,
    generate_scenes,
    scenes_bitext,
    scenes_collection_parts,
)


def test_english_and_two_languages_of_each_kind():
    assert set(LANGUAGES) == {"en", *HIGH_RESOURCE, *LOW_RESOURCE}
    assert len(HIGH_RESOURCE) == len(LOW_RESOURCE) == 2
    assert len(LANGUAGES) == 5


@pytest.mark.parametrize("tokenised", [False, True])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_entity_has_one_phrase_and_phrases_do_not_overlap(language, tokenised):
    for scene in generate_scenes(80, seed=1):
        said = caption(scene, language, variant=2, tokenised=tokenised)
        assert sorted(phrase.entity_id for phrase in said.phrases) == sorted(entity.id for entity in scene.entities)
        ends = [0]
        for phrase in said.phrases:
            words = said.words(phrase)
            assert phrase.start >= ends[-1]
            assert words
            assert words == words.strip(" .,")
            assert phrase.type == next(entity.type for entity in scene.entities if entity.id == phrase.entity_id)
            ends.append(phrase.end)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_scene_is_said_in_many_ways(language):
    varied = [len({caption(scene, language, variant).text for variant in range(12)}) for scene in generate_scenes(40)]
    assert sum(varied) / len(varied) >= 3


def test_tokenised_text_is_the_plain_text_with_spaces():
    scene = next(scene for scene in generate_scenes(50) if scene.place)
    for language in LANGUAGES:
        plain, tokenised = caption(scene, language), caption(scene, language, tokenised=True)
        assert tokenised.text.replace(" .", ".").replace(" ,", ",").replace("' ", "'") == plain.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_distinct_scenes_have_distinct_captions(language):
    """Every caption says everything, so no two scenes share one: each query has a single right answer."""
    texts = {caption(scene, language).text for scene in generate_scenes(1_000, seed=8)}
    assert len(texts) == 1_000


def test_bitext_has_the_asked_counts_and_the_documented_columns():
    bitext = scenes_bitext({"de": 50, "so": 5, "mr": 0}, seed=2)
    assert bitext.column_names == ["source", "target", "language", "origin", "id"]
    assert bitext["language"][:] == ["de"] * 50 + ["so"] * 5
    assert set(bitext["origin"]) == {"scenes"}
    assert len(set(bitext["id"])) == 55
    assert bitext["source"][50:] == bitext["source"][:5]  # a small language is a part of a large one


def test_bitext_pairs_say_the_same_scene():
    bitext = scenes_bitext({"fr": 20, "mr": 20}, seed=7)
    scenes = generate_scenes(20, seed=7, split="train")
    assert bitext["source"][:20] == [caption(scene, "en").text for scene in scenes]
    assert bitext["target"][20:] == [caption(scene, "mr").text for scene in scenes]


def test_training_bitext_and_test_collection_share_no_sentence():
    bitext = scenes_bitext({"so": 1_000})
    queries, documents, _ = scenes_collection_parts(["so"], count=300)
    assert not set(bitext["source"]) & set(documents["text"])
    assert not set(bitext["target"]) & set(queries["text"])


def test_collection_parts_have_one_right_answer_a_query():
    queries, documents, qrels = scenes_collection_parts(["en", "mr", "fr"], count=200, seed=3)
    assert queries.column_names == ["id", "text", "language", "group"]
    assert documents.column_names == ["id", "text"]
    assert len(set(documents["text"])) == len(documents) == 200
    assert len(set(queries["id"])) == len(queries) == 600
    assert set(queries["group"]) == {f"scene-{index}" for index in range(len(documents))}
    assert set(qrels) == set(queries["id"])
    known = set(documents["id"])
    assert all(list(answer.values()) == [1] and set(answer) <= known for answer in qrels.values())


def test_english_queries_are_mostly_paraphrases_of_their_documents():
    queries, documents, qrels = scenes_collection_parts(["en"], count=200)
    text = dict(zip(documents["id"], documents["text"], strict=True))
    same = sum(query["text"] == text[next(iter(qrels[query["id"]]))] for query in queries)
    assert same < 40


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: caption(generate_scenes(1)[0], "xx"), "no grammar for 'xx'; it has en, de"),
        (lambda: scenes_bitext({"qq": 3}), "no grammar for 'qq'"),
        (lambda: scenes_bitext({"en": 3}), "cannot be a target"),
        (lambda: scenes_bitext({"de": -3}), "must be 0 or more"),
        (lambda: scenes_collection_parts(["de"], count=-1), "count must be 0 or more"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_pairs_at_all():
    assert len(scenes_bitext({})) == 0
