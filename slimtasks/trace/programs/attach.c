/* Puts strace on a waiting gate, lets it go once both sources see it, and passes strace's lines on. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracer.h"

#define RELEASE_MS 30000
#define CALLS "%file,?getdents,getdents64,fchdir,?fork,?vfork,clone,?clone3,unshare,setns,bind,connect"

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
    *new = (struct attachment){.next = target->attachments, .alive = -1, .out = -1, .err = -1, .deadline = now() + RELEASE_MS};
    target->attachments = new;
    found(target, new, gate);
    return new;
}

static bool is_gate(pid_t pid)
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

static void start_strace(struct target *target, struct attachment *a)
{
    int out[2], err[2];
    char pid[16];

    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
        incomplete(target, "no pipe for strace: %s", strerror(errno));
        return;
    }
    snprintf(pid, sizeof pid, "%d", a->gate);
    a->strace = fork();
    if (a->strace < 0)
        incomplete(target, "no process for strace: %s", strerror(errno));
    if (!a->strace) {
        /* It must not outlive us; SIGTERM lets it detach from what it traces. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], 1);
        dup2(err[1], 2);
        execl("/usr/bin/strace", "strace", "-f", "-y", "-q", "-s", "4096", "--decode-pids=pidns", "-e", "signal=none",
              "-e", "trace=" CALLS, "-o", "/proc/self/fd/1", "-p", pid, (char *)NULL);
        fprintf(stderr, "cannot be started: %s\n", strerror(errno));
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    a->out = out[0];
    a->err = err[0];
    a->state = ATTACHING;
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

static bool ended_in_gate(struct attachment *a)
{
    return a->state == ENDED || (a->state != RELEASED && a->gate && has_ended(a->alive));
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
                incomplete(target, "its mounts cannot be watched: %s", strerror(target->unwatched));
            start_strace(target, a);
        }
    } else if (a->seen_by_strace && a->seen_by_fanotify)
        release(target, a);
    if (a->state < RELEASED && now() > a->deadline) {
        incomplete(target, "a process never left its gate: %s", a->state == SEEKING ? "it was not found waiting"
                   : !a->seen_by_strace ? "strace did not see it" : "fanotify did not see it");
        a->deadline = now() + 1000 * RELEASE_MS;
    }
}

/* A line that means the same whoever caused it, so that its repetition says nothing new: whole, about absolute
 * paths (or relative to a directory that it names), and not about the process itself. A gate's marker is: it tells
 * where the process was started. */
static bool is_repeatable(const char *call, size_t length)
{
    static const char *const own[] = {"chdir(", "fchdir(", "chroot(", "pivot_root(", "fork(", "vfork(", "clone(", "clone3(",
                                      "unshare(", "setns(", "rename(", "link(", "symlink(", "mount(", "inotify_add_watch(", "<... "};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strncmp(call, own[i], strlen(own[i])))
            return false;
    if (length > 16 && !strcmp(call + length - 16, "<unfinished ...>"))
        return false;
    const char *argument = strchr(call, '(');
    if (!argument || strstr(call, "\"" GATE "\""))
        return false;
    const char *socket = strstr(argument, "sun_path=\"");
    if (socket)
        return socket[10] == '/';
    return argument[1] != '"' || argument[2] == '/';
}

static void line(struct target *target, struct attachment *a, const char *text, size_t length)
{
    const char *call = text;
    while (*call >= '0' && *call <= '9')
        call++;
    while (*call == ' ')
        call++;
    target->strace_lines++;
    if (!a->seen_by_strace && strstr(call, "\"" GATE "\""))
        a->seen_by_strace = true;
    if (!strncmp(call, "chroot(", 7) || !strncmp(call, "pivot_root(", 11) || !strncmp(call, "setns(", 6))
        target->rooted_elsewhere = true;
    size_t rest = length - (size_t)(call - text);
    if (!target->rooted_elsewhere && is_repeatable(call, rest) && !set_add(&target->lines, call, rest))
        return;
    report('S', target->id, text, length);
}

static void ended(struct target *target, struct attachment *a)
{
    int status = 0;

    close(a->out);
    a->out = -1;
    waitpid(a->strace, &status, 0);
    if (ended_in_gate(a)) /* as strace may have said: it came too late, or nothing was left to trace */
        return;
    if (a->length)
        incomplete(target, "strace ended in the middle of a line");
    if (WIFSIGNALED(status))
        incomplete(target, "strace was killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status))
        incomplete(target, "strace ended with exit status %d", WEXITSTATUS(status));
    else if (a->state != RELEASED || is_gate(a->gate))
        incomplete(target, "strace ended before the process that it traced");
}

void read_lines(struct target *target, struct attachment *a)
{
    ssize_t got;

    for (;;) {
        if (a->size - a->length < 65536 && !(a->line = realloc(a->line, a->size += 131072)))
            abort();
        got = read(a->out, a->line + a->length, a->size - a->length - 1);
        if (got <= 0)
            break;
        char *start = a->line, *end = a->line + a->length + got, *stop;
        for (char *from = a->line + a->length; (stop = memchr(from, '\n', (size_t)(end - from))); from = start = stop + 1) {
            *stop = 0;
            line(target, a, start, (size_t)(stop - start));
        }
        a->length = (size_t)(end - start);
        memmove(a->line, start, a->length);
    }
    if (!got)
        ended(target, a);
}

void read_complaints(struct target *target, struct attachment *a)
{
    char text[1024];
    ssize_t got = read(a->err, text, sizeof text - 1);

    if (got > 0) {
        text[got] = 0;
        text[strcspn(text, "\n")] = 0;
        if (!ended_in_gate(a))
            incomplete(target, "strace says: %s", text);
    } else if (!got || (errno != EAGAIN && errno != EINTR)) {
        close(a->err);
        a->err = -1;
    }
}
