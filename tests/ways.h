/* Between probe.c and ways.c. */
#pragma once

enum { UNKNOWN = -2, ALL = -1 };

void *run(void *words);
int way(char **words);
