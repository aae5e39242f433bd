#!/bin/sh
# Ingest README.md and docs/ into .tercet-demo, then answer three searches and a question: the whole way through the real command.
#
#   scripts/demo.sh TERCET
set -eu

tercet=$1
TERCET_MEMORY=.tercet-demo
export TERCET_MEMORY

run() {
    printf '\n$ tercet'
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_./=-]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "$tercet" "$@"
}

run ingest README.md
run ingest docs/
run search "how is a score computed" --limit 2
run search "what happens when a file vanishes from a folder" --limit 2
run search "DocumentFilter as_of" --limit 2 --explain
run ask "What does a scope say?"
run runs list
printf '\nThe memory is in %s; try:  %s search "your question" --memory %s\n' "$TERCET_MEMORY" "$tercet" "$TERCET_MEMORY"
