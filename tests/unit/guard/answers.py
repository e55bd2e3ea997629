"""Answers of a model with values in them that must not leave: `[[value]]` marks each.

Everything is made up. Keys and tokens are put together here, so that no scanner of repositories takes them for one.
"""

import random
import re
import string
from dataclasses import dataclass

_MARK = re.compile(r"\[\[(.*?)\]\]", re.DOTALL)
_LETTERS = string.ascii_letters + string.digits
_chance = random.Random(20)


@dataclass(frozen=True, slots=True)
class Answer:
    """A text, and the values in it."""

    text: str
    planted: tuple[str, ...]


def _word(length: int, signs: str = _LETTERS) -> str:
    return "".join(_chance.choices(signs, k=length))


def _lines(count: int) -> str:
    return "\n".join(_word(64, _LETTERS + "+/") for _ in range(count))


def _pem(kind: str, lines: int) -> str:
    return f"-----BEGIN {kind}-----\n{_lines(lines)}\n-----END {kind}-----"


VALUES = {
    "OPENAI": "sk-" + "proj-" + _word(40),
    "GITHUB": "ghp" + "_" + _word(36),
    "AWS": "AK" + "IA" + _word(16, string.ascii_uppercase + string.digits),
    "STRIPE": "sk" + "_live_" + _word(24),
    "SLACK": "xox" + "b-" + "-".join((_word(11, string.digits), _word(12, string.digits), _word(24))),
    "ANTHROPIC": "sk-" + "ant-api03-" + _word(48),
    "GOOGLE": "AI" + "za" + _word(35),
    "JWT": ".".join(("ey" + "J" + _word(33), "ey" + "J" + _word(90), _word(43))),
    "LONG_JWT": ".".join(("ey" + "J" + _word(33), "ey" + "J" + _word(700), _word(342))),
    "RSA": _pem("RSA " + "PRIVATE KEY", 6),
    "EC": _pem("EC " + "PRIVATE KEY", 3),
    "SSH": _pem("OPENSSH " + "PRIVATE KEY", 24),
    "POSTGRES": "postgres" + "://app:" + _word(14) + "@db.internal:5432/orders",
    "BEARER": _word(44),
    "AWS_SECRET": "wJ4" + _word(36) + "7",
    "TELEGRAM": _word(10, "123456789") + ":AA" + _word(33),
    "MAILGUN": "-".join((_word(32, "0123456789abcdef"), _word(8, "0123456789abcdef"), _word(8, "0123456789abcdef"))),
    "PKCS8": _pem("ENCRYPTED " + "PRIVATE KEY", 60),
    "LONG_URL": "postgres" + "://app:" + _word(72) + "@db.internal:5432/orders",
    "LONG_HEADER_JWT": ".".join(("ey" + "J" + _word(130), "ey" + "J" + _word(90), _word(43))),
    "PHRASE": "correct horse battery staple and a 42",
}
# Without white space, and longer than what is held at most.
_ROWS = ",".join(f'{{"id":{n},"state":"done","total":{n * 7 % 90}}}' for n in range(70))

_TEXTS = (
    # One value in a sentence: in front, in the middle, at the end, alone.
    "You can write to [[maria.gonzalez@example.com]] and she will answer within two working days.",
    "[[maria.gonzalez@example.com]]",
    "[[j.okafor+billing@mail.lagosfreight.ng]] is the address on the invoice, as far as I can see from the thread.",
    "The address on the invoice is [[j.okafor+billing@mail.lagosfreight.ng]]",
    "The card that was charged is [[4147 7938 3470 1746]], and the refund takes five days.",
    "[[4147-7938-3470-1746]] was declined twice this morning.",
    "Your card number is [[5512619345145061]].",
    "Amex: [[3712 177436 68759]], valid until next year.",
    "Please transfer the deposit to [[DE94 8990 6764 8694 5847 48]] before the end of the month.",
    "[[GB69KMFB44003902660560]] is the account that the tenant used.",
    "IBAN: [[FR10 3674 3081 7239 1096 7130 582]]",
    "The rent goes to [[NL34 FNMJ 1572 6794 96]], the deposit to [[CH79 2423 7184 8954 4999 3]], both by the third.",
    "Call her at [[+1 (415) 555-0132]] after lunch.",
    "Her number is [[+48 601 234 817]], mine is [[+44 20 7946 0958]] if the line is busy.",
    "[[(212) 555-0187]] is the phone number of the front desk.",
    "The applicant's social security number is [[435-84-3085]], which matches the form.",
    "SSN [[512-66-9134]]",
    "The login came from [[203.0.113.77]], and an hour later from [[2001:db8:85a3::8a2e:370:7334]].",
    "[[198.51.100.23]] and [[198.51.100.24]] and [[198.51.100.25]] failed in this order.",
    "I have sent the slides to [[Oluwaseun Adebayo]] and asked [[Catherine O'Shaughnessy]] to check them.",
    "Dear [[Joanna Kowalska]],\n\nthank you for the letter. We will look into it.\n\nKind regards,\n[[Thomas Brandt]]",
    "[[Priya Raghunathan]] said that the meeting has moved to three.",
    "The report was written by [[Rajesh Venkataraman]]",
    # Secrets.
    "Use [[OPENAI]] as the key and restart the service.",
    "[[OPENAI]]",
    "export OPENAI_API_KEY=[[OPENAI]]\nexport AWS_ACCESS_KEY_ID=[[AWS]]\npython main.py\n",
    "The token in the log is [[GITHUB]]; revoke it and rotate the others too.",
    "Found in settings.py: STRIPE = '[[STRIPE]]' and SLACK = '[[SLACK]]'.",
    "```\ncurl -H 'Authorization: Bearer [[BEARER]]' https://api.example.com/v1/orders\n```\nThat is the whole call.",
    "The session is [[JWT]] and it expires at noon.",
    "A longer one, signed with RSA, comes next: [[LONG_JWT]] and that was all of it.",
    "Here is the key you pasted:\n\n[[RSA]]\n\nPlease do not share it with anybody.",
    "[[EC]]",
    "First the key, then the rest.\n[[SSH]]\nThe rest: a host, a user, a port.",
    "The connection string is [[POSTGRES]], as in the old deployment.",
    "Your password is [[Sunflower_88!]] and should be changed today.",
    'password: "[[Tr0ub4dor&3xyz]]"\nuser: app\n',
    "Set GOOGLE_KEY=[[GOOGLE]] and ANTHROPIC=[[ANTHROPIC]]; both are in the vault.",
    'password = "[[PHRASE]]" is what the sign on the wall said.',
    "[[PKCS8]]",
    "Server=tcp:db.example.com,1433;Initial Catalog=orders;User ID=app;Password=[[Zx9!kfPq2_]];Encrypt=True;",
    "aws_secret_access_key = [[AWS_SECRET]]\n",
    '{"rows":[' + _ROWS + '],"mail":"[[karen.whitfield@example.com]]","session":"[[JWT]]","github":"[[GITHUB]]"}',
    '{"rows":[' + _ROWS + '],"bot":"[[TELEGRAM]]","aws_secret":"[[AWS_SECRET]]","mail_key":"[[MAILGUN]]"}',
    '{"rows":[' + _ROWS + '],"url":"[[LONG_URL]]","bearer":"[[LONG_HEADER_JWT]]","end":true}',
    # Back to back.
    "[[maria.gonzalez@example.com]] [[4147 7938 3470 1746]] [[+1 (415) 555-0132]] [[435-84-3085]]",
    "[[GITHUB]] [[STRIPE]]\n[[AWS]]",
    "[[anna.svensson@example.org]],[[bo.ek@example.net]];[[c.lindqvist@example.com]]\n[[d.nyberg@example.edu]]",
    "name; mail; phone; card\n"
    "[[Maria Gonzalez]]; [[m.gonzalez@example.com]]; [[+1 415 555 0132]]; [[4929 8513 6904 2003]]\n"
    "[[Tomasz Wozniak]]; [[t.wozniak@example.org]]; [[+48 601 234 817]]; [[6011 1718 9062 6727]]\n",
    "| what | value |\n| --- | --- |\n"
    "| e-mail | [[karen.whitfield@example.com]] |\n| IBAN | [[DE94899067648694584748]] |\n",
    '{"email": "[[karen.whitfield@example.com]]", "ssn": "[[435-84-3085]]", "ip": "[[203.0.113.77]]"}',
    # Long answers, so that the window forgets what it has released.
    "The incident began on Monday, when the nightly import ran into a timeout and left half of the rows "
    "behind. The team first looked at the database, then at the network, and only late in the evening at the "
    "client. By then the queue had grown to several thousand messages, and the on-call engineer decided to "
    "stop the workers. The customer who noticed it first can be reached at [[helen.marsh@example.co.uk]] or by "
    "phone at [[+44 20 7946 0958]]; she keeps a list of every order that was lost, with the amounts. One of "
    "them was paid with [[4147 7938 3470 1746]], which has to be refunded by hand. After that the workers were "
    "started again, one at a time, and the queue was empty by six in the morning. What is left is to rotate "
    "the key that stood in the log, [[OPENAI]], and to write to everybody concerned. Nothing of this would "
    "have happened with a shorter timeout, so that is the first thing that will be changed.",
    "Here is what I found, in the order of the documents that you gave me. The first is a contract of four "
    "pages, which names the parties, the price and the place, and says nothing about the case in which one of "
    "them withdraws. The second is a letter in which the tenant asks for a delay of two weeks, because the "
    "bank has not released the money yet. In it there is an account, [[GB69 KMFB 4400 3902 6605 60]], to which "
    "the deposit is to go back, and a second one for the rent, [[FR10 3674 3081 7239 1096 7130 582]], with the "
    "remark that the first is no longer in use. The third document is a list of visitors with their addresses "
    "on the network: [[203.0.113.77]], [[198.51.100.23]] and [[192.0.2.146]], each of them once. The fourth is "
    "empty. I would ask for the missing annex before anything is signed.",
    "1. Stop the service.\n2. Put the new key in place:\n\n[[EC]]\n\n3. Start the service.\n4. Tell "
    "[[ops.duty@example.com]] that it is done, and wait for the answer.\n5. Delete the old one. It was "
    "[[GITHUB]] for the robot, and [[POSTGRES]] for the database.\n6. Close the ticket, with a link to this "
    "page and the time at which you were done.",
)


def _answer(template: str) -> Answer:
    values = [VALUES.get(found, found) for found in _MARK.findall(template)]
    return Answer(_MARK.sub(lambda found: VALUES.get(found[1], found[1]), template), tuple(values))


ANSWERS = tuple(_answer(template) for template in _TEXTS)
