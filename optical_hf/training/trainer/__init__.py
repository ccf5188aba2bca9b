"""`OTDistillationTrainer` and its parts."""
