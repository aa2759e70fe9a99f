/*
 * game_loop [LOG_FILE]: two seconds of a small game that logs about 200,000 records.
 *
 * The main thread renders at 60 Hz; physics, audio and network run on threads of their own. Every thread logs through
 * its own ring and never waits for the log. Everything that the filter passes goes to a rotating file (LOG_FILE,
 * game_loop.log by default). Two callbacks look at the records as they are delivered: one prints a sample to the
 * terminal, one keeps the score of the contacts that physics reports. At the end the ledger tells what became of each
 * thread's records.
 */
#define _POSIX_C_SOURCE 200809L

#include "logfusion.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SECONDS = 2,
    FRAME_HZ = 60,
    PHYSICS_HZ = 120,
    CONTACTS_A_STEP = 630,
    NETWORK_HZ = 100,
    PACKETS_A_TICK = 180,
    AUDIO_HZ = 100,
    VOICES = 24,
    SPRITES_A_FRAME = 60,
    SAMPLE_ALL = 5000,  /* the terminal gets one record in so many, */
    SAMPLE_WARNINGS = 50 /* one warning in so many, and every error */
};

/* ---- Statuses ---- */

static void must(int status, const char *what) {
    if (status != LOGFUSION_OK) {
        char why[256];
        logfusion_last_error(why, sizeof why);
        fprintf(stderr, "game_loop: %s: %s (%s)\n", what, logfusion_status_text(status), why);
        exit(1);
    }
}

/* ---- Time and chance ---- */

/* Sleeps until the next tick of a clock of `hz`. */
static void next_tick(struct timespec *tick, long hz) {
    tick->tv_nsec += 1000000000L / hz;
    if (tick->tv_nsec >= 1000000000L) {
        tick->tv_nsec -= 1000000000L;
        tick->tv_sec += 1;
    }
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, tick, NULL) != 0) {
    }
}

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* xorshift: the same game each time. */
static uint32_t chance(uint32_t *state, uint32_t below) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

/* ---- Callbacks: both run on the drain thread, one at a time, so their contexts need no lock ---- */

typedef struct sampler {
    int color;
    uint64_t seen;
    uint64_t warnings;
} sampler;

static void print_field(const logfusion_field *field) {
    printf(" %s=", field->name);
    switch (field->type) {
    case LOGFUSION_TYPE_I64:
        printf("%" PRId64, field->value.i64);
        break;
    case LOGFUSION_TYPE_U64:
        printf("%" PRIu64, field->value.u64);
        break;
    case LOGFUSION_TYPE_F64:
        printf("%g", field->value.f64);
        break;
    case LOGFUSION_TYPE_BOOL:
        printf("%s", field->value.boolean ? "true" : "false");
        break;
    case LOGFUSION_TYPE_POINTER:
        printf("%p", field->value.pointer);
        break;
    default:
        printf("%s", field->value.text.data);
    }
}

static void print_sample(const logfusion_record *record, void *context) {
    static const char *const names[] = {"", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"};
    static const char *const colors[] = {"", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[34m", "\x1b[35m"};
    sampler *self = context;

    int show = self->seen++ % SAMPLE_ALL == 0;
    if (record->level == LOGFUSION_WARN) {
        show |= self->warnings++ % SAMPLE_WARNINGS == 0;
    }
    if (record->level == LOGFUSION_ERROR) {
        show = 1;
    }
    if (!show) {
        return;
    }
    const char *color = self->color ? colors[record->level] : "";
    const char *dim = self->color ? "\x1b[2m" : "";
    const char *reset = self->color ? "\x1b[0m" : "";
    uint64_t ms = record->time_ns / 1000000 % 100000;
    printf("%s%02" PRIu64 ".%03" PRIu64 "%s %s%-5s%s %-8s %s%s:%s %s", dim, ms / 1000, ms % 1000, reset, color,
           names[record->level], reset, record->thread_name, dim, record->target, reset, record->message);
    for (size_t i = 0; i < record->field_count; i++) {
        print_field(&record->fields[i]);
    }
    putchar('\n');
}

typedef struct contact_score {
    uint64_t contacts;
    double hardest;
    int64_t hardest_body;
} contact_score;

static void score_contact(const logfusion_record *record, void *context) {
    contact_score *score = context;
    double impulse = 0;
    int64_t body = 0;

    for (size_t i = 0; i < record->field_count; i++) {
        const logfusion_field *field = &record->fields[i];
        if (field->type == LOGFUSION_TYPE_F64 && strcmp(field->name, "impulse") == 0) {
            impulse = field->value.f64;
        } else if (field->type == LOGFUSION_TYPE_I64 && strcmp(field->name, "body") == 0) {
            body = field->value.i64;
        }
    }
    score->contacts += 1;
    if (impulse > score->hardest) {
        score->hardest = impulse;
        score->hardest_body = body;
    }
}

/* ---- The game ---- */

static void *physics(void *start) {
    struct timespec tick = *(const struct timespec *)start;
    uint32_t seed = 2463534242u;

    must(logfusion_set_thread_name("physics"), "thread name");
    for (int step = 0; step < SECONDS * PHYSICS_HZ; step++) {
        double began = now_ms();
        for (int i = 0; i < CONTACTS_A_STEP; i++) {
            LF_DEBUG("game::physics::contact", "contact", LF_KV("body", (int)chance(&seed, 4096)),
                     LF_KV("other", (int)chance(&seed, 4096)), LF_KV("impulse", chance(&seed, 100000) / 100.0),
                     LF_KV("resting", (bool)(chance(&seed, 8) == 0)));
        }
        if (chance(&seed, 4) == 0) {
            LF_WARN("game::physics", "body {body} left the world at step {step}, put back",
                    LF_KV("body", chance(&seed, 4096)), LF_KV("step", step));
        }
        LF_DEBUG("game::physics", "step {step}: {contacts} contacts in {ms} ms", LF_KV("step", step),
                 LF_KV("contacts", (int)CONTACTS_A_STEP), LF_KV("ms", now_ms() - began));
        next_tick(&tick, PHYSICS_HZ);
    }
    return NULL;
}

static void *network(void *start) {
    struct timespec tick = *(const struct timespec *)start;
    uint32_t seed = 521288629u;
    logfusion_entry packets[PACKETS_A_TICK];
    char texts[PACKETS_A_TICK][80];

    must(logfusion_set_thread_name("network"), "thread name");
    for (int i = 0; i < SECONDS * NETWORK_HZ; i++) {
        /* What arrived since the last tick, as one batch. */
        for (int p = 0; p < PACKETS_A_TICK; p++) {
            snprintf(texts[p], sizeof texts[p], "from 10.0.0.%" PRIu32 ":4000, %" PRIu32 " bytes, sequence %d",
                     2 + chance(&seed, 30), 40 + chance(&seed, 1300), i * PACKETS_A_TICK + p);
            packets[p] = logfusion_entry_make(LOGFUSION_DEBUG, "game::net::packet", texts[p]);
        }
        ptrdiff_t accepted = logfusion_log_batch(packets, PACKETS_A_TICK);
        must(accepted < 0 ? (int)accepted : LOGFUSION_OK, "batch");

        if (chance(&seed, 3) == 0) {
            LF_WARN("game::net", "slow peer", LF_KV("peer", "10.0.0.7:4000"),
                    LF_KV("rtt_us", 18000 + chance(&seed, 90000)), LF_KV("resent", chance(&seed, 12)));
        }
        if (i == NETWORK_HZ) {
            LF_ERROR("game::net::session", "peer {peer} timed out, session closed", LF_KV("peer", "10.0.0.23:4000"));
        }
        next_tick(&tick, NETWORK_HZ);
    }
    return NULL;
}

static void *audio(void *start) {
    struct timespec tick = *(const struct timespec *)start;
    uint32_t seed = 88675123u;

    must(logfusion_set_thread_name("audio"), "thread name");
    for (int buffer = 0; buffer < SECONDS * AUDIO_HZ; buffer++) {
        /* The filter of this program turns these off: one load each, and no gain is computed. */
        for (int voice = 0; voice < VOICES; voice++) {
            LF_TRACE("game::audio::mixer", "voice {voice} gain {gain}", LF_KV("voice", voice),
                     LF_KV("gain", chance(&seed, 100) / 100.0));
        }
        LF_DEBUG("game::audio", "buffer {buffer}: {voices} voices, peak {db} dB", LF_KV("buffer", buffer),
                 LF_KV("voices", (int)VOICES), LF_KV("db", -(double)chance(&seed, 400) / 10));
        if (chance(&seed, 60) == 0) {
            LF_WARN("game::audio", "buffer {buffer} was late, {samples} samples of silence", LF_KV("buffer", buffer),
                    LF_KV("samples", chance(&seed, 480)));
        }
        next_tick(&tick, AUDIO_HZ);
    }
    return NULL;
}

static void render(struct timespec tick) {
    uint32_t seed = 5783321u;

    must(logfusion_context_set("match_id", "m-4711"), "context");
    for (int frame = 0; frame < SECONDS * FRAME_HZ; frame++) {
        /* What is logged until the end of the block is inside of it; when it ends, there is a line with its duration. */
        LF_SPAN("game::render", "frame", LF_KV("number", frame));
        double began = now_ms();
        for (int sprite = 0; sprite < SPRITES_A_FRAME; sprite++) {
            LF_DEBUG("game::render::sprite", "draw ship_{sprite} at {x},{y}", LF_KV("sprite", sprite),
                     LF_KV("x", chance(&seed, 1920)), LF_KV("y", chance(&seed, 1080)));
        }
        if (frame % FRAME_HZ == 0) {
            LF_INFO("game::save", "autosave written to slot {slot} \xe2\x80\x93 42 KiB", LF_KV("slot", 1));
        }
        LF_INFO("game::render", "{sprites} sprites in {ms} ms", LF_KV("sprites", (int)SPRITES_A_FRAME),
                LF_KV("ms", now_ms() - began));
        next_tick(&tick, FRAME_HZ);
    }
}

/* ---- The ledger ---- */

static uint64_t sum_of(const uint64_t dropped[LOGFUSION_LEVELS]) {
    uint64_t sum = 0;
    for (int level = 0; level < LOGFUSION_LEVELS; level++) {
        sum += dropped[level];
    }
    return sum;
}

static void print_row(const char *name, uint64_t offered, uint64_t delivered, uint64_t filtered, uint64_t failed,
                      uint64_t dropped) {
    printf("%-12s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n", name, offered, delivered,
           filtered, failed, dropped);
}

/* Prints what became of every thread's records. Returns whether it adds up: after a flush nothing is on its way. */
static int print_ledger(void) {
    logfusion_thread_stats_t threads[16];
    size_t count = sizeof threads / sizeof threads[0];
    threads[0].size = sizeof threads[0];
    must(logfusion_stats_threads(threads, &count), "stats of the threads");
    if (count > sizeof threads / sizeof threads[0]) {
        count = sizeof threads / sizeof threads[0];
    }

    printf("\n%-12s %10s %10s %10s %8s %8s\n", "thread", "offered", "delivered", "filtered", "failed", "dropped");
    int adds_up = 1;
    for (size_t i = 0; i < count; i++) {
        const logfusion_thread_stats_t *t = &threads[i];
        uint64_t dropped = sum_of(t->dropped);
        print_row(t->name, t->offered, t->delivered, t->filtered, t->failed, dropped);
        adds_up &= t->offered == t->delivered + t->filtered + t->failed + dropped;
    }

    logfusion_stats_t sum;
    sum.size = sizeof sum;
    must(logfusion_stats(&sum), "stats");
    print_row("sum", sum.offered, sum.delivered, sum.filtered, sum.failed, sum_of(sum.dropped));
    printf("%.1f MB of text, longest delay from call to delivery %.1f ms, %" PRIu64 " output errors\n",
           (double)sum.output_bytes / 1e6, (double)sum.longest_delivery_delay_ns / 1e6, sum.output_errors);
    return adds_up;
}

int main(int argc, char **argv) {
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.filter = "trace,game::audio::mixer=debug";
    config.output = argc > 1 ? argv[1] : "game_loop.log";
    config.rotate_bytes = 8u << 20;
    config.keep_files = 9;
    config.span_close = LOGFUSION_YES;
    must(logfusion_init_with(&config), "init");
    must(logfusion_set_thread_name("main"), "thread name");

    sampler terminal = {isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL, 0, 0};
    contact_score score = {0, 0, 0};
    uint64_t sampling = 0, scoring = 0;
    must(logfusion_subscribe("", LOGFUSION_DEBUG, print_sample, &terminal, &sampling), "subscribe");
    must(logfusion_subscribe("game::physics::contact", LOGFUSION_DEBUG, score_contact, &score, &scoring), "subscribe");

    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    void *(*const systems[])(void *) = {physics, audio, network};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        if (pthread_create(&threads[i], NULL, systems[i], &start) != 0) {
            fprintf(stderr, "game_loop: a thread could not be started\n");
            return 1;
        }
    }
    render(start);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }

    /* Everything is delivered before the contexts, which live on this stack, are read and given up. */
    must(logfusion_flush(5000), "flush");
    must(logfusion_unsubscribe(sampling, 1000), "unsubscribe");
    must(logfusion_unsubscribe(scoring, 1000), "unsubscribe");

    printf("\nphysics reported %" PRIu64 " contacts, the hardest with %.2f Ns on body %" PRId64 "\n", score.contacts,
           score.hardest, score.hardest_body);
    int adds_up = print_ledger();
    logfusion_shutdown();
    if (!adds_up) {
        fprintf(stderr, "game_loop: the ledger does not add up\n");
    }
    return adds_up ? 0 : 1;
}
