"""Bare Presidio, as its documentation sets it up: `python -m benchmarks.guard.presidio` reads jobs as JSON lines.

`AnalyzerEngine` with all its recognizers for English, over the same spaCy pipeline that the guard has, and
`AnonymizerEngine` on what it finds. It has no rails for secrets or injections.
"""

import logging
import time
from functools import cache
from typing import Any

from app.config import GuardConfig
from benchmarks.guard.rails import Job, Result
from benchmarks.load_generator import LoadGenerator, serve_jobs


@cache
def _engines() -> tuple[Any, Any]:
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider
    from presidio_anonymizer import AnonymizerEngine

    logging.getLogger("tldextract").setLevel(logging.CRITICAL)  # it would like to fetch its list anew
    model = {"lang_code": "en", "model_name": GuardConfig().language_model}
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [model]})
    return AnalyzerEngine(nlp_engine=provider.create_engine()), AnonymizerEngine()


async def run(job: Job) -> Result:
    """Analyze and anonymize one text after the other."""
    analyzer, anonymizer = _engines()
    times = []
    for text in job.texts:
        start = time.perf_counter()
        anonymizer.anonymize(text, analyzer.analyze(text, language="en"))
        times.append((time.perf_counter() - start) * 1000)
    return Result(times[job.warm_up :])


def load_generator() -> LoadGenerator[Job, Result]:
    """The process of this module."""
    return LoadGenerator("benchmarks.guard.presidio", Result, lambda job, result: result.error or None)


if __name__ == "__main__":
    serve_jobs(Job, run)
