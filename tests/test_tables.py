"""Tables as users hand them over."""

import pytest
from datasets import Dataset, DatasetDict

from optical_hf.tables import check_table

ROWS = {"source": ["water"], "target": ["biyo"]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ROWS,
            r"expected a table or a list of rows, got a dict; datasets.Dataset.from_dict\(...\) of columns makes",
        ),
        ("pairs.tsv", "got a str; optical_hf.load_bitext of files makes a table"),
        (DatasetDict(train=Dataset.from_dict(ROWS)), r"choose a split, such as data\['train'\]"),
        (Dataset.from_dict({"text": ["water"]}), "no column 'source' and no column 'target', only text"),
    ],
)
def test_what_is_no_table_is_refused(given: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_table(given, ["source", "target"])


def test_rows_and_a_dataset_pass() -> None:
    for given in (Dataset.from_dict(ROWS), [{"source": "water", "target": "biyo"}]):
        assert check_table(given, ["source", "target"]) is None
