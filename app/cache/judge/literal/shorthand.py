"""Abbreviations that everybody knows, and what they are short for."""

from app.cache.judge.vocabulary import MONTHS, WEEKDAYS

# One for the other at the same place.
SHORT = {
    **{name[:3]: name for name in (*MONTHS.values(), *WEEKDAYS.values())},
    **{"sept": "september", "tue": "tuesday", "tues": "tuesday", "wed": "wednesday", "thu": "thursday"},
    **{"thur": "thursday", "thurs": "thursday", "weds": "wednesday", "hrs": "hours", "hr": "hour"},
    **{"mins": "minutes", "secs": "seconds", "sec": "second", "yrs": "years", "yr": "year"},
    **{"wks": "weeks", "wk": "week", "sb": "somebody", "sth": "something", "smth": "something", "smb": "somebody"},
    **{"tv": "television", "id": "identification", "appt": "appointment", "acct": "account", "pwd": "password"},
    **{"hq": "headquarters", "approx": "approximately", "dept": "department", "mgr": "manager", "asst": "assistant"},
    **{"xmas": "christmas", "bday": "birthday", "bf": "boyfriend", "gf": "girlfriend", "fav": "favorite"},
    **{"ref": "reference", "qty": "quantity", "cert": "certificate"},
    **{"exam": "examination", "nr": "number", "prof": "professor"},
}  # fmt: skip
ONE_NAME = {"an": "a", "someone": "somebody", "sb": "somebody", "smb": "somebody", "everyone": "everybody",
            "anyone": "anybody"}  # fmt: skip
LONG_FORMS = {
    tuple(words.split()): short
    for short, words in {
        "vpn": "virtual private network", "iban": "international bank account number", "hr": "human resources",
        "faq": "frequently asked questions", "asap": "as soon as possible", "pto": "paid time off",
        "atm": "automated teller machine", "vat": "value added tax", "ssn": "social security number",
        "bmi": "body mass index", "gdp": "gross domestic product", "apr": "annual percentage rate",
        "ceo": "chief executive officer", "cfo": "chief financial officer", "cpu": "central processing unit",
        "gpu": "graphics processing unit", "api": "application programming interface", "eu": "european union",
        "nda": "non disclosure agreement", "2 fa": "two factor authentication",
        "sso": "single sign on", "ai": "artificial intelligence", "uk": "united kingdom", "usa": "united states",
        "nyc": "new york city", "kpi": "key performance indicator",
        "roi": "return on investment", "sql": "structured query language", "eta": "estimated time of arrival",
        "iot": "internet of things", "ev": "electric vehicle", "ac": "air conditioning", "ram": "random access memory",
        "gps": "global positioning system", "wfh": "work from home",
        "fyi": "for your information", "dob": "date of birth", "pin": "personal identification number",
        "adhd": "attention deficit hyperactivity disorder", "ui": "user interface",
    }.items()
}  # fmt: skip
LONGEST_FORM = max(map(len, LONG_FORMS))
