/* What the parts of the eBPF source share. */
#pragma once

#include "lookups.h"
#include "tracer.h"

struct ebpf { unsigned slot; };                      /* of a target: which of the kernel's slots is its own */

/* ebpf_events.c: events as frames */
void tell_event(struct target *target, const char *source, const char *program, const struct event *event,
                const char *base, const char *text);
void ebpf_event(struct target *target, const struct event *event, const char *text);
const char *ebpf_program(unsigned number, unsigned *slot);
void report_fact(struct target *target, const char *program, const char *kind, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ebpf_facts.c: what the kernel notes of each program, as frames */
extern bool ebpf_sees_rings;                         /* the kernel tells what is submitted to an io_uring */
bool ebpf_facts_open(int map);
void ebpf_facts(struct target *target);
