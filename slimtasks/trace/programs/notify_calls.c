/* Calls of which the notify source is told before they are made: what they are about, and what they will come to, as
 * far as what is there tells. Rights are not asked for: what the caller may not reach counts as what it wanted. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "calls.h"
#include "ebpf.h"
#include "notify.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif
#define X32 0x40000000

static struct caller caller;

static bool is_call(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names))
        names++;
    return *names;
}

/* Whether the last name itself is meant, though it be a symlink. */
static bool is_about_last(const char *name, const struct call *call, const __u64 *args, int which)
{
    static const char *const always[] = {"lstat", "lstat64", "oldlstat", "lgetxattr", "llistxattr", "lsetxattr",
                                         "lremovexattr", "lchown", "lchown32", "symlink", "symlinkat", NULL};
    static const char *const third[] = {"newfstatat", "fstatat64", "faccessat2", "utimensat", "fchmodat2", NULL};

    if (call->kind == KIND_READLINK || call->how[which] == HOW_RENAME || call->how[which] == HOW_REMOVE
        || call->how[which] == HOW_CREATE || is_call(name, always))
        return true;
    if (!strcmp(name, "statx"))
        return args[2] & AT_SYMLINK_NOFOLLOW;
    if (!strcmp(name, "linkat"))
        return !(args[4] & AT_SYMLINK_FOLLOW);
    if (!strcmp(name, "fchownat"))
        return args[4] & AT_SYMLINK_NOFOLLOW;
    return is_call(name, third) && args[3] & AT_SYMLINK_NOFOLLOW;
}

/* The errno of a call for a file that is not there but may be made, by whether its directory is. */
static int of_new(const struct target *target, const char *base, const char *asked)
{
    char parent[PATH_BYTES + 4];
    size_t length = strlen(asked);

    while (length && asked[length - 1] == '/')
        length--;
    while (length && asked[length - 1] != '/')
        length--;
    snprintf(parent, sizeof parent, "%.*s.", (int)length, asked);
    int directory = caller_opens(target, &caller, base, parent, false);
    if (directory < 0)
        return errno;
    close(directory);
    return 0;
}

static int of_exec(struct target *target, const struct attachment *a, int file, const struct stat *info)
{
    if (!S_ISREG(info->st_mode) || !(info->st_mode & 0111))
        return EACCES;
    if (!a->notify->unprivileged && caller_gains(&caller, file))
        incomplete(target, "%s executes a file that would give it other rights (setuid, setgid or capabilities), which "
                   "being traced by notify prevents; `trace: {backend: strace}` does not", caller.program);
    return 0;
}

/* What the call will come to, into the event: its error, and what sort of file it meets. */
static void foresee(struct target *target, const struct attachment *a, struct event *event, const char *base,
                    const char *asked, bool last)
{
    struct stat info;
    bool makes = event->how == HOW_CREATE || event->how == HOW_BIND || (event->how == HOW_OPEN && event->flags & O_CREAT);
    int file = caller_opens(target, &caller, base, asked, last || (event->how == HOW_OPEN && event->flags & O_NOFOLLOW));

    if (file < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == ENAMETOOLONG;
        event->error = !absent ? 0 : makes && errno == ENOENT ? of_new(target, base, asked) : errno;
        event->notes |= makes && !event->error ? NOTE_CREATED : 0;
        return;
    }
    if (!fstat(file, &info))
        event->mode = info.st_mode & S_IFMT;
    if (event->how == HOW_CREATE || event->how == HOW_BIND)
        event->error = event->how == HOW_BIND ? EADDRINUSE : EEXIST;
    else if (event->how == HOW_EXEC)
        event->error = of_exec(target, a, file, &info);
    close(file);
}

static void tell(struct target *target, const struct event *event, const char *base, const char *text)
{
    static char key[4 * PATH_BYTES];
    const char *program = strcmp(caller.program, GATE) ? caller.program : "";
    size_t head = sizeof *event;

    memcpy(key, event, head);
    int more = snprintf(key + head, sizeof key - head, "%s%c%s%c", program, 0, base, 0);
    size_t length = head + (size_t)more;
    if (length + event->string <= sizeof key) {
        memcpy(key + length, text, event->string);
        if (!set_add(&target->told, key, length + event->string))
            return;
    }
    if (caller.elsewhere)
        incomplete(target, "%s went to another tree of mounts, where paths cannot be followed", caller.program);
    tell_event(target, notify.name, program, event, base, text);
}

static void tell_address(struct target *target, const struct event *about, int descriptor, __u64 address, __u64 length)
{
    struct event event = *about;
    struct sockaddr_un bytes = {0};
    char base[PATH_BYTES];
    int type = 0, copy;
    socklen_t size = sizeof type;

    event.string = (__u16)caller_bytes(&caller, address, &bytes, length < sizeof bytes ? length : sizeof bytes);
    if (event.string <= sizeof bytes.sun_family)
        return;
    if (bytes.sun_family == AF_UNIX && *bytes.sun_path) {
        char path[sizeof bytes.sun_path + 1] = "";
        memcpy(path, bytes.sun_path, event.string - sizeof bytes.sun_family);
        event.type = EVENT_PATH;
        event.string = (__u16)(strlen(path) + 1);
        caller_directory(&caller, AT_FDCWD, base, sizeof base);
        foresee(target, NULL, &event, *path == '/' ? caller.root : base, path, false);
        tell(target, &event, *path == '/' ? caller.root : base, path);
        return;
    }
    if ((copy = caller_socket(&caller, descriptor)) >= 0) {
        getsockopt(copy, SOL_SOCKET, SO_TYPE, &type, &size);
        close(copy);
    }
    event.type = EVENT_SOCKET;
    event.mode = (__u16)type;
    tell(target, &event, "", (const char *)&bytes);
}

/* socketcall(2) of 32-bit programs has its arguments in memory. */
static void tell_socketcall(struct target *target, struct event *event, const __u64 *args)
{
    __u32 inner[3];

    if ((args[0] != 2 && args[0] != 3) || caller_bytes(&caller, args[1], inner, sizeof inner) < sizeof inner)
        return;
    event->how = args[0] == 2 ? HOW_BIND : HOW_CONNECT;
    tell_address(target, event, (int)inner[0], inner[1], inner[2]);
}

static void tell_list(struct target *target, struct event *event, int descriptor)
{
    char path[PATH_BYTES];

    if (!caller_directory(&caller, descriptor, path, sizeof path))
        return;
    event->type = EVENT_FILE;
    event->how = HOW_LIST;
    tell(target, event, path, "");
}

/* The flags of an open, wherever they are; false where they cannot be read. */
static bool flags_of(const struct call *call, const __u64 *args, struct open_how *how)
{
    *how = (struct open_how){0};
    if (call->kind == KIND_OPENAT2)
        return caller_bytes(&caller, args[2], how, sizeof *how) == sizeof *how;
    how->flags = call->kind != KIND_OPEN ? 0 : call->flags < 0 ? O_CREAT | O_WRONLY | O_TRUNC : args[call->flags];
    return true;
}

static void tell_paths(struct target *target, const struct attachment *a, struct event *event, const char *name,
                       const struct call *call, const __u64 *args)
{
    static char asked[PATH_BYTES], start[PATH_BYTES];
    struct event events[2];
    const char *bases[2];
    char texts[2][PATH_BYTES], starts[2][PATH_BYTES];
    struct open_how how;
    int paths = 0, error = 0;

    if (!flags_of(call, args, &how))
        return;
    event->type = EVENT_PATH;
    event->flags = (__u32)how.flags;
    for (int i = 0; i < 2 && call->how[i]; i++) {
        int descriptor = call->directory[i] < 0 ? AT_FDCWD : (int)args[(int)call->directory[i]];
        bool within = how.resolve & RESOLVE_IN_ROOT;
        if (!caller_string(&caller, args[(int)call->path[i]], asked, sizeof asked) || !*asked)
            continue;
        bool absolute = *asked == '/' && !within;
        if (!absolute && !caller_directory(&caller, descriptor, start, sizeof start))
            continue;
        event->how = call->how[i];
        event->error = 0;
        event->string = (__u16)(strlen(asked) + 1);
        strcpy(texts[paths], asked);
        strcpy(starts[paths], absolute ? caller.root : start);
        bases[paths] = starts[paths];
        events[paths] = *event;
        const char *relative = asked + (within ? strspn(asked, "/") : 0);
        bool last = is_about_last(name, call, args, i);
        foresee(target, a, &events[paths], bases[paths], relative, last);
        if (i && event->how == HOW_RENAME && events[paths].error)
            events[paths].error = of_new(target, bases[paths], relative);
        error = error ? error : events[paths].error;
        paths++;
    }
    for (int i = 0; i < paths; i++) {
        events[i].error = error;
        tell(target, &events[i], bases[i], texts[i]);
    }
}

/* The path that an argument of mount(2) is, absolute; false where it cannot be read. */
static bool mount_path(__u64 address, char *path, size_t size)
{
    char asked[PATH_BYTES], start[PATH_BYTES] = "";

    if (!caller_string(&caller, address, asked, sizeof asked) || !*asked
        || (*asked != '/' && !caller_directory(&caller, AT_FDCWD, start, sizeof start)))
        return false;
    snprintf(path, size, "%s%s%s", *asked == '/' ? caller.root : start, *asked == '/' ? "" : "/", asked);
    return true;
}

/* What is mounted from where is not looked up unless it is a path; and a part of the tree is at another place then. */
static void tell_mount(struct target *target, const struct attachment *a, struct event *event, const struct call *call,
                       const __u64 *args)
{
    bool remounts = args[3] & MS_REMOUNT, inner = args[3] & (MS_BIND | MS_MOVE) && !remounts;
    struct call about = *call;
    char source[2 * PATH_BYTES + 8], point[sizeof source], text[2 * sizeof source];

    if (!inner) {                                    /* the place alone */
        about.how[1] = HOW_NONE;
        about.path[0] = call->path[1];
    }
    tell_paths(target, a, event, "mount", &about, args);
    if (inner && mount_path(args[0], source, sizeof source) && mount_path(args[1], point, sizeof point))
        report('M', target->id, text, (size_t)snprintf(text, sizeof text, "%s%c%s", point, 0, source));
}

/* Whether the call is the gate's opening of itself, by which it is known that we are asked. */
static bool is_marker(const struct seccomp_data *data)
{
    char asked[sizeof GATE];
    return !strcmp(caller.program, GATE) && caller_bytes(&caller, data->args[1], asked, sizeof asked) == sizeof asked
           && !memcmp(asked, GATE, sizeof asked);
}

static void tell_named(struct target *target, const char *name)
{
    if (!strcmp(name, "shmget") || !strcmp(name, "semget") || !strcmp(name, "msgget"))
        report_fact(target, caller.program, "ipc", "sysv %.3s", name);
}

/* Tells of a call before it is made. */
void notify_call(struct target *target, struct attachment *a, pid_t thread, const struct seccomp_data *data)
{
    static struct call native[CALLS], narrow[CALLS];
    static bool filled;
    bool is_narrow = data->arch != NATIVE;
    unsigned number = (unsigned)data->nr;
    struct event event = {.step = target->step, .number = (__u16)number};

    if (!filled) {
        fill_calls(native, false);
        fill_calls(narrow, true);
        filled = true;
    }
    if (!is_narrow && number & X32)
        incomplete(target, "system calls of the x32 kind were made, which notify does not know");
    const char *name = call_name(number, is_narrow);
    if (!name || number >= CALLS || !caller_is(&caller, target, thread))
        return;
    if (is_narrow && !call_name(0, true))
        incomplete(target, "%s is a 32-bit program, whose lookups notify does not know here", caller.program);
    const struct call *call = &(is_narrow ? narrow : native)[number];
    if (is_marker(data))
        marked(target, a, &notify);
    else if (call->kind == KIND_NONE || call->kind == KIND_IPC)
        tell_named(target, name);
    else if (call->kind == KIND_GETDENTS)
        tell_list(target, &event, (int)data->args[0]);
    else if (call->kind == KIND_SOCKET) {
        event.how = call->how[0];
        tell_address(target, &event, (int)data->args[0], data->args[1], data->args[2]);
    } else if (call->kind == KIND_SOCKETCALL)
        tell_socketcall(target, &event, data->args);
    else if (call->kind == KIND_URING)
        incomplete(target, "%s uses io_uring, and what it looks at through that notify cannot see", caller.program);
    else if (call->kind == KIND_MOUNT)
        tell_mount(target, a, &event, call, data->args);
    else if (call->kind != KIND_MMAP && call->kind != KIND_STANDS && call->kind != KIND_SENDTO
             && call->kind != KIND_SENDMSG && call->kind != KIND_SENDMMSG)
        tell_paths(target, a, &event, name, call, data->args);
}
