/* Opens and execs of one container, by fanotify(7): every path once per step, program and way in which it was opened. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "tracer.h"

#define WANTED (FAN_OPEN | FAN_OPEN_EXEC | FAN_ONDIR)
#define FLAGS (FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS)
#ifndef FAN_REPORT_FD_ERROR                          /* since Linux 6.13 */
#define FAN_REPORT_FD_ERROR 0x2000
#endif

struct fanotify {
    int group;                                       /* -1: it could not be had */
    bool proved;                                     /* an open of our own came through */
    struct programs *programs;
};

/* Whether an event whose file the kernel could not open for us comes with the error. Otherwise it tells that only of
 * one that would be the first in the buffer, and drops any other without a word. */
static bool tells_errors = true;

static int new_group(void)
{
    int group = fanotify_init(FLAGS | (tells_errors ? FAN_REPORT_FD_ERROR : 0), O_RDONLY | O_CLOEXEC | O_LARGEFILE);

    if (group >= 0 || errno != EINVAL || !tells_errors)
        return group;
    tells_errors = false;
    return new_group();
}

static bool able(char *why, size_t size)
{
    int group = new_group();

    if (group < 0)
        snprintf(why, size, "%s", strerror(errno));
    else
        close(group);
    return group >= 0;
}

static bool add_mark(struct target *target, unsigned kind, const char *path)
{
    return !fanotify_mark(target->fanotify->group, FAN_MARK_ADD | kind, WANTED, AT_FDCWD, path);
}

bool mark_mount(struct target *target, const char *point)
{
    char path[4200];

    snprintf(path, sizeof path, "/proc/%d/root%s", target->pid, point);
    return add_mark(target, FAN_MARK_MOUNT, path);
}

static bool start(struct target *target)
{
    struct fanotify *new = calloc(1, sizeof *new);
    char root[64];
    struct statfs info;

    if (!new)
        abort();
    target->fanotify = new;
    new->programs = programs_new();
    new->group = new_group();
    snprintf(root, sizeof root, "/proc/%d/root", target->pid);
    if (new->group < 0 || statfs(root, &info))
        return false;
    target->whole = info.f_type == OVERLAYFS_SUPER_MAGIC && add_mark(target, FAN_MARK_FILESYSTEM, root);
    return mark_mounts(target);
}

static void mounted(struct target *target)
{
    if (!mark_mounts(target))
        incomplete(target, "what was mounted cannot be watched: %s", strerror(errno));
}

/* An exec of the gate is a `docker exec` that waits for us; an open of it by the gate is its marker. Of one that is
 * let go, or has ended, neither comes: then another process has got its number. */
static void gate_opened(struct target *target, const struct fanotify_event_metadata *event)
{
    for (struct attachment *a = target->attachments; a; a = a->next) {
        if (a->gate == event->pid && (a->state < RELEASED || !(event->mask & FAN_OPEN_EXEC))) {
            marked(target, a, &fanotify);
            return;
        }
        if (a->state == SEEKING && !a->gate)
            return;
    }
    if (event->mask & FAN_OPEN_EXEC)
        attach(target, event->pid);
}

/* Somebody else has sent it the signal, so that it may have run before every source was there. */
static void check_gates(struct target *target, pid_t pid)
{
    for (struct attachment *a = target->attachments; a; a = a->next)
        if (a->gate == pid && a->state != RELEASED)
            incomplete(target, "a process left its gate before it was let go");
}

/* The kernel appends " (deleted)" to the path of a file that was removed meanwhile. A name may end so by itself: that
 * of a file that still has a link, and is there. */
static void less_deleted(struct target *target, char *path, size_t length, nlink_t links)
{
    static const char suffix[] = " (deleted)";
    size_t tail = sizeof suffix - 1;
    struct stat info;

    if (length > tail && !strcmp(path + length - tail, suffix)
        && !(links && !fstatat(target->root, path + 1, &info, AT_SYMLINK_NOFOLLOW)))
        path[length - tail] = 0;
}

static void record(struct target *target, const char *program, const char *how, const char *path)
{
    report_access(target, program, "fanotify", how, 0, "", path);
}

/* A mount that is gone meanwhile, with who used it, says nothing; but if there is the same file, that is it. */
static bool is_there(struct target *target, const struct fanotify_event_metadata *event, const char *path)
{
    struct stat named, opened;

    return !fstatat(target->root, path[1] ? path + 1 : ".", &named, 0) && !fstat(event->fd, &opened)
        && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

static void opened(struct target *target, const struct fanotify_event_metadata *event)
{
    struct programs *programs = target->fanotify->programs;
    char path[4096];
    struct statx info;
    size_t length = read_link(path, sizeof path, "/proc/self/fd/%d", event->fd);

    target->events++;
    if (!length || statx(event->fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_NLINK | STATX_MNT_ID, &info)) {
        incomplete(target, "the path of an opened file could not be read");
        return;
    }
    if (event->pid == getpid()) {
        target->fanotify->proved = true;
        return;
    }
    less_deleted(target, path, length, info.stx_nlink);
    bool executed = event->mask & FAN_OPEN_EXEC;
    if (!strcmp(path, GATE)) {
        gate_opened(target, event);
        if (executed)
            program_is_gate(programs, event->pid);
        return;
    }
    if (executed)
        check_gates(target, event->pid);
    if (is_foreign(target, programs, event->pid, executed)) {
        target->dropped++;
        return;
    }
    if (!original_path(target, event->pid, info.stx_mnt_id, path, sizeof path) && !is_there(target, event, path))
        incomplete(target, "%s was opened through a mount of which nothing is known", path);
    const char *program = executed ? program_executed(programs, event->pid, event->fd, path)
                                   : program_of(programs, event->pid);
    record(target, program, executed ? "exec" : S_ISDIR(info.stx_mode) ? "list" : "read", path);
    /* Its interpreter opens it again, which the kernel may have made one event of with this. */
    if (executed && is_script(event->fd))
        record(target, program, "read", path);
}

static void take(struct target *target, const struct fanotify_event_metadata *event)
{
    if (event->vers != FANOTIFY_METADATA_VERSION)
        incomplete(target, "fanotify events of unknown version %d", event->vers);
    else if (event->mask & FAN_Q_OVERFLOW)
        incomplete(target, "the kernel's queue of opened files ran over");
    else if (event->fd < 0)
        incomplete(target, "an opened file could not be read: %s", strerror(-event->fd));
    else
        opened(target, event);
    if (event->fd >= 0)
        close(event->fd);
}

/* The buffer is small because the kernel opens a file descriptor for each event in it. */
static void read_opens(struct target *target)
{
    char buffer[4096] __attribute__((aligned(8)));
    int group = target->fanotify->group, queued = 0;
    size_t size = tells_errors ? sizeof buffer : FAN_EVENT_METADATA_LEN;

    ioctl(group, FIONREAD, &queued);
    while (queued > 0) {
        ssize_t got = read(group, buffer, size);
        if (!got || (got < 0 && (errno == EAGAIN || errno == EINTR)))
            return;
        if (got < 0)                                 /* that event is gone, but not those behind it */
            incomplete(target, "an opened file could not be read: %s", strerror(errno));
        queued -= got < 0 ? (int)FAN_EVENT_METADATA_LEN : (int)got;
        for (const struct fanotify_event_metadata *event = (void *)buffer; FAN_EVENT_OK(event, got);
             event = FAN_EVENT_NEXT(event, got))
            take(target, event);
    }
}

/* What we open ourselves now comes after all that was opened before. */
static bool proves(struct target *target)
{
    target->fanotify->proved = false;
    open_root(target);
    read_opens(target);
    return target->fanotify->proved;
}

static bool ended(struct target *target)
{
    if (!proves(target) && !target->unwatched)
        incomplete(target, "fanotify did not see the open that we made at the end");
    return true;
}

static bool follow(struct target *target, struct attachment *a)
{
    program_is_gate(target->fanotify->programs, a->gate);
    return true;
}

static void runs(struct target *target, pid_t pid, void *context)
{
    (void)context;
    program_runs(target->fanotify->programs, pid);
}

static bool join_all(struct target *target)
{
    each_process(target, runs, NULL);
    return true;
}

static size_t polled(const struct target *target, struct pollfd *polls, size_t size)
{
    return poll_one(target->fanotify->group, polls, size);
}

static void stop(struct target *target)
{
    close(target->fanotify->group);
    mounts_free(target);
    programs_free(target->fanotify->programs);
    free(target->fanotify);
}

const struct source fanotify = {
    .name = "fanotify", .kind = OPENS, .able = able, .start = start, .attach = follow, .join = join_all,
    .polled = polled, .read = read_opens, .mounted = mounted, .proves = proves, .ended = ended, .stop = stop,
};
