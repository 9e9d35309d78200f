"""The paper compared with a run: claims, printed numbers, published scores, and the verdicts."""
