"""Words that tell whether a name follows, or has gone before. All small, without accents."""

# ruff: noqa: E501 - forms and lists of words read best on one line, and hold signs of all scripts


def _class(name: str, words: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), name)


# What kind of word stands beside a token. Of a word with several kinds the last line counts.
KINDS: dict[str, str] = {
    **_class(
        "function",
        "a an the this that these those some any no every each all both either neither such what which whose "
        "of in on at into onto over under about above below between through during before after since until till against "
        "around near across behind beyond within without along toward towards upon off out up down as than like per "
        "i you he she it we they me him us them mine yours hers ours theirs myself yourself "
        "am is are was were be been being do does did done doing have has had having can could will would shall should may "
        "might must ought not n't don't doesn't didn't can't cannot couldn't won't wouldn't shouldn't isn't aren't wasn't "
        "weren't hasn't haven't hadn't and or but nor so yet if because although though while whereas unless whether when "
        "where why how who whom there here then now just only also too very really quite much many more most less least few "
        "lot lots one two three four five six seven eight nine ten first second third last next new old other another same "
        "yes no ok okay please sorry again still already always never often sometimes ever once twice maybe perhaps today "
        "tomorrow yesterday tonight monday tuesday wednesday thursday friday saturday sunday january february march april "
        "june july august september october november december morning evening afternoon night week month year day time "
        "it's that's what's there's he's she's let's im i'm i've i'll i'd you're you've we're we've they're id ill u ur r "
        "pls plz thx lol btw fyi asap idk imo etc eg ie vs am pm gonna wanna gotta cuz coz bc w w/ "
        "else instead anyway though however therefore otherwise regarding concerning according following including "
        "unknown none null true false yes max min avg sum len str int bool void var let const def class self return import "
        "der die das und ist ein eine nicht mit von zu den dem des im auf el los las un una es en y que por para con su "
        "le les une est dans pour avec sur qui o os da dos em il lo gli e che di per non si sono mi ich du wir sie ihr",
    ),
    # Usual in other languages and in forms: English pipelines take them for names.
    **_class(
        "foreign",
        "konnen koennen sie mir bitte helfen danke guten tag hallo wie geht ihre ihren ihrem mein meine meinen bei bin habe haben "
        "werden wurde wird kann sehr geehrte geehrter damen herren kunde kundin adresse anschrift strasse vielen dank gruesse grusse "
        "wohne wohnt geboren steuererklarung rechnung bestellung unterschrift datum ort telefon handy "
        "je suis nee ne habite mon ma mes bonjour bonsoir merci vous votre avez etes bien tres cordialement madame rendez-vous "
        "adresse numero rue facture commande signature naissance veuillez "
        "soy estoy tengo vivo mi mis tu su gracias buenos buenas dias tardes noches favor quiero necesito cliente pedido factura "
        "direccion domicilio calle avenida celular movil correo fecha nacimiento firma numero codigo postal hola "
        "sou estou tenho moro meu minha obrigado obrigada bom boa dia tarde noite preciso endereco rua avenida fatura cep cpf "
        "sono ho abito grazie buongiorno buonasera vorrei indirizzo via piazza fattura codice fiscale nato nata residente "
        "ben benim benimle merhaba tesekkur tesekkurler lutfen adim satis muduru mudur yonetici adres dogum tarihi "
        "jestem mam prosze dziekuje dzien dobry imie nazwisko adres urodzony "
        "ik ben mijn mijne dank graag goedemorgen adres bedankt vriendelijke groeten "
        "jag ar mitt min tack hej vanliga halsningar adress jeg er mit tak kamusta ako si kia ora buna numesc ma salut namaste "
        "jai hind assalamu alaikum salam selamat pagi terima kasih nama saya saja xin chao toi la cam on",
    ),
    **_class(
        "term",
        "iban bic swift ssn dob dni nif cif nie rfc curp cpf cnpj vat ein itin tin pan aadhaar abn nhs mrn dl visa mastercard amex passport "
        "licence license card account invoice order ticket case ref reference no number tel fax cell mobile phone email mail e-mail "
        "address apt suite unit flat floor box zip postcode postal date time amount total price currency status type "
        "server client host user admin root bot api url uri ip id uuid token key secret password login error warning info debug "
        "true false null none unknown pending active inactive approved class score grade level nationality gender sex male female "
        "usd eur gbp sincerely cheers thanks subject re fw fwd attn sent signature signed expiry expires valid cvv cvc pin otp "
        "order-id sku qty quantity item product model serial version build release branch commit repo jira prod dev staging "
        "q1 q2 q3 q4 hr it faq pdf csv json xml html usb tv pc mr. ceo cto cfo vp phd md mba ps pps ok nsw vic qld",
    ),
    **_class("determiner", "the a an this that these those every each any some no"),
    **_class("place", "in at near from to around across outside inside via toward towards downtown visit visiting"),
    **_class("preposition", "by with for and or & to from of about between cc plus versus vs via per"),
    **_class("possessive", "my your his her our their its"),
    **_class(
        "title",
        "mr mrs ms miss mx dr prof professor doctor sir madam lady lord dame herr frau fr dott dott.ssa sig sig.ra signor signora "
        "monsieur madame mme mlle m senor senora senhor senhora sr sra srta don dona dra pan pani hr judge "
        "justice officer sergeant sgt captain capt lieutenant lt col colonel general maj major detective inspector sister "
        "father fr rev reverend pastor rabbi imam sheikh president senator rep congressman minister chancellor "
        "governor mayor king queen prince princess pope saint st coach nurse uncle aunt auntie auntie grandma grandpa "
        "mom dad cousin principal bay mevrouw meneer dhr mw sensei shri smt sri tio tia abuela oma opa",
    ),
    **_class(
        "relation",
        "wife husband boss manager colleague coworker friend brother sister son daughter mother father mum mom dad cousin "
        "nephew niece uncle aunt neighbour neighbor landlord landlady tenant roommate flatmate boyfriend girlfriend "
        "partner fiance fiancee ex spouse kid baby toddler grandson granddaughter grandmother grandfather teacher "
        "student tutor mentor professor assistant secretary lawyer attorney accountant dentist therapist doctor nurse "
        "surgeon gp psychiatrist agent broker realtor contractor plumber electrician client customer patient guest "
        "applicant candidate employee intern supervisor lead director ceo cto cfo founder owner user caller member "
        "classmate bestie buddy mate pal stepdad stepmom stepson bride groom witness author cardholder subscriber "
        "beneficiary payee payer sender recipient tennant chef coach babysitter nanny driver recruiter teammate "
        "reviewer developer engineer designer analyst consultant resident passenger sibling twin insured claimant "
        "claimants defendant plaintiff deceased borrower policyholder shareholder counsel paralegal technician",
    ),
    **_class("greeting", "hi hello hey dear hiya greetings salut hallo hola ciao bonjour morning evening thanks thank thx cheers "
             "regards sincerely best love yours faithfully truly respectfully warmly xoxo congratulations congrats welcome bye goodbye "
             "liebe lieber cher chere caro cara querido querida estimado estimada prezado prezada geehrter geehrte beste yo sup ola oi"),
    **_class("intro", "name named called name's names nickname aka alias surname known call i'm im soy je heisse heiße llamo "
             "chamo appelle chiamo jmenuji nazywam imie nombre nom nome naam navn namn ism nama"),
    **_class(
        "say",
        "said says say asked asks ask told tells tell wrote writes write emailed email emails called calls texted text replied "
        "replies answered mentioned mentions suggested suggests thinks thought wants wanted wrote invited invite met meet "
        "meets meeting contacted contact contacting remind reminded reminding inform informed notify notified message "
        "messaged msg ping pinged cc bcc thank help helped join joined joins married marry marries divorced dated dating "
        "hired hire fired promoted interviewed interview interviewing assigned assign report reports reporting signed sign "
        "approved approve reviewed complained confirmed confirms refused agreed insisted visited saw knows know knew "
        "love loves loved miss misses missed hates believes believe lives works worked sent send sends gave give gives paid "
        "owes bought sold introduced introduce introducing forward forwarded let lets has had is was will would can "
        "turned turns died passed moved moves left got gets keeps kept booked attended attends asking tells calling "
        "transfer wire refund refunded pay schedule scheduled rescheduled text dm ring rang phone phoned",
    ),
    **_class(
        "field",
        "name customer client patient employee user author sender recipient contact owner attendee attendees signed from to by "
        "cc bcc first last full firstname lastname fullname first_name last_name full_name customer_name username "
        "given_name family_name assignee reporter reviewer applicant candidate guest host manager attn attention holder cardholder "
        "beneficiary account_holder passenger traveler witness prepared approved requested submitted participants participant "
        "present absent speaker speakers tenant landlord student teacher parent guardian contact_name nombre nom nachname vorname "
        "apellido apellidos prenom cognome nome sobrenome surname forename payee buyer seller displayname display_name "
        "createdby created_by updatedby assigned lead insured claimant spouse doctor physician dr provider billed bill ship "
        "interviewers speakers tenants witnesses guests customers clients employees members drivers driver patients students players "
        "authors reviewers editors panel team crew staff cast organizers absentees invitees regrets apologies minutes facilitator chair "
        "who editor interviewee interviewer caller agent rep assigned_to kunde ansprechpartner empfanger absender",
    ),
}  # fmt: skip

# Behind a name, these make it a company, an institution, a place or a thing.
THINGS = frozenset(
    "inc inc. ltd ltd. llc llp plc gmbh ag co corp corporation company group holdings bank university college school "
    "institute hospital clinic foundation museum library church cathedral street st avenue ave road rd boulevard lane drive "
    "square park bridge airport station county city town village district island islands lake river mountain mount "
    "valley beach bay stadium arena theatre theater hall centre center hotel restaurant cafe bar pub store shop market mall "
    "award prize theorem law effect equation algorithm test scale syndrome disease method theory model principle "
    "number constant distribution process chain tree server api sdk framework library database db cluster pipeline cloud studio "
    "labs software systems technologies technology solutions services partners associates capital ventures insurance "
    "airlines motors foods records pictures entertainment media press times post journal magazine news cup league "
    "championship open house palace castle tower building plaza brothers bros sons & studios works games code script "
    "app pro max mini plus edition project workspace dashboard bread juice pie cake dressing sauce".split()
)
# Parts of names that are written small.
PARTICLES = frozenset(
    "de da do dos das del della di du des la le van von der den ter ten zu zum zur af av bin ibn al el bint ben y e "
    "san santa mac mc st abu dela delos st. o' d' l' ap ab vom te 't".split()
)
# Products, companies and projects whose names people have too.
BRANDS = frozenset(
    "java kafka jenkins ruby python django jupyter flask pandas julia alexa siri cortana watson claude gemini bard llama "
    "mistral falcon cassandra hudson travis oracle amazon google apple tesla ford mercedes porsche ferrari chase wells fargo "
    "morgan stanley goldman sachs merrill lynch johnson & disney warner marvel nike adidas puma gucci prada armani "
    "versace chanel dior cartier walmart target costco lidl aldi ikea boots macy's wendy's mcdonald's denny's domino's "
    "levi's victoria's jack daniel's jameson guinness heineken kellogg nestle philips siemens bosch dyson braun "
    "hugo jekyll apollo hermes athena zeus nova ada scala perl swift dart elm nim crystal pascal haskell erlang turing "
    "ansible terraform vagrant maven gradle selenium cypress jest sentry datadog splunk tableau salesforce stripe paypal "
    "venmo zelle klarna shopify etsy ebay uber lyft bolt airbnb spotify netflix hulu roku sonos garmin fitbit peloton "
    "android linux ubuntu debian fedora windows excel word outlook teams slack zoom discord telegram whatsapp signal instagram "
    "facebook twitter tiktok pinterest reddit github gitlab docker kubernetes redis mongo mysql sqlite postgres react angular "
    "vue svelte node typescript javascript html css json yaml xml sql http api aws azure gcp openai chatgpt gpt bert sam "
    "norton avast macbook iphone ipad xbox playstation nintendo zelda mario luigi sonic gandalf minecraft fortnite roblox "
    "bluetooth wifi usb celsius fahrenheit kelvin newton pascal joule watt volt ampere ohm hertz tesla gauss henry "
    "fibonacci euler bayes markov gauss laplace fourier poisson bernoulli dijkstra pythagoras alzheimer's parkinson's "
    "crohn's down's hodgkin's tourette's asperger's christmas easter ramadan halloween thanksgiving diwali hanukkah "
    "christian muslim jewish hindu buddhist catholic english french german spanish italian chinese japanese korean indian "
    "dutch turkish greek polish swedish danish norwegian finnish russian portuguese brazilian mexican american british irish "
    "scottish welsh canadian australian african asian european arabic hebrew latin roman celtic nordic".split()
)


def _phrases(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(phrase.split()) for phrase in text.split("|"))


# Names of things that people's names are part of, and of people who are none, word by word as `folded` gives them.
PHRASES = _phrases(
    "john doe|jane doe|john deere|john lewis|ben jerry|ben jerrys|dr pepper|dr oetker|dr martens|mr pibb|mrs dash|jack daniel|jack daniels|"
    "captain morgan|johnnie walker|jim beam|evan williams|samuel adams|granny smith|sweet william|sweet williams|black-eyed susan|"
    "black-eyed susans|eyed susan|wells fargo|morgan stanley|j p morgan|jp morgan|goldman sachs|merrill lynch|charles schwab|ernst young|"
    "johnson johnson|procter gamble|marks spencer|abercrombie fitch|tiffany co|harley davidson|harley-davidson|rolls royce|aston martin|"
    "land rover|hugo boss|calvin klein|ralph lauren|tommy hilfiger|michael kors|marc jacobs|louis vuitton|yves saint laurent|christian dior|"
    "jimmy choo|kate spade|victoria secret|victorias secret|estee lauder|elizabeth arden|mary kay|helena rubinstein|charles de gaulle airport|"
    "de gaulle airport|charles de gaulle|jfk airport|john f kennedy airport|kennedy airport|john wayne airport|ronald reagan airport|johns hopkins|"
    "carnegie mellon|brigham young university|victoria falls|lake victoria|victoria station|victoria line|victoria albert museum|"
    "san diego|san jose|san juan|san antonio|santa barbara|santa clara|santa cruz|santa maria|santa monica|santa ana|santa rosa|"
    "saint martin|st martin|st louis|st lucia|st john|st johns|st george|st georges|st andrews|st helens|st paul|st petersburg|saint petersburg|"
    "saint bernard|jack russell|king charles|king james bible|king james version|jane eyre|harry potter|sherlock holmes|james bond|"
    "mickey mouse|donald duck|bugs bunny|peter pan|robin hood|santa claus|father christmas|uncle sam|big ben|old tom|mary jane|mary janes|"
    "bloody mary|tom collins|shirley temple|arnold palmer|roy rogers|harvey wallbanger|moscow mule|earl grey|lady grey|eggs benedict|beef wellington|"
    "caesar salad|waldorf salad|monte cristo|peach melba|lorna doone|aunt jemima|uncle ben|uncle bens|betty crocker|sara lee|marie callender|"
    "papa john|papa johns|little caesars|trader joe|trader joes|jersey mike|jimmy john|jimmy johns|five guys|tim hortons|chuck e cheese|"
    "dave buster|bath body|barnes noble|crate barrel|williams sonoma|pottery barn|mattel barbie|raggedy ann|tommy john surgery|lou gehrig|"
    "guillain barre|ada lovelace institute|marie curie foundation|nobel prize|pulitzer prize|booker prize|stanley cup|davis cup|ryder cup|"
    "grand prix|heisman trophy|vince lombardi trophy|martin luther king day|martin luther king jr day|columbus day|st patrick day|"
    "st patricks day|saint patrick day|st valentine day|valentine day|guy fawkes night|jack frost|jack o lantern|jack-o-lantern|john hancock|"
    "joe bloggs|joe average|average joe|joe public|max mustermann|erika mustermann|tom dick harry|peeping tom|jolly roger|doubting thomas|"
    "good samaritan|jane austen society|francis scott key bridge|hurricane katrina|hurricane ian|hurricane andrew|hurricane maria|"
    "hurricane harvey|hurricane irma|hurricane sandy|hurricane ida|hurricane helene|hurricane milton|storm ciara|storm dennis|storm eunice|"
    "mount rainier|mount whitney|mount everest|mount kilimanjaro|mt washington|mount rushmore|lake charles|lake george|lake erie|lake mary|"
    "baton rouge|las cruces|los angeles|las vegas|la paz|el paso|des moines|fort wayne|fort worth|port elizabeth|port louis|ho chi minh city|"
    "kuala lumpur|addis ababa|abu dhabi|sao paulo|sierra leone|costa rica|rio de janeiro|buenos aires|tsim sha tsui|marina bay|clarke quay|"
    "jackson hole|jackson pollock painting|madison square|madison avenue|lincoln memorial|lincoln center|washington dc|washington state|"
    "houston texas|austin texas|alice springs|prince edward island|prince george|prince rupert|christmas island|easter island|cook islands|"
    "raspberry pi|apple pie|honda civic|honda accord|honda jazz|seat leon|seat ibiza|renault clio|renault megane|kia rio|toyota camry|ford fiesta|"
    "ford focus|ford mustang|ford escort|opel corsa|skoda octavia|alfa romeo|nissan juke|mercedes benz|mercedes-benz|porsche cayenne|"
    "monte carlo method|bob haircut|tom yum|jerry can|jerry cans|molotov cocktail|kia ora|ave maria|madame tussauds|sally hansen|burt bees|"
    "black friday|good friday|palm sunday|ash wednesday|san marino|san marzano|san pellegrino|don perignon|dom perignon|moet chandon|"
    "abraham lincoln brigade|oscar mayer|orville redenbacher|paul mitchell shampoo|vidal sassoon|john frieda|max factor|bobbi brown|"
    "charlotte tilbury|jo malone|karl lagerfeld|paul smith shirt|ted baker|jack wills|fred perry|ben sherman|jack jones|tom tailor|tom ford|"
    "thomas cook|edward jones|raymond james|franklin templeton|fannie mae|freddie mac|sallie mae|ann taylor|lane bryant|eddie bauer|"
    "joseph rowntree foundation|jean paul gaultier|paco rabanne|carolina herrera perfume|hugo awards|edgar awards|tony awards|emmy awards"
)
