"""Conditions as filters of a Qdrant server."""

from qdrant_client import models as q

from app.retrieval.conditions import AllOf, AnyOf, Condition, Has, Not, Within


def to_filter(condition: Condition) -> q.Filter:
    """A filter that means the same points."""
    return q.Filter(must=[_to_condition(part) for part in _parts(condition)])


def _parts(condition: Condition) -> list[Condition]:
    if isinstance(condition, AllOf):
        return [part for inner in condition.conditions for part in _parts(inner)]
    return [condition]


def _to_condition(condition: Condition) -> q.FieldCondition | q.Filter:
    match condition:
        case Has(key, (value,)):
            return q.FieldCondition(key=key, match=q.MatchValue(value=value))
        case Has(key, values):
            return q.FieldCondition(key=key, match=q.MatchAny(any=list(values)))
        case Within(key, gt, gte, lt, lte):
            return q.FieldCondition(key=key, range=q.Range(gt=gt, gte=gte, lt=lt, lte=lte))
        case Not(inner):
            return q.Filter(must_not=[_to_condition(inner)])
        case AnyOf(()):
            return q.FieldCondition(key="nothing", match=q.MatchAny(any=[]))
        case AnyOf(parts):
            return q.Filter(should=[_to_condition(part) for part in parts])
        case AllOf():
            return to_filter(condition)
