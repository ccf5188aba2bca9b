"""Closed-form alignment: a student's projection fitted without a gradient step."""
