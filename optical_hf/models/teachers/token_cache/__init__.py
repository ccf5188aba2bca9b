"""The token cache: tokens of a frozen encoder, computed once, kept on disk and memory-mapped by every run that trains with them."""

from optical_hf.models.teachers.token_cache.cache_shards import DamagedShardError
from optical_hf.models.teachers.token_cache.teacher_cache import TeacherCache

__all__ = ["DamagedShardError", "TeacherCache"]
