"""What a run will need, predicted from shapes alone: `python -m harness plan`."""
