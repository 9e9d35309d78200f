"""What every room uses: errors, artefacts, results, paths, provenance, console, meters, statistics."""
