/* The kernel's half of the eBPF source: what the followed processes look up, as they ask for it.
 *
 * A task is followed from its gate on (lookups.c puts that into `tasks`) through fork and exec, and from the exec by
 * which the engine, or nsenter, starts something in a followed container's root. One program at the end of every
 * system call returns at once for all others. Strings are read then, as the kernel has just read them and their
 * pages are there; what was seen before, `seen` drops. See lookups.h for what is told.
 *
 * Programs of type tp_btf alone: kernels in lockdown refuse fentry and LSM programs.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kernel.h"
#include "lookups.h"

#define AT_FDCWD (-100)
#define AF_UNIX 1
#define UNIX_BYTES 111 /* sun_path and a NUL, which it need not have */
#define SYS_BIND 2
#define SYS_CONNECT 3
#define SYS_SENDTO 11
#define SYS_SENDMSG 16
#define SYS_SENDMMSG 20
#define MOST_MESSAGES 1024 /* of one sendmmsg(2): UIO_MAXIOV */
#define EINTR 4
#define EBADF 9
#define EFAULT 14
#define ENAMETOOLONG 36
#define ENOSYS 38
#define ERESTARTSYS 512
#define CLONE_NEWNS 0x20000
#define MS_REMOUNT 0x20
#define MS_BIND 0x1000
#define MS_MOVE 0x2000
#define OPEN_TREE_CLONE 1
#define O_ACCMODE 3
#define O_CREAT 0x40
#define SYS_io_uring_enter 426
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20
#define IORING_SETUP_SQPOLL 2
#define RESOLVE_IN_ROOT 0x10
#define FMODE_CREATED 0x100000
#define SIGNAL_GROUP_EXIT 4
#define TS_COMPAT 2
#define PSR_MODE32 0x10
#define X32 0x40000000
#define BLOCK 8 /* words */
#define TEXT_BYTES (2 * PATH_BYTES)
#define WAKE_BYTES (2 << 20)

char LICENSE[] SEC("license") = "GPL";

/* Set before the program is loaded. */
const volatile struct call calls[CALLS], calls32[CALLS];
const volatile __u32 number_execve, number_execveat, number_exit, number_exit_group, number_sigreturn;
const volatile __u32 open_flags; /* those that make a difference to how a path is used */
const volatile __u32 creat_flags; /* what creat(2) stands for */

struct counters counters;

/* The slot of a container that runs already, and the thread whose root is its. */
__u32 joined_slot, joined_first;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, TASKS);
    __type(key, __u32);
    __type(value, struct task);
} tasks SEC(".maps");

/* By the number of the process; an entry stays when it ends, for whoever comes too late to ask /proc. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, MEMBERS);
    __type(key, __u32);
    __type(value, struct member);
} members SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, SLOTS);
    __type(key, __u32);
    __type(value, struct slot);
} slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, SLOTS);
    __type(key, struct path);
    __type(value, __u32);
} roots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, PROGRAMS);
    __type(key, __u32);
    __type(value, struct program);
} programs SEC(".maps");

struct hash { __u64 a, b; };

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PROGRAMS);
    __type(key, struct hash);
    __type(value, __u32);
} numbers SEC(".maps");

/* Where a process stood before its last call, by its fs_struct, which threads share: chdir(2) and chroot(2) have moved
 * it by the time that they return, but what they looked up began there. */
struct standing { struct path root, directory; };

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, TASKS);
    __type(key, __u64);
    __type(value, struct standing);
} standings SEC(".maps");

/* An entry that was pushed out is told again, never dropped. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct hash);
    __type(value, __u8);
} seen SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 16 << 20);
} events SEC(".maps");

struct scratch {
    struct event event;
    union {
        __u64 words[TEXT_BYTES / 8];
        char text[TEXT_BYTES + 256];
    };
    struct hash hash; /* of the event as far as it was put together */
    __u64 top;        /* of the last place that was hashed */
    /* The call that returned: */
    struct task who;
    struct call call;
    __u64 arguments[6];
    __s64 result;
    __u16 number, notes;
    __u8 type;        /* of the events of its paths */
    bool narrow;      /* a 32-bit one */
    bool in_kernel;   /* its strings and addresses are copies of the kernel's */
};

/* One for each kind of program, since they can interrupt each other. */
enum { SCRATCH_EXIT, SCRATCH_EXEC, SCRATCH_JOIN, SCRATCH_RING, SCRATCHES };
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, SCRATCHES);
    __type(key, __u32);
    __type(value, struct scratch);
} scratches SEC(".maps");

#define COUNT(what) __sync_fetch_and_add(&counters.what, 1)

static __always_inline void add(struct hash *hash, __u64 word)
{
    hash->a = (hash->a ^ word) * 0x9e3779b97f4a7c15ull;
    hash->a ^= hash->a >> 29;
    hash->b = (hash->b + word) * 0xbf58476d1ce4e5b9ull;
    hash->b ^= hash->b >> 31;
}

static __always_inline struct mount *mount_of(struct vfsmount *mount)
{
    return (void *)mount - bpf_core_field_offset(struct mount, mnt);
}

/* Addresses that were read by the helper are numbers to the verifier, which may be compared and hashed. */
static __always_inline struct path path_at(const struct path *address)
{
    struct path path = {};
    bpf_probe_read_kernel(&path, sizeof path, address);
    return path;
}

static __always_inline struct path root_of(struct fs_struct *fs)
{
    return path_at(__builtin_preserve_access_index(&fs->root));
}

static __always_inline struct path directory_of(struct fs_struct *fs)
{
    return path_at(__builtin_preserve_access_index(&fs->pwd));
}

static __always_inline struct path file_path(struct file *file)
{
    return path_at(__builtin_preserve_access_index(&file->f_path));
}

static __always_inline void note_unshared(const struct task *who)
{
    struct program *program = bpf_map_lookup_elem(&programs, &who->program);
    if (program)
        program->unshared = 1;
}

static __always_inline void note_standing(struct fs_struct *fs)
{
    struct standing now = {root_of(fs), directory_of(fs)};
    __u64 key = (__u64)fs;

    bpf_map_update_elem(&standings, &key, &now, BPF_ANY);
}

/* Where a path is, told apart from every other place and from what it was called before, without reading a name:
 * each directory's address, and the kernel's own hash of its name. Returns notes; `top` becomes the root of the
 * mount that is seen at the top of its mount namespace. Functions that are not static are verified once, not anew for
 * each way that leads to them. */
__noinline int hash_place(struct scratch *scratch, __u64 vfs, __u64 directory)
{
    struct mount *mount = mount_of((void *)vfs), *parent;
    struct dentry *dentry = (void *)directory, *root = BPF_CORE_READ(mount, mnt.mnt_root), *up;

    if (!scratch)
        return 0;
    scratch->top = 0;
#pragma clang loop unroll(disable)
    for (int i = 0; i < DEPTH; i++) {
        if (dentry == root) {
            if (!scratch->top)
                scratch->top = (__u64)root;
            parent = BPF_CORE_READ(mount, mnt_parent);
            if (parent == mount || !parent)
                return BPF_CORE_READ(mount, mnt_ns) ? 0 : NOTE_DETACHED;
            dentry = BPF_CORE_READ(mount, mnt_mountpoint);
            mount = parent;
            root = BPF_CORE_READ(mount, mnt.mnt_root);
            continue;
        }
        up = BPF_CORE_READ(dentry, d_parent);
        if (up == dentry || !up)
            return NOTE_DETACHED;
        add(&scratch->hash, (__u64)dentry);
        add(&scratch->hash, BPF_CORE_READ(dentry, d_name.hash_len));
        scratch->top = 0;
        dentry = up;
    }
    return NOTE_DEEP;
}

/* Appends the names from the place up to the root. */
__noinline int write_place(struct scratch *scratch, __u64 vfs, __u64 directory)
{
    struct mount *mount = mount_of((void *)vfs), *parent;
    struct dentry *dentry = (void *)directory, *root = BPF_CORE_READ(mount, mnt.mnt_root), *up;

    if (!scratch)
        return 0;
    __u32 at = scratch->event.string, begin = at;

#pragma clang loop unroll(disable)
    for (int i = 0; i < DEPTH; i++) {
        if (dentry == root) {
            parent = BPF_CORE_READ(mount, mnt_parent);
            if (parent == mount || !parent)
                goto end;
            dentry = BPF_CORE_READ(mount, mnt_mountpoint);
            mount = parent;
            root = BPF_CORE_READ(mount, mnt.mnt_root);
            continue;
        }
        up = BPF_CORE_READ(dentry, d_parent);
        if (up == dentry || !up)
            goto end;
        if (at >= TEXT_BYTES)
            break;
        long got = bpf_probe_read_kernel_str(&scratch->text[at & (TEXT_BYTES - 1)], 256, BPF_CORE_READ(dentry, d_name.name));
        if (got <= 0)
            break;
        at += (__u32)got;
        dentry = up;
    }
    scratch->event.notes |= NOTE_DEEP;
end:
    scratch->event.start = (__u16)(at - begin);
    return 0;
}

static __always_inline bool emit(struct scratch *scratch)
{
    __u64 size = sizeof scratch->event + scratch->event.string + scratch->event.start;
    bool urgent = scratch->event.program == PROGRAM_GATE
                  || bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > WAKE_BYTES;

    if (size > sizeof *scratch)
        size = sizeof *scratch;
    if (bpf_ringbuf_output(&events, scratch, size, urgent ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP)) {
        COUNT(lost);
        return false;
    }
    COUNT(events);
    return true;
}

static __always_inline void begin(struct scratch *scratch, const struct task *task, const struct slot *slot)
{
    scratch->event = (struct event){.slot = task->slot, .step = slot->step, .program = task->program};
    scratch->event.tid = (__u32)bpf_get_current_pid_tgid();
}

static __always_inline void hash_event(struct scratch *scratch)
{
    const struct event *event = &scratch->event;
    struct hash *hash = &scratch->hash;

    *hash = (struct hash){0x243f6a8885a308d3ull, 0x13198a2e03707344ull};
    add(hash, (__u64)event->slot << 32 | event->program);
    add(hash, (__u64)event->step << 32 | (__u32)event->error);
    add(hash, (__u64)event->flags << 32 | (__u32)event->mode << 16 | event->notes);
    add(hash, (__u64)event->type << 32 | (__u32)event->how << 16 | event->number);
}

/* By blocks, the last of which ends in zeros. */
__noinline int hash_text(struct scratch *scratch)
{
    if (!scratch)
        return 0;
    __u32 length = scratch->event.string & (2 * PATH_BYTES - 1);
    char *end = scratch->text + length;
    for (int i = 0; i < BLOCK; i++)
        ((__u64 *)end)[i] = 0;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < PATH_BYTES / 8; i += BLOCK) {
        if (i * 8 >= length)
            break;
#pragma clang loop unroll(full)
        for (int j = 0; j < BLOCK; j++)
            add(&scratch->hash, scratch->words[i + j]);
    }
    return 0;
}

/* Tells of what `scratch` has, and where it starts, unless that was told before. */
__noinline int tell_from(struct scratch *scratch, struct slot *slot, __u64 mount, __u64 directory)
{
    __u8 one = 1;

    if (!scratch || !slot)
        return 0;
    bool at_root = !mount || (mount == slot->root_mount && directory == slot->root_directory);
    hash_event(scratch);
    hash_text(scratch);
    if (!at_root) {
        scratch->event.notes |= hash_place(scratch, mount, directory);
        if (scratch->top != slot->top)
            scratch->event.notes |= NOTE_OTHER_TREE;
    }
    struct hash hash = scratch->hash;
    /* Each gate's marker counts, though all gates are one program; what was mounted is two events that belong together. */
    if (scratch->event.program != PROGRAM_GATE && scratch->event.type != EVENT_MOUNT && bpf_map_lookup_elem(&seen, &hash))
        return 0;
    if (!at_root)
        write_place(scratch, mount, directory);
    if (emit(scratch))
        bpf_map_update_elem(&seen, &hash, &one, BPF_ANY);
    return 0;
}

static __always_inline void tell(struct scratch *scratch, struct slot *slot, struct path start)
{
    tell_from(scratch, slot, (__u64)start.mnt, (__u64)start.dentry);
}

static __always_inline struct file *file_of(struct task_struct *task, int descriptor)
{
    struct file *file = NULL, **files = task->files->fdt->fd;

    if (descriptor < 0 || (__u32)descriptor >= task->files->fdt->max_fds)
        return NULL;
    bpf_probe_read_kernel(&file, sizeof file, files + descriptor);
    return file;
}

#if defined(__TARGET_ARCH_x86)
static __always_inline bool is_32bit(struct pt_regs *regs, struct task_struct *task)
{
    return task->thread_info.status & TS_COMPAT;
}

static __always_inline long number_of(struct pt_regs *regs)
{
    return (long)regs->orig_ax;
}

static __always_inline __u64 fifth_argument(struct pt_regs *regs, bool narrow)
{
    return narrow ? (__u32)regs->di : regs->r8;
}

static __always_inline void copy_arguments(__u64 *to, struct pt_regs *regs, bool narrow)
{
    to[0] = narrow ? (__u32)regs->bx : regs->di;
    to[1] = narrow ? (__u32)regs->cx : regs->si;
    to[2] = narrow ? (__u32)regs->dx : regs->dx;
    to[3] = narrow ? (__u32)regs->si : regs->r10;
    to[4] = fifth_argument(regs, narrow);
    to[5] = narrow ? (__u32)regs->bp : regs->r9;
}
#else
static __always_inline bool is_32bit(struct pt_regs *regs, struct task_struct *task)
{
    return regs->pstate & PSR_MODE32;
}

static __always_inline long number_of(struct pt_regs *regs)
{
    return regs->syscallno;
}

static __always_inline __u64 fifth_argument(struct pt_regs *regs, bool narrow)
{
    return regs->regs[4];
}

static __always_inline void copy_arguments(__u64 *to, struct pt_regs *regs, bool narrow)
{
    to[0] = regs->orig_x0; /* regs[0] is the result by now */
    to[1] = regs->regs[1];
    to[2] = regs->regs[2];
    to[3] = regs->regs[3];
    to[4] = fifth_argument(regs, narrow);
    to[5] = regs->regs[5];
}
#endif

static __always_inline void begin_call(struct scratch *s, const struct slot *slot, __u8 type, __u8 how)
{
    begin(s, &s->who, slot);
    s->event.type = type;
    s->event.how = how;
    s->event.number = s->number;
    s->event.notes = s->notes | (s->narrow ? NOTE_32BIT : 0);
    if (s->result < 0 && s->result > -4096)
        s->event.error = s->result <= -ERESTARTSYS ? EINTR : (__s32)-s->result;
}

static __always_inline __u64 argument(const struct scratch *s, int index)
{
    return s->arguments[(__u32)index < 6 ? index : 0];
}

/* What an open made of its flags, as far as the file tells. */
static __always_inline void describe_opened(struct scratch *s, struct task_struct *task)
{
    struct file *file = file_of(task, (int)s->result);

    if (!file)
        return;
    s->event.mode = BPF_CORE_READ(file, f_inode, i_mode) & 0170000;
    if (BPF_CORE_READ(file, f_mode) & FMODE_CREATED)
        s->event.notes |= NOTE_CREATED;
}

/* Copies a string that the kernel has just read, or copied. */
static __always_inline long copy_string(struct scratch *s, __u64 address)
{
    if (s->in_kernel)
        return bpf_probe_read_kernel_str(s->text, PATH_BYTES, (void *)address);
    return bpf_probe_read_user_str(s->text, PATH_BYTES, (void *)address);
}

/* One of the paths of the call. `in_root`: a leading slash means its directory (RESOLVE_IN_ROOT). */
__noinline int tell_path(struct scratch *s, struct slot *slot, int which, __u64 flags, int in_root)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct fs_struct *fs = task->fs;
    struct path start = {};
    struct file *file;

    if (!s || !slot || !fs)
        return 0;
    __u8 how = which ? s->call.how[1] : s->call.how[0];
    int directory = which ? s->call.directory[1] : s->call.directory[0];
    __u64 address = argument(s, which ? s->call.path[1] : s->call.path[0]);
    int descriptor = directory < 0 ? AT_FDCWD : (int)argument(s, directory);
    if (!address)
        return 0;
    begin_call(s, slot, s->type, how);
    if (s->event.error == EBADF || s->event.error == ENAMETOOLONG || s->event.error == ENOSYS)
        return 0;
    long length = copy_string(s, address);
    if (length < 0) {
        if (s->event.error == EFAULT)
            return 0;
        s->event.notes |= NOTE_UNREADABLE;
        s->text[0] = 0;
        length = 1;
    } else if (length <= 1)
        return 0; /* the descriptor itself, or nothing */
    if (s->call.kind == KIND_READLINK && s->result > 0) {
        __u64 buffer = argument(s, s->call.flags);
        if (buffer < address + (__u64)length && address < buffer + (__u64)s->result)
            s->event.notes |= NOTE_OVERWRITTEN;
    }
    if (s->call.kind == KIND_MOUNT && !which && s->type != EVENT_MOUNT && s->text[0] != '/')
        return 0; /* the name of what is no file */
    s->event.string = (__u16)length;
    s->event.flags = s->type == EVENT_MOUNT ? (__u32)which : (__u32)flags & open_flags;
    if (how == HOW_OPEN && s->result >= 0)
        describe_opened(s, task);
    if (s->call.kind == KIND_MOVES && s->result >= 0) {
        __u64 key = (__u64)fs;
        struct standing *before = bpf_map_lookup_elem(&standings, &key);
        if (before)
            start = s->text[0] == '/' ? before->root : before->directory;
        else
            s->event.notes |= NOTE_NO_START;
        if (which || !s->call.how[1])
            note_standing(fs);
    } else if (s->text[0] == '/' && !in_root)
        start = root_of(fs);
    else if (descriptor == AT_FDCWD)
        start = directory_of(fs);
    else if ((file = file_of(task, descriptor)))
        start = file_path(file);
    else
        s->event.notes |= NOTE_NO_START;
    return tell_from(s, slot, (__u64)start.mnt, (__u64)start.dentry);
}

__noinline int tell_file(struct scratch *s, struct slot *slot, int how, int descriptor)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct file *file = file_of(task, descriptor);

    if (!s || !slot || !file)
        return 0;
    begin_call(s, slot, EVENT_FILE, (__u8)how);
    s->event.error = 0;
    s->event.mode = BPF_CORE_READ(file, f_inode, i_mode) & 0170000;
    struct path path = file_path(file);
    return tell_from(s, slot, (__u64)path.mnt, (__u64)path.dentry);
}

static __always_inline long copy_bytes(const struct scratch *s, void *to, __u32 size, __u64 address)
{
    if (s->in_kernel)
        return bpf_probe_read_kernel(to, size, (void *)address);
    return bpf_probe_read_user(to, size, (void *)address);
}

/* The address that a call gave a socket, or sent something to. */
__noinline int tell_socket(struct scratch *s, struct slot *slot, int how, __u64 address, __u32 length)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct fs_struct *fs = task->fs;
    __u16 family = 0;

    if (!s || !slot || !fs)
        return 0;
    struct file *file = file_of(task, (int)s->arguments[0]);
    begin_call(s, slot, EVENT_SOCKET, (__u8)how);
    if (!address || length <= sizeof family || copy_bytes(s, &family, sizeof family, address))
        return 0;
    if (family == AF_UNIX) {
        if (length > UNIX_BYTES)
            length = UNIX_BYTES;
        barrier_var(length); /* else the compiler's next sum takes the bound from the verifier's eyes */
        __u32 most = (length - 1) & 127;
        long got = s->in_kernel ? bpf_probe_read_kernel_str(s->text, most, (void *)(address + sizeof family))
                                : bpf_probe_read_user_str(s->text, most, (void *)(address + sizeof family));
        if (got > 1) {
            s->event.type = EVENT_PATH;
            s->event.string = (__u16)got;
            struct path start = s->text[0] == '/' ? root_of(fs) : directory_of(fs);
            return tell_from(s, slot, (__u64)start.mnt, (__u64)start.dentry);
        }
    }
    if (length > 127)
        length = 127;
    barrier_var(length);
    length &= 127;
    if (copy_bytes(s, s->text, length, address))
        return 0;
    s->event.string = (__u16)length;
    if (file) {
        struct socket *socket = BPF_CORE_READ(file, private_data);
        s->event.mode = (__u16)BPF_CORE_READ(socket, type);
    }
    return tell_from(s, slot, 0, 0);
}

/* The first two fields of a msghdr: an address, and its length. */
static __always_inline void tell_message(struct scratch *s, struct slot *slot, __u64 message)
{
    struct { __u64 name; __u32 length; } wide = {};
    struct { __u32 name, length; } narrow = {};

    if (s->narrow) {
        if (bpf_probe_read_user(&narrow, sizeof narrow, (void *)message))
            return;
        wide.name = narrow.name;
        wide.length = narrow.length;
    } else if (bpf_probe_read_user(&wide, 12, (void *)message))
        return;
    if (wide.name)
        tell_socket(s, slot, HOW_CONNECT, wide.name, wide.length);
}

/* Each has an address of its own: those that were sent, and the one at which that ended. */
__noinline int tell_messages(struct scratch *s, struct slot *slot)
{
    if (!s || !slot)
        return 0;
    __u64 size = s->narrow ? 32 : 64, message = s->arguments[1];
    __s64 last = s->result > 0 ? s->result : 0;

#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < MOST_MESSAGES; i++) {
        if (i > last || i >= (__u32)s->arguments[2])
            break;
        tell_message(s, slot, message);
        message += size;
    }
    return 0;
}

static __always_inline void tell_network(struct scratch *s, struct slot *slot, __u8 kind)
{
    if (kind == KIND_SOCKET)
        tell_socket(s, slot, s->call.how[0], s->arguments[1], (__u32)s->arguments[2]);
    else if (kind == KIND_SENDTO)
        tell_socket(s, slot, HOW_CONNECT, s->arguments[4], (__u32)s->arguments[5]);
    else if (kind == KIND_SENDMSG)
        tell_message(s, slot, s->arguments[1]);
    else
        tell_messages(s, slot);
}

/* socketcall(2): the arguments lie in memory, as longs of 32 bits. */
static __always_inline void tell_socketcall(struct scratch *s, struct slot *slot)
{
    __u64 which = s->arguments[0], address = s->arguments[1];
    __u32 inner[6] = {};

    if (bpf_probe_read_user(inner, which == SYS_SENDTO ? sizeof inner : sizeof inner / 2, (void *)address))
        return;
    for (int i = 0; i < 6; i++)
        s->arguments[i] = inner[i];
    s->call.how[0] = which == SYS_BIND ? HOW_BIND : HOW_CONNECT;
    if (which == SYS_BIND || which == SYS_CONNECT)
        tell_network(s, slot, KIND_SOCKET);
    else if (which == SYS_SENDTO)
        tell_network(s, slot, KIND_SENDTO);
    else if (which == SYS_SENDMSG)
        tell_network(s, slot, KIND_SENDMSG);
    else if (which == SYS_SENDMMSG)
        tell_network(s, slot, KIND_SENDMMSG);
}

/* A ring whose requests a thread of the kernel takes: that is followed, too, since no call of the process shows them. */
static __always_inline void follow_poller(struct scratch *s)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct file *ring = file_of(task, (int)s->result);
    struct io_ring_ctx *context = ring ? BPF_CORE_READ(ring, private_data) : NULL;
    struct task_struct *thread = NULL;

    if (context && bpf_core_field_exists(context->sq_data) && bpf_core_field_exists(((struct io_sq_data *)0)->thread))
        thread = BPF_CORE_READ(context, sq_data, thread);
    __u32 tid = thread ? (__u32)BPF_CORE_READ(thread, pid) : 0;
    if (!tid || bpf_map_update_elem(&tasks, &tid, &s->who, BPF_ANY))
        COUNT(polled_rings);
}

static __always_inline void note_object(const struct scratch *s)
{
    struct program *program = bpf_map_lookup_elem(&programs, &s->who.program);
    if (program)
        program->ipc[s->call.path[0] & 7] = 1;
}

static __always_inline bool is_elsewhere(const struct slot *slot)
{
    struct task_struct *task = bpf_get_current_task_btf();
    return (__u64)task->nsproxy->mnt_ns != slot->mount_namespace;
}

/* After fchdir(2), unshare(2), setns(2). */
static __always_inline void tell_standing(struct scratch *s)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct fs_struct *fs = task->fs;
    __u64 kinds = s->call.flags < 0 ? 0 : argument(s, s->call.flags);

    if (kinds & CLONE_NEWNS || (s->call.flags == 1 && !kinds)) /* setns(2) may leave it to the descriptor */
        note_unshared(&s->who);

    if (fs)
        note_standing(fs);
}

static __always_inline void tell_call(struct scratch *s, struct slot *slot)
{
    __u64 flags = 0, resolve = 0;

    switch (s->call.kind) {
    case KIND_OPEN:
        flags = s->call.flags < 0 ? creat_flags : argument(s, s->call.flags);
        break;
    case KIND_OPENAT2:
        bpf_probe_read_user(&flags, sizeof flags, (void *)s->arguments[2]);
        bpf_probe_read_user(&resolve, sizeof resolve, (void *)(s->arguments[2] + 16));
        break;
    case KIND_GETDENTS:
        if (s->result >= 0)
            tell_file(s, slot, HOW_LIST, (int)s->arguments[0]);
        return;
    case KIND_MMAP:
        if ((__u64)s->result < -4095ULL && s->arguments[2] & PROT_EXEC && !(s->arguments[3] & MAP_ANONYMOUS))
            tell_file(s, slot, HOW_MAP, (int)s->arguments[4]);
        return;
    case KIND_SOCKET:
    case KIND_SENDTO:
    case KIND_SENDMSG:
    case KIND_SENDMMSG:
        tell_network(s, slot, s->call.kind);
        return;
    case KIND_SOCKETCALL:
        tell_socketcall(s, slot);
        return;
    case KIND_STANDS:
        if (s->result >= 0)
            tell_standing(s);
        return;
    case KIND_URING:
        bpf_probe_read_user(&flags, 4, (void *)(s->arguments[1] + 8));
        if (s->result >= 0 && flags & IORING_SETUP_SQPOLL)
            follow_poller(s);
        return;
    case KIND_IPC:
        if (s->result >= 0)
            note_object(s);
        return;
    case KIND_MOUNT:
        if (s->arguments[3] & MS_REMOUNT)
            s->call.how[0] = HOW_NONE;
        else if (s->result >= 0 && s->arguments[3] & (MS_BIND | MS_MOVE))
            s->type = EVENT_MOUNT;
        break;
    case KIND_OPEN_TREE: /* what it copies can be mounted by a descriptor, which tells nothing of the place */
        if (s->result >= 0 && s->arguments[2] & OPEN_TREE_CLONE && is_elsewhere(slot))
            s->notes = NOTE_OTHER_TREE;
        break;
    }
    if (s->call.how[0])
        tell_path(s, slot, 0, flags, !!(resolve & RESOLVE_IN_ROOT));
    if (s->call.how[1])
        tell_path(s, slot, 1, flags, 0);
}

/* A task of the container shows where its root is: the gate by its first call with a path. */
static __always_inline void know_root(struct scratch *scratch, struct slot *slot, __u32 number, struct task_struct *task)
{
    struct fs_struct *fs = task->fs;
    struct path place;

    if (!fs)
        return;
    place = root_of(fs);
    slot->root_mount = (__u64)place.mnt;
    slot->root_directory = (__u64)place.dentry;
    slot->user_namespace = (__u64)task->real_cred->user_ns;
    slot->mount_namespace = (__u64)task->nsproxy->mnt_ns;
    hash_place(scratch, (__u64)place.mnt, (__u64)place.dentry);
    slot->top = scratch->top;
    bpf_map_update_elem(&roots, &place, &number, BPF_ANY);
    note_standing(fs);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(returned, struct pt_regs *regs, long result)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), which = SCRATCH_EXIT;
    struct task *who = bpf_map_lookup_elem(&tasks, &tid);

    if (!who)
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct program *program = bpf_map_lookup_elem(&programs, &who->program);
    struct slot *slot = bpf_map_lookup_elem(&slots, &who->slot);
    long number = number_of(regs);
    bool narrow = is_32bit(regs, task);

    if (!program || !slot)
        return 0;
    if (number == -1) /* by sigreturn(2) itself; by a debugger too, which is as well */
        number = number_sigreturn;
    if (number < 0 || number >= CALLS) {
        COUNT(numberless);
        return 0;
    }
    const volatile struct call *call = narrow ? &calls32[number] : &calls[number];
    __u8 *used = narrow ? &program->calls32[number] : &program->calls[number];
    if (call->kind == KIND_EXECVE && result >= 0)
        return 0;
    if (!*used)
        *used = 1;
    if (!call->kind || (call->kind == KIND_SENDTO && !fifth_argument(regs, narrow))) /* of send(2) there are many */
        return 0;
    struct scratch *scratch = bpf_map_lookup_elem(&scratches, &which);
    if (!scratch)
        return 0;
    if (!slot->root_mount && who->program == PROGRAM_GATE)
        know_root(scratch, slot, who->slot, task);
    scratch->who = *who;
    scratch->call = *(const struct call *)call;
    scratch->result = result;
    scratch->number = (__u16)number;
    scratch->notes = 0;
    scratch->type = EVENT_PATH;
    scratch->narrow = narrow;
    scratch->in_kernel = false;
    copy_arguments(scratch->arguments, regs, narrow);
    tell_call(scratch, slot);
    return 0;
}

/* The number of the program that a task runs now; tells its path the first time. */
static __always_inline __u32 program_of(struct scratch *scratch, struct task *who, const struct slot *slot, struct task_struct *task)
{
    struct path path = file_path(task->mm->exe_file);

    begin(scratch, who, slot);
    scratch->event.type = EVENT_PROGRAM;
    scratch->event.step = scratch->event.program = 0;
    hash_event(scratch);
    scratch->event.notes |= hash_place(scratch, (__u64)path.mnt, (__u64)path.dentry);
    struct hash hash = scratch->hash;
    __u32 *known = bpf_map_lookup_elem(&numbers, &hash);
    if (known)
        return *known;
    __u32 number = PROGRAM_FIRST + (__u32)__sync_fetch_and_add(&counters.programs, 1);
    if (number >= PROGRAMS)
        return PROGRAM_OTHER;
    scratch->event.program = number;
    write_place(scratch, (__u64)path.mnt, (__u64)path.dentry);
    if (!emit(scratch))
        return PROGRAM_OTHER;
    bpf_map_update_elem(&numbers, &hash, &number, BPF_ANY);
    return number;
}

static __always_inline void remember(__u32 process, __u32 slot, bool by_exec)
{
    struct member member = {slot, by_exec};
    if (bpf_map_update_elem(&members, &process, &member, BPF_ANY))
        COUNT(forgotten);
}

static __always_inline void tell_exec(struct scratch *scratch, const struct task *who, struct slot *slot,
                                      struct fs_struct *fs, const char *name)
{
    begin(scratch, who, slot);
    scratch->event.type = EVENT_PATH;
    scratch->event.how = HOW_EXEC;
    long length = bpf_probe_read_kernel_str(scratch->text, PATH_BYTES, name);
    if (length <= 1)
        return;
    scratch->event.string = (__u16)length;
    tell(scratch, slot, scratch->text[0] == '/' ? root_of(fs) : directory_of(fs));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(executed, struct task_struct *task, int old_tid, struct linux_binprm *binary)
{
    __u32 before = (__u32)old_tid, tid = (__u32)task->pid, which = SCRATCH_EXEC;
    struct task *found = bpf_map_lookup_elem(&tasks, &before), who;
    struct fs_struct *fs = task->fs;
    struct scratch *scratch = bpf_map_lookup_elem(&scratches, &which);

    if (!fs || !scratch || !task->mm)
        return 0;
    if (found)
        who = *found;
    else {
        struct path place = root_of(fs);
        __u32 *slot = bpf_map_lookup_elem(&roots, &place);
        if (!slot)
            return 0;
        who = (struct task){*slot, PROGRAM_ENGINE};
        remember(tid, *slot, true);
        note_standing(fs);
    }
    struct slot *slot = bpf_map_lookup_elem(&slots, &who.slot);
    struct program *program = bpf_map_lookup_elem(&programs, &who.program);
    if (!slot || !program)
        return 0;
    program->calls[(binary->fdpath ? number_execveat : number_execve) & (CALLS - 1)] = 1;
    if (!binary->fdpath) {
        tell_exec(scratch, &who, slot, fs, binary->filename);
        if (binary->interp != binary->filename)
            tell_exec(scratch, &who, slot, fs, binary->interp);
    }
    who.program = program_of(scratch, &who, slot, task);
    if (before != tid)
        bpf_map_delete_elem(&tasks, &before);
    if (bpf_map_update_elem(&tasks, &tid, &who, BPF_ANY))
        COUNT(untracked);
    return 0;
}

/* Each task of the machine once, when the other half asks for it: those of a container that runs already. Of what is
 * followed without having been seen to start, here is what it runs and where it stands. */
SEC("?iter/task")
int joined(struct bpf_iter__task *context)
{
    struct task_struct *task = context->task;
    __u32 which = SCRATCH_JOIN, number = joined_slot;
    struct scratch *scratch = bpf_map_lookup_elem(&scratches, &which);

    if (!task || !scratch)
        return 0;
    struct fs_struct *fs = task->fs;
    __u32 tid = (__u32)task->pid;
    if (!fs || !task->mm)
        return 0;
    struct slot *slot = bpf_map_lookup_elem(&slots, &number);
    if (slot && tid == joined_first && !slot->root_mount)
        know_root(scratch, slot, number, task);
    struct task *who = bpf_map_lookup_elem(&tasks, &tid);
    if (!slot || !who || who->slot != number || who->program != PROGRAM_RUNNING)
        return 0;
    note_standing(fs);
    who->program = program_of(scratch, who, slot, task);
    return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(forked, struct task_struct *parent, struct task_struct *child)
{
    __u32 from = (__u32)parent->pid, to = (__u32)child->pid;
    struct task *found = bpf_map_lookup_elem(&tasks, &from);

    if (found) {
        struct task who = *found;
        struct fs_struct *fs = child->fs;
        if (child->nsproxy->mnt_ns != parent->nsproxy->mnt_ns)
            note_unshared(&who);
        if (fs && fs != parent->fs)
            note_standing(fs);
        if (bpf_map_update_elem(&tasks, &to, &who, BPF_ANY))
            COUNT(untracked);
        if (child->tgid == child->pid)
            remember(to, who.slot, false);
    }
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exited, struct task_struct *task)
{
    __u32 tid = (__u32)task->pid;
    struct task *found = bpf_map_lookup_elem(&tasks, &tid);

    if (!found)
        return 0;
    struct program *program = bpf_map_lookup_elem(&programs, &found->program);
    if (program && !(task->exit_code & 0x7f)) { /* these two calls do not return */
        __u32 number = task->signal->flags & SIGNAL_GROUP_EXIT ? number_exit_group : number_exit;
        program->calls[number & (CALLS - 1)] = 1;
    }
    bpf_map_delete_elem(&tasks, &tid);
    return 0;
}

/* Kernels before 6.14 do not have it: then nothing is told of capabilities. */
SEC("?tp_btf/cap_capable")
int BPF_PROG(capable, const struct cred *cred, struct user_namespace *wanted, const struct user_namespace *of, int capability, int result)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct task *who = result ? NULL : bpf_map_lookup_elem(&tasks, &tid);

    if (!who)
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct program *program = bpf_map_lookup_elem(&programs, &who->program);
    struct slot *slot = bpf_map_lookup_elem(&slots, &who->slot);
    /* Other credentials are overlayfs's, which asks in the name of whoever mounted it. */
    if (program && slot && cred == task->real_cred && (__u64)cred->user_ns == slot->user_namespace)
        program->capabilities[capability & 63] = 1;
    return 0;
}

/* One path of a request. What comes of it nobody knows yet, so that one which is not there is told as any other. */
__noinline int tell_requested(struct scratch *s, struct slot *slot, __u64 filename, int directory, int in_root)
{
    if (!s || !slot)
        return 0;
    s->arguments[0] = (__u32)directory;
    s->arguments[1] = (__u64)BPF_CORE_READ((struct filename *)filename, name);
    return tell_path(s, slot, 0, 0, in_root);
}

/* An operation of io_uring and, where it has one name alone, what keeps its path. */
#define ONE_PATH(type, way, in_root)                                                                                   \
    do {                                                                                                               \
        struct type *kept = (void *)request;                                                                           \
        if (!bpf_core_field_exists(kept->filename))                                                                    \
            return false;                                                                                              \
        s->call.how[0] = way;                                                                                          \
        tell_requested(s, slot, (__u64)BPF_CORE_READ(kept, filename), BPF_CORE_READ(kept, dfd), in_root);              \
        return true;                                                                                                   \
    } while (0)

#define TWO_PATHS(type, first, second)                                                                                 \
    do {                                                                                                               \
        struct type *kept = (void *)request;                                                                           \
        if (!bpf_core_field_exists(kept->oldpath) || !bpf_core_field_exists(kept->newpath))                            \
            return false;                                                                                              \
        s->call.how[0] = first;                                                                                        \
        if (first)                                                                                                     \
            tell_requested(s, slot, (__u64)BPF_CORE_READ(kept, oldpath), BPF_CORE_READ(kept, old_dfd), 0);             \
        s->call.how[0] = second;                                                                                       \
        tell_requested(s, slot, (__u64)BPF_CORE_READ(kept, newpath), BPF_CORE_READ(kept, new_dfd), 0);                 \
        return true;                                                                                                   \
    } while (0)

static __always_inline bool tell_opening(struct scratch *s, struct slot *slot, struct io_kiocb *request)
{
    struct io_open *kept = (void *)request;
    if (!bpf_core_field_exists(kept->how))
        return false;
    __u64 flags = BPF_CORE_READ(kept, how.flags), resolve = BPF_CORE_READ(kept, how.resolve);
    __u8 way = flags & O_CREAT ? HOW_CREATE : flags & O_ACCMODE ? HOW_WRITE : HOW_STAT; /* fanotify tells of reading */
    ONE_PATH(io_open, way, !!(resolve & RESOLVE_IN_ROOT));
}

static __always_inline bool tell_xattr(struct scratch *s, struct slot *slot, struct io_kiocb *request, __u8 way)
{
    struct io_xattr *kept = (void *)request;
    if (!bpf_core_field_exists(kept->filename))
        return false;
    s->call.how[0] = way;
    tell_requested(s, slot, (__u64)BPF_CORE_READ(kept, filename), AT_FDCWD, 0);
    return true;
}

/* The address that a request has, which the kernel has copied. */
static __always_inline bool tell_address(struct scratch *s, struct slot *slot, struct io_kiocb *request, __u8 how)
{
    struct io_async_msghdr *copied = BPF_CORE_READ(request, async_data);
    __u32 length = 0;

    if (!bpf_core_field_exists(copied->addr) || !bpf_core_field_exists(copied->msg)
        || bpf_core_type_exists(struct io_async_connect))
        return false;
    if (!copied)
        return true;
    if (request->opcode == RING_CONNECT)
        length = (__u32)BPF_CORE_READ((struct io_connect *)request, addr_len);
    else if (request->opcode == RING_BIND) {
        if (bpf_core_type_exists(struct io_bind))
            length = (__u32)BPF_CORE_READ((struct io_bind *)request, addr_len);
    } else if (BPF_CORE_READ(copied, msg.msg_name))
        length = (__u32)BPF_CORE_READ(copied, msg.msg_namelen);
    s->arguments[0] = (__u32)BPF_CORE_READ(request, cqe.fd);
    if (length)
        tell_socket(s, slot, how, (__u64)__builtin_preserve_access_index(&copied->addr), length);
    return true;
}

/* False where what the request looks up cannot be told. */
static __always_inline bool tell_request(struct scratch *s, struct slot *slot, struct io_kiocb *request)
{
    switch (request->opcode) {
    case RING_OPENAT:
    case RING_OPENAT2:
        return tell_opening(s, slot, request);
    case RING_STATX:
        ONE_PATH(io_statx, HOW_STAT, 0);
    case RING_UNLINKAT:
        ONE_PATH(io_unlink, HOW_REMOVE, 0);
    case RING_MKDIRAT:
        ONE_PATH(io_mkdir, HOW_CREATE, 0);
    case RING_RENAMEAT:
        TWO_PATHS(io_rename, HOW_RENAME, HOW_RENAME);
    case RING_LINKAT:
        TWO_PATHS(io_link, HOW_STAT, HOW_CREATE);
    case RING_SYMLINKAT: /* the first is only a text */
        TWO_PATHS(io_link, HOW_NONE, HOW_CREATE);
    case RING_SETXATTR:
        return tell_xattr(s, slot, request, HOW_WRITE);
    case RING_GETXATTR:
        return tell_xattr(s, slot, request, HOW_STAT);
    case RING_CONNECT:
    case RING_SENDMSG:
    case RING_SEND:
    case RING_SEND_ZC:
    case RING_SENDMSG_ZC:
        return tell_address(s, slot, request, HOW_CONNECT);
    case RING_BIND:
        return tell_address(s, slot, request, HOW_BIND);
    }
    return true;
}

/* Since 6.4 it has one argument. A thread of the kernel that takes requests works with its process's memory, files and
 * directories. */
SEC("?tp_btf/io_uring_submit_req")
int BPF_PROG(submitted, struct io_kiocb *request)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), which = SCRATCH_RING;
    struct task *who = bpf_map_lookup_elem(&tasks, &tid);
    struct program *program = who ? bpf_map_lookup_elem(&programs, &who->program) : NULL;
    struct slot *slot = who ? bpf_map_lookup_elem(&slots, &who->slot) : NULL;
    struct scratch *s = bpf_map_lookup_elem(&scratches, &which);

    if (!program || !slot || !s)
        return 0;
    s->who = *who;
    s->call = (struct call){KIND_PATHS, {HOW_NONE, HOW_NONE}, {1, 0}, {0, -1}, -1};
    s->result = 0;
    s->number = SYS_io_uring_enter;
    s->notes = 0;
    s->type = EVENT_PATH;
    s->narrow = false;
    s->in_kernel = true;
    if (!tell_request(s, slot, request))
        program->uring[request->opcode & 63] = 1;
    return 0;
}
