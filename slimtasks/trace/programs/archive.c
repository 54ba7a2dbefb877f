/* archive LIST: writes the files named in LIST (absolute paths, each ended by NUL) to standard output as a pax tar.
 *
 * It runs as root in a container made from the image that the files belong to, so it sees them as the image has
 * them. Nothing is followed and nothing recursed into. The second and further listed names of an inode become
 * hard links to the first. Format: ustar with pax records (pax(1), POSIX.1-2008), extended attributes as
 * SCHILY.xattr.NAME; sparse files come out dense. Anything that cannot be written whole is an error, exit status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BLOCK 512

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[8], owner[32],
        group[32], major[8], minor[8], prefix[155], padding[12];
};

struct inode { dev_t device; ino_t number; const char *name; };

static struct { char *bytes; size_t length, size; } records;

static void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static void put(const void *bytes, size_t length)
{
    if (fwrite(bytes, 1, length, stdout) != length)
        die("cannot write: %s", strerror(errno));
}

static void pad(uint64_t size)
{
    static const char zeros[BLOCK];
    put(zeros, (size_t)(-size % BLOCK));
}

static void *get_memory(void *old, size_t size)
{
    void *new = realloc(old, size);
    if (!new)
        die("out of memory");
    return new;
}

/* "LENGTH KEYWORD=VALUE\n", where LENGTH counts its own digits. */
static void add_record(const char *prefix, const char *keyword, const void *value, size_t length)
{
    size_t rest = strlen(prefix) + strlen(keyword) + length + 3, total = rest + 1;
    char digits[24];

    while (total != rest + (size_t)snprintf(digits, sizeof digits, "%zu", total))
        total = rest + strlen(digits);
    if (records.size < records.length + total + 1)
        records.bytes = get_memory(records.bytes, records.size = 2 * (records.length + total + 1));
    int head = sprintf(records.bytes + records.length, "%s %s%s=", digits, prefix, keyword);
    memcpy(records.bytes + records.length + head, value, length);
    records.bytes[records.length + total - 1] = '\n';
    records.length += total;
}

static void add_number(const char *keyword, long long number)
{
    char text[24];
    add_record("", keyword, text, (size_t)sprintf(text, "%lld", number));
}

/* Octal where it fits; otherwise zero, and a pax record says it. */
static void set_number(char *field, size_t width, const char *keyword, long long number)
{
    bool fits = number >= 0 && number < 1LL << 3 * (width - 1);
    if (!fits)
        add_number(keyword, number);
    snprintf(field, width, "%0*llo", (int)width - 1, fits ? number : 0);
}

static void set_text(char *field, size_t width, const char *keyword, const char *text, size_t length)
{
    bool plain = length <= width;
    for (size_t i = 0; i < length; i++)
        plain &= text[i] >= ' ' && text[i] < 127;
    if (!plain)
        add_record("", keyword, text, length);
    memcpy(field, text, length < width ? length : width);
}

static void put_header(struct header *header)
{
    unsigned sum = 0;

    memcpy(header->magic, "ustar\00000", 8);
    memset(header->checksum, ' ', sizeof header->checksum);
    for (size_t i = 0; i < sizeof *header; i++)
        sum += ((unsigned char *)header)[i];
    snprintf(header->checksum, 7, "%06o", sum);
    put(header, sizeof *header);
}

static void put_records(void)
{
    struct header header = {.name = "././@PaxHeader", .type = 'x'};

    if (!records.length)
        return;
    set_number(header.mode, sizeof header.mode, "", 0644);
    set_number(header.uid, sizeof header.uid, "", 0);
    set_number(header.gid, sizeof header.gid, "", 0);
    set_number(header.mtime, sizeof header.mtime, "", 0);
    set_number(header.size, sizeof header.size, "", (long long)records.length);
    put_header(&header);
    put(records.bytes, records.length);
    pad(records.length);
    records.length = 0;
}

/* An SELinux label is this machine's, not the image's. */
static void add_attributes(const char *path)
{
    ssize_t size = llistxattr(path, NULL, 0);
    char *names = get_memory(NULL, size > 0 ? (size_t)size : 1);

    if (size > 0)
        size = llistxattr(path, names, (size_t)size);
    if (size < 0 && errno != ENOTSUP)
        die("%s: cannot list its extended attributes: %s", path, strerror(errno));
    for (char *name = names; name < names + size; name += strlen(name) + 1) {
        if (!strcmp(name, "security.selinux"))
            continue;
        ssize_t length = lgetxattr(path, name, NULL, 0);
        char *value = get_memory(NULL, length > 0 ? (size_t)length : 1);
        length = length < 0 ? -1 : lgetxattr(path, name, value, (size_t)length);
        if (length < 0 || strchr(name, '='))
            die("%s: cannot read its extended attribute %s: %s", path, name, strerror(errno));
        add_record("SCHILY.xattr.", name, value, (size_t)length);
        free(value);
    }
    free(names);
}

static int compare(const void *left, const void *right)
{
    const struct inode *a = left, *b = right;
    if (a->device != b->device)
        return a->device < b->device ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

/* The first listed name of the inode: `name` itself where it is the first. */
static const char *first_name(const struct stat *info, const char *name)
{
    static void *inodes;
    struct inode *new = get_memory(NULL, sizeof *new);

    *new = (struct inode){info->st_dev, info->st_ino, name};
    struct inode **found = tsearch(new, &inodes, compare);
    if (!found)
        die("out of memory");
    if (*found != new)
        free(new);
    return (*found)->name;
}

static void put_content(const char *path, uint64_t size)
{
    static char buffer[1 << 17];
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    uint64_t left = size;

    if (file < 0)
        die("%s: cannot open it: %s", path, strerror(errno));
    while (left) {
        ssize_t got = read(file, buffer, left < sizeof buffer ? (size_t)left : sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            die("%s: cannot read it: %s", path, got ? strerror(errno) : "it became shorter");
        put(buffer, (size_t)got);
        left -= (uint64_t)got;
    }
    close(file);
    pad(size);
}

static char type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return '0';
    case S_IFLNK: return '2';
    case S_IFCHR: return '3';
    case S_IFBLK: return '4';
    case S_IFDIR: return '5';
    case S_IFIFO: return '6';
    default: return 0;
    }
}

static void put_entry(const char *path)
{
    struct header header = {0};
    struct stat info;
    char target[4096];

    if (lstat(path, &info))
        die("%s: %s", path, strerror(errno));
    if (!(header.type = type_of(info.st_mode)))
        die("%s: a socket, which no image can hold", path);
    const char *name = path[1] ? path + 1 : ".";
    const char *first = header.type == '5' || info.st_nlink < 2 ? name : first_name(&info, name);
    uint64_t size = 0;

    if (first != name) {
        header.type = '1';
        set_text(header.link, sizeof header.link, "linkpath", first, strlen(first));
    } else if (header.type == '2') {
        ssize_t length = readlink(path, target, sizeof target);
        if (length < 0)
            die("%s: cannot read the link: %s", path, strerror(errno));
        set_text(header.link, sizeof header.link, "linkpath", target, (size_t)length);
    } else if (header.type == '0')
        size = (uint64_t)info.st_size;
    set_text(header.name, sizeof header.name, "path", name, strlen(name));
    set_number(header.mode, sizeof header.mode, "mode", info.st_mode & 07777);
    set_number(header.uid, sizeof header.uid, "uid", info.st_uid);
    set_number(header.gid, sizeof header.gid, "gid", info.st_gid);
    set_number(header.size, sizeof header.size, "size", (long long)size);
    set_number(header.mtime, sizeof header.mtime, "mtime", info.st_mtime);
    if (header.type == '3' || header.type == '4') {
        snprintf(header.major, sizeof header.major, "%07o", major(info.st_rdev));
        snprintf(header.minor, sizeof header.minor, "%07o", minor(info.st_rdev));
    }
    if (header.type != '1')
        add_attributes(path);
    put_records();
    put_header(&header);
    if (size)
        put_content(path, size);
}

/* Mounts that the engine makes hide what the image has there. Volumes do not: the engine copies the image's
 * files into them. */
struct mount { struct mount *next; char point[]; };

static struct mount *hiding_mounts(void)
{
    struct mount *mounts = NULL;
    char *line = NULL, point[4096], type[64];
    size_t size = 0;
    FILE *file = fopen("/proc/self/mountinfo", "re");

    if (!file)
        die("/proc/self/mountinfo: %s", strerror(errno));
    while (getline(&line, &size, file) > 0) {
        static const char *const kernels[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"};
        const char *rest = strstr(line, " - ");
        struct stat info;
        if (!rest || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 || sscanf(rest, " - %63s", type) != 1)
            die("/proc/self/mountinfo: cannot read this line: %s", line);
        bool hides = !lstat(point, &info) && !S_ISDIR(info.st_mode);
        for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
            hides |= !strcmp(type, kernels[i]);
        if (!hides)
            continue;
        struct mount *new = get_memory(NULL, sizeof *new + strlen(point) + 1);
        *new = (struct mount){mounts};
        strcpy(new->point, point);
        mounts = new;
    }
    free(line);
    fclose(file);
    return mounts;
}

static void refuse_hidden(const struct mount *mounts, const char *path)
{
    for (; mounts; mounts = mounts->next) {
        size_t length = strlen(mounts->point);
        if (!strncmp(path, mounts->point, length) && (!path[length] || path[length] == '/'))
            die("%s: it is hidden by what the engine mounts at %s", path, mounts->point);
    }
}

static char *read_list(const char *path, size_t *length)
{
    FILE *file = fopen(path, "re");
    struct stat info;

    if (!file || fstat(fileno(file), &info))
        die("%s: %s", path, strerror(errno));
    char *list = get_memory(NULL, (size_t)info.st_size + 1);
    *length = fread(list, 1, (size_t)info.st_size, file);
    if (*length != (size_t)info.st_size || (*length && list[*length - 1]))
        die("%s: not a list of paths, each ended by NUL", path);
    fclose(file);
    return list;
}

int main(int count, char **arguments)
{
    static char output[1 << 17], end[2 * BLOCK];
    size_t length;

    if (count != 2)
        die("usage: archive LIST");
    setvbuf(stdout, output, _IOFBF, sizeof output);
    char *list = read_list(arguments[1], &length);
    const struct mount *mounts = hiding_mounts();
    for (const char *path = list; path < list + length; path += strlen(path) + 1) {
        if (*path != '/')
            die("%s: not an absolute path", path);
        refuse_hidden(mounts, path);
        put_entry(path);
    }
    put(end, sizeof end);
    if (fflush(stdout))
        die("cannot write: %s", strerror(errno));
    return 0;
}
