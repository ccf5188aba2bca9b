"""Translation word by word from a dictionary: the translate-query baseline for languages that no translation model reads.

A dictionary is a file `word<TAB>English` or is learnt from bitext by IBM Model 1 (Brown et al. 1993, "The mathematics of
statistical machine translation"), which `nltk` fits: a word's translation is the English word of the highest p(English | word).
Other words stay as they are, as names must.
"""

import logging
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import regex
from datasets import Dataset
from tqdm.auto import tqdm

from optical_hf.bars import bars_shown
from optical_hf.data.collections.collection_files import name_of, read_rows
from optical_hf.extras import import_extra
from optical_hf.files import write_text
from optical_hf.languages import canonical_language
from optical_hf.settings_checks import check_counts
from optical_hf.tables import check_table

_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}\u200c\u200d'’]*")  # Marathi's vowel signs are marks

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A function of (texts, language) that returns translations, word by word.

    Args:
        language: of the texts that it reads.
        entries: the lower-case words of a word or phrase -> its English.
    """

    language: str
    entries: Mapping[tuple[str, ...], str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "language", canonical_language(self.language))
        if not self.entries:
            raise ValueError(f"a dictionary of {self.language} without a word: it would leave every query as it is")

    def __call__(self, texts: list[str], language: str) -> list[str]:
        """Translate texts, at each place the longest entry that stands there.

        Raises:
            ValueError: for another language than the dictionary's.
        """
        if canonical_language(language) != self.language:
            raise ValueError(
                f"the dictionary reads {self.language}, the texts are in {language}: name one a language, "
                f"translator={{{self.language!r}: ..., {language!r}: ...}}"
            )
        longest = max(map(len, self.entries))
        translations, known, count = [], 0, 0
        for text in texts:
            words, translated, place = words_of(text), [], 0
            while place < len(words):
                lengths = range(min(longest, len(words) - place), 0, -1)
                found = next((n for n in lengths if tuple(words[place : place + n]) in self.entries), 0)
                taken = tuple(words[place : place + max(found, 1)])
                translated.append(self.entries.get(taken, taken[0]))
                place, known = place + len(taken), known + found
            count += len(words)
            translations.append(" ".join(translated))
        if 2 * known < count:
            log.warning(
                "%d of %d words in %s are not in the dictionary and stay as they are", count - known, count, language
            )
        return translations

    def save(self, path: str | PathLike[str]) -> None:
        """Write `word<TAB>English` lines, which `read_dictionary` and `optical-hf evaluate --translator` read."""
        lines = (f"{' '.join(words)}\t{english}\n" for words, english in sorted(self.entries.items()))
        write_text(Path(path), "".join(lines))


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation.

    Example:
        >>> words_of("Das 3. Rad, nicht?")
        ['das', '3', 'rad', 'nicht']
    """
    return [word.rstrip("'’").lower() for word in _WORD.findall(unicodedata.normalize("NFC", text))]


def read_dictionary(source: str | PathLike[str] | Sequence[str], language: str) -> Dictionary:
    """Read `word<TAB>English` lines (gz, zst too): a word list of PanLex, say, or what `Dictionary.save` wrote.

    An entry may be a phrase. Where a word stands several times the first counts, as such lists have the likeliest first.

    Raises:
        ValueError: for a file that is missing, damaged or not of two columns, and where no line has a word.

    Example:
        >>> translate = read_dictionary(["guri\\thouse", "guri weyn\\tmansion"], "so")
        >>> translate(["Guri weyn iyo guri."], "so")
        ['mansion iyo house']
    """
    entries: dict[tuple[str, ...], str] = {}
    for foreign, english in read_rows(source, columns=2):
        if (words := tuple(words_of(foreign))) and english.strip():
            entries.setdefault(words, english.strip())
    if not entries:
        raise ValueError(f"{name_of(source)} has no line word<TAB>English with a word in it")
    return Dictionary(language, entries)


def learn_dictionaries(bitext: Dataset, *, rounds: int = 5, progress: bool = True) -> dict[str, Dictionary]:
    """A dictionary for each language of bitext, by IBM Model 1; about a minute for 10,000 pairs.

    Args:
        bitext: as `load_bitext` returns it: `source` English, `target`, `language`.
        rounds: of expectation maximisation.
        progress: show a progress bar.

    Returns:
        By language. Of words with equal probability the last by the alphabet, so that every process learns the same.

    Raises:
        ImportError: without nltk (extra `translate`).
        ValueError: for a language whose texts have no words, or no column `language`.

    Example:
        >>> pairs = {"target": ["guri weyn", "guri"], "source": ["big house", "house"], "language": ["so", "so"]}
        >>> learn_dictionaries(Dataset.from_dict(pairs), progress=False)["so"](["guri weyn"], "so")
        ['house big']
    """
    check_counts(rounds=rounds)
    check_table(bitext, ["source", "target", "language"])
    languages = bitext["language"][:]
    pairs: dict[str, list[tuple[str, str]]] = {code: [] for code in dict.fromkeys(languages)}
    for code, english, foreign in zip(languages, bitext["source"][:], bitext["target"][:], strict=True):
        pairs[code].append((english, foreign))
    bar = tqdm(pairs.items(), desc="Learning dictionaries", disable=not bars_shown(progress))
    return {code: Dictionary(code, _likeliest(texts, rounds)) for code, texts in bar}


def _likeliest(pairs: Iterable[tuple[str, str]], rounds: int) -> dict[tuple[str, ...], str]:
    nltk = import_extra("nltk.translate", "translate", "learning a dictionary")
    words = [(words_of(english), words_of(foreign)) for english, foreign in pairs]
    sentences = [nltk.AlignedSent(english, foreign) for english, foreign in words if english and foreign]
    if not sentences:
        return {}
    best: dict[str, tuple[float, str]] = {}
    for english, row in nltk.IBMModel1(sentences, rounds).translation_table.items():
        for word, probability in row.items():
            if word is not None:
                best[word] = max(best.get(word, (0.0, "")), (probability, english))
    return {(word,): english for word, (_, english) in best.items()}
