"""What a run costs: predicted from shapes, measured at them, and held against a plain transcription."""
