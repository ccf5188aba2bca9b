"""Search engines behind one protocol: documents in, an index out; queries in, the best documents out."""
