"""Which pairs share a batch, in which order, and how a batch of pairs is made."""
