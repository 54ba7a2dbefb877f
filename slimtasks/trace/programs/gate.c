/* gate: waits for SIGURG, then becomes the program that it was given: /.slimtasks-gate PROGRAM [ARGUMENT...]
 *
 * It is the entrypoint of a traced container, so that the tracer is attached before the program's first
 * instruction. There is no libc: it must be small and must run in any image, whatever its libraries.
 * Once it cannot miss the signal it calls itself WAITING, for the tracer to attach. While it waits it opens its
 * own file now and then. These opens are the marker by which the tracer knows that each of its sources sees it.
 * SIGURG with a value (sigqueue(3)) asks it for a filter, by which the kernel tells the tracer of each call that takes
 * a path; the tracer takes the filter's listener from here. Without rights that needs no_new_privs.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define KNOWN 450 /* calls from here on are newer than what NOTIFIED was made from: the tracer is asked about them all */
#define MARKER_NS 50000000L /* strace's attaching interrupts the wait, so mostly there is no waiting for this */

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n call run\n");
static long call(long number, long a, long b, long c, long d)
{
    register long fourth __asm__("r10") = d, fifth __asm__("r8") = 0; /* prctl(2) wants no rubbish there */
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth) : "rcx", "r11", "memory");
    return number;
}
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
__asm__(".globl _start\n_start: mov x29, #0\n mov x0, sp\n bl run\n");
static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = 0; /* prctl(2) wants no rubbish there */
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}
#else
#error "gate: no system calls known for this architecture"
#endif

static size_t length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

static void say(const char *text)
{
    call(__NR_write, 2, (long)text, (long)length(text), 0);
}

static const unsigned short notified[] = {
#include "notified.h"
};

#define LISTED (sizeof notified / sizeof *notified)

/* Another architecture's calls (32-bit programs) are all told: there are few such programs. */
static void install_filter(void)
{
    struct sock_filter code[LISTED + 6];
    struct sock_fprog program = {LISTED + 6, code};
    size_t n = 0;

    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 0, LISTED + 3);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, KNOWN, LISTED + 1, 0);
    for (size_t i = 0; i < LISTED; i++)
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, notified[i], (unsigned char)(LISTED - i), 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0);
    if (call(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
             SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, (long)&program, 0) < 0)
        call(__NR_prctl, PR_SET_NAME, (long)UNFILTERED, 0, 0);
}

static void open_itself(void)
{
    long marker = call(__NR_openat, AT_FDCWD, (long)GATE, O_RDONLY | O_CLOEXEC, 0);
    if (marker >= 0)
        call(__NR_close, marker, 0, 0, 0);
}

static void wait_for_release(void)
{
    unsigned long urgent = 1UL << (SIGURG - 1), before;
    struct { long seconds, nanoseconds; } period = {0, MARKER_NS};
    siginfo_t signal;
    long got;

    call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&urgent, (long)&before, sizeof urgent);
    call(__NR_prctl, PR_SET_NAME, (long)WAITING, 0, 0);
    for (;;) {
        got = call(__NR_rt_sigtimedwait, (long)&urgent, (long)&signal, (long)&period, sizeof urgent);
        if (got == SIGURG && signal.si_code != SI_QUEUE)
            break;
        if (got == SIGURG)
            install_filter();
        open_itself();
    }
    call(__NR_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, sizeof before);
}

static const char *search_path(char **environment)
{
    for (; *environment; environment++)
        if ((*environment)[0] == 'P' && (*environment)[1] == 'A' && (*environment)[2] == 'T' && (*environment)[3] == 'H'
            && (*environment)[4] == '=')
            return *environment + 5;
    return DEFAULT_PATH;
}

/* Returns the error of the attempt that tells most: one that found a file beats one that did not. */
static long search(char **arguments, char **environment)
{
    char path[4096];
    size_t name = length(arguments[0]), n;
    long found = -ENOENT, error;

    for (const char *next = search_path(environment); ; next++) {
        for (n = 0; *next && *next != ':'; next++)
            if (n < sizeof path)
                path[n++] = *next;
        if (n + name + 2 <= sizeof path) {
            if (n)
                path[n++] = '/';
            for (size_t i = 0; i <= name; i++)
                path[n + i] = arguments[0][i];
            error = call(__NR_execve, (long)path, (long)arguments, (long)environment, 0);
            if (error != -ENOENT && error != -ENOTDIR)
                found = error;
            if (found != -ENOENT && found != -EACCES)
                return found;
        }
        if (!*next)
            return found;
    }
}

__attribute__((used, noreturn)) void run(long *stack)
{
    long count = stack[0], error;
    char **arguments = (char **)(stack + 1), **environment = arguments + count + 1;
    int path = 0;

    wait_for_release();
    if (count > 1) {
        arguments++;
        for (const char *c = arguments[0]; *c; c++)
            path |= *c == '/';
        error = path ? call(__NR_execve, (long)arguments[0], (long)arguments, (long)environment, 0)
                     : arguments[0][0] ? search(arguments, environment) : -ENOENT;
        say(arguments[0]);
        say(error == -ENOENT || error == -ENOTDIR ? ": not found\n" : ": cannot be executed\n");
    } else {
        error = -ENOENT;
        say("no program to start\n");
    }
    for (;;)
        call(__NR_exit_group, error == -ENOENT || error == -ENOTDIR ? 127 : 126, 0, 0, 0);
}
