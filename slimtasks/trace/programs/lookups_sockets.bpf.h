/* Addresses that sockets are given, and that something is sent to. */
#pragma once

#include "lookups_paths.bpf.h"

#define AF_UNIX 1
#define UNIX_BYTES 111 /* sun_path and a NUL, which it need not have */
#define SYS_BIND 2
#define SYS_CONNECT 3
#define SYS_SENDTO 11
#define SYS_SENDMSG 16
#define SYS_SENDMMSG 20
#define MOST_MESSAGES 1024 /* of one sendmmsg(2): UIO_MAXIOV */

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
