"""Teachers: an encoder, a token cache, or a dict of them by language."""
