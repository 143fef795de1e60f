#!/bin/sh
# Programs quoted in the documents are the files in examples/, word for word. Usage: quotes.sh PROJECT
set -eu
cd "$1"
status=0
quotes() {
  awk -v program="examples/$2" '
    BEGIN { while ((getline line < program) > 0) want = want line "\n" }
    /^```c$/ { inside = 1; block = ""; next }
    /^```$/ { if (inside && block == want) found = 1; inside = 0; next }
    inside { block = block $0 "\n" }
    END { exit !found }' "$1" || { echo "$1 does not quote examples/$2 as it is"; status=1; }
}
quotes README.md first_list.c
for program in first_list.c embed.c similar.c recommend.c train.c; do
  quotes docs/guide.md "$program"
done
exit $status
