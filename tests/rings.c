/* Verbs of probe: calls through an io_uring, which are no system calls of the process.
 *
 * ring OPERATION PATH; worker-ring: by a worker of the kernel's; poll-ring: taken by a thread of the kernel's. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ways.h"

static struct io_uring_sqe call_of(const char *operation, const char *path)
{
    static char second[4096];
    static struct open_how how = {.flags = O_RDONLY};
    static struct statx info;
    struct io_uring_sqe call = {.fd = AT_FDCWD, .addr = (unsigned long)path, .off = (unsigned long)second};

    snprintf(second, sizeof second, "%s.2", path);
    if (!strcmp(operation, "open"))
        call.opcode = IORING_OP_OPENAT, call.off = 0;
    else if (!strcmp(operation, "create"))
        call.opcode = IORING_OP_OPENAT, call.off = 0, call.len = 0644, call.open_flags = O_CREAT | O_WRONLY;
    else if (!strcmp(operation, "openat2"))
        call.opcode = IORING_OP_OPENAT2, call.off = (unsigned long)&how, call.len = sizeof how;
    else if (!strcmp(operation, "stat"))
        call.opcode = IORING_OP_STATX, call.len = STATX_SIZE, call.off = (unsigned long)&info;
    else if (!strcmp(operation, "rename"))
        call.opcode = IORING_OP_RENAMEAT, call.len = (unsigned)AT_FDCWD;
    else if (!strcmp(operation, "unlink"))
        call.opcode = IORING_OP_UNLINKAT, call.off = 0;
    else if (!strcmp(operation, "mkdir"))
        call.opcode = IORING_OP_MKDIRAT, call.off = 0, call.len = 0755;
    else if (!strcmp(operation, "symlink"))
        call.opcode = IORING_OP_SYMLINKAT;
    else if (!strcmp(operation, "link"))
        call.opcode = IORING_OP_LINKAT, call.len = (unsigned)AT_FDCWD;
    else
        check(1, operation);
    return call;
}

/* Succeeds or fails as the call does, which the ring tells. */
static void through_ring(struct io_uring_sqe call, unsigned flags)
{
    struct io_uring_params p = {.flags = flags, .sq_thread_idle = 1000};
    int ring = (int)syscall(SYS_io_uring_setup, 1, &p), polled = !!(flags & IORING_SETUP_SQPOLL);
    check(ring < 0, "io_uring_setup");
    char *queue = mmap(NULL, p.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, sizeof *entry, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    *entry = call;
    *(unsigned *)(queue + p.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(queue + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    check(syscall(SYS_io_uring_enter, ring, !polled, 1, IORING_ENTER_GETEVENTS | (polled ? IORING_ENTER_SQ_WAKEUP : 0),
                  NULL, 0) < 0, "io_uring_enter");
    close(ring);
}

int ring(char **words)
{
    int polled = !strcmp(*words, "poll-ring"), by_worker = !strcmp(*words, "worker-ring");

    if ((!polled && !by_worker && strcmp(*words, "ring")) || !words[1] || !words[2])
        return UNKNOWN;
    struct io_uring_sqe call = call_of(words[1], words[2]);
    call.flags = by_worker ? IOSQE_ASYNC : 0;
    through_ring(call, polled ? IORING_SETUP_SQPOLL : 0);
    return 2;
}
