/* What a call that returned tells, by its kind. */
#pragma once

#include "lookups_machine.bpf.h"
#include "lookups_sockets.bpf.h"

#define CLONE_NEWNS 0x20000
#define MS_REMOUNT 0x20
#define MS_BIND 0x1000
#define MS_MOVE 0x2000
#define OPEN_TREE_CLONE 1
#define PROT_EXEC 4
#define MAP_ANONYMOUS 0x20
#define IORING_SETUP_SQPOLL 2

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
