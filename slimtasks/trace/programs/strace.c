/* What was looked at, by strace(1): one for each gate, whose lines are passed on. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracer.h"

#define CALLS "%file,?getdents,getdents64,fchdir,?fork,?vfork,clone,?clone3,unshare,setns,socket,bind,connect," \
    "sendto,sendmsg,sendmmsg,?shmget,?semget,?msgget,?mq_open,?mq_unlink,?io_uring_setup,ptrace"
/* Without the others it would not tell of a process that one of them killed. */
#define SIGNALS "!chld,urg,winch,cont"

struct strace {
    pid_t process;
    int out, err;                                    /* its lines, and its complaints; -1 once they ended */
    bool detached;                                   /* by us */
    bool saw_end;                                    /* of the process that waited in the gate */
    char *line;                                      /* what came of an unfinished line */
    size_t length, size;
};

static bool follow(struct target *target, struct attachment *a)
{
    struct strace *new = calloc(1, sizeof *new);
    int out[2], err[2];
    char pid[16];

    if (!new)
        abort();
    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) {
        incomplete(target, "no pipe for strace: %s", strerror(errno));
        free(new);
        return false;
    }
    snprintf(pid, sizeof pid, "%d", a->gate);
    new->process = fork();
    if (new->process < 0)
        incomplete(target, "no process for strace: %s", strerror(errno));
    if (!new->process) {
        /* It must not outlive us; SIGTERM lets it detach from what it traces. */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], 1);
        dup2(err[1], 2);
        execl("/usr/bin/strace", "strace", "-f", "-y", "-q", "-s", "4096", "--decode-pids=pidns", "-e", "signal=" SIGNALS,
              "-e", "trace=" CALLS, "-o", "/proc/self/fd/1", "-p", pid, (char *)NULL);
        fprintf(stderr, "cannot be started: %s\n", strerror(errno));
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    new->out = out[0];
    new->err = err[0];
    a->strace = new;
    return true;
}

static void told(struct target *target, const char *text, size_t length)
{
    static char frame[1 << 18];
    size_t head = (size_t)snprintf(frame, sizeof frame, "%u", target->step) + 1;

    if (head + length > sizeof frame) {
        incomplete(target, "a line of strace is too long");
        return;
    }
    memcpy(frame + head, text, length);
    report('S', target->id, frame, head + length);
    target->heard = now();
}

/* Most of what is sent goes where the socket is connected to: the line has no address then. One that is not whole may
 * have it in its other half. */
static bool tells_nothing(const char *call, size_t length)
{
    static const char unfinished[] = "<unfinished ...>";
    size_t tail = sizeof unfinished - 1;

    return !strncmp(call, "send", 4) && !strstr(call, "sa_family=") && !(length > tail && !strcmp(call + length - tail, unfinished));
}

static void line(struct target *target, struct attachment *a, const char *text, size_t length)
{
    const char *call = strchr(text, ' ');

    target->lines++;
    while (call && *call == ' ')
        call++;
    if (call && strstr(call, "\"" GATE "\""))
        marked(target, a, &strace);
    if (call && !strncmp(call, "+++ ", 4) && strncmp(call, "+++ superseded", 14) && atoi(text) == a->gate)
        a->strace->saw_end = true;
    if (call && *call != '-' && !tells_nothing(call, length - (size_t)(call - text)) && is_new(target, text, length))
        told(target, text, length);
}

static void process_ended(struct target *target, struct attachment *a)
{
    int status = 0;

    close(a->strace->out);
    a->strace->out = -1;
    waitpid(a->strace->process, &status, 0);
    if (a->strace->detached || ended_in_gate(a)) /* as strace may have said: it came too late, or nothing was left to trace */
        return;
    if (a->strace->length)
        incomplete(target, "strace ended in the middle of a line");
    if (WIFSIGNALED(status))
        incomplete(target, "strace was killed by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status))
        incomplete(target, "strace ended with exit status %d", WEXITSTATUS(status));
    else if (a->state != RELEASED || !a->strace->saw_end)
        incomplete(target, "strace ended before the process that it traced");
}

static void read_lines(struct target *target, struct attachment *a)
{
    struct strace *s = a->strace;
    int queued = 0;
    ssize_t got;

    ioctl(s->out, FIONREAD, &queued);
    do {
        if (s->size - s->length < 65536 && !(s->line = realloc(s->line, s->size += 131072)))
            abort();
        got = read(s->out, s->line + s->length, s->size - s->length - 1);
        if (got <= 0)
            break;
        char *start = s->line, *end = s->line + s->length + got, *stop;
        for (char *from = s->line + s->length; (stop = memchr(from, '\n', (size_t)(end - from))); from = start = stop + 1) {
            *stop = 0;
            line(target, a, start, (size_t)(stop - start));
        }
        s->length = (size_t)(end - start);
        memmove(s->line, start, s->length);
    } while ((queued -= (int)got) > 0);
    if (!got)
        process_ended(target, a);
}

static void read_complaints(struct target *target, struct attachment *a)
{
    struct strace *s = a->strace;
    char text[1024];
    ssize_t got = read(s->err, text, sizeof text - 1);

    if (got > 0) {
        text[got] = 0;
        text[strcspn(text, "\n")] = 0;
        if (!a->strace->detached && !ended_in_gate(a))
            incomplete(target, "strace says: %s", text);
    } else if (!got || (errno != EAGAIN && errno != EINTR)) {
        close(s->err);
        s->err = -1;
    }
}

static void read_all(struct target *target)
{
    for (struct attachment *a = target->attachments; a; a = a->next) {
        if (a->strace && a->strace->out >= 0)
            read_lines(target, a);
        if (a->strace && a->strace->err >= 0)
            read_complaints(target, a);
    }
}

static void detach(struct target *target)
{
    for (struct attachment *a = target->attachments; a; a = a->next)
        if (a->strace && a->strace->out >= 0 && !a->strace->detached) {
            a->strace->detached = true;
            kill(a->strace->process, SIGTERM);
        }
}

/* strace ends with the last process that it traces; that it told the end of the first is its proof. */
static bool ended(struct target *target)
{
    for (struct attachment *a = target->attachments; a; a = a->next)
        if (a->strace && (a->strace->out >= 0 || a->strace->err >= 0))
            return false;
    return true;
}

static size_t polled(const struct target *target, struct pollfd *polls, size_t size)
{
    size_t n = 0;
    for (const struct attachment *a = target->attachments; a; a = a->next)
        if (a->strace && n + 2 <= size) {
            polls[n++] = (struct pollfd){a->strace->out, POLLIN, 0};
            polls[n++] = (struct pollfd){a->strace->err, POLLIN, 0};
        }
    return n;
}

static void stop(struct target *target)
{
    for (struct attachment *a = target->attachments; a; a = a->next)
        if (a->strace) {
            free(a->strace->line);
            free(a->strace);
        }
    repeats_free(target);
}

const struct source strace = {
    .name = "strace", .kind = LOOKUPS, .attach = follow, .detach = detach, .polled = polled, .read = read_all, .ended = ended, .stop = stop,
};
