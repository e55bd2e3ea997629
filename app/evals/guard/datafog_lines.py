"""DataFog over JSON lines: texts on standard input, [[type, start, end], ...] on standard output.

Run by a Python that has `datafog` (MIT), which the project itself does not depend on. See `jobs/measure_pii.py`.
"""

import json
import sys


def main() -> None:
    import datafog  # type: ignore[import-not-found]  # it is installed elsewhere

    for line in sys.stdin:
        found = datafog.scan(json.loads(line), engine="regex").entities
        sys.stdout.write(json.dumps([[entity.type, entity.start, entity.end] for entity in found]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
