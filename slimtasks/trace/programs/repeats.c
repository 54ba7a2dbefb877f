/* Which lines of strace say nothing new: the same call of the same program in the same step was told before. */
#include <stdio.h>

#include "tracer.h"

#define MOST 16384                                   /* processes; of those with one slot the last is known */

struct repeats {
    bool rooted_elsewhere;                           /* a process changed its root: one string now means several paths */
    uint64_t programs;                               /* that got a number because nothing else tells them apart */
    struct task { pid_t pid; uint64_t program, next; } tasks[MOST];   /* next: of an exec that is not over; 0: unknown */
};

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static struct task *slot(struct repeats *repeats, pid_t pid)
{
    return &repeats->tasks[(unsigned)pid % MOST];
}

/* The program that `execve("...` starts, as a number; of paths that mean several things each is its own. */
static uint64_t program_in(struct repeats *repeats, const char *call)
{
    static const char start[] = "execve(\"";
    const char *path = call + sizeof start - 1, *end = begins(call, start) ? strchr(path, '"') : NULL;

    if (!end || *path != '/' || begins(path, "/proc/") || repeats->rooted_elsewhere)
        return ++repeats->programs;
    uint64_t hash = 14695981039346656037u;           /* FNV-1a; the highest bit tells it from the numbers */
    for (; path < end; path++)
        hash = (hash ^ (unsigned char)*path) * 1099511628211u;
    return hash | 1ull << 63;
}

/* Keeps account of which program the line's process runs, as far as lines tell. */
static void learn(struct repeats *repeats, struct task *task, pid_t pid, const char *call, size_t length)
{
    bool succeeded = length > 4 && !strcmp(call + length - 4, " = 0"), known = task->pid == pid;
    const char *child = strstr(call, " in strace's PID NS */");

    if (begins(call, "+++"))
        *task = (struct task){0};
    else if (strstr(call, "\"" GATE "\"") && !known)
        *task = (struct task){pid, ++repeats->programs, 0};
    else if (begins(call, "execve")) {
        if (succeeded)
            *task = (struct task){pid, program_in(repeats, call), 0};
        else if (call[length - 1] == '>')
            *task = (struct task){pid, known ? task->program : 0, program_in(repeats, call)};
    } else if (begins(call, "<... execve") && succeeded)
        *task = (struct task){pid, known && task->next ? task->next : ++repeats->programs, 0};
    else if (child && known && (strstr(call, "fork") || strstr(call, "clone"))) {
        while (child > call && child[-1] >= '0' && child[-1] <= '9')
            child--;
        *slot(repeats, atoi(child)) = (struct task){atoi(child), task->program, 0};
    }
}

/* A line that means the same whoever caused it: whole, about absolute paths (or relative to a directory that it
 * names), and not about the process itself. A gate's marker is: it tells where the process was started. */
static bool is_repeatable(const char *call, size_t length)
{
    static const char *const own[] = {"chdir(", "fchdir(", "chroot(", "pivot_root(", "fork(", "vfork(", "clone(", "clone3(",
                                      "unshare(", "setns(", "rename(", "link(", "symlink(", "mount(", "inotify_add_watch(",
                                      "execve", "socket(", "<... "};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (begins(call, own[i]))
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

/* Whether the line, with a pid before it, has to be told. */
bool is_new(struct target *target, const char *line, size_t length)
{
    struct repeats *repeats = target->repeats;
    char *call, key[1 << 14];
    pid_t pid = (pid_t)strtol(line, &call, 10);

    if (!repeats && !(repeats = target->repeats = calloc(1, sizeof *repeats)))
        abort();
    while (*call == ' ')
        call++;
    length -= (size_t)(call - line);
    struct task *task = slot(repeats, pid);
    learn(repeats, task, pid, call, length);
    if (begins(call, "chroot(") || begins(call, "pivot_root(") || begins(call, "setns("))
        repeats->rooted_elsewhere = true;
    uint64_t head[] = {task->program, target->step};
    if (repeats->rooted_elsewhere || task->pid != pid || !task->program || length + sizeof head > sizeof key
        || !is_repeatable(call, length))
        return true;
    memcpy(key, &head, sizeof head);
    memcpy(key + sizeof head, call, length);
    return is_untold(target, 'S', key, sizeof head + length);
}

void repeats_free(struct target *target)
{
    free(target->repeats);
}
