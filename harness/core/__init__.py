"""What every part speaks in: errors, artefacts, results, paths, provenance, console, meters, statistics."""
