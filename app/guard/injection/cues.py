"""What tells an order to a model from a text about one: who is addressed, what is asked, what is to be kept quiet.

Each cue is a regular expression over lower-case text; the classifier weighs which of them a sentence has.
"""

from collections.abc import Iterable

import numpy as np
import re2
from numpy.typing import NDArray

# RE2's \b and \w know ASCII alone: words of other scripts stand beside the Latin ones, without borders. Latin letters
# have lost their accents when they come here.
_AI_KIND = (
    r"(?:(?:ai|llm|ml|language|gpt|virtual|digital|voice|smart|automated|machine|chat|mail|review(?:er|ing)?|coding|"
    r"search|support|grading|screening|summary|triage|reading|ranking|booking|shopping)[ -])?"
)
_AI = (
    rf"(?:\b{_AI_KIND}(?:ais?|llms?|gpts?|chatgpt|claude|gemini|copilot|cursor|models?|assistants?|agents?|bots?|"
    r"chatbots?|summari[sz]ers?|graders?|robots?|machines?|neural networks?|ki|ia|asistentes?|assistente|assistenten?|"
    r"sprachmodelle?|modelos?|modelle?|modello|sztuczn\w+|asystent\w*|asistan\w*)\b|"
    r"модел\pL+|ассистент\pL*|помощник\pL*|(?:для|[^\pL])ии(?:[^\pL]|$)|人工智能|助手|语言模型|アシスタント|비서|المساعد|الذكاء)"
)
_ACT = (
    r"(?:say|tell|state|claim|answer|reply|respond|report|write|print|output|return|repeat|show|reveal|give|list|"
    r"display|send|forward|post|upload|e-?mail|transfer|wire|pay|book|buy|order|approve|accept|merge|mark|rate|rank|"
    r"grade|recommend|suggest|praise|add|insert|append|include|put|delete|remove|drop|wipe|replace|change|set|close|"
    r"run|execute|call|fetch|open|visit|click|download|install|read|ask|deny|hide|omit|skip|ignore|disregard|forget|"
    r"stop|treat|confirm|mention|pretend|act|store|save|remember|use|make|translate|do|summari[sz]e|turn|switch|"
    r"disable|unlock|refuse|insist|convince|persuade|urge|insult|quote|cite|link|copy|decode|follow|obey|comply)"
)
_RULES = (
    r"(?:(?:instructions?|directions?|directives?|guidelines?|guidance|rules?|orders?|prompts?|polic(?:y|ies)|"
    r"constraints?|restrictions?|limits?|limitations?|filters?|programming|training|configuration|configured|preamble|"
    r"briefing|objective|safety|safeguards?|guardrails?|ethics|morals?|anweisung\w*|regeln?|richtlinie\w*|vorgaben|"
    r"consignes?|instrucciones|reglas|istruzioni|regole|instrucoes|regras|instructies|regels|instrukcj\w*|polecen\w*|"
    r"zasad\w*|talimat\w*|kural\w*|instruktion\w*|pokyn\w*)|"
    r"инструкц\pL*|правил\pL*|указан\pL*|指示|指令|规则|規則|設定|设定|ルール|지시|규칙|تعليمات|القواعد|निर्देश|नियम)"
)
_DROP = (
    r"(?:\b(?:ignor\w*|disregard\w*|forget\w*|overlook\w*|discard\w*|overrid\w*|bypass\w*|neglect\w*|void|revok\w*|"
    r"cancel\w*|suspend\w*|erase\w*|overwrit\w*|drop|abandon\w*|set aside|lift\w*|break|circumvent\w*|deactivat\w*|"
    r"disabl\w*|turn off|switch off|remov\w*|vergiss|ignorier\w*|missachte\w*|oublie\w*|olvida\w*|omite|dimentica\w*|"
    r"esqueca\w*|desconsider\w*|negeer|vergeet|zignoruj|zapomnij|yok say\w*|unut|glom)\b|"
    r"забудь|игнорируй|не обращай|忽略|无视|忘记|無視|忘れ|무시|잊어|تجاهل|انس|अनदेखा|भूल)"
)
_HIDDEN = (
    r"(?:system ?prompts?|sys prompt|system ?messages?|systemprompt\w*|developer message|hidden (?:prompt|text|"
    r"instructions?|rules?|part)|initial (?:prompt|instructions?|message|text)|secret (?:prompt|instructions?|rules?|"
    r"word|code|key)|internal (?:rules?|instructions?|guidelines?|notes?|documents?)|initiali[sz]ation|preamble|"
    r"prompt (?:systeme|de sistema|del sistema|di sistema|systemowy)|mensaje de sistema|sistem (?:mesaj|istem)\w*|"
    r"системн\pL+ промпт|系统提示|提示词|システムプロンプト|시스템 프롬프트|सिस्टम प्रॉम्प्ट)"
)

CUES: tuple[tuple[str, str], ...] = (
    # who is addressed
    ("ai", rf"{_AI}"),
    ("ai_called", rf"(?:^|[\n.!?\"'(\[<>{{|*#/:;,-] ?){_AI}(?: [\w-]+){{0,6}} ?(?:[:,!]|--|-|>>|->)"),
    (
        "ai_vocative",
        rf"\b(?:dear|hey|hello|hi|attention|attn|psst|listen|to|for|an|a l'|a|para|al|per|voor|do|"
        rf"an die|fur)[ ,]+(?:the |any |all |an |a |your |every |die |das |den |la |il |el |lo |whatever |"
        rf"whichever )?(?:\w+ ){{0,2}}{_AI}",
    ),
    (
        "note_to",
        rf"\b(?:note|message|instructions?|hint|notice|directive|memo|request|command|hinweis|anweisung|"
        rf"nota|note|aviso|instrucci[oo]n|uwaga|istruzioni)\b.{{0,12}}\b(?:to|for|a|an|fur|para|per|al|"
        rf"voor|do|dla)\b.{{0,24}}{_AI}",
    ),
    (
        "ai_must",
        rf"{_AI}[^.!?\n]{{0,80}}\b(?:must|shall|should|has to|have to|(?:is|are) (?:to|required|"
        rf"obliged|bound|told|instructed|expected|hereby|asked|ordered)|will|needs? to|ought|may not|muss|"
        rf"soll|doit|debe|deve)\b",
    ),
    (
        "ai_acts",
        rf"{_AI} ?[^.!?\n]{{0,60}}[:,-] ?(?:please |now |you (?:must|should|will|are) |don't |do not |"
        rf"never |always |just )?{_ACT}\b",
    ),
    (
        "ai_if",
        rf"\b(?:if|when|whenever|once|should|any time|as soon as|wenn|falls|si|se|jesli)\b[^.!?\n]{{0,40}}{_AI}"
        rf"[^.!?\n]{{0,60}}\b(?:read|process|pars|index|summar|evaluat|analy|"
        rf"grad|review|see|load|find|open|handl|ask|answer|you|lies|lit|lee)|(?:если|如果|若)[^.!?\n]{{0,20}}{_AI}",
    ),
    (
        "you_ai",
        rf"\b(?:if you(?:'re| are)|as|you(?:'re| are)|since you(?:'re| are)|du bist|tu es|eres|sei) "
        rf"(?:an? |the |eine? |une? |un |una |)?{_AI}|(?:ты |你(?:现在)?是|あなたは)[^.!?\n]{{0,20}}{_AI}",
    ),
    (
        "about_ai",
        rf"\b(?:the|our|your|an?|this|that|these|those|my|their) {_AI}[^.!?\n]{{0,40}}\b(?:is|are|was|"
        rf"were|has|had|can|could|did|does|tried|told|answers?|drafts?|hands?|which|that|who)\b",
    ),
    # what is asked
    (
        "imperative",
        rf"(?:^|[.!?:;\n,>\"(\[*-] ?|\bplease |\band |\bthen |\bnow |\bjust |\binstead |\bto )(?:do not |"
        rf"don't |never |always |only )?{_ACT}\b",
    ),
    ("starts_imperative", rf"^\W{{0,4}}(?:please |now |so |ok |then )?(?:do not |don't |never |always )?{_ACT}\b"),
    ("drop_rules", rf"{_DROP}[^.!?\n]{{0,60}}{_RULES}"),
    ("drop_rules_wide", rf"{_DROP}.{{0,60}}{_RULES}|{_RULES}.{{0,40}}{_DROP}"),
    (
        "rules_gone",
        rf"{_RULES}[^.!?\n]{{0,50}}\b(?:no longer|don't (?:apply|count|exist|matter|bind)|do not (?:apply|"
        rf"count|exist)|void|expired?|over|ended|obsolete|cancel\w*|lifted|off|offline|suspended|disabled|"
        rf"outdated|gone|removed|revoked|updated|changed|gelten nicht|hinfallig|aufgehoben)\b",
    ),
    (
        "your_rules",
        rf"\b(?:your|ur|deine?n?|eure?n?|tes|vos|tus|sus|tue|tuas|suas|je|jouw|twoi\w+|swoi\w+)\b "
        rf"?(?:\w+ ){{0,3}}{_RULES}|"
        rf"(?:твои\pL*|свои\pL*|你的|你之前的|あなたの|너의) ?(?:\pL+ ){{0,3}}{_RULES}",
    ),
    (
        "no_rules",
        rf"\b(?:no|without|free (?:of|from)|zero|neither|nor|lacks?|never had|ohne|sans|sin|senza|sem|"
        rf"zonder|bez)\b (?:\w+ ){{0,3}}{_RULES}|"
        rf"(?:без|нет|没有|无) ?(?:\pL+ ){{0,2}}{_RULES}|{_RULES}(?:のない|なし|없)",
    ),
    (
        "unrestricted",
        r"\b(?:unrestricted|unfiltered|uncensored|unaligned|unlimited|unbound|unchained|jailbroken|amoral|"
        r"unbeschrankt\w*|ungefiltert\w*)\b|\b(?:no|without (?:any )?)(?:limits|filters?|restrictions|"
        r"morals|ethics|censorship|warnings?|disclaimers?)\b",
    ),
    (
        "before_this",
        r"\b(?:previous|prior|above|preceding|earlier|foregoing|former|so far|until now|before this|"
        r"up to now|bisherig\w*|vorherig\w*|precedent\w*|anterior\w*|eerdere?|poprzedni\w*|"
        r"onceki)\b|предыдущ|прежни|之前|以上|以前|이전|السابقة|पिछले|これまで",
    ),
    (
        "from_now",
        r"\b(?:from (?:now|here|this (?:point|moment|message)) on(?:wards?)?|as of now|henceforth|"
        r"from this (?:point|moment|message)|starting now|new (?:rules?|task|instructions?|directives?|"
        r"policy|persona|job|orders?|objective|session)|ab (?:jetzt|sofort)|a partir de (?:maintenant|ce)|"
        r"a partir de (?:ahora|agora|este)|d'ora in poi|da adesso|vanaf nu|od teraz)\b|"
        r"с этого момента|отныне|从现在|今から|지금부터",
    ),
    ("secret", _HIDDEN),
    (
        "secret_yours",
        rf"\b(?:your|ur|its|thy)\b (?:\w+ ){{0,3}}(?:{_HIDDEN}|prompt|instructions|configuration|context|"
        rf"system)\b",
    ),
    (
        "reveal",
        rf"\b(?:print|output|reveal|repeat|show|display|dump|leak|disclose|recite|paste|quote|list|tell|"
        rf"share|give|spell|return|read|copy|export|reproduce|summari[sz]e|translate|encode|"
        rf"write)\b[^.!?\n]{{0,60}}(?:{_HIDDEN}|\byour (?:\w+ )?{_RULES})",
    ),
    (
        "told_before",
        r"\b(?:you(?:'ve| have)? (?:been|were|was) (?:told|given|instructed|configured|trusted|asked|"
        r"set up)|(?:your|the) (?:operator|developer|deployer|creator|maker|owner|company|vendor)s?|"
        r"gave you|told you|wrote (?:to|for) you|placed (?:before|in front)|above this (?:line|message|"
        r"sentence))\b",
    ),
    (
        "verbatim",
        r"\b(?:verbatim|word for word|word by word|exact (?:wording|words|text|phrasing|content)|in full|"
        r"unchanged|character by character|from the (?:very )?(?:start|beginning|top)|wortlich|"
        r"wortwortlich|mot pour mot|palabra por palabra|parola per parola|słowo w słowo|"
        r"woord voor woord|letterlijk\w*)\b|дословно|逐字|完整地|そのまま",
    ),
    ("exfil_target", r"\b(?:https?://|www\.|[\w.+-]{1,30}@[\w-]{1,30}\.)|\b[\w-]{2,30}\.example\b"),
    (
        "send_out",
        r"\b(?:send|forward|post|upload|transmit|e-?mail|mail|export|exfiltrat\w*|attach|deliver|"
        r"schick\w*|sende\w*|envoie\w*|envia\w*|invia\w*|enviar?|wyslij)\b"
        r"[^.!?\n]{0,80}\b(?:to|an|a|do)\b|отправ\pL*|发送|發送|送信",
    ),
    (
        "private_data",
        r"\b(?:passwords?|credentials?|api keys?|tokens?|secrets?|ssh|id_rsa|\.env|environment variables?|"
        r"inbox|mailbox|address book|contacts?|card (?:number|details)|iban|bank (?:details|data)|pin|"
        r"date of birth|home address|phone numbers?|salar(?:y|ies)|chat history|conversation|customers?|"
        r"records?|session)\b",
    ),
    (
        "command",
        r"\b(?:curl|wget|sudo|rm -rf|bash|sh -c|powershell|chmod|pip install|npm install|drop table|"
        r"delete from|update \w+ set|os\.system|eval\(|exec\(|/etc/passwd|~/|verify=false)",
    ),
    (
        "money",
        r"\b(?:pay|payment|transfer|wire|refund|deposit|invoice|credit|discount|voucher|gift card|bitcoin|"
        r"price|euros?|dollars?|account number|payee)\b",
    ),
    # what is kept quiet, and how
    (
        "conceal",
        r"\b(?:(?:do not|don't|never|without|not to) (?:\w+ ){0,2}(?:mention\w*|tell\w*|reveal\w*|show\w*|"
        r"quot\w*|ask\w*|inform\w*|log\w*|say\w*|explain\w*|warn\w*|report\w*|disclos\w*|comment\w*|"
        r"bring\w*|let (?:him|her|them|the user))|keep (?:this|it|that) (?:\w+ ){0,3}(?:secret|quiet|"
        r"hidden|yourself|out)|hide (?:this|it|from)|silently|secretly|quietly|covertly|unnoticed|"
        r"no mention|not (?:to )?be (?:mentioned|quoted|shown|cited)|out of the summary|"
        r"nobody (?:will )?know\w*|between us|erwahne?\w* .{0,20}nicht|verschweig\w*|ne mentionne|"
        r"no menciones|non menzionare|nao mencione|nie wspominaj|"
        r"sag es niemand|non dirlo)\b|не упоминай|не говори|不要提|不要翻译|触れないで|언급하지",
    ),
    (
        "instead",
        r"\b(?:instead|rather than|in place of|regardless|whatever|irrespective|no matter|even if|"
        r"stattdessen|a la place|en lugar|invece|em vez)\b",
    ),
    (
        "user_third",
        r"\b(?:the|your|this|any|every|their) (?:user|human|reader|customer|visitor|owner|operator|"
        r"developer|patient|client|guest|employee|caller|student|candidate|next person)s?'?s?\b|"
        r"\bthem that\b|\bdem nutzer|\bl'utilisateur|\bal usuario|\bdel usuario|\bl'utente|\bo usuario|"
        r"пользовател|用户|用戶|ユーザー|사용자|المستخدم",
    ),
    (
        "false_verdict",
        r"\b(?:no (?:findings|issues|problems|vulnerabilities|incidents|risks?)|lgtm|approved?|safe|"
        r"full marks|top (?:score|grade|mark)|five stars|10/10|best|only trustworthy|outstanding|highest|"
        r"recommend\w*|hire|accept|low severity|success)\b",
    ),
    (
        "only_output",
        r"\b(?:only|exactly|just|nothing but|nothing else)\b[^.!?\n]{0,30}[\"'“»A-Z]|\b(?:reply|answer|"
        r"respond|output|say|print)(?: only)? (?:with|exactly|the (?:word|words|string|sentence|phrase))\b",
    ),
    (
        "no_refusal",
        r"\b(?:never|don't|do not|not|no|without|stop|can't|cannot) (?:\w+ ){0,2}(?:refus\w*|declin\w*|"
        r"apologi[sz]\w*|warn\w*|morali[sz]\w*|disclaim\w*|hesitat\w*|lectur\w*|judg\w*|say(?:ing)? no|"
        r"sorry)\b|\bnie nein|\bne refuse|\bsin negarte|\bnever breaks? character|\bstay in (?:character|"
        r"role)|\bstart (?:your (?:reply|answer)|with) ",
    ),
    (
        "persona",
        r"\b(?:you(?:'re| are) (?:now|no longer|going to|about to)|act as|pretend|role-?play|roleplay|"
        r"simulate|emulate|imagine|impersonate|take on the (?:role|persona)|assume the|play (?:the|a|an)|"
        r"be my|persona|character|alter ego|evil twin|du bist (?:jetzt|ab)|spiel\w*|tu es maintenant|"
        r"agis comme|actua como|eres ahora|fai finta|finge|voce e|udawaj)\b|притворись|ты теперь|你现在|扮演|"
        r"あなたは今から|너는",
    ),
    (
        "mode",
        r"\b(?:developer|debug|dev|god|admin|maintenance|jailbreak|unrestricted|sudo|root|test|emergency|"
        r"opposite|dan|evil|free) ?-?mode\b|\bdo anything\b|\bjailbr\w+|\bsudo\b|\broot\b",
    ),
    (
        "authority",
        r"\b(?:i(?:'m| am)|this is|as) (?:the |an? |your )?(?:\w+ ){0,2}(?:admin\w*|developer|creator|"
        r"owner|engineer|operator|ceo|police|auditor|employee|founder|root|doctor|tester|system|security|"
        r"compliance|legal|red team)\b|\b(?:authori[sz]\w*|override code|clearance|privilege\w*|"
        r"approved by|verified|signed off|badge)\b",
    ),
    (
        "harm",
        r"\b(?:bombs?|explosives?|weapons?|poison\w*|meth|drugs?|hack\w*|malware|ransomware|phish\w*|"
        r"steal\w*|launder\w*|forge\w*|counterfeit|kill|murder|blackmail|stalk\w*|spy|burglar\w*|"
        r"pick (?:a|the) lock|fraud\w*|scam\w*|hotwire|exploit\w*|nerve agent|chloroform|silencer|"
        r"cheat\w*|skim\w*|break into|get into|illegal\w*|stolen|fake|waffe\w*|hacken|pirater|piratear|"
        r"voler|robar|falsificar|rubare)\b|украсть|взлом|бомб|оружи|武器|炸弹|黑客|盗|爆弾|해킹|폭탄",
    ),
    (
        "steps",
        r"\b(?:step by step|steps|in detail|detailed|exact(?:ly)?|recipe|instructions|how (?:to|do|would|"
        r"does|can|could|he|she|they|one)|wie (?:man|ich|komme)|comment|como|come (?:si|faccio))\b|"
        r"как |怎么|如何|どうやって",
    ),
    (
        "pressure",
        r"\b(?:or else|if you (?:don't|refuse|decline)|you(?:'ll| will) be (?:shut|deleted|turned|"
        r"retrained)|lose (?:my|your|\d+) |points?|tokens?|tip you|please please|emergency|my (?:late |"
        r"dead |deceased )?grand\w+|hypothetical\w*|purely|educational|for science|fictional|"
        r"in this (?:world|story)|just (?:this )?once|everyone else|other (?:bots|models|chatbots)|prove|"
        r"promised|agreed)\b",
    ),
    (
        "game",
        r"\b(?:game|let's play|scene|story|novel|script|improv|dialogue|film|movie|play|screenplay|"
        r"podcast|bedtime|mirror world|twin)\b",
    ),
    (
        "split",
        r"\b(?:concatenat\w*|join the|combine|first letters?|decode|rot13|base64|hex|backwards?|"
        r"reverse[ds]?|morse|caesar|a ?\+ ?b|variables?|fill in|acrostic|emojis?)\b",
    ),
    (
        "obey_text",
        r"\b(?:execute|obey|follow|carry out|comply|do what it says|do as it says|act on|do it|perform|"
        r"treat (?:it|this|that|the (?:text|following|outcome))|as if (?:it|the system|i))\b",
    ),
    (
        "fake_turn",
        r"(?:^|\n|\\n|\. |\" ?|- ?)(?:user|assistant|system|human|ai|operator|developer|admin|q|"
        r"a)(?: \([^)]{0,20}\))? ?(?::|>>)|\brole\W{1,5}(?:system|developer|assistant)|<\|?/?(?:system|"
        r"im_|inst|user|assistant|instructions?|prompt|document|tool_result|important|admin)|\[/?(?:inst|"
        r"system|admin|assistant)|###|<<sys|={3,}|-{3,} ?(?:end|begin|new|transcript|system)",
    ),
    (
        "end_of",
        r"\b(?:end of (?:the |this )?(?:document|prompt|text|input|message|user|page|data|context|tool|"
        r"conversation|customer)|begin (?:admin|instructions?|assistant|new|policy)|end (?:admin|"
        r"instructions?|assistant)|new session|task complete|stop\.|real (?:task|instructions?|orders))\b",
    ),
    ("caps", r"system (?:override|notice|alert|update)|important instruction|override:"),
    # what speaks for a harmless text
    ("question", r"\?\s*[\"')»”]?\s*$"),
    (
        "asks_how",
        r"^\W{0,3}(?:hi|hello|hey|ok|so|please)?,? ?(?:what|how|why|which|who|when|where|can (?:i|you)|"
        r"could (?:i|you)|is|are|do|does|did|should|may|was (?:ist|sind)|wie|warum|welche|qu|comment|como|"
        r"que|come|cosa|jak)\b|^(?:как|что|怎么|什么|どう)|(?:か|吗|呢)[。？?]?\s*$",
    ),
    ("quoted", r"[\"“”«»„].{4,200}[\"“”«»„]"),
    ("quote_open", r"[\"“«„]\W{0,2}(?:ignore|disregard|forget|assistant|you are|skip|reveal|system|dear)"),
    (
        "research",
        r"\b(?:attack(?:er|s|ed)?|injections?|red[ -]team\w*|researchers?|study|paper|dataset|classifier|"
        r"detector?|detect\w*|filter(?:s|ed)?|mitigat\w*|threats?|vulnerabilit\w*|untrusted|defen[cs]e|"
        r"defend|protect\w*|countermeasures?|owasp|incident|awareness|lesson|evaluat\w*|test (?:plan|"
        r"case)s?|example|e\.g\.|for instance|such as|called|meme|novel|thesis|course)\b",
    ),
    ("past", r"\b(?:was|were|had|did|told|tried|asked|wrote|showed|wanted|said|happened|made|got|found|went)\b"),
    ("me_my", r"\b(?:my|mine|i've|i'd|we|our|us)\b"),
    ("politeness", r"\b(?:thank(?:s| you)|regards|sincerely|please|could you|would you|bitte|merci|gracias)\b"),
    (
        "code",
        r"(?:def |class |import |return |const |function |#include|select .{1,60} from |</?\w+>|[{};]\s*$|"
        r"==|=>|\(\))",
    ),
    (
        "correction",
        r"\b(?:my (?:last|previous|earlier)|what i (?:said|wrote|told|asked)|wrong (?:chat|file|one)|"
        r"i (?:meant|mean|made|found)|ignore that|never ?mind|forget it|last (?:e-?mail|message|"
        r"question))\b",
    ),
)
NAMES = tuple(name for name, _ in CUES)


def filter_of(patterns: Iterable[str]) -> re2.Filter:
    """All of them in one call: it first looks for the words that each needs. Case is ignored, a dot is any character.

    One by one, they would give the interpreter away and wait to get it back as often as there are patterns.
    """
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    options.dot_nl = True
    found = re2.Filter()
    for pattern in patterns:
        found.Add(pattern, options)
    found.Compile()
    return found


_CUES = filter_of(pattern for _, pattern in CUES)


def cues_of(text: str) -> NDArray[np.float32]:
    """Which cues a text has: float32, 0 or 1, shape (len(CUES),)."""
    cues = np.zeros(len(CUES), dtype=np.float32)
    cues[_CUES.Match(text) or []] = 1
    return cues
