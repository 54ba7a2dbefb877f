/* tracer: traces containers from a container of its own that sees the host's processes (--pid=host).
 *
 * Standard input has lines:
 *   backend NAME       once, before all others: which sources to use (backend.c); answered by a frame B
 *   lookups WHICH      all (unless said otherwise) or startup: until the first step after a container's start
 *   trace ID PID STEP  the container whose first process PID waits in its gate; what it does counts for that step
 *   join ID PID        the container of process PID, which runs already: see running.c
 *   stop ID            it goes on, and nothing of it is told any more: D is next
 *   step ID STEP       it counts for this one from when the container is QUIET_MS quiet, or BUSY_MS after the command
 * Standard output is a stream of frames: type (1 byte), 0, ID (2 bytes), length (4 bytes), and that many bytes,
 * fields separated by NUL:
 *   B  (ID 0) the sources that are used and why: "OPENS LOOKUPS WHY"; "none none WHY" where they cannot be had
 *   A  a path that was used: STEP PROGRAM SOURCE HOW ERRNO BASE ASKED; PROGRAM and BASE may be empty
 *   S  a line of strace: STEP LINE
 *   M  a part of the root that was mounted at another place: POINT SOURCE, where the files below POINT really are
 *   N  the step that was begun
 *   R  the host's number of a process that was let go by its gate: from now on it runs; or that was joined: from now
 *      on all is seen
 *   K  the host's number of a process that ended in its gate, killed perhaps with its container: nothing of it ran
 *   E  why the trace of that container is not complete
 *   D  the container is gone, or stopped, and all that it did was reported: "NAME=VALUE ...", counters
 * Ends when standard input does, so nothing is left when whoever started it dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tracer.h"

/* What a step sets off may go on after it, as a reload does: the next begins when nothing new happened for a while. */
#define QUIET_MS 50
#define BUSY_MS 500

struct target *targets;

static struct target *start(unsigned id, pid_t pid, unsigned step)
{
    struct target *new = calloc(1, sizeof *new);
    char path[64];

    if (!new)
        abort();
    *new = (struct target){.next = targets, .id = id, .step = step, .next_step = step, .pid = pid};
    targets = new;
    snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
    new->mounts = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    new->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    new->alive = watch(new, pid);
    read_file(new->cgroup, sizeof new->cgroup, "/proc/%d/cgroup", pid);
    new->cgroup[strcspn(new->cgroup, "\n")] = 0;
    if (new->mounts < 0 || new->root < 0)
        new->unwatched = errno;
    give_sources(new);
    for (int i = 0; i < SOURCES; i++) {
        const struct source *source = new->sources[i];
        if (source && source->start && !source->start(new))
            new->unwatched = errno;
    }
    return new;
}

static void read_sources(struct target *target)
{
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i])
            target->sources[i]->read(target);
}

static struct target *known(unsigned id)
{
    struct target *target = targets;
    while (target && target->id != id)
        target = target->next;
    return target;
}

static void ask_step(struct target *target, unsigned step)
{
    target->next_step = step;
    target->asked = now();
}

static void begin_step(struct target *target)
{
    char text[16];
    long time = now();

    if (time < target->asked + BUSY_MS && (time < target->asked + QUIET_MS || time < target->heard + QUIET_MS))
        return;
    read_sources(target);
    end_start(target);
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] && target->sources[i]->step)
            target->sources[i]->step(target, target->next_step);
    target->step = target->next_step;
    report('N', target->id, text, (size_t)snprintf(text, sizeof text, "%u", target->step));
}

static void obey(const char *line)
{
    unsigned id, step;
    int pid;
    char word[32];

    if (sscanf(line, "trace %u %d %u", &id, &pid, &step) == 3)
        attach(start(id, pid, step), 0);
    else if (sscanf(line, "join %u %d", &id, &pid) == 2) {
        struct target *target = start(id, pid, 0);
        target->late = true;
        join(target);
    } else if (sscanf(line, "step %u %u", &id, &step) == 2) {
        if (known(id))                               /* else it is gone by now */
            ask_step(known(id), step);
    } else if (sscanf(line, "stop %u", &id) == 1) {
        if (known(id))
            known(id)->stopped = true;
    } else if (!(sscanf(line, "backend %31s", word) == 1 && choose(word))
               && !(sscanf(line, "lookups %31s", word) == 1 && choose_lookups(word))) {
        fprintf(stderr, "not understood: %s\n", line);
        exit(2);
    }
}

static void commands(void)
{
    static char buffer[4096];
    static size_t length;
    ssize_t got = read(0, buffer + length, sizeof buffer - 1 - length);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        exit(0);
    buffer[length += (size_t)got] = 0;
    for (char *end; (end = strchr(buffer, '\n')); ) {
        *end = 0;
        obey(buffer);
        length -= (size_t)(end + 1 - buffer);
        memmove(buffer, end + 1, length + 1);
    }
}

static void mounts_changed(struct target *target)
{
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] && target->sources[i]->mounted)
            target->sources[i]->mounted(target);
}

/* The container's first process is gone, so all others are; what it did may still be in the queues. A source that has
 * come to its end is not asked again: it made its last lookup. */
static bool is_drained(struct target *target)
{
    bool all = true;

    for (int i = 0; i < SOURCES; i++) {
        const struct source *source = target->sources[i];
        target->drained[i] = target->drained[i] || !source || !source->ended || source->ended(target);
        all &= target->drained[i];
    }
    return all;
}

static void finish(struct target *target)
{
    char text[256];
    int length = snprintf(text, sizeof text, "events=%lu dropped=%lu lines=%lu volumes=%u unshared=%d marks=%s",
                          target->events, target->dropped, target->lines, target->volumes, target->unshared,
                          target->whole ? "filesystem" : "mounts");

    report('D', target->id, text, (size_t)length);
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] && target->sources[i]->stop)
            target->sources[i]->stop(target);
    close(target->alive);
    close(target->mounts);
    close(target->root);
    for (struct attachment *a = target->attachments, *next; a; a = next) {
        next = a->next;
        close(a->alive);
        free(a);
    }
    set_free(&target->reasons);
    for (struct target **link = &targets; *link; link = &(*link)->next)
        if (*link == target) {
            *link = target->next;
            break;
        }
    free(target);
}

/* One array for all: poll(2) passes over negative descriptors and clears their revents. */
static size_t watched(struct pollfd *polls, size_t size)
{
    size_t n = 0;
    polls[n++] = (struct pollfd){0, POLLIN, 0};
    for (struct target *t = targets; t; t = t->next) {
        t->at = n + 2 <= size ? n : 0;
        if (t->at) {
            polls[n++] = (struct pollfd){t->gone ? -1 : t->mounts, POLLPRI, 0};
            polls[n++] = (struct pollfd){t->gone ? -1 : t->alive, POLLIN, 0};
        }
        for (int i = 0; i < SOURCES; i++)
            if (t->sources[i] && t->sources[i]->polled)
                n += t->sources[i]->polled(t, polls + n, size - n);
    }
    return n;
}

static int sooner(int ms, int than)
{
    return than < 0 || (ms >= 0 && ms < than) ? ms : than;
}

/* How long poll may sleep, ms: a gate that is about to start can only be asked for, and quiet does not tell of itself. */
static int patience(void)
{
    int ms = -1;
    for (struct target *t = targets; t; t = t->next) {
        if (t->step != t->next_step)
            ms = sooner(ms, QUIET_MS / 5);
        for (struct attachment *a = t->attachments; a; a = a->next)
            if (a->state < RELEASED)
                ms = sooner(ms, a->state == SEEKING || is_filtering(a) ? 2 : 100);
    }
    return ms;
}

/* `mounted`: poll(2) tells of a change once. */
static void serve(struct target *target, bool mounted)
{
    /* Asked before the queues are read: what comes after the end is certainly nothing. */
    target->gone |= has_ended(target->alive);
    if (mounted && !target->gone)
        mounts_changed(target);
    target->gone |= target->stopped;
    read_sources(target);
    for (struct attachment *a = target->attachments; a && !target->gone; a = a->next)
        advance(target, a);
    if (target->step != target->next_step)
        begin_step(target);
    if (target->gone && is_drained(target))
        finish(target);
}

int main(void)
{
    static char output[1 << 16];
    static struct pollfd polls[4096];

    setvbuf(stdout, output, _IOFBF, sizeof output);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        if (fflush(stdout))
            return 1;
        size_t n = watched(polls, sizeof polls / sizeof *polls);
        if (poll(polls, n, patience()) < 0 && errno != EINTR)
            return 1;
        if (polls[0].revents)
            commands();
        for (struct target *t = targets, *next; t; t = next) {
            next = t->next;
            serve(t, t->at && polls[t->at].revents);
        }
    }
}
