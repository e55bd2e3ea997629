"""Export a sentence-transformers checkpoint to the ONNX file that `app.retrieval.embedder` runs."""

import logging
import os
import shutil
import warnings
from pathlib import Path

# Beside the model file.
TOKENIZER_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)


def export_onnx(checkpoint: Path, target: Path) -> None:
    """Write ``target/model.onnx``: int64 ids and mask (batch, tokens) in, float32
    ``last_hidden_state`` (batch, tokens, width) out, neither pooled nor normalised.

    Weights become int8, one scale for each channel: a question takes 1.1 ms instead of 4.2 on one core, and a vector's
    cosine with that of float32 is 0.995. Over this project's documents recall@5 was 0.92 with it and 0.91 without (32
    questions, which is no difference), and the semantic cache's judge hit 98 and 100 of 180 paraphrases.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(checkpoint, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    sample = tokenizer(["a short text", "another, longer text"], padding=True, return_tensors="pt")
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {0: "batch", 1: "tokens"}

    class LastHiddenState(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
        ) -> torch.Tensor:
            output = self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
            hidden: torch.Tensor = output.last_hidden_state
            return hidden

    # Tracing warns of Python values that it fixes; none of them depends on the texts.
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            LastHiddenState(),
            tuple(sample[name] for name in names),
            str(target / "float32.onnx"),
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes=dict.fromkeys([*names, "last_hidden_state"], axes),
            opset_version=17,
            dynamo=False,
        )
    # Seven bits: processors without VNNI add two products in 16 bits, which eight would overflow.
    logging.disable(logging.WARNING)  # it recommends a step that does nothing for this model
    precise, small = target / "float32.onnx", target / "model.onnx"
    try:
        quantize_dynamic(precise, small, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    finally:
        logging.disable(logging.NOTSET)
    precise.unlink()
    for name in TOKENIZER_FILES:
        shutil.copy(checkpoint / name, target / name)
