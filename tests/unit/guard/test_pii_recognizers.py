"""What each recognizer of personal data finds, and what looks like it and is none."""

# ruff: noqa: E501, RUF001 - one case a line, with signs of all scripts

from collections.abc import Callable, Iterator

import phonenumbers
import pytest

from app.guard.pii.addresses import find_addresses
from app.guard.pii.documents import find_births, find_licenses, find_passports
from app.guard.pii.east_asian import find_east_asian
from app.guard.pii.emails import find_emails
from app.guard.pii.internet import find_ips
from app.guard.pii.numbers import find_cards, find_ibans, find_ssns
from app.guard.pii.phones import find_phones
from app.guard.types import Hit

Find = Callable[[str], Iterator[Hit]]


def texts(find: Find, text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in find(text) if hit.score >= 0.5]


FOUND: list[tuple[Find, str, str]] = [
    (find_emails, "mail jane.doe+x@mail.example.co.uk.", "jane.doe+x@mail.example.co.uk"),
    (find_emails, "<jürgen@müller.de>", "jürgen@müller.de"),
    (find_emails, "at info@xn--mller-kva.example now", "info@xn--mller-kva.example"),
    (find_emails, "write to jane dot doe at example dot com please", "jane dot doe at example dot com"),
    (find_emails, "jane [at] example [dot] org", "jane [at] example [dot] org"),
    (find_phones, "call me at (415) 555-0132 ext. 12", "(415) 555-0132 ext. 12"),
    (find_phones, "Tel: 089 / 41 23 87 0", "089 / 41 23 87 0"),
    (find_phones, "whatsapp 9820012345 ok", "9820012345"),
    (find_phones, "+49 (0)30 901820", "+49 (0)30 901820"),
    (find_phones, "0033 6 12 34 56 78", "0033 6 12 34 56 78"),
    (find_phones, "1,Ann,+32 9 436 01 06", "+32 9 436 01 06"),
    (find_phones, "전화번호는 010-7476-1489입니다", "010-7476-1489"),
    (find_cards, "card 4111.1111.1111.1111", "4111.1111.1111.1111"),
    (find_cards, "378282246310005", "378282246310005"),
    (find_cards, "Visa 4111 1111 1111 1111 08/27", "4111 1111 1111 1111"),
    (find_cards, "my card 4111 1111 1111 1112 fails", "4111 1111 1111 1112"),
    (find_ibans, "pay gb29 nwbk 6016 1331 9268 19 now", "gb29 nwbk 6016 1331 9268 19"),
    (find_ibans, "IBAN DE89 3704 0044 0532 0130 01", "DE89 3704 0044 0532 0130 01"),
    (find_ssns, "ssn 536904399", "536904399"),
    (find_ssns, "social security number is 536 90 4399", "536 90 4399"),
    (find_ips, "ping 10.1.2.3:8080", "10.1.2.3"),
    (find_ips, "net 192.168.10.0/24", "192.168.10.0"),
    (find_ips, "from 2001:db8::8a2e:370:7334 again", "2001:db8::8a2e:370:7334"),
    (find_births, "DOB: 05-JUN-1972", "05-JUN-1972"),
    (find_births, "Je suis née le 22 août 1995", "22 août 1995"),
    (find_births, "3/4/80 is my birthday", "3/4/80"),
    (find_births, "生年月日：1990年3月5日", "1990年3月5日"),
    (find_passports, "my passport number is C4K9T2L71", "C4K9T2L71"),
    (find_licenses, "Driver's license: 7728-39-0613", "7728-39-0613"),
    (find_licenses, '{"dl_number": "S99920020574"}', "S99920020574"),
    (find_addresses, "to 742 Evergreen Terrace, Apt 4B, Springfield, IL 62704", "742 Evergreen Terrace, Apt 4B, Springfield, IL 62704"),
    (find_addresses, "in der Goethestraße 12a, 80336 München", "Goethestraße 12a, 80336 München"),
    (find_addresses, "au 12 rue de la République, 69002 Lyon", "12 rue de la République, 69002 Lyon"),
    (find_addresses, "vivo en Calle de Alcalá 217, 28028 Madrid", "Calle de Alcalá 217, 28028 Madrid"),
    (find_addresses, "ul. Marszałkowska 84/92, 00-514 Warszawa", "ul. Marszałkowska 84/92, 00-514 Warszawa"),
    (find_addresses, "i live at 12 oak street", "12 oak street"),
    (find_east_asian, "我叫王建国，住在北京", "王建国"),
    (find_east_asian, "저는 박서연이고", "박서연"),
    (find_east_asian, "田中さんに電話", "田中"),
]  # fmt: skip


@pytest.mark.parametrize(("find", "text", "value"), FOUND)
def test_it_is_found_whole(find: Find, text: str, value: str) -> None:
    assert value in texts(find, text)


LISTED: list[tuple[Find, str, list[str]]] = [
    (find_emails, "https://example.com/unsubscribe?email=ann@example.com", ["ann@example.com"]),
    (find_emails, "https://shop.example.com/users/ann.lee@gmail.com/orders", ["ann.lee@gmail.com"]),
    (find_emails, "https://shop.example.com/a/long/way/to/the/page/with/some/more/parts?q=1&email=ann.lee@gmail.com", ["ann.lee@gmail.com"]),
    (find_emails, "https://host.example:8080/users/ann@gmail.com", ["ann@gmail.com"]),
    (find_emails, "mailto:ann@example.com?cc=bob@example.com", ["ann@example.com", "bob@example.com"]),
    (find_emails, "bounce+ann=example.com@lists.example.org", ["bounce+ann=example.com@lists.example.org"]),
    (find_emails, "ann [at] example.com or bob(at)example.co.uk", ["ann [at] example.com", "bob(at)example.co.uk"]),
    (find_phones, "Phone:415-555-0132", ["415-555-0132"]),
    (find_phones, "phone:+14155550132", ["+14155550132"]),
    (find_phones, "Mobile:+44 7700 900123", ["+44 7700 900123"]),
    (find_phones, "Handy:0176 12345678", ["0176 12345678"]),
    (find_phones, "PHONE=+14155550132", ["+14155550132"]),
    (find_phones, "/find?phone=415-555-0132&page=2", ["415-555-0132"]),
    (find_phones, '{"mobile":"415-555-0132"}', ["415-555-0132"]),
    (find_phones, "https://wa.me/+14155550132", ["+14155550132"]),
    (find_phones, "5 +14155550133 12 left", ["+14155550133"]),
    (find_phones, "room 5 415-555-0132", ["415-555-0132"]),
    (find_phones, "1 (415) 555-0132", ["1 (415) 555-0132"]),
    (find_phones, "1.415.555.0132", ["1.415.555.0132"]),
    (find_phones, "1-415-555-0132", ["1-415-555-0132"]),
    (find_phones, "call 415-555-0132/415-555-0133", ["415-555-0132", "415-555-0133"]),
    (find_phones, "(415) 555-0132/(415) 555-0133", ["(415) 555-0132", "(415) 555-0133"]),
    (find_phones, "Tel 0176 12345678/0176 87654321", ["0176 12345678", "0176 87654321"]),
    (find_phones, "+14155550132,+14155550133,+14155550134", ["+14155550132", "+14155550133", "+14155550134"]),
    (find_phones, "415-555-0132 415-555-0133", ["415-555-0132", "415-555-0133"]),
    (find_phones, "call 4155550132/4155550133", ["4155550132", "4155550133"]),
    (find_phones, "2,Ann,415-555-0132,12.50", ["415-555-0132"]),
    (find_cards, "John Smith,4111111111111111,12/27,123", ["4111111111111111"]),
    (find_cards, "7,4111111111111111,12.50", ["4111111111111111"]),
    (find_cards, "4111 1111 1111 1111,123", ["4111 1111 1111 1111"]),
    (find_cards, "4111111111111111,5555555555554444", ["4111111111111111", "5555555555554444"]),
    (find_cards, "4111111111111111/5555555555554444", ["4111111111111111", "5555555555554444"]),
    (find_cards, "card/4111111111111111", ["4111111111111111"]),
    (find_ssns, "SSN#123-45-6789", ["123-45-6789"]),
    (find_ips, "203.0.113.5-203.0.113.9", ["203.0.113.5", "203.0.113.9"]),
    (find_addresses, "12 Rue de la Paix, 75002 Paris", ["12 Rue de la Paix, 75002 Paris"]),
    (find_addresses, "3 Place de l’Opéra, 75009 Paris", ["3 Place de l’Opéra, 75009 Paris"]),
]  # fmt: skip


@pytest.mark.parametrize(("find", "text", "values"), LISTED)
def test_in_lists_fields_and_urls_all_are_found_and_nothing_else(find: Find, text: str, values: list[str]) -> None:
    assert texts(find, text) == values


NOT: list[tuple[Find, str]] = [
    (find_emails, "@app.route on user@1.2.3 and logo@2x.png"),
    (find_emails, "postgres://web:hunter2@db.example.com/shop"),
    (find_emails, "Look at the dot and the other dot"),
    (find_phones, "order 5512334455 of 2024-05-12"),
    (find_phones, "version 10.0.19045 build 20240512"),
    (find_phones, "from 2019-2023, pages 120-134, $1,200,000"),
    (find_phones, "token is 8746947736:AAaOWd_ZRyf"),
    (find_phones, "invoice no. 202405120001"),
    (find_cards, "4111 1111 1111 1112 rows"),
    (find_cards, "0000 0000 0000 0000"),
    (find_cards, "tracking 1Z 9999 9999 9999 9999"),
    (find_ibans, "no 12 3456 7890 1234 5678 left"),
    (find_ibans, "SKU AB12CD34EF56"),
    (find_ssns, "order 123456789"),
    (find_ssns, "666-12-3456"),
    (find_ips, "upgraded to version 10.4.1.2"),
    (find_ips, 'version.parse("2.10.1.3")'),
    (find_ips, "std::vector<a::b> at 12:30:45, OID 1.3.6.1.2.1"),
    (find_ips, "bind 127.0.0.1 or 0.0.0.0"),
    (find_births, "The invoice of 12 May 1984 is due"),
    (find_births, "Born to run. The order came on 3/4/2020"),
    (find_passports, "passport photos cost 12.50 since 2019"),
    (find_licenses, "the MIT license, version 2.0"),
    (find_addresses, "i have 5 ways to improve my drive way"),
    (find_addresses, "bearing 6204-2RS costs 12"),
    (find_addresses, "Top 10 Places to Visit"),
    (find_emails, "https://web:hunter2@db.example.com/x and git+ssh://git@example.com/x"),
    (find_emails, "postgres://web:pa/ss@db.example.com/shop"),
    (find_emails, "https://cdn.example.com/npm/react@18.2.0/umd and https://example.com/actions/setup@v4.x"),
    (find_emails, "items[at] = other.name; seek(at).name"),
    (find_phones, "id=415-555-0132"),
    (find_phones, "order:4155550132"),
    (find_phones, "x=4155550132 port:8080 pid:12345678"),
    (find_phones, "offset=+12345678, total=+1200000000"),
    (find_phones, "a = 1+14155550132"),
    (find_phones, "lat:+37.4219999,-122.0840575"),
    (find_phones, "12:30:45+0100 or 2024-05-12T12:30:45+01:00"),
    (find_phones, "id,price,qty\n1001,12.99,415\n1002,5550,1320\n12.50,13.75,415.00,1200,3000"),
    (find_phones, "version 1.415.555.0132 of 10.0.0.0/24"),
    (find_phones, "1 250 300 4000"),
    (find_phones, "[1718000000,1718000001] and 2019-2023/2024-2025"),
    (find_phones, "@@ -1201,7 +1201,9 @@"),
    (find_phones, "call 2024-05-12 2024-05-13"),
    (find_cards, "12.99,24.50,4111.00,1200.00,3500.00"),
    (find_cards, "1,4142135623730951 and 0,4111111111111111"),
    (find_cards, "4,111,111,111,111,111"),
    (find_cards, "1718000000,4500000060,5718000120"),
    (find_cards, "https://shop.example/orders/4111111111111111/items"),
    (find_cards, "order,4111111111111112,5"),
    (find_cards, "1001,4500.00,3200.50\n1002,2300.00,4100.10"),
    (find_ssns, "order #123-45-6789 and #123-45-6780"),
    (find_ips, "upgrade from version 1.2.3.4-1.2.3.9 or 1.2.3.4-5 or lib-1.2.3.4-rc1"),
    (find_addresses, "Top 10 Place Names, 2 Route Maps, 3 Square Enix games, 1 Passage Read"),
]


@pytest.mark.parametrize(("find", "text"), NOT)
def test_it_is_none(find: Find, text: str) -> None:
    assert texts(find, text) == []


def example(region: str, form: int) -> str:
    number = phonenumbers.example_number(region)
    assert number is not None
    return phonenumbers.format_number(number, form)


@pytest.mark.parametrize("region", ["US", "DE", "FR", "IN", "BR", "NG", "JP", "PL", "AU", "MX"])
@pytest.mark.parametrize("form", [phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164])
def test_an_international_number_needs_no_words_around_it(region: str, form: int) -> None:
    number = example(region, form)

    assert texts(find_phones, f"so {number}, thanks") == [number]


@pytest.mark.parametrize("region", ["US", "DE", "FR", "IN", "BR", "NG", "JP", "PL", "AU", "MX"])
@pytest.mark.parametrize("cue", ["call me at ", "Tel: ", "cell# ", "my number is "])
def test_a_national_number_is_told_by_the_words_before_it(region: str, cue: str) -> None:
    number = example(region, phonenumbers.PhoneNumberFormat.NATIONAL)

    assert texts(find_phones, f"{cue}{number} please") == [number]
