/* bare OPENED LOOKED: a program without libc, for 64 and for 32 bits: opens the one path and asks for the other. */
#if defined(__x86_64__)
enum { OPEN = 2, ACCESS = 21, EXIT = 60 };
__asm__(".globl _start\n_start: mov %rsp, %rdi\n call begin\n");
static long call(long number, long a, long b)
{
    __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(0L) : "rcx", "r11", "memory");
    return number;
}
#elif defined(__i386__)
enum { OPEN = 5, ACCESS = 33, EXIT = 1 };
__asm__(".globl _start\n_start: mov %esp, %eax\n push %eax\n call begin\n");
static long call(long number, long a, long b)
{
    __asm__ volatile("int $0x80" : "+a"(number) : "b"(a), "c"(b), "d"(0L) : "memory");
    return number;
}
#endif

__attribute__((used, noreturn)) void begin(long *stack)
{
    const char **words = (const char **)(stack + 1);
    long failed = call(OPEN, (long)words[1], 0) < 0;
    call(ACCESS, (long)words[2], 0);
    for (;;)
        call(EXIT, failed, 0);
}
