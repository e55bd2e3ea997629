"""Wilson's score interval for a share (1927), which keeps to its level for few trials and rare events, too."""

import math

Z_95 = 1.959964  # of the standard normal distribution, both sides


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Lower and upper end; (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    share, square = successes / trials, z * z
    centre = share + square / (2 * trials)
    half = z * math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    scale = 1 + square / trials
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
