/* Which sources there are, and which of them a spec's `trace: backend:` stands for here. */
#include <stdio.h>

#include "tracer.h"

static const struct backend {
    const char *name;
    const struct source *sources[KINDS][2];          /* of each kind the first that is able; none wanted: empty */
} backends[] = {
    {"auto", {{&fanotify, &inotify}, {&ebpf, &strace}}},
    {"ebpf", {{&fanotify, &inotify}, {&ebpf}}},
    {"strace", {{&fanotify, &inotify}, {&strace}}},
    {"fanotify", {{&fanotify}, {NULL}}},
    {"inotify", {{&inotify}, {NULL}}},
};

static const struct source *chosen[KINDS];

/* The first of two that can work here, or NULL; `why` grows by the reasons of those that cannot. */
static const struct source *first_able(const struct source *const *sources, char *why, size_t size)
{
    for (int i = 0; i < 2 && sources[i]; i++) {
        char reason[256] = "";
        if (!sources[i]->able || sources[i]->able(reason, sizeof reason))
            return sources[i];
        size_t length = strlen(why);
        snprintf(why + length, size - length, "%s%s cannot be used here: %s", length ? "; " : "", sources[i]->name, reason);
    }
    return NULL;
}

static const char *name_of(const struct source *source)
{
    return source ? source->name : "none";
}

/* Takes the sources of a backend and tells by a frame B which: "OPENS LOOKUPS WHY", or "none none WHY" where it cannot
 * be had. Returns false for a name that is none. */
bool choose(const char *name)
{
    char why[1024] = "", text[1100];
    const struct backend *backend = NULL;
    bool possible = true;

    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (!strcmp(backends[i].name, name))
            backend = &backends[i];
    if (!backend)
        return false;
    for (int kind = 0; kind < KINDS; kind++) {
        chosen[kind] = first_able(backend->sources[kind], why, sizeof why);
        possible &= chosen[kind] || !backend->sources[kind][0];
    }
    if (!*why)
        snprintf(why, sizeof why, "%s", strcmp(name, "auto") ? "the spec says so" : "they can be used here");
    int length = snprintf(text, sizeof text, "%s %s %s", possible ? name_of(chosen[OPENS]) : "none",
                          possible ? name_of(chosen[LOOKUPS]) : "none", why);
    report('B', 0, text, (size_t)length);
    return true;
}

void give_sources(struct target *target)
{
    for (int kind = 0; kind < KINDS; kind++)
        target->sources[kind] = chosen[kind];
}
