#!/bin/sh
# The demo: makes a file, loads it, asks it, opens it again. usage: demo.sh MNEME LOG FILE
set -eu
mneme=$1 log=$2 file=$3
cd "$(dirname "$0")"

# Each question is a new process: it opens the file, answers and closes it.
ask() {
    printf '\n%s\n\n%s\n\n' "== $1" "$2"
    "$mneme" "$file" --mode box -c "$2"
}

rm -f "$file"
echo "== load: word vectors, word net relations, and a generated robot log of one day"
"$mneme" "$file" --timer --param "log='$log'" -f load.sql

ask 'vector: which words are near "wrench"?' \
    "SELECT text, similarity FROM word
NEAREST 6 TO (SELECT embedding FROM word WHERE text = 'wrench');"

ask 'time: how was the afternoon, hour by hour?' \
    "SELECT time_bucket(1h, at) AS hour, count(*) AS events,
       count(*) FILTER (WHERE kind = 'bump') AS bumps, min(battery) AS battery
FROM observation
WHERE at >= '2026-11-20T12:00:00Z' AND at < '2026-11-20T18:00:00Z'
GROUP BY hour ORDER BY hour;"

ask 'state: what did the robot note last in each place?' \
    "SELECT place, at, body FROM observation LATEST 1 BY place;"

ask 'relation: what is an armchair, step by step?' \
    "SELECT path_length(p) AS steps, c.lemma, c.gloss
FROM MATCH p = (a:concept WHERE a.lemma = 'armchair')-[:is_a]->{1,6}(c:concept)
ORDER BY steps;"

all="SELECT o.at, o.place, c.lemma, similarity
FROM MATCH (f:concept WHERE f.lemma = 'furniture')<-[:is_a]-*(c:concept)
     <-[:saw]-(o:observation WHERE o.at >= '2026-11-20T12:00:00Z' AND o.at < '2026-11-20T13:00:00Z')
NEAREST 5 BY c.embedding TO (SELECT embedding FROM word WHERE text = 'chair');"

ask 'all at once: which furniture, seen from noon to one, is nearest to "chair"?' "$all"
printf '\n== its plan\n\n'
"$mneme" "$file" -c "EXPLAIN $all"

printf '\n== the file, opened again: every page and index checked\n\n'
"$mneme" check "$file"
printf '\nThe file is %s\nGo on at the prompt: %s %s\n' "$file" "$mneme" "$file"
