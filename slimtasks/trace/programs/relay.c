/* relay ADDRESS PORT: connects standard input and output with a TCP port, each direction until its end.
 * relay --listening: prints the kernel's tables of TCP sockets, /proc/net/tcp and then tcp6 (proc(5)).
 *
 * It runs in a container that shares the network of the one under test, where no port of that is reachable
 * from here. ADDRESS is numeric: a static program has no business with a resolver.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    return 1;
}

static int listening(void)
{
    static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    char buffer[65536];
    size_t got;

    for (int i = 0; i < 2; i++) {
        FILE *table = fopen(tables[i], "re");
        /* A kernel without IPv6 has no tcp6. */
        if (!table && i && errno == ENOENT)
            continue;
        if (!table)
            return fail(tables[i]);
        while ((got = fread(buffer, 1, sizeof buffer, table)))
            fwrite(buffer, 1, got, stdout);
        fclose(table);
    }
    return fflush(stdout) ? fail("standard output") : 0;
}

static int connected(const char *address, const char *port)
{
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = four.sin_port};
    bool is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;

    if (!is_six && inet_pton(AF_INET, address, &four.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    int wire = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire < 0 || connect(wire, is_six ? (void *)&six : (void *)&four, is_six ? sizeof six : sizeof four))
        return -1;
    return wire;
}

/* Copies what is there; returns false at the end. */
static bool copy(int from, int to)
{
    char buffer[65536];
    ssize_t got = read(from, buffer, sizeof buffer);

    if (got < 0 && errno == EINTR)
        return true;
    for (ssize_t sent = 0, n; sent < got; sent += n)
        if ((n = write(to, buffer + sent, (size_t)(got - sent))) < 0) {
            if (errno != EINTR)
                return false;
            n = 0;
        }
    return got > 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && !strcmp(arguments[1], "--listening"))
        return listening();
    if (count != 3) {
        fputs("usage: relay ADDRESS PORT | relay --listening\n", stderr);
        return 2;
    }
    int wire = connected(arguments[1], arguments[2]);
    if (wire < 0)
        return fail(arguments[1]);
    struct pollfd ends[] = {{0, POLLIN, 0}, {wire, POLLIN, 0}};
    while (ends[1].fd >= 0) {
        if (poll(ends, 2, -1) < 0 && errno != EINTR)
            return fail("poll");
        if (ends[1].revents && !copy(wire, 1))
            ends[1].fd = -1;
        if (ends[0].revents && !copy(0, wire)) {
            shutdown(wire, SHUT_WR);
            ends[0].fd = -1;
        }
    }
    return 0;
}
