/* What a request to an io_uring tells. */
#pragma once

#include "lookups_sockets.bpf.h"

#define O_ACCMODE 3
#define O_CREAT 0x40

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
