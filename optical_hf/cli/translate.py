"""`optical-hf data translate`: bitext from English texts and a translation model."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from datasets import Dataset
from rich.console import Console

from optical_hf.cli import shared_options as options
from optical_hf.cli.ending import usage
from optical_hf.data import bitext_quality, load_bitext, write_bitext
from optical_hf.data.bitext.bitext_translation import check_bitext_folder
from optical_hf.languages import by_canonical_language
from optical_hf.models.translation.from_english import load_translators, wanted_languages
from optical_hf.stores import load_documents
from optical_hf.stores.documents.document_sentences import cut_sentences


def translate(
    to: Annotated[list[str], typer.Option(help="Languages to write, such as so,sw.")],
    model: Annotated[
        list[str],
        typer.Option(
            help="Translation model, a hub id or a folder. One multilingual model (NLLB, M2M100, mBART-50, MADLAD), or one a "
            "language: so=MODEL,sw=MODEL (Marian)."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(help="Folder for the bitext, a file a language: so-en.tsv.gz. The same command again goes on."),
    ],
    documents: options.DocumentFiles = None,
    document_text: options.DocumentText = "text",
    query_texts: Annotated[
        list[str] | None,
        typer.Option(help="English queries: a file with one a line, or JSON lines, CSV, Parquet with a column text."),
    ] = None,
    sentences: Annotated[
        bool,
        typer.Option(
            help="Cut documents into sentences first. A whole document that is too long for the model loses its end."
        ),
    ] = True,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Translate so many documents, and so many queries, chosen at random. Default: all."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of that choice.")] = 0,
    beams: Annotated[
        int | None,
        typer.Option(min=1, help="Beams of the search; 1 is greedy. Default: what the model's own settings say."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts that are translated together.")] = 32,
    max_seq_length: Annotated[
        int | None, typer.Option(min=1, help="Tokens kept of a text. Default: what the model has room for.")
    ] = None,
    on_bad_row: options.BadRow = "error",
) -> None:
    """Write bitext from English texts, the documents of an index or queries, by machine translation.

    For languages without bitext that a translation model writes. Nothing is sampled: the same command writes the same files.
    At the end comes the quality report of `optical-hf data check`. A killed run goes on where it was.

    Example: optical-hf data translate --documents docs.jsonl --to so,sw --model facebook/nllb-200-distilled-600M
    --limit 5000 --output bitext

    Then: optical-hf align ... --bitext bitext/so-en.tsv.gz --bitext bitext/sw-en.tsv.gz
    """
    with usage():
        targets = wanted_languages([code.strip() for part in to for code in part.split(",") if code.strip()])
        models = named_models(model)
        if not documents and not query_texts:
            raise ValueError("there is nothing to translate: give --documents, --query-texts, or both")
    output = check_bitext_folder(output)
    texts: list[str] = []
    if documents:
        found = load_documents(documents, text=document_text, vector=None, on_bad_row=on_bad_row)
        read = chosen(found, limit, seed)
        texts += (sentence for text in read for sentence in cut_sentences(text)) if sentences else read
    if query_texts:
        texts += chosen(load_documents(query_texts, vector=None, on_bad_row=on_bad_row), limit, seed)
    translators = load_translators(
        models, targets, batch_size=batch_size, max_seq_length=max_seq_length, progress=False,
        options=None if beams is None else {"num_beams": beams},
    )  # fmt: skip
    files = write_bitext(texts, translators, output)
    print(bitext_quality(load_bitext({code: str(file) for code, file in files.items()}, streaming=True)))
    for code, file in files.items():
        Console(highlight=False).print(f"Bitext of {code} is in {file}")


def named_models(given: list[str]) -> str | dict[str, str]:
    """One model for all languages, or the model of each, by its code.

    Raises:
        ValueError: several models of which one does not say its language.
    """
    parts = [part for text in given for part in re.split(r",(?=[A-Za-z_-]{2,16}=)", text)]
    if len(parts) == 1 and "=" not in parts[0]:
        return parts[0]
    if unsaid := [part for part in parts if "=" not in part]:
        raise ValueError(f"--model {unsaid[0]} is one of several: say the language of each, so={unsaid[0]}")
    named = options.named_values("--model", parts, "a language and its model, as in so=MODEL")
    if len(named) < len(parts):
        raise ValueError(f"--model {','.join(parts)} names a language twice: keep one model of each")
    return by_canonical_language(named)


def chosen(table: Dataset, limit: int | None, seed: int) -> Iterator[str]:
    """The texts of a table, or so many of them at random, in their order."""
    if limit is not None and limit < len(table):
        table = table.select(np.sort(np.random.default_rng(seed).permutation(len(table))[:limit]))
    for batch in table.select_columns("text").iter(batch_size=1_000):
        yield from batch["text"]
