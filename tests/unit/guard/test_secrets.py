"""Secrets: keys by their form, passwords by their name; placeholders and prose are none."""

# ruff: noqa: E501 - one case a line

import pytest

from app.accounts.tokens import new_key
from app.config.policy import SecretsSettings
from app.guard.secrets.rail import SecretsRail
from tests.unit.processor_time import processor_seconds

RAIL = SecretsRail(SecretsSettings())


def found(text: str) -> list[tuple[str, str]]:
    (hits,) = RAIL.examine([text])
    return [(hit.rule, text[hit.start : hit.end]) for hit in hits if hit.score >= 0.5]


# Made up here, put together so that no scanner takes this file for a leak.
HEX, MIXED = "0123456789abcdef" * 2, "Ab3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
TOKENS = [
    ("AWS_KEY", "AKIA" + "Z7Q2X4K9M1P3R5T7"),
    ("GITHUB_TOKEN", "ghp_" + MIXED),
    ("GITHUB_TOKEN", "github_pat_" + "11ABCDEFG0" + MIXED),
    ("GITLAB_TOKEN", "glpat-" + MIXED[:20]),
    ("OPENAI_KEY", "sk-proj-" + MIXED),
    ("OPENAI_KEY", "sk-" + MIXED),
    ("ANTHROPIC_KEY", "sk-ant-api03-" + MIXED),
    ("GOOGLE_KEY", "AIza" + MIXED[:35]),
    ("SLACK_TOKEN", "xoxb-" + "123456789012-" + MIXED[:24]),
    ("STRIPE_KEY", "sk_live_" + MIXED[:24]),
    ("TWILIO_KEY", "SK" + HEX),
    ("SENDGRID_KEY", "SG." + MIXED[:22] + "." + MIXED + MIXED[:7]),
    ("NPM_TOKEN", "npm_" + MIXED),
    ("PYPI_TOKEN", "pypi-" + "AgEIcHlwaS5vcmc" + MIXED),
    ("HUGGINGFACE_TOKEN", "hf_" + MIXED[:34]),
    ("JWT", "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxIn0" + "." + MIXED),
]


@pytest.mark.parametrize(("rule", "token"), TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "my key is {}, why does it fail?", '{{"key": "{}"}}', "{} {}", "({})", "x={}\n"]
)
def test_a_token_is_found_whole_wherever_it_stands(rule: str, token: str, around: str) -> None:
    text = around.format(token, token)

    assert found(text) == [(rule, token)] * text.count(token)


def test_keys_of_sextant_itself_are_found() -> None:
    key = new_key()

    assert found(f"my key {key}.") == [("SEXTANT_KEY", key)]


def test_a_token_inside_a_longer_word_is_none() -> None:
    assert found("task-" + MIXED[:12] + " and disk-usage") == []
    assert found("X" + "AKIA" + "Z7Q2X4K9M1P3R5T7") == []


def test_a_private_key_is_found_to_its_end_and_from_its_beginning_alone() -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    whole = f"{begin}\nMIIEow-IBAA\n{end}"

    assert found(f"look:\n{whole}\nthanks") == [("PRIVATE_KEY", whole)]
    assert found(f"look: {begin}\nMIIEow") == [("PRIVATE_KEY", f"{begin}\nMIIEow")]
    assert found("-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----") == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("DB_PASSWORD=Qx!7vanilla", "Qx!7vanilla"),
        ("password: hunter2 is not accepted", "hunter2"),
        ("my password is Sunflower_88! what now", "Sunflower_88!"),
        ('{"apiKey": "9f8a7c6b5d4e3f2a1b0c"}', "9f8a7c6b5d4e3f2a1b0c"),
        ("config.set('smtp', 'password', 'fjord-Kaffe-9')", "fjord-Kaffe-9"),
        ("mysqldump -u root -pBirnbaum_71 crm", "Birnbaum_71"),
        ("curl -u admin:s3cretPass9 https://x.example", "s3cretPass9"),
        ("PGPASSWORD=zitrone-88X psql", "zitrone-88X"),
        ("Authorization: Bearer abcDEF123456abcDEF", "abcDEF123456abcDEF"),
        ("postgres://web:kV8mZt2q@pg.internal:5432/shop", "postgres://web:kV8mZt2q@pg.internal:5432/shop"),
        ("redis://:p4ssw0rd@cache:6379/0", "redis://:p4ssw0rd@cache:6379/0"),
    ],
)
def test_a_secret_that_its_name_tells_is_found(text: str, secret: str) -> None:
    assert secret in [value for _, value in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        "password: at least 8 characters",
        "The password is too short and my token is expired",
        "password = <password>",
        "API_KEY=your-api-key",
        "api_key: ${API_KEY}",
        "password: ********",
        "secret = os.environ['SECRET']",
        "token: process.env.TOKEN",
        "How do I reset my password?",
        "password: string, required",
        "postgres://user:${PASSWORD}@host/db",
        "postgres://host/db",
        "Bearer of bad news",
        "the API key is invalid",
        "What does max_tokens: 512 do?",
    ],
)
def test_placeholders_references_and_prose_are_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        'token = jwt.encode(payload, key, algorithm="HS256")',
        'const token = localStorage.getItem("token");',
        'token = request.headers.get("Authorization")',
        "token = await getAccessTokenSilently({\n  audience,",
        "token: createToken(user._id, { expiresIn: '1h' }),",
        "password = hash_password(password1)",
        "password = sha256(password.encode()).hexdigest()",
        'password_hash = generate_password_hash(raw, "pbkdf2:sha256")',
        "password = await bcrypt.hash(password, 10);",
        "password = user.password_hash",
        "password = form.password1",
        'password = request.form["password"]',
        "db.login(user=username, password=hashed_password)",
        '    "password": hashed_password,',
        "const apiKey = configuration.mapsApiKey;",
        'api_key := os.Getenv("API_KEY_V2")',
        "private_key = rsa.generate_private_key(\n    public_exponent=65537,",
        "token = jwt.encode(payload, ke",  # as a stream has it
    ],
)
def test_calls_attributes_and_variables_of_code_are_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password: kX9(mP2$", "kX9(mP2$"),
        ("password = Tr0ub4dor(3", "Tr0ub4dor(3"),
        ("password is kX9(mP2$ (the old one) and", "kX9(mP2$"),
        ("my password is Zq7(mP2)s", "Zq7(mP2)s"),
        ("password: Winter(2023)!", "Winter(2023)!"),
        ("password=Summer(2024)", "Summer(2024"),
        ("password: correct_horse_battery", "correct_horse_battery"),
        ("my password is secret_garden now", "secret_garden"),
        ("my password is blue.horse", "blue.horse"),
        ("password = sunny.day22", "sunny.day22"),
        ("token = abc123def456.ghi789", "abc123def456.ghi789"),
        ("secret = user_x9Kd82hQ", "user_x9Kd82hQ"),
        ('api_key = SecretStr("9f8a7c6b5d4e3f2a1b0c")', "9f8a7c6b5d4e3f2a1b0c"),
        ('api_key = os.getenv("API_KEY", "9f8a7c6b5d4e3f2a1b0c")', "9f8a7c6b5d4e3f2a1b0c"),
        ('password = Secret("Qx!7vanilla")', "Qx!7vanilla"),
        ('token = login(user, password="hunter2-long")', "hunter2-long"),
    ],
)
def test_what_only_looks_like_code_is_found_and_so_is_what_code_holds(text: str, secret: str) -> None:
    assert [value for _, value in found(text)] == [secret]


def test_two_tokens_side_by_side_are_two() -> None:
    one, other = "ghp_" + MIXED, "npm_" + MIXED

    assert found(f"{one},{other}") == [("GITHUB_TOKEN", one), ("NPM_TOKEN", other)]


@pytest.mark.parametrize(
    "unit",
    ["password is ", "eyJabcdefg.", "-----BEGIN PRIVATE KEY-----", "a", "\ud800", "\0", "http://a:b@", "token=a.", "token->", "pin = f((", 'key = a.b("x1!aaaa",'],
)  # fmt: skip
def test_time_grows_no_faster_than_the_text(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        return processor_seconds(lambda: RAIL.examine([text]))

    seconds(1_000)
    short, long = min(seconds(5_000) for _ in range(2)), seconds(40_000)

    assert long < 0.05 + 8 * 4 * short
