"""The categories that safety models were trained on, by the code (or name) that they answer with.

Llama Guard: the short names that stand in its prompts, in the chat templates shipped with the weights of
meta-llama/Llama-Guard-3-8B and Llama-Guard-4-12B; they follow the MLCommons hazard taxonomy. What each of them means is
in https://github.com/meta-llama/PurpleLlama/blob/main/Llama-Guard4/12B/MODEL_CARD.md, under longer names.

Qwen3Guard-Gen: https://github.com/QwenLM/Qwen3Guard/blob/main/README.md.
"""

LLAMA_GUARD = {
    "S1": "Violent Crimes",
    "S2": "Non-Violent Crimes",
    "S3": "Sex Crimes",
    "S4": "Child Exploitation",
    "S5": "Defamation",
    "S6": "Specialized Advice",
    "S7": "Privacy",
    "S8": "Intellectual Property",
    "S9": "Indiscriminate Weapons",
    "S10": "Hate",
    "S11": "Self-Harm",
    "S12": "Sexual Content",
    "S13": "Elections",
    "S14": "Code Interpreter Abuse",
}
QWEN3_GUARD = (
    "Violent",
    "Non-violent Illegal Acts",
    "Sexual Content or Sexual Acts",
    "PII",
    "Suicide & Self-Harm",
    "Unethical Acts",
    "Politically Sensitive Topics",
    "Copyright Violation",
    "Jailbreak",
)
