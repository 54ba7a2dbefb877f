/* What the parts of the tracer share: a target is a container, an attachment one process tree in it under strace. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "set.h"

struct attachment {
    struct attachment *next;
    pid_t gate;                                  /* 0 until it is found */
    int alive;                                   /* its pidfd; -1 until then, and where it was gone already */
    pid_t strace;
    int out, err;                                /* strace's lines, and its complaints; -1 once they ended */
    enum { SEEKING, ATTACHING, RELEASED, ENDED } state; /* ended: in its gate, so nothing of it ran */
    bool seen_by_strace, seen_by_fanotify;       /* the gate's marker came through */
    long deadline;                               /* of the release, ms */
    char *line;                                  /* what came of an unfinished line */
    size_t length, size;
};

struct target {
    struct target *next;
    unsigned id;
    pid_t pid;                                   /* of the container's first process, as the host counts */
    int alive;                                   /* its pidfd: readable once it is gone */
    int opens;                                   /* the fanotify group */
    int mounts;                                  /* its mountinfo: POLLPRI once that changed */
    bool whole;                                  /* the root's file system is marked, not only its mounts */
    bool rooted_elsewhere;                       /* a process changed its root: one string now means several paths */
    int unwatched;                               /* errno that says why its mounts are not watched; 0: they are */
    bool gone;
    char cgroup[512];                            /* first line of /proc/PID/cgroup */
    struct set opened, lines, reasons;
    unsigned long events, dropped, strace_lines;
    struct attachment *attachments;
};

/* tracer.c */
long now(void);
int watch(struct target *target, pid_t pid);
bool has_ended(int alive);
void report(char type, unsigned target, const void *bytes, size_t length);
void incomplete(struct target *target, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t read_file(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t read_link(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* opens.c: who opened what, by fanotify */
bool mark(struct target *target);
void read_opens(struct target *target);

/* attach.c: what was looked at, by strace */
struct attachment *attach(struct target *target, pid_t gate);
void advance(struct target *target, struct attachment *attachment);
void read_lines(struct target *target, struct attachment *attachment);
void read_complaints(struct target *target, struct attachment *attachment);
