"""Build what is published, and check it: python .ci/package.py FOLDER

- `twine check --strict` passes wheel and source archive.
- The wheel is under a megabyte, and has every file of the package that git has.
- Wheel, package and CITATION.cff have one version.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST_BYTES = 1_000_000


def run(*command: str) -> str:
    return subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout


folder = Path(sys.argv[1]).resolve()
run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder))
print(run(sys.executable, "-m", "twine", "check", "--strict", *map(str, folder.iterdir())), end="")

(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    packed = set(archive.namelist())
if lost := set(run("git", "ls-files", "optical_hf").splitlines()) - packed:
    raise SystemExit(f"the wheel lacks {', '.join(sorted(lost))}")
if (size := wheel.stat().st_size) >= MOST_BYTES:
    raise SystemExit(f"the wheel has {size:,} bytes: expected less than {MOST_BYTES:,}")

sources = {"optical_hf/__init__.py": r'^__version__ = "(.+)"', "CITATION.cff": r"^version: (.+)"}
versions = {wheel.name: wheel.name.split("-")[1]}
for place, line in sources.items():
    found = re.search(line, (ROOT / place).read_text(encoding="utf-8"), re.MULTILINE)
    versions[place] = found[1] if found else "none"
if len(set(versions.values())) > 1:
    raise SystemExit(f"more than one version: {versions}")
print(f"{wheel.name}: {size:,} bytes, {len(packed)} files")
