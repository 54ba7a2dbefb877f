/* What the tracer tells, as frames on standard output (tracer.c lists them), and helpers of the sources. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tracer.h"

#define NAP_MS 200

/* Milliseconds that passed while we looked, for deadlines: where everything stands still, a gate does too. */
long now(void)
{
    static long before, spent;
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    long ms = time.tv_sec * 1000 + time.tv_nsec / 1000000;
    spent += ms - before < NAP_MS ? ms - before : NAP_MS;
    before = ms;
    return spent;
}

void report(char type, unsigned target, const void *bytes, size_t length)
{
    struct { char type, zero; uint16_t target; uint32_t length; } head = {type, 0, (uint16_t)target, (uint32_t)length};
    if (fwrite(&head, sizeof head, 1, stdout) != 1 || fwrite(bytes, 1, length, stdout) != length)
        exit(1);
}

/* Unless it was told already. */
void report_access(struct target *target, const char *program, const char *source, const char *how, int error,
                   const char *base, const char *asked)
{
    static char text[4 * 4200];
    int length = snprintf(text, sizeof text, "%u%c%s%c%s%c%s%c%d%c%s%c%s", target->step, 0, program, 0, source, 0, how,
                          0, error, 0, base, 0, asked);

    if (length >= (int)sizeof text)
        incomplete(target, "a path is too long to be told");
    else if (is_untold(target, 'A', text, (size_t)length)) {
        report('A', target->id, text, (size_t)length);
        target->heard = now();
    }
}

void incomplete(struct target *target, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof text)
        length = sizeof text - 1;
    if (set_add(&target->reasons, text, (size_t)length))
        report('E', target->id, text, (size_t)length);
}

/* Opens the container's root, for the sources of opens to see. */
void open_root(const struct target *target)
{
    int root = openat(target->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root >= 0)
        close(root);
}

/* What a source that has one descriptor tells to wait for. */
size_t poll_one(int file, struct pollfd *polls, size_t size)
{
    if (!size)
        return 0;
    *polls = (struct pollfd){file, POLLIN, 0};
    return 1;
}

/* The file's beginning as a string; returns its length, 0 where it cannot be read. */
size_t read_file(char *buffer, size_t size, const char *format, ...)
{
    char path[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? 0 : read(file, buffer, size - 1);
    if (file >= 0)
        close(file);
    buffer[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

/* The link's target as a string; returns its length, 0 where it cannot be read or is too long. */
size_t read_link(char *buffer, size_t size, const char *format, ...)
{
    char path[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    ssize_t got = readlink(path, buffer, size);
    if (got < 0 || (size_t)got == size)
        got = 0;
    buffer[got] = 0;
    return (size_t)got;
}
