/*
 * Statements: LF_INFO and its like, for C11 and C++17. Included by logfusion.h.
 *
 *     LF_INFO("game::net", "{player} joined", LF_KV("player", name), LF_KV("rtt_us", rtt));
 *
 * A statement is a static call site. With its first use it is described to the engine: level, target, template, names
 * and types of its fields, file, line and function are copied, once. From then on a disabled statement costs one load and
 * evaluates nothing; an enabled one evaluates each value once, in order, and then writes the values alone into the
 * thread's ring, inline. The text is made on the drain thread.
 *
 * Level       LF_ERROR, LF_WARN, LF_INFO, LF_DEBUG, LF_TRACE, or LF_LOG(LOGFUSION_INFO, …) with a constant level.
 * Target      A string literal: see "Targets" in logfusion.h.
 * Template    A string literal. `{name}` stands for the value of the field of that name; a name that no field has stays as
 *             it stands, and is reported once. `{{` is `{`, `}}` is `}`. In JSON and logfmt every field is shown as well; in
 *             text those that the message has are not shown again.
 * Fields      At most 32. LF_KV("name", value): any integer, float, double, bool, const char * (NULL is shown as
 *             "(null)") or pointer (shown as its address). LF_KV_N("name", text, length): bytes. Names are literals.
 *             Text is copied by the call; how much of it fits, "Text" in logfusion.h says. In C, `true` and a comparison
 *             are of type int: cast them to bool.
 * Signals     As log functions, if the statement has been used before.
 * Statuses    None: a record that is not accepted is counted by the ledger (logfusion_stats).
 *
 * LOGFUSION_MIN_LEVEL, defined before the header is included, removes the statements of lesser levels when the program
 * is compiled: -DLOGFUSION_MIN_LEVEL=LOGFUSION_INFO leaves no trace of LF_DEBUG and LF_TRACE.
 *
 * Seldom: LF_INFO_EVERY_N(n, …) logs the first of each n, LF_INFO_ONCE(…) the first in the process (per shared
 * object), LF_INFO_RATE(per_second, …) at most so many a second; each for all threads together, and at each level.
 * How many were suppressed since the last record is its field `suppressed` (but for ONCE, which has no next one).
 * They are counted while the statement is enabled.
 *
 * Spans       LF_SPAN(target, name, fields…) enters a span of the level INFO, LF_SPAN_AT(level, target, name, fields…) one
 *             of another, until the end of the block that it stands in: see "Spans and context" in logfusion.h. A static
 *             site as well; its name is a literal, and no template.
 *
 * Plugins     The words of a shared object's sites are withdrawn by a destructor of this header, which runs after all other
 *             destructors of the object: dlclose is safe as soon as no thread runs the object's code. Records that are queued
 *             then stay readable. (In C++, statements in templates and inline functions make gcc keep the object
 *             loaded, unless it is compiled with -fno-gnu-unique.)
 *
 * LOGFUSION_NO_INLINE makes every statement call the library, as on systems other than Linux on x86-64 and aarch64.
 */
#ifndef LOGFUSION_STATEMENTS_H
#define LOGFUSION_STATEMENTS_H

#include "logfusion.h"

#include <string.h>

#ifdef __cplusplus
#include <type_traits>
#include <utility>

extern "C" {
#endif

/* -------------------------------------------------------------------------------------------------------- Sites */

/* Version of what this header and the library share: the structs below. */
#define LOGFUSION_SITE_ABI 1

/* What a site's word says: one of these, or the number of a site that is on, from LOGFUSION_SITE_FIRST. With the top bit set,
 * with or without a number, it is on as well, and the library writes the record. */
#define LOGFUSION_SITE_ASK 0 /* not known: ask the library */
#define LOGFUSION_SITE_OFF 1 /* nobody wants the records */
#define LOGFUSION_SITE_FIRST 64

/* Set in the level of a site that is a span's. */
#define LOGFUSION_SITE_SPAN 16

typedef struct logfusion_site_field {
    const char *name;
    int type; /* LOGFUSION_TYPE_… */
} logfusion_site_field;

/* A call site. Static; the library writes `word` until the object that it lies in is unloaded. */
typedef struct logfusion_site {
    uint32_t word;
    uint32_t abi; /* LOGFUSION_SITE_ABI */
    int level;
    int line;
    const char *target;
    const char *message; /* the template */
    const char *file;
    const char *function;
    const logfusion_site_field *fields;
    size_t field_count;
    const void *module; /* the same address for all sites of a shared object */
} logfusion_site;

/* A value: 8 bytes, or a text's address and its length. */
typedef struct logfusion_value {
    uint64_t word;
    size_t length; /* LOGFUSION_NUL_TERMINATED: not measured yet; of a value that is no text: 0 */
} logfusion_value;

/* The beginning of what a thread's ring shares with its producer. Written by its thread alone. */
typedef struct logfusion_producer {
    uint64_t head;
    uint64_t limit;
    uintptr_t frame;
    uint64_t accepted;
    unsigned char *buffer;
    uint64_t mask;
    size_t max_record;
    const uint64_t *clock; /* NULL: the processor's counter */
} logfusion_producer;

/*
 * For the macros below, not for programs.
 *
 * logfusion_site_ask describes the site on its first use and starts the engine. It returns the word to go on with: never
 * LOGFUSION_SITE_ASK.
 *
 * logfusion_site_push logs a record with the site's values, whatever keeps the statement from doing so itself. *here, if
 * `here` is not NULL, is set to the thread's producer where statements may use it. `mark` is where on the stack the
 * statement is (logfusion_stack_pointer).
 *
 * logfusion_site_span_enter enters the span of a site.
 *
 * logfusion_site_pushed does what is due after a push: the next limit, a wake, a late delivery.
 *
 * logfusion_site_rate counts a statement that may log `per_second` times; 1: log now, and *suppressed is set.
 *
 * logfusion_sites_withdraw forgets the words of an object that is about to be unloaded.
 */
LOGFUSION_API uint32_t logfusion_site_ask(logfusion_site *site);
LOGFUSION_API void logfusion_site_push(const logfusion_site *site, uint32_t word, const logfusion_value *values,
                                       const void *mark, logfusion_producer **here);
LOGFUSION_API uint64_t logfusion_site_span_enter(const logfusion_site *site, uint32_t word, const logfusion_value *values,
                                                 const void *mark);
LOGFUSION_API void logfusion_site_pushed(int level);
LOGFUSION_API int logfusion_site_rate(uint64_t *state, uint32_t per_second, uint64_t *suppressed);
LOGFUSION_API void logfusion_sites_withdraw(const void *module);

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__)) && defined(__GNUC__) &&                        \
    !defined(LOGFUSION_NO_INLINE)
#define LOGFUSION_INLINE
#endif

#if defined(__GNUC__)
#define LOGFUSION_ALWAYS_INLINE static inline __attribute__((always_inline, unused))
#define LOGFUSION_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define LOGFUSION_WORD(site) __atomic_load_n(&(site)->word, __ATOMIC_ACQUIRE)

/* One for all translation units of a shared object: its address names the object. */
__attribute__((weak, visibility("hidden"))) char logfusion_module;

/* Weak: a program that includes this header and has no statement need not link the library. */
extern void logfusion_withdraw_if_linked(const void *module) __asm__("logfusion_sites_withdraw") __attribute__((weak));

/* 101: after all destructors of the object that have no priority, those of C++ included. */
__attribute__((destructor(101))) static void logfusion_withdraw(void) {
    if (logfusion_withdraw_if_linked != NULL) {
        logfusion_withdraw_if_linked(&logfusion_module);
    }
}
#else
#define LOGFUSION_ALWAYS_INLINE static inline
#define LOGFUSION_LIKELY(condition) (condition)
#define LOGFUSION_WORD(site) (*(volatile const uint32_t *)&(site)->word)
static char logfusion_module;
#endif

/* Where on the stack a statement is: what it calls is below, and so is a handler that interrupts it. */
LOGFUSION_ALWAYS_INLINE const void *logfusion_stack_pointer(void) {
#if defined(__GNUC__) && defined(__x86_64__) && defined(__LP64__)
    const void *here;
    __asm__("{movq %%rsp, %0|mov %0, rsp}" : "=r"(here));
    return here;
#elif defined(__GNUC__) && defined(__aarch64__) && defined(__LP64__)
    const void *here;
    __asm__("mov %0, sp" : "=r"(here));
    return here;
#else
    const char here = 0;
    const uintptr_t address = (uintptr_t)&here;
    return (const void *)address;
#endif
}

/* ------------------------------------------------------------------------------------------------------- Values */

LOGFUSION_ALWAYS_INLINE logfusion_value logfusion_value_word(uint64_t word) {
    const logfusion_value value = {word, 0};
    return value;
}

LOGFUSION_ALWAYS_INLINE logfusion_value logfusion_value_f64(double number) {
    logfusion_value value = {0, 0};
    memcpy(&value.word, &number, sizeof number);
    return value;
}

LOGFUSION_ALWAYS_INLINE logfusion_value logfusion_value_pointer(const volatile void *pointer) {
    return logfusion_value_word((uintptr_t)pointer);
}

LOGFUSION_ALWAYS_INLINE logfusion_value logfusion_value_text_n(const char *text, size_t length) {
    const logfusion_value value = {(uintptr_t)(text == NULL ? "" : text), text == NULL ? 0 : length};
    return value;
}

LOGFUSION_ALWAYS_INLINE logfusion_value logfusion_value_text(const char *text) {
    return logfusion_value_text_n(text == NULL ? "(null)" : text, LOGFUSION_NUL_TERMINATED);
}

#ifndef __cplusplus
LOGFUSION_ALWAYS_INLINE logfusion_value logfusion_value_i64(int64_t number) {
    return logfusion_value_word((uint64_t)number);
}

LOGFUSION_ALWAYS_INLINE logfusion_value logfusion_value_u64(uint64_t number) { return logfusion_value_word(number); }

LOGFUSION_ALWAYS_INLINE logfusion_value logfusion_value_bool(_Bool truth) { return logfusion_value_word(truth); }

#define LOGFUSION_TYPE_OF(value)                                                                                       \
    _Generic((value), _Bool: LOGFUSION_TYPE_BOOL, char: LOGFUSION_TYPE_I64, signed char: LOGFUSION_TYPE_I64,           \
        short: LOGFUSION_TYPE_I64, int: LOGFUSION_TYPE_I64, long: LOGFUSION_TYPE_I64, long long: LOGFUSION_TYPE_I64,   \
        unsigned char: LOGFUSION_TYPE_U64, unsigned short: LOGFUSION_TYPE_U64, unsigned int: LOGFUSION_TYPE_U64,       \
        unsigned long: LOGFUSION_TYPE_U64, unsigned long long: LOGFUSION_TYPE_U64, float: LOGFUSION_TYPE_F64,          \
        double: LOGFUSION_TYPE_F64, char *: LOGFUSION_TYPE_TEXT, const char *: LOGFUSION_TYPE_TEXT,                    \
        default: LOGFUSION_TYPE_POINTER)
#define LOGFUSION_VALUE_OF(value)                                                                                      \
    _Generic((value), _Bool: logfusion_value_bool, char: logfusion_value_i64, signed char: logfusion_value_i64,        \
        short: logfusion_value_i64, int: logfusion_value_i64, long: logfusion_value_i64,                               \
        long long: logfusion_value_i64, unsigned char: logfusion_value_u64, unsigned short: logfusion_value_u64,       \
        unsigned int: logfusion_value_u64, unsigned long: logfusion_value_u64,                                         \
        unsigned long long: logfusion_value_u64, float: logfusion_value_f64, double: logfusion_value_f64,              \
        char *: logfusion_value_text, const char *: logfusion_value_text, default: logfusion_value_pointer)(value)

/* A field: its name, its type and its value, which is evaluated once. */
#define LF_KV(name, value) (name, LOGFUSION_TYPE_OF(value), LOGFUSION_VALUE_OF(value))
#define LF_KV_N(name, text, length) (name, LOGFUSION_TYPE_TEXT, logfusion_value_text_n(text, length))

#define LOGFUSION_EVALUATE_I(n, name, type, value) logfusion_value logfusion_value_##n = value;
#else
}
/*
 * The same in C++. A value of another type is a field where there is an overload
 *
 *     auto to_field(const T &value, logfusion::as_field);
 *
 * in the namespace of T, which returns a number, a bool, a text (a std::string, say, which is kept until the record
 * is written) or anything else that is a field. An enum without one is its number.
 */
namespace logfusion {
/* Makes overloads found: see above. */
struct as_field {};


/* Bytes that live as long as the statement. */
struct bytes {
    const char *text;
    size_t length;
    const char *data() const { return text; }
    size_t size() const { return length; }
};

namespace detail {
template <class T>
using plain = std::remove_cv_t<std::remove_reference_t<T>>;

template <class T, class = void>
struct is_text : std::false_type {};
template <class T>
struct is_text<T, std::enable_if_t<std::is_convertible<decltype(std::declval<const T &>().data()), const char *>::value &&
                                   std::is_convertible<decltype(std::declval<const T &>().size()), size_t>::value>>
    : std::true_type {};

template <class T, class = void>
struct has_overload : std::false_type {};
template <class T>
struct has_overload<T, std::void_t<decltype(to_field(std::declval<const T &>(), as_field()))>> : std::true_type {};

template <class T>
constexpr bool is_number = std::is_arithmetic<plain<T>>::value;
template <class T>
constexpr bool is_c_text = std::is_same<std::decay_t<T>, const char *>::value || std::is_same<std::decay_t<T>, char *>::value;

/* What of a value is kept until the record is written. */
template <class T>
decltype(auto) keep(T &&value) {
    if constexpr (is_number<T>) {
        return plain<T>(value);
    } else if constexpr (is_c_text<T>) {
        return static_cast<const char *>(value);
    } else if constexpr (std::is_null_pointer<plain<T>>::value) {
        return static_cast<const volatile void *>(nullptr);
    } else if constexpr (std::is_pointer<std::decay_t<T>>::value) {
        if constexpr (std::is_function<std::remove_pointer_t<std::decay_t<T>>>::value) {
            return reinterpret_cast<const volatile void *>(value);
        } else {
            return static_cast<const volatile void *>(value);
        }
    } else if constexpr (is_text<plain<T>>::value) {
        /* What the statement made itself lives on here; what has a name is not copied. */
        return static_cast<std::conditional_t<std::is_lvalue_reference<T>::value, T, plain<T>>>(std::forward<T>(value));
    } else if constexpr (std::is_enum<plain<T>>::value && !has_overload<plain<T>>::value) {
        return static_cast<std::underlying_type_t<plain<T>>>(value);
    } else {
        static_assert(has_overload<plain<T>>::value, "no field: overload to_field(const T &, logfusion::as_field) for it");
        return keep(to_field(value, as_field()));
    }
}

template <class T>
constexpr int type_of() {
    using P = plain<T>;
    return std::is_same<P, bool>::value            ? LOGFUSION_TYPE_BOOL
           : std::is_floating_point<P>::value      ? LOGFUSION_TYPE_F64
           : std::is_integral<P>::value            ? (std::is_signed<P>::value ? LOGFUSION_TYPE_I64 : LOGFUSION_TYPE_U64)
           : is_c_text<P> || is_text<P>::value     ? LOGFUSION_TYPE_TEXT
                                                   : LOGFUSION_TYPE_POINTER;
}

template <class T>
inline ::logfusion_value value_of(const T &kept) {
    if constexpr (std::is_floating_point<T>::value) {
        return logfusion_value_f64(static_cast<double>(kept));
    } else if constexpr (is_number<T>) {
        return logfusion_value_word(static_cast<uint64_t>(kept));
    } else if constexpr (is_c_text<T>) {
        return logfusion_value_text(kept);
    } else if constexpr (is_text<T>::value) {
        return logfusion_value_text_n(kept.data(), kept.size());
    } else {
        return logfusion_value_pointer(kept);
    }
}
} // namespace detail
} // namespace logfusion
extern "C" {

#define LF_KV(name, ...)                                                                                               \
    (name, ::logfusion::detail::type_of<decltype(::logfusion::detail::keep(__VA_ARGS__))>(),                           \
     ::logfusion::detail::keep(__VA_ARGS__))
#define LF_KV_N(name, text, length) LF_KV(name, ::logfusion::bytes{(text), (length)})

#define LOGFUSION_EVALUATE_I(n, name, type, value)                                                                     \
    auto &&logfusion_kept_##n = value;                                                                                 \
    logfusion_value logfusion_value_##n = ::logfusion::detail::value_of(logfusion_kept_##n);
#endif

/* --------------------------------------------------------------------------------------------------------- Push */

#ifdef LOGFUSION_INLINE
/*
 * The push. The protocol is the ring's own (src/ring/mod.rs, "Who writes what" and "Re-entry"); what differs is said here.
 *
 * The thread's producer is found through one thread-local pointer of each shared object. The library sets it, with the
 * first record of a thread, and nothing has to reset it: a ring outlives its thread, in a forked child its words read as
 * zeros, so that nothing fits, and while the thread delivers (a callback that logs) its ring is closed by its limit. Each
 * ends in logfusion_site_push.
 *
 * The site's word is read again after the push. A stop sets it to LOGFUSION_SITE_ASK, then waits until every thread sees
 * that or has published, then delivers for the last time: see src/run_state.rs, "The late push".
 */
#ifdef __cplusplus
#define LOGFUSION_THREAD_LOCAL __thread
#else
#define LOGFUSION_THREAD_LOCAL _Thread_local
#endif

/* Its name bears the ABI's number: objects of one program may be built with different headers. */
#define logfusion_here logfusion_here_1
__attribute__((weak, visibility("hidden"), tls_model("initial-exec")))
LOGFUSION_THREAD_LOCAL logfusion_producer *logfusion_here;

/* Texts up to about this length are measured as they are copied. */
#define LOGFUSION_SCANNED 256

/* strnlen, whatever the C library's header declares. */
extern size_t logfusion_strnlen(const char *text, size_t most) __asm__("strnlen");

#if defined(__x86_64__)
#define LOGFUSION_TICKS() __builtin_ia32_rdtsc()
#else
LOGFUSION_ALWAYS_INLINE uint64_t logfusion_ticks(void) {
    uint64_t ticks;
    __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}
#define LOGFUSION_TICKS() logfusion_ticks()
#endif

/* Adds 1 to a word that this thread alone writes: a relaxed load and a relaxed store, of which clang makes one instruction, but
 * gcc three. */
#if defined(__x86_64__) && !defined(__clang__)
#define LOGFUSION_COUNT(word) __asm__ volatile("{addq $1, %0|add %0, 1}" : "+m"(word) : : "cc")
#else
#define LOGFUSION_COUNT(word) __atomic_store_n(&(word), __atomic_load_n(&(word), __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED)
#endif

typedef struct logfusion_push {
    logfusion_producer *producer;
    unsigned char *record;
    unsigned char *at; /* behind what is written of the record; NULL: the library has to push */
    uint64_t head;
    int64_t room; /* up to the limit */
} logfusion_push;

/* A text that is not measured yet is measured as it is copied, 16 bytes and then 32 at a time, which may reach beyond its end,
 * but never into another page. Sanitizers would object. (So would valgrind: under its checkers the library pushes.) */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer) ||          \
    __has_feature(hwaddress_sanitizer)
#define LOGFUSION_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__SANITIZE_HWADDRESS__)
#define LOGFUSION_SANITIZED
#endif
#if defined(__SSE2__) && !defined(LOGFUSION_SANITIZED)
#define LOGFUSION_SCANS 1
#else
#define LOGFUSION_SCANS 0
#endif

/* What a value takes in the record at the most; `most` or more: too much. */
LOGFUSION_ALWAYS_INLINE size_t logfusion_measure(int type, logfusion_value *value, size_t most) {
    size_t length = value->length;

    if (type != LOGFUSION_TYPE_TEXT) {
        return 8;
    }
    if (length == LOGFUSION_NUL_TERMINATED) {
        const char *text = (const char *)(uintptr_t)value->word;
        if (__builtin_constant_p(__builtin_strlen(text))) {
            length = __builtin_strlen(text);
        } else if (LOGFUSION_SCANS) {
            /* A text that is nowhere faults here, not within the push, where a handler's records would be refused. */
            (void)*(const volatile char *)text;
            return LOGFUSION_SCANNED + 32;
        } else {
            length = logfusion_strnlen(text, most + 1);
        }
        if (length <= most) {
            value->length = length;
        }
    }
    return length > most ? most : (length + 12) & ~(size_t)7;
}

LOGFUSION_ALWAYS_INLINE logfusion_push logfusion_push_begin(logfusion_producer *producer, uint32_t word, size_t size,
                                                            const void *mark) {
    logfusion_push push = {producer, NULL, NULL, 0, 0};
    uintptr_t outer;

    /* Values that are no texts fit into any ring's longest record. */
    if ((int32_t)word < LOGFUSION_SITE_FIRST || producer == NULL || (size > 512 && size > producer->max_record)) {
        return push;
    }
    outer = __atomic_load_n(&producer->frame, __ATOMIC_RELAXED);
    __atomic_store_n(&producer->frame, (uintptr_t)mark, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    push.head = __atomic_load_n(&producer->head, __ATOMIC_RELAXED);
    push.room = (int64_t)(__atomic_load_n(&producer->limit, __ATOMIC_RELAXED) - push.head);
    if (LOGFUSION_LIKELY(outer == 0 && push.room >= (int64_t)size)) {
        const uint64_t ticks = LOGFUSION_LIKELY(producer->clock == NULL)
                                   ? LOGFUSION_TICKS()
                                   : __atomic_load_n(producer->clock, __ATOMIC_RELAXED);
        push.record = producer->buffer + (push.head & producer->mask);
        memcpy(push.record + 8, &ticks, sizeof ticks);
        push.at = push.record + 16;
    } else {
        __atomic_store_n(&producer->frame, outer, __ATOMIC_RELAXED);
    }
    return push;
}

/* Copies a text of a usual length with a few moves of a fixed size, of which the last may overlap. */
LOGFUSION_ALWAYS_INLINE void logfusion_copy(unsigned char *to, const char *from, size_t length) {
    if (__builtin_constant_p(length)) {
        memcpy(to, from, length);
        return;
    }
    __asm__("" : "+r"(from)); /* else gcc warns of the steps that a short array would not take */
    if (length - 16 <= 48) { /* 16 to 64 */
        memcpy(to, from, 16);
        if (length > 32) {
            memcpy(to + 16, from + 16, 16);
            if (length > 48) {
                memcpy(to + 32, from + 32, 16);
            }
        }
        memcpy(to + length - 16, from + length - 16, 16);
    } else if (length - 8 <= 7) { /* 8 to 15 */
        memcpy(to, from, 8);
        memcpy(to + length - 8, from + length - 8, 8);
    } else {
        memcpy(to, from, length);
    }
}

#if LOGFUSION_SCANS
typedef char logfusion_chunk __attribute__((vector_size(16)));

/* Copies 16 bytes, and returns a bit for each that is zero. */
LOGFUSION_ALWAYS_INLINE unsigned logfusion_copy_chunk(unsigned char *to, const char *from) {
    const logfusion_chunk zeros = {0};
    logfusion_chunk chunk;
    memcpy(&chunk, from, sizeof chunk);
    memcpy(to, &chunk, sizeof chunk);
    return (unsigned)__builtin_ia32_pmovmskb128((logfusion_chunk)(chunk == zeros));
}

/* Copies a text and its NUL, and returns its length; what follows in `to` may be anything. SIZE_MAX: it is too long for that, or
 * its beginning may cross into another page. */
LOGFUSION_ALWAYS_INLINE size_t logfusion_copy_terminated(unsigned char *to, const char *from) {
    const uintptr_t in_page = (uintptr_t)from & 4095;
    size_t done = 16;
    unsigned zeros;

    __asm__("" : "+r"(from)); /* the compiler knows arrays that are shorter than 48 */
    if (in_page > 4096 - 16) {
        return SIZE_MAX;
    }
    zeros = logfusion_copy_chunk(to, from);
    if (zeros != 0) {
        return (unsigned)__builtin_ctz(zeros);
    }
    if (in_page <= 4096 - 48) {
        zeros = logfusion_copy_chunk(to + 16, from + 16) | logfusion_copy_chunk(to + 32, from + 32) << 16;
        if (LOGFUSION_LIKELY(zeros != 0)) {
            return 16 + (unsigned)__builtin_ctz(zeros);
        }
        done = 48;
    }
    for (done -= in_page & 15; done < LOGFUSION_SCANNED; done += 16) {
        zeros = logfusion_copy_chunk(to + done, (const char *)__builtin_assume_aligned(from + done, 16));
        if (zeros != 0) {
            return done + (unsigned)__builtin_ctz(zeros);
        }
    }
    return SIZE_MAX;
}
#endif

LOGFUSION_ALWAYS_INLINE void logfusion_write_text(logfusion_push *push, const char *text, size_t length) {
    uint32_t written;
    size_t size;

#if LOGFUSION_SCANS
    if (length == LOGFUSION_NUL_TERMINATED) {
        length = logfusion_copy_terminated(push->at + sizeof written, text);
        if (!LOGFUSION_LIKELY(length != SIZE_MAX)) {
            __atomic_signal_fence(__ATOMIC_SEQ_CST);
            __atomic_store_n(&push->producer->frame, (uintptr_t)0, __ATOMIC_RELAXED);
            push->at = NULL;
            return;
        }
        size = (length + 12) & ~(size_t)7;
    } else
#endif
    {
        if (length > PTRDIFF_MAX) {
            __builtin_unreachable(); /* it would not have fitted, but the compiler can't know */
        }
        size = (length + 12) & ~(size_t)7;
        /* The last word first: it holds the NUL and the zeros, and the text overwrites what is its own. */
        memset(push->at + size - 8, 0, 8);
        logfusion_copy(push->at + sizeof written, text, length);
    }
    written = (uint32_t)length;
    memcpy(push->at, &written, sizeof written);
    push->at += size;
}

LOGFUSION_ALWAYS_INLINE void logfusion_write(logfusion_push *push, int type, logfusion_value value) {
    if (push->at == NULL) {
        return;
    }
    if (type == LOGFUSION_TYPE_TEXT) {
        logfusion_write_text(push, (const char *)(uintptr_t)value.word, value.length);
    } else {
        memcpy(push->at, &value.word, sizeof value.word);
        push->at += sizeof value.word;
    }
}

LOGFUSION_ALWAYS_INLINE void logfusion_push_end(const logfusion_push *push, const logfusion_site *site, uint32_t word,
                                                int level) {
    logfusion_producer *producer = push->producer;
    const size_t size = (size_t)(push->at - push->record);
    const uint32_t begin[2] = {(uint32_t)size, word};

    memcpy(push->record, begin, sizeof begin);
    LOGFUSION_COUNT(producer->accepted);
    __atomic_store_n(&producer->head, push->head + size, __ATOMIC_RELEASE);
    /* The caller's half of an asymmetric barrier: the library's membarrier(2) does the rest. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&producer->frame, (uintptr_t)0, __ATOMIC_RELAXED);
    /* Nobody else writes the limit, and a handler that interrupts a push does not (but a fork, whose child begins anew). */
    if (!LOGFUSION_LIKELY(push->room > (int64_t)size && LOGFUSION_WORD(site) == word && level != LOGFUSION_ERROR)) {
        logfusion_site_pushed(level);
    }
}

#define LOGFUSION_MEASURE_I(n, name, type, value) +logfusion_measure(type, &logfusion_value_##n, logfusion_most)
#define LOGFUSION_WRITE_I(n, name, type, value) logfusion_write(&logfusion_begun, type, logfusion_value_##n);

/* Logs the evaluated values. The thread is asked for after they were evaluated: a fiber may have moved meanwhile. */
#define LOGFUSION_PUSH(...)                                                                                            \
    do {                                                                                                               \
        const void *const logfusion_mark = logfusion_stack_pointer();                                                  \
        logfusion_producer *const logfusion_thread = logfusion_here;                                                   \
        const size_t logfusion_most = logfusion_thread == NULL ? 0 : logfusion_thread->max_record;                     \
        const size_t logfusion_size = 16 LOGFUSION_EACH(LOGFUSION_MEASURE, __VA_ARGS__);                               \
        logfusion_push logfusion_begun =                                                                               \
            logfusion_push_begin(logfusion_thread, logfusion_word, logfusion_size, logfusion_mark);                    \
        (void)logfusion_most;                                                                                          \
        LOGFUSION_EACH(LOGFUSION_WRITE, __VA_ARGS__)                                                                   \
        if (LOGFUSION_LIKELY(logfusion_begun.at != NULL)) {                                                            \
            logfusion_push_end(&logfusion_begun, &logfusion_this_site, logfusion_word, logfusion_level);               \
        } else {                                                                                                       \
            LOGFUSION_CALL_PUSH(logfusion_mark, &logfusion_here, __VA_ARGS__);                                         \
        }                                                                                                              \
    } while (0)
#else
#define LOGFUSION_PUSH(...)                                                                                            \
    do {                                                                                                               \
        const void *const logfusion_mark = logfusion_stack_pointer();                                                  \
        LOGFUSION_CALL_PUSH(logfusion_mark, NULL, __VA_ARGS__);                                                        \
    } while (0)
#endif

#define LOGFUSION_ALL_VALUES(...)                                                                                      \
    const logfusion_value logfusion_all[] = {LOGFUSION_EACH(LOGFUSION_LIST, __VA_ARGS__){0, 0}}

#define LOGFUSION_CALL_PUSH(mark, here, ...)                                                                           \
    do {                                                                                                               \
        LOGFUSION_ALL_VALUES(__VA_ARGS__);                                                                             \
        logfusion_site_push(&logfusion_this_site, logfusion_word, logfusion_all, mark, here);                          \
    } while (0)

/* --------------------------------------------------------------------------------------------------- Statements */

/* LOGFUSION_EACH(with, template, fields…): with(n, field) for each field, n counting down to 1. */
#define LOGFUSION_EACH(with, ...)                                                                                      \
    LOGFUSION_JOIN(LOGFUSION_EACH_, LOGFUSION_COUNT_BEHIND_FIRST(__VA_ARGS__))(with, __VA_ARGS__)
#define LOGFUSION_JOIN(a, b) LOGFUSION_JOIN_I(a, b)
#define LOGFUSION_JOIN_I(a, b) a##b
#define LOGFUSION_FIRST(...) LOGFUSION_FIRST_I(__VA_ARGS__, 0)
#define LOGFUSION_FIRST_I(first, ...) first
#define LOGFUSION_COUNT_BEHIND_FIRST(...)                                                                              \
    LOGFUSION_33RD(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12,    \
                   11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define LOGFUSION_33RD(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, a1, b1, c1, d1,   \
                       e1, f1, g1, it, ...)                                                                            \
    it
#define LOGFUSION_EACH_0(with, first)
#define LOGFUSION_EACH_1(with, first, a) with(1, a)
#define LOGFUSION_EACH_2(with, first, a, ...) with(2, a) LOGFUSION_EACH_1(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_3(with, first, a, ...) with(3, a) LOGFUSION_EACH_2(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_4(with, first, a, ...) with(4, a) LOGFUSION_EACH_3(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_5(with, first, a, ...) with(5, a) LOGFUSION_EACH_4(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_6(with, first, a, ...) with(6, a) LOGFUSION_EACH_5(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_7(with, first, a, ...) with(7, a) LOGFUSION_EACH_6(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_8(with, first, a, ...) with(8, a) LOGFUSION_EACH_7(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_9(with, first, a, ...) with(9, a) LOGFUSION_EACH_8(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_10(with, first, a, ...) with(10, a) LOGFUSION_EACH_9(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_11(with, first, a, ...) with(11, a) LOGFUSION_EACH_10(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_12(with, first, a, ...) with(12, a) LOGFUSION_EACH_11(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_13(with, first, a, ...) with(13, a) LOGFUSION_EACH_12(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_14(with, first, a, ...) with(14, a) LOGFUSION_EACH_13(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_15(with, first, a, ...) with(15, a) LOGFUSION_EACH_14(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_16(with, first, a, ...) with(16, a) LOGFUSION_EACH_15(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_17(with, first, a, ...) with(17, a) LOGFUSION_EACH_16(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_18(with, first, a, ...) with(18, a) LOGFUSION_EACH_17(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_19(with, first, a, ...) with(19, a) LOGFUSION_EACH_18(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_20(with, first, a, ...) with(20, a) LOGFUSION_EACH_19(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_21(with, first, a, ...) with(21, a) LOGFUSION_EACH_20(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_22(with, first, a, ...) with(22, a) LOGFUSION_EACH_21(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_23(with, first, a, ...) with(23, a) LOGFUSION_EACH_22(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_24(with, first, a, ...) with(24, a) LOGFUSION_EACH_23(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_25(with, first, a, ...) with(25, a) LOGFUSION_EACH_24(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_26(with, first, a, ...) with(26, a) LOGFUSION_EACH_25(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_27(with, first, a, ...) with(27, a) LOGFUSION_EACH_26(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_28(with, first, a, ...) with(28, a) LOGFUSION_EACH_27(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_29(with, first, a, ...) with(29, a) LOGFUSION_EACH_28(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_30(with, first, a, ...) with(30, a) LOGFUSION_EACH_29(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_31(with, first, a, ...) with(31, a) LOGFUSION_EACH_30(with, first, __VA_ARGS__)
#define LOGFUSION_EACH_32(with, first, a, ...) with(32, a) LOGFUSION_EACH_31(with, first, __VA_ARGS__)

/* What is done with each field, a (name, type, value). */
#define LOGFUSION_DESCRIBE(n, field) LOGFUSION_DESCRIBE_I field
#define LOGFUSION_DESCRIBE_I(name, type, value) {name, type},
#define LOGFUSION_EVALUATE(n, field) LOGFUSION_SPREAD(LOGFUSION_EVALUATE_I, n, LOGFUSION_UNPACK field)
#define LOGFUSION_MEASURE(n, field) LOGFUSION_SPREAD(LOGFUSION_MEASURE_I, n, LOGFUSION_UNPACK field)
#define LOGFUSION_WRITE(n, field) LOGFUSION_SPREAD(LOGFUSION_WRITE_I, n, LOGFUSION_UNPACK field)
#define LOGFUSION_LIST(n, field) logfusion_value_##n,
#define LOGFUSION_UNPACK(...) __VA_ARGS__
#define LOGFUSION_SPREAD(with, ...) with(__VA_ARGS__)

/* A static site, and its word in `logfusion_word`: what follows is done if somebody wants the records. */
#define LOGFUSION_WITH_SITE(level_, target_, ...)                                                                      \
    enum { logfusion_level = (level_) };                                                                               \
    static const logfusion_site_field logfusion_fields[] = {                                                           \
        LOGFUSION_EACH(LOGFUSION_DESCRIBE, __VA_ARGS__){NULL, 0}};                                                     \
    static logfusion_site logfusion_this_site = {LOGFUSION_SITE_ASK,                                                   \
                                                 LOGFUSION_SITE_ABI,                                                   \
                                                 logfusion_level,                                                      \
                                                 __LINE__,                                                             \
                                                 "" target_,                                                           \
                                                 "" LOGFUSION_FIRST(__VA_ARGS__),                                      \
                                                 __FILE__,                                                             \
                                                 __func__,                                                             \
                                                 logfusion_fields,                                                     \
                                                 sizeof logfusion_fields / sizeof logfusion_fields[0] - 1,             \
                                                 &logfusion_module};                                                   \
    uint32_t logfusion_word = LOGFUSION_WORD(&logfusion_this_site);                                                    \
    if (logfusion_word != LOGFUSION_SITE_OFF &&                                                                        \
        (logfusion_word != LOGFUSION_SITE_ASK ||                                                                       \
         (logfusion_word = logfusion_site_ask(&logfusion_this_site)) != LOGFUSION_SITE_OFF))

#define LOGFUSION_STATEMENT(level, target, ...)                                                                        \
    do {                                                                                                               \
        LOGFUSION_WITH_SITE(level, target, __VA_ARGS__) {                                                              \
            LOGFUSION_EACH(LOGFUSION_EVALUATE, __VA_ARGS__)                                                            \
            LOGFUSION_PUSH(__VA_ARGS__);                                                                               \
        }                                                                                                              \
    } while (0)

/* A statement behind a gate, which sets `logfusion_suppressed`. */
#define LOGFUSION_GATED(level, target, gate, ...)                                                                      \
    do {                                                                                                               \
        LOGFUSION_WITH_SITE(level, target, __VA_ARGS__, LF_KV("suppressed", (uint64_t)0)) {                            \
            static uint64_t logfusion_gate[2];                                                                         \
            uint64_t logfusion_suppressed = 0;                                                                         \
            if (gate) {                                                                                                \
                LOGFUSION_EACH(LOGFUSION_EVALUATE, __VA_ARGS__, LF_KV("suppressed", logfusion_suppressed))             \
                LOGFUSION_PUSH(__VA_ARGS__, LF_KV("suppressed", logfusion_suppressed));                                \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#define LOGFUSION_ONCE(level, target, ...)                                                                             \
    do {                                                                                                               \
        LOGFUSION_WITH_SITE(level, target, __VA_ARGS__) {                                                              \
            static uint64_t logfusion_gate[1];                                                                         \
            if (logfusion_first(logfusion_gate)) {                                                                     \
                LOGFUSION_EACH(LOGFUSION_EVALUATE, __VA_ARGS__)                                                        \
                LOGFUSION_PUSH(__VA_ARGS__);                                                                           \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

#if defined(__GNUC__)
#define LOGFUSION_ADD(place, number) __atomic_fetch_add(place, number, __ATOMIC_RELAXED)
#define LOGFUSION_SWAP(place, number) __atomic_exchange_n(place, number, __ATOMIC_RELAXED)
#define LOGFUSION_LOAD(place) __atomic_load_n(place, __ATOMIC_RELAXED)
#else
#error "logfusion's statements need a compiler with GNU atomics (gcc or clang)"
#endif

/* Whether a statement that logs one of each `every` logs now; a gate is how often it was reached, and what was left out. */
LOGFUSION_ALWAYS_INLINE int logfusion_nth(uint64_t *gate, uint64_t every, uint64_t *suppressed) {
    if (every > 1 && LOGFUSION_ADD(&gate[0], 1) % every != 0) {
        LOGFUSION_ADD(&gate[1], 1);
        return 0;
    }
    *suppressed = LOGFUSION_SWAP(&gate[1], 0);
    return 1;
}

LOGFUSION_ALWAYS_INLINE int logfusion_first(uint64_t *gate) {
    return LOGFUSION_LOAD(gate) == 0 && LOGFUSION_SWAP(gate, 1) == 0;
}

/* The least severe level that is compiled. */
#ifndef LOGFUSION_MIN_LEVEL
#define LOGFUSION_MIN_LEVEL LOGFUSION_TRACE
#endif
#define LOGFUSION_IF_COMPILED(level, statement)                                                                        \
    do {                                                                                                               \
        if ((level) <= LOGFUSION_MIN_LEVEL) {                                                                          \
            statement;                                                                                                 \
        }                                                                                                              \
    } while (0)

/* LF_LOG(level, target, template, fields…) */
#define LF_LOG(level, target, ...) LOGFUSION_IF_COMPILED(level, LOGFUSION_STATEMENT(level, target, __VA_ARGS__))
#define LF_LOG_EVERY_N(level, n, target, ...)                                                                          \
    LOGFUSION_IF_COMPILED(                                                                                             \
        level, LOGFUSION_GATED(level, target, logfusion_nth(logfusion_gate, (n), &logfusion_suppressed), __VA_ARGS__))
#define LF_LOG_ONCE(level, target, ...) LOGFUSION_IF_COMPILED(level, LOGFUSION_ONCE(level, target, __VA_ARGS__))
#define LF_LOG_RATE(level, per_second, target, ...)                                                                    \
    LOGFUSION_IF_COMPILED(level, LOGFUSION_GATED(level, target,                                                        \
                                                 logfusion_site_rate(logfusion_gate, (per_second),                     \
                                                                     &logfusion_suppressed),                           \
                                                 __VA_ARGS__))

#define LF_ERROR(target, ...) LF_LOG(LOGFUSION_ERROR, target, __VA_ARGS__)
#define LF_WARN(target, ...) LF_LOG(LOGFUSION_WARN, target, __VA_ARGS__)
#define LF_INFO(target, ...) LF_LOG(LOGFUSION_INFO, target, __VA_ARGS__)
#define LF_DEBUG(target, ...) LF_LOG(LOGFUSION_DEBUG, target, __VA_ARGS__)
#define LF_TRACE(target, ...) LF_LOG(LOGFUSION_TRACE, target, __VA_ARGS__)

#define LF_ERROR_EVERY_N(n, target, ...) LF_LOG_EVERY_N(LOGFUSION_ERROR, n, target, __VA_ARGS__)
#define LF_WARN_EVERY_N(n, target, ...) LF_LOG_EVERY_N(LOGFUSION_WARN, n, target, __VA_ARGS__)
#define LF_INFO_EVERY_N(n, target, ...) LF_LOG_EVERY_N(LOGFUSION_INFO, n, target, __VA_ARGS__)
#define LF_DEBUG_EVERY_N(n, target, ...) LF_LOG_EVERY_N(LOGFUSION_DEBUG, n, target, __VA_ARGS__)
#define LF_TRACE_EVERY_N(n, target, ...) LF_LOG_EVERY_N(LOGFUSION_TRACE, n, target, __VA_ARGS__)

#define LF_ERROR_ONCE(target, ...) LF_LOG_ONCE(LOGFUSION_ERROR, target, __VA_ARGS__)
#define LF_WARN_ONCE(target, ...) LF_LOG_ONCE(LOGFUSION_WARN, target, __VA_ARGS__)
#define LF_INFO_ONCE(target, ...) LF_LOG_ONCE(LOGFUSION_INFO, target, __VA_ARGS__)
#define LF_DEBUG_ONCE(target, ...) LF_LOG_ONCE(LOGFUSION_DEBUG, target, __VA_ARGS__)
#define LF_TRACE_ONCE(target, ...) LF_LOG_ONCE(LOGFUSION_TRACE, target, __VA_ARGS__)

#define LF_ERROR_RATE(per_second, target, ...) LF_LOG_RATE(LOGFUSION_ERROR, per_second, target, __VA_ARGS__)
#define LF_WARN_RATE(per_second, target, ...) LF_LOG_RATE(LOGFUSION_WARN, per_second, target, __VA_ARGS__)
#define LF_INFO_RATE(per_second, target, ...) LF_LOG_RATE(LOGFUSION_INFO, per_second, target, __VA_ARGS__)
#define LF_DEBUG_RATE(per_second, target, ...) LF_LOG_RATE(LOGFUSION_DEBUG, per_second, target, __VA_ARGS__)
#define LF_TRACE_RATE(per_second, target, ...) LF_LOG_RATE(LOGFUSION_TRACE, per_second, target, __VA_ARGS__)

/* The number of the span that is entered, or 0. */
#define LOGFUSION_ENTER(level, target, ...)                                                                            \
    __extension__({                                                                                                    \
        uint64_t logfusion_entered = 0;                                                                                \
        if ((level) <= LOGFUSION_MIN_LEVEL) {                                                                          \
            LOGFUSION_WITH_SITE((level) | LOGFUSION_SITE_SPAN, target, __VA_ARGS__) {                                  \
                const void *const logfusion_mark = logfusion_stack_pointer();                                          \
                LOGFUSION_EACH(LOGFUSION_EVALUATE, __VA_ARGS__)                                                        \
                LOGFUSION_ALL_VALUES(__VA_ARGS__);                                                                     \
                logfusion_entered =                                                                                    \
                    logfusion_site_span_enter(&logfusion_this_site, logfusion_word, logfusion_all, logfusion_mark);    \
            }                                                                                                          \
        }                                                                                                              \
        logfusion_entered;                                                                                             \
    })

#ifdef __cplusplus
}
namespace logfusion {
/* A span that has been entered, until the end of its scope. */
class entered_span {
  public:
    explicit entered_span(uint64_t number) noexcept : number_(number) {}
    entered_span(const entered_span &) = delete;
    entered_span &operator=(const entered_span &) = delete;
    ~entered_span() {
        if (number_ != 0) {
            logfusion_span_exit(number_);
        }
    }

  private:
    uint64_t number_;
};
} // namespace logfusion

#define LF_SPAN_AT(level, target, ...)                                                                                 \
    const ::logfusion::entered_span LOGFUSION_JOIN(logfusion_span_, __LINE__)(LOGFUSION_ENTER(level, target, __VA_ARGS__))
#else
LOGFUSION_ALWAYS_INLINE void logfusion_leave(const uint64_t *entered) {
    if (*entered != 0) {
        logfusion_span_exit(*entered);
    }
}

#define LF_SPAN_AT(level, target, ...)                                                                                 \
    __attribute__((cleanup(logfusion_leave), unused)) const uint64_t LOGFUSION_JOIN(logfusion_span_, __LINE__) =       \
        LOGFUSION_ENTER(level, target, __VA_ARGS__)
#endif

#define LF_SPAN(target, ...) LF_SPAN_AT(LOGFUSION_INFO, target, __VA_ARGS__)

#ifdef LOGFUSION_LAYOUT
LOGFUSION_LAYOUT(sizeof(logfusion_site) == 72);
LOGFUSION_LAYOUT(offsetof(logfusion_site, word) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_site, abi) == 4);
LOGFUSION_LAYOUT(offsetof(logfusion_site, level) == 8);
LOGFUSION_LAYOUT(offsetof(logfusion_site, line) == 12);
LOGFUSION_LAYOUT(offsetof(logfusion_site, target) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_site, message) == 24);
LOGFUSION_LAYOUT(offsetof(logfusion_site, file) == 32);
LOGFUSION_LAYOUT(offsetof(logfusion_site, function) == 40);
LOGFUSION_LAYOUT(offsetof(logfusion_site, fields) == 48);
LOGFUSION_LAYOUT(offsetof(logfusion_site, field_count) == 56);
LOGFUSION_LAYOUT(offsetof(logfusion_site, module) == 64);
LOGFUSION_LAYOUT(sizeof(logfusion_site_field) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_site_field, name) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_site_field, type) == 8);
LOGFUSION_LAYOUT(sizeof(logfusion_value) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_value, word) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_value, length) == 8);
LOGFUSION_LAYOUT(sizeof(logfusion_producer) == 64);
LOGFUSION_LAYOUT(offsetof(logfusion_producer, head) == 0);
LOGFUSION_LAYOUT(offsetof(logfusion_producer, limit) == 8);
LOGFUSION_LAYOUT(offsetof(logfusion_producer, frame) == 16);
LOGFUSION_LAYOUT(offsetof(logfusion_producer, accepted) == 24);
LOGFUSION_LAYOUT(offsetof(logfusion_producer, buffer) == 32);
LOGFUSION_LAYOUT(offsetof(logfusion_producer, mask) == 40);
LOGFUSION_LAYOUT(offsetof(logfusion_producer, max_record) == 48);
LOGFUSION_LAYOUT(offsetof(logfusion_producer, clock) == 56);
#endif

#endif /* LOGFUSION_STATEMENTS_H */
