/* flood FILES COUNT RATE LIMIT: opens files COUNT times, at most RATE times a second and for at most LIMIT seconds,
 * and prints how often it did, and how many seconds that took.
 *
 * The files, /f/0/0 to /f/N/999, are made by mknod(2), which opens nothing, and opened one after the other, so that
 * none is opened again while its last event may still be in a queue. "ready" says that they are there; the opens begin
 * at SIGUSR1.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PER_FOLDER 1000

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static char *name(long number)
{
    static char path[64];
    sprintf(path, "/f/%ld/%ld", number / PER_FOLDER, number % PER_FOLDER);
    return path;
}

static void make(long files)
{
    char folder[64];

    mkdir("/f", 0755);
    for (long i = 0; i < files; i++) {
        if (i % PER_FOLDER == 0) {
            sprintf(folder, "/f/%ld", i / PER_FOLDER);
            mkdir(folder, 0755);
        }
        if (mknod(name(i), S_IFREG | 0644, 0)) {
            perror(name(i));
            exit(1);
        }
    }
}

int main(int count, char **arguments)
{
    sigset_t begin;
    int signal;

    if (count != 5)
        return 2;
    long files = atol(arguments[1]), wanted = atol(arguments[2]), rate = atol(arguments[3]), limit = atol(arguments[4]);
    sigemptyset(&begin);
    sigaddset(&begin, SIGUSR1);
    sigprocmask(SIG_BLOCK, &begin, NULL);
    make(files);
    printf("ready\n");
    fflush(stdout);
    sigwait(&begin, &signal);
    double start = now(), passed = 0;
    long done = 0;
    while (done < wanted && passed < (double)limit) {
        long due = (long)(passed * (double)rate) + 1;
        for (; done < due && done < wanted; done++) {
            int file = open(name(done % files), O_RDONLY);
            if (file < 0)
                return 1;
            close(file);
        }
        usleep(500);
        passed = now() - start;
    }
    printf("%ld %f\n", done, now() - start);
    return 0;
}
