"""Machine translation by any sequence-to-sequence checkpoint of transformers: of queries into English, or of English into bitext.

transformers 5 has no translation pipeline any more. This is its equivalent on `AutoModelForSeq2SeqLM` and the checkpoint's own
tokenizer: Marian (opus-mt), NLLB, M2M100, mBART-50, MADLAD. Texts of about one length share a batch, and nothing is sampled.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import trange
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from optical_hf.bars import bars_shown
from optical_hf.files import expand_name
from optical_hf.languages import canonical_language, language_info
from optical_hf.models.fingerprint import digest_of, lasting, releases, weights_hash
from optical_hf.settings_checks import check_counts

Translator = Callable[[list[str], str], list[str]]
"""Texts and the code of their language in, translations into another language out."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Seq2SeqTranslator:
    """A function of (texts, language) that returns translations, from a translation model and its tokenizer.

    Args:
        model: as `AutoModelForSeq2SeqLM` loads it.
        tokenizer: the model's own.
        target: language of the translations.
        batch_size: texts in one call of `generate`.
        options: for `generate`, before those of the checkpoint's generation config (`num_beams=1`, say).
        progress: show a progress bar.
        max_seq_length: tokens kept of a text; None is what the model has room for.
    """

    model: Any
    tokenizer: Any
    target: str = "en"
    batch_size: int = 32
    options: Mapping[str, Any] | None = None
    progress: bool = True
    max_seq_length: int | None = None

    @property
    def name(self) -> str:
        """What the model was loaded from."""
        return str(self.model.name_or_path)

    @cached_property
    def fingerprint(self) -> str:
        """The hash of what decides a translation into a given language: weights, tokenizer, options, library releases."""
        settings = [lasting(one.to_dict()) for one in (self.model.config, self.model.generation_config)]
        vocabulary = type(self.tokenizer).__name__, self.tokenizer.get_vocab()
        parts = (
            weights_hash(self.model),
            settings,
            vocabulary,
            dict(self.options or {}),
            self.max_seq_length,
            releases(),
        )
        return digest_of(parts)

    def check(self, language: str) -> None:
        """Raise ValueError for a language that the model does not read, or a target that it does not write."""
        self._direction(canonical_language(language))

    @property
    def _room(self) -> int:
        """Tokens that the model has room for."""
        return min(self.tokenizer.model_max_length, getattr(self.model.config, "max_position_embeddings", None) or 512)

    def __call__(self, texts: list[str], language: str) -> list[str]:
        """Translate texts, the longest first: where memory does not suffice, that shows at once.

        Raises:
            ValueError: for a language that the model does not read, or a target that it does not write.
        """
        marker, options = self._direction(canonical_language(language))
        limit, options = min(self._room, self.max_seq_length or self._room), {"do_sample": False} | options
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        translations, cut = [""] * len(texts), 0
        bar = {"desc": f"translating {language}", "disable": not bars_shown(self.progress), "leave": False}
        for start in trange(0, len(order), self.batch_size, **bar):
            rows = order[start : start + self.batch_size]
            batch = self.tokenizer(
                [marker + texts[row] for row in rows],
                padding=True, truncation=True, max_length=limit, return_tensors="pt",
            ).to(self.model.device)  # fmt: skip
            cut += int((batch["attention_mask"].sum(1) == limit).sum())
            room = {"max_length": min(2 * batch["input_ids"].shape[1] + 16, self._room)}
            with torch.inference_mode():
                written = self.model.generate(**batch, **room | options | dict(self.options or {}))
            # The language is no special token to M2M100's tokenizer, which would write "__en__" before each text.
            written = written[:, 2:] if "forced_bos_token_id" in options else written
            for row, text in zip(rows, self.tokenizer.batch_decode(written, skip_special_tokens=True), strict=True):
                translations[row] = text.strip()
        if cut:
            log.warning(
                "%d of %d texts in %s fill the translator's %d tokens and may be cut", cut, len(texts), language, limit
            )
        return translations

    def _direction(self, language: str) -> tuple[str, dict[str, Any]]:
        """What to write before a text, and options of `generate`; the tokenizer's source language is set here."""
        target, name = canonical_language(self.target), self.model.name_or_path
        if codes := language_codes(self.tokenizer):
            # Of several codes of a language the first counts, as `pes_Arab` is before `prs_Arab`.
            known = {_single_language(code): code for code in reversed(codes)}
            for needed, does in ((language, "read"), (target, "write")):
                if needed not in known:
                    raise ValueError(
                        f"the translator {name} does not {does} {needed} ({language_info(needed).name}); "
                        "take another model, or leave the language out"
                    )
            self.tokenizer.src_lang = known[language]
            return "", {"forced_bos_token_id": self.tokenizer.convert_tokens_to_ids(codes[known[target]])}
        source = _single_language(getattr(self.tokenizer, "source_lang", None))
        if source not in (None, language):
            raise ValueError(
                f"the translator {name} reads {source}, the texts are in {language}: it would make "
                'something up; name a model that reads them, one a language: {"de": "...", "so": "..."}'
            )
        markers = getattr(self.tokenizer, "supported_language_codes", None) or [
            token for token in self.tokenizer.get_vocab() if re.fullmatch(r"<2\w+>", token)
        ]
        written_as = {_single_language(marker.strip("<>2")): marker for marker in markers}
        if written_as and target not in written_as:
            raise ValueError(f"the translator {name} does not write {target} ({language_info(target).name})")
        writes = None if written_as else _single_language(getattr(self.tokenizer, "target_lang", None))
        if writes not in (None, target):
            raise ValueError(
                f"the translator {name} writes {writes}, translations into {target} are wanted: take a model for "
                f"{language_info(target).name}"
            )
        return (f"{written_as[target]} " if written_as else ""), {}


def load_translator(
    name_or_path: str | Path,
    *,
    target: str = "en",
    batch_size: int = 32,
    device: str | None = None,
    revision: str | None = None,
    progress: bool = True,
    trust_remote_code: bool = False,
    options: Mapping[str, Any] | None = None,
    max_seq_length: int | None = None,
) -> Seq2SeqTranslator:
    """Load a translation model from a hub id or a folder, for `evaluate_retrieval(translator=...)` and `write_bitext`.

    Args:
        name_or_path: any sequence-to-sequence checkpoint: `Helsinki-NLP/opus-mt-mul-en`, `facebook/m2m100_418M`,
            `facebook/nllb-200-distilled-600M`. Languages are named by their tokenizer's own codes (`so`, `som_Latn`).
        target: language of the translations.
        batch_size: texts in one call of `generate`.
        device: torch device; None takes the accelerator if there is one.
        revision: branch, tag or commit on the hub.
        progress: show a progress bar.
        trust_remote_code: run code from the checkpoint's repository; off unless you say otherwise.
        options: for `generate`, such as {"num_beams": 1}; the rest is as the checkpoint's generation config says, but nothing is
            sampled.
        max_seq_length: tokens kept of a text; None is what the model has room for.

    Returns:
        A function of (texts, language) that returns translations.

    Raises:
        ValueError: where nothing readable is found or it is no sequence-to-sequence model, with the reason.
        ImportError: without sentencepiece, which the tokenizers of Marian and M2M100 need.

    Example:
        >>> translate = load_translator("Helsinki-NLP/opus-mt-mul-en")  # doctest: +SKIP
        >>> translate(["Ein Hund schläft."], "de")                      # doctest: +SKIP
        ['A dog is sleeping.']
    """
    name_or_path = expand_name(name_or_path)
    check_counts(batch_size=batch_size, **{} if max_seq_length is None else {"max_seq_length": max_seq_length})
    settings = {"revision": revision, "trust_remote_code": trust_remote_code}
    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_path, **settings)
        model = AutoModelForSeq2SeqLM.from_pretrained(name_or_path, **settings)
    except ImportError as error:
        if "sentencepiece" in str(error).lower():
            raise ImportError(f"the tokenizer of {name_or_path} needs: pip install sentencepiece") from error
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"cannot read the translator {name_or_path!r}: {reason[:400]}") from error
    where = device or (torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu")
    return Seq2SeqTranslator(model.to(where).eval(), tokenizer, target, batch_size, options, progress, max_seq_length)


def language_codes(tokenizer: Any) -> dict[str, str]:
    """The tokenizer's codes of languages and the token of each: M2M100's `so`, NLLB's `som_Latn`, mBART-50's `de_DE`."""
    if hasattr(tokenizer, "lang_code_to_token"):
        return dict(tokenizer.lang_code_to_token)
    if not hasattr(tokenizer, "src_lang"):
        return {}
    return {token: token for token in tokenizer.get_added_vocab() if re.fullmatch(r"[a-z]{2,3}_[A-Za-z]{2,4}", token)}


def _single_language(code: str | None) -> str | None:
    """The canonical code, None where it names none or a family (`mul`, `sla`)."""
    try:
        found = canonical_language(code or "")
    except ValueError:
        return None
    return None if language_info(found).name.lower().endswith("languages") else found
