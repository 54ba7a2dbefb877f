/* What the parts of the tracer share: a target is a container, an attachment one process tree in it, a source a way
 * to see what they do. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "set.h"

enum { OPENS, LOOKUPS };                             /* of sources */
#define SOURCES 4                                    /* that a target has, at most */

struct target;

/* One process that waits in its gate, and all that it starts. */
struct attachment {
    struct attachment *next;
    pid_t gate;                                      /* 0 until it is found */
    int alive;                                       /* its pidfd; -1 until then, and where it was gone already */
    enum { SEEKING, ATTACHING, RELEASED, ENDED } state;     /* ended: in its gate, so nothing of it ran */
    bool seen[SOURCES];                              /* the gate's marker came through that one of the sources */
    long deadline;                                   /* of the release, ms */
    struct strace *strace;
    struct notify *notify;
};

enum belonging { UNSURE, OURS, FOREIGN };             /* ours: the container's */

/* What a source does; none but name, kind, able and read is needed (NULL). */
struct source {
    const char *name;
    int kind;                                        /* OPENS or LOOKUPS */
    bool (*able)(char *why, size_t size);            /* whether it can work here, else why not */
    bool (*start)(struct target *);                  /* begins to watch; false with errno where it cannot */
    bool (*attach)(struct target *, struct attachment *);   /* begins to follow a process that waits in its gate */
    bool (*join)(struct target *);                   /* begins to follow all that runs already; false with errno */
    void (*detach)(struct target *);                 /* sees nothing of it any more, which goes on untouched */
    void (*step)(struct target *, unsigned);         /* what happens from now on counts for another step */
    size_t (*polled)(const struct target *, struct pollfd *, size_t);   /* what to wait for; returns how many */
    void (*mounted)(struct target *);                /* something was mounted or unmounted */
    void (*read)(struct target *);                   /* reports all that was queued when it was called */
    bool (*proves)(struct target *);                 /* whether it sees a lookup that we make now */
    enum belonging (*belongs)(struct target *, pid_t, bool executes);   /* whose the process was as it did that */
    bool (*ended)(struct target *);                  /* after the container: whether the last of it was read and proved */
    void (*stop)(struct target *);                   /* frees what it keeps of the target and its attachments */
};

struct target {
    struct target *next;
    unsigned id, step, next_step;                    /* of the workload; the next begins once it is quiet */
    long asked, heard;                               /* when that was asked for, and something new was told last, ms */
    pid_t pid;                                       /* of the container's first process, as the host counts */
    int alive;                                       /* its pidfd: readable once it is gone */
    int mounts;                                      /* its mountinfo: POLLPRI once that changed */
    size_t at;                                       /* where its mountinfo is in what is polled; 0: nowhere */
    int root;                                        /* its root directory: there as long as we hold it */
    int unwatched;                                   /* errno that says why it is not watched; 0: it is */
    bool late;                                       /* it ran already: there is no gate in it */
    bool stopped;                                    /* it goes on, and is not watched any more */
    bool gone;
    bool started;                                    /* and only lookups of its start are wanted: they are not seen now */
    bool whole;                                      /* the root's file system is marked, not only its mounts */
    bool unshared;                                   /* a process has a mount namespace of its own; strace.py sees that itself */
    unsigned volumes;                                /* mounts with files of its own, besides the root */
    char cgroup[512];                                /* first line of /proc/PID/cgroup */
    struct set reasons;
    unsigned long events, dropped, lines;            /* of files opened; those that were not its own; of strace */
    const struct source *sources[SOURCES];           /* the rest is NULL */
    bool drained[SOURCES];                           /* that source told all, after the end */
    struct attachment *attachments;
    struct mounts *found_mounts;
    struct fanotify *fanotify;
    struct inotify *inotify;
    struct ebpf *ebpf;
    struct repeats *repeats;
    struct set told;                                 /* by notify */
    unsigned long mount_namespace;                   /* the container's; 0 until it is known */
    long filters;                                    /* that each of its processes has, with ours; as notify counts */
};

extern const struct source fanotify, inotify, ebpf, strace, notify;
extern struct target *targets;

/* frames.c: what is told, and helpers of the sources */
long now(void);
void report(char type, unsigned target, const void *bytes, size_t length);
void report_access(struct target *target, const char *program, const char *source, const char *how, int error,
                   const char *base, const char *asked);
void incomplete(struct target *target, const char *format, ...) __attribute__((format(printf, 2, 3)));
void open_root(const struct target *target);
size_t poll_one(int file, struct pollfd *polls, size_t size);
size_t read_file(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t read_link(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* told.c: what was told already */
bool is_untold(const struct target *target, char type, const char *bytes, size_t length);

/* backend.c: which sources a target gets */
bool choose(const char *name);
bool choose_lookups(const char *which);
void give_sources(struct target *target);
bool has_source(const struct target *target, const struct source *source);
bool sees_lookups(const struct target *target);
void end_start(struct target *target);
bool is_attached(const struct target *target, const struct source *source);

/* gates.c: processes that wait, from their discovery to their release */
bool has_ended(int alive);
int watch(struct target *target, pid_t pid);
bool ended_in_gate(const struct attachment *attachment);
struct attachment *attach(struct target *target, pid_t gate);
void seek_gates(struct target *target);
void advance(struct target *target, struct attachment *attachment);
void marked(struct target *target, struct attachment *attachment, const struct source *source);
bool is_gate(pid_t pid);

/* running.c: containers that run already */
bool in_cgroup(const struct target *target, const char *line);
void each_process(struct target *target, void (*act)(struct target *, pid_t, void *), void *context);
void each_thread(struct target *target, pid_t pid, void (*act)(struct target *, pid_t, void *), void *context);
void join(struct target *target);

/* fanotify.c: who opened what */
bool mark_mount(struct target *target, const char *point);

/* mounts.c: where its files can be reached */
bool mark_mounts(struct target *target);
bool original_path(struct target *target, pid_t pid, unsigned long mount, char *path, size_t size);
void mounts_free(struct target *target);

/* programs.c: which program a process runs, told by what it executed */
struct programs *programs_new(void);
void program_is_gate(struct programs *programs, pid_t pid);
void program_runs(struct programs *programs, pid_t pid);
bool is_foreign(struct target *target, struct programs *programs, pid_t pid, bool executed);
bool is_script(int file);
const char *program_of(struct programs *programs, pid_t pid);
const char *program_executed(struct programs *programs, pid_t pid, int file, const char *path);
void programs_free(struct programs *programs);

/* notify.c: what is asked for before it happens */
long filters_of(const char *status);
bool is_filtering(const struct attachment *attachment);

/* repeats.c: which lines of strace say nothing new */
bool is_new(struct target *target, const char *line, size_t length);
void repeats_free(struct target *target);
