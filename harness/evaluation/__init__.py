"""Scoring an arm: lm-eval's tasks on guarded requests, and SimPO on the test pairs."""
