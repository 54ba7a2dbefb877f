/* probe VERB ARGUMENT...: does what its arguments say, one after the other, so that a test knows what is to be traced. */
#include <fcntl.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sched.h>
#include <unistd.h>

#include "ways.h"

#define IS(verb) (!strcmp(*words, verb))

static void sock(const char *path, int (*act)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    act(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
}

/* The calls without a directory of their own, where there are some: what they look at depends on the process. */
static void look(const char *path)
{
#ifdef SYS_stat
    struct stat info;
    syscall(SYS_stat, path, &info);
#else
    access(path, F_OK);
#endif
}

static void in_thread(char **words)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run, words);
    pthread_join(thread, NULL);
}

void *run(void *arguments)
{
    char buffer[4096];
    int status = 0, taken;

    for (char **words = arguments; *words; words++) {
        if (IS("fork") || IS("vfork") || IS("daemon")) {
            pid_t child = IS("vfork") ? vfork() : fork();
            if (child && !IS("daemon"))
                waitpid(child, &status, 0);
            if (child)
                _exit(WEXITSTATUS(status));
            setsid();
        } else if (IS("thread")) {
            in_thread(words + 1);
            return NULL;
        } else if (IS("unshare")) {
            if (unshare(CLONE_NEWNS))
                perror("unshare");
        } else if (IS("hold")) {
            pause();
        } else if (IS("fail")) {
            _exit(7);
        } else if (IS("exec")) {
            execvp(words[1], words + 1);
            perror(words[1]);
        } else if ((taken = way(words)) != UNKNOWN) {
            if (taken == ALL)
                return NULL;
            words += taken;
        } else if (!words[1]) {
            fprintf(stderr, "probe: %s?\n", *words);
            _exit(2);
        } else {
            const char *one = words[1];
            if (IS("open")) close(open(one, O_RDONLY));
            else if (IS("create")) close(open(one, O_WRONLY | O_CREAT, 0644));
            else if (IS("update")) close(open(one, O_RDWR));
            else if (IS("chown")) (void)!chown(one, 65534, 65534);
            else if (IS("stat")) look(one);
            else if (IS("access")) access(one, R_OK);
            else if (IS("readlink")) (void)!readlink(one, buffer, sizeof buffer);
            else if (IS("list")) { DIR *folder = opendir(one); if (folder) { readdir(folder); closedir(folder); } }
            else if (IS("chdir")) (void)!chdir(one);
            else if (IS("fchdir")) (void)!fchdir(open(one, O_RDONLY | O_DIRECTORY));
            else if (IS("chroot")) (void)!chroot(one);
            else if (IS("unlink")) unlink(one);
            else if (IS("mkdir")) mkdir(one, 0755);
            else if (IS("bind")) sock(one, bind);
            else if (IS("connect")) sock(one, connect);
            else if (IS("tmpfs")) { if (mount("none", one, "tmpfs", 0, NULL)) perror(one); }
            else if (IS("bind-mount")) {  /* FROM:TO */
                char *from = strdup(one), *to = strchr(from, ':');
                *to++ = 0;
                if (mount(from, to, NULL, MS_BIND, NULL))
                    perror(one);
            }
            else if (IS("setuid")) (void)!setuid((uid_t)atoi(one));
            else if (IS("sleep")) usleep((useconds_t)atoi(one) * 1000);
            else if (IS("say")) { puts(one); fflush(stdout); }
            else if (IS("many")) for (int i = 0; i < atoi(one); i++) { sprintf(buffer, "/t/many/%d", i); close(open(buffer, O_RDONLY | O_CREAT, 0644)); }
            else if (IS("misses")) for (int i = 0; i < atoi(one); i++) { sprintf(buffer, "/t/none/%d", i); access(buffer, F_OK); }
            else if (IS("children")) {  /* each opens one file and is gone; a part of them is waited for at once */
                for (int i = 0; i < atoi(one); i++) {
                    pid_t child = fork();
                    sprintf(buffer, "/t/many/%d", i);
                    if (!child) {
                        open(buffer, O_RDONLY | O_CREAT, 0644);
                        _exit(0);
                    }
                    if (i % 3)
                        waitpid(child, &status, 0);
                }
                while (wait(&status) > 0)
                    ;
            } else { fprintf(stderr, "probe: %s?\n", *words); _exit(2); }
            words++;
        }
    }
    return NULL;
}

/* hex:2f74 is /t: names that no JSON can carry. */
static void decode(char *word)
{
    unsigned byte;
    if (!strncmp(word, "hex:", 4)) {
        for (const char *digits = word + 4; sscanf(digits, "%2x", &byte) == 1; digits += 2)
            *word++ = (char)byte;
        *word = 0;
    }
}

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++)
        decode(arguments[i]);
    run(arguments + 1);
    return 0;
}
