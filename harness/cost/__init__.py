"""What a run costs: predicted from shapes, measured, and compared with a plain reference step."""
