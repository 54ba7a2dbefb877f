/* What the kernel's half (lookups.bpf.c) and the tracer's half (ebpf.c, calls.c) of the eBPF source share. */
#pragma once

#include <linux/types.h>

#define CALLS 512        /* numbers of system calls that are known */
#define PROGRAMS 2048    /* different executables in all traced containers */
#define SLOTS 256        /* containers at a time */
#define TASKS 32768      /* threads at a time */
#define MEMBERS 65536    /* processes of all containers that are known to have been theirs */
#define PATH_BYTES 4096  /* PATH_MAX, the ending NUL included */
#define DEPTH 64         /* directories between a file and the root */

/* Numbers of programs; the rest as they come. RUNNING: one that ran before it was followed, until it is looked at. */
enum { PROGRAM_GATE, PROGRAM_ENGINE, PROGRAM_OTHER, PROGRAM_RUNNING, PROGRAM_FIRST };

/* What a call does with a path. */
enum how { HOW_NONE, HOW_OPEN, HOW_EXEC, HOW_LIST, HOW_MAP, HOW_STAT, HOW_ACCESS, HOW_READLINK, HOW_WRITE, HOW_CREATE,
           HOW_RENAME, HOW_REMOVE, HOW_BIND, HOW_CONNECT, HOW_QUEUE };

/* What is special about a call. */
enum kind { KIND_NONE, KIND_PATHS, KIND_OPEN, KIND_OPENAT2, KIND_EXECVE, KIND_READLINK, KIND_GETDENTS, KIND_MMAP,
            KIND_SOCKET, KIND_SENDTO, KIND_SENDMSG, KIND_SENDMMSG, KIND_SOCKETCALL, KIND_MOVES, KIND_STANDS, KIND_MOUNT,
            KIND_OPEN_TREE, KIND_IPC, KIND_URING };

struct call {
    __u8 kind;
    __u8 how[2];         /* of its one or two paths; HOW_NONE where there is no second */
    __s8 path[2];        /* which argument is the string; of KIND_IPC the number of its kind of object */
    __s8 directory[2];   /* which argument is the descriptor that the string starts at; -1: the working directory */
    __s8 flags;          /* of KIND_OPEN: which argument they are, -1: creat(2); of KIND_READLINK: the buffer */
};

enum { IPC_SHM, IPC_SEM, IPC_MSG };

/* Operations of io_uring with a path or an address (enum io_uring_op). */
enum { RING_SENDMSG = 9, RING_CONNECT = 16, RING_OPENAT = 18, RING_STATX = 21, RING_SEND = 26, RING_OPENAT2 = 28,
       RING_RENAMEAT = 35, RING_UNLINKAT, RING_MKDIRAT, RING_SYMLINKAT, RING_LINKAT, RING_SETXATTR = 42,
       RING_GETXATTR = 44, RING_SEND_ZC = 47, RING_SENDMSG_ZC, RING_BIND = 56 };

struct task {
    __u32 slot, program;
};

/* A process that is, or was, the container's. */
struct member {
    __u32 slot, by_exec;                       /* by_exec: before the first exec in the container it was the engine's */
};

struct slot {
    __u64 root_mount, root_directory, top;     /* addresses in the kernel, known once the gate ran */
    __u64 user_namespace, mount_namespace;
    __u32 step, spare;
};

/* Written by the kernel as single bytes: no two processors can lose each other's. */
struct program {
    __u8 calls[CALLS], calls32[CALLS], capabilities[64], uring[64], ipc[8];
    __u8 unshared;       /* it made a mount namespace of its own */
} __attribute__((aligned(8))); /* as the map's elements are */

enum { EVENT_PATH, EVENT_FILE, EVENT_PROGRAM, EVENT_SOCKET,
       EVENT_MOUNT };    /* each of the two paths of a bind or move that succeeded; flags: 1 for where it is now */
enum {                   /* event.notes */
    NOTE_UNREADABLE = 1, /* the string, by us though not by the call */
    NOTE_DEEP = 2,       /* more than DEPTH directories, or more than PATH_BYTES */
    NOTE_OTHER_TREE = 4, /* the start does not lie below the container's root */
    NOTE_DETACHED = 8,   /* it lies on no mount of any mount namespace */
    NOTE_NO_START = 16,  /* the descriptor was closed meanwhile */
    NOTE_CREATED = 32,   /* an open made the file */
    NOTE_OVERWRITTEN = 64, /* the call's result lies where its string was */
    NOTE_32BIT = 128,
};

struct event {
    __u8 type, how;
    __u16 notes;
    __u16 mode;          /* of what was opened or mapped: st_mode; of a socket: its type */
    __u16 number;        /* of the call */
    __u32 slot, step, program, flags, tid;
    __s32 error;         /* errno, 0 for success */
    __u16 string, start; /* lengths of what follows: the string with its NUL, or a sockaddr; then the names of the
                            directories from the start up to the root, each with its NUL */
} __attribute__((aligned(8))); /* so that what follows is where it ends */

struct counters {
    __u64 lost;          /* events for which there was no room */
    __u64 untracked;     /* processes for which there was no room */
    __u64 forgotten;     /* processes for which there was no room among the members */
    __u64 numberless;    /* calls with a number that is not known, or of the x32 kind */
    __u64 programs;      /* how many programs have a number */
    __u64 polled_rings;  /* io_uring rings whose submissions no call shows */
    __u64 events;
};
