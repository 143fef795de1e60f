#!/bin/sh
# Programs quoted in the documents are the files in examples/, word for word. Usage: quotes.sh PROJECT
set -eu
cd "$1"
status=0
for page in README.md docs/guide.md; do
  awk -v program=examples/first_list.c '
    BEGIN { while ((getline line < program) > 0) want = want line "\n" }
    /^```c$/ { inside = 1; block = ""; next }
    /^```$/ { if (inside && block == want) found = 1; inside = 0; next }
    inside { block = block $0 "\n" }
    END { exit !found }' "$page" || { echo "$page does not quote examples/first_list.c as it is"; status=1; }
done
exit $status
