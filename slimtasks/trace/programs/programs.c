/* Which program a process runs, told by the order of what it executed: /proc/PID/exe tells what runs by the time that
 * one asks. A program that is not known for sure is "", which is better than a wrong one. */
#include <elf.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tracer.h"

#define MOST 8192                                    /* processes; of those with one slot the last is known */

struct programs {
    struct set names;
    struct process {
        pid_t pid;
        const char *path, *before;                   /* what it runs; what it ran before its last exec */
        bool loads;                                  /* the next that it executes is that exec's ELF interpreter */
    } processes[MOST];
};

struct programs *programs_new(void)
{
    struct programs *new = calloc(1, sizeof *new);
    if (!new)
        abort();
    return new;
}

void programs_free(struct programs *programs)
{
    set_free(&programs->names);
    free(programs);
}

/* Whether the first line of /proc/PID/cgroup tells of another one. That of a process which is ending is / (in v1). */
static bool is_elsewhere(const struct target *target, char *text)
{
    text[strcspn(text, "\n")] = 0;
    const char *path = strrchr(text, ':');
    return !in_cgroup(target, text) && path && strcmp(path, ":/");
}

/* Whether the process, which executes a file of the container's, is in another control group: without a gate that is
 * all that tells whether it is the container's, as it may be runc still. */
static bool executes_elsewhere(const struct target *target, pid_t pid)
{
    char text[4096];
    return read_file(text, sizeof text, "/proc/%d/cgroup", pid) && is_elsewhere(target, text);
}

/* Programs of the engine work in the container too: runc opens its /etc/passwd before it starts an exec's command,
 * dockerd unpacks files. Their executable is not a file of the container. What a process did before it was the gate
 * was runc's. One that is gone, where no source has followed it, counts as the container's: better one path too many
 * than one too few. */
static bool is_from_outside(const struct target *target, pid_t pid)
{
    char text[4096], path[64];
    struct stat running, named;

    if (read_link(text, sizeof text, "/proc/%d/exe", pid) && !strcmp(text, GATE))
        return true;
    if (!read_file(text, sizeof text, "/proc/%d/status", pid))
        return false;
    const char *tracer = strstr(text, "\nTracerPid:\t");
    if (tracer && tracer[12] != '0')
        return false;
    if (!read_file(text, sizeof text, "/proc/%d/cgroup", pid))
        return false;
    if (is_elsewhere(target, text))
        return true;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    if (stat(path, &running) || !read_link(text, sizeof text, "/proc/%d/exe", pid))
        return false;
    if (!strcmp(text, GATE))                         /* it was runc a moment ago */
        return true;
    return fstatat(target->root, text + 1, &named, 0) || named.st_dev != running.st_dev || named.st_ino != running.st_ino;
}

static struct process *known(struct programs *programs, pid_t pid)
{
    struct process *process = &programs->processes[(unsigned)pid % MOST];
    return process->pid == pid ? process : NULL;
}

/* The process is a gate now: from here on it is the container's. */
void program_is_gate(struct programs *programs, pid_t pid)
{
    programs->processes[(unsigned)pid % MOST] = (struct process){pid, GATE, "", false};
}

/* The process is the container's, and ran before it was watched. */
void program_runs(struct programs *programs, pid_t pid)
{
    char path[4096];
    size_t length = read_link(path, sizeof path, "/proc/%d/exe", pid);

    programs->processes[(unsigned)pid % MOST] = (struct process){pid, set_keep(&programs->names, path, length), "", false};
}

/* A child runs its parent's program until it executes another. What it runs now says which parent it is that we
 * know: it may have been given another one, or may have executed something meanwhile. As that depends on who is
 * faster, it is not asked for where another source knows for certain. */
static const char *inherited(const struct target *target, struct programs *programs, pid_t pid)
{
    char text[1024], path[4096];
    int parent;

    if (sees_lookups(target))
        return "";
    if (!read_file(text, sizeof text, "/proc/%d/stat", pid) || !read_link(path, sizeof path, "/proc/%d/exe", pid))
        return "";
    const char *name = strrchr(text, ')');
    if (!name || sscanf(name, ") %*c %d", &parent) != 1)
        return "";
    const struct process *process = known(programs, parent);
    return process && !strcmp(process->path, path) ? process->path : "";
}

/* The source that should follow the process whose /proc/PID/status that is, and does not; or NULL. */
static const struct source *not_following(const struct target *target, const char *status)
{
    const char *tracer = strstr(status, "\nTracerPid:\t");

    if (is_attached(target, &strace) && tracer && tracer[12] == '0')
        return &strace;
    if (is_attached(target, &notify) && filters_of(status) >= 0 && filters_of(status) < target->filters)
        return &notify;
    return NULL;
}

/* Every process of the container begins in a gate, or as a child of one that did, and strace is on all of these, or
 * our filter: but for the engine's init, and for one that somebody else put there or that was made so that nobody
 * follows. */
static void check_followed(struct target *target, pid_t pid)
{
    char text[8192], exe[4096];
    const struct source *lacking;
    bool is_init = pid == target->pid;

    for (struct attachment *a = target->attachments; a; a = a->next)
        is_init &= a->gate != pid;
    if (is_init || !read_file(text, sizeof text, "/proc/%d/status", pid) || !(lacking = not_following(target, text)))
        return;
    const char *state = strstr(text, "\nState:\t");
    if (!state || state[8] == 'Z' || state[8] == 'X')
        return;
    if (read_link(exe, sizeof exe, "/proc/%d/exe", pid))     /* else it has just ended */
        incomplete(target, "%s is not attached to a process that runs %s", lacking->name, exe);
}

/* As the sources know that noted it when it happened. */
static enum belonging whose(struct target *target, pid_t pid, bool executed)
{
    enum belonging belongs = UNSURE;

    for (int i = 0; i < SOURCES && belongs == UNSURE; i++)
        if (target->sources[i] && target->sources[i]->belongs)
            belongs = target->sources[i]->belongs(target, pid, executed);
    return belongs;
}

/* As /proc tells now. */
static bool is_outside(const struct target *target, pid_t pid, bool executed)
{
    return executed && target->late ? executes_elsewhere(target, pid) : is_from_outside(target, pid);
}

/* Whether the process is not the container's: as a source knows that follows each of its processes; else as /proc tells
 * now. `executed`: it has just begun to run another program. One that is the container's gets known by this. */
bool is_foreign(struct target *target, struct programs *programs, pid_t pid, bool executed)
{
    if (known(programs, pid))
        return false;
    enum belonging belongs = whose(target, pid, executed);
    if (belongs == FOREIGN || (belongs == UNSURE && is_outside(target, pid, executed)))
        return true;
    check_followed(target, pid);
    programs->processes[(unsigned)pid % MOST] = (struct process){pid, inherited(target, programs, pid), "", false};
    return false;
}

/* The path of the program that opened something; the process is known. */
const char *program_of(struct programs *programs, pid_t pid)
{
    struct process *process = known(programs, pid);

    if (process->loads) {                            /* the exec failed before that */
        process->path = process->before;
        process->loads = false;
    }
    return process->path;
}

bool is_script(int file)
{
    char start[2];
    return pread(file, start, sizeof start, 0) == sizeof start && start[0] == '#' && start[1] == '!';
}

enum kind { OTHER, SCRIPT, STATIC, DYNAMIC };

static enum kind kind_of(int file)
{
    union { unsigned char bytes[sizeof(Elf64_Ehdr)]; Elf64_Ehdr wide; Elf32_Ehdr narrow; } head = {0};
    uint32_t type;

    if (is_script(file))
        return SCRIPT;
    if (pread(file, &head, sizeof head, 0) < (ssize_t)sizeof head.narrow)
        return OTHER;
    if (memcmp(head.bytes, ELFMAG, SELFMAG))
        return OTHER;
    bool wide = head.bytes[EI_CLASS] == ELFCLASS64;
    off_t from = wide ? (off_t)head.wide.e_phoff : (off_t)head.narrow.e_phoff;
    int size = wide ? head.wide.e_phentsize : head.narrow.e_phentsize;
    int count = wide ? head.wide.e_phnum : head.narrow.e_phnum;
    for (int i = 0; i < count; i++)
        if (pread(file, &type, sizeof type, from + i * size) == sizeof type && type == PT_INTERP)
            return DYNAMIC;
    return STATIC;
}

/* The process, which is known, executed `file`, whose path is `path`. Returns the program that asked for it: for an
 * ELF interpreter that is the program which names it. */
const char *program_executed(struct programs *programs, pid_t pid, int file, const char *path)
{
    struct process *process = known(programs, pid);

    if (process->loads) {
        process->loads = false;
        return process->path;
    }
    enum kind kind = kind_of(file);
    if (kind == SCRIPT || kind == OTHER)             /* its interpreter comes next; or it cannot be executed */
        return process->path;
    process->before = process->path;
    process->path = set_keep(&programs->names, path, strlen(path));
    process->loads = kind == DYNAMIC;
    return process->before;
}
