"""What an index check found, and how it is said: in a few lines, or as plain values."""

import shlex
from typing import Any, Literal, NamedTuple

from optical_hf.evaluation.index_check.teacher_settings import TEXT, Setting
from optical_hf.evaluation.index_check.vector_fit import LEAST, Fit
from optical_hf.stores.document_store import Precision

Verdict = Literal["same", "other setting", "near", "another teacher"]
OTHER_TEACHER = 0.5
"""The lift below which a teacher did not make an index."""
CLEARLY = 0.002
"""How much better another setting must fit to be named in place of the teacher's own."""


class Tried(NamedTuple):
    """A setting and how well it fits."""

    setting: Setting
    fit: Fit


class IndexCheck(NamedTuple):
    """Whether a teacher made an index, and how it read the texts.

    Attributes:
        where: the index, without secrets.
        texts: how many were read.
        width: of the stored vectors.
        teacher_width: of the teacher's.
        precision: of the stored vectors.
        tried: settings with their fit, the best first; none where the teacher is too narrow to have made the index.
        own: as the teacher reads documents now; None where it is too narrow.
    """

    where: str
    texts: int
    width: int
    teacher_width: int
    precision: Precision
    tried: list[Tried]
    own: Tried | None

    @property
    def best(self) -> Tried | None:
        """The setting that fits best; the teacher's own where no other is clearly better."""
        if self.own is None or self.own.fit.own >= self.tried[0].fit.own - CLEARLY:
            return self.own
        return self.tried[0]

    @property
    def verdict(self) -> Verdict:
        """Made by this teacher as it reads now, or in another setting; near to what it gives; or another teacher's."""
        if self.best is None or self.best.fit.lift < OTHER_TEACHER:
            return "another teacher"
        if self.best.fit.own < LEAST[self.precision]:
            return "near"
        return "same" if self.best is self.own else "other setting"

    @property
    def whole(self) -> bool:
        """Whether the index holds the teacher's vectors uncut and unrounded, so that they can be learnt from."""
        return self.width == self.teacher_width and self.precision in ("float32", "float16")

    def __str__(self) -> str:
        return "\n".join([self.summary(), *self._details()])

    def summary(self) -> str:
        """The verdict in one line."""
        if self.best is None:
            return (
                f"This teacher did not make this index: {self.where} holds vectors of width {self.width}, and the teacher's have "
                f"{self.teacher_width}"
            )
        fit, setting = self.best.fit, self.best.setting
        figures = f"mean cosine {fit.own:.3f} over {self.texts} texts"
        match self.verdict:
            case "another teacher":
                return (
                    f"This teacher did not make this index: {self.where}, at best {figures} ({setting}), where other texts have "
                    f"{fit.other:.3f}"
                )
            case "near":
                return (
                    f"{self.where} is near to what this teacher gives, but no setting that was tried gives it: {figures} "
                    f"({setting}); another version of the teacher, another prompt, or texts that were changed?"
                )
            case "same":
                return f"This teacher made this index, as it reads now: {self.where}, {figures} ({setting})"
        assert self.own is not None
        return (
            f"This teacher made this index in another setting: {self.where}, {figures} with {setting}; as it reads now, "
            f"{self.own.fit.own:.3f} with {self.own.setting}; {self._fix()}"
        )

    def _fix(self) -> str:
        assert self.best is not None
        assert self.own is not None
        setting, said = self.best.setting, []
        if setting.prompt != self.own.setting.prompt:
            said.append(
                f"load it with document_prompt={setting.prompt!r} (--document-prompt {shlex.quote(setting.prompt)})"
            )
        if setting.length is not None:
            said.append(f"cut texts there with max_seq_length={setting.length}")
        if setting.form != TEXT:
            said.append("texts that are read anew need their titles in front")
        return ", ".join(said)

    def _details(self) -> list[str]:
        if self.best is None:
            return []
        lines = []
        if self.width < self.teacher_width:
            lines.append(
                f"It holds the first {self.width} of the teacher's {self.teacher_width} numbers (Matryoshka): queries are cut"
            )
        if self.precision != "float32":
            lines.append(f"Its numbers are {self.precision}")
        if self.precision in ("float32", "float16"):
            length = {True: "length 1", False: "the length that the teacher gives", None: "lengths of their own"}
            lines.append(f"Its vectors have {length[self.best.fit.unit_length]}")
        lines += [f"  {one.fit.own:.3f}  {one.setting}" for one in self.tried]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return {
            "index": self.where, "verdict": self.verdict, "texts": self.texts, "width": self.width,
            "teacher_width": self.teacher_width, "precision": self.precision,
            "best": None if self.best is None else _values(self.best),
            "own": None if self.own is None else _values(self.own),
            "tried": [_values(one) for one in self.tried],
        }  # fmt: skip


def _values(tried: Tried) -> dict[str, Any]:
    return {
        **tried.setting._asdict(),
        "cosine": tried.fit.own,
        "other_texts": tried.fit.other,
        "unit_length": tried.fit.unit_length,
    }
