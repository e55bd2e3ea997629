"""Turn a GGUF checkpoint into the safetensors directory that vLLM loads."""

import json
import os
from pathlib import Path

CHAT_TEMPLATE = Path(__file__).parent / "templates" / "chatml_tools.jinja"


def convert_gguf(gguf: Path, target: Path) -> None:
    """Write ``target`` with weights (bfloat16), tokenizer and chat template.

    The GGUF file brings quantised weights and its tokenizer; they are dequantised once, here,
    because vLLM's CPU engine computes in bfloat16 anyway. The chat template is ours: the one in the
    file knows neither tools nor tool results.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source, name = str(gguf.parent), gguf.name
    model = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=name,
        dtype="bfloat16",
        quantization_config=GgufConfig(dequantize=True),
    )
    # The weights are plain bfloat16 from here on; a left-over quantisation entry would make
    # loaders look for GGUF blocks.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
    tokenizer.chat_template = CHAT_TEMPLATE.read_text()
    tokenizer.save_pretrained(target)
    config = json.loads((target / "config.json").read_text())
    if "architectures" not in config:
        raise RuntimeError(f"{target}/config.json names no architecture: the conversion failed")
