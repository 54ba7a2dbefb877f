/* Opens in one container by inotify(7), for engines that allow no more: a watch on each directory of its root. It
 * tells neither who opened a file nor whether it was executed, and misses what happens in a new directory before that
 * is watched. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "tracer.h"

#define WANTED (IN_OPEN | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW)
#define MQUEUE_MAGIC 0x19800202

struct inotify {
    int queue;
    bool proving, proved;                            /* an open of our own is made; came through */
    const char **directories;                        /* by watch descriptor, container's paths; "" for the root */
    int most;                                        /* of them */
    struct set names, made;                          /* made: directories that were not there at the start */
};

/* File systems whose files are no image's. */
static bool is_kernels(const char *directory)
{
    static const long types[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                                 DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC, SECURITYFS_MAGIC};
    struct statfs info;

    if (statfs(directory, &info))
        return true;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if ((long)info.f_type == types[i])
            return true;
    return false;
}

/* Adds the directory and all below it to the set. */
static void collect(struct target *target, const char *path, struct set *found)
{
    char full[4200], child[4096];
    struct dirent *entry;

    snprintf(full, sizeof full, "/proc/%d/root%s/", target->pid, path);
    DIR *directory = is_kernels(full) ? NULL : opendir(full);
    if (!directory)
        return;
    set_add(found, path, strlen(path));
    while ((entry = readdir(directory)))
        if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")
            && (size_t)snprintf(child, sizeof child, "%s/%s", path, entry->d_name) < sizeof child)
            collect(target, child, found);
    closedir(directory);
}

static bool watch_directory(struct target *target, const char *path)
{
    struct inotify *self = target->inotify;
    char full[4200];

    snprintf(full, sizeof full, "/proc/%d/root%s/", target->pid, path);
    int number = inotify_add_watch(self->queue, full, WANTED);
    if (number < 0)
        return errno == ENOENT || errno == ENOTDIR;  /* it is gone */
    if (number >= self->most) {
        size_t size = sizeof *self->directories, most = (size_t)number + 1024;
        if (!(self->directories = realloc(self->directories, most * size)))
            abort();
        memset(self->directories + self->most, 0, (most - (size_t)self->most) * size);
        self->most = (int)most;
    }
    if (!self->directories[number])                  /* else the same directory, mounted once more */
        self->directories[number] = set_keep(&self->names, path, strlen(path));
    return true;
}

/* All directories are listed before the first is watched, as listing opens them. */
static bool watch_below(struct target *target, const char *path)
{
    struct set found = {0};
    bool all = true;

    collect(target, path, &found);
    for (size_t i = 0; i < found.size; i++)
        if (found.items[i].bytes) {
            if (*path)
                set_add(&target->inotify->made, found.items[i].bytes, found.items[i].length);
            all &= watch_directory(target, found.items[i].bytes);
        }
    set_free(&found);
    return all;
}

static bool able(char *why, size_t size)
{
    int queue = inotify_init1(IN_CLOEXEC);

    if (queue < 0)
        snprintf(why, size, "%s", strerror(errno));
    else
        close(queue);
    return queue >= 0;
}

static bool start(struct target *target)
{
    struct inotify *new = calloc(1, sizeof *new);
    if (!new)
        abort();
    target->inotify = new;
    new->queue = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return new->queue >= 0 && watch_below(target, "");
}

static void mounted(struct target *target)
{
    incomplete(target, "something was mounted or unmounted, and what lies below was not watched");
}

static void opened(struct target *target, const char *path, bool is_directory)
{
    if (!strcmp(path, GATE)) {
        seek_gates(target);
        for (struct attachment *a = target->attachments; a; a = a->next)
            marked(target, a, &inotify);
        return;
    }
    if (is_directory && set_has(&target->inotify->made, path, strlen(path)))
        return;                                      /* we have listed it ourselves, and no image has it */
    report_access(target, "", "inotify", is_directory ? "list" : "read", 0, "", path);
}

static void happened(struct target *target, const struct inotify_event *event)
{
    struct inotify *self = target->inotify;
    char path[4400];

    target->events++;
    if (event->mask & IN_Q_OVERFLOW) {
        incomplete(target, "the kernel's queue of opened files ran over");
        return;
    }
    if (event->wd < 0 || event->wd >= self->most || !self->directories[event->wd])
        return;
    const char *directory = self->directories[event->wd];
    bool named = event->len && *event->name, is_directory = event->mask & IN_ISDIR;
    snprintf(path, sizeof path, "%s%s%s", directory, named || !*directory ? "/" : "", named ? event->name : "");
    if (is_directory && (event->mask & (IN_CREATE | IN_MOVED_TO)) && !watch_below(target, path))
        incomplete(target, "a new directory cannot be watched: %s", strerror(errno));
    bool ours = event->mask & IN_OPEN && self->proving && !strcmp(path, "/");
    self->proved |= ours;
    if (event->mask & IN_OPEN && (!ours || target->late))   /* while it runs, it may be anybody's */
        opened(target, path, is_directory);
}

static void read_opens(struct target *target)
{
    char buffer[1 << 16] __attribute__((aligned(8)));
    int queue = target->inotify->queue, queued = 0;
    ssize_t got = 0;

    ioctl(queue, FIONREAD, &queued);
    while (queued > 0 && (got = read(queue, buffer, sizeof buffer)) > 0) {
        queued -= (int)got;
        for (const char *at = buffer; at < buffer + got; ) {
            const struct inotify_event *event = (const void *)at;
            happened(target, event);
            at += sizeof *event + event->len;
        }
    }
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        incomplete(target, "opened files could not be read: %s", strerror(errno));
}

/* What we open ourselves now comes after all that was opened before. */
static bool proves(struct target *target)
{
    struct inotify *self = target->inotify;

    read_opens(target);
    self->proving = true;
    self->proved = false;
    open_root(target);
    read_opens(target);
    self->proving = false;
    return self->proved;
}

static bool ended(struct target *target)
{
    if (!proves(target) && !target->unwatched)
        incomplete(target, "inotify did not see the open that we made at the end");
    return true;
}

static size_t polled(const struct target *target, struct pollfd *polls, size_t size)
{
    return poll_one(target->inotify->queue, polls, size);
}

static void stop(struct target *target)
{
    struct inotify *self = target->inotify;

    close(self->queue);
    set_free(&self->names);
    set_free(&self->made);
    free(self->directories);
    free(self);
}

const struct source inotify = {
    .name = "inotify", .kind = OPENS, .able = able, .start = start, .polled = polled, .read = read_opens,
    .mounted = mounted, .proves = proves, .ended = ended, .stop = stop,
};
