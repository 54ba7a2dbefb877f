/* tracer: traces containers from a container of its own that sees the host's processes (--pid=host).
 *
 * Standard input has a line "trace ID PID" for each container whose first process PID waits in its gate.
 * Standard output is a stream of frames: type (1 byte), 0, ID (2 bytes), length (4 bytes), and that many bytes:
 *   O  a path that was opened: x (executed), o (a file) or l (a directory), then the path
 *   S  a line of strace
 *   R  the host's number of a process that was let go by its gate: from now on it runs
 *   K  the host's number of a process that ended in its gate, killed perhaps with its container: nothing of it ran
 *   E  why the trace of that container is not complete
 *   D  the container is gone and all that it did was reported: "EVENTS DROPPED LINES MODE"
 * Ends when standard input does, so nothing is left when whoever started it dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tracer.h"

#define NAP_MS 200

static struct target *targets;

/* Milliseconds that passed while we looked, for deadlines: where everything stands still, a gate does too. */
long now(void)
{
    static long before, spent;
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    long ms = time.tv_sec * 1000 + time.tv_nsec / 1000000;
    spent += ms - before < NAP_MS ? ms - before : NAP_MS;
    before = ms;
    return spent;
}

/* The pidfd of a process, since its number may soon be another's; -1 if it is gone. */
int watch(struct target *target, pid_t pid)
{
    int alive = (int)syscall(SYS_pidfd_open, pid, 0);
    if (alive < 0 && errno != ESRCH && errno != EINVAL)
        incomplete(target, "process %d cannot be watched: %s", pid, strerror(errno));
    return alive;
}

/* Whether the process of a pidfd is gone. */
bool has_ended(int alive)
{
    struct pollfd end = {alive, POLLIN, 0};
    return alive < 0 || poll(&end, 1, 0) > 0;
}

void report(char type, unsigned target, const void *bytes, size_t length)
{
    struct { char type, zero; uint16_t target; uint32_t length; } head = {type, 0, (uint16_t)target, (uint32_t)length};
    if (fwrite(&head, sizeof head, 1, stdout) != 1 || fwrite(bytes, 1, length, stdout) != length)
        exit(1);
}

void incomplete(struct target *target, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof text)
        length = sizeof text - 1;
    if (set_add(&target->reasons, text, (size_t)length))
        report('E', target->id, text, (size_t)length);
}

/* The file's beginning as a string; returns its length, 0 where it cannot be read. */
size_t read_file(char *buffer, size_t size, const char *format, ...)
{
    char path[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? 0 : read(file, buffer, size - 1);
    if (file >= 0)
        close(file);
    buffer[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

/* The link's target as a string; returns its length, 0 where it cannot be read or is too long. */
size_t read_link(char *buffer, size_t size, const char *format, ...)
{
    char path[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    ssize_t got = readlink(path, buffer, size);
    if (got < 0 || (size_t)got == size)
        got = 0;
    buffer[got] = 0;
    return (size_t)got;
}

static void start(unsigned id, pid_t pid)
{
    struct target *new = calloc(1, sizeof *new);
    char path[64];

    if (!new)
        abort();
    *new = (struct target){.next = targets, .id = id, .pid = pid, .opens = -1};
    targets = new;
    snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
    new->mounts = open(path, O_RDONLY | O_CLOEXEC);
    new->alive = watch(new, pid);
    read_file(new->cgroup, sizeof new->cgroup, "/proc/%d/cgroup", pid);
    new->cgroup[strcspn(new->cgroup, "\n")] = 0;
    if (new->mounts < 0 || !mark(new))
        new->unwatched = errno;
    attach(new, 0);
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
        unsigned id;
        int pid;
        *end = 0;
        if (sscanf(buffer, "trace %u %d", &id, &pid) == 2)
            start(id, pid);
        length -= (size_t)(end + 1 - buffer);
        memmove(buffer, end + 1, length + 1);
    }
}

static void mounts_changed(struct target *target)
{
    char byte;

    if (!target->whole)
        incomplete(target, "something was mounted or unmounted, and what lies below was not watched");
    /* Reading is what resets POLLPRI. */
    lseek(target->mounts, 0, SEEK_SET);
    while (read(target->mounts, &byte, 1) < 0 && errno == EINTR)
        ;
}

/* The container's first process is gone, so all others are; what it did may still be in the queues. */
static bool is_drained(struct target *target)
{
    if (target->opens >= 0)
        read_opens(target);
    for (struct attachment *a = target->attachments; a; a = a->next)
        if (a->out >= 0 || a->err >= 0)
            return false;
    return true;
}

static void finish(struct target *target)
{
    char text[128];
    int length = snprintf(text, sizeof text, "%lu %lu %lu %s", target->events, target->dropped, target->strace_lines,
                          target->whole ? "filesystem" : "mounts");

    report('D', target->id, text, (size_t)length);
    close(target->opens);
    close(target->alive);
    close(target->mounts);
    for (struct attachment *a = target->attachments, *next; a; a = next) {
        next = a->next;
        close(a->alive);
        free(a->line);
        free(a);
    }
    set_free(&target->opened);
    set_free(&target->lines);
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
        if (n + 3 <= size) {
            polls[n++] = (struct pollfd){t->gone ? -1 : t->alive, POLLIN, 0};
            polls[n++] = (struct pollfd){t->opens, POLLIN, 0};
            polls[n++] = (struct pollfd){t->gone ? -1 : t->mounts, POLLPRI, 0};
        }
        for (struct attachment *a = t->attachments; a && n + 2 <= size; a = a->next) {
            polls[n++] = (struct pollfd){a->out, POLLIN, 0};
            polls[n++] = (struct pollfd){a->err, POLLIN, 0};
        }
    }
    return n;
}

/* How long poll may sleep, ms: a gate that is about to start can only be asked for. */
static int patience(void)
{
    int ms = -1;
    for (struct target *t = targets; t; t = t->next)
        for (struct attachment *a = t->attachments; a; a = a->next)
            if (a->state < RELEASED)
                ms = a->state == SEEKING || ms == 2 ? 2 : 100;
    return ms;
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
            struct pollfd mounts = {t->mounts, POLLPRI, 0};
            /* Asked before the queues are read: what comes after the end is certainly nothing. */
            t->gone |= has_ended(t->alive);
            if (!t->gone && poll(&mounts, 1, 0) > 0)
                mounts_changed(t);
            if (t->opens >= 0)
                read_opens(t);
            for (struct attachment *a = t->attachments; a; a = a->next) {
                if (a->out >= 0)
                    read_lines(t, a);
                if (a->err >= 0)
                    read_complaints(t, a);
                if (!t->gone)
                    advance(t, a);
            }
            if (t->gone && is_drained(t))
                finish(t);
        }
    }
}
