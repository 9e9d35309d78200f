"""The paper held against a run: its claims, printed numbers and published scores, and the verdicts."""
