/* What the parts of the notify source share. */
#pragma once

#include <linux/seccomp.h>

#include "lookups.h"
#include "tracer.h"

struct notify {                                      /* of an attachment */
    int listener;                                    /* -1 before and after there is one */
    bool over;                                       /* nobody can ask any more */
    bool unprivileged;                               /* no_new_privs was set anyway, not only for our filter */
};

/* notify_calls.c: what a call is about */
void notify_call(struct target *target, struct attachment *a, pid_t thread, const struct seccomp_data *data);

/* caller.c: the thread that waits for an answer */
struct caller {
    pid_t thread;
    char program[4096], root[4096];                  /* their paths; a root of "/" is "" */
    bool elsewhere;                                  /* its root is none of the container's */
};

bool caller_is(struct caller *caller, struct target *target, pid_t thread);
size_t caller_bytes(const struct caller *caller, __u64 address, void *bytes, size_t size);
bool caller_string(const struct caller *caller, __u64 address, char *text, size_t size);
bool caller_directory(const struct caller *caller, int descriptor, char *path, size_t size);
int caller_socket(const struct caller *caller, int descriptor);
int caller_opens(const struct target *target, const struct caller *caller, const char *base, const char *asked, bool last);
bool caller_gains(const struct caller *caller, int program);
