/* What was told already, as digests of 128 bits in one table for all targets. It takes at most 4 MB: once it is half
 * full, all is forgotten and told again, never dropped. */
#include "tracer.h"

#define LARGEST (1u << 18)                           /* of digests */

struct digest { uint64_t a, b; };

static struct digest *table;
static size_t size, count;

static void add(struct digest *digest, uint64_t word)
{
    digest->a = (digest->a ^ word) * 0x9e3779b97f4a7c15ull;
    digest->a ^= digest->a >> 29;
    digest->b = (digest->b + word) * 0xbf58476d1ce4e5b9ull;
    digest->b ^= digest->b >> 31;
}

static struct digest digest_of(uint64_t whose, const char *bytes, size_t length)
{
    struct digest digest = {0x243f6a8885a308d3ull, 0x13198a2e03707344ull};

    add(&digest, whose);
    add(&digest, length);
    for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, bytes + at, length - at < sizeof word ? length - at : sizeof word);
        add(&digest, word);
    }
    digest.b |= 1;                                   /* a free place has zeros */
    return digest;
}

static struct digest *place(struct digest *from, size_t places, struct digest digest)
{
    for (size_t i = digest.a; ; i++) {
        struct digest *at = &from[i & (places - 1)];
        if (!at->b || (at->a == digest.a && at->b == digest.b))
            return at;
    }
}

static void make_room(void)
{
    if (size == LARGEST) {
        memset(table, 0, size * sizeof *table);
        count = 0;
        return;
    }
    size_t places = size ? size * 2 : 1024;
    struct digest *larger = calloc(places, sizeof *larger);
    if (!larger)
        abort();
    for (size_t i = 0; i < size; i++)
        if (table[i].b)
            *place(larger, places, table[i]) = table[i];
    free(table);
    table = larger;
    size = places;
}

/* Whether these bytes, of that type of frame, were not told of the target yet, as far as is remembered. */
bool is_untold(const struct target *target, char type, const char *bytes, size_t length)
{
    if (count * 2 >= size)
        make_room();
    struct digest digest = digest_of((uint64_t)target->id << 8 | (unsigned char)type, bytes, length);
    struct digest *at = place(table, size, digest);
    if (at->b)
        return false;
    *at = digest;
    count++;
    return true;
}
