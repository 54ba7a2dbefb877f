/* What was looked at, told by the kernel before it happens (seccomp_unotify(2)): the gate puts a filter on itself that
 * asks us about each call that takes a path, and all that it starts inherits it. The caller waits until we have read
 * what it asks for; every other call costs nothing, unlike under strace. What the call came to is not told. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "notify.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP           /* Linux 6.6: caller and reader take turns on one processor */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS _IOW('!', 4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1UL
#endif
#define AT_ONCE 64                                   /* calls that are answered before others get their turn */

static size_t size_of_call = sizeof(struct seccomp_notif), size_of_answer = sizeof(struct seccomp_notif_resp);

static bool able(char *why, size_t size)
{
    struct seccomp_notif_sizes sizes;
    int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
    int copy = own < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, own, own, 0);
    bool works = false;

    if (copy < 0)
        snprintf(why, size, "descriptors of other processes cannot be had: %s", strerror(errno));
    else if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes))
        snprintf(why, size, "seccomp asks nobody here: %s", strerror(errno));
    else if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, NULL), errno != EFAULT)
        snprintf(why, size, "the kernel is older than 5.19, where a signal ends a call that waits for us");
    else {
        size_of_call = sizes.seccomp_notif > size_of_call ? sizes.seccomp_notif : size_of_call;
        size_of_answer = sizes.seccomp_notif_resp > size_of_answer ? sizes.seccomp_notif_resp : size_of_answer;
        works = true;
    }
    close(copy);
    close(own);
    return works;
}

static long number_in(const char *status, const char *name)
{
    const char *found = strstr(status, name);
    return found ? atol(found + strlen(name)) : -1;
}

/* How many filters a process has; -1 where that is not known. */
long filters_of(const char *status)
{
    return number_in(status, "\nSeccomp_filters:\t");
}

/* Whether the gate was asked for a filter, and nothing tells when it has it. */
bool is_filtering(const struct attachment *a)
{
    return a->notify && a->notify->listener < 0;
}

/* Asks the gate to put the filter on itself: a value that comes with the signal tells it from the release. */
static bool follow(struct target *target, struct attachment *a)
{
    union sigval value = {.sival_int = 1};
    char status[8192];

    if (!(a->notify = calloc(1, sizeof *a->notify)))
        abort();
    a->notify->listener = -1;
    read_file(status, sizeof status, "/proc/%d/status", a->gate);
    a->notify->unprivileged = number_in(status, "\nNoNewPrivs:\t") == 1;
    target->filters = filters_of(status) + 1;
    if (sigqueue(a->gate, SIGURG, value)) {
        incomplete(target, "the gate cannot be asked to install a filter: %s", strerror(errno));
        return false;
    }
    return true;
}

/* Takes the listener that the gate got with its filter. */
static void take_listener(struct target *target, struct attachment *a)
{
    char path[64], link[64], name[32];
    __u64 flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
    struct dirent *entry;
    int found = -1;

    snprintf(path, sizeof path, "/proc/%d/fd", a->gate);
    DIR *files = opendir(path);
    while (files && found < 0 && (entry = readdir(files)))
        if (read_link(link, sizeof link, "/proc/%d/fd/%s", a->gate, entry->d_name) && strstr(link, "seccomp notify"))
            found = atoi(entry->d_name);
    if (files)
        closedir(files);
    if (found >= 0) {
        a->notify->listener = (int)syscall(SYS_pidfd_getfd, a->alive, found, 0);
        if (a->notify->listener < 0)
            incomplete(target, "the filter's listener cannot be had: %s", strerror(errno));
        else
            ioctl(a->notify->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags); /* a kernel without it is only slower */
    } else if (read_file(name, sizeof name, "/proc/%d/comm", a->gate) && !strcmp(name, UNFILTERED "\n"))
        incomplete(target, "the gate cannot install its filter: the container's own filter refuses seccomp(2)");
}

/* Answers one call. Returns false where none waits, or none will come any more. */
static bool answer(struct target *target, struct attachment *a)
{
    static struct seccomp_notif *call;
    static struct seccomp_notif_resp *go_on;
    int listener = a->notify->listener;

    if (!call && (!(call = malloc(size_of_call)) || !(go_on = malloc(size_of_answer))))
        abort();
    memset(call, 0, size_of_call);
    memset(go_on, 0, size_of_answer);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, call))
        return errno == ENOENT || errno == EINTR;    /* it was killed meanwhile */
    if (is_attached(target, &notify))
        notify_call(target, a, (pid_t)call->pid, &call->data);
    go_on->id = call->id;
    go_on->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, go_on) && errno != ENOENT)
        incomplete(target, "a call cannot be let go: %s", strerror(errno));
    return true;
}

/* Takes all that waits, and as it comes one after the other, also what comes right after it. */
static void read_calls(struct target *target, struct attachment *a)
{
    for (int i = 0; i < AT_ONCE; i++) {
        struct pollfd waiting = {a->notify->listener, POLLIN, 0};
        if (poll(&waiting, 1, 0) <= 0)
            return;
        if (waiting.revents & POLLIN) {
            if (!answer(target, a))
                return;
        } else {                                     /* nobody is left who has the filter */
            close(a->notify->listener);
            a->notify->listener = -1;
            a->notify->over = true;
            return;
        }
    }
}

static void read_all(struct target *target)
{
    for (struct attachment *a = target->attachments; a; a = a->next) {
        if (!a->notify || a->notify->over)
            continue;
        if (a->notify->listener < 0 && a->state < RELEASED)
            take_listener(target, a);
        if (a->notify->listener >= 0)
            read_calls(target, a);
        else if (ended_in_gate(a))
            a->notify->over = true;
    }
}

/* A call waits for us, so none is lost; once nobody has the filter, none can come. */
static bool ended(struct target *target)
{
    for (struct attachment *a = target->attachments; a; a = a->next)
        if (a->notify && !a->notify->over)
            return false;
    return true;
}

static size_t polled(const struct target *target, struct pollfd *polls, size_t size)
{
    size_t n = 0;
    for (const struct attachment *a = target->attachments; a && n < size; a = a->next)
        if (a->notify)
            polls[n++] = (struct pollfd){a->notify->listener, POLLIN, 0};
    return n;
}

static void stop(struct target *target)
{
    for (struct attachment *a = target->attachments; a; a = a->next)
        if (a->notify) {
            if (a->notify->listener >= 0)
                close(a->notify->listener);
            free(a->notify);
        }
    set_free(&target->told);
}

const struct source notify = {
    .name = "notify", .kind = LOOKUPS, .able = able, .attach = follow, .polled = polled, .read = read_all, .ended = ended,
    .stop = stop,
};
