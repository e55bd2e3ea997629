"""Forms of secrets: what providers document of their keys and tokens, in RE2's syntax (linear time).

A pattern's first group is the secret. Where nothing stands around the group, it must be a word by itself (`WORDS`):
RE2 cannot look ahead, so that `rail.py` looks at the signs beside it. Sources are the providers' own pages
about key formats and secret scanning; prefixes are stable, lengths are not, so that only lower bounds are asked for.
"""

# ruff: noqa: E501 - forms and lists of words read best on one line, and hold signs of all scripts

# Rule -> (pattern, what a text must hold for it to match, score).
TOKENS: dict[str, tuple[tuple[str, tuple[str, ...], float], ...]] = {
    "AWS_KEY": (
        (r"((?:AKIA|ASIA|ABIA|ACCA|AIDA|AROA)[A-Z0-9]{12,20})", ("AKIA", "ASIA", "ABIA", "ACCA", "AIDA", "AROA"), 0.95),
    ),
    "GITHUB_TOKEN": (
        (r"(gh[pousr]_[A-Za-z0-9]{16,})", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), 0.95),
        (r"(github_pat_[A-Za-z0-9_]{20,})", ("github_pat_",), 0.95),
    ),
    "GITLAB_TOKEN": ((r"(gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas)-[A-Za-z0-9_\-]{16,}(?:\.[A-Za-z0-9_\-]+)*)", ("gl",), 0.95),),
    "SEXTANT_KEY": ((r"(sk-(?:sextant|batch)-[A-Za-z0-9_\-]{16,}(?:\.[A-Za-z0-9_\-]+)*)", ("sk-sextant-", "sk-batch-"), 0.97),),
    "ANTHROPIC_KEY": ((r"(sk-ant-[A-Za-z0-9_\-]{16,})", ("sk-ant-",), 0.96),),
    "OPENAI_KEY": (
        (r"(sk-(?:proj|svcacct|admin|None)-[A-Za-z0-9_\-]{16,})", ("sk-",), 0.95),
        (r"(sk-[A-Za-z0-9]{20,})", ("sk-",), 0.95),
    ),
    "OPENROUTER_KEY": ((r"(sk-or-(?:v1-)?[A-Za-z0-9]{16,})", ("sk-or-",), 0.96),),
    "GOOGLE_KEY": (
        (r"(AIza[A-Za-z0-9_\-]{30,})", ("AIza",), 0.95),
        (r"(GOCSPX-[A-Za-z0-9_\-]{20,})", ("GOCSPX-",), 0.95),
        (r"(ya29\.[A-Za-z0-9_\-]{20,})", ("ya29.",), 0.95),
    ),
    "SLACK_TOKEN": (
        (r"(xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9\-]{10,})", ("xox",), 0.95),
        (r"(xapp-\d-[A-Za-z0-9\-]{10,})", ("xapp-",), 0.95),
        (r"(https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/_\-]{20,})", ("hooks.slack",), 0.95),
    ),
    "STRIPE_KEY": (
        (r"([srp]k_(?:live|test)_[A-Za-z0-9]{12,})", ("k_live_", "k_test_"), 0.95),
        (r"(whsec_[A-Za-z0-9+/=]{16,})", ("whsec_",), 0.95),
    ),
    "TWILIO_KEY": ((r"((?:AC|SK)[a-f0-9]{32})", ("AC", "SK"), 0.9),),
    "SENDGRID_KEY": ((r"(SG\.[A-Za-z0-9_\-]{10,40}\.[A-Za-z0-9_\-]{20,})", ("SG.",), 0.95),),
    "MAILGUN_KEY": ((r"(key-[a-f0-9]{32})", ("key-",), 0.9), (r"([a-f0-9]{32}-[a-f0-9]{8}-[a-f0-9]{8})", ("-",), 0.9)),
    "MAILCHIMP_KEY": ((r"([a-f0-9]{32}-us\d{1,2})", ("-us",), 0.9),),
    "NPM_TOKEN": ((r"(npm_[A-Za-z0-9]{20,})", ("npm_",), 0.95),),
    "PYPI_TOKEN": ((r"(pypi-[A-Za-z0-9_\-]{16,})", ("pypi-",), 0.95),),
    "HUGGINGFACE_TOKEN": ((r"((?:hf_|api_org_)[A-Za-z0-9]{20,})", ("hf_", "api_org_"), 0.95),),
    "DOCKER_TOKEN": ((r"(dckr_(?:pat|oat)_[A-Za-z0-9_\-]{20,})", ("dckr_",), 0.95),),
    "DIGITALOCEAN_TOKEN": ((r"(do[opr]_v1_[a-f0-9]{32,})", ("_v1_",), 0.95),),
    "DATABRICKS_TOKEN": ((r"(dapi[a-f0-9]{32}(?:-\d)?)", ("dapi",), 0.95),),
    "VAULT_TOKEN": ((r"(hv[sbr]\.[A-Za-z0-9_\-]{20,})", ("hvs.", "hvb.", "hvr."), 0.95),),
    "SHOPIFY_TOKEN": ((r"(shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{24,})", ("shp",), 0.95),),
    "TELEGRAM_TOKEN": ((r"(\d{8,10}:AA[A-Za-z0-9_\-]{30,40})", (":AA",), 0.95),),
    "DISCORD_TOKEN": (
        (r"([MNO][A-Za-z0-9_\-]{22,28}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,45})", (".",), 0.9),
        (r"(https://discord(?:app)?\.com/api/webhooks/\d+/[A-Za-z0-9_\-]{20,})", ("webhooks",), 0.95),
    ),
    "GRAFANA_TOKEN": ((r"(gl(?:sa|c)_[A-Za-z0-9+/=_]{20,})", ("glsa_", "glc_"), 0.95),),
    "NEWRELIC_KEY": ((r"(NR(?:AK|JS|II|AA|RA)-[A-Z0-9a-f]{16,})", ("NR",), 0.95),),
    "ATLASSIAN_TOKEN": ((r"(ATATT3[A-Za-z0-9_\-=]{20,})", ("ATATT3",), 0.95),),
    "LINEAR_KEY": ((r"(lin_(?:api|oauth)_[A-Za-z0-9]{20,})", ("lin_",), 0.95),),
    "NOTION_TOKEN": ((r"((?:secret_|ntn_)[A-Za-z0-9]{30,})", ("secret_", "ntn_"), 0.95),),
    "SENTRY_TOKEN": ((r"(sntr(?:ys|yu)_[A-Za-z0-9_+/=]{20,})", ("sntry",), 0.95),),
    "SUPABASE_KEY": ((r"(sb(?:p|_secret|_publishable)_[A-Za-z0-9_\-]{16,})", ("sbp_", "sb_"), 0.95),),
    "GROQ_KEY": ((r"(gsk_[A-Za-z0-9]{20,})", ("gsk_",), 0.95),),
    "REPLICATE_TOKEN": ((r"(r8_[A-Za-z0-9]{20,})", ("r8_",), 0.95),),
    "XAI_KEY": ((r"(xai-[A-Za-z0-9]{30,})", ("xai-",), 0.95),),
    "PERPLEXITY_KEY": ((r"(pplx-[A-Za-z0-9]{20,})", ("pplx-",), 0.95),),
    "SQUARE_TOKEN": ((r"((?:sq0[a-z]{3}-|EAAA)[A-Za-z0-9_\-]{20,})", ("sq0", "EAAA"), 0.95),),
    "AGE_KEY": ((r"(AGE-SECRET-KEY-1[A-Z0-9]{30,})", ("AGE-SECRET",), 0.95),),
    "AZURE_KEY": (
        (r"(?i)(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{20,}={0,2})", ("AccountKey", "AccessKey", "accountkey", "accesskey"), 0.95),
        (r"(?:[?&]sig=)([A-Za-z0-9%+/]{20,})", ("sig=",), 0.9),
    ),
    "JWT": (
        (r"(eyJ[A-Za-z0-9_\-]{6,}\.(?:eyJ)?[A-Za-z0-9_\-]{6,}(?:\.[A-Za-z0-9_\-]{0,}){0,3})", ("eyJ",), 0.95),
    ),
    "PRIVATE_KEY": (
        # Without its end as well: of a stream only the beginning may be there yet.
        (
            r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-[^-]|--[^-]|---[^-]|----[^-])*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|-{0,5}$)?)",
            ("PRIVATE KEY",),
            0.98,
        ),
        (r"(PuTTY-User-Key-File-\d:[^\x00]*?Private-MAC: ?[0-9a-f]+|PuTTY-User-Key-File-\d:[^\x00]*)", ("PuTTY-User-Key",), 0.98),
    ),
    "CONNECTION_STRING": (
        (
            r"(?i)\b([a-z][a-z0-9+.\-]{1,30}://[^\s:/@'\"<>{}]*:[^\s@'\"<>{}$*]{2,}@[^\s'\"<>`),;]+)",
            ("://",),
            0.9,
        ),
        (
            r"(?i)\b((?:Server|Data Source|Host|Driver|Provider|Endpoint|DefaultEndpointsProtocol)=[^\s\"'<>][^\"'<>\n]*;\s?(?:Password|Pwd|AccountKey|SharedAccessKey)=[^\s\"'<>;*]{2,};?(?:[A-Za-z ]{2,40}=[^;\s\"'<>]+;?){0,8})",
            ("assword=", "wd=", "ASSWORD=", "ccountKey=", "ccessKey="),
            0.95,
        ),
    ),
    "BEARER_TOKEN": (
        (r"(?i)\bauthorization['\"]?\s*[:=]\s*['\"]?(?:bearer|token|apikey|api-key)\s+([A-Za-z0-9_\-.=+/~]{12,})", ("uthorization", "UTHORIZATION"), 0.9),
        (r"(?i)\bauthorization['\"]?\s*[:=]\s*['\"]?basic\s+([A-Za-z0-9+/]{8,}={0,2})", ("uthorization", "UTHORIZATION"), 0.9),
        (r"\b[Bb]earer\s+([A-Za-z0-9_\-.=+/~]{20,})", ("earer ",), 0.7),
    ),
}  # fmt: skip
