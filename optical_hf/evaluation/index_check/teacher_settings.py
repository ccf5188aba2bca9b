"""The ways in which a teacher may have read the texts of an index: prompt, title, and length at which texts are cut."""

from collections.abc import Sequence
from typing import NamedTuple

from optical_hf.models.prompt_families import family_of
from optical_hf.models.prompts import prompt_of
from optical_hf.models.text_length import positions_of
from optical_hf.models.tokens import Encoder

LENGTHS = (128, 256, 512, 1024, 2048, 8192)
"""Tokens at which texts are commonly cut."""
TITLED = ("{title} {text}", "{title}\n{text}", "{title}. {text}", "{title}: {text}")
"""How a title is commonly put in front of its text."""
TEXT = "{text}"


class Setting(NamedTuple):
    """How a teacher reads a document.

    Attributes:
        prompt: in front of it.
        form: how title and text are joined.
        length: tokens that are kept; None is the teacher's own limit.
    """

    prompt: str = ""
    form: str = TEXT
    length: int | None = None

    def texts(self, texts: Sequence[str], titles: Sequence[str] | None) -> list[str]:
        """What is read, without the prompt."""
        if titles is None or self.form == TEXT:
            return list(texts)
        return [self.form.format(title=title, text=text) for title, text in zip(titles, texts, strict=True)]

    def __str__(self) -> str:
        prompt = f"the prompt {self.prompt!r}" if self.prompt else "no prompt"
        title = "" if self.form == TEXT else f", title and text as {self.form!r}"
        return f"{prompt}{title}{'' if self.length is None else f', cut at {self.length} tokens'}"


def own_setting(teacher: Encoder) -> Setting:
    """How a teacher reads documents as it was loaded."""
    return Setting(prompt_of(teacher, "document") or "")


def settings_to_try(teacher: Encoder, names: Sequence[str], titled: bool) -> list[Setting]:
    """Every prompt of a teacher and of its family, and none; with and without the title, where there is one.

    Args:
        teacher: whose own reading comes first.
        names: what it is called, to know its family.
        titled: whether the index has titles.
    """
    family = next((found for found in map(family_of, names) if found is not None), None)
    prompts = [own_setting(teacher).prompt, "", *(prompt for prompt in teacher.prompts.values() if prompt)]
    prompts += [] if family is None else [family.document, family.query]
    forms = (TEXT, *TITLED) if titled else (TEXT,)
    return [Setting(prompt, form) for prompt in dict.fromkeys(prompts) for form in forms]


def lengths_to_try(teacher: Encoder, texts: Sequence[str]) -> list[int]:
    """Lengths other than the teacher's own that cut some of the texts elsewhere than it does.

    Args:
        teacher: whose tokens are counted.
        texts: as they are read.
    """
    tokens = teacher.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
    longest, most = max(map(len, tokens)), positions_of(teacher)
    own = min(teacher.max_seq_length or longest, longest)
    found = {min(length, longest) for length in LENGTHS if most is None or length <= most}
    return sorted(found - {own})
