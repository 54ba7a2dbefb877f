/* Where the files of a container can be reached: its mounts at the start, and those that come later (proc(5), mountinfo).
 *
 * The root of a container on overlayfs is a file system of its own, so one mark of fanotify covers it, whatever is
 * mounted or unshared later. With other drivers (vfs) that mark would mean the host's disk, and each mount has its own. */
#include <stdio.h>

#include "tracer.h"

struct mounts {
    struct set known;                                /* mount IDs */
    struct set devices;                              /* of the file systems that were there at the start */
    char root[32];                                   /* the root's */
};

struct mount { char id[32], device[32], point[4096], type[64]; };

/* Mounts whose files are no image's. */
static bool is_kernels(const struct mount *mount)
{
    static const char *const types[] = {"proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "securityfs"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(mount->type, types[i]))
            return true;
    return false;
}

/* What the engine puts into every container. */
static bool is_engines(const struct mount *mount)
{
    static const char *const points[] = {"/", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/sbin/docker-init"};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        if (!strcmp(mount->point, points[i]))
            return true;
    return !strcmp(mount->type, "tmpfs");
}

/* proc(5) writes blanks and backslashes of a path as octal digits. */
static void decode_octal(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++)
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else
            *to = *from++;
    *to = 0;
}

static bool parse(const char *line, struct mount *mount)
{
    const char *rest = strstr(line, " - ");

    if (sscanf(line, "%31s %*s %31s %*s %4095s", mount->id, mount->device, mount->point) != 3 || !rest
        || sscanf(rest, " - %63s", mount->type) != 1)
        return false;
    decode_octal(mount->point);
    return true;
}

/* One that came later. What is mounted anew has no files of the image, but what was there already, and is mounted at
 * another place, has: what happened there before it was marked is lost. */
static void appeared(struct target *target, const struct mount *mount)
{
    struct mounts *mounts = target->found_mounts;
    bool covered = target->whole && !strcmp(mount->device, mounts->root);

    if (!covered && (set_has(&mounts->devices, mount->device, strlen(mount->device)) || !strcmp(mount->type, "overlay")))
        incomplete(target, "%s was mounted, and what was opened below it at once was not watched", mount->point);
}

/* Marks the mounts that are not marked yet; false where that failed. */
bool mark_mounts(struct target *target, bool (*mark)(struct target *, const char *))
{
    bool first = !target->found_mounts, all = true;
    char name[64], path[4200], *line = NULL;
    struct mount mount;
    size_t size = 0;

    snprintf(name, sizeof name, "/proc/%d/mountinfo", target->pid);
    FILE *file = fopen(name, "re");
    if (!file)
        return false;
    if (first && !(target->found_mounts = calloc(1, sizeof *target->found_mounts)))
        abort();
    while (getline(&line, &size, file) > 0) {
        struct mounts *mounts = target->found_mounts;
        if (!parse(line, &mount)) {
            all = false;
            continue;
        }
        if (is_kernels(&mount) || !set_add(&mounts->known, mount.id, strlen(mount.id)))
            continue;
        if (first) {
            if (!strcmp(mount.point, "/"))
                strcpy(mounts->root, mount.device);
            set_add(&mounts->devices, mount.device, strlen(mount.device));
            target->volumes += !is_engines(&mount);
        } else
            appeared(target, &mount);
        snprintf(path, sizeof path, "/proc/%d/root%s", target->pid, mount.point);
        all &= mark(target, path);
    }
    free(line);
    fclose(file);
    return all;
}

void mounts_free(struct target *target)
{
    if (target->found_mounts) {
        set_free(&target->found_mounts->known);
        set_free(&target->found_mounts->devices);
    }
    free(target->found_mounts);
}
