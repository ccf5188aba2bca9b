"""Sentences from tables: the words and patterns of each language are a YAML file in `grammars`, and this reads them all.

- **Words.** A word is the list of its forms, `Mann, Männer, Männern`. Synonyms are separated by semicolons.
- **`columns`** says which form is used where. Its key is a table and a number of forms, `nouns 3`. Its value has a group
  of digits for each of the `cases`; the last group also serves the cases after it. A group has a digit for each of the
  `genders` in the singular, then for each in the plural. A word of one form never changes.
- **Verbs** may come in two parts, `schaut…an`. The part after the dots is `{rest}`, which a pattern puts where it belongs.
- **Patterns** (`orders` for one action or for `any`, and `wearing`) are literal words and, in braces, parts of the sentence
  or entries of `words`. `{where!}` means: use this pattern only where there is a place. A pattern that would leave out a
  part of the scene is not used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from optical_hf.scenes.scene_captions import Mark, Pick, Piece
from optical_hf.scenes.world import Entity, Scene
from optical_hf.strict_yaml import read_mapping

FILES: Final = {"en": "english", "de": "german", "fr": "french", "so": "somali", "mr": "marathi"}


class Cell(NamedTuple):
    """What the form of a word depends on."""

    case: str
    gender: str
    plural: bool


class Token(NamedTuple):
    """A word of a pattern, or the part of the sentence that it stands for."""

    name: str
    literal: bool
    required: bool


class Grammar:
    """The sentences of one language.

    Args:
        tables: what its file holds.
    """

    def __init__(self, tables: Mapping[str, Any]) -> None:
        self.tables = tables
        self.cases: Sequence[str] = tables.get("cases", [""])
        self.genders: Sequence[str] = tables["genders"]
        self.nouns: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        for gender, nouns in tables["nouns"].items():
            for concept, text in nouns.items():
                self.nouns.setdefault(concept, []).extend((gender, forms) for forms in _synonyms(text))

    def noun_phrase(self, entity: Entity, case: str, pick: Pick, number: str | int | None = None) -> tuple[str, Cell]:
        """The words for an entity, and what agrees with them.

        Args:
            entity: one thing, or several.
            case: one of the language's.
            pick: chooses among synonyms.
            number: an entry of `numbers`; the count of the entity by default.
        """
        gender, forms = pick(self.nouns[entity.noun])
        cell = Cell(case, gender, entity.plural)
        words = {"noun": self._form("nouns", forms, cell)}
        words["number"] = self._word("numbers", entity.count if number is None else number, cell, pick)
        for name, adjective in (("size", entity.size), ("colour", entity.colour)):
            words[name] = self._word("adjectives", adjective, cell, pick) if adjective else ""
        text = " ".join(words[name] for name in self.tables["phrase"].split() if words[name])
        for pattern, replacement in self.tables.get("spelling", {}).items():
            text = re.sub(pattern, replacement, text)
        if case in self.tables.get("suffixes", {}):
            suffixes = self.tables["suffixes"][case].split(", ")
            text += suffixes[entity.plural and len(suffixes) > 1]
        return text, cell

    def sentence(self, scene: Scene, pick: Pick) -> list[Piece]:
        """The pieces of one of the language's ways to say a scene."""
        roles = self.tables.get("roles", {}) | self.tables.get("roles_of_action", {}).get(scene.action, {})
        cases = {role: roles.get(role, self.cases[0]) for role in ("subject", "object", "landmark", "garment")}
        parts: dict[str, list[Piece]] = {name: [] for name in ("subject", "object", "near", "where", "verb", "rest")}
        phrase, cell = self.noun_phrase(scene.subject, cases["subject"], pick)
        parts["subject"] = [Mark(scene.subject, phrase)]
        if scene.garment:
            parts["subject"] = self._dressed(scene.garment, parts["subject"], cases["garment"], cell, pick)
        if scene.object:
            phrase, of_object = self.noun_phrase(scene.object, cases["object"], pick)
            parts["object"] = [Mark(scene.object, phrase)]
            if scene.action in self.tables.get("agrees_with_object", ()):
                cell = of_object
        if scene.relation and scene.landmark:
            phrase, owner = self.noun_phrase(scene.landmark, cases["landmark"], pick)
            relation = self._word("relations", scene.relation, owner, pick)
            near: dict[str, list[Piece]] = {
                "before": [relation, Mark(scene.landmark, phrase)],
                "after": [Mark(scene.landmark, phrase), relation],
                "suffix": [Mark(scene.landmark, phrase + relation)],
            }
            parts["near"] = near[self.tables["near"]]
        if scene.place:
            *preposition, place = pick(_synonyms(self.tables["places"][scene.place.noun]))
            parts["where"] = [*preposition, Mark(scene.place, place)]
        verb, _, rest = self._word("verbs", scene.action, cell, pick).partition("…")
        parts |= {"verb": [verb], "rest": [rest] if rest else []}
        orders = self.tables["orders"]
        fitting = [order for order in orders.get(scene.action, orders["any"]) if _fits(order, parts)]
        return self._filled(pick(fitting), parts, cell, pick)

    def _dressed(self, garment: Entity, who: list[Piece], case: str, cell: Cell, pick: Pick) -> list[Piece]:
        """The subject with what it wears."""
        if self.tables.get("one_garment"):  # one each
            garment = replace(garment, count=1)
        by_noun = self.tables["words"]["worn"]
        words = by_noun[garment.noun] if isinstance(by_noun, dict) else by_noun
        parts: dict[str, list[Piece]] = {
            "subject": who,
            "garment": [Mark(garment, self.noun_phrase(garment, case, pick, "worn")[0])],
            "worn": [self._form("words", pick(_synonyms(words)), cell)],
        }
        return self._filled(self.tables["wearing"], parts, cell, pick)

    def _filled(self, pattern: str, parts: Mapping[str, list[Piece]], cell: Cell, pick: Pick) -> list[Piece]:
        """A pattern with its parts put in."""
        pieces: list[Piece] = []
        for token in _tokens(pattern):
            if token.literal:
                pieces.append(token.name)
            elif token.name in parts:
                pieces += parts[token.name]
            else:
                pieces.append(self._word("words", token.name, cell, pick))
        return pieces

    def _word(self, table: str, concept: str | int, cell: Cell, pick: Pick) -> str:
        return self._form(table, pick(_synonyms(self.tables[table][concept])), cell)

    def _form(self, table: str, forms: Sequence[str], cell: Cell) -> str:
        if len(forms) == 1:
            return forms[0]
        by_case = self.tables["columns"][f"{table} {len(forms)}"].split()
        columns = by_case[min(self.cases.index(cell.case), len(by_case) - 1)]
        return forms[int(columns[self.genders.index(cell.gender) + cell.plural * len(self.genders)])]


@cache
def load_grammar(language: str) -> Grammar:
    """The grammar of a language; see `FILES` for those that there are."""
    path = Path(__file__).parent / "grammars" / f"{FILES[language]}.yaml"
    return Grammar(read_mapping(path, f"{path} is missing: install optical-hf again"))


@cache
def _synonyms(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(form.strip() for form in word.split(",")) for word in text.split(";"))


def _fits(order: str, parts: Mapping[str, list[Piece]]) -> bool:
    """Whether an order has a place for every part that there is, and none that must be there is missing."""
    tokens = _tokens(order)
    named = {token.name for token in tokens} | {"verb"}
    return all(parts[token.name] for token in tokens if token.required) and all(
        name in named for name, pieces in parts.items() if pieces
    )


@cache
def _tokens(pattern: str) -> tuple[Token, ...]:
    return tuple(
        Token(word.strip("{!}"), literal=not word.startswith("{"), required=word.endswith("!}"))
        for word in pattern.split()
    )
