"""English texts with words of other languages in them, by dictionaries that are learnt from bitext."""

import random
import re

from datasets import Dataset

from optical_hf.evaluation.translate.dictionary import learn_dictionaries


def switched_words(texts: list[str], bitext: Dataset, share: float, seed: int) -> list[str]:
    """Each text with about `share` of its words in one language of the bitext, drawn at random; unknown words stay."""
    turned = {"source": bitext["target"][:], "target": bitext["source"][:], "language": bitext["language"][:]}
    dictionaries = list(learn_dictionaries(Dataset.from_dict(turned), progress=False).values())
    drawn, found = random.Random(seed), []
    for text in texts:
        words = drawn.choice(dictionaries).entries
        found.append(
            re.sub(r"\w+", lambda m, w=words: w.get((m[0].lower(),), m[0]) if drawn.random() < share else m[0], text)
        )
    return found
