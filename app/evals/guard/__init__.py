"""Measurements of the guard's rails."""
