/* Processes that wait in their gates: found, attached to, and let go once each source has seen the gate's marker. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer.h"

#define RELEASE_MS 30000

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

bool ended_in_gate(const struct attachment *a)
{
    return a->state == ENDED || (a->state != RELEASED && a->gate && has_ended(a->alive));
}

/* From now on it is known by its pidfd, too. */
static void found(struct target *target, struct attachment *a, pid_t gate)
{
    a->gate = gate;
    if (gate)
        a->alive = watch(target, gate);
}

struct attachment *attach(struct target *target, pid_t gate)
{
    struct attachment *new = calloc(1, sizeof *new);
    if (!new)
        abort();
    *new = (struct attachment){.next = target->attachments, .alive = -1, .deadline = now() + RELEASE_MS};
    target->attachments = new;
    found(target, new, gate);
    return new;
}

bool is_gate(pid_t pid)
{
    char exe[64];
    return read_link(exe, sizeof exe, "/proc/%d/exe", pid) && !strcmp(exe, GATE);
}

/* strace does not bear an exec that is not over, and /proc/PID/exe is the gate already before that. (Its mask of
 * blocked signals would not tell: rt_sigtimedwait takes out what it waits for.) */
static bool is_waiting(pid_t pid)
{
    char name[32];
    return is_gate(pid) && read_file(name, sizeof name, "/proc/%d/comm", pid) && !strcmp(name, WAITING "\n");
}

/* With `init: true` the container's first process is docker-init, and the gate is its child. */
static pid_t find_gate(pid_t first)
{
    char children[4096];
    if (is_gate(first))
        return first;
    read_file(children, sizeof children, "/proc/%d/task/%d/children", first, first);
    for (char *next, *child = children; ; child = next) {
        pid_t pid = (pid_t)strtol(child, &next, 10);
        if (next == child)
            return 0;
        if (is_gate(pid))
            return pid;
    }
}

/* Attaches to those that nobody has told of; fanotify tells of each exec of a gate, other sources of none. */
void seek_gates(struct target *target)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    char cgroup[sizeof target->cgroup];

    while (processes && (entry = readdir(processes))) {
        pid_t pid = atoi(entry->d_name);
        struct attachment *a = target->attachments;
        if (pid <= 0 || !is_gate(pid) || !read_file(cgroup, sizeof cgroup, "/proc/%d/cgroup", pid)
            || !in_cgroup(target, cgroup))
            continue;
        while (a && a->gate && (a->gate != pid || has_ended(a->alive)))
            a = a->next;
        if (!a)             /* of one whose gate is sought, it may be that; one that was let go is the gate for a while yet */
            attach(target, pid);
    }
    if (processes)
        closedir(processes);
}

/* The gate's marker came through the source. */
void marked(struct target *target, struct attachment *a, const struct source *source)
{
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] == source)
            a->seen[i] = true;
}

/* The first source that has not seen the gate yet, or NULL. */
static const struct source *blind(struct target *target, struct attachment *a)
{
    for (int i = 0; i < SOURCES; i++)
        if (is_attached(target, target->sources[i]) && !a->seen[i])
            return target->sources[i];
    return NULL;
}

static void release(struct target *target, struct attachment *a)
{
    char pid[16];
    int length = snprintf(pid, sizeof pid, "%d", a->gate);

    if (kill(a->gate, SIGURG)) {
        incomplete(target, "the gate cannot be released: %s", strerror(errno));
        return;
    }
    a->state = RELEASED;
    report('R', target->id, pid, (size_t)length);
}

static bool follow(struct target *target, struct attachment *a)
{
    bool all = true;
    for (int i = 0; i < SOURCES; i++)
        if (is_attached(target, target->sources[i]) && target->sources[i]->attach)
            all &= target->sources[i]->attach(target, a);
    return all;
}

/* Takes an attachment as far towards its release as it can go now. */
void advance(struct target *target, struct attachment *a)
{
    char pid[16];

    if (a->state == RELEASED || a->state == ENDED)
        return;
    if (!a->gate)
        found(target, a, find_gate(target->pid));
    if (ended_in_gate(a)) {
        a->state = ENDED;
        report('K', target->id, pid, (size_t)snprintf(pid, sizeof pid, "%d", a->gate));
    } else if (a->state == SEEKING) {
        if (a->gate && is_waiting(a->gate)) {
            if (target->unwatched) /* and not because it was about to end */
                incomplete(target, "it cannot be watched: %s", strerror(target->unwatched));
            if (follow(target, a))
                a->state = ATTACHING;
        }
    } else if (!blind(target, a))
        release(target, a);
    if (a->state < RELEASED && now() > a->deadline) {
        incomplete(target, "a process never left its gate: %s%s", a->state == SEEKING ? "it was not found waiting"
                   : blind(target, a) ? blind(target, a)->name : "", a->state == SEEKING ? "" : " did not see it");
        a->deadline = now() + 1000 * RELEASE_MS;
    }
}
