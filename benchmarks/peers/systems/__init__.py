"""One module a system, imported only by a worker in that system's own environment.

Each has ``PACKAGES`` (whose versions are reported), ``watch`` (put a watch on its embedder), ``reads`` (tokens its
model reads of a text), and the three parts:

- ``ingest(settings, root, proof, ready)`` reads a folder of files, calls ``ready`` as soon as a query over all of it
  was answered, and returns the number of chunks;
- ``load(settings, records)`` stores precomputed vectors and returns searches by case, or why a case is not offered;
- ``index(settings, documents)`` indexes (id, text, title) and returns a search that gives document ids, best first.
"""
