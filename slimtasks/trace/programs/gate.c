/* gate: waits for SIGURG, then becomes the program that it was given: /.slimtasks-gate PROGRAM [ARGUMENT...]
 *
 * It is the entrypoint of a traced container, so that the tracer is attached before the program's first
 * instruction. There is no libc: it must be small and must run in any image, whatever its libraries.
 * Once it cannot miss the signal it calls itself WAITING, for the tracer to attach. While it waits it opens its
 * own file now and then. These opens are the marker by which the tracer knows that each of its sources sees it.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MARKER_NS 50000000L /* strace's attaching interrupts the wait, so mostly there is no waiting for this */

#if defined(__x86_64__)
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n call run\n");
static long call(long number, long a, long b, long c, long d)
{
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
    return number;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start: mov x29, #0\n mov x0, sp\n bl run\n");
static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
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

static void wait_for_release(void)
{
    unsigned long urgent = 1UL << (SIGURG - 1), before;
    struct { long seconds, nanoseconds; } period = {0, MARKER_NS};

    call(__NR_rt_sigprocmask, SIG_BLOCK, (long)&urgent, (long)&before, sizeof urgent);
    call(__NR_prctl, PR_SET_NAME, (long)WAITING, 0, 0);
    while (call(__NR_rt_sigtimedwait, (long)&urgent, 0, (long)&period, sizeof urgent) != SIGURG) {
        long marker = call(__NR_openat, AT_FDCWD, (long)GATE, O_RDONLY | O_CLOEXEC, 0);
        if (marker >= 0)
            call(__NR_close, marker, 0, 0, 0);
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
