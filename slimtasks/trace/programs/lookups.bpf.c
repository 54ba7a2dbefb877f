/* The kernel's half of the eBPF source: what the followed processes look up, as they ask for it.
 *
 * A task is followed from its gate on (ebpf.c puts that into `tasks`) through fork and exec, and from the exec by
 * which the engine, or nsenter, starts something in a followed container's root. One program at the end of every
 * system call returns at once for all others. Strings are read then, as the kernel has just read them and their
 * pages are there; what was seen before, `seen` drops. See lookups.h for what is told.
 *
 * Programs of type tp_btf alone: kernels in lockdown refuse fentry and LSM programs.
 */
#include "lookups_calls.bpf.h"
#include "lookups_rings.bpf.h"

#define SIGNAL_GROUP_EXIT 4
#define SYS_io_uring_enter 426

char LICENSE[] SEC("license") = "GPL";

/* A task of the container shows where its root is: the gate by its first call with a path. */
static __always_inline void know_root(struct scratch *scratch, struct slot *slot, __u32 number, struct task_struct *task)
{
    struct fs_struct *fs = task->fs;
    struct path place;

    if (!fs)
        return;
    place = root_of(fs);
    slot->root_mount = (__u64)place.mnt;
    slot->root_directory = (__u64)place.dentry;
    slot->user_namespace = (__u64)task->real_cred->user_ns;
    slot->mount_namespace = (__u64)task->nsproxy->mnt_ns;
    hash_place(scratch, (__u64)place.mnt, (__u64)place.dentry);
    slot->top = scratch->top;
    bpf_map_update_elem(&roots, &place, &number, BPF_ANY);
    note_standing(fs);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(returned, struct pt_regs *regs, long result)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), which = SCRATCH_EXIT;
    struct task *who = bpf_map_lookup_elem(&tasks, &tid);

    if (!who)
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct program *program = bpf_map_lookup_elem(&programs, &who->program);
    struct slot *slot = bpf_map_lookup_elem(&slots, &who->slot);
    long number = number_of(regs);
    bool narrow = is_32bit(regs, task);

    if (!program || !slot)
        return 0;
    if (number == -1) /* by sigreturn(2) itself; by a debugger too, which is as well */
        number = number_sigreturn;
    if (number < 0 || number >= CALLS) {
        COUNT(numberless);
        return 0;
    }
    const volatile struct call *call = narrow ? &calls32[number] : &calls[number];
    __u8 *used = narrow ? &program->calls32[number] : &program->calls[number];
    if (call->kind == KIND_EXECVE && result >= 0)
        return 0;
    if (!*used)
        *used = 1;
    if (!call->kind || (call->kind == KIND_SENDTO && !fifth_argument(regs, narrow))) /* of send(2) there are many */
        return 0;
    struct scratch *scratch = bpf_map_lookup_elem(&scratches, &which);
    if (!scratch)
        return 0;
    if (!slot->root_mount && who->program == PROGRAM_GATE)
        know_root(scratch, slot, who->slot, task);
    scratch->who = *who;
    scratch->call = *(const struct call *)call;
    scratch->result = result;
    scratch->number = (__u16)number;
    scratch->notes = 0;
    scratch->type = EVENT_PATH;
    scratch->narrow = narrow;
    scratch->in_kernel = false;
    copy_arguments(scratch->arguments, regs, narrow);
    tell_call(scratch, slot);
    return 0;
}

/* The number of the program that a task runs now; tells its path the first time. */
static __always_inline __u32 program_of(struct scratch *scratch, struct task *who, const struct slot *slot, struct task_struct *task)
{
    struct path path = file_path(task->mm->exe_file);

    begin(scratch, who, slot);
    scratch->event.type = EVENT_PROGRAM;
    scratch->event.step = scratch->event.program = 0;
    hash_event(scratch);
    scratch->event.notes |= hash_place(scratch, (__u64)path.mnt, (__u64)path.dentry);
    struct hash hash = scratch->hash;
    __u32 *known = bpf_map_lookup_elem(&numbers, &hash);
    if (known)
        return *known;
    __u32 number = PROGRAM_FIRST + (__u32)__sync_fetch_and_add(&counters.programs, 1);
    if (number >= PROGRAMS)
        return PROGRAM_OTHER;
    scratch->event.program = number;
    write_place(scratch, (__u64)path.mnt, (__u64)path.dentry);
    if (!emit(scratch))
        return PROGRAM_OTHER;
    bpf_map_update_elem(&numbers, &hash, &number, BPF_ANY);
    return number;
}

static __always_inline void remember(__u32 process, __u32 slot, bool by_exec)
{
    struct member member = {slot, by_exec};
    if (bpf_map_update_elem(&members, &process, &member, BPF_ANY))
        COUNT(forgotten);
}

static __always_inline void tell_exec(struct scratch *scratch, const struct task *who, struct slot *slot,
                                      struct fs_struct *fs, const char *name)
{
    begin(scratch, who, slot);
    scratch->event.type = EVENT_PATH;
    scratch->event.how = HOW_EXEC;
    long length = bpf_probe_read_kernel_str(scratch->text, PATH_BYTES, name);
    if (length <= 1)
        return;
    scratch->event.string = (__u16)length;
    tell(scratch, slot, scratch->text[0] == '/' ? root_of(fs) : directory_of(fs));
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(executed, struct task_struct *task, int old_tid, struct linux_binprm *binary)
{
    __u32 before = (__u32)old_tid, tid = (__u32)task->pid, which = SCRATCH_EXEC;
    struct task *found = bpf_map_lookup_elem(&tasks, &before), who;
    struct fs_struct *fs = task->fs;
    struct scratch *scratch = bpf_map_lookup_elem(&scratches, &which);

    if (!fs || !scratch || !task->mm)
        return 0;
    if (found)
        who = *found;
    else {
        struct path place = root_of(fs);
        __u32 *slot = bpf_map_lookup_elem(&roots, &place);
        if (!slot)
            return 0;
        who = (struct task){*slot, PROGRAM_ENGINE};
        remember(tid, *slot, true);
        note_standing(fs);
    }
    struct slot *slot = bpf_map_lookup_elem(&slots, &who.slot);
    struct program *program = bpf_map_lookup_elem(&programs, &who.program);
    if (!slot || !program)
        return 0;
    program->calls[(binary->fdpath ? number_execveat : number_execve) & (CALLS - 1)] = 1;
    if (!binary->fdpath) {
        tell_exec(scratch, &who, slot, fs, binary->filename);
        if (binary->interp != binary->filename)
            tell_exec(scratch, &who, slot, fs, binary->interp);
    }
    who.program = program_of(scratch, &who, slot, task);
    if (before != tid)
        bpf_map_delete_elem(&tasks, &before);
    if (bpf_map_update_elem(&tasks, &tid, &who, BPF_ANY))
        COUNT(untracked);
    return 0;
}

/* Each task of the machine once, when the other half asks for it: those of a container that runs already. Of what is
 * followed without having been seen to start, here is what it runs and where it stands. */
SEC("?iter/task")
int joined(struct bpf_iter__task *context)
{
    struct task_struct *task = context->task;
    __u32 which = SCRATCH_JOIN, number = joined_slot;
    struct scratch *scratch = bpf_map_lookup_elem(&scratches, &which);

    if (!task || !scratch)
        return 0;
    struct fs_struct *fs = task->fs;
    __u32 tid = (__u32)task->pid;
    if (!fs || !task->mm)
        return 0;
    struct slot *slot = bpf_map_lookup_elem(&slots, &number);
    if (slot && tid == joined_first && !slot->root_mount)
        know_root(scratch, slot, number, task);
    struct task *who = bpf_map_lookup_elem(&tasks, &tid);
    if (!slot || !who || who->slot != number || who->program != PROGRAM_RUNNING)
        return 0;
    note_standing(fs);
    who->program = program_of(scratch, who, slot, task);
    return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(forked, struct task_struct *parent, struct task_struct *child)
{
    __u32 from = (__u32)parent->pid, to = (__u32)child->pid;
    struct task *found = bpf_map_lookup_elem(&tasks, &from);

    if (found) {
        struct task who = *found;
        struct fs_struct *fs = child->fs;
        if (child->nsproxy->mnt_ns != parent->nsproxy->mnt_ns)
            note_unshared(&who);
        if (fs && fs != parent->fs)
            note_standing(fs);
        if (bpf_map_update_elem(&tasks, &to, &who, BPF_ANY))
            COUNT(untracked);
        if (child->tgid == child->pid)
            remember(to, who.slot, false);
    }
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(exited, struct task_struct *task)
{
    __u32 tid = (__u32)task->pid;
    struct task *found = bpf_map_lookup_elem(&tasks, &tid);

    if (!found)
        return 0;
    struct program *program = bpf_map_lookup_elem(&programs, &found->program);
    if (program && !(task->exit_code & 0x7f)) { /* these two calls do not return */
        __u32 number = task->signal->flags & SIGNAL_GROUP_EXIT ? number_exit_group : number_exit;
        program->calls[number & (CALLS - 1)] = 1;
    }
    bpf_map_delete_elem(&tasks, &tid);
    return 0;
}

/* Kernels before 6.14 do not have it: then nothing is told of capabilities. */
SEC("?tp_btf/cap_capable")
int BPF_PROG(capable, const struct cred *cred, struct user_namespace *wanted, const struct user_namespace *of, int capability, int result)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid();
    struct task *who = result ? NULL : bpf_map_lookup_elem(&tasks, &tid);

    if (!who)
        return 0;
    struct task_struct *task = bpf_get_current_task_btf();
    struct program *program = bpf_map_lookup_elem(&programs, &who->program);
    struct slot *slot = bpf_map_lookup_elem(&slots, &who->slot);
    /* Other credentials are overlayfs's, which asks in the name of whoever mounted it. */
    if (program && slot && cred == task->real_cred && (__u64)cred->user_ns == slot->user_namespace)
        program->capabilities[capability & 63] = 1;
    return 0;
}

/* Since 6.4 it has one argument. A thread of the kernel that takes requests works with its process's memory, files and
 * directories. */
SEC("?tp_btf/io_uring_submit_req")
int BPF_PROG(submitted, struct io_kiocb *request)
{
    __u32 tid = (__u32)bpf_get_current_pid_tgid(), which = SCRATCH_RING;
    struct task *who = bpf_map_lookup_elem(&tasks, &tid);
    struct program *program = who ? bpf_map_lookup_elem(&programs, &who->program) : NULL;
    struct slot *slot = who ? bpf_map_lookup_elem(&slots, &who->slot) : NULL;
    struct scratch *s = bpf_map_lookup_elem(&scratches, &which);

    if (!program || !slot || !s)
        return 0;
    s->who = *who;
    s->call = (struct call){KIND_PATHS, {HOW_NONE, HOW_NONE}, {1, 0}, {0, -1}, -1};
    s->result = 0;
    s->number = SYS_io_uring_enter;
    s->notes = 0;
    s->type = EVENT_PATH;
    s->narrow = false;
    s->in_kernel = true;
    if (!tell_request(s, slot, request))
        program->uring[request->opcode & 63] = 1;
    return 0;
}
