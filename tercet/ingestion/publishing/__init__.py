"""How the generators of documentation sites publish a folder: addresses, titles, navigation, anchors and includes.

Sphinx, MkDocs, Docusaurus and mdBook are recognised by their configuration inside the ingested folder. Nothing of it is
ever executed: what cannot be read as a literal is left at the generator's default.

``find_sites`` tells the rules of every page before anything is parsed. They are plain data that go to the parser
process with the file, and into the hash that decides whether the file has to be taken again. So a change of the
navigation takes the pages again whose own place in it changed, and no others.
"""

from tercet.ingestion.publishing.finding import Sites, find_sites
from tercet.ingestion.publishing.rules import PageRules

__all__ = ["PageRules", "Sites", "find_sites"]
