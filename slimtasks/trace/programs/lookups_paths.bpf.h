/* Paths of a call, and files that it has open. */
#pragma once

#include "lookups_places.bpf.h"

#define AT_FDCWD (-100)
#define EINTR 4
#define EBADF 9
#define EFAULT 14
#define ENAMETOOLONG 36
#define ENOSYS 38
#define ERESTARTSYS 512
#define RESOLVE_IN_ROOT 0x10
#define FMODE_CREATED 0x100000

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
