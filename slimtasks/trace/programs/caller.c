/* The thread that waits for an answer of the notify source: what it is, and what its paths name. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "notify.h"

#define PAGE 4096

/* False where it is gone. */
bool caller_is(struct caller *caller, struct target *target, pid_t thread)
{
    struct stat mine, its;
    char path[64];

    caller->thread = thread;
    if (!read_link(caller->program, sizeof caller->program, "/proc/%d/exe", thread)
        || !read_link(caller->root, sizeof caller->root, "/proc/%d/root", thread))
        return false;
    if (!strcmp(caller->root, "/"))
        *caller->root = 0;
    caller->elsewhere = false;
    snprintf(path, sizeof path, "/proc/%d/ns/mnt", thread);
    if (stat(path, &its))
        return false;
    if (!target->mount_namespace)
        target->mount_namespace = its.st_ino;
    if (its.st_ino != target->mount_namespace) {
        target->unshared = true;
        snprintf(path, sizeof path, "/proc/%d/root", thread);
        caller->elsewhere = !*caller->root && !stat(path, &its) && !fstat(target->root, &mine)
                            && (mine.st_dev != its.st_dev || mine.st_ino != its.st_ino);
    }
    return true;
}

/* What can be read of so many bytes of its memory: a page that is not there ends them. */
size_t caller_bytes(const struct caller *caller, __u64 address, void *bytes, size_t size)
{
    size_t got = 0;

    while (got < size) {
        size_t part = PAGE - (address + got) % PAGE;
        struct iovec here = {(char *)bytes + got, part < size - got ? part : size - got};
        struct iovec there = {(void *)(address + got), here.iov_len};
        if (process_vm_readv(caller->thread, &here, 1, &there, 1, 0) != (ssize_t)here.iov_len)
            break;
        got += here.iov_len;
        if (memchr(here.iov_base, 0, here.iov_len) && size == PATH_BYTES)
            break;                                   /* a string's end */
    }
    return got;
}

/* False where the kernel cannot read it either, so that nothing is looked up. */
bool caller_string(const struct caller *caller, __u64 address, char *text, size_t size)
{
    size_t got = caller_bytes(caller, address, text, size);
    return memchr(text, 0, got);
}

/* The directory of that descriptor, or its working directory. False where that is none. */
bool caller_directory(const struct caller *caller, int descriptor, char *path, size_t size)
{
    static const char gone[] = " (deleted)";
    size_t length = descriptor == AT_FDCWD ? read_link(path, size, "/proc/%d/cwd", caller->thread)
                                           : read_link(path, size, "/proc/%d/fd/%d", caller->thread, descriptor);
    if (length > sizeof gone && !strcmp(path + length - (sizeof gone - 1), gone))
        path[length - (sizeof gone - 1)] = 0;
    return *path == '/';
}

/* A copy of its descriptor, or -1. */
int caller_socket(const struct caller *caller, int descriptor)
{
    char status[8192];
    const char *leader = read_file(status, sizeof status, "/proc/%d/status", caller->thread) ? strstr(status, "\nTgid:\t") : NULL;
    int process = leader ? (int)syscall(SYS_pidfd_open, atoi(leader + 7), 0) : -1;
    int copy = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, descriptor, 0);

    if (process >= 0)
        close(process);
    return copy;
}

static int reach(int root, const char *path, bool last)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC | (last ? O_NOFOLLOW : 0), .resolve = RESOLVE_IN_ROOT};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* Opens (O_PATH) what it asks for, or returns -1 with errno; `last`: the last name itself, though it be a symlink. What
 * goes by way of /proc/self has another meaning here, so there the name is enough. */
int caller_opens(const struct target *target, const struct caller *caller, const char *base, const char *asked, bool last)
{
    char path[2 * PATH_BYTES], own[64];
    size_t root = strlen(caller->root);
    bool inside = !strncmp(base, caller->root, root) && (base[root] == '/' || !base[root]);

    if (!strncmp(asked, "/proc/self/", 11) || !strncmp(asked, "/proc/thread-self/", 18)) {
        snprintf(path, sizeof path, "/proc/%d/%s", caller->thread, asked + (asked[6] == 's' ? 11 : 18));
        return open(path, O_PATH | O_CLOEXEC | (last ? O_NOFOLLOW : 0));
    }
    snprintf(own, sizeof own, "/proc/%d/root", caller->thread);
    snprintf(path, sizeof path, "%s/%s", *asked == '/' ? "" : inside ? base + root : base, asked);
    int from = inside ? open(own, O_PATH | O_DIRECTORY | O_CLOEXEC) : dup(target->root);
    int found = reach(from, path, last);
    if (found < 0 && !last && (!strncmp(path, "/dev/", 5) || !strncmp(path, "/proc/", 6)))
        found = reach(from, path, true);
    int error = errno;
    close(from);
    errno = error;
    return found;
}

/* Whether it would get other rights by executing that file, which no_new_privs prevents. */
bool caller_gains(const struct caller *caller, int program)
{
    char status[8192], path[64];
    unsigned user, group;
    struct stat file;

    if (fstat(program, &file) || !S_ISREG(file.st_mode) || !read_file(status, sizeof status, "/proc/%d/status", caller->thread))
        return false;
    const char *users = strstr(status, "\nUid:\t"), *groups = strstr(status, "\nGid:\t");
    if (!users || !groups || sscanf(users, "\nUid:\t%*u\t%u", &user) != 1 || sscanf(groups, "\nGid:\t%*u\t%u", &group) != 1)
        return false;
    if ((file.st_mode & S_ISUID && file.st_uid != user)
        || ((file.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && file.st_gid != group))
        return true;
    snprintf(path, sizeof path, "/proc/self/fd/%d", program);
    return user && getxattr(path, "security.capability", NULL, 0) > 0;
}
