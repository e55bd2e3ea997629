"""Training of the guard's injection classifier."""
