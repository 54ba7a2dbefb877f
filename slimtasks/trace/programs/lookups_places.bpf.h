/* Where a path begins, and telling of it unless that was told before. */
#pragma once

#include "lookups_maps.bpf.h"

#define BLOCK 8 /* words */
#define WAKE_BYTES (2 << 20)

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
