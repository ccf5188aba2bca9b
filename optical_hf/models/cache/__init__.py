"""The token cache: a teacher's tokens computed once, kept on disk, memory-mapped by whoever trains with them."""

from optical_hf.models.cache.reading import CachedTokens, TeacherCache, teacher_tokens
from optical_hf.models.cache.shards import DamagedShardError

__all__ = ["CachedTokens", "DamagedShardError", "TeacherCache", "teacher_tokens"]
