"""The quality report of a bitext: how many pairs of each language break which rule, and where files have slipped.

The rules follow what is done to web-crawled
bitext (Kreutzer et al. 2022, "Quality at a Glance: An Audit of Web-Crawled Multilingual Datasets", TACL,
arXiv:2103.12028), and none of them says that a pair is bad, only that somebody should look. `clean_bitext` drops what you choose.
"""

from dataclasses import asdict, dataclass
from typing import Any

from optical_hf.data.quality.misalignment import MisalignedRun
from optical_hf.data.quality.mismatch import MismatchedPairs
from optical_hf.data.quality.rules import RULES, Rule


@dataclass(frozen=True)
class BitextReport:
    """What `bitext_quality` found; `print` it for the table.

    Attributes:
        pairs: number of pairs by language.
        broken: number of pairs that break a rule, by language and rule.
        runs: runs of rows whose translations stand in other rows, file by file.
        looked_at: pairs by language that the language detector looked at; it looks at a sample.
        not_checked: rules that were not checked, for all or for some languages, and why.
        mismatches: how many single pairs of each file look wrong, and which; files of too few pairs are left out.
        left_out: rows that `load_bitext(on_bad_row="drop")` left out: a line a file, with their count and the first three.
    """

    pairs: dict[str, int]
    broken: dict[str, dict[Rule, int]]
    runs: tuple[MisalignedRun, ...]
    looked_at: dict[str, int]
    not_checked: dict[Rule, str]
    mismatches: tuple[MismatchedPairs, ...] = ()
    left_out: tuple[str, ...] = ()

    def total(self, rule: Rule) -> int:
        """Return how many pairs of all languages break a rule."""
        return sum(counts[rule] for counts in self.broken.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain dicts and lists, for JSON."""
        return asdict(self) | {
            "runs": [run._asdict() for run in self.runs],
            "mismatches": [found._asdict() for found in self.mismatches],
        }

    def __str__(self) -> str:
        widths = [max(8, len(rule)) + 2 for rule in RULES]
        head = f"{'language':<10}{'pairs':>10}" + "".join(f"{rule:>{w}}" for rule, w in zip(RULES, widths, strict=True))
        lines = [head, "-" * len(head)]
        for language, pairs in self.pairs.items():
            cells = [f"{self._cell(language, rule):>{w}}" for rule, w in zip(RULES, widths, strict=True)]
            lines.append(f"{language:<10}{pairs:>10,}" + "".join(cells))
        if self.looked_at:
            sample = ", ".join(f"{language} {count:,}" for language, count in self.looked_at.items())
            lines.append(f"language: counted among the pairs that the detector looked at ({sample})")
        for why in dict.fromkeys(self.not_checked.values()):
            lines.append(
                f"not checked, {why}: " + ", ".join(rule for rule, one in self.not_checked.items() if one == why)
            )
        lines += [f"misaligned: {run}" for run in self.runs] or ["misaligned: no run of rows has slipped"] * (
            "misaligned" not in self.not_checked
        )
        lines += [f"mismatched: {found}" for found in self.mismatches if found.rows] or [
            f"mismatched: no sign of single wrong pairs; at most {found.high:.1%} of {found.origin}"
            for found in sorted(self.mismatches, key=lambda found: -found.high)[:1]
        ]
        lines += [f"left out: {line}" for line in self.left_out]
        return "\n".join(lines)

    def _cell(self, language: str, rule: Rule) -> str:
        unknown = rule == "language" and not self.looked_at.get(language)
        return (
            "-" if unknown or (rule in self.not_checked and rule != "language") else f"{self.broken[language][rule]:,}"
        )
