"""Street addresses: a street by its word (Street, straße, rue, calle, ul.) and a number, with what follows of the unit,
the place and the postal code."""

# ruff: noqa: E501, RUF001 - forms and lists of words read best on one line, and hold signs of all scripts

import re
from collections.abc import Iterator

from app.guard.types import Hit

ENTITY = "STREET_ADDRESS"

_UP = r"[^\W\d_a-zà-ÿ]"  # a capital letter, or one of a script without small ones
_NAME = rf"(?:{_UP}[\w'’.-]{{0,30}}|\d{{1,3}}(?:st|nd|rd|th))"
_NUMBER = r"\d{1,5}(?:[ ]?[-–/][ ]?\d{1,4})?[ ]?(?:[A-Za-z]\b)?"
_KINDS = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Way|Parkway|Pkwy|Highway|Hwy|"
    r"Circle|Cir|Close|Crescent|Cres|Gardens|Gdns|Grove|Mews|Row|Walk|Hill|Trail|Trl|Alley|Quay|Rise|View|Park|Plaza|Loop|Parade|Esplanade|"
    r"Broadway|Green|Wharf|Pike|Turnpike|Crossing|Path|Bend|Point|Ridge|Run|Nagar|Marg|Layout|Colony|Enclave|Vihar|Chowk|Salai|Estate|Cross|Main|Expressway|Embankment|Yard|Heights|Vale|Drove|Strand|Causeway|Bypass)"
)
_UNIT = r"(?:(?:Apt|Apartment|Unit|Suite|Ste|Flat|Floor|Fl|Room|Rm|Bldg|Building|Block|Blk|Level|Appt|Wohnung|Top|Stock|Lot|Door|House|Plot|No|Stiege|apartado|piso|bajo|interno|int|scala|lok|m)\.?[ ]?#?[ ]?[\w/-]{1,6}|#[ ]?[\w-]{1,6}|\d{1,2}(?:st|nd|rd|th) [Ff]loor|\d{1,2}[ºª°]\s?\w{0,4})"
# A postal code: of many countries, with the place before or behind it.
_CODE = (
    r"(?:[A-Z]{2}[ ]\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2}|[A-Z]\d[A-Z][ ]?\d[A-Z]\d|[A-Z]{2,3}[ ]\d{4}|(?:[A-Z]{1,2}-)?\d{2}-\d{3}|\d{4}-\d{3}|\d{5}-\d{3}|"
    r"(?:[A-Z]{1,2}-)?\d{3}[ ]\d{2,3}|(?:[A-Z]{1,2}-)?\d{4,6}(?:[ ][A-Z]{2}\b)?|[A-Z]\d{2}[ ][A-Z\d]{4}|〒?\d{3}-\d{4})"
)
_PLACE = rf"{_UP}[\w'’.-]{{1,30}}(?:[ -](?:{_UP}[\w'’.-]{{1,30}}|am|an|der|de|la|le|les|sur|upon|on|del|di|do|da|do|of|el|d'\w{{1,20}})){{0,4}}(?:[ ]\d{{1,2}}(?=,|\s|$|\.))?"
_TAIL = (
    rf"(?:(?:[ ]?[,;\n·–-][ ]?\n?|[ ])(?:{_UNIT}))?(?:[ ]?[,;\n·][ ]?\n?{_UNIT})?"
    rf"(?:[ ]?[,\n][ ]?\n?(?:{_CODE}[ ]{_PLACE}|{_PLACE}[ ,]{{1,2}}(?:{_PLACE}[ ,]{{1,2}})?{_CODE}\b|{_CODE}\b)"
    rf"|[ ]?[,\n][ ]?\n?{_PLACE}(?:,[ ]?{_PLACE}){{0,2}}(?:[ ,-]{{1,3}}{_CODE}\b)?|[ ]in[ ]{_PLACE}[ ,]{{1,2}}{_CODE}\b)?"
)
_LEAD = rf"(?:(?:{_UNIT}|{_UP}[\w'’.-]{{1,30}}(?:[ ]{_UP}[\w'’.-]{{1,30}})?[ ](?:House|Court|Apartments|Residency|Towers?|Building|Mansions?|Society|Lodge|Heights|Villa|Cottage)),[ ]?){{0,2}}"

_ENGLISH = rf"{_LEAD}(?:No\.?[ ]?)?{_NUMBER},?[ ](?:[NSEW]{{1,2}}\.?[ ]|(?:North|South|East|West|Old|New|Upper|Lower)[ ])?(?:The[ ])?(?:{_NAME}[ ]){{1,4}}?{_KINDS}\b\.?(?:[ ](?:North|South|East|West|[NSEW]{{1,2}}\b)\.?)?{_TAIL}"
_STREETS = r"(?:rue|avenue|av\.?|boulevard|bd\.?|bvd|place|chemin|impasse|allée|allee|quai|cours|route|square|passage|faubourg|sentier|rond-point|villa|cité|ruelle)"
# With a capital letter only a few are French wherever they stand; the others need an article: `10 Place Names`.
_CAPITAL_STREETS = r"(?:Rue|Chemin|Impasse|Allée|Quai|Faubourg|Sentier|Ruelle|(?:Avenue|Av\.|Boulevard|Bd\.?|Place|Cours|Route|Square|Passage)(?=[ ](?:de|du|des|la|le|les)[ ]|[ ](?:l|d|de l)['’]))"
_FRENCH = rf"{_NUMBER},?[ ](?:bis[ ]|ter[ ])?,?(?:{_STREETS}|{_CAPITAL_STREETS})[ ](?:de[ ]|du[ ]|des[ ]|la[ ]|le[ ]|les[ ]|l'|d'|en[ ]|aux?[ ]|saint[e]?[ -]|l’|d’){{0,3}}{_NAME}(?:[ -](?:{_NAME}|de|du|des|la|le|les|et)){{0,4}}{_TAIL}"
_ROMANCE = (
    r"(?:Calle|C/|Cl\.|Carrera|Cra\.?|Avenida|Avda\.?|Av\.?|Paseo|P\.º|Pº|Plaza|Pza\.?|Carrer|Rambla|Ronda|Camino|Calzada|Callejón|Jirón|Jr\.|Pasaje|Travesía|Rua|R\.|Travessa|Praça|Largo|Alameda|Estrada|Rodovia|"
    r"Via|V\.le|Viale|Piazza|P\.zza|Piazzale|Corso|Vicolo|Strada|Str\.|Calea|Bulevardul|Bd\.|Șoseaua|Contrada|Lungotevere|Lungarno|calle|avenida|rua|via|viale|piazza|corso|carrer|plaza|paseo|praça|travessa)"
)
_ROMANCE = (
    rf"{_ROMANCE}[ ]?(?:de[ ]|del[ ]|de[ ]la[ ]|de[ ]los[ ]|de[ ]las[ ]|do[ ]|da[ ]|dos[ ]|das[ ]|della[ ]|dei[ ]|delle[ ]|di[ ]|dell'|d')?(?:{_NAME}|\d{{1,3}})(?:[ ](?:{_NAME}|de|del|la|los|las|do|da|dos|das|di|y|e)){{0,5}}"
    rf"[ ]?(?:,[ ]?|[ ])(?:n\.?[ºo°]\.?[ ]?|n[úu]m\.?[ ]?|nr\.?[ ]?|#[ ]?)?\d{{1,5}}(?:[ ]?[-/][ ]?\d{{1,4}})?[A-Za-z]?\b{_TAIL}"
)
_GERMANIC = (
    rf"(?:{_UP}[\w.'-]{{0,30}}(?:[ -]{_UP}[\w.'-]{{0,30}}){{0,3}}[ -]?)?"
    rf"(?:{_UP}[\w-]{{0,30}}(?:allee|weg|platz|gasse|damm|ufer|laan|plein|gracht|kade|dijk|singel|gata|gade|vej|veien|vegen|allé|katu|tie|stræde|plads|brücke|steig|markt|hof|str\.|ring|stieg|chaussee|promenade|pfad|berg|graben|zeile|väg|torget|stien|kuja|polku|steenweg|lei|dreef|baan|straße|strasse|straat|gatan|vägen)"
    r"|[\w-]{0,30}(?:straße|strasse|straat|gatan|vägen|gasse|allee|weg|str\.)(?<=\w{6})"
    r"|(?:Straße|Strasse|Str\.|Allee|Weg|Platz|Gasse|Damm|Ufer|Ring|Markt|Chaussee|Promenade|Väg|Vägen|Gatan|Vej|Gade|Alle))"
    rf"[ ]\d{{1,4}}(?:[ ]?[-–/][ ]?\d{{1,4}}(?![A-Z]{{2}}))?[ ]?(?:[a-zA-Z]\b)?(?![\w%]|[.,]\d){_TAIL}"
)
# Without a word for a street: the number between a name and a postal code, or a number before a US town.
_BARE = (
    rf"{_UP}[\w'’.-]{{1,30}}(?:[ ](?:{_NAME}|de|del|la|da|do|di|van|von|der|den)){{0,4}}[ ]\d{{1,4}}[ ]?[A-Za-z]?(?:,[ ][^,\n]{{1,14}})?,[ ](?:{_CODE}[ ]{_PLACE}|{_PLACE}[ ,]{{1,2}}{_CODE}\b)"
    rf"|\d{{1,5}}[ ](?:{_NAME}[ ]?){{1,4}},[ ](?:{_UNIT},[ ])?{_PLACE},[ ][A-Z]{{2}}[ ]\d{{5}}(?:-\d{{4}})?\b"
)
_SLAVIC = rf"(?:ul\.|ulica|ulice|al\.|aleja|pl\.|plac|os\.|osiedle|nám\.|náměstí|tř\.|třída|ул\.|улица|улиця|вул\.|вулиця|пр\.|проспект|пр-т|пер\.|бул\.|бульвар|площадь|пл\.|шоссе|просп\.)[ ](?:[\w.'’-]{{1,30}}[ ]){{0,4}}?[\w.'’-]{{1,30}},?[ ](?:д\.[ ]?|буд\.[ ]?|dom[ ]|№[ ]?|č\.p\.[ ]?)?\d{{1,4}}[A-Za-zА-Яа-я]?(?:[ ]?[/-][ ]?\d{{1,4}}\w?)?(?:[ ]?m\.?[ ]?\d{{1,3}})?(?:,[ ](?:кв\.|офис|корп\.|kv\.|byt)[ ]?\d+)?{_TAIL}"
_TURKISH = rf"(?:{_UP}[\w'’.-]{{1,30}}[ ]){{1,4}}(?:Caddesi|Cad\.|Cd\.|Sokak|Sokağı|Sok\.|Sk\.|Bulvarı|Blv\.|Mahallesi|Mah\.)(?:,?[ ](?:{_UP}[\w'’.-]{{1,30}}[ ]){{1,3}}(?:Caddesi|Cad\.|Sokak|Sokağı|Sok\.|Sk\.))?,?[ ](?:No[.:]?[ ]?:?[ ]?)?\d{{1,4}}(?:[ ]?/[ ]?\d{{1,4}})?(?:[ ]?D(?:aire)?[.:]?[ ]?\d+)?{_TAIL}"
_MAIL_BOX = rf"(?:P\.?[ ]?O\.?[ ]?Box|Postfach|Private Bag|GPO Box|Apartado(?: de correos)?|BP|Boîte postale|Casella postale|Caixa postal)[ ]\d{{1,6}}(?:[ ]\d{{2,3}}){{0,2}}{_TAIL}"
_ASIAN = (
    rf"(?:\d{{1,3}}-\d{{1,3}}(?:-\d{{1,4}})?,?[ ]{_UP}[\w-]{{1,30}}(?:[ ]{_UP}[\w-]{{1,30}})?,[ ]{_UP}[\w-]{{1,30}}(?:-(?:ku|shi|cho|machi|gu|dong|si|ro))?(?:,[ ]{_UP}[\w-]{{1,30}}){{0,2}}(?:[ ]\d{{3}}-\d{{4}})?"
    rf"|\d{{1,4}}(?:-\d{{1,4}})?,?[ ]{_UP}[\w-]{{1,30}}-(?:ro|daero|gil|dong|ga|ku|cho|chome)\b(?:[ ]\d{{1,3}}(?:-\w+)?)?(?:,[ ]{_UP}[\w-]{{1,30}}){{0,3}}(?:[ ,]{{1,3}}\d{{5}})?"
    rf"|{_UP}[\w-]{{1,30}}(?:-(?:ro|daero|gil))[ ]\d{{1,4}}(?:-\w+)?(?:,[ ]{_UP}[\w-]{{1,30}}){{0,3}}"
    r"|[\u4e00-\u9fff]{2,12}(?:省|市|区|都|県|府|路|街|道|町)[\u4e00-\u9fff\d０-９]{0,20}(?:\d{1,4}(?:号|番地?|丁目|弄|室|[-−]\d{1,4}){1,4})(?:[\u4e00-\u9fff\d-]{0,12}(?:室|号|楼))?)"
)
_VIETNAMESE = rf"(?:[Ss]ố[ ])?\d{{1,4}}(?:/\d{{1,4}}){{0,4}}[A-Za-z]?,?[ ](?:đường|phố|Đường|Phố|ngõ|hẻm|Jalan|Jl\.?|Jln\.?|Lorong|Soi|Thanon)[ ](?:{_UP}[\w'’.-]{{1,30}}[ ]?){{1,5}}{_TAIL}|(?:Jalan|Jl\.|Jln\.?)[ ](?:{_UP}[\w'’.-]{{1,30}}[ ]){{1,4}}(?:No\.?[ ]?)?\d{{1,4}}\w?{_TAIL}"

_FORMS = re.compile(
    "|".join(
        rf"(?<![\w.#-])(?:{form})"
        for form in (_ENGLISH, _FRENCH, _ROMANCE, _GERMANIC, _SLAVIC, _TURKISH, _MAIL_BOX, _ASIAN, _VIETNAMESE, _BARE)
    )
)
_CASELESS_KINDS = r"(?:street|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|court|ct|terrace|parkway|highway|hwy|crescent|close|st|way|place|square|grove|gardens)"
_CASELESS = re.compile(
    rf"(?<![\w.#-])\d{{1,5}}[a-z]?[ ](?:[nsew]\.?[ ])?(?:[a-z'’]{{1,20}}[ ]){{1,3}}?{_CASELESS_KINDS}\b\.?"
    rf"(?:,?[ ](?:apt|apartment|unit|suite|flat|#)\.?[ ]?#?\w{{1,5}})?(?:,?[ ](?:[a-z]{{1,20}}[ ,]{{1,2}}){{1,3}}(?:[a-z]{{2}}[ ]\d{{5}}|[a-z]{{1,2}}\d[a-z\d]?[ ]?\d[a-z]{{2}}))?",
    re.IGNORECASE,
)
_LIVES = re.compile(
    r"\b(?:live|lives|living|lived|address|ship|deliver|delivered|send|sent|mail|moved|move|home|house|apartment|flat|addr|located|resid\w+|pick|drop|come|meet|from|to|at|visit)\b[^.!?\n]{0,40}$",
    re.IGNORECASE,
)
_FUNCTION = re.compile(
    r"\b(?:the|a|an|of|in|on|for|and|or|my|your|is|are|was|to|by|with|per|times|more|most|best|steps?|ways?|days?|hours?|minutes?|weeks?|months?|years?|people|miles?|km|percent|degree|different)\b",
    re.IGNORECASE,
)


_IP = re.compile(r"\d+\.\d+\.\d+|0x|[0-9a-f]{2}:[0-9a-f]{2}:", re.IGNORECASE)
_FIELD = re.compile(
    r"(?:(?:home|mailing|postal|billing|shipping|street|delivery|residential|permanent|current)?[ _]?address(?: is)?|addr|dirección|direccion|domicilio|adresse|anschrift|indirizzo|endereço|morada|adres|adress|"
    r"住所|地址|주소|адрес)\"?[ ]?[:：=][ ]?\"?([^\n;|\"<>{}]{6,120})",
    re.IGNORECASE,
)
_FIELD_ENDS = re.compile(
    r"[.]\s+[A-Z]|[,.;]?\s+(?:tel|phone|mobile|cell|e-?mail|fax|teléfono|telefon|correo|ssn|dob|iban)\b|\s{3,}|\.$",
    re.IGNORECASE,
)


def find_addresses(text: str) -> Iterator[Hit]:
    """0.8; 0.6 where it is written small and only the words before it say that somebody lives there."""
    if not any(sign.isdigit() for sign in text):
        return
    for match in _FORMS.finditer(text):
        yield Hit(ENTITY, 0.8, *match.span())
    for match in _FIELD.finditer(text):
        value = match[1]
        end = _FIELD_ENDS.search(value)
        value = (value[: end.start()] if end else value).rstrip()
        if (
            "@" not in value
            and "://" not in value
            and not _IP.search(value)
            and re.search(r"\d", value)
            and re.search(r"[^\W\d]{3}", value)
            and re.search(r"[\s,\u3040-\uffff]", value)
        ):
            yield Hit(ENTITY, 0.65, match.start(1), match.start(1) + len(value))
    for match in _CASELESS.finditer(text):
        if _LIVES.search(text[max(0, match.start() - 60) : match.start()]) and not _FUNCTION.search(match[0]):
            yield Hit(ENTITY, 0.6, *match.span())
