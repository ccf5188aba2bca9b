"""A report as data, and its tables, plots, pages and comparisons as functions of it."""
