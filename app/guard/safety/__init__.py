"""A safety model as a rail: prompt formats, their answers, and the requests to the model."""

from app.guard.safety.build import build
from app.guard.safety.rail import SafetyModelRail

__all__ = ["SafetyModelRail", "build"]
