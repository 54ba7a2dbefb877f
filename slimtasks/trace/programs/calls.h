/* Names and numbers of system calls, and which of them take a path. */
#pragma once

#include <stdbool.h>

#include "lookups.h"

const char *call_name(unsigned number, bool narrow);
unsigned call_number(const char *name);
void fill_calls(struct call *calls, bool narrow);
