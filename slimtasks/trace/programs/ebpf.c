/* What was looked at, by our own eBPF program (lookups.bpf.c): loaded once, it follows what is put into its map of
 * tasks, for all targets; one ring has the events of all. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "ebpf.h"
#include "lookups.skel.h"

#define MARKER_MS 2000

static struct lookups_bpf *kernel;
static struct ring_buffer *ring;
static struct target *by_slot[SLOTS];                /* the first is for the probe of `able`; none is used twice */
static unsigned slots_used;
static char probe_path[64];                          /* looked up by ourselves, to see that it is seen */
static bool probe_seen;
static unsigned long taken, limit;                   /* of the ring's events; how many of them to take now */
static char complaint[400];                          /* libbpf's first */

static int listen_to_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
    if (level == LIBBPF_WARN && !*complaint)
        vsnprintf(complaint, sizeof complaint, format, arguments);
    complaint[strcspn(complaint, "\n")] = 0;
    return 0;
}

static bool in_kernel(const char *tracepoint)
{
    return libbpf_find_vmlinux_btf_id(tracepoint, BPF_TRACE_RAW_TP) > 0;
}

static bool load(bool optional)
{
    if (!(kernel = lookups_bpf__open()))
        return false;
    fill_calls(kernel->rodata->calls, false);
    fill_calls(kernel->rodata->calls32, true);
    kernel->rodata->number_execve = call_number("execve");
    kernel->rodata->number_execveat = call_number("execveat");
    kernel->rodata->number_exit = call_number("exit");
    kernel->rodata->number_exit_group = call_number("exit_group");
    kernel->rodata->number_sigreturn = call_number("rt_sigreturn");
    kernel->rodata->open_flags = O_ACCMODE | O_CREAT | O_PATH | O_DIRECTORY | O_TMPFILE;
    kernel->rodata->creat_flags = O_CREAT | O_WRONLY;
    bpf_program__set_autoload(kernel->progs.capable, optional && in_kernel("cap_capable"));
    bpf_program__set_autoload(kernel->progs.joined, optional);
    bpf_program__set_autoload(kernel->progs.submitted, ebpf_sees_rings = optional && in_kernel("io_uring_submit_req"));
    if (!lookups_bpf__load(kernel) && !lookups_bpf__attach(kernel))
        return true;
    lookups_bpf__destroy(kernel);
    kernel = NULL;
    return false;
}

static bool set_step(unsigned slot, unsigned step)
{
    struct slot value;

    if (bpf_map_lookup_elem(bpf_map__fd(kernel->maps.slots), &slot, &value))
        return false;
    value.step = step;
    return !bpf_map_update_elem(bpf_map__fd(kernel->maps.slots), &slot, &value, BPF_ANY);
}

/* From now on all that it does is the container's. */
static bool make_member(unsigned slot, pid_t process)
{
    struct member member = {slot, false};
    return !bpf_map_update_elem(bpf_map__fd(kernel->maps.members), &process, &member, BPF_ANY);
}

/* Whose a process was that is known by its number alone, and may be gone. What follows a process notes it before the
 * process does anything; for one that was not noted there was no room, or it is not the container's. */
static enum belonging belongs(struct target *target, pid_t process, bool executes)
{
    struct member member;

    if (target->started)                             /* who is not followed is not noted either */
        return UNSURE;
    if (bpf_map_lookup_elem(bpf_map__fd(kernel->maps.members), &process, &member))
        return target->late || kernel->bss->counters.forgotten ? UNSURE : FOREIGN;
    if (member.slot != target->ebpf->slot)
        return UNSURE;
    if (member.by_exec && !executes)
        return FOREIGN;
    return !member.by_exec || make_member(target->ebpf->slot, process) ? OURS : UNSURE;
}

static bool follow_task(unsigned slot, pid_t thread, unsigned program)
{
    struct task task = {slot, program};
    return !bpf_map_update_elem(bpf_map__fd(kernel->maps.tasks), &thread, &task, BPF_ANY);
}

static int take(void *context, void *bytes, size_t size)
{
    (void)context;
    const struct event *event = bytes;
    const char *text = (const char *)(event + 1);
    struct target *target = event->slot < SLOTS ? by_slot[event->slot] : NULL;

    taken++;
    if (size < sizeof *event || size < sizeof *event + event->string + event->start)
        return 0;
    if (event->program == PROGRAM_ENGINE && event->type == EVENT_PATH && !strcmp(text, probe_path))
        probe_seen = true;
    else if (target && event->program == PROGRAM_GATE && event->type == EVENT_PATH && !strcmp(text, GATE)) {
        for (struct attachment *a = target->attachments; a; a = a->next)
            if (a->gate == (pid_t)event->tid)
                marked(target, a, &ebpf);
    } else if (target)
        ebpf_event(target, event, text);
    return taken >= limit ? -ECANCELED : 0;
}

/* What was queued before the call, no more: a busy container must not keep us here. */
static void take_queued(void)
{
    limit = __atomic_load_n(&kernel->bss->counters.events, __ATOMIC_ACQUIRE);
    if (taken < limit)
        ring_buffer__consume(ring);
}

/* A lookup of our own, as if the target had made it: when that came through, all that was before it has. Each time of
 * another path, as the kernel's half tells none twice. */
static bool probe(unsigned slot)
{
    static unsigned probes;
    pid_t self = getpid();
    long until = now() + MARKER_MS;

    snprintf(probe_path, sizeof probe_path, "/.slimtasks-probe-%u", probes++);
    probe_seen = false;
    if (!follow_task(slot, self, PROGRAM_ENGINE))
        return false;
    access(probe_path, F_OK);
    bpf_map_delete_elem(bpf_map__fd(kernel->maps.tasks), &self);
    for (;;) {
        take_queued();
        if (probe_seen || now() > until)
            return probe_seen;
        usleep(1000);
    }
}

static bool able(char *why, size_t size)
{
    static bool tried, works;

    if (!tried) {
        tried = true;
        libbpf_set_print(listen_to_libbpf);
        works = load(true) || load(false);
        malloc_trim(0);                              /* of all the types of the kernel, which libbpf had to read */
        if (works) {
            ring = ring_buffer__new(bpf_map__fd(kernel->maps.events), take, NULL, NULL);
            slots_used = 1;
            works = ring && ebpf_facts_open(bpf_map__fd(kernel->maps.programs)) && probe(0);
            if (!works)
                snprintf(complaint, sizeof complaint, "our program is loaded, but a lookup of our own does not come through");
        }
    }
    snprintf(why, size, "%s", works ? "" : *complaint ? complaint : "the kernel does not take our program");
    return works;
}

static bool start(struct target *target)
{
    if (slots_used == SLOTS || !(target->ebpf = calloc(1, sizeof *target->ebpf))) {
        errno = ENOMEM;
        return false;
    }
    target->ebpf->slot = slots_used++;
    by_slot[target->ebpf->slot] = target;
    return set_step(target->ebpf->slot, target->step);
}

static bool follow(struct target *target, struct attachment *a)
{
    return follow_task(target->ebpf->slot, a->gate, PROGRAM_GATE) && make_member(target->ebpf->slot, a->gate);
}

/* Has the kernel's half look at all tasks once (lookups.bpf.c, joined). */
static bool look_at_all(void)
{
    char nothing[64];
    ssize_t got;
    int all = bpf_iter_create(bpf_link__fd(kernel->links.joined));

    if (all < 0)
        return false;
    while ((got = read(all, nothing, sizeof nothing)) > 0 || (got < 0 && errno == EAGAIN))
        ;
    close(all);
    return !got;
}

static void join_thread(struct target *target, pid_t thread, void *context)
{
    char name[64];

    if (!set_add(context, (void *)&thread, sizeof thread))
        return;
    if (!follow_task(target->ebpf->slot, thread, PROGRAM_RUNNING) || !make_member(target->ebpf->slot, thread))
        incomplete(target, "ebpf had no room for a thread that ran already");
    snprintf(name, sizeof name, "/proc/%d", thread);
    if (access(name, F_OK))                          /* nobody will tell of its end, and its number may be another's soon */
        bpf_map_delete_elem(bpf_map__fd(kernel->maps.tasks), &thread);
}

static void join_threads(struct target *target, pid_t pid, void *context)
{
    each_thread(target, pid, join_thread, context);
}

/* First where the root is, else nothing that is followed can be understood. Then its threads, until no new ones come:
 * those of one that is followed are followed from their start. At last what they run, and where they stand. */
static bool join_all(struct target *target)
{
    struct set found = {0};
    struct slot slot;
    size_t before;

    if (!kernel->links.joined) {
        errno = ENOTSUP;
        return false;
    }
    kernel->bss->joined_slot = target->ebpf->slot;
    kernel->bss->joined_first = (unsigned)target->pid;
    if (!look_at_all() || bpf_map_lookup_elem(bpf_map__fd(kernel->maps.slots), &target->ebpf->slot, &slot))
        return false;
    if (!slot.root_mount) {
        errno = ESRCH;
        return false;
    }
    do {
        before = found.count;
        each_process(target, join_threads, &found);
    } while (found.count > before);
    set_free(&found);
    return look_at_all();
}

static void read_events(struct target *target)
{
    (void)target;
    take_queued();
}

/* Each event has the step in which it happened, so those between the two lines here count for the right one. */
static void begin_step(struct target *target, unsigned step)
{
    ebpf_facts(target);
    if (!set_step(target->ebpf->slot, step))
        incomplete(target, "ebpf cannot begin step %u: %s", step, strerror(errno));
    take_queued();
}

/* How often a program was not run because it ran already on that processor. */
static unsigned long long missed(const struct bpf_program *program)
{
    struct bpf_prog_info info = {0};
    unsigned size = sizeof info;

    if (bpf_program__fd(program) < 0 || bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
        return 0;
    return info.recursion_misses;
}

static void check_counters(struct target *target)
{
    const struct counters *c = &kernel->bss->counters;
    const struct bpf_program *const needed[] = {kernel->progs.returned, kernel->progs.executed, kernel->progs.forked,
                                                kernel->progs.exited, kernel->progs.submitted};

    if (c->lost)
        incomplete(target, "ebpf had no room for %llu events", c->lost);
    if (c->untracked)
        incomplete(target, "ebpf had no room for %llu processes: %d are followed at a time", c->untracked, TASKS);
    if (c->programs > PROGRAMS - PROGRAM_FIRST)
        incomplete(target, "more than %d programs ran", PROGRAMS - PROGRAM_FIRST);
    if (c->numberless)
        incomplete(target, "system calls of the x32 kind were made, which ebpf does not know");
    if (c->polled_rings)
        incomplete(target, "an io_uring was made whose submissions no call shows (IORING_SETUP_SQPOLL)");
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (missed(needed[i]))
            incomplete(target, "the kernel passed over our eBPF program %llu times", missed(needed[i]));
}

/* The tasks of a container that ended are gone, but for one whose number we put in too late; its processes are not. */
static void forget(int map, unsigned slot)
{
    unsigned number, next, *before = NULL;
    struct { unsigned slot, other; } value;          /* as struct task and struct member begin */

    while (!bpf_map_get_next_key(map, before, &next)) {
        if (before && !bpf_map_lookup_elem(map, before, &value) && value.slot == slot)
            bpf_map_delete_elem(map, before);
        number = next;
        before = &number;
    }
    if (before && !bpf_map_lookup_elem(map, before, &value) && value.slot == slot)
        bpf_map_delete_elem(map, before);
}

static bool proves(struct target *target)
{
    return probe(target->ebpf->slot);
}

/* Neither what it runs nor what is yet to enter it is followed from here on. */
static void let_go(struct target *target)
{
    struct slot slot;

    if (!bpf_map_lookup_elem(bpf_map__fd(kernel->maps.slots), &target->ebpf->slot, &slot)) {
        unsigned long long place[2] = {slot.root_mount, slot.root_directory};
        bpf_map_delete_elem(bpf_map__fd(kernel->maps.roots), place);
    }
    forget(bpf_map__fd(kernel->maps.tasks), target->ebpf->slot);
}

static void detach(struct target *target)
{
    ebpf_facts(target);
    let_go(target);
    take_queued();
}

static bool ended(struct target *target)
{
    if (!proves(target))
        incomplete(target, "ebpf did not see the lookup that we made at the end");
    ebpf_facts(target);
    check_counters(target);
    return true;
}

static size_t polled(const struct target *target, struct pollfd *polls, size_t size)
{
    (void)target;
    return poll_one(ring_buffer__epoll_fd(ring), polls, size);
}

static void stop(struct target *target)
{
    if (!target->ebpf)
        return;
    let_go(target);
    forget(bpf_map__fd(kernel->maps.members), target->ebpf->slot);
    by_slot[target->ebpf->slot] = NULL;
    free(target->ebpf);
}

const struct source ebpf = {
    .name = "ebpf", .kind = LOOKUPS, .able = able, .start = start, .attach = follow, .detach = detach,
    .join = join_all, .step = begin_step, .polled = polled, .read = read_events, .belongs = belongs,
    .proves = proves, .ended = ended, .stop = stop,
};
