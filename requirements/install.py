"""Install a lock file and this project into the environment that runs this file.

A lock names every package, so nothing is resolved: each is installed without its dependencies. That
also keeps out what vLLM's CPU build asks for and no text model needs: torchvision, torchaudio and
torchcodec, whose builds on PyPI are for CUDA and break `import transformers` beside a CPU torch.
"""

import subprocess
import sys
from pathlib import Path

# PyTorch's own index of CPU builds, asked only where the ordinary one does not have them.
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PIP = [sys.executable, "-m", "pip"]


def install(lock: Path) -> int:
    """Returns pip's exit status."""
    # pip's progress is worth seeing; its list of what is already there is not worth a log's lines.
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    command = [*PIP, "install", "--no-deps", *quiet]
    packages = [*command, "--requirement", str(lock)]
    first = subprocess.run(packages, stderr=subprocess.PIPE, text=True, check=False)
    sys.stderr.write("" if "torch" in first.stderr and first.returncode else first.stderr)
    if first.returncode != 0:
        if "torch" not in first.stderr:
            return first.returncode
        print("This package index has no CPU build of PyTorch; asking PyTorch's own.")
        second = subprocess.run([*packages, "--extra-index-url", TORCH_CPU_INDEX], check=False)
        if second.returncode != 0:
            return second.returncode
    here = str(Path(__file__).resolve().parents[1])
    return subprocess.run([*command, "--no-build-isolation", "--editable", here], check=False).returncode


if __name__ == "__main__":
    sys.exit(install(Path(sys.argv[1])))
