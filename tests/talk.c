/* Verbs of probe: sockets, and what processes share. */
#include <fcntl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ways.h"

#define IS(verb) (!strcmp(*words, verb))

union address { struct sockaddr any; struct sockaddr_in four; struct sockaddr_in6 six; struct sockaddr_un path; };

/* A path, @NAME, or a number: that port of this machine; :NUMBER, by IPv6. Returns its length. */
static socklen_t address_of(const char *text, union address *address, in_addr_t machine)
{
    memset(address, 0, sizeof *address);
    if (*text == '/' || *text == '@') {
        address->path.sun_family = AF_UNIX;
        strcpy(address->path.sun_path, text);
        if (*text == '@')
            address->path.sun_path[0] = 0;
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text) + (*text == '/'));
    }
    if (*text == ':') {
        address->six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)atoi(text + 1)),
                                             .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        return sizeof address->six;
    }
    address->four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(text)),
                                         .sin_addr.s_addr = htonl(machine)};
    return sizeof address->four;
}

typedef int (*socket_call)(int, const struct sockaddr *, socklen_t);

static void use(int type, const char *text, in_addr_t machine, socket_call call)
{
    union address address;
    socklen_t length = address_of(text, &address, machine);
    call(socket(address.any.sa_family, type, 0), &address.any, length);
}

static void send_to(const char *text)
{
    union address address;
    socklen_t length = address_of(text, &address, INADDR_LOOPBACK);
    sendto(socket(address.any.sa_family, SOCK_DGRAM, 0), "content", 7, 0, &address.any, length);
}

static struct msghdr message_to(const char *text, union address *address)
{
    static char content[] = "msg_name={sa_family=AF_UNIX, sun_path=/no}";
    static struct iovec part = {content, sizeof content};
    socklen_t length = address_of(text, address, INADDR_LOOPBACK);
    return (struct msghdr){.msg_name = address, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
}

static void send_message(const char *text)
{
    union address address;
    struct msghdr message = message_to(text, &address);
    sendmsg(socket(address.any.sa_family, SOCK_DGRAM, 0), &message, 0);
}

static void send_messages(const char *one, const char *two)
{
    union address addresses[2];
    struct mmsghdr messages[2] = {{message_to(one, addresses), 0}, {message_to(two, addresses + 1), 0}};
    sendmmsg(socket(addresses[0].any.sa_family, SOCK_DGRAM, 0), messages, 2, 0);
}

/* What is sent where the socket is connected to names no address. */
static void send_along(const char *text)
{
    union address address;
    socklen_t length = address_of(text, &address, INADDR_LOOPBACK);
    int wire = socket(address.any.sa_family, SOCK_DGRAM, 0);
    check(connect(wire, &address.any, length), text);
    for (int i = 0; i < 10; i++)
        check(send(wire, "sa_family=AF_INET", 17, 0) != 17, "send");
}

static void make_queues(void)
{
    shmget(IPC_PRIVATE, 4096, 0600);
    msgget(IPC_PRIVATE, 0600);
}

int talk(char **words)
{
    if (IS("queues")) { make_queues(); return 0; }
    if (IS("no-queues")) { msgget(1234, 0600); shmget(1234, 1, 0600); mq_open("/none", O_RDWR); return 0; }
    if (IS("semaphores")) { semget(IPC_PRIVATE, 1, 0600); return 0; }
    if (!words[1]) return UNKNOWN;
    if (IS("tcp")) use(SOCK_STREAM, words[1], INADDR_ANY, bind);
    else if (IS("udp")) use(SOCK_DGRAM, words[1], INADDR_ANY, bind);
    else if (IS("reach")) use(SOCK_STREAM, words[1], INADDR_LOOPBACK, connect);
    else if (IS("send")) send_to(words[1]);
    else if (IS("message")) send_message(words[1]);
    else if (IS("send-along")) send_along(words[1]);
    else if (IS("mq")) check(mq_open(words[1], O_CREAT | O_RDWR, 0600, NULL) < 0, words[1]);
    else if (IS("shm")) check(shm_open(words[1], O_CREAT | O_RDWR, 0600) < 0, words[1]);
    else if (!words[2]) return UNKNOWN;
    else if (IS("messages")) { send_messages(words[1], words[2]); return 2; }
    else return UNKNOWN;
    return 1;
}
