"""The token cache: a teacher's tokens computed once, kept on disk, memory-mapped by whoever trains with them."""

from optical_hf.models.teachers.token_cache.cache_shards import DamagedShardError
from optical_hf.models.teachers.token_cache.teacher_cache import CachedTokens, TeacherCache, teacher_tokens

__all__ = ["CachedTokens", "DamagedShardError", "TeacherCache", "teacher_tokens"]
