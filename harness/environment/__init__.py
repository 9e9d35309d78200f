"""The one environment of all sessions: its lock, and how it is made. Standard library only."""
