/* Numbers and arguments of system calls, as each architecture has them. */
#pragma once

#include "lookups_maps.bpf.h"

#define TS_COMPAT 2
#define PSR_MODE32 0x10

#if defined(__TARGET_ARCH_x86)
static __always_inline bool is_32bit(struct pt_regs *regs, struct task_struct *task)
{
    return task->thread_info.status & TS_COMPAT;
}

static __always_inline long number_of(struct pt_regs *regs)
{
    return (long)regs->orig_ax;
}

static __always_inline __u64 fifth_argument(struct pt_regs *regs, bool narrow)
{
    return narrow ? (__u32)regs->di : regs->r8;
}

static __always_inline void copy_arguments(__u64 *to, struct pt_regs *regs, bool narrow)
{
    to[0] = narrow ? (__u32)regs->bx : regs->di;
    to[1] = narrow ? (__u32)regs->cx : regs->si;
    to[2] = narrow ? (__u32)regs->dx : regs->dx;
    to[3] = narrow ? (__u32)regs->si : regs->r10;
    to[4] = fifth_argument(regs, narrow);
    to[5] = narrow ? (__u32)regs->bp : regs->r9;
}
#else
static __always_inline bool is_32bit(struct pt_regs *regs, struct task_struct *task)
{
    return regs->pstate & PSR_MODE32;
}

static __always_inline long number_of(struct pt_regs *regs)
{
    return regs->syscallno;
}

static __always_inline __u64 fifth_argument(struct pt_regs *regs, bool narrow)
{
    return regs->regs[4];
}

static __always_inline void copy_arguments(__u64 *to, struct pt_regs *regs, bool narrow)
{
    to[0] = regs->orig_x0; /* regs[0] is the result by now */
    to[1] = regs->regs[1];
    to[2] = regs->regs[2];
    to[3] = regs->regs[3];
    to[4] = fifth_argument(regs, narrow);
    to[5] = regs->regs[5];
}
#endif
