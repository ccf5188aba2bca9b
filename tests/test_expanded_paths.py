"""`~` and `$VARIABLE` in every place that takes a path: each entry point reads or writes at the place a shell would.

Both stand in one path; the ways to write them are a test of `expand_path` (test_files.py).
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_pairs
import yaml
from typer.testing import CliRunner

from optical_hf.cli.app import app
from optical_hf.cli.config_file import parse_options
from optical_hf.cli.train import TrainOptions, parse_train
from optical_hf.data import (
    Flickr30kEntities,
    RetrievalCollection,
    bitext_quality,
    load_bitext,
    stream_bitext,
    write_bitext,
)
from optical_hf.data.collections import caption_lines, captions_to_images, load_beir, load_trec
from optical_hf.evaluation import (
    RetrievalReport,
    evaluate_retrieval,
    read_dictionary,
    save_plots,
    write_html,
    write_trec,
)
from optical_hf.files import expand_name
from optical_hf.hub import student_files
from optical_hf.models import load_student, load_teacher
from optical_hf.models.teachers.token_cache import TeacherCache
from optical_hf.scenes import export_flickr30k_entities, generate_scenes
from optical_hf.study import load_study
from optical_hf.training import OTDistillationArguments, load_weights, save_student

AT = "~/$WORDS"
STUDY = {
    "name": "s", "output": "@/study", "teachers": {"T": {"path": "@/teacher"}}, "students": {"S": {"path": "@/student"}},
    "systems": {"ridge": {"alignment": "ridge"}}, "bitext": {"so": "@/so-en.tsv"},
    "collections": {"C": {"kind": "bitext", "queries": {"so": "@/so-en.tsv"}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of everything that is read."""
    folder = tmp_path_factory.mktemp("home")
    student, teacher = tiny_pairs.pair()
    teacher.save_pretrained(str(folder / "teacher"))
    save_student(student, folder / "student")
    (folder / "so-en.tsv").write_text("ey\ta dog\nguri\ta house\n", encoding="utf-8")
    (folder / "test.so").write_text("ey\nguri\n", encoding="utf-8")
    (folder / "test.en").write_text("a dog\na house\n", encoding="utf-8")
    (folder / "qrels.txt").write_text("1 0 d1 1\n", encoding="utf-8")
    (folder / "topics.tsv").write_text("1\tey\n", encoding="utf-8")
    (folder / "documents").mkdir()
    (folder / "documents" / "all.jsonl").write_text('{"id": "d1", "text": "a dog"}\n', encoding="utf-8")
    (folder / "beir" / "qrels").mkdir(parents=True)
    (folder / "beir" / "corpus.jsonl").write_text('{"_id": "d1", "title": "", "text": "a dog"}\n', encoding="utf-8")
    (folder / "beir" / "queries.jsonl").write_text('{"_id": "1", "text": "ey"}\n', encoding="utf-8")
    rows = "query-id\tcorpus-id\tscore\n1\td1\t1\n"
    (folder / "beir" / "qrels" / "test.tsv").write_text(rows, encoding="utf-8")
    export_flickr30k_entities(generate_scenes(6), folder / "release")
    report().to_json(folder / "report.json")
    TeacherCache.build(teacher, ["a dog"], folder / "tokens", progress=False)
    return folder


def report() -> RetrievalReport:
    lines = {"de": ["Hund", "Haus"], "so": ["ey", "guri"]}
    collection = RetrievalCollection.from_lines("two", lines, ["a dog", "a house"])
    vectors = np.eye(2)
    return evaluate_retrieval(
        None, None, collection, systems=(), models={"student": tiny_pairs.teacher()}, document_vectors={"two": vectors},
        query_vectors={"student": {"two": np.tile(vectors, (2, 1))}}, k=[1], depth=2, rounds=10, progress=False,
    )  # fmt: skip


def shell(*arguments: str) -> None:
    found = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert found.exit_code == 0, found.output


def the_study(at: str) -> None:
    place = Path(expand_name(f"{at}/study.yaml"))
    place.write_text(yaml.safe_dump(STUDY).replace("@", at.replace("$", "$$")), encoding="utf-8")
    config = load_study(f"{at}/study.yaml")
    assert Path(config.output).is_absolute()
    assert Path(config.teachers["T"].path).is_dir()
    assert len(load_bitext({code: list(files) for code, files in config.bitext.items()})) == 2


def a_configuration(at: str) -> None:
    place = Path(expand_name(f"{at}/train.yaml"))
    place.write_text(yaml.safe_dump({"teacher": "T", "student": "S", "bitext": ["x"], "output": "o"}), encoding="utf-8")
    (options,) = parse_options((TrainOptions,), [f"{at}/train.yaml"])
    assert options.teacher == "T"


def training_arguments(at: str) -> None:
    _, args = parse_train(["--teacher", "T", "--student", "S", "--bitext", "x", "--output", f"{at}/o"])
    for found in (args, OTDistillationArguments(output_dir=f"{at}/o")):
        assert Path(found.output_dir).is_absolute()


def evaluated(at: str) -> None:
    collection = RetrievalCollection.from_lines("two", {"so": f"{at}/test.so"}, f"{at}/test.en")
    teacher = load_teacher(f"{at}/teacher")
    evaluate_retrieval(
        None, teacher, collection, systems=("teacher",), folder=f"{at}/vectors", rounds=10, progress=False
    )


def entities(at: str) -> None:
    files = {"karpathy": None, "images": f"{at}/release/images"}
    assert Flickr30kEntities(f"{at}/release", "test", "captions", **files).config.release


def pictures(at: str) -> None:
    ids = next(iter((Path(expand_name(at)) / "release").glob("images/*"))).stem
    captions_to_images("pictures", {"so": {ids: ["ey"]}}, f"{at}/release/images")


READ: dict[str, Callable[[str], object]] = {
    "load_bitext, a file": lambda at: load_bitext(f"{at}/so-en.tsv"),
    "load_bitext, a language and a file": lambda at: load_bitext(f"so={at}/so-en.tsv"),
    "load_bitext, two files": lambda at: load_bitext({"so": (f"{at}/test.so", f"{at}/test.en")}),
    "load_bitext, lines": lambda at: load_bitext([f"{at}/test.so"], cache_dir=f"{at}/cache"),
    "stream_bitext": lambda at: next(iter(stream_bitext([f"{at}/so-en.tsv"]))),
    "bitext_quality": lambda at: bitext_quality(load_bitext(f"{at}/so-en.tsv")),
    "from_lines": lambda at: RetrievalCollection.from_lines("n", {"so": f"{at}/test.so"}, f"{at}/test.en"),
    "from_bitext": lambda at: RetrievalCollection.from_bitext("n", f"{at}/so-en.tsv", "so"),
    "caption_lines": lambda at: caption_lines(f"{at}/test.en", f"{at}/test.so"),
    "captions_to_images": pictures,
    "load_beir": lambda at: load_beir(f"{at}/beir"),
    "load_trec": lambda at: load_trec("n", {"so": f"{at}/topics.tsv"}, f"{at}/qrels.txt", f"{at}/documents"),
    "Flickr30kEntities": entities,
    "read_dictionary": lambda at: read_dictionary(f"{at}/so-en.tsv", "so"),
    "load_teacher": lambda at: load_teacher(f"{at}/teacher"),
    "load_student": lambda at: load_student(f"{at}/student", tiny_pairs.teacher()),
    "load_weights": lambda at: load_weights(tiny_pairs.pair()[0], f"{at}/student"),
    "TeacherCache.open": lambda at: TeacherCache.open(f"{at}/tokens"),
    "student_files": lambda at: student_files(f"{at}/student"),
    "RetrievalReport.from_json": lambda at: RetrievalReport.from_json(f"{at}/report.json"),
    "evaluate_retrieval": evaluated,
    "optical-hf evaluate --compare": lambda at: shell(
        "evaluate", "--compare", f"{at}/report.json", f"{at}/report.json"
    ),
    "optical-hf data check": lambda at: shell("data", "check", f"so={at}/so-en.tsv"),
    "optical-hf card": lambda at: shell("card", f"{at}/student", "--report", f"{at}/report.json"),
    "a study": the_study,
    "a configuration of train": a_configuration,
    "the arguments of training": training_arguments,
}


class Echo:
    """A translator that returns what it reads."""

    name = fingerprint = "echo"

    def __call__(self, texts: list[str], language: str) -> list[str]:
        return texts


WRITTEN: dict[str, Callable[[str], object]] = {
    "save_student": lambda at: save_student(tiny_pairs.pair()[0], at),
    "TeacherCache.build": lambda at: TeacherCache.build(tiny_pairs.teacher(), ["a dog"], at, progress=False),
    "export_flickr30k_entities": lambda at: export_flickr30k_entities(generate_scenes(2), at, images=False),
    "report.to_json": lambda at: report().to_json(f"{at}/report.json"),
    "write_html": lambda at: write_html(report(), f"{at}/report.html"),
    "save_plots": lambda at: save_plots(report(), at),
    "write_trec": lambda at: write_trec(report(), at),
    "Dictionary.save": lambda at: read_dictionary(["ey\tdog"], "so").save(f"{at}/words.tsv"),
    "optical-hf data check": lambda at: shell("data", "check", f"{AT}/so-en.tsv", "--json", f"{at}/counts.json"),
    "write_bitext": lambda at: write_bitext(["a dog"], {"so": Echo()}, at, progress=False),
    "optical-hf data scenes": lambda at: shell("data", "scenes", "--count", "2", "--output", at),
}


@pytest.fixture
def elsewhere(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("WORDS", home.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_found(name: str, elsewhere: Path) -> None:
    READ[name](AT)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_where_it_was_asked_for(name: str, home: Path, elsewhere: Path) -> None:
    folder = f"written {name}"
    WRITTEN[name](f"{AT}/{folder}")
    assert any((home / folder).iterdir())
    assert list(elsewhere.iterdir()) == []


def test_the_id_of_a_repository_stays_what_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("org/model", "model", "org/data:configuration", "hf://org/model"):
        assert expand_name(name) == name


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(ValueError, match=r"\$NOWHERE_AT_ALL, which is not set"):
        load_teacher("$NOWHERE_AT_ALL/teacher")


def test_the_example_study_finds_its_models_by_itself(home: Path, elsewhere: Path) -> None:
    example = Path(__file__).parents[1] / "examples" / "benchmarks" / "claim_small.yaml"
    config = load_study(example, {"data": "/data", "late": "/late"})
    assert config.teachers["MiniLM"].path == str(home.parent / ".cache" / "optical-hf-models" / "all-MiniLM-L6-v2")
    assert json.dumps([student.path for student in config.students.values()]).count("~") == 0
