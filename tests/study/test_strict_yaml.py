"""The one reader of YAML settings: what PyYAML would take in silence is an error with its line, in studies and in `train`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from study.test_study_config import VALUES, written

from optical_hf.cli.config_file import parse_options
from optical_hf.cli.train import TrainOptions
from optical_hf.strict_yaml import MOST_NODES, read_mapping
from optical_hf.study import load_study
from optical_hf.training import OTDistillationArguments


def as_study(path: Path) -> object:
    return load_study(path)


def as_options(path: Path) -> object:
    return parse_options((TrainOptions, OTDistillationArguments), [str(path)])


DOUBLING = "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))])
MERGING = "\n".join(["a0: &a0 {x0: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 40))])


@pytest.mark.slow
@pytest.mark.parametrize("read", [as_study, as_options])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "learning_rate: 1e-3\nseed: 1\nlearning_rate: 5\n",
            r"line 3: the key 'learning_rate' was given on line 1 already",
        ),
        ("a:\n  b: {c: 1}\n  b: 2\n", "line 3: the key 'b' was given on line 2 already"),
        ("bitext:\n  no: x.tsv\n", "line 2: the key no: .* put it in quotes, 'no'"),
        (DOUBLING, f"more than {MOST_NODES:,} values"),
        (MERGING, f"more than {MOST_NODES:,} values"),
        ("a: &a [1, *a]\n", "line 1: what an anchor names holds an alias of itself"),
        ("a: " + "[" * 500 + "]" * 500, "nested too deeply"),
        ("a: 2026-13-45\n", "month must be in"),
        ("a: [\n", "not readable as YAML"),
        ("- a\n", "expected 'key: value' lines, got list"),
        ("", "expected 'key: value' lines, got NoneType"),
    ],
)
def test_what_yaml_takes_in_silence_is_told(
    read: Callable[[Path], object], text: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=told) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_anchors_and_merges_within_bounds_are_read(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n", encoding="utf-8")
    assert read_mapping(path, "") == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1, "y": 2}] * 2}


def test_norwegian_in_quotes_is_a_language(tmp_path: Path) -> None:
    path = written(tmp_path, VALUES | {"bitext": {"no": "x.tsv"}, "high": ["no"]})
    assert "'no'" in path.read_text(encoding="utf-8")
    config = load_study(path)
    assert config.bitext.keys() == {"no"} == set(config.high or ())


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (as_study, "high: [no]\n", "high: 1: expected text, got False; YAML reads no"),
        (as_study, "baselines: [off]\n", "baselines: 1: expected text, got False; YAML reads no"),
        (as_options, "save_strategy: no\n", "save_strategy: expected .*, got False; YAML reads no"),
        (as_options, "bitext: [no]\n", "bitext: 1: expected text, got False; YAML reads no"),
    ],
)
def test_a_word_that_yaml_reads_as_false_is_told(
    read: Callable[[Path], object], text: str, told: str, tmp_path: Path
) -> None:
    path = written(tmp_path, VALUES) if read is as_study else tmp_path / "settings.yaml"
    with path.open("a", encoding="utf-8") as file:
        file.write(text)
    with pytest.raises(ValueError, match=told):
        read(path)


def test_true_and_false_are_read_where_they_are_meant(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(
        "teacher: T\nstudent: S\nbitext: x\noutput: o\noutput_dir: o\nbf16: no\nresume: yes\n", encoding="utf-8"
    )
    options, args = as_options(path)
    assert (options.resume, args.bf16) == (True, False)
    assert options.bitext == ["x"]
