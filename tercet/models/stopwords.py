"""Function words that carry no topic, by Snowball language. Written for this project; only English has a list."""

from __future__ import annotations

_ENGLISH = """
a an the this that these those such
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
it its itself they them their theirs themselves one's who whom whose which what
am is are was were be been being do does did doing done have has had having
can could may might must shall should will would ought
and or but nor if then else than because so as while though although unless until whether
of at by for with about against between into through during before after above below to from up down in out on off
over under upon within without toward towards via per
not no only own same too very just also again further once here there when where why how
all any both each few more most other some
i'm i've i'll i'd you're you've you'll you'd he's he'll he'd she's she'll she'd it's it'll we're we've we'll we'd
they're they've they'll they'd that's that'll there's here's what's where's when's who's how's let's
isn't aren't wasn't weren't don't doesn't didn't haven't hasn't hadn't can't cannot couldn't mustn't shan't shouldn't
won't wouldn't mightn't needn't
"""

STOP_WORDS = {"english": frozenset(_ENGLISH.split())}
