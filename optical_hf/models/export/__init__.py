"""Students in the layouts of other libraries."""
