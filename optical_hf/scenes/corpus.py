"""Captions, bitext and retrieval sets of the synthetic world, as plain ``datasets``.

Everything follows from the scene, the language and a variant number, so nothing is stored. Training captions come
from training scenes and queries and documents from held-out ones; the split is a property of the scene (``world``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from datasets import Dataset

from optical_hf.scenes.grammar import FILES, load_grammar
from optical_hf.scenes.scene_captions import Caption, assemble
from optical_hf.scenes.world import Scene, Split, generate_scenes

LANGUAGES: Final[tuple[str, ...]] = tuple(FILES)
"""Codes of the languages that have a grammar: English, two high-resource languages and two low-resource ones."""
HIGH_RESOURCE: Final = ("de", "fr")
LOW_RESOURCE: Final = ("so", "mr")


class CollectionParts(NamedTuple):
    """What a retrieval collection is made of.

    ``queries``: id, text, language, group (the scene, which all languages share and a bootstrap resamples).
    ``documents``: id, text. ``qrels``: query id to document id to 1.
    """

    queries: Dataset
    documents: Dataset
    qrels: dict[str, dict[str, int]]


def caption(scene: Scene, language: str, variant: int = 0, *, tokenised: bool = False) -> Caption:
    """Say a scene in a language.

    Every caption says everything about the scene; variants differ in synonyms, aspect and word order, and two
    variants may fall on the same sentence.

    Args:
        scene: what is to be said.
        language: one of ``LANGUAGES``.
        variant: any integer; the same one gives the same caption.
        tokenised: with spaces around punctuation, as in the Flickr30k Entities files.

    Returns:
        The sentence with a phrase mark for every entity of the scene.

    Raises:
        ValueError: for a language without a grammar.

    Example:
        >>> said = caption(generate_scenes(1)[0], "so")
        >>> said.text
        'Saddex wiil oo shaati cas xidhan ayaa jidka doon cas gadaasheeda ku boodaya.'
        >>> [said.words(phrase) for phrase in said.phrases]
        ['Saddex wiil', 'shaati cas', 'jidka', 'doon cas']
    """
    _check_languages([language])
    pick = random.Random(f"{scene.key} {language} {variant}").choice
    return assemble(load_grammar(language).sentence(scene, pick), tokenised=tokenised)


def scenes_bitext(counts: Mapping[str, int], seed: int = 0, split: Split = "train") -> Dataset:
    """Pairs of an English caption and its translation, as many for each language as you say.

    All languages use one sequence of scenes, so the pairs of a language with few are among those of one with more:
    languages differ in the amount of data, not in its kind. The data are synthetic.

    Args:
        counts: number of pairs by language code; English is not a target.
        seed: any integer.
        split: which scenes to use; "train" never meets the scenes of ``scenes_collection_parts``.

    Returns:
        Columns ``source`` (English), ``target``, ``language``, ``origin`` ("scenes") and ``id``, sorted by language
        in the order of ``counts``.

    Raises:
        ValueError: for an unknown language, English as a target, or a negative count.

    Example:
        >>> scenes_bitext({"de": 3, "so": 1})["language"]
        Column(['de', 'de', 'de', 'so'])
    """
    _check_languages(counts)
    if "en" in counts:
        raise ValueError("English is the source of every pair and cannot be a target: leave 'en' out of counts.")
    for language, count in counts.items():
        if count < 0:
            raise ValueError(f"the number of {language!r} pairs must be 0 or more, got {count}.")
    scenes = generate_scenes(max(counts.values(), default=0), seed, split)
    english = [caption(scene, "en").text for scene in scenes]
    rows: dict[str, list[str]] = {"source": [], "target": [], "language": [], "origin": [], "id": []}
    for language, count in counts.items():
        rows["source"] += english[:count]
        rows["target"] += [caption(scene, language).text for scene in scenes[:count]]
        rows["language"] += [language] * count
        rows["origin"] += ["scenes"] * count
        rows["id"] += [f"scenes-{split}-{seed}-{language}-{index}" for index in range(count)]
    return Dataset.from_dict(rows)


def scenes_collection_parts(
    languages: Sequence[str] = LANGUAGES, count: int = 200, seed: int = 0, split: Split = "test"
) -> CollectionParts:
    """Queries in each language and English documents about held-out scenes; each query has one right answer.

    Documents are English captions, no two alike. A query says a document's scene in its language; an English query
    uses other synonyms and another word order than the document where the scene allows it.

    Args:
        languages: languages of the queries.
        count: number of documents, and of queries in each language.
        seed: any integer.
        split: which scenes to use; "test" and "validation" never meet the training scenes.

    Returns:
        Queries (id, text, language, group), documents (id, text) and qrels.

    Raises:
        ValueError: for an unknown language or a negative count.

    Example:
        >>> queries, documents, qrels = scenes_collection_parts(["so", "de"], count=5)
        >>> len(queries), len(documents), qrels["so-0"]
        (10, 5, {'scene-0': 1})
    """
    _check_languages(languages)
    scenes = generate_scenes(count, seed, split)
    documents = {f"scene-{index}": caption(scene, "en").text for index, scene in enumerate(scenes)}
    assert len(set(documents.values())) == len(documents), "distinct scenes have distinct English captions"
    queries = [
        {
            "id": f"{language}-{index}",
            "text": caption(scene, language, variant=1).text,
            "language": language,
            "group": f"scene-{index}",
        }
        for language in languages
        for index, scene in enumerate(scenes)
    ]
    return CollectionParts(
        Dataset.from_list(queries),
        Dataset.from_dict({"id": list(documents), "text": list(documents.values())}),
        {query["id"]: {query["group"]: 1} for query in queries},
    )


def _check_languages(languages: Sequence[str] | Mapping[str, int]) -> None:
    unknown = [language for language in languages if language not in FILES]
    if unknown:
        raise ValueError(f"scenes has no grammar for {', '.join(map(repr, unknown))}; it has {', '.join(LANGUAGES)}.")
