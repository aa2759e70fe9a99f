#!/usr/bin/env python3
"""Writes a C program that calls every function of the headers with every combination of bad arguments that C allows.

    generate.py include/*.h > hostile.c

The declarations (LOGFUSION_API …) are read from the headers, so a new function is called too, and one with a parameter that
this script knows no values for stops it. A pointer is NULL or points to as much as its function may read, in a heap block of
exactly that size; everything else is anything. Of more than MOST combinations, MOST are taken by a fixed walk.
"""

import re
import sys

MOST = 4000

# The values of a parameter, by its type, or by type and name: C expressions. `block(…)` copies to an exact heap block.
TEXTS = ["NULL", 'text("")', 'text("a")', 'text("game::net")', 'text("bad \\xff\\xc3")', 'text("line\\nbreak \\x1b[2J %n {}")',
         "long_text", "unaligned_text"]
VALUES = {
    "const char *": TEXTS,
    "int": ["INT_MIN", "-1", "0", "1", "5", "6", "INT_MAX"],
    "int timeout_ms": ["-1", "0", "1"],
    "int fd": ["INT_MIN", "-2", "1000", "INT_MAX"],
    "double": ["0", "-1.5", "NAN", "INFINITY", "1e308"],
    "size_t": ["0", "1", "100", "PTRDIFF_MAX", "(size_t)PTRDIFF_MAX + 1", "SIZE_MAX"],
    "uint64_t": ["0", "1", "64", "UINT64_MAX"],
    "uint64_t budget_us": ["0", "1", "2000"],
    "uint32_t": ["0", "1", "64", "1u << 31", "UINT32_MAX"],
    "void *": ["NULL", "(void *)8"],
    "const void *": ["NULL", "(const void *)8", "&out_word"],
    "uint64_t *": ["NULL", "&out_word"],
    "int *": ["NULL", "&out_int"],
    "char **": ["NULL", "&out_text"],
    "size_t *": ["NULL", "&out_size"],
    "char *": ["NULL", "(char *)8", "out_buffer", "freed_buffer"],
    "logfusion_callback": ["NULL", "on_record"],
    "logfusion_log_callback": ["NULL", "on_text"],
    "logfusion_operation_callback": ["NULL", "on_operation"],
    "const logfusion_config *": ["NULL", "block(&defaults, sizeof defaults)", "unaligned(&defaults, sizeof defaults)",
                                 "block(&zeros, sizeof defaults)", "block(&small_size, sizeof small_size)",
                                 "block(&wild_config, sizeof wild_config)"],
    "logfusion_stats_t *": ["NULL", "block(&stats_size, sizeof(logfusion_stats_t))", "unaligned(&stats_size, sizeof(logfusion_stats_t))",
                            "block(&small_size, sizeof small_size)", "block(&zeros, sizeof(size_t))"],
    "logfusion_site *": ["NULL", "&good_site", "&old_site", "&wild_site"],
    "const logfusion_site *": ["NULL", "&good_site", "&wild_site"],
    "const logfusion_value *": ["site_values"],
    "logfusion_producer **": ["NULL", "&out_producer"],
    "uint64_t * state": ["NULL", "rate_state"],
}

# Parameters that say something of each other: the values are tuples.
TOGETHER = {
    ("target", "target_length"): (["const char *", "size_t"], "SIZED"),
    ("message", "message_length"): (["const char *", "size_t"], "SIZED"),
    ("fields", "count"): (["const logfusion_field *", "size_t"], [
        ("NULL", "0"), ("NULL", "1"), ("NULL", "SIZE_MAX"), ("block(good_fields, sizeof good_fields)", "FIELDS"),
        ("unaligned(good_fields, sizeof good_fields)", "FIELDS"), ("block(wild_fields, sizeof wild_fields)", "WILD_FIELDS"),
        ("block(good_fields, sizeof good_fields)", "SIZE_MAX / sizeof(logfusion_field) + 2"),
        ("block(many_fields, sizeof many_fields)", "MANY_FIELDS")]),
    ("entries", "count"): (["const logfusion_entry *", "size_t"], [
        ("NULL", "0"), ("NULL", "1"), ("block(entries, sizeof entries)", "ENTRIES"),
        ("unaligned(entries, sizeof entries)", "ENTRIES"), ("block(entries, sizeof entries)", "SIZE_MAX / sizeof(logfusion_entry) + 2")]),
    ("out", "count"): (["logfusion_thread_stats_t *", "size_t *"], [
        ("NULL", "NULL"), ("NULL", "number(0)"), ("NULL", "number(1)"), ("NULL", "number(SIZE_MAX)"),
        ("block(&thread_stats_size, sizeof(logfusion_thread_stats_t))", "number(1)"),
        ("unaligned(&thread_stats_size, sizeof(logfusion_thread_stats_t))", "number(1)"),
        ("block(&thread_stats_size, sizeof(logfusion_thread_stats_t))", "number(SIZE_MAX / 64)"),
        ("block(&small_size, sizeof small_size)", "number(1)"), ("block(&thread_stats_size, sizeof(logfusion_thread_stats_t))", "NULL")]),
    ("buffer", "size", "size_t"): (["char *", "size_t"], [
        ("NULL", "0"), ("NULL", "10"), ("block(&zeros, 1)", "0"), ("block(&zeros, 1)", "1"), ("block(&zeros, 300)", "300")]),
    ("buffer", "buffer_size"): (["char *", "int"], [
        ("NULL", "0"), ("NULL", "10"), ("block(&zeros, 1)", "INT_MIN"), ("block(&zeros, 1)", "0"), ("block(&zeros, 1)", "1"),
        ("block(&zeros, 300)", "300")]),
    ("output", "output_size"): (["char *", "int"], [
        ("NULL", "0"), ("NULL", "10"), ("block(&zeros, 1)", "-1"), ("block(&zeros, 1)", "1"), ("block(&zeros, 40)", "40")]),
    ("keys", "values", "count"): (["const char *const *", "const char *const *", "int"], [
        ("NULL", "NULL", "0"), ("NULL", "NULL", "1"), ("strings", "NULL", "1"), ("NULL", "strings", "INT_MAX"),
        ("strings", "strings", "STRINGS"), ("strings", "strings", "-1"), ("strings", "strings", "INT_MIN")]),
    ("messages", "levels", "count"): (["const char *const *", "const int *", "int"], [
        ("NULL", "NULL", "0"), ("NULL", "levels", "1"), ("strings", "NULL", "1"), ("strings", "levels", "STRINGS"),
        ("strings", "levels", "0"), ("strings", "levels", "INT_MIN")]),
}
SIZED = [("NULL", "0"), ("NULL", "1"), ("NULL", "LOGFUSION_NUL_TERMINATED"), ("NULL", "(size_t)PTRDIFF_MAX + 1"),
         ('text("a text")', "LOGFUSION_NUL_TERMINATED"), ('text("a text")', "(size_t)PTRDIFF_MAX + 1"),
         ('text("a text")', "SIZE_MAX - 1"), ('block("not terminated", 14)', "14"), ('block("x", 1)', "0"),
         ("long_text", "LOGFUSION_NUL_TERMINATED"), ('block("\\xff\\xc3\\0z", 4)', "4")]

HEAD = r"""
/* Generated by tests/hostile/generate.py. */
#define LOGFUSION_SQLITE
#include "logfusion.h"
#include "logfusion_guide.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 3, WILD_FIELDS = 6, MANY_FIELDS = 40, ENTRIES = 6, STRINGS = 4, BLOCKS = 16 };

/* The blocks of one call. */
static void *blocks[BLOCKS];
static size_t block_count;

static void *keep(size_t size) {
    void *const memory = malloc(size > 0 ? size : 1);
    if (memory == NULL || block_count == BLOCKS) {
        abort();
    }
    blocks[block_count++] = memory;
    return memory;
}
static void *block(const void *bytes, size_t size) {
    return memcpy(keep(size), bytes, size);
}
static void *unaligned(const void *bytes, size_t size) {
    return memcpy((char *)keep(size + 1) + 1, bytes, size);
}
static const char *text(const char *terminated) {
    return (const char *)block(terminated, strlen(terminated) + 1);
}
static size_t *number(size_t value) {
    return (size_t *)block(&value, sizeof value);
}
static void forget(void) {
    while (block_count > 0) {
        free(blocks[--block_count]);
    }
}

static int calls_of_callbacks;
static void on_record(const logfusion_record *record, void *context) {
    (void)context;
    calls_of_callbacks += record->level != 0;
}
static void on_text(int level, const char *target, const char *message, void *context) {
    (void)level, (void)target, (void)message, (void)context;
    calls_of_callbacks += 1;
}
static void on_operation(int operation_id, int status, const char *result) {
    (void)operation_id, (void)status, (void)result;
}

static const char zeros[1024];
static const size_t small_size = sizeof(size_t);
static size_t stats_size[sizeof(logfusion_stats_t) / sizeof(size_t)] = {sizeof(logfusion_stats_t)};
static size_t thread_stats_size[sizeof(logfusion_thread_stats_t) / sizeof(size_t)] = {sizeof(logfusion_thread_stats_t)};
static logfusion_config defaults = LOGFUSION_CONFIG_INIT, wild_config = LOGFUSION_CONFIG_INIT;
static char long_text[200001];
static char unaligned_memory[64];
static const char *unaligned_text;
static const char *strings[STRINGS] = {"a", NULL, "\xff", ""};
static const int levels[STRINGS] = {INT_MIN, 3, 99, 1};
static logfusion_field good_fields[FIELDS], wild_fields[WILD_FIELDS], many_fields[MANY_FIELDS];
static logfusion_entry entries[ENTRIES];
static const logfusion_site_field site_fields[1];
static logfusion_site good_site = {0, LOGFUSION_SITE_ABI, 3, 1, "hostile", "{", "file", "function", site_fields, 0, &good_site};
static logfusion_site old_site = {0, 0, 3, 1, "hostile", "{", "file", "function", site_fields, 0, &good_site};
static logfusion_site wild_site = {0, LOGFUSION_SITE_ABI, INT_MIN, -1, NULL, NULL, NULL, NULL, NULL, 0, NULL};
static const logfusion_value site_values[1];
static uint64_t rate_state[2], out_word;
static int out_int;
static size_t out_size;
static char *out_text, *out_buffer, *freed_buffer;
static logfusion_producer *out_producer;

static void prepare(void) {
    memset(long_text, 'x', sizeof long_text - 1);
    unaligned_text = strcpy(unaligned_memory + 1, "unaligned");
    good_fields[0] = logfusion_field_i64("number", -1);
    good_fields[1] = logfusion_field_text("text", "value");
    good_fields[2] = logfusion_field_pointer("pointer", &out_int);
    wild_fields[0] = logfusion_field_i64(NULL, -1);
    wild_fields[1] = logfusion_field_text("text", NULL);
    wild_fields[2] = logfusion_field_text_n("text", "value", SIZE_MAX - 1);
    wild_fields[3] = logfusion_field_text("\xff", "\xff");
    wild_fields[4] = logfusion_field_f64("", NAN);
    wild_fields[5] = logfusion_field_i64("type", 0);
    wild_fields[5].type = INT_MIN;
    for (int i = 0; i < MANY_FIELDS; i++) {
        many_fields[i] = logfusion_field_text("same", long_text);
    }
    for (int i = 0; i < ENTRIES; i++) {
        entries[i] = logfusion_entry_make(i * 7 - 7, "hostile", "an entry");
    }
    entries[1].target = NULL;
    entries[2].message = NULL;
    entries[3].message_length = SIZE_MAX - 1;
    entries[4].message = long_text;
    wild_config.format = INT_MAX;
    wild_config.ring_bytes = SIZE_MAX;
    wild_config.idle_us = INT_MIN;
    /* So that records of all levels are delivered, whatever the filter is. The first handle is one that a call below ends. */
    uint64_t handle;
    logfusion_subscribe("", LOGFUSION_TRACE, on_record, NULL, &handle);
    logfusion_subscribe("", LOGFUSION_TRACE, on_record, NULL, &handle);
    out_buffer = logfusion_allocate_log_buffer(64);
    freed_buffer = logfusion_allocate_log_buffer(64);
    logfusion_free_log_buffer(freed_buffer, 64);
}
"""


def declarations(paths):
    for path in paths:
        source = open(path, encoding="utf-8").read()
        for match in re.finditer(r"^LOGFUSION_API\s+(.*?)\b(logfusion_\w+)\((.*?)\);", source, re.S | re.M):
            result, name, parameters = (" ".join(part.split()) for part in match.groups())
            yield result, name, [] if parameters == "void" else [split(one) for one in parameters.split(",")]


def split(parameter):
    type_, name = re.fullmatch(r"\s*(.*?)(\w+)\s*", parameter).groups()
    return type_.strip(), name


def choices(parameters):
    """For each parameter or group of them: the places, and the tuples of values."""
    place, groups = 0, []
    while place < len(parameters):
        for names, (types, values) in TOGETHER.items():
            part = parameters[place:place + len(types)]
            if [name for _, name in part] == list(names)[:len(types)] and [type_ for type_, _ in part] == types:
                groups.append(([place + i for i in range(len(types))], SIZED if values == "SIZED" else values))
                place += len(types)
                break
        else:
            type_, name = parameters[place]
            values = VALUES.get(f"{type_} {name}") or VALUES.get(type_)
            if values is None:
                sys.exit(f"no values for the parameter {type_} {name}")
            groups.append(([place], [(value,) for value in values]))
            place += 1
    return groups


def main():
    print(HEAD)
    tests = []
    for result, name, parameters in declarations(sys.argv[1:]):
        groups = choices(parameters)
        total = 1
        for _, values in groups:
            total *= len(values)
        tests.append(name)
        print(f"static size_t call_{name}(void) {{")
        print(f"    const size_t total = {total}, calls = total < {MOST} ? total : {MOST};")
        # A step that shares no factor with the total visits every combination once.
        print("    for (size_t call = 0; call < calls; call++) {")
        print("        size_t rest = (size_t)((uint64_t)call * 1000003u % total);")
        arguments = {}
        for number, (places, values) in enumerate(groups):
            print(f"        const size_t choice_{number} = rest % {len(values)};")
            print(f"        rest /= {len(values)};")
            for column, place in enumerate(places):
                type_, parameter = parameters[place]
                print(f"        {type_}{'' if type_.endswith('*') else ' '}argument_{place};")
                arguments[place] = f"argument_{place}"
            print(f"        switch (choice_{number}) {{")
            for index, value in enumerate(values):
                label = f"case {index}:" if index + 1 < len(values) else "default:"
                print(f"        {label}")
                for column, place in enumerate(places):
                    print(f"            argument_{place} = {value[column]};")
                print("            break;")
            print("        }")
        print("        (void)rest;")
        call = f"{name}({', '.join(arguments[place] for place in range(len(parameters)))})"
        if name == "logfusion_allocate_log_buffer":
            print(f"        char *const made = {call};")
            print("        if (made != NULL) { logfusion_free_log_buffer(made, argument_0); }")
        elif name == "logfusion_subscribe":
            print("        out_word = 0;")
            print(f"        if ({call} == LOGFUSION_OK) {{ logfusion_unsubscribe(out_word, -1); }}")
        else:
            print(f"        {'' if result == 'void' else '(void)'}{call};")
        print("        logfusion_cancel(LOGFUSION_OK);")
        print("        forget();")
        print("    }")
        print("    return calls;")
        print("}\n")
    print("int main(void) {")
    print("    size_t calls = 0;")
    print("    prepare();")
    for name in tests:
        print(f'    fprintf(stderr, "{name}\\n");')
        print(f"    calls += call_{name}();")
    print("""    logfusion_shutdown();
    logfusion_stats_t stats;
    stats.size = sizeof stats;
    if (logfusion_stats(&stats) != LOGFUSION_OK || stats.queued != 0 ||
        stats.accepted != stats.delivered + stats.filtered + stats.failed || stats.delivered < 10000) {
        fprintf(stderr, "the ledger doesn't add up, or little was delivered\\n");
        return 1;
    }""")
    print(f'    printf("hostile: {len(tests)} functions, %zu calls, %llu records delivered\\n", calls, (unsigned long long)stats.delivered);')
    print("    return 0;\n}")


main()
