/* Which sources there are, and which of them a spec's `trace: backend:` stands for here. */
#include <stdio.h>

#include "tracer.h"

static const struct source *chosen[KINDS] = {&fanotify, &strace};

/* Takes the sources of `backend` and tells which, by a frame: OPENS LOOKUPS WHY; false for a word that is none. */
bool choose(const char *backend)
{
    char why[512] = "the spec says so", text[600];
    bool any = !strcmp(backend, "auto");

    chosen[OPENS] = &fanotify;
    chosen[LOOKUPS] = NULL;
    if (any || !strcmp(backend, "strace")) {
        chosen[LOOKUPS] = &strace;
        if (any)
            snprintf(why, sizeof why, "it works with every kernel");
    } else if (strcmp(backend, "fanotify"))
        return false;
    int length = snprintf(text, sizeof text, "%s %s %s", chosen[OPENS]->name,
                          chosen[LOOKUPS] ? chosen[LOOKUPS]->name : "none", why);
    report('B', 0, text, (size_t)length);
    return true;
}

void give_sources(struct target *target)
{
    for (int kind = 0; kind < KINDS; kind++)
        target->sources[kind] = chosen[kind];
}
