"""Machine translation by sequence-to-sequence checkpoints."""
