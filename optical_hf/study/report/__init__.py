"""The report of a study: a table of runs, and the tests, plots and pages made of it."""
