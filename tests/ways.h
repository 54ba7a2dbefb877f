/* What the files of probe share. Each of the last three does what the first word says; returns how many of the others
 * it took for that, ALL where nothing is left to do, UNKNOWN where the word is none of its own. */
#pragma once

enum { UNKNOWN = -2, ALL = -1 };

void *run(void *words);
void check(int failed, const char *what);
int way(char **words);
int talk(char **words);
int ring(char **words);
