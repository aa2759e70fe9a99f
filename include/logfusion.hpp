/*
 * logfusion for C++17 and later, in one header, with or without exceptions and RTTI (-fno-exceptions -fno-rtti).
 *
 *     logfusion::engine engine(logfusion::settings().output("game.log").filter("info,game::net=debug"));
 *     LF_SPAN("game", "match", LF_KV("map", map.name()));
 *     LF_INFO("game::net", "{player} joined in {phase}", LF_KV("player", name), LF_KV("phase", Phase::lobby),
 *             LF_KV("rtt", 18ms));
 *     logfusion::subscription errors("game", logfusion::level::error, [&](const logfusion::record &r) { … });
 *
 * It adds to logfusion.h, whose comments say what is common to both: general rules, threads, signals, fork. Statements and
 * spans are the macros of logfusion_statements.h. What is here: objects that end what they began, texts and values as
 * C++ has them, statuses as std::error_code. Nothing here throws, but for what the program's own code throws (a
 * conversion to a field, say).
 *
 * Fields. A value in LF_KV and logfusion::kv is a number, a bool, a pointer, a text (const char *, or anything with data() and
 * size() of char, such as std::string and std::string_view), an enum (its number), a duration of std::chrono (text with
 * its unit, "18ms"), a std::error_code ("generic:2 No such file or directory"), or of a type T for which there is
 *
 *     auto to_field(const T &value, logfusion::as_field);
 *
 * in T's own namespace, returning any of these. An overload for an enum replaces its number.
 */
#ifndef LOGFUSION_HPP
#define LOGFUSION_HPP

#include "logfusion.h"

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace logfusion {

enum class level : int {
    error = LOGFUSION_ERROR,
    warn = LOGFUSION_WARN,
    info = LOGFUSION_INFO,
    debug = LOGFUSION_DEBUG,
    trace = LOGFUSION_TRACE,
};

// -------------------------------------------------------------------------------------------------------- Statuses

// The category of LOGFUSION_E_… numbers; the message is logfusion_status_text.
inline const std::error_category &status_category() noexcept {
    struct category final : std::error_category {
        const char *name() const noexcept override { return "logfusion"; }
        std::string message(int status) const override { return logfusion_status_text(status); }
    };
    static const category the_one;
    return the_one;
}

// A status of the C API. What exactly was wrong with which argument, last_error() says.
inline std::error_code status(int number) noexcept { return std::error_code(number, status_category()); }

// The calling thread's last error; empty if there is none.
inline std::string last_error() {
    std::string text(logfusion_last_error(nullptr, 0), '\0');
    if (!text.empty()) {
        logfusion_last_error(&text[0], text.size() + 1);
    }
    return text;
}

// ---------------------------------------------------------------------------------------------------------- Fields

// A short text by value: what does not fit into 64 bytes is left out.
class short_text {
  public:
    const char *data() const noexcept { return text_; }
    std::size_t size() const noexcept { return size_; }

    short_text &operator+=(std::string_view more) noexcept {
        const std::size_t length = more.size() < sizeof text_ - size_ ? more.size() : sizeof text_ - size_;
        std::memcpy(text_ + size_, more.data(), length);
        size_ += length;
        return *this;
    }
    short_text &operator+=(long long number) noexcept {
        char digits[24];
        return *this += std::string_view(
                   digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, number).ptr - digits));
    }
    short_text &operator+=(double number) noexcept {
        char digits[32];
        return *this += std::string_view(
                   digits, static_cast<std::size_t>(std::snprintf(digits, sizeof digits, "%.9g", number)));
    }

  private:
    char text_[64];
    std::size_t size_ = 0;
};

// "18ms", "0.25s", "7[1/60]s".
template <class Number, class Period>
short_text to_field(const std::chrono::duration<Number, Period> &duration, as_field) noexcept {
    short_text text;
    if constexpr (std::is_floating_point<Number>::value) {
        text += static_cast<double>(duration.count());
    } else {
        text += static_cast<long long>(duration.count());
    }
    if constexpr (std::is_same<Period, std::nano>::value) {
        text += "ns";
    } else if constexpr (std::is_same<Period, std::micro>::value) {
        text += "us";
    } else if constexpr (std::is_same<Period, std::milli>::value) {
        text += "ms";
    } else if constexpr (std::is_same<Period, std::ratio<1>>::value) {
        text += "s";
    } else if constexpr (std::is_same<Period, std::ratio<60>>::value) {
        text += "min";
    } else if constexpr (std::is_same<Period, std::ratio<3600>>::value) {
        text += "h";
    } else {
        text += "[";
        text += static_cast<long long>(Period::num);
        text += "/";
        text += static_cast<long long>(Period::den);
        text += "]s";
    }
    return text;
}

// "generic:2 No such file or directory".
inline std::string to_field(const std::error_code &code, as_field) {
    return std::string(code.category().name()) + ':' + std::to_string(code.value()) + ' ' + code.message();
}

// A field for log() and span. Made by kv, and lives as long as the statement.
template <class Kept>
struct pair {
    const char *name;
    Kept kept;

    logfusion_field field() const {
        const logfusion_value value = detail::value_of<std::remove_cv_t<std::remove_reference_t<Kept>>>(kept);
        constexpr int type = detail::type_of<Kept>();
        if constexpr (type == LOGFUSION_TYPE_TEXT) {
            return logfusion_field_text_n(name, reinterpret_cast<const char *>(value.word), value.length);
        } else if constexpr (type == LOGFUSION_TYPE_F64) {
            return logfusion_field_f64(name, static_cast<double>(kept));
        } else if constexpr (type == LOGFUSION_TYPE_BOOL) {
            return logfusion_field_bool(name, kept);
        } else if constexpr (type == LOGFUSION_TYPE_I64) {
            return logfusion_field_i64(name, static_cast<int64_t>(value.word));
        } else if constexpr (type == LOGFUSION_TYPE_U64) {
            return logfusion_field_u64(name, value.word);
        } else {
            return logfusion_field_pointer(name, reinterpret_cast<const void *>(value.word));
        }
    }
};

// A key and its value. The key is NUL-terminated.
template <class T>
auto kv(const char *name, T &&value) {
    using kept = decltype(detail::keep(std::forward<T>(value)));
    return pair<kept>{name, detail::keep(std::forward<T>(value))};
}

// --------------------------------------------------------------------------------------------------------- Logging

// Whether anybody wants records of this level and target.
inline bool enabled(level severity, const char *target) noexcept {
    return logfusion_enabled(static_cast<int>(severity), target) == 1;
}

// Logs a text whose target and fields are known at run time alone; where they are known before, a statement costs less.
inline std::error_code log(level severity, std::string_view target, std::string_view message) noexcept {
    return status(
        logfusion_log_n(static_cast<int>(severity), target.data(), target.size(), message.data(), message.size()));
}

// The same with fields: log(level::info, target, "connected", kv("peer", peer)). Target and message are NUL-terminated.
template <class... Kept>
std::error_code log(level severity, const char *target, const char *message, const pair<Kept> &...pairs) {
    const logfusion_field fields[] = {pairs.field()..., logfusion_field()};
    return status(
        logfusion_log_fields(static_cast<int>(severity), target, message, fields, sizeof...(pairs)));
}

// ---------------------------------------------------------------------------------------------------------- Engine

enum class format : int { text = LOGFUSION_FORMAT_TEXT, logfmt = LOGFUSION_FORMAT_LOGFMT, json = LOGFUSION_FORMAT_JSON };
enum class color : int { automatic = LOGFUSION_COLOR_AUTO, never = LOGFUSION_COLOR_NEVER, always = LOGFUSION_COLOR_ALWAYS };

// logfusion_config, whose members say what is meant. Texts are borrowed until the engine has started.
class settings {
  public:
    settings &filter(const char *directives) noexcept { return config_.filter = directives, *this; }
    settings &output(const char *path) noexcept { return config_.output = path, *this; }
    settings &format(logfusion::format format) noexcept { return config_.format = static_cast<int>(format), *this; }
    settings &color(logfusion::color color) noexcept { return config_.color = static_cast<int>(color), *this; }
    settings &drain_name(const char *name) noexcept { return config_.drain_name = name, *this; }
    // Bytes of a file, and how many are kept.
    settings &rotate(std::uint64_t bytes, std::size_t keep_files) noexcept {
        return config_.rotate_bytes = bytes, config_.keep_files = keep_files, *this;
    }
    settings &rotate_daily() noexcept { return config_.rotate = LOGFUSION_ROTATE_DAILY, *this; }
    settings &ring_bytes(std::size_t each, std::size_t all = 0) noexcept {
        return config_.ring_bytes = each, config_.rings_max_bytes = all, *this;
    }
    // A full ring waits so long, instead of dropping.
    settings &block(std::chrono::milliseconds most) noexcept {
        config_.overflow = LOGFUSION_OVERFLOW_BLOCK;
        return config_.block_ms = static_cast<int>(most.count()), *this;
    }
    settings &idle(std::chrono::microseconds most) noexcept {
        return config_.idle_us = static_cast<int>(most.count()), *this;
    }
    settings &manual() noexcept { return config_.drain = LOGFUSION_DRAIN_MANUAL, *this; }
    settings &coarse_clock() noexcept { return config_.clock = LOGFUSION_CLOCK_COARSE, *this; }
    settings &span_close(bool yes = true) noexcept {
        return config_.span_close = yes ? LOGFUSION_YES : LOGFUSION_NO, *this;
    }

    // The struct, for members that have no function here.
    logfusion_config &config() noexcept { return config_; }
    const logfusion_config &config() const noexcept { return config_; }

  private:
    logfusion_config config_ = LOGFUSION_CONFIG_INIT;
};

// The running engine: started here, and stopped, with everything delivered, at the end of the scope.
class engine {
  public:
    engine() noexcept : status_(logfusion_init()) {}
    explicit engine(const settings &settings) noexcept : status_(logfusion_init_with(&settings.config())) {}
    ~engine() { logfusion_shutdown(); }
    engine(const engine &) = delete;
    engine &operator=(const engine &) = delete;

    // What the start had to say. After LOGFUSION_E_OUTPUT and LOGFUSION_E_THREAD it runs all the same.
    std::error_code status() const noexcept { return logfusion::status(status_); }

  private:
    int status_;
};

// Waits until everything that was accepted before is delivered and written.
inline std::error_code flush(std::chrono::milliseconds most = std::chrono::milliseconds(5000)) noexcept {
    return status(logfusion_flush(static_cast<int>(most.count())));
}

inline std::error_code set_filter(const char *directives) noexcept { return status(logfusion_set_filter(directives)); }

inline std::error_code set_thread_name(const char *name) noexcept { return status(logfusion_set_thread_name(name)); }

// ----------------------------------------------------------------------------------------------- Spans and context

// A span whose target, name and fields are known at run time, or that no block encloses; else LF_SPAN costs less. It ends
// with the object, or before by exit(), on the thread that entered it.
class span {
  public:
    template <class... Kept>
    span(level severity, const char *target, const char *name, const pair<Kept> &...pairs) {
        const logfusion_field fields[] = {pairs.field()..., logfusion_field()};
        number_ = logfusion_span_enter(static_cast<int>(severity), target, name, fields, sizeof...(pairs));
    }
    span(span &&other) noexcept : number_(std::exchange(other.number_, 0)) {}
    span &operator=(span &&other) noexcept {
        if (this != &other) {
            exit();
            number_ = std::exchange(other.number_, 0);
        }
        return *this;
    }
    ~span() { exit(); }

    void exit() noexcept {
        if (number_ != 0) {
            logfusion_span_exit(std::exchange(number_, 0));
        }
    }

  private:
    std::uint64_t number_;
};

// A key of the calling thread's context, until the end of the scope. It does not bring back what the key had before.
class context {
  public:
    context(std::string key, const char *value) : key_(std::move(key)), status_(logfusion_context_set(key_.c_str(), value)) {}
    context(std::string key, const std::string &value) : context(std::move(key), value.c_str()) {}
    ~context() { logfusion_context_clear(key_.c_str()); }
    context(const context &) = delete;
    context &operator=(const context &) = delete;

    std::error_code status() const noexcept { return logfusion::status(status_); }

  private:
    std::string key_;
    int status_;
};

// --------------------------------------------------------------------------------------------------- Subscriptions

// A delivered record, during the call that it is given to.
class record {
  public:
    explicit record(const logfusion_record &raw) noexcept : raw_(raw) {}

    logfusion::level level() const noexcept { return static_cast<logfusion::level>(raw_.level); }
    std::string_view target() const noexcept { return {raw_.target, raw_.target_length}; }
    std::string_view message() const noexcept { return {raw_.message, raw_.message_length}; }
    std::string_view thread_name() const noexcept { return raw_.thread_name; }
    std::uint64_t thread_id() const noexcept { return raw_.thread_id; }
    std::chrono::system_clock::time_point time() const noexcept {
        using std::chrono::system_clock;
        return system_clock::time_point(
            std::chrono::duration_cast<system_clock::duration>(std::chrono::nanoseconds(raw_.time_ns)));
    }
    // nullptr and 0 where they are not known.
    const char *file() const noexcept { return raw_.file; }
    int line() const noexcept { return raw_.line; }

    const logfusion_field *begin() const noexcept { return raw_.fields; }
    const logfusion_field *end() const noexcept { return raw_.fields + raw_.field_count; }
    // The first field of this name, or nullptr.
    const logfusion_field *find(std::string_view name) const noexcept {
        for (const logfusion_field &field : *this) {
            if (name == field.name) {
                return &field;
            }
        }
        return nullptr;
    }

    const logfusion_record &raw() const noexcept { return raw_; }

  private:
    const logfusion_record &raw_;
};

namespace detail {
// What a subscription calls. One that was ended inside a callback may still be running then: it waits in a list until
// another one is ended outside.
class called {
  public:
    virtual ~called() = default;
    std::uint64_t handle = 0;

    static void release(called *ended) noexcept {
        if (logfusion_in_callback()) {
            logfusion_unsubscribe(ended->handle, 0);
            ended->next_ = left().load(std::memory_order_relaxed);
            while (!left().compare_exchange_weak(ended->next_, ended, std::memory_order_release,
                                                 std::memory_order_relaxed)) {
            }
            return;
        }
        ended->next_ = left().exchange(nullptr, std::memory_order_acquire);
        while (ended != nullptr) {
            called *const next = ended->next_;
            logfusion_unsubscribe(ended->handle, -1);
            delete ended;
            ended = next;
        }
    }

  private:
    called *next_ = nullptr;

    static std::atomic<called *> &left() noexcept {
        static std::atomic<called *> list{nullptr};
        return list;
    }
};

template <class F>
class calls final : public called {
  public:
    template <class G>
    explicit calls(G &&function) : function_(std::forward<G>(function)) {}

    // An exception that leaves the function ends the process.
    static void call(const logfusion_record *raw, void *context) noexcept {
        static_cast<calls *>(context)->function_(record(*raw));
    }

  private:
    F function_;
};
} // namespace detail

// Calls `function` with each record of a target at a level or more severe, as logfusion_subscribe says, until it is
// destroyed: then `function` is not running and never runs again. Inside a callback it only will not be started again,
// and is kept until another subscription ends outside of one.
class subscription {
  public:
    subscription() noexcept = default;

    template <class F>
    subscription(const char *target, level least_severe, F &&function) {
        using calls = detail::calls<std::decay_t<F>>;
        calls *const made = new calls(std::forward<F>(function));
        status_ = logfusion_subscribe(target, static_cast<int>(least_severe), &calls::call, made, &made->handle);
        if (status_ == LOGFUSION_OK) {
            called_ = made;
        } else {
            delete made;
        }
    }
    subscription(subscription &&other) noexcept
        : called_(std::exchange(other.called_, nullptr)), status_(other.status_) {}
    subscription &operator=(subscription &&other) noexcept {
        if (this != &other) {
            end();
            called_ = std::exchange(other.called_, nullptr);
            status_ = other.status_;
        }
        return *this;
    }
    ~subscription() { end(); }

    void end() noexcept {
        if (called_ != nullptr) {
            detail::called::release(std::exchange(called_, nullptr));
        }
    }

    // Whether it could be made.
    std::error_code status() const noexcept { return logfusion::status(status_); }

  private:
    detail::called *called_ = nullptr;
    int status_ = LOGFUSION_OK;
};

} // namespace logfusion

#endif // LOGFUSION_HPP
