/* The system calls that take a path, by name: the numbers come from the headers, for this architecture and, on
 * x86-64, for its 32-bit programs. */
#include <asm/unistd.h>
#include <stddef.h>
#include <string.h>

#include "calls.h"

#define PATH(name, how) {name, {KIND_PATHS, {how}, {0}, {-1}, -1}}
#define AT(name, how) {name, {KIND_PATHS, {how}, {1}, {0}, -1}}
#define FILES(name, kind) {name, {kind, {HOW_NONE}, {0}, {-1}, -1}}

static const struct { const char *name; struct call call; } table[] = {
    {"open", {KIND_OPEN, {HOW_OPEN}, {0}, {-1}, 1}},
    {"openat", {KIND_OPEN, {HOW_OPEN}, {1}, {0}, 2}},
    {"creat", {KIND_OPEN, {HOW_OPEN}, {0}, {-1}, -1}},
    {"openat2", {KIND_OPENAT2, {HOW_OPEN}, {1}, {0}, -1}},
    {"execve", {KIND_EXECVE, {HOW_EXEC}, {0}, {-1}, -1}},
    {"execveat", {KIND_EXECVE, {HOW_EXEC}, {1}, {0}, -1}},
    {"uselib", {KIND_PATHS, {HOW_MAP}, {0}, {-1}, -1}},
    {"readlink", {KIND_READLINK, {HOW_READLINK}, {0}, {-1}, 1}},
    {"readlinkat", {KIND_READLINK, {HOW_READLINK}, {1}, {0}, 2}},
    PATH("stat", HOW_STAT), PATH("lstat", HOW_STAT), PATH("stat64", HOW_STAT), PATH("lstat64", HOW_STAT),
    PATH("oldstat", HOW_STAT), PATH("oldlstat", HOW_STAT), PATH("statfs", HOW_STAT), PATH("statfs64", HOW_STAT),
    {"chdir", {KIND_MOVES, {HOW_STAT}, {0}, {-1}, -1}},
    {"chroot", {KIND_MOVES, {HOW_STAT}, {0}, {-1}, -1}},
    {"pivot_root", {KIND_MOVES, {HOW_STAT, HOW_STAT}, {0, 1}, {-1, -1}, -1}},
    PATH("acct", HOW_STAT), PATH("swapon", HOW_STAT),
    PATH("swapoff", HOW_STAT), PATH("umount", HOW_STAT), PATH("umount2", HOW_STAT), PATH("oldumount", HOW_STAT),
    PATH("getxattr", HOW_STAT), PATH("lgetxattr", HOW_STAT), PATH("listxattr", HOW_STAT), PATH("llistxattr", HOW_STAT),
    AT("newfstatat", HOW_STAT), AT("fstatat64", HOW_STAT), AT("statx", HOW_STAT), AT("name_to_handle_at", HOW_STAT),
    {"open_tree", {KIND_OPEN_TREE, {HOW_STAT}, {1}, {0}, -1}},
    {"open_tree_attr", {KIND_OPEN_TREE, {HOW_STAT}, {1}, {0}, -1}},
    AT("fspick", HOW_STAT), AT("mount_setattr", HOW_STAT),
    AT("getxattrat", HOW_STAT), AT("listxattrat", HOW_STAT), AT("file_getattr", HOW_STAT),
    {"inotify_add_watch", {KIND_PATHS, {HOW_STAT}, {1}, {-1}, -1}},
    {"fanotify_mark", {KIND_PATHS, {HOW_STAT}, {4}, {3}, -1}},
    {"mount", {KIND_MOUNT, {HOW_STAT, HOW_STAT}, {0, 1}, {-1, -1}, -1}},
    {"move_mount", {KIND_PATHS, {HOW_STAT, HOW_STAT}, {1, 3}, {0, 2}, -1}},
    PATH("access", HOW_ACCESS), AT("faccessat", HOW_ACCESS), AT("faccessat2", HOW_ACCESS),
    PATH("chmod", HOW_WRITE), PATH("chown", HOW_WRITE), PATH("lchown", HOW_WRITE), PATH("chown32", HOW_WRITE),
    PATH("lchown32", HOW_WRITE), PATH("utime", HOW_WRITE), PATH("utimes", HOW_WRITE), PATH("truncate", HOW_WRITE),
    PATH("truncate64", HOW_WRITE), PATH("setxattr", HOW_WRITE), PATH("lsetxattr", HOW_WRITE),
    PATH("removexattr", HOW_WRITE), PATH("lremovexattr", HOW_WRITE),
    AT("fchmodat", HOW_WRITE), AT("fchmodat2", HOW_WRITE), AT("fchownat", HOW_WRITE), AT("utimensat", HOW_WRITE),
    AT("utimensat_time64", HOW_WRITE), AT("futimesat", HOW_WRITE), AT("setxattrat", HOW_WRITE),
    AT("removexattrat", HOW_WRITE), AT("file_setattr", HOW_WRITE),
    PATH("mkdir", HOW_CREATE), PATH("mknod", HOW_CREATE), AT("mkdirat", HOW_CREATE), AT("mknodat", HOW_CREATE),
    {"symlink", {KIND_PATHS, {HOW_CREATE}, {1}, {-1}, -1}},
    {"symlinkat", {KIND_PATHS, {HOW_CREATE}, {2}, {1}, -1}},
    {"link", {KIND_PATHS, {HOW_STAT, HOW_CREATE}, {0, 1}, {-1, -1}, -1}},
    {"linkat", {KIND_PATHS, {HOW_STAT, HOW_CREATE}, {1, 3}, {0, 2}, -1}},
    {"rename", {KIND_PATHS, {HOW_RENAME, HOW_RENAME}, {0, 1}, {-1, -1}, -1}},
    {"renameat", {KIND_PATHS, {HOW_RENAME, HOW_RENAME}, {1, 3}, {0, 2}, -1}},
    {"renameat2", {KIND_PATHS, {HOW_RENAME, HOW_RENAME}, {1, 3}, {0, 2}, -1}},
    PATH("unlink", HOW_REMOVE), PATH("rmdir", HOW_REMOVE), AT("unlinkat", HOW_REMOVE),
    PATH("mq_open", HOW_QUEUE), PATH("mq_unlink", HOW_QUEUE),
    FILES("getdents", KIND_GETDENTS), FILES("getdents64", KIND_GETDENTS),
    FILES("mmap", KIND_MMAP), FILES("mmap2", KIND_MMAP),
    {"bind", {KIND_SOCKET, {HOW_BIND}, {0}, {-1}, -1}},
    {"connect", {KIND_SOCKET, {HOW_CONNECT}, {0}, {-1}, -1}},
    {"sendto", {KIND_SENDTO, {HOW_CONNECT}, {0}, {-1}, -1}},
    {"sendmsg", {KIND_SENDMSG, {HOW_CONNECT}, {0}, {-1}, -1}},
    {"sendmmsg", {KIND_SENDMMSG, {HOW_CONNECT}, {0}, {-1}, -1}},
    {"socketcall", {KIND_SOCKETCALL, {HOW_NONE}, {0}, {-1}, -1}},
    {"shmget", {KIND_IPC, {HOW_NONE}, {IPC_SHM}, {-1}, -1}},
    {"semget", {KIND_IPC, {HOW_NONE}, {IPC_SEM}, {-1}, -1}},
    {"msgget", {KIND_IPC, {HOW_NONE}, {IPC_MSG}, {-1}, -1}},
    FILES("fchdir", KIND_STANDS),
    {"unshare", {KIND_STANDS, {HOW_NONE}, {0}, {-1}, 0}},
    {"setns", {KIND_STANDS, {HOW_NONE}, {0}, {-1}, 1}},
    FILES("io_uring_setup", KIND_URING),
};

/* Newer than some headers; from 424 on numbers are the same everywhere. */
static const struct { unsigned number; const char *name; } newer[] = {
    {450, "set_mempolicy_home_node"}, {451, "cachestat"}, {452, "fchmodat2"}, {453, "map_shadow_stack"}, {454, "futex_wake"},
    {455, "futex_wait"}, {456, "futex_requeue"}, {457, "statmount"}, {458, "listmount"}, {459, "lsm_get_self_attr"},
    {460, "lsm_set_self_attr"}, {461, "lsm_list_modules"}, {462, "mseal"}, {463, "setxattrat"}, {464, "getxattrat"},
    {465, "listxattrat"}, {466, "removexattrat"}, {467, "open_tree_attr"}, {468, "file_getattr"}, {469, "file_setattr"},
};

static const char *const names[CALLS] = {
#include "names.h"
};

static const char *const names32[CALLS] = {
#include "names32.h"
};

/* NULL for a number that is not known. */
const char *call_name(unsigned number, bool narrow)
{
    const char *name = number < CALLS ? (narrow ? names32 : names)[number] : NULL;

    for (size_t i = 0; !name && i < sizeof newer / sizeof *newer; i++)
        if (newer[i].number == number)
            name = newer[i].name;
    return name;
}

/* CALLS for a name that this architecture has not. */
unsigned call_number(const char *name)
{
    unsigned number = 0;
    const char *known;

    while (number < CALLS && (!(known = call_name(number, false)) || strcmp(known, name)))
        number++;
    return number;
}

void fill_calls(struct call *calls, bool narrow)
{
    for (unsigned number = 0; number < CALLS; number++) {
        const char *name = call_name(number, narrow);
        for (size_t i = 0; name && i < sizeof table / sizeof *table; i++)
            if (!strcmp(table[i].name, name))
                calls[number] = table[i].call;
    }
}
