"""A student's query prompt in a study: read with, kept in what is cut, part of what a run is."""

import logging
from dataclasses import replace
from typing import ClassVar

import pytest
import tiny_pairs

from optical_hf.models import load_student
from optical_hf.models.prompts import prompt_of
from optical_hf.study.config.study_config import StudentSpec
from optical_hf.study.run import running
from optical_hf.study.run.students import prepared_student


def backbone(folder):
    place = folder / "multilingual-e5-small"
    tiny_pairs.backbone().save_pretrained(str(place))
    return str(place)


def test_what_is_cut_keeps_the_prompt(tmp_path, caplog):
    spec = StudentSpec("e5", backbone(tmp_path), layers=1, query_prompt="query: ")
    with caplog.at_level(logging.WARNING):
        place = prepared_student(spec, [], tmp_path / "students")
        student = load_student(place, tiny_pairs.teacher(), query_prompt=spec.query_prompt)
    assert prompt_of(student, "query") == "query: "
    assert "family" not in caplog.text
    without = prepared_student(replace(spec, query_prompt=None), [], tmp_path / "students")
    assert without != place
    assert "--query-prompt 'query: '" in caplog.text


def test_a_run_gives_its_student_the_prompt(tmp_path, monkeypatch):
    class Asked(Exception):
        pass

    def load(*args, **kwargs):
        assert kwargs["query_prompt"] == "query: "
        raise Asked

    monkeypatch.setattr(running, "load_student", load)

    class Run:
        contents: ClassVar[dict] = {}
        max_seq_length = None

    spec = StudentSpec("e5", backbone(tmp_path), query_prompt="query: ")
    with pytest.raises(Asked):
        running._load_student(Run(), spec, tiny_pairs.teacher(), None, [], tmp_path)
