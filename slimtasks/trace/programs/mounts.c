/* Where the files of a container can be reached: its mounts at the start, and those that come later (proc(5), mountinfo).
 *
 * The root of a container on overlayfs is a file system of its own, so one mark of fanotify covers it, whatever is
 * mounted or unshared later. With other drivers (vfs) that mark would mean the host's disk, and each mount has its own;
 * there the root is a directory of that disk. */
#include <stdio.h>

#include "tracer.h"

struct mounts {
    struct place {
        unsigned long id;
        const char *source, *point;                  /* the root's path that can be reached at `point`; NULL: none */
    } *places;
    size_t count, size;
    struct set strings;
    struct set devices;                              /* of the file systems that were there at the start */
    char root[32], below[4096];                      /* the root's, and its path there, without a slash at the end */
};

struct mount { unsigned long id; char device[32], source[4096], point[4096], type[64]; };

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

    if (sscanf(line, "%lu %*s %31s %4095s %4095s", &mount->id, mount->device, mount->source, mount->point) != 4 || !rest
        || sscanf(rest, " - %63s", mount->type) != 1)
        return false;
    decode_octal(mount->source);
    decode_octal(mount->point);
    return true;
}

static struct place *place_of(const struct mounts *mounts, unsigned long id)
{
    for (size_t i = 0; i < mounts->count; i++)
        if (mounts->places[i].id == id)
            return &mounts->places[i];
    return NULL;
}

/* Which path of the root the mount shows; NULL for none, as one from elsewhere on the same disk. */
static const char *path_in_root(const struct mounts *mounts, const struct mount *mount)
{
    size_t length = strlen(mounts->below);
    const char *rest = mount->source + length;

    if (strcmp(mount->device, mounts->root) || strncmp(mount->source, mounts->below, length) || (*rest && *rest != '/'))
        return NULL;
    return *rest ? rest : "/";
}

/* Returns whether the mount was not known yet. A part of the root that can be reached at another place is told, since
 * who looks at it there looks at the image's file. */
static bool learn(struct target *target, const struct mount *mount)
{
    struct mounts *mounts = target->found_mounts;
    const char *source = path_in_root(mounts, mount);
    char text[8400];

    if (place_of(mounts, mount->id))
        return false;
    if (mounts->count == mounts->size
        && !(mounts->places = realloc(mounts->places, (mounts->size += 64) * sizeof *mounts->places)))
        abort();
    mounts->places[mounts->count++] = (struct place){
        mount->id, source ? set_keep(&mounts->strings, source, strlen(source)) : NULL,
        set_keep(&mounts->strings, mount->point, strlen(mount->point)),
    };
    if (source && strcmp(source, mount->point))
        report('M', target->id, text, (size_t)snprintf(text, sizeof text, "%s%c%s", mount->point, 0, source));
    return true;
}

/* The mounts that the process sees, each line parsed; false where some cannot be read. */
static bool each_mount(struct target *target, pid_t pid, bool (*act)(struct target *, struct mount *))
{
    char name[64], *line = NULL;
    struct mount mount;
    size_t size = 0;
    bool all = true;

    snprintf(name, sizeof name, "/proc/%d/mountinfo", pid);
    FILE *file = fopen(name, "re");
    if (!file)
        return false;
    while (getline(&line, &size, file) > 0)
        all &= parse(line, &mount) && act(target, &mount);
    free(line);
    fclose(file);
    return all;
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

static bool find_root(struct target *target, struct mount *mount)
{
    if (!strcmp(mount->point, "/")) {
        strcpy(target->found_mounts->root, mount->device);
        strcpy(target->found_mounts->below, strcmp(mount->source, "/") ? mount->source : "");
    }
    return true;
}

static bool mark_first(struct target *target, struct mount *mount)
{
    if (is_kernels(mount) || !learn(target, mount))
        return true;
    set_add(&target->found_mounts->devices, mount->device, strlen(mount->device));
    target->volumes += !is_engines(mount);
    return mark_mount(target, mount->point);
}

static bool mark_new(struct target *target, struct mount *mount)
{
    if (is_kernels(mount) || !learn(target, mount))
        return true;
    appeared(target, mount);
    return mark_mount(target, mount->point);
}

/* Marks the mounts that are not marked yet; false where that failed. */
bool mark_mounts(struct target *target)
{
    if (target->found_mounts)
        return each_mount(target, target->pid, mark_new);
    if (!(target->found_mounts = calloc(1, sizeof *target->found_mounts)))
        abort();
    return each_mount(target, target->pid, find_root) && each_mount(target, target->pid, mark_first);
}

static bool learn_only(struct target *target, struct mount *mount)
{
    learn(target, mount);
    return true;
}

/* Where the file is in the container's root, that `pid` opened as `path` through the mount `id`, perhaps in a mount
 * namespace of its own; false where that is not known. */
bool original_path(struct target *target, pid_t pid, unsigned long id, char *path, size_t size)
{
    struct mounts *mounts = target->found_mounts;
    struct place *place = place_of(mounts, id);
    char rest[4096];

    if (!place) {
        each_mount(target, pid, learn_only);
        place = place_of(mounts, id);
    }
    if (!place)
        return false;
    if (!place->source || !strcmp(place->source, place->point))
        return true;
    size_t length = strcmp(place->point, "/") ? strlen(place->point) : 0;
    if (strncmp(path, place->point, length) || (path[length] && path[length] != '/'))
        return false;
    snprintf(rest, sizeof rest, "%s", path + length);
    return (size_t)snprintf(path, size, "%s%s", strcmp(place->source, "/") ? place->source : "", rest) < size;
}

void mounts_free(struct target *target)
{
    struct mounts *mounts = target->found_mounts;

    if (mounts) {
        set_free(&mounts->strings);
        set_free(&mounts->devices);
        free(mounts->places);
    }
    free(mounts);
}
