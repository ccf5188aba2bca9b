"""Files as users have them: opened, decompressed, read line by line or batch by batch; what cannot be used is named by its row."""
