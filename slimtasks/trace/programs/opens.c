/* Opens and execs of one container, by fanotify(7): every path once per way in which it was opened. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "tracer.h"

#define WANTED (FAN_OPEN | FAN_OPEN_EXEC | FAN_ONDIR)

static bool add_mark(struct target *target, unsigned kind, const char *path)
{
    return !fanotify_mark(target->opens, FAN_MARK_ADD | kind, WANTED, AT_FDCWD, path);
}

/* Mounts whose files are no image's. */
static bool is_kernels(const char *type)
{
    static const char *const types[] = {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "securityfs"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(type, types[i]))
            return true;
    return false;
}

/* proc(5) writes blanks and backslashes of a path as octal digits. */
static void decode_octal(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++)
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else
            *to = *from++;
    *to = 0;
}

static bool mark_mounts(struct target *target)
{
    char name[64], *line = NULL;
    size_t size = 0;
    bool all = true;

    snprintf(name, sizeof name, "/proc/%d/mountinfo", target->pid);
    FILE *file = fopen(name, "re");
    if (!file)
        return false;
    while (getline(&line, &size, file) > 0) {
        char point[4096], type[64], path[4200];
        const char *rest = strstr(line, " - ");
        if (sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 || !rest || sscanf(rest, " - %63s", type) != 1) {
            all = false;
            continue;
        }
        if (is_kernels(type))
            continue;
        decode_octal(point);
        snprintf(path, sizeof path, "/proc/%d/root%s", target->pid, point);
        all &= add_mark(target, FAN_MARK_MOUNT, path);
    }
    free(line);
    fclose(file);
    return all;
}

/* The root of a container on overlayfs is a file system of its own, so one mark covers it, whatever is mounted
 * or unshared later. With other drivers (vfs) that mark would mean the host's disk. */
bool mark(struct target *target)
{
    char root[64];
    struct statfs info;

    target->opens = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
                                  O_RDONLY | O_CLOEXEC | O_LARGEFILE);
    snprintf(root, sizeof root, "/proc/%d/root", target->pid);
    if (target->opens < 0 || statfs(root, &info))
        return false;
    target->whole = info.f_type == OVERLAYFS_SUPER_MAGIC && add_mark(target, FAN_MARK_FILESYSTEM, root);
    return mark_mounts(target);
}

/* Programs of the engine work in the container too: runc opens its /etc/passwd before it starts an exec's
 * command, dockerd unpacks files. Their executable is not a file of the container. A process that is gone
 * counts as the container's: better one path too many than one too few. */
static bool is_foreign(struct target *target, pid_t pid)
{
    char text[4096], path[8300];
    struct stat running, named;

    if (!read_file(text, sizeof text, "/proc/%d/status", pid))
        return false;
    const char *tracer = strstr(text, "\nTracerPid:\t");
    if (tracer && tracer[12] != '0')
        return false;
    if (!read_file(text, sizeof text, "/proc/%d/cgroup", pid))
        return false;
    if (strncmp(text, target->cgroup, strlen(target->cgroup)))
        return true;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    if (stat(path, &running) || !read_link(text, sizeof text, "/proc/%d/exe", pid))
        return false;
    if (!strcmp(text, GATE))
        return true;
    snprintf(path, sizeof path, "/proc/%d/root%s", target->pid, text);
    return stat(path, &named) || named.st_dev != running.st_dev || named.st_ino != running.st_ino;
}

/* An exec of the gate is a `docker exec` that waits for us; an open of it by the gate is its marker. Of one that is
 * let go, or has ended, neither comes: then another process has got its number. */
static void gate_opened(struct target *target, const struct fanotify_event_metadata *event)
{
    for (struct attachment *a = target->attachments; a; a = a->next) {
        if (a->gate == event->pid && (a->state < RELEASED || !(event->mask & FAN_OPEN_EXEC))) {
            a->seen_by_fanotify = true;
            return;
        }
        if (a->state == SEEKING && !a->gate)
            return;
    }
    if (event->mask & FAN_OPEN_EXEC)
        attach(target, event->pid);
}

/* Somebody else has sent it the signal, so that it may have run before strace was there. */
static void check_gates(struct target *target, pid_t pid)
{
    for (struct attachment *a = target->attachments; a; a = a->next)
        if (a->gate == pid && a->state != RELEASED)
            incomplete(target, "a process left its gate before it was let go");
}

/* The kernel appends " (deleted)" to the path of a file that was removed meanwhile. A name may end so by itself:
 * that of a file that still has a link, once the target is gone and nothing can be looked up in its root. */
static size_t less_deleted(struct target *target, char *path, size_t length, nlink_t links)
{
    static const char suffix[] = " (deleted)";
    size_t tail = sizeof suffix - 1;
    char full[4200], root[64];
    struct stat info;

    if (length <= tail || strcmp(path + length - tail, suffix))
        return length;
    snprintf(full, sizeof full, "/proc/%d/root%s", target->pid, path);
    snprintf(root, sizeof root, "/proc/%d/root/", target->pid);
    if (links && (!lstat(full, &info) || lstat(root, &info)))
        return length;
    path[length - tail] = 0;
    return length - tail;
}

static void record(struct target *target, pid_t pid, char how, const char *path, size_t length)
{
    char entry[4200];
    entry[0] = how;
    memcpy(entry + 1, path, length);
    if (set_has(&target->opened, entry, length + 1))
        return;
    if (is_foreign(target, pid)) {
        target->dropped++;
        return;
    }
    set_add(&target->opened, entry, length + 1);
    report('O', target->id, entry, length + 1);
}

static void opened(struct target *target, const struct fanotify_event_metadata *event)
{
    char path[4096];
    struct stat info;
    size_t length = read_link(path, sizeof path, "/proc/self/fd/%d", event->fd);

    target->events++;
    if (!length || fstat(event->fd, &info)) {
        incomplete(target, "the path of an opened file could not be read");
        return;
    }
    length = less_deleted(target, path, length, info.st_nlink);
    if (!strcmp(path, GATE)) {
        gate_opened(target, event);
        return;
    }
    if (event->mask & FAN_OPEN_EXEC) {
        check_gates(target, event->pid);
        record(target, event->pid, 'x', path, length);
    }
    if (event->mask & FAN_OPEN)
        record(target, event->pid, S_ISDIR(info.st_mode) ? 'l' : 'o', path, length);
}

/* The buffer is small because the kernel opens a file descriptor for each event in it. */
void read_opens(struct target *target)
{
    char buffer[4096] __attribute__((aligned(8)));
    ssize_t got;

    while ((got = read(target->opens, buffer, sizeof buffer)) > 0) {
        const struct fanotify_event_metadata *event = (void *)buffer;
        for (; FAN_EVENT_OK(event, got); event = FAN_EVENT_NEXT(event, got)) {
            if (event->vers != FANOTIFY_METADATA_VERSION)
                incomplete(target, "fanotify events of unknown version %d", event->vers);
            else if (event->mask & FAN_Q_OVERFLOW)
                incomplete(target, "the kernel's queue of opened files ran over");
            else if (event->fd < 0)
                incomplete(target, "an opened file could not be read: error %d", event->fd);
            else
                opened(target, event);
            if (event->fd >= 0)
                close(event->fd);
        }
    }
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        incomplete(target, "an opened file could not be read: %s", strerror(errno));
}
