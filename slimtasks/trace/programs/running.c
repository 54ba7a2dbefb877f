/* A container that runs already: no gate holds its processes, so they are looked for, and what they have open is told,
 * as it was opened before anybody watched. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer.h"

/* Whether the first line of a /proc/PID/cgroup names the target's control group, or one below it. */
bool in_cgroup(const struct target *target, const char *line)
{
    size_t length = strlen(target->cgroup);
    return !strncmp(line, target->cgroup, length) && (!line[length] || strchr("/\n", line[length]));
}

/* Processes, threads or descriptors: what is called by a number in a directory of /proc. */
static void each_number(const char *directory, void (*act)(struct target *, pid_t, void *), struct target *target, void *context)
{
    DIR *numbers = opendir(directory);
    struct dirent *entry;

    while (numbers && (entry = readdir(numbers)))
        if (*entry->d_name >= '0' && *entry->d_name <= '9')
            act(target, atoi(entry->d_name), context);
    if (numbers)
        closedir(numbers);
}

struct call_back { void (*act)(struct target *, pid_t, void *); void *context; };

static void if_ours(struct target *target, pid_t pid, void *context)
{
    const struct call_back *wanted = context;
    char cgroup[sizeof target->cgroup];

    if (read_file(cgroup, sizeof cgroup, "/proc/%d/cgroup", pid) && in_cgroup(target, cgroup))
        wanted->act(target, pid, wanted->context);
}

void each_process(struct target *target, void (*act)(struct target *, pid_t, void *), void *context)
{
    struct call_back wanted = {act, context};
    each_number("/proc", if_ours, target, &wanted);
}

void each_thread(struct target *target, pid_t pid, void (*act)(struct target *, pid_t, void *), void *context)
{
    char directory[64];

    snprintf(directory, sizeof directory, "/proc/%d/task", pid);
    each_number(directory, act, target, context);
}

/* What the kernel appends to the path of a file that has no name any more. */
static bool cut_deleted(char *path)
{
    static const char suffix[] = " (deleted)";
    size_t length = strlen(path), tail = sizeof suffix - 1;
    bool deleted = length > tail && !strcmp(path + length - tail, suffix);

    if (deleted)
        path[length - tail] = 0;
    return deleted;
}

static void tell(struct target *target, const char *program, const char *how, const char *path)
{
    report_access(target, program, "proc", how, 0, "", path);
}

/* A library that was replaced by an update meanwhile is still the image's; what else has no name was made to have none. */
static void tell_mapped(struct target *target, pid_t pid, const char *program)
{
    char name[64], *line = NULL, access[8], path[4096];
    size_t size = 0;

    snprintf(name, sizeof name, "/proc/%d/maps", pid);
    FILE *file = fopen(name, "re");
    while (file && getline(&line, &size, file) > 0) {
        if (sscanf(line, "%*s %7s %*s %*s %*s %4095[^\n]", access, path) != 2 || *path != '/')
            continue;
        bool code = access[2] == 'x', deleted = cut_deleted(path);
        if (!deleted || (code && strncmp(path, "/memfd:", 7)))
            tell(target, program, code ? "map" : "read", path);
    }
    free(line);
    if (file)
        fclose(file);
}

struct opener { pid_t pid; const char *program; };

static void tell_descriptor(struct target *target, pid_t number, void *context)
{
    const struct opener *opener = context;
    char path[4096], text[512], name[64];
    struct stat info;

    snprintf(name, sizeof name, "/proc/%d/fd/%d", opener->pid, number);
    if (!read_link(path, sizeof path, "%s", name) || *path != '/' || cut_deleted(path) || stat(name, &info))
        return;
    read_file(text, sizeof text, "/proc/%d/fdinfo/%d", opener->pid, number);
    const char *found = strstr(text, "flags:");
    unsigned long flags = found ? strtoul(found + 6, NULL, 8) : O_RDONLY;
    if (flags & O_PATH || S_ISSOCK(info.st_mode))
        tell(target, opener->program, "stat", path);
    else if (S_ISDIR(info.st_mode))
        tell(target, opener->program, "list", path);
    else {
        if ((flags & O_ACCMODE) != O_WRONLY)
            tell(target, opener->program, "read", path);
        if ((flags & O_ACCMODE) != O_RDONLY)
            tell(target, opener->program, "write", path);
    }
}

static bool same_mounts(const char *one, const char *other)
{
    struct stat first, second;
    return !stat(one, &first) && !stat(other, &second) && first.st_ino == second.st_ino;
}

static void tell_process(struct target *target, pid_t pid, void *context)
{
    char program[4096], path[4096], name[64];
    char first[64];
    (void)context;

    if (!read_link(program, sizeof program, "/proc/%d/exe", pid))
        return;                                      /* it has just ended */
    cut_deleted(program);
    tell(target, program, "exec", program);
    if (read_link(path, sizeof path, "/proc/%d/cwd", pid) && !cut_deleted(path))
        tell(target, program, "stat", path);
    if (read_link(path, sizeof path, "/proc/%d/root", pid) && strcmp(path, "/") && !cut_deleted(path))
        tell(target, program, "stat", path);
    tell_mapped(target, pid, program);
    snprintf(name, sizeof name, "/proc/%d/fd", pid);
    each_number(name, tell_descriptor, target, &(struct opener){pid, program});
    snprintf(first, sizeof first, "/proc/%d/ns/mnt", target->pid);
    snprintf(name, sizeof name, "/proc/%d/ns/mnt", pid);
    bool alone = !same_mounts(name, first);
    target->unshared |= alone && !access(name, F_OK) && !has_ended(target->alive);
}

/* Its processes can be told from others. */
static bool has_cgroup(const struct target *target)
{
    const char *path = strrchr(target->cgroup, ':');
    return path && strcmp(path, ":/");
}

/* Whether it shares the mounts of the engine's host, where all that opens something would have to be told from it.
 * The host's first process may be closed to us; the kernel's own threads have the same mounts. */
static bool is_hosts(const struct target *target)
{
    char path[64], name[16];

    snprintf(path, sizeof path, "/proc/%d/ns/mnt", target->pid);
    return same_mounts(path, "/proc/1/ns/mnt")
        || (read_file(name, sizeof name, "/proc/2/comm") && !strcmp(name, "kthreadd\n") && same_mounts(path, "/proc/2/ns/mnt"));
}

/* Begins to watch a target that runs already. From the frame R on all is seen that it does. */
void join(struct target *target)
{
    char root[64], pid[16];

    if (has_ended(target->alive))
        return;
    if (is_hosts(target))
        incomplete(target, "it is in no container: its root directory is the host's");
    else if (target->unwatched)
        incomplete(target, "it cannot be watched: %s", strerror(target->unwatched));
    else if (!has_cgroup(target))
        incomplete(target, "it is in no control group of its own, by which its processes could be told from others");
    else if (read_link(root, sizeof root, "/proc/%d/root", target->pid) && strcmp(root, "/"))
        incomplete(target, "its first process has another root directory (%s) than its container", root);
    if (target->reasons.count)
        return;
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] && target->sources[i]->join && !target->sources[i]->join(target))
            incomplete(target, "%s cannot follow what runs already: %s", target->sources[i]->name, strerror(errno));
    each_process(target, tell_process, NULL);
    for (int i = 0; i < SOURCES; i++)
        if (target->sources[i] && !target->sources[i]->proves(target))
            incomplete(target, "%s did not see the lookup that we made at the start", target->sources[i]->name);
    if (!target->reasons.count)
        report('R', target->id, pid, (size_t)snprintf(pid, sizeof pid, "%d", target->pid));
}
