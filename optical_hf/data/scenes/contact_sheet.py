"""A picture of many scenes at once: each with its boxes and its captions, an entity and its phrases in one colour.

Latin letters are drawn with DejaVu Sans, which comes with matplotlib. Devanagari needs a font that you name or that the
system has; without one it is drawn in Latin letters (ISO 15919), and the sheet says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from optical_hf.data.scenes.captions import Caption
from optical_hf.data.scenes.corpus import LANGUAGES, caption
from optical_hf.data.scenes.drawing import render
from optical_hf.data.scenes.layout import boxes
from optical_hf.data.scenes.romanise import romanise
from optical_hf.data.scenes.world import Scene
from optical_hf.files import expand_path

RGB = tuple[int, int, int]

IN_DEVANAGARI: Final = ("mr",)
ENTITY_COLOURS: Final[tuple[RGB, ...]] = ((204, 24, 40), (0, 100, 210), (0, 132, 60), (170, 40, 190), (196, 104, 0))
INK: Final[RGB] = (40, 40, 44)
ZOOM: Final = 4
TEXT_WIDTH: Final = 560
FONT_SIZE: Final = 13
LINE: Final = 19
MARGIN: Final = 12
_DEVANAGARI_FILES: Final = re.compile(r"(devanagari|deva\b|lohit-marathi|mangal|nirmala|kohinoor|aparajita)", re.I)


class _Fonts(NamedTuple):
    """``devanagari`` is None where no font for it was found."""

    latin: ImageFont.FreeTypeFont
    devanagari: ImageFont.FreeTypeFont | None


def contact_sheet(
    scenes: Sequence[Scene],
    path: str | Path,
    languages: Sequence[str] = LANGUAGES,
    *,
    columns: int = 2,
    devanagari_font: str | Path | None = None,
) -> Path:
    """Draw scenes with boxes and captions on one sheet.

    Args:
        scenes: at least one.
        path: where the .png goes.
        languages: languages of the captions, top to bottom.
        columns: scenes side by side.
        devanagari_font: a font file for Marathi; without it one is looked for among the system's fonts.

    Returns:
        The path.

    Raises:
        ValueError: for no scenes, an unknown language, a path that is no .png, or a font file that cannot be read.
        ImportError: without matplotlib, which brings the font.
    """
    path = expand_path(path)
    if not scenes or columns < 1:
        raise ValueError("a contact sheet needs at least one scene and one column.")
    if path.suffix.lower() != ".png":
        raise ValueError(f"the contact sheet is a PNG image: expected a path that ends in .png, got {path}.")
    fonts = _fonts(devanagari_font)
    cells = [_cell(scene, languages, fonts) for scene in scenes]
    width = cells[0].width
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    top = 2 * MARGIN + LINE
    sheet = Image.new("RGB", (columns * width + MARGIN, top + sum(heights) + MARGIN), "white")
    ImageDraw.Draw(sheet).text((MARGIN, MARGIN), _title(languages, fonts), INK, fonts.latin)
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (column * width, top))
        top += height
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.partial")
    sheet.save(beside, format="PNG")
    os.replace(beside, path)
    return path


def _title(languages: Sequence[str], fonts: _Fonts) -> str:
    title = "scenes: synthetic data. A box and the phrases that name it share a colour; the place is the whole picture."
    romanised = [language for language in languages if language in IN_DEVANAGARI and fonts.devanagari is None]
    return title + "".join(f" {language}: in Latin letters, no Devanagari font was found." for language in romanised)


def _cell(scene: Scene, languages: Sequence[str], fonts: _Fonts) -> Image.Image:
    picture = render(scene)
    edge = ZOOM * picture.width
    picture = picture.resize((edge, edge), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(picture)
    for box in boxes(scene):
        corners = [ZOOM * box.left, ZOOM * box.top, ZOOM * box.right - 1, ZOOM * box.bottom - 1]
        draw.rectangle(corners, outline=ENTITY_COLOURS[box.entity_id - 1], width=2)

    cell = Image.new("RGB", (edge + TEXT_WIDTH + 3 * MARGIN, edge + LINE * 2 * len(languages)), "white")
    cell.paste(picture, (MARGIN, MARGIN))
    bottom = float(MARGIN)
    for language in languages:
        bottom = _write(cell, language, caption(scene, language), fonts, bottom) + LINE
    return cell.crop((0, 0, cell.width, max(edge + MARGIN, round(bottom)) + MARGIN))


def _write(cell: Image.Image, language: str, said: Caption, fonts: _Fonts, y: float) -> float:
    """Write a caption from ``y`` down, wrapped; returns where its last line stands."""
    draw = ImageDraw.Draw(cell)
    left = cell.width - TEXT_WIDTH - MARGIN
    draw.text((left, y), language, (130, 130, 136), fonts.latin)
    left += 30
    x = float(left)
    devanagari = language in IN_DEVANAGARI
    font = fonts.devanagari if devanagari and fonts.devanagari else fonts.latin
    for words, colour in _coloured(said):
        shown = romanise(words) if devanagari and not fonts.devanagari else words
        for word in re.findall(r"\S+|\s+", shown):
            length = font.getlength(word)
            if x + length > cell.width - MARGIN and not word.isspace():
                x, y = float(left), y + LINE
            draw.text((x, y + FONT_SIZE), word, colour, font, anchor="ls")
            x += length
    return y


def _coloured(said: Caption) -> Iterator[tuple[str, RGB]]:
    done = 0
    for phrase in said.phrases:
        yield said.text[done : phrase.start], INK
        yield said.words(phrase), ENTITY_COLOURS[phrase.entity_id - 1]
        done = phrase.end
    yield said.text[done:], INK


def _fonts(devanagari: str | Path | None) -> _Fonts:
    try:
        from matplotlib import font_manager  # noqa: PLC0415  (optional extra)
    except ImportError as error:
        raise ImportError('The contact sheet takes its font from matplotlib: pip install "optical-hf[viz]"') from error
    latin = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), FONT_SIZE)
    if devanagari is None:
        found = [file for file in sorted(font_manager.findSystemFonts()) if _DEVANAGARI_FILES.search(Path(file).name)]
        devanagari = found[0] if found else None
    if devanagari is None:
        return _Fonts(latin, None)
    try:
        return _Fonts(latin, ImageFont.truetype(str(expand_path(devanagari)), FONT_SIZE + 2))
    except OSError as error:
        raise ValueError(
            f"{devanagari} cannot be read as a font ({error}): name a TrueType or OpenType file."
        ) from error
