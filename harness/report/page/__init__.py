"""The report as one HTML page: every table and figure of a run, from its artefacts, without torch."""
