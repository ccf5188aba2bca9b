"""Studies: a grid of students, systems, bitext sizes and seeds -> runs -> one tidy table -> plots and tests.

Knows how to call training and evaluation; what they do is theirs.
"""

from optical_hf.study.config import StudyConfig
from optical_hf.study.grid import RunConfig, runs_of
from optical_hf.study.launching import RunFolder, folders_of, launch_runs
from optical_hf.study.reading import load_study

__all__ = ["RunConfig", "RunFolder", "StudyConfig", "folders_of", "launch_runs", "load_study", "runs_of"]
