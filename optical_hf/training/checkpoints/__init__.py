"""Checkpoints and saved students: written whole, checked, read back."""
