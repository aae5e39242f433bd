"""Generated conversations of about 5,000 tokens with planted facts and decisions, in three styles."""

from __future__ import annotations

import random

from tercet.retrieval.history import Utterance

PROJECT = (
    ("Let me think this through step by step. ", "Good point, thanks. ", "I see, that could work in general. "),
    (
        "On the one hand a queue might smooth out the load, on the other hand it could hide slow consumers from us.",
        "One option is to consider how teams usually approach this, as the trade-offs depend on many small things.",
        "I wonder whether the usual advice applies here, since most guides assume a much larger group of people.",
        "It might be worth exploring what happens when the cache grows cold and every request falls through to disk.",
        "Generally speaking, simple designs age better than clever ones, although it depends on who maintains them.",
        "Would you like me to compare the alternatives in more detail before we continue with the plan?",
        "Perhaps the retries could back off a little longer, so that a slow neighbour gets the time to recover.",
        "Thinking about observability, I guess that dashboards help only when somebody looks at them regularly.",
    ),
    (
        ("We decided to store events in PostgreSQL 16.", "PostgreSQL 16"),
        ("The staging server is called heron-02.", "heron-02"),
        ("Priya owns the billing migration.", "Priya"),
        ("The launch deadline is 14 March 2027.", "14 March 2027"),
        ("Our budget for hosting is $4,200 per month.", "$4,200"),
        ("Let's go with gRPC for the internal API.", "gRPC"),
        ("Please never deploy on Fridays.", "Fridays"),
        ("The flag `--dry-run` must stay the default.", "--dry-run"),
        ("I prefer tabs over spaces in the Makefile.", "tabs over spaces"),
        ("We rejected Kafka because of its upkeep.", "Kafka"),
    ),
)
SUPPORT = (
    ("Hi! ", "Of course, happy to help. ", "Hmm, interesting. ", "Sure. "),
    (
        "That kind of message could have many causes, and it depends on what else is running on the machine.",
        "Let me walk you through how such problems are usually narrowed down before we touch anything at all.",
        "Maybe the network was busy for a moment, which might explain why it went away on its own afterwards.",
        "Did you have a chance to look at the page that opens when the light starts blinking?",
        "I suppose that restarting helps in most cases, though it is arguably a way of not knowing the reason.",
        "Thanks for your patience while I think about what could be behind this strange behaviour of the thing.",
        "Some people find it easier to begin at the other end and work their way back to the wall socket.",
    ),
    (
        ("My order number is TX-88213.", "TX-88213"),
        ("The router is an Archer C7 with firmware 3.15.3.", "3.15.3"),
        ("The error code on the display is E4012.", "E4012"),
        ("I live in Gothenburg.", "Gothenburg"),
        ("We agreed to replace the power supply.", "replace the power supply"),
        ("The technician comes on Tuesday at 10:30.", "10:30"),
        ("My phone number is +46 31 555 0199.", "555 0199"),
        ("I will send the refund of 39.90 EUR by Friday.", "39.90"),
        ("Please don't call before noon, I work nights.", "before noon"),
    ),
)
GERMAN = (
    ("Danke, klar. ", "Mal sehen. ", "Hallo! ", "Stimmt. "),
    (
        "Grundsätzlich könnte man auch mit dem Zug fahren, aber das kommt darauf an, wie viel Zeit wir uns lassen.",
        "Einerseits klingt das gemütlich, andererseits ist es am Abend dort vielleicht schon ziemlich voll.",
        "Ich denke, dass solche Reisen immer auch ein wenig davon leben, dass nicht alles vorher feststeht.",
        "Lass mich überlegen, was andere in so einer Lage machen und ob uns das überhaupt weiterhilft.",
        "Hast du eigentlich schon gehört, wie es den beiden im letzten Sommer dort gefallen hat?",
        "Vielleicht wäre ein ruhiger Ort schöner, wobei man dort abends auch nicht so viel unternehmen kann.",
        "Ich glaube, das Wetter spielt am Ende eine kleinere Rolle, als wir uns das jetzt ausmalen.",
    ),
    (
        ("Wir haben entschieden, nach Triest zu fahren.", "Triest"),
        ("Das Hotel heißt Albergo Nerva.", "Albergo Nerva"),
        ("Die Reservierung hat die Nummer K7-4491.", "K7-4491"),
        ("Wir fahren am 12. Mai 2027 los.", "12. Mai 2027"),
        ("Das Zimmer kostet 118 € pro Nacht.", "118 €"),
        ("Jana ist gegen Nüsse allergisch.", "Nüsse"),
        ("Ich sitze am liebsten am Fenster.", "Fenster"),
        ("Wir nehmen den Mietwagen, nicht die Bahn.", "Mietwagen"),
        ("Die Unterlagen müssen spätestens am Freitag bei Olaf sein.", "Olaf"),
    ),
)
STYLES = {"project": PROJECT, "support": SUPPORT, "german": GERMAN}


def conversation(style: str, seed: int, *, length: int = 20_000) -> tuple[list[Utterance], list[str]]:
    """Turns of ``length`` code points in all, and the strings that must survive."""
    openers, reasoning, planted = STYLES[style]
    source = random.Random(seed)
    texts: list[str] = []
    while sum(map(len, texts)) < length:
        said = source.sample(reasoning, k=source.randint(2, 4))
        texts.append(source.choice(openers) + " ".join(said))
    for place, (fact, _) in zip(source.sample(range(len(texts)), k=len(planted)), planted, strict=True):
        before, _, after = texts[place].partition(". ")
        texts[place] = f"{before}. {fact} {after}"
    turns = [
        Utterance(id=f"t{number}", speaker=("Ada", "Bot")[number % 2], text=text) for number, text in enumerate(texts)
    ]
    return turns, [value for _, value in planted]
