"""Writes scenes in the official format of Flickr30k Entities, so that readers of that corpus can be tested on them.

The folder holds what the release holds: ``Sentences/<id>.txt``, ``Annotations/<id>.xml``, ``train.txt``, ``val.txt``,
``test.txt``, ``UNRELATED_CAPTIONS``, and beside them ``images/<id>.jpg``; captions of other languages are in
``Sentences_<language>``. Format: Plummer et al. 2017, README of github.com/BryanPlummer/flickr30k_entities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets.utils import tqdm

from optical_hf.bars import bars_shown
from optical_hf.files import expand_path
from optical_hf.folders import write_folder
from optical_hf.scenes.corpus import caption
from optical_hf.scenes.pictures import boxes, render
from optical_hf.scenes.scene_captions import Caption
from optical_hf.scenes.world import Scene, Split

CAPTIONS_PER_IMAGE = 5
_LIST_OF_SPLIT: dict[Split, str] = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}
_FIRST_IMAGE = 1_000_000_001
_CHAINS_PER_IMAGE = 10  # chain ids are unique in the release: ten are set aside for each image


def export_flickr30k_entities(
    scenes: Sequence[Scene],
    folder: str | Path,
    languages: Sequence[str] = ("en",),
    *,
    images: bool = True,
    size: int = 64,
) -> Path:
    """Write scenes as a Flickr30k Entities release.

    Every image has five captions in each language, tokenised as the release is. The chain of a place carries the
    ``scene`` flag, as the annotators did it, and every other chain one box for each thing that it names.

    Args:
        scenes: what to write; image n is ``image_id(n)``, chain ids are ``chain_id(n, entity)``.
        folder: a folder that does not exist yet or is empty. It appears when it is complete.
        languages: "en" goes to ``Sentences``, every other to ``Sentences_<language>``.
        images: whether to draw the images; the annotations do not need them.
        size: edge of the images in pixels, which boxes refer to.

    Returns:
        The folder.

    Raises:
        ValueError: for an unknown language or a folder that holds something.
        OSError: where it cannot be written.

    Example:
        >>> from tempfile import mkdtemp
        >>> from optical_hf.scenes import generate_scenes
        >>> folder = export_flickr30k_entities(generate_scenes(2), Path(mkdtemp()) / "release", images=False)
        >>> sorted(path.name for path in folder.iterdir())
        ['Annotations', 'Sentences', 'UNRELATED_CAPTIONS', 'test.txt', 'train.txt', 'val.txt']
    """
    folder = expand_path(folder)
    write_folder(folder, lambda beside: _write(scenes, beside, languages, size, images))
    return folder


def image_id(index: int) -> str:
    """The id of the image of scene number ``index``."""
    return str(_FIRST_IMAGE + index)


def chain_id(index: int, entity_id: int) -> str:
    """The chain id of an entity of scene number ``index``."""
    return str(_CHAINS_PER_IMAGE * (index + 1) + entity_id)


def _write(scenes: Sequence[Scene], folder: Path, languages: Sequence[str], size: int, images: bool) -> None:
    sentences = {language: "Sentences" if language == "en" else f"Sentences_{language}" for language in languages}
    for name in ("Annotations", *sentences.values(), *(("images",) if images else ())):
        (folder / name).mkdir()
    lists: dict[str, list[str]] = {name: [] for name in _LIST_OF_SPLIT.values()}
    for index, scene in enumerate(tqdm(scenes, desc="Writing scenes", unit=" images", disable=not bars_shown())):
        image = image_id(index)
        lists[_LIST_OF_SPLIT[scene.split]].append(image)
        (folder / "Annotations" / f"{image}.xml").write_text(_annotation(scene, index, size), encoding="utf-8")
        for language, name in sentences.items():
            said = (caption(scene, language, variant, tokenised=True) for variant in range(CAPTIONS_PER_IMAGE))
            lines = "".join(f"{_marked(one, index)}\n" for one in said)
            (folder / name / f"{image}.txt").write_text(lines, encoding="utf-8")
        if images:
            render(scene, size).save(folder / "images" / f"{image}.jpg", quality=95, subsampling=0)
    for name, listed in lists.items():
        (folder / name).write_text("".join(f"{image}\n" for image in listed), encoding="utf-8")
    (folder / "UNRELATED_CAPTIONS").write_text("# format: <imageID> <sentence number>\n", encoding="utf-8")


def _marked(said: Caption, index: int) -> str:
    text = said.text
    for phrase in reversed(said.phrases):
        mark = f"[/EN#{chain_id(index, phrase.entity_id)}/{phrase.type} {said.words(phrase)}]"
        text = text[: phrase.start] + mark + text[phrase.end :]
    return text


def _annotation(scene: Scene, index: int, size: int) -> str:
    """The XML of one image; corners count pixels from 1 and belong to the box."""
    lines = ["<annotation>", f"\t<filename>{image_id(index)}.jpg</filename>", "\t<size>"]
    lines += [f"\t\t<width>{size}</width>", f"\t\t<height>{size}</height>", "\t\t<depth>3</depth>", "\t</size>"]
    for box in boxes(scene, size):
        lines += ["\t<object>", f"\t\t<name>{chain_id(index, box.entity_id)}</name>"]
        if scene.place and box.entity_id == scene.place.id:
            lines += ["\t\t<scene>1</scene>", "\t\t<nobndbox>0</nobndbox>"]
        else:
            corners = (("xmin", box.left + 1), ("ymin", box.top + 1), ("xmax", box.right), ("ymax", box.bottom))
            lines += ["\t\t<bndbox>", *(f"\t\t\t<{name}>{at}</{name}>" for name, at in corners), "\t\t</bndbox>"]
        lines.append("\t</object>")
    return "\n".join([*lines, "</annotation>", ""])
