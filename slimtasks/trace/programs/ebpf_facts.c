/* What the kernel's half notes of each program: system calls, capabilities, operations of io_uring. */
#include <stdio.h>
#include <sys/mman.h>

#include "calls.h"
#include "ebpf.h"

static const struct program *noted;                  /* the kernel's map */
static struct program *told;                         /* what of it was told */

bool ebpf_sees_rings;

static const char *const capabilities[] = {
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
};

static const struct { unsigned operation; const char *name; } rings[] = {
    {RING_OPENAT, "openat"}, {RING_OPENAT2, "openat2"}, {RING_STATX, "statx"}, {RING_RENAMEAT, "renameat"},
    {RING_UNLINKAT, "unlinkat"}, {RING_MKDIRAT, "mkdirat"}, {RING_SYMLINKAT, "symlinkat"}, {RING_LINKAT, "linkat"},
    {RING_SETXATTR, "setxattr"}, {RING_GETXATTR, "getxattr"}, {RING_CONNECT, "connect"}, {RING_BIND, "bind"},
    {RING_SENDMSG, "sendmsg"}, {RING_SEND, "send"}, {RING_SEND_ZC, "send_zc"}, {RING_SENDMSG_ZC, "sendmsg_zc"},
};

bool ebpf_facts_open(int map)
{
    size_t size = PROGRAMS * sizeof(struct program);

    told = calloc(1, size);
    noted = mmap(NULL, size, PROT_READ, MAP_SHARED, map, 0);
    return told && noted != MAP_FAILED;
}

/* Whether it is noted now and was not told; from here on it was. */
static bool note(const unsigned char *noted_byte, unsigned char *told_byte)
{
    bool new = *(const volatile unsigned char *)noted_byte && !*told_byte;
    *told_byte |= new;
    return new;
}

static void tell_calls(struct target *target, const char *program, const struct program *now, struct program *before)
{
    for (unsigned i = 0; i < CALLS; i++)
        for (int narrow = 0; narrow < 2; narrow++) {
            if (!note(narrow ? &now->calls32[i] : &now->calls[i], narrow ? &before->calls32[i] : &before->calls[i]))
                continue;
            const char *name = call_name(i, narrow), *kind = narrow ? "32bit:" : "";
            if (name)
                report_fact(target, program, "syscall", "%s%s", kind, name);
            else
                report_fact(target, program, "syscall", "%s%u", kind, i);
            if (narrow && !call_name(0, true))
                incomplete(target, "%s is a 32-bit program, whose lookups ebpf does not know here", program);
            if (name && !strcmp(name, "io_uring_setup") && !ebpf_sees_rings)
                incomplete(target, "%s uses io_uring, of which this kernel does not tell", program);
        }
}

static const char *const objects[] = {[IPC_SHM] = "shm", [IPC_SEM] = "sem", [IPC_MSG] = "msg"};

static void tell_rest(struct target *target, const char *program, const struct program *now, struct program *before)
{
    for (unsigned i = 0; i < sizeof capabilities / sizeof *capabilities; i++)
        if (note(&now->capabilities[i], &before->capabilities[i]))
            report_fact(target, program, "capability", "%s", capabilities[i]);
    for (unsigned i = 0; i < sizeof objects / sizeof *objects; i++)
        if (note(&now->ipc[i], &before->ipc[i]))
            report_fact(target, program, "ipc", "sysv %s", objects[i]);
    for (unsigned i = 0; i < sizeof rings / sizeof *rings; i++)
        if (note(&now->uring[rings[i].operation], &before->uring[rings[i].operation]))
            incomplete(target, "%s uses io_uring (%s) in a way that this kernel does not show", program, rings[i].name);
}

void ebpf_facts(struct target *target)
{
    for (unsigned i = PROGRAM_FIRST; i < PROGRAMS; i++) {
        unsigned slot;
        const char *program = ebpf_program(i, &slot);
        if (!program || !strcmp(program, GATE) || slot != target->ebpf->slot)
            continue;
        tell_calls(target, program, &noted[i], &told[i]);
        tell_rest(target, program, &noted[i], &told[i]);
        target->unshared |= noted[i].unshared;
    }
}
