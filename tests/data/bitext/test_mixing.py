"""Files of several languages as one stream: the temperature, a new order each epoch, the same for a seed."""

from collections import Counter
from itertools import islice

import pytest

from optical_hf.data import stream_bitext
from optical_hf.data.bitext.streams import EndlessStream

COUNTS = {"deu": 300, "som": 30}


@pytest.fixture
def files(tmp_path):
    for code, count in COUNTS.items():
        rows = [f"{code} {place}\tline {place}\n" for place in range(count)]
        (tmp_path / f"{code}-eng.tsv").write_text("".join(rows), encoding="utf-8")
    return sorted(map(str, tmp_path.iterdir()))


def drawn(stream, count: int) -> list[str]:
    return [row["target"] for row in islice(EndlessStream(stream), count)]


def test_languages_come_as_the_temperature_says(files):
    plain, flat = (stream_bitext(files, temperature=t, buffer_size=50) for t in (1.0, 1e9))
    shares = [Counter(text[:3] for text in drawn(stream, 300)) for stream in (plain, flat)]
    assert shares[0]["som"] == pytest.approx(300 * 30 / 330, abs=15)
    assert shares[1]["som"] == pytest.approx(150, abs=30)


@pytest.mark.slow
def test_the_seed_decides_and_an_epoch_has_its_own_order(files):
    first = drawn(stream_bitext(files, seed=1, buffer_size=50), 700)
    assert first == drawn(stream_bitext(files, seed=1, buffer_size=50), 700)
    assert first != drawn(stream_bitext(files, seed=2, buffer_size=50), 700)
    whole = len(list(stream_bitext(files, seed=1, buffer_size=50)))
    assert {*first[:whole]} == {f"{code} {place}" for code, count in COUNTS.items() for place in range(count)}
    assert first[:100] != first[whole : whole + 100]
