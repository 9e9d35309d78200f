"""Planted truth: adapters trained on rewards of known weights; do the analyses recover them?"""
