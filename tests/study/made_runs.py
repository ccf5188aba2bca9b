"""Runs of a study whose hits are chosen, for tests of its report."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from optical_hf.evaluation.report.language_scores import Bootstrap, score_languages
from optical_hf.evaluation.report.retrieval_report import Queries, RetrievalReport, SystemResult
from optical_hf.study.config.data_specs import CollectionSpec
from optical_hf.study.config.grid import RunConfig
from optical_hf.study.config.study_config import BudgetSpec, StudentSpec, StudyConfig, SystemSpec, TeacherSpec
from optical_hf.study.run.launching import RunFolder
from optical_hf.study.run.run_cost import CODE
from optical_hf.study.run.running import RESULT, RunResult

GROUPS = 200
COLLECTION = CollectionSpec("C", "bitext", {"de": "x", "so": "x"})
STUDENTS = {
    name: StudentSpec(name, "backbone", layers) for name, layers in (("small", 3), ("middle", 6), ("large", 12))
} | {"backbone": StudentSpec("backbone", "backbone")}
SYSTEMS = {
    "MSE": SystemSpec("MSE", "ridge", "pooled_mse"),
    "transport": SystemSpec("transport", "transport", "transport"),
    "untrained": SystemSpec("untrained"),
    "own_index": SystemSpec("own_index"),
}
CONFIG = StudyConfig(
    name="known", output="", teachers={"T": TeacherSpec("T", "t")}, students=STUDENTS,
    systems={name: system for name, system in SYSTEMS.items() if name != "own_index"},
    budgets={"B": BudgetSpec("B", steps=1)}, bitext={"de": ("x",)}, collections={"C": COLLECTION}, high=("de",), low=("so",),
    baselines=("MSE",), rounds=500,
)  # fmt: skip
PARAMETERS = {"small": 21_000_000, "middle": 40_000_000, "large": 85_000_000, "backbone": 85_000_000}


def run(
    folder: Path,
    student: str,
    system: str,
    shares: dict[str, float],
    seed: int = 0,
    code: str = "a",
    collections: tuple[str, ...] = ("C",),
) -> RunFolder:
    """A run that finds the first so large a share of each language's queries, rolled on by the seed, in each collection."""
    languages = np.repeat(list(shares), GROUPS)
    hits = np.concatenate([np.roll(np.arange(GROUPS) < share * GROUPS, seed) for share in shares.values()])
    ranks = np.where(hits, 1.0, 2.0)
    groups = np.tile([f"g{number}" for number in range(GROUPS)], len(shares))
    found = score_languages(ranks, languages, groups, (1,), Bootstrap(rounds=10))
    ids = [f"{code}/{number}" for code in shares for number in range(GROUPS)]
    report = RetrievalReport(
        systems={"student": SystemResult(found, 0.0, None, ranks, [None] * len(ids))},
        queries=Queries(ids, ["C"] * len(ids), languages.tolist(), groups.tolist()),
        resource_groups=None, no_gap="not asked", settings={}, documents={"C": GROUPS},
    )  # fmt: skip
    searched = tuple(replace(COLLECTION, name=name, limit=len(name)) for name in collections)
    learnt = (CONFIG.budgets["B"], {"de": ("x",)}, 500, seed)
    config = RunConfig(CONFIG.teachers["T"], STUDENTS[student], SYSTEMS[system], *learnt, searched, None)
    if system == "own_index":
        config = replace(config, budget=None, bitext={}, size=None, own_index=True)
    place = folder / config.key
    report.to_json(place / "report-00.json")
    result = RunResult(
        dict.fromkeys(collections, "report-00.json"),
        backbone_parameters=PARAMETERS[student],
        versions={CODE: code},
        seconds={"total": 1.0},
    )
    (place / RESULT).write_text(json.dumps(asdict(result)), encoding="utf-8")
    return RunFolder(config, place)
