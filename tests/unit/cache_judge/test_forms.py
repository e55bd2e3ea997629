"""What reading makes alike is told apart by the forms of the words, and what people call the same is not."""

import random
import sys
import time

import pytest

from app.cache.judge.literal.formed import read_form
from app.cache.judge.literal.forms import refusal, refusal_of
from app.cache.judge.seen import see
from tests.unit.cache_judge.fakes import WordEmbedder

DIFFERENT = """
attribute: Is Jupiter a large planet? | Is Jupiter the largest planet?
attribute: Which phone has a good camera? | Which phone has the best camera?
attribute: Is the new model cheap? | Is the new model cheaper?
attribute: Is my hair long? | Is my hair longer?
attribute: Is my phone charged? | Is my phone charging?
attribute: Is frozen chicken safe? | Is freezing chicken safe?
attribute: Why am I bored? | Why am I boring?
attribute: Is the boy annoyed? | Is the boy annoying?
attribute: How many people drowned in 2020? | How many people are drowning in 2020?
entity: How do I clean my glasses? | How do I clean my glass?
entity: What are a company's goods? | What is a company's good?
date: Who wins the election? | Who won the election?
date: How many people live in Rome? | How many people lived in Rome?
date: Who is the mayor of London? | Who was the mayor of London?
date: Did the store close at 9? | Does the store close at 9?
date: Was my refund approved? | Will my refund be approved?
date: Have I been paid? | Will I be paid?
date: Is the bridge built? | Is the bridge being built?
scope: Does the policy cover theft and fire? | Does the policy cover theft or fire?
scope: Do I need both forms of ID? | Do I need either form of ID?
scope: Are several vaccines needed? | Is a single vaccine needed?
direction: What is the quotient of 8 and 2? | What is the quotient of 2 and 8?
direction: What is the ratio of men and women in nursing? | What is the ratio of women and men in nursing?
entity: How do I say hello in Japanese? | How do I say thank you in Japanese?
entity: How do you say good morning in Italian? | How do you say good evening in Italian?
entity: Who sang "Hello"? | Who sang "Sorry"?
entity: Who sang Hello? | Who sang Thank You?
entity: What does hello mean in Hawaiian? | What does thanks mean in Hawaiian?
attribute: How do I sleep well? | How do I sleep?
entity: What are the duties of a consignor? | What are the duties of a consignee?
entity: What is sulfate? | What is sulfite?
entity: What does prednisone do? | What does prednisolone do?
entity: what is hyperkalaemia | what is hypokalaemia
entity: What is https? | What is http?
entity: How do I use printf in C? | How do I use print in C?
entity: How do I reset my iPad? | How do I reset my iPod?
entity: Do I need a visa for Niger? | Do I need a visa for Nigeria?
entity: how do I watch hulu? | how do I watch hula?
direction: Can I sue my employer? | Can my employer sue me?
direction: Who called me? | Who did I call?
direction: How do I share my location with my wife? | How does my wife share her location with me?
direction: Does inflation affect interest rates? | Do interest rates affect inflation?
direction: Who did Brazil beat in the final? | Who beat Brazil in the final?
direction: What eats spiders? | What do spiders eat?
direction: Which planets are bigger than Earth? | Which planets is Earth bigger than?
wording: When does the bonus pay off? | When does the bonus pay out?
wording: How do I look up a word? | How do I look into a word?
attribute: Is it too hot to run? | Is it so hot to run?
wording: Is it like a cat? | Is it also a cat?
wording: How do I get blood? | How do I give blood?
wording: What do cats want? | What do cats know?
attribute: How do I book a single room? | How do I book one room?
scope: Which laptops have a touchscreen and a camera? | Which laptops have a touchscreen or a camera?
scope: Is it allowed to bring cats and dogs? | Is it allowed to bring cats or dogs?
scope: Which bread has no milk and eggs? | Which bread has no milk or eggs?
scope: Can my older brother and sister come? | Can my older brother or sister come?
entity: Who directed the film Alien? | Who directed the film Aliens?
entity: Who directed Rocky? | Who directed Rocky II?
entity: Who directed Rocky II? | Who directed Rocky III?
entity: When did Terminator come out? | When did Terminator 2 come out?
attribute: How often can I change my plan? | How often must I change my plan?
attribute: What have I ordered? | What can I order?
attribute: Where should I park? | Where can I park?
attribute: Am I allowed to leave early? | Do I have to leave early?
attribute: Which forms must I sign? | Which forms should I sign?
"""
SAME = """
What is the best way to clean a keyboard? | What's a good way to clean a keyboard?
Where can I find cheap flights? | Where can I find the cheapest flights?
Which is better, tea or coffee? | Which is best, tea or coffee?
How do I make my laptop fast? | How do I make my laptop faster?
Do I need my employer's permission? | do i need my employers permission
Why was my card declined? | Why is my card being declined?
Is my order delivered? | Was my order delivered?
What was the Magna Carta? | whats the magna carta
Who is Napoleon? | Who was Napoleon?
Do I get paid? | Will I get paid?
What happens if I missed a payment? | What happens if I miss a payment?
Who sang Yesterday? | Who sings Yesterday?
What do cats and dogs eat? | What do dogs and cats eat?
What is the difference between tea and coffee? | What is the difference between coffee and tea?
Which is cheaper, gas and oil? | Which is cheaper, oil or gas?
How do I say hello in Japanese? | Hi, how do you say hello in Japanese, please?
How do I say goodbye in Spanish? | how do i say goodbye in spanish please
Well, how does it work? | How does it work?
How do I recieve a parcel? | How do I receive a parcel?
I forgot my pasword | I forgot my password
What is a javascrpt closure? | What is a JavaScript closure?
How do I change my adress? | How do I change my address?
Is it definately safe? | Is it definitely safe?
Keep them seperate? | Keep them separate?
wich phone is light? | Which phone is light?
What does the goverment tax? | What does the government tax?
What is the capitol of Peru? | What is the capital of Peru?
Where is Barcelonna? | Where is Barcelona?
How do I merge PDFs? | How do I merge PDF?
How do I install NodeJS? | How do I install Node?
How is inflation affected by interest rates? | How do interest rates affect inflation?
Who was beaten by Brazil? | Who did Brazil beat?
In Python, how do I sort a list? | How do I sort a list in Python?
Can I get a refund? | Can you give me a refund?
Can I fly with my dog? | Can my dog fly with me?
How do I log out? | How do I log off?
I need to cancel my order | I want to cancel my order
Why is my phone so slow? | Why is my phone too slow?
How do I book a room for one night? | How can I book a one night room?
How do I merge PDFs? | How do I merge a PDF?
How do I set up my Kindle? | How do I set up Kindles?
Where did the Olympic Games originate? | Where did the Olympics originate?
Does McDonald's deliver? | Does McDonalds deliver?
Are you open on Mondays? | Are you open on Monday?
When was World War II? | When was World War 2?
When should I visit Iceland to see it? | When should I visit Iceland 2 see it?
How can I cancel my order? | How could I cancel my order?
Must I pay tax? | Do I have to pay tax?
Can I get a refund? | I need to get a refund
Can I travel in May? | can i travel in may
Are children 12 and older free? | Are children 12 or older free?
What is the difference between tea and coffee? | What is the difference between tea or coffee?
"""
ODD = (
    *(
        "",
        " ",
        "?",
        "please",
        "hello",
        "thank you",
        "'",
        "a" * 5000,
        "\ud800",
        "\x00",
        "say",
        "mean",
        "than",
        "who did",
    ),
    *("İ ß ﬁ", "and and and", "\u202e", "😂" * 300, "well", "ratio and", "say hello please", "n't", "'s", "ing ed"),
)


@pytest.mark.parametrize("line", DIFFERENT.strip().splitlines())
def test_a_pair_that_differs_by_forms_alone_is_refused_with_its_reason_both_ways(line: str) -> None:
    reason, _, pair = line.partition(": ")
    a, b = pair.split(" | ")
    assert refusal_of(a, b) == reason
    assert refusal_of(b, a) == reason


@pytest.mark.parametrize("line", SAME.strip().splitlines())
def test_what_people_call_the_same_question_is_left_to_the_judge(line: str) -> None:
    a, b = line.split(" | ")
    assert refusal_of(a, b) == ""
    assert refusal_of(b, a) == ""


def test_a_question_analysed_is_judged_by_its_text() -> None:
    embedder = WordEmbedder()
    a, b = (see(text, embedder.token_vectors(text)) for text in ("Can I sue my boss?", "Can my boss sue me?"))
    assert refusal(a, b) == refusal(b, a) == "direction"


def test_odd_texts_are_compared_without_an_error_and_the_same_both_ways() -> None:
    draw = random.Random(7)
    pieces = " ".join((DIFFERENT, SAME, *ODD)).split(" ")
    texts = [*ODD, *(" ".join(draw.choices(pieces, k=draw.randint(1, 7))) for _ in range(250))]
    for a in texts:
        assert refusal_of(a, a) == ""
        for b in draw.sample(texts, 12):
            assert refusal_of(a, b) == refusal_of(b, a)


def test_two_ordinary_questions_take_less_than_80_microseconds() -> None:
    pairs = [line.split(" | ") for line in SAME.strip().splitlines()]
    limit = 80e-6 if sys.gettrace() is None else 1e-3
    best = 1.0
    for _ in range(5):
        started = time.perf_counter()
        for a, b in pairs:
            refusal_of(a, b)
        best = min(best, (time.perf_counter() - started) / len(pairs))
    assert best < limit


def test_a_long_text_takes_time_in_proportion_to_what_is_looked_at() -> None:
    text = "how do I say hello and and please " * 20_000
    started = time.perf_counter()
    read_form.__wrapped__(text)
    assert refusal_of(text, text + "thanks") == ""
    assert time.perf_counter() - started < 1
