"""One question in other clothes is the same; one word exchanged, and it is not."""

import random
import time

import pytest

from app.cache.judge.literal import told_apart
from app.cache.judge.literal.canon import canon, core_of
from app.cache.judge.literal.same import same_asked, same_text
from app.cache.judge.seen import see
from tests.unit.cache_judge.fakes import WordEmbedder

SAME = """
How do I request sick leave? | Hi team, how do I request sick leave?
What is the rate? | Good afternoon. What is the rate?
Can I get a refund for a train? | Sorry to bother you, but can I get a refund for a train?
How do I treat a burn? | How do I treat a burn? Thank you in advance.
How do I export my data? | Hello everyone, how do I export my data? Kind regards
Where is the nearest bank? | Excuse me, where is the nearest bank?
Comment activer ma carte ? | Bonjour, comment activer ma carte ?
Où se trouve la tour Eiffel ? | Où se trouve la tour Eiffel, s'il vous plaît ?
¿Cómo devuelvo un producto? | Hola, ¿cómo devuelvo un producto? Gracias.
Wann kommt meine Bestellung an? | Guten Tag, wann kommt meine Bestellung an? Danke!
Dove posso parcheggiare? | Buongiorno, dove posso parcheggiare? Grazie mille
Onde fica o banco? | Olá, onde fica o banco, por favor?
Hoe wijzig ik mijn adres? | Goedemiddag, hoe wijzig ik mijn adres? Alvast bedankt
Why does my Python script not find the module? | Why doesn't my Python script find the module?
Why will my laptop not connect? | Why won't my laptop connect?
Why are my tomato plants not producing fruit? | Why aren't my tomato plants producing fruit?
In C, what does malloc do? | What does malloc do in C?
En France, quel est l'âge de la retraite ? | Quel est l'âge de la retraite en France ?
In Italien, wie viel Trinkgeld gibt man? | Wie viel Trinkgeld gibt man in Italien?
With Excel, how do I sort a column? | How do I sort a column with Excel?
What are the opening hours on Monday? | What are the opening hours on Mon?
When is the meeting in Dec? | When is the meeting in December?
How do I block someone on Instagram? | how to block sb on instagram
Who is in charge of human resources? | Who is in charge of HR?
How do I set up a virtual private network? | How do I set up a VPN?
How do I find my international bank account number? | How do I find my IBAN?
How many hrs of sleep does a child need? | How many hours of sleep does a child need?
How do you say cat in Dutch? | How do I say cat in Dutch?
How can one renew a passport? | How do I renew a passport?
Could you tell me whether I can bring a dog? | Can I bring a dog?
Could you tell me if I need a visa? | Do I need a visa?
Can you tell me what the capital of Peru is? | What is the capital of Peru?
I want to know how I can reset the router | How can I reset the router?
Do I have to declare gifts? | Must I declare gifts?
What do I need to bring? | What must I bring?
Solve 3x+5=20 | Solve: 3x + 5 = 20
Solve for x: 3x + 5 = 20 | Solve 3x + 5 = 20
Wie kann ich mein Konto löschen? | Wie kann ich mein Konto loeschen?
Wo ist die nächste Straßenbahn? | Wo ist die naechste Strassenbahn?
How do I make a roux without lumps? | How do I make a roux witout lumps?
How many vacation days carry over? | How many vacation days cary over?
What is the tallest mountain? | What is the talest mountain?
How do I reset my password? | how do i reset my pasword
How do I submit a timesheet? | how do i sumbit a timesheet
How do I cancel my subscription? | How do I cancel my subcsription?
Is breakfast included? | Is brekfast included?
¿Cómo puedo cambiar mi contraseña? | ¿Cómo puedo canbiar mi contraseña?
Comment puis-je annuler mon abonnement ? | Comment puis-je anuler mon abonnement ?
Comment suivre mon colis ? | Comment puis-je suivre mon colis ?
At the airport, how do I park? | How do I park at the airport?
Can you let me know when you open? | When do you open?
How do I fix the air conditioning? | How do I fix the AC?
How do I remove a backgroud? | How do I remove a background?
What is the exchnage rate? | What is the exchange rate?
Me gustaría saber cuánto cuesta el envío. | ¿Cuánto cuesta el envío?
Für Anfänger, welche Gitarre ist gut? | Welche Gitarre ist gut für Anfänger?
Je voudrais savoir comment annuler ma commande | Comment annuler ma commande ?
What is the US budget? | What is the United States budget?
What's the GDP of Peru? | What is the gross domestic product of Peru?
"""
DIFFERENT = """
Who sang Hello? | Who sang?
Who founded Hello Kitty? | Who founded Kitty?
Hello Kitty founder | Kitty founder
How do I say thank you in advance? | How do I say?
Who wrote Regards? | Who wrote?
Wie sagt man danke? | Wie sagt man?
Comment dire merci ? | Comment dire ?
How do I make a roux within lumps? | How do I make a roux without lumps?
How do I use unsafe code? | How do I use safe code?
Can I mix bleach and vinegar? | Can I mix bleach or vinegar?
What does VPN stand for? | What does virtual private network stand for?
How do you store my data? | How do I store my data?
How do you process your refunds? | How do I process your refunds?
Don't I have to pay tax? | Must I not pay tax?
Why is it good not to eat? | Why isn't it good to eat?
Why do people say not to swim? | Why don't people say to swim?
Solve for y: 3x + y = 20 | Solve 3x + y = 20
What is 5-3? | What is 5+3?
What is 3(4+5)? | What is 3*4+5?
Is it open on Mon? | Is it open on Sun?
How many hours does it take? | How many minutes does it take?
How do I install numpy? | How do I install scipy?
How do I change the oil filter? | How do I change the air filter?
What is hydroxyzine? | What is hydralazine?
What does fourteen mean? | What does forty mean?
How do I paint a table? | How do I paint tables?
How do I hop to it? | How do I hope to it?
Is hoping allowed here? | Is hopping allowed here?
How do I charge a phone? | How do I change a phone?
Who is the adviser? | Who is the advisor of Bob?
Comment activer le mode sombre ? | Comment désactiver le mode sombre ?
¿Puedo tomar café con leche? | ¿Puedo tomar café sin leche?
¿Cuánto pesa un caballo adulto? | ¿Cuánto pesa un cabello adulto?
Wo ist die Schule am Markt? | Wo sind die Schuhe am Markt?
Wie viel kostet die Kirche am Fluss? | Wie viel kostet die Kirsche am Fluss?
¿Dónde está la puerta del barco? | ¿Dónde está el puerto del barco?
Posso pagare con carta? | Posso pagare senza carta?
Kann ich mit Hund reisen? | Kann ich ohne Hund reisen?
In France, who pays the tax? | Who pays the tax in Spain?
In Rome, what is open on Sunday? | What is in Rome open on Monday?
Could you tell me whether I can go? | Could you tell me when I can go?
What do I have to bring? | What do I have?
Do I have to tip in Rome? | Should I tip in Rome?
How do I ship to Iran? | How do I ship to Iraq?
Is Java hard? | Is JavaScript hard?
How do I use git rebase? | How do I use git reset?
What is the square of -5? | What is the square of 5?
What is -x? | What is x?
What does a_b mean? | What does a b mean?
How much is .5 kg? | How much is 5 kg?
What is [] in Python? | What is () in Python?
Does the treaty protect US? | Does the treaty protect us?
How do I contact Mon? | How do I contact Tue?
Can you cancel my order? | Cancel my order?
Why do cats not like water? | Why do cats like water?
How do I cook rice in a pot? | In rice, how do I cook a pot?
Combien coûte le poisson ? | Combien coûte le poison ?
Wie kann ich mich anmelden? | Wie kann ich mich abmelden?
Is the trail closed? | Is the trial closed?
How do I use kubectl? | How do I use kubelet?
Is the gas prion? | Is the gas prison?
"""
ENGLISH = """
How do I fix a kubectl timeout in nginx ingress?
kubectl get pods wide output
Where can I buy a Nespresso Vertuo in La Paz?
What does je ne sais quoi mean?
How do I say où est la gare in French?
pandas groupby agg lambda
Where is the café?
Is jalapeño hot?
MIT admissions deadline
y = ax² + bx + c
5 mi in km
Los Angeles weather
How many µg of vitamin D a day?
What is the Bundestag?
telvio m eu roaming data allowance
el niño effects in the US
Who was Die Brücke painter Kirchner?
"""
OTHER = """
Comment activer les notifications ?
comment activer les notifications
Was kostet der Versand?
was kostet der versand
¿Puedo tomar café con este medicamento?
puedo tomar cafe sin este medicamento
Posso pagare con carta?
Onde fica o banco?
Hoe wijzig ik mijn adres?
Wie kündige ich meinen Vertrag?
Quelle est la capitale de la Suisse ?
Wann habt ihr geöffnet?
"""
ODD = ["", " ", "?", "hello", "thank you", "'", "''", "in", "In a, b", "why not", "\ud800", "\x00", "solve for x"]


def _pairs(lines: str) -> list[list[str]]:
    return [line.split(" | ") for line in lines.strip().splitlines()]


@pytest.mark.parametrize("pair", _pairs(SAME))
def test_the_same_question_in_other_clothes_is_the_same_both_ways(pair: list[str]) -> None:
    assert same_text(*pair)
    assert same_text(*pair[::-1])
    embedder = WordEmbedder()
    a, b = (see(text, embedder.token_vectors(text)) for text in pair)
    assert same_asked(a, b)
    assert not told_apart(a, b)


@pytest.mark.parametrize("pair", _pairs(DIFFERENT))
def test_another_question_is_not_the_same(pair: list[str]) -> None:
    assert not same_text(*pair)
    assert not same_text(*pair[::-1])


@pytest.mark.parametrize("text", ENGLISH.strip().splitlines())
def test_names_code_and_borrowed_words_leave_a_text_english(text: str) -> None:
    assert not canon(text).is_foreign


@pytest.mark.parametrize("text", OTHER.strip().splitlines())
def test_another_language_is_noticed(text: str) -> None:
    assert canon(text).is_foreign


@pytest.mark.parametrize("pair", [pair for pair in _pairs(DIFFERENT) if canon(pair[0]).is_foreign])
def test_in_another_language_other_words_are_refused(pair: list[str]) -> None:
    embedder = WordEmbedder()
    assert told_apart(*(see(text, embedder.token_vectors(text)) for text in pair))


def test_odd_texts_are_compared_without_an_error_and_the_same_both_ways() -> None:
    draw = random.Random(5)
    pieces = " ".join((SAME, DIFFERENT, OTHER, *ODD)).split(" ")
    texts = [*ODD, *(" ".join(draw.choices(pieces, k=draw.randint(1, 7))) for _ in range(250))]
    for a in texts:
        for b in draw.sample(texts, 12):
            assert same_text(a, b) == same_text(b, a)


def test_a_long_text_takes_time_in_proportion_to_what_is_looked_at() -> None:
    text = "in france how do i have to virtual private network " * 20_000
    started = time.perf_counter()
    canon.__wrapped__(text)
    assert time.perf_counter() - started < 1


CORES = """
Hi, how do I request sick leave? Thanks! | how do I request sick leave?
Good morning. what is DNS | what is DNS
Hey there, (only on weekdays) when is the pool open? | (only on weekdays) when is the pool open?
Hi there: "to be" or "be"? Cheers. | "to be" or "be"?
Hola, ¿cómo devuelvo un producto? Gracias. | ¿cómo devuelvo un producto?
Please tell me: what is the rate? | tell me: what is the rate?
How do I do that, please | How do I do that
Hello! Who sang Hello? | Who sang Hello?
Hello Kitty price | Hello Kitty price
Hi, .5 kg in pounds? Thanks. | .5 kg in pounds?
Hi, **args in Python? | **args in Python?
Thanks | Thanks
 What is DNS ?  | What is DNS ?
"""


@pytest.mark.parametrize("line", CORES.strip("\n").splitlines())
def test_greetings_and_thanks_are_not_embedded(line: str) -> None:
    text, _, core = line.partition(" | ")
    assert core_of(text).strip() == core


@pytest.mark.parametrize("text", ["", " ", "?", "\ufb01ne, thanks", "hi " * 3_000, "\ud800 hi"])
def test_what_is_not_plain_stays_whole(text: str) -> None:
    assert core_of(text) == text
