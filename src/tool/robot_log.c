/*
 * robot_log: a generated day of a patrolling robot, for the demo.
 *
 * No robot made this log: the program draws it from a seed, and every line says "generated": true.
 * The robot r2 drives a fixed round through six places; about every 20 seconds it notes what it
 * sees there, sometimes it bumps into something, and at the dock it charges. What it sees are
 * concepts of the word net slice, named by their first lemma, so that the log can be joined with
 * the relations.
 *
 * usage: robot_log OUT CONCEPTS   (CONCEPTS: lines of id, first lemma, lemmas, gloss)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { EVENTS = 4000, SEEN_MAX = 8, LINE_BYTES = 8192 };

struct place {
    const char *name;
    double x, y; /* metres */
    const char *seen[SEEN_MAX];
    int64_t concept[SEEN_MAX];
};

static struct place places[] = {
    {"kitchen",
     2.0,
     6.5,
     {"kitchen table", "frying pan", "spatula", "apple", "orange", "lemon"},
     {0}},
    {"living room", 7.5, 6.0, {"sofa", "armchair", "bookcase", "chair", "beagle"}, {0}},
    {"bedroom", 12.0, 6.5, {"bed", "wardrobe", "lamp", "pug"}, {0}},
    {"workshop", 12.5, 1.0, {"hammer", "wrench", "drill", "pliers", "stool", "screwdriver"}, {0}},
    {"study", 7.0, 1.5, {"desk", "laptop", "monitor", "chair", "personal computer"}, {0}},
    {"dock A", 1.0, 1.0, {"computer", "table", "poodle"}, {0}},
};
enum { PLACES = sizeof places / sizeof places[0] };

/* xorshift64*: the same seed gives the same day. */
static uint64_t state = UINT64_C(0x6d6e656d65);

static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % below;
}

static void concept_found(const char *lemma, int64_t id)
{
    for (int p = 0; p < PLACES; p++) {
        for (int s = 0; s < SEEN_MAX && places[p].seen[s]; s++) {
            if (strcmp(places[p].seen[s], lemma) == 0 && !places[p].concept[s]) {
                places[p].concept[s] = id;
            }
        }
    }
}

static int concepts_read(const char *path)
{
    char line[LINE_BYTES];
    FILE *in = fopen(path, "r");

    if (!in) return 0;
    while (fgets(line, sizeof line, in)) {
        char *lemma = strchr(line, '\t'), *end = lemma ? strchr(lemma + 1, '\t') : NULL;

        if (!end) continue;
        *end = '\0';
        concept_found(lemma + 1, strtoll(line, NULL, 10));
    }
    fclose(in);
    for (int p = 0; p < PLACES; p++) {
        for (int s = 0; s < SEEN_MAX && places[p].seen[s]; s++) {
            if (places[p].concept[s]) continue;
            fprintf(stderr, "robot_log: no concept \"%s\" in %s\n", places[p].seen[s], path);
            return 0;
        }
    }
    return 1;
}

static const char *event_text(const struct place *at, int seen, char *text, size_t size_bytes)
{
    if (seen >= 0) {
        snprintf(text, size_bytes, "sees a %s in the %s", at->seen[seen], at->name);
        return "observation";
    }
    if (strcmp(at->name, "dock A") == 0) {
        snprintf(text, size_bytes, "charging at %s", at->name);
        return "charge";
    }
    snprintf(text, size_bytes, "bumps into something in the %s", at->name);
    return "bump";
}

static void event_write(FILE *out, int id, time_t at, double battery)
{
    const struct place *place = &places[(id / 12) % PLACES];
    int count = 0, seen;
    char text[128], when[32];
    const char *kind;
    struct tm utc;

    while (count < SEEN_MAX && place->seen[count]) count++;
    seen = draw(12) == 0 ? -1 : (int)draw((uint32_t)count);
    kind = event_text(place, seen, text, sizeof text);
    gmtime_r(&at, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    fprintf(out, "{\"id\":%d,\"generated\":true,\"robot\":\"r2\",\"at\":\"%s\",\"kind\":\"%s\",",
            id + 1, when, kind);
    fprintf(out, "\"place\":\"%s\",\"x\":%.2f,\"y\":%.2f,\"battery\":%.3f,", place->name,
            place->x + draw(100) / 100.0, place->y + draw(100) / 100.0, battery);
    if (seen >= 0) fprintf(out, "\"concept\":%" PRId64 ",", place->concept[seen]);
    fprintf(out, "\"body\":\"%s\"}\n", text);
}

int main(int argc, char **argv)
{
    time_t at = 1795161600; /* 2026-11-20T08:00:00Z */
    double battery = 1.0;
    FILE *out;

    if (argc != 3 || !concepts_read(argv[2])) return 1;
    out = fopen(argv[1], "w");
    if (!out) return 1;
    for (int id = 0; id < EVENTS; id++) {
        at += 5 + (time_t)draw(31);
        battery = (id / 12) % PLACES == PLACES - 1 ? 1.0 : battery - 0.002 - draw(100) / 50000.0;
        event_write(out, id, at, battery);
    }
    return fclose(out) == 0 ? 0 : 1;
}
