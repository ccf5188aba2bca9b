"""Do real texts know the words that the grammars write? Word forms of the scenes against the real corpora beside us.

A form that is not found is not wrong (a rare case form of a common noun often is not), so the bounds are floors for
what was found when the words were checked; a misspelt or invented word pulls a language below its floor.
"""

import gzip
import json
import unicodedata

import pytest

from optical_hf.scenes import caption, generate_scenes

CORPORA = {
    "en": ["multi30k/train.en.gz"],
    "de": ["multi30k/train.de.gz", "multi30k_task2/val.*.de.gz", "tatoeba_v1/deu-eng.tsv.gz"],
    "fr": ["multi30k/train.fr.gz", "tatoeba_v1/fra-eng.tsv.gz", "flores200_devtest/fra_Latn.txt.gz"],
    "so": ["hornmt/som.txt.gz", "flores200_devtest/som_Latn.txt.gz", "tico19/*.so.*"],
    "mr": ["tatoeba_train/mar-eng.tsv.gz", "tatoeba_v1/mar-eng.tsv.gz", "flores200_devtest/mar_Deva.txt.gz"],
}
FLOORS = {  # percent of the word forms, percent of the running words
    "en": (100, 100),
    "de": (100, 100),
    "fr": (100, 100),
    "so": (66, 84),
    "mr": (64, 88),
}


def words_of(text):
    """Lower-case words: letters, combining marks and inner apostrophes and hyphens."""
    kept = (letter if unicodedata.category(letter)[0] in "LM" or letter in "'-" else " " for letter in text.lower())
    return [word for word in "".join(kept).split() if word.strip("'-")]


def known_words(folder, patterns):
    files = [file for pattern in patterns for file in sorted(folder.glob(pattern))]
    if not files:
        pytest.skip(f"none of {', '.join(patterns)} in {folder}")
    known = set()
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                foreign = json.loads(line)["x"] if ".jsonl" in file.name else line.split("\t")[0]
                known.update(words_of(foreign))
    return known


@pytest.mark.slow
@pytest.mark.parametrize("language", CORPORA)
def test_word_forms_are_attested(shared_data, language):
    known = known_words(shared_data, CORPORA[language])
    running = [word for scene in generate_scenes(1_500) for word in words_of(caption(scene, language).text)]
    forms = set(running)
    missing = forms - known
    of_forms = 100 * (1 - len(missing) / len(forms))
    of_running = 100 * sum(word in known for word in running) / len(running)
    print(f"{language}: {len(forms)} forms, {of_forms:.0f} % attested; {of_running:.1f} % of the running words")
    assert of_forms >= FLOORS[language][0], sorted(missing)
    assert of_running >= FLOORS[language][1], sorted(missing)
