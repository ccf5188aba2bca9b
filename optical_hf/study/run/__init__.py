"""What the runs of a study do, each in processes of its own."""
