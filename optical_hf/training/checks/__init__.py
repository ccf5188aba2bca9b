"""What is checked before the first step, so that a silent mistake is an error with its fix."""
