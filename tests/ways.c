/* Verbs of probe: the ways in which a process gets where a tracer does not look for it. What a verb leaves to do is
 * what comes after it. */
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ways.h"

#define IS(verb) (!strcmp(*words, verb))

void check(int failed, const char *what)
{
    if (failed) {
        perror(what);
        _exit(1);
    }
}

/* The child goes on; who started it ends as it does, once no child is left: those that lost their parents are its own
 * where it is the first of its pid namespace. */
static void in_child(void)
{
    pid_t child = fork(), ended;
    int status, last = 1;

    check(child < 0, "fork");
    if (!child)
        return;
    while ((ended = wait(&status)) > 0)
        if (ended == child)
            last = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    _exit(last);
}

static void detach(void)
{
    if (fork())
        _exit(0);
    setsid();
    if (fork())
        _exit(0);
    close(0);
    close(1);
}

static char **two_words(char **words)
{
    static char *few[3];
    few[0] = words[1];
    few[1] = words[2];
    return few;
}

static void *run_alone(void *words)
{
    check(unshare(CLONE_FS), "unshare");
    return run(words);
}

static void in_thread(void *(*work)(void *), void *words)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, words);
    pthread_join(thread, NULL);
}

static int run_and_end(void *words)
{
    run(words);
    return 0;
}

static void with_our_directory(char **words)
{
    static char stack[1 << 16] __attribute__((aligned(16)));
    pid_t child = clone(run_and_end, stack + sizeof stack, CLONE_FS | SIGCHLD, words);
    check(child < 0 || waitpid(child, NULL, 0) != child, "clone");
}

/* Each of two threads in a directory of its own, with one name, many times at once. */
static void *look_there(void *directory)
{
    struct stat info;
    check(unshare(CLONE_FS) || chdir(directory), directory);
    for (int i = 0; i < 300; i++) {
        close(open("config", O_RDONLY));
        lstat("config", &info);
        lstat("none", &info);
    }
    return NULL;
}

static void race(char *one, char *two)
{
    pthread_t first, second;
    pthread_create(&first, NULL, look_there, one);
    pthread_create(&second, NULL, look_there, two);
    pthread_join(first, NULL);
    pthread_join(second, NULL);
}

static void *exec_words(void *words)
{
    execv(*(char **)words, words);
    check(1, "execv");
    return NULL;
}

static void exec_by_descriptor(char **words)
{
    extern char **environ;
    syscall(SYS_execveat, open(*words, O_PATH | O_CLOEXEC), "", words, environ, AT_EMPTY_PATH);
    check(1, *words);
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

/* A process that waits for the other end of a pipe, and is killed there. */
static void killed_while_it_opens(const char *path)
{
    int status;
    mkfifo(path, 0644);
    pid_t child = fork();
    if (!child) {
        open(path, O_RDONLY);
        _exit(1);
    }
    usleep(200000);
    kill(child, SIGKILL);
    check(waitpid(child, &status, 0) != child || !WIFSIGNALED(status), "not killed");
}

static void at(const char *directory, const char *name)
{
    struct stat info;
    int folder = open(directory, O_PATH | O_DIRECTORY);
    fstatat(folder, name, &info, 0);
    close(folder);
}

static void in_root(const char *directory, const char *name)
{
    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
    int folder = open(directory, O_PATH | O_DIRECTORY);
    close((int)syscall(SYS_openat2, folder, name, &how, sizeof how));
    close(folder);
}

/* The result lies where the path was. */
static void overwrite(const char *path)
{
    char buffer[4096] = "";
    strcpy(buffer, path);
    syscall(SYS_readlinkat, AT_FDCWD, buffer, buffer, sizeof buffer);
}

/* A file that has no path, as code. */
static void map_nameless(void)
{
    int file = memfd_create("nothing", 0);
    check(ftruncate(file, 4096) || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0) == MAP_FAILED, "memfd");
}

/* Goes on when it is told to, by SIGUSR1. */
static void await_signal(void)
{
    sigset_t awaited;
    int number;

    sigemptyset(&awaited);
    sigaddset(&awaited, SIGUSR1);
    check(sigprocmask(SIG_BLOCK, &awaited, NULL), "sigprocmask");
    puts("awaits");
    fflush(stdout);
    sigwait(&awaited, &number);
}

static void pivot(const char *directory)
{
    check(unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)
          || mount(directory, directory, NULL, MS_BIND, NULL) || chdir(directory) || mkdir("old", 0755)
          || syscall(SYS_pivot_root, ".", "old") || chdir("/"), "pivot_root");
}

int way(char **words)
{
    int taken;

    if (IS("reap")) in_child();
    else if (IS("detach")) detach();
    else if (IS("pid-namespace")) { check(unshare(CLONE_NEWPID), "unshare"); in_child(); }
    else if (IS("user-namespace")) { check(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS), "unshare"); in_child(); }
    else if (IS("undumpable")) check(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl");
    else if (IS("trace-me")) return ptrace(PTRACE_TRACEME, 0, NULL, NULL) ? ALL : 0;
    else if (IS("thread-exec")) in_thread(exec_words, words + 1);
    else if (IS("fexec")) exec_by_descriptor(words + 1);
    else if (IS("unreadable")) (void)!access((char *)1, F_OK);
    else if (IS("memfd")) map_nameless();
    else if (IS("await")) await_signal();
    else if ((taken = talk(words)) != UNKNOWN || (taken = ring(words)) != UNKNOWN) return taken;
    else if (!words[1]) return UNKNOWN;
    else if (IS("32bit")) { look_32bit(words[1]); return 1; }
    else if (IS("killed")) { killed_while_it_opens(words[1]); return 1; }
    else if (IS("pivot")) { pivot(words[1]); return 1; }
    else if (IS("overwrite")) { overwrite(words[1]); return 1; }
    else if (!words[2]) return UNKNOWN;
    else if (IS("by-thread")) { in_thread(run, two_words(words)); return 2; }
    else if (IS("by-lone-thread")) { in_thread(run_alone, two_words(words)); return 2; }
    else if (IS("by-clone")) { with_our_directory(two_words(words)); return 2; }
    else if (IS("race")) { race(words[1], words[2]); return 2; }
    else if (IS("at")) { at(words[1], words[2]); return 2; }
    else if (IS("in-root")) { in_root(words[1], words[2]); return 2; }
    else if (IS("rename")) { check(rename(words[1], words[2]), words[1]); return 2; }
    else return UNKNOWN;
    return 0;
}
