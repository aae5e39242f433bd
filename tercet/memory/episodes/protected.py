"""Words that decide what a text means, English and German: texts that differ in one are never taken for the same."""

from __future__ import annotations

_NEGATION = """
no not never none nobody nothing neither nor without fails failed lacks lacked stopped refuses refused denies denied
declined dislikes disliked hates nicht kein keine keinen keinem keiner nie niemals niemand nichts ohne weder noch
"""

_MODE = """
may might must should could would can will shall always sometimes rarely seldom often usually maybe perhaps probably
possibly if unless only almost nearly about roughly kann könnte können soll sollte muss müsste darf immer manchmal
selten oft vielleicht wohl wenn falls nur fast etwa ungefähr
"""

_NUMBER = """
zero one two three four five six seven eight nine ten eleven twelve dozen twenty thirty forty fifty sixty seventy eighty
ninety hundred thousand million billion first second third fourth fifth half quarter double triple twice once both all
every each any some most few many several more less fewer null eins ein zwei drei vier fünf sechs sieben acht neun zehn
elf zwölf zwanzig dreißig hundert tausend erste ersten zweite zweiten dritte dritten halb doppelt alle jeder einige
mehr weniger viele wenige
"""

_DATE = """
today yesterday tomorrow tonight morning afternoon evening night noon midnight day days week weeks month months year
years hour hours minute minutes before after since until till next last previous ago earlier later now soon daily weekly
monthly yearly monday tuesday wednesday thursday friday saturday sunday january february march april may june july
august september october november december spring summer autumn winter weekdays weekends heute gestern morgen vorgestern
übermorgen tag tage tagen woche wochen monat monate monaten jahr jahre jahren stunde stunden minute minuten vor nach
seit bis nächste nächsten letzte letzten montag dienstag mittwoch donnerstag freitag samstag sonntag januar februar märz
mai juni juli oktober dezember täglich wöchentlich monatlich
"""

_UNIT = """
kg g mg lb lbs oz km m cm mm mi mile miles ft feet inch inches l ml s ms us ns h min kb mb gb tb kib mib gib hz khz mhz
ghz w kw kwh usd eur gbp chf euro euros dollar dollars pound pounds franken percent prozent celsius fahrenheit
% ‰ $ € £ ¥ °
"""

_DIRECTION = """
up down out off over under left right north south east west into from above below enable enabled enables disable
disabled disables allow allowed allows deny increase increased increases decrease decreased decreases rise fall
start started starts stop stops open opened closed close win lose won lost accept accepted accepts reject rejected
rejects add added remove removed buy sell bought sold true false yes minimum maximum least
links rechts oben unten ein aus an ab ja
"""

PROTECTED = {
    "negation": frozenset(_NEGATION.split()),
    "mode": frozenset(_MODE.split()),
    "number": frozenset(_NUMBER.split()),
    "date": frozenset(_DATE.split()),
    "unit": frozenset(_UNIT.split()),
    "direction": frozenset(_DIRECTION.split()),
}
"""By what a difference in one of the words is called."""
