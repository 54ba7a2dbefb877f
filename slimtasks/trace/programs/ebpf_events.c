/* Events of the eBPF source, as frames. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "ebpf.h"

static struct { unsigned slot; char *path; } programs[PROGRAMS];

/* Its path, NULL where it is not known; and the slot of the container that it ran in. */
const char *ebpf_program(unsigned number, unsigned *slot)
{
    *slot = number < PROGRAMS ? programs[number].slot : 0;
    return number == PROGRAM_GATE ? GATE : number < PROGRAMS ? programs[number].path : NULL;
}

void report_fact(struct target *target, const char *program, const char *kind, const char *format, ...)
{
    char value[4200], text[3 * 4200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    int length = snprintf(text, sizeof text, "%u%c%s%c%s%c%s", target->step, 0, program, 0, kind, 0, value);
    if (length >= (int)sizeof text)
        incomplete(target, "a fact of a program is too long to be told");
    else
        report('P', target->id, text, (size_t)length);
}

/* The names come from the leaf up, each with its NUL; no names are the root, "". */
static const char *joined(const char *names, size_t length, char *path, size_t size)
{
    size_t at = size - 1;

    path[at] = 0;
    for (size_t from = 0; from < length; ) {
        size_t name = strnlen(names + from, length - from);
        if (name + 1 > at)
            break;
        at -= name;
        memcpy(path + at, names + from, name);
        path[--at] = '/';
        from += name + 1;
    }
    return path + at;
}

static void tell_opened(struct target *target, const char *source, const char *program, const struct event *event,
                        const char *base, const char *asked)
{
    unsigned flags = event->flags, mode = flags & O_ACCMODE;
    const char *words[3];
    size_t n = 0;

    if (flags & O_PATH || (flags & O_TMPFILE) == O_TMPFILE)
        words[n++] = "stat";
    else if (flags & O_DIRECTORY || event->mode == S_IFDIR)
        words[n++] = "list";
    else {
        if (mode != O_WRONLY)
            words[n++] = "read";
        if (mode != O_RDONLY)
            words[n++] = "write";
        if (flags & O_CREAT && (event->error || event->notes & NOTE_CREATED))
            words[n++] = "create";
    }
    for (size_t i = 0; i < n; i++)
        report_access(target, program, source, words[i], event->error, base, asked);
    if (event->mode == S_IFCHR || event->mode == S_IFBLK)
        report_fact(target, program, "device", "%s%s%s", *asked == '/' ? "" : base, *asked == '/' ? "" : "/", asked);
}

/* A refused connection is one that was tried; one to a path that is not there is only a lookup. */
static bool reached_socket(const struct event *event)
{
    if (event->how == HOW_BIND)
        return !event->error;
    return event->how == HOW_CONNECT && event->error != ENOENT && event->error != ENOTDIR && event->error != EFAULT
           && event->error != EBADF;
}

static void tell_path(struct target *target, const char *source, const char *program, const struct event *event,
                      const char *base, const char *asked)
{
    static const char *const words[] = {
        [HOW_EXEC] = "exec", [HOW_MAP] = "map", [HOW_STAT] = "stat", [HOW_ACCESS] = "access", [HOW_READLINK] = "readlink",
        [HOW_WRITE] = "write", [HOW_CREATE] = "create", [HOW_RENAME] = "rename", [HOW_REMOVE] = "remove",
        [HOW_BIND] = "bind", [HOW_CONNECT] = "access",
    };

    if (event->how == HOW_OPEN)
        tell_opened(target, source, program, event, base, asked);
    else if (event->how == HOW_QUEUE) {
        if (!event->error)
            report_fact(target, program, "ipc", "posix /%s", asked);
    } else
        report_access(target, program, source, words[event->how], event->error, base, asked);
    if (reached_socket(event))
        report_fact(target, program, event->how == HOW_BIND ? "bind" : "connect", "unix %s%s%s", *asked == '/' ? "" : base,
                    *asked == '/' ? "" : "/", asked);
}

/* A part of the tree that is at another place now, too, or there alone: two events of one process. */
static void tell_mount(struct target *target, const char *program, const struct event *event, const char *base, const char *asked)
{
    static struct { unsigned tid; char path[3 * 4200]; } source;
    char text[sizeof source.path], both[2 * sizeof text];

    report_access(target, program, "ebpf", "stat", 0, base, asked);
    snprintf(text, sizeof text, "%s%s%s", *asked == '/' ? "" : base, *asked == '/' ? "" : "/", asked);
    if (!event->flags) {
        source.tid = event->tid;
        strcpy(source.path, text);
    } else if (source.tid == event->tid) {
        int length = snprintf(both, sizeof both, "%s%c%s", text, 0, source.path);
        report('M', target->id, both, (size_t)length);
    } else
        incomplete(target, "%s mounted %s while others mounted something, and from where is not known", program, text);
}

static void tell_socket(struct target *target, const char *program, const struct event *event, const char *bytes)
{
    const char *kind = event->how == HOW_BIND ? "bind" : "connect", *type;
    union { struct sockaddr any; struct sockaddr_in four; struct sockaddr_in6 six; char bytes[129]; } address = {0};
    char text[INET6_ADDRSTRLEN] = "";
    size_t length = event->string < sizeof address.bytes - 1 ? event->string : sizeof address.bytes - 1;

    if (!reached_socket(event))
        return;
    memcpy(&address, bytes, length);
    type = event->mode == SOCK_STREAM ? "tcp" : event->mode == SOCK_DGRAM ? "udp" : event->mode == SOCK_RAW ? "raw" : "other";
    if (address.any.sa_family == AF_INET && inet_ntop(AF_INET, &address.four.sin_addr, text, sizeof text))
        report_fact(target, program, kind, "%s %s:%d", type, text, ntohs(address.four.sin_port));
    else if (address.any.sa_family == AF_INET6 && inet_ntop(AF_INET6, &address.six.sin6_addr, text, sizeof text))
        report_fact(target, program, kind, "%s [%s]:%d", type, text, ntohs(address.six.sin6_port));
    else if (address.any.sa_family == AF_UNIX && length > 3)
        report_fact(target, program, kind, "unix @%.*s", (int)length - 3, address.bytes + 3);
    else if (address.any.sa_family == AF_NETLINK)
        report_fact(target, program, kind, "netlink");
    else if (address.any.sa_family != AF_UNSPEC && address.any.sa_family != AF_UNIX)
        report_fact(target, program, kind, "family %d", address.any.sa_family);
}

/* An event of a program with that path, as a source of that name tells it; `base` is where its string starts. */
void tell_event(struct target *target, const char *source, const char *program, const struct event *event,
                const char *base, const char *text)
{
    if (event->type == EVENT_PATH)
        tell_path(target, source, program, event, base, text);
    else if (event->type == EVENT_SOCKET)
        tell_socket(target, program, event, text);
    else if (event->type == EVENT_FILE)
        report_access(target, program, source, event->how == HOW_LIST ? "list" : "map", 0, "",
                      *base ? base : "/");
}

/* Why what the event tells may not be the whole truth. */
static void check(struct target *target, const struct event *event, const char *program)
{
    static const struct { unsigned note; const char *why; } reasons[] = {
        {NOTE_UNREADABLE, "ebpf could not read a path that %s asked for (system call %d)"},
        {NOTE_DEEP, "a directory that %s used lies too deep for ebpf (system call %d)"},
        {NOTE_OTHER_TREE, "%s went to another tree of mounts, where paths cannot be followed (system call %d)"},
        {NOTE_NO_START, "ebpf does not know from which directory %s looked a path up (system call %d)"},
        {NOTE_OVERWRITTEN, "%s had a path overwritten by the result of the call that it was for (system call %d)"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (event->notes & reasons[i].note)
            incomplete(target, reasons[i].why, program, event->number);
}

/* Files of the kernel's own, on no mount that anybody sees: memfd_create(2) and the like. */
static bool is_kernels(const struct event *event)
{
    return event->type == EVENT_FILE && event->notes & NOTE_OTHER_TREE && event->notes & NOTE_DETACHED;
}

void ebpf_event(struct target *target, const struct event *event, const char *text)
{
    char path[2 * PATH_BYTES + 512];
    const char *base = joined(text + event->string, event->start, path, sizeof path);
    unsigned slot, step = target->step;
    const char *program = ebpf_program(event->program, &slot);

    if (event->type == EVENT_PROGRAM) {
        if (event->program < PROGRAMS && !programs[event->program].path) {
            programs[event->program].path = strdup(base);
            programs[event->program].slot = event->slot;
        }
        return;
    }
    if (is_kernels(event))
        return;
    program = program ? program : "";
    check(target, event, *program ? program : "a program");
    target->step = event->step;
    if (event->type == EVENT_MOUNT)
        tell_mount(target, program, event, base, text);
    else
        tell_event(target, ebpf.name, program, event, base, text);
    target->step = step;
}
