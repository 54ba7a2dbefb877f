/* Which sources there are, and which of them a spec's `trace: backend:` stands for here. */
#include <stdio.h>

#include "tracer.h"

static const struct backend {
    const char *name;
    const struct source *sources[SOURCES][3];        /* of each row the first that is able */
} backends[] = {
    {"auto", {{&fanotify, &inotify}, {&ebpf, &notify, &strace}}},
    {"recorder", {{&fanotify, &inotify}, {&ebpf}}},   /* `auto` for what runs already: strace would hold it up */
    {"ebpf", {{&fanotify, &inotify}, {&ebpf}}},
    {"notify", {{&fanotify, &inotify}, {&notify}}},
    {"strace", {{&fanotify, &inotify}, {&strace}}},
    {"fanotify", {{&fanotify}}},
    {"inotify", {{&inotify}}},
    {"all", {{&fanotify}, {&inotify}, {&ebpf}, {&strace}}},    /* to compare them */
};

static const struct source *chosen[SOURCES];
static bool only_start;

/* The first of them that can work here, or NULL; `why` grows by the reasons of those that cannot. */
static const struct source *first_able(const struct source *const *sources, char *why, size_t size)
{
    for (int i = 0; i < 3 && sources[i]; i++) {
        char reason[256] = "";
        if (!sources[i]->able || sources[i]->able(reason, sizeof reason))
            return sources[i];
        size_t length = strlen(why);
        snprintf(why + length, size - length, "%s%s cannot be used here: %s", length ? "; " : "", sources[i]->name, reason);
    }
    return NULL;
}

/* The names of the chosen sources of a kind, between commas; "none" without any. */
static const char *names(int kind, char *text, size_t size)
{
    size_t length = 0;
    *text = 0;
    for (int i = 0; i < SOURCES; i++)
        if (chosen[i] && chosen[i]->kind == kind)
            length += (size_t)snprintf(text + length, size - length, "%s%s", length ? "," : "", chosen[i]->name);
    return length ? text : "none";
}

/* Takes the sources of a backend and tells by a frame B which: "OPENS LOOKUPS WHY", or "none none WHY" where it cannot
 * be had. Returns false for a name that is none. */
bool choose(const char *name)
{
    char why[1024] = "", text[1200], opens[64], lookups[64];
    const struct backend *backend = NULL;
    bool possible = true;

    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++)
        if (!strcmp(backends[i].name, name))
            backend = &backends[i];
    if (!backend)
        return false;
    for (int i = 0; i < SOURCES; i++) {
        chosen[i] = first_able(backend->sources[i], why, sizeof why);
        possible &= chosen[i] || !backend->sources[i][0];
    }
    if (!*why)
        snprintf(why, sizeof why, "%s", strcmp(name, "auto") && strcmp(name, "recorder") ? "the spec says so"
                                                                                        : "they can be used here");
    int length = snprintf(text, sizeof text, "%s %s %s", possible ? names(OPENS, opens, sizeof opens) : "none",
                          possible ? names(LOOKUPS, lookups, sizeof lookups) : "none", why);
    report('B', 0, text, (size_t)length);
    return true;
}

/* Takes which lookups are wanted: all, or those of each container's start. Returns false for a word that is neither. */
bool choose_lookups(const char *which)
{
    only_start = !strcmp(which, "startup");
    return only_start || !strcmp(which, "all");
}

/* The first step after the container's start begins. */
void end_start(struct target *target)
{
    if (!only_start || target->started)
        return;
    target->started = true;
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] && target->sources[i]->detach)
            target->sources[i]->detach(target);
}

/* Whether the source is to see what begins now. */
bool is_attached(const struct target *target, const struct source *source)
{
    return source && has_source(target, source) && !(source->kind == LOOKUPS && target->started);
}

void give_sources(struct target *target)
{
    memcpy(target->sources, chosen, sizeof chosen);
}

bool has_source(const struct target *target, const struct source *source)
{
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] == source)
            return true;
    return false;
}

/* Whether one of its sources tells for certain which process is the child of which, and what it looks for. */
bool sees_lookups(const struct target *target)
{
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] && target->sources[i]->kind == LOOKUPS)
            return true;
    return false;
}
