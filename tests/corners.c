/* corners VERB ARGUMENT... [VERB ...]: looks paths up in ways in which a tracer goes wrong easily; as probe.c. */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define IS(verb) (!strcmp(*words, verb))

static void die(const char *what)
{
    perror(what);
    _exit(1);
}

static int child(int status_from)
{
    int status;
    if (waitpid(status_from, &status, 0) < 0)
        die("waitpid");
    _exit(WEXITSTATUS(status));
}

static void *exec_words(void *words)
{
    execv(((char **)words)[0], words);
    die("execv");
    return NULL;
}

/* A system call of a 32-bit program, which any program may make. */
static void look_32bit(const char *path)
{
#ifdef __x86_64__
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long result;
    strcpy(low, path);
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(33L), "b"(low), "c"(0L) : "memory", "r8", "r9", "r10", "r11"); /* access */
#else
    access(path, F_OK);
#endif
}

/* One statx(2) through an io_uring. */
static void look_through_ring(const char *path)
{
    struct io_uring_params p = {0};
    struct statx info;
    int ring = (int)syscall(SYS_io_uring_setup, 1, &p);
    if (ring < 0)
        die("io_uring_setup");
    char *queue = mmap(NULL, p.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, sizeof *entry, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    *entry = (struct io_uring_sqe){.opcode = IORING_OP_STATX, .fd = AT_FDCWD, .addr = (unsigned long)path,
                                   .len = STATX_SIZE, .off = (unsigned long)&info};
    *(unsigned *)(queue + p.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(queue + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        die("io_uring_enter");
}

static void use_port(int type, const char *port, int connects)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    int wire = socket(AF_INET, type, 0);
    address.sin_addr.s_addr = htonl(connects ? INADDR_LOOPBACK : INADDR_ANY);
    (connects ? connect : bind)(wire, (struct sockaddr *)&address, sizeof address);
}

static void new_root(const char *at)
{
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", at, "tmpfs", 0, NULL)
        || chdir(at) || mkdir("old", 0755) || syscall(SYS_pivot_root, ".", "old"))
        die("pivot_root");
}

int main(int count, char **words)
{
    char buffer[4096] = "";
    struct stat info;

    (void)count;
    for (words++; *words; words++) {
        const char *one = words[1];
        if (IS("pid-namespace")) {
            if (unshare(CLONE_NEWPID))
                die("unshare");
            pid_t first = fork();
            if (first)
                child(first);
        } else if (IS("mount-namespace")) {
            if (unshare(CLONE_NEWNS))
                die("unshare");
        } else if (IS("thread-exec")) {
            pthread_t thread;
            pthread_create(&thread, NULL, exec_words, words + 1);
            pthread_join(thread, NULL);
        } else if (IS("at")) {
            int folder = open(one, O_PATH | O_DIRECTORY);
            fstatat(folder, words[2], &info, 0);
            close(folder);
            words += 2;
        } else if (IS("in-root")) {
            struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
            int folder = open(one, O_PATH | O_DIRECTORY);
            close((int)syscall(SYS_openat2, folder, words[2], &how, sizeof how));
            close(folder);
            words += 2;
        } else if (IS("memfd")) {
            int file = memfd_create("nothing", 0);
            if (ftruncate(file, 4096) || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0) == MAP_FAILED)
                die("memfd");
        } else if (IS("queues")) {
            shmget(IPC_PRIVATE, 4096, 0600);
            msgget(IPC_PRIVATE, 0600);
        } else {
            if (IS("chdir")) { if (chdir(one)) die(one); }
            else if (IS("chroot")) { if (chroot(one)) die(one); }
            else if (IS("open")) close(open(one, O_RDONLY));
            else if (IS("create")) close(open(one, O_WRONLY | O_CREAT, 0644));
            else if (IS("update")) close(open(one, O_RDWR));
            else if (IS("stat")) fstatat(AT_FDCWD, one, &info, 0);
            else if (IS("rename")) { rename(one, words[2]); words++; }
            else if (IS("overwrite")) { strcpy(buffer, one); syscall(SYS_readlinkat, AT_FDCWD, buffer, buffer, sizeof buffer); }
            else if (IS("unreadable")) (void)!access((char *)1, F_OK);
            else if (IS("32bit")) look_32bit(one);
            else if (IS("ring")) look_through_ring(one);
            else if (IS("tcp")) use_port(SOCK_STREAM, one, 0);
            else if (IS("udp")) use_port(SOCK_DGRAM, one, 0);
            else if (IS("reach")) use_port(SOCK_STREAM, one, 1);
            else if (IS("pivot")) new_root(one);
            else if (IS("chown")) (void)!chown(one, 65534, 65534);
            else if (IS("many")) for (int i = 0; i < atoi(one); i++) { sprintf(buffer, "/t/none/%d", i); access(buffer, F_OK); }
            else { fprintf(stderr, "corners: %s?\n", *words); _exit(2); }
            words++;
        }
    }
    return 0;
}
