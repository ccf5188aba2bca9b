"""Two processes (gloo) retrace the loss curves of one, at equal global batch."""

import json

import numpy as np
import pytest
import scenarios
from forked import forked
from sentence_transformers import SentenceTransformer


@pytest.mark.slow
def test_two_processes_come_out_as_one(tmp_path):
    (tmp_path / "two").mkdir()
    codes, told = forked(tmp_path / "log.txt", scenarios.run_as_rank, tmp_path / "two", 2, processes=2)
    assert codes == [0, 0], told[-3000:]
    two = [json.loads((tmp_path / "two" / f"found-{rank}.json").read_text()) for rank in (0, 1)]
    one = scenarios.run_all(tmp_path / "one", 1)
    for name, expected in one.items():
        assert two[0][name] == pytest.approx(expected, rel=1e-4), name
        assert two[1][name] == pytest.approx(two[0][name], rel=1e-6), name
    students = [tmp_path / count / "losses_of_the_whole_batch" / "student" for count in ("one", "two")]
    vectors = [SentenceTransformer(str(student)).encode(["Drei Jungen schlafen.", "गाढव"]) for student in students]
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-3
