"""Studies: a grid of students, systems, bitext sizes and seeds -> runs -> one tidy table -> plots and tests.

Knows how to call training and evaluation; what they do is theirs.
"""

from optical_hf.study.config.grid import RunConfig, runs_of
from optical_hf.study.config.study_config import StudyConfig
from optical_hf.study.config.study_file import load_study
from optical_hf.study.run.launching import RunFolder, folders_of, launch_runs

__all__ = ["RunConfig", "RunFolder", "StudyConfig", "folders_of", "launch_runs", "load_study", "runs_of"]
