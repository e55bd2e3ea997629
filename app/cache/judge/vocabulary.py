"""Closed lists: contractions, spellings, numbers, units, dates, fillers, negators."""

CONTRACTIONS = {
    "what's": "what is", "whats": "what is", "who's": "who is", "whos": "who is", "where's": "where is",
    "wheres": "where is", "when's": "when is", "how's": "how is", "hows": "how is", "why's": "why is",
    "it's": "it is", "that's": "that is", "thats": "that is", "there's": "there is", "here's": "here is",
    "let's": "let us", "i'm": "i am", "im": "i am", "i've": "i have", "ive": "i have", "i'd": "i would",
    "i'll": "i will", "can't": "can not", "cant": "can not", "cannot": "can not", "won't": "will not",
    "wont": "will not", "don't": "do not", "dont": "do not", "doesn't": "does not", "doesnt": "does not",
    "didn't": "did not", "didnt": "did not", "isn't": "is not", "isnt": "is not", "aren't": "are not",
    "wasn't": "was not", "wasnt": "was not", "weren't": "were not", "hasn't": "has not", "hasnt": "has not",
    "haven't": "have not", "havent": "have not", "hadn't": "had not", "shouldn't": "should not",
    "shouldnt": "should not", "wouldn't": "would not", "wouldnt": "would not", "couldn't": "could not",
    "couldnt": "could not", "mustn't": "must not", "needn't": "need not", "ain't": "is not",
    "gonna": "going to", "wanna": "want to", "gotta": "got to", "dunno": "do not know",
    "and/or": "or", "w/o": "without", "w/": "with",
}  # fmt: skip

ABBREVIATIONS = {
    "u": "you", "ur": "your", "r": "are", "pls": "please", "plz": "please", "thx": "thanks", "ty": "thanks",
    "max": "maximum", "min": "minimum", "approx": "approximately", "mt": "mount", "st": "saint", "dept": "department",
    "info": "information", "avg": "average", "temp": "temperature", "vs": "versus", "msg": "message",
    "repo": "repository", "repos": "repositories", "app": "app", "apps": "app", "db": "database", "vegs": "vegetables",
    "veg": "vegetables", "char": "character", "chars": "characters", "dir": "directory", "pic": "picture",
    "pics": "picture", "photo": "picture", "photos": "picture", "config": "configuration", "&": "and", "bday": "birthday",
    "tel": "telephone", "no": "no", "num": "number", "abt": "about", "bc": "because", "cuz": "because",
    "tmrw": "tomorrow", "govt": "government", "uni": "university", "fridge": "refrigerator", "tv": "television",
    "pw": "password", "pwd": "password", "js": "javascript", "k8s": "kubernetes", "postgresql": "postgres",
    "env": "environment", "docs": "documentation", "admin": "administrator", "admins": "administrators",
    "usa": "unitedstates", "america": "unitedstates", "american": "unitedstates", "britain": "uk", "british": "uk", "dob": "birthdate", "co2": "co2", "etc": "etc", "ppl": "people",
}  # fmt: skip

_BRITISH = """
colour color, colours colors, coloured colored, favour favor, favourite favorite, flavour flavor, flavours flavors,
behaviour behavior, behaviours behaviors, neighbour neighbor, neighbours neighbors, honour honor, labour labor,
harbour harbor, humour humor, rumour rumor, odour odor, vapour vapor, armour armor, centre center, centres centers,
metre meter, metres meters, litre liter, litres liters, theatre theater, fibre fiber, calibre caliber,
organise organize, organised organized, organisation organization, organisations organizations, realise realize,
recognise recognize, recognised recognized, apologise apologize, summarise summarize, summarised summarized,
summarises summarizes, optimise optimize, optimised optimized, optimisation optimization, minimise minimize,
maximise maximize, initialise initialize, initialised initialized, serialise serialize, normalise normalize,
customise customize, prioritise prioritize, authorise authorize, authorised authorized, authorisation authorization,
unauthorised unauthorized, analyse analyze, analysed analyzed, paralyse paralyze, categorise categorize,
capitalise capitalize, emphasise emphasize, memorise memorize, sterilise sterilize, utilise utilize, visualise visualize,
synchronise synchronize, standardise standardize, characterise characterize, criticise criticize, finalise finalize,
catalogue catalog, dialogue dialog, programme program, programmes programs, cheque check, cheques checks, grey gray,
tyre tire, tyres tires, licence license, licences licenses, defence defense, offence offense, practise practice,
travelling traveling, travelled traveled, traveller traveler, cancelled canceled, cancelling canceling,
labelled labeled, labelling labeling, modelling modeling, modelled modeled, fuelled fueled, jewellery jewelry,
enrol enroll, enrolment enrollment, fulfil fulfill, skilful skillful, aluminium aluminum, mould mold, moustache mustache,
plough plow, pyjamas pajamas, sceptical skeptical, storey story, towards toward, whilst while, amongst among,
learnt learned, burnt burned, spelt spelled, dreamt dreamed, adaptor adapter, ageing aging, anaemia anemia,
oestrogen estrogen, foetus fetus, diarrhoea diarrhea, haemoglobin hemoglobin, paediatric pediatric, kilogramme kilogram,
kilogrammes kilograms, maths math, mum mom, doughnut donut, yoghurt yogurt, whisky whiskey, tonne ton, tonnes tons,
judgement judgment, acknowledgement acknowledgment, per-cent percent, adress address, recieve receive, seperate separate, celcius celsius, farenheit fahrenheit, shoud should, wich which,
teh the, waht what, hwo how, thru through, tho though, becuase because, definately definitely, calender calendar,
tommorow tomorrow, untill until, wierd weird
"""
SPELLINGS = dict(pair.split() for pair in _BRITISH.replace("\n", " ").split(",") if pair.strip())

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
NUMBERS = {word: str(value) for value, word in enumerate([*_ONES.split(), "eighteen", "nineteen"])}
NUMBERS |= {
    word: str(10 * value)
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
NUMBERS |= {"hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000", "dozen": "12"}
NUMBERS |= {"half": "0.5", "quarter": "0.25", "twice": "2x", "double": "2x", "triple": "3x", "thrice": "3x"}
NUMBERS |= {"both": "2", "couple": "2", "single": "1"}
ORDINALS = {
    word: f"#{value}"
    for value, word in enumerate("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), 1)
} | {"last": "#last", "final": "#last", "twentieth": "#20", "hundredth": "#100"}  # fmt: skip

_UNITS = """
m: meter meters metre metres m; km: kilometer kilometers kilometre kilometres km kms; cm: centimeter centimeters centimetre
centimetres cm; mm: millimeter millimeters millimetre millimetres mm; mile: mile miles mi; foot: foot feet ft; inch: inch
inches; yard: yard yards yd; kg: kilogram kilograms kilo kilos kg kgs kilogramme kilogrammes; g: gram grams gramme g;
mg: milligram milligrams mg; ug: microgram micrograms mcg µg ug; pound: pound pounds lb lbs; oz: ounce ounces oz; ton: ton tons tonne tonnes; stone: stone stones;
l: liter liters litre litres; ml: milliliter milliliters millilitre millilitres ml; gallon: gallon gallons gal;
pint: pint pints; cup: cup cups; tbsp: tablespoon tablespoons tbsp tbsps; tsp: teaspoon teaspoons tsp tsps;
celsius: celsius centigrade; fahrenheit: fahrenheit; kelvin: kelvin kelvins; s: second_unit seconds sec secs;
minute: minute minutes min mins; hour: hour hours hr hrs; day: day days; week: week weeks; month: month months;
year: year years yr yrs; decade: decade decades; century: century centuries; ms: millisecond milliseconds ms;
ns: nanosecond nanoseconds ns; byte: byte bytes; bit: bit bits; kb: kilobyte kilobytes kb; kib: kibibyte kibibytes kib; mb: megabyte megabytes mb; mib: mebibyte mebibytes mib;
gb: gigabyte gigabytes gb; gib: gibibyte gibibytes gib; tb: terabyte terabytes tb; tib: tib; mbps: mbps mbit megabit megabits; gbps: gbps gigabit gigabits; degree: degree degrees; usd: dollar dollars usd bucks; eur: euro euros eur;
pound: gbp sterling quid; yen: yen jpy; rupee: rupee rupees inr; franc: franc francs chf; cent: cent cents; percent: percent pct
percentage; kwh: kwh kilowatt-hour kilowatt-hours; watt: watt watts kw; volt: volt volts; ampere: ampere amperes amp amps; joule: joule joules;
calorie: calorie calories kcal; knot: knots kn; acre: acre acres; hectare: hectare hectares; m2: m2 sqm; m3: m3 cbm; km2: km2; cm2: cm2; cm3: cm3; foot2: sqft ft2;
light-year: light-year light-years lightyears; hertz: hertz hz; ghz: ghz; mhz: mhz; psi: psi; bar: bars bar; pixel: pixel pixels px
"""
UNITS = {
    form: name.strip()
    for name, forms in (line.split(":") for line in _UNITS.replace("\n", " ").split(";") if line.strip())
    for form in forms.split()
}
# Beside a number or another unit.
SHORT_UNITS = {
    "h": "hour", "s": "s", "l": "l", "min": "minute", "d": "day", "w": "watt", "v": "volt", "c": "celsius", "f": "fahrenheit",
    "ma": "milliampere", "mah": "milliampere-hour", "mw": "megawatt",
}  # fmt: skip
CURRENCIES = frozenset("usd eur pound yen rupee franc".split())
SYMBOLS = {"%": "percent", "°": "degree", "$": "usd", "€": "eur", "£": "pound", "¥": "yen", "+": "plus", "&": "and",
           "<": "less", ">": "more", "=": "equal"}  # fmt: skip

_MONTHS = "january february march april may june july august september october november december"
MONTHS = {form: name for name in _MONTHS.split() for form in (name, name[:3])} | {"sept": "september"}
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday"
WEEKDAYS = {name: name for name in _WEEKDAYS.split()} | {f"{name}s": name for name in _WEEKDAYS.split()}

NEGATORS = {
    "not": "not", "no": "not", "never": "not", "without": "not", "except": "except", "excluding": "except",
    "none": "not", "nothing": "not", "nobody": "not", "neither": "not", "nor": "not", "nowhere": "not",
    "avoid": "avoid", "lacking": "not", "unless": "unless", "besides": "except", "non": "not",
}  # fmt: skip

STOP_WORDS = frozenset(
    """a an the this that these those my your our their his her its i you he she it we they me us them him am is are was were
    be been being do does did doing have has had having will would shall should can could may might must of to in on at for
    with from by about into as and or but so if then than there here what which who whom whose when where why how some any
    such just very really also too up out off over per own get got getting one's let s t d m ve re ll oh ok okay well like
    want need know tell give please let's us going go actually exactly currently kind sort lot bit thing things way""".split()
)

FILLERS = frozenset(
    tuple(phrase.split())
    for phrase in """please|hi|hello|hey|hi there|hey there|thanks|thank you|thanks a lot|many thanks|thanks in advance|
    cheers|quick question|just wondering|can you tell me|could you tell me|could you please tell me|tell me|do you know|
    i would like to know|i want to know|i wonder|i was wondering|can you please|could you please|can you|could you|
    would you|kindly|um|uh|so|ok|okay|actually|exactly|basically|really|just|well|dear|good morning|good evening|
    sorry|excuse me|i need to know|would like to know|wondering|lol|btw|anyone know|does anyone know|if possible|
    by any chance|please tell me|help me|i need help|for me""".replace("\n", "").split("|")
    if phrase.strip()
)  # fmt: skip
# Left out at the beginning and the end alone: in the middle they may be what is asked about.
COURTESIES = frozenset(
    tuple(phrase.split())
    for phrase in """hi team|hi all|hi everyone|hi folks|hi guys|hello team|hello all|hello everyone|hello there|hey team|
    hey all|hey guys|hey everyone|good day|good afternoon|good afternoon team|good morning team|good morning all|
    greetings|dear team|dear sir|dear sir or madam|dear sir madam|dear all|to whom it may concern|
    sorry to bother you but|sorry to bother you|sorry for bothering you but|sorry to ask but|sorry for the question but|
    apologies for bothering you but|excuse me but|sorry but|forgive me but|hope you are well|i hope you are well|
    hope you are doing well|i hope you are doing well|hope this finds you well|quick one|one question|i have a question|
    a quick question|just a quick question|i have a quick question|thank you in advance|thank you so much|
    thank you very much|thanks so much|thanks very much|thanks a million|thanks again|thank you again|
    thank you for your help|thanks for your help|thanks for the help|thanks in anticipation|much appreciated|
    any help is appreciated|any help would be appreciated|appreciate your help|i appreciate your help|
    kind regards|best regards|warm regards|regards|many thanks in advance|have a nice day|have a good day|
    if you do not mind|if you do not mind me asking|if you please|any idea|any ideas|yours sincerely|
    would appreciate your help|grateful for any help|pretty please""".replace("\n", "").split("|")
    if phrase.strip()
)  # fmt: skip
