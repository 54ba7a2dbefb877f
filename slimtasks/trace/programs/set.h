/* A set of byte strings that keeps them whole: open addressing, FNV-1a, never more than half full. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct set {
    struct item { uint32_t hash, length; char *bytes; } *items;
    size_t size, count;
};

static inline struct item *set_slot(const struct set *set, const char *bytes, size_t length, uint32_t hash)
{
    for (size_t i = hash; ; i++) {
        struct item *item = &set->items[i & (set->size - 1)];
        if (!item->bytes || (item->hash == hash && item->length == length && !memcmp(item->bytes, bytes, length)))
            return item;
    }
}

static inline void set_grow(struct set *set)
{
    struct set larger = {NULL, set->size ? set->size * 2 : 1024, set->count};
    larger.items = calloc(larger.size, sizeof *larger.items);
    if (!larger.items)
        abort();
    for (size_t i = 0; i < set->size; i++)
        if (set->items[i].bytes)
            *set_slot(&larger, set->items[i].bytes, set->items[i].length, set->items[i].hash) = set->items[i];
    free(set->items);
    *set = larger;
}

static inline uint32_t set_hash(const char *bytes, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

/* The set's own copy of the bytes, which stays where it is, with a NUL behind them. */
static inline const char *set_keep(struct set *set, const char *bytes, size_t length)
{
    if (set->count * 2 >= set->size)
        set_grow(set);
    uint32_t hash = set_hash(bytes, length);
    struct item *item = set_slot(set, bytes, length, hash);
    if (item->bytes)
        return item->bytes;
    *item = (struct item){hash, (uint32_t)length, malloc(length + 1)};
    if (!item->bytes)
        abort();
    memcpy(item->bytes, bytes, length);
    item->bytes[length] = 0;
    set->count++;
    return item->bytes;
}

static inline bool set_has(const struct set *set, const char *bytes, size_t length)
{
    return set->size && set_slot(set, bytes, length, set_hash(bytes, length))->bytes;
}

/* Returns whether the string is new. */
static inline bool set_add(struct set *set, const char *bytes, size_t length)
{
    size_t before = set->count;
    set_keep(set, bytes, length);
    return set->count > before;
}

static inline void set_free(struct set *set)
{
    for (size_t i = 0; i < set->size; i++)
        free(set->items[i].bytes);
    free(set->items);
    *set = (struct set){0};
}
