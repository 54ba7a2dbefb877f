/* What the programs of lookups.bpf.c keep, and share with the other half. */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kernel.h"
#include "lookups.h"

#define TEXT_BYTES (2 * PATH_BYTES)

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
