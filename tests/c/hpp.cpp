// logfusion.hpp: what ends what it began, what becomes of C++ values, and subscriptions that end in every way.
#define _POSIX_C_SOURCE 200809L
#include "logfusion.hpp"
#include "check.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace game {
enum class Phase { lobby, battle };
enum class Team { red, blue };
const char *to_field(const Team &team, logfusion::as_field) { return team == Team::red ? "red" : "blue"; }
struct Point {
    int x, y;
};
std::string to_field(const Point &point, logfusion::as_field) {
    return std::to_string(point.x) + "," + std::to_string(point.y);
}
} // namespace game

static char *text;
static char path[512];

static const char *written() {
    CHECK(!logfusion::flush());
    std::free(text);
    text = check_read(path);
    return text;
}

static void values() {
    const std::string name = "a name";
    const std::error_code none;
    LF_INFO("hpp::statement", "{code}", LF_KV("view", std::string_view(name).substr(2)), LF_KV("phase", game::Phase::battle),
            LF_KV("team", game::Team::blue), LF_KV("at", (game::Point{3, -4})), LF_KV("ns", 5ns), LF_KV("us", 7us),
            LF_KV("ms", 18ms), LF_KV("s", 0.25s), LF_KV("min", 2min), LF_KV("h", -1h),
            LF_KV("frames", (std::chrono::duration<int, std::ratio<1, 60>>(7))),
            LF_KV("code", std::make_error_code(std::errc::no_such_file_or_directory)), LF_KV("none", none));
    using logfusion::kv;
    CHECK(!logfusion::log(logfusion::level::warn, "hpp::run_time", "pairs", kv("i", -1), kv("u", 2u), kv("b", true),
                          kv("d", 0.5f), kv("view", std::string_view(name).substr(2)), kv("temp", name + " more"),
                          kv("team", game::Team::red), kv("at", game::Point{1, 2}), kv("took", 18ms), kv("letter", 'a'),
                          kv("null", nullptr), kv("literal", "text"), kv("phase", game::Phase::lobby)));
    CHECK(!logfusion::log(logfusion::level::info, std::string_view("hpp::views").substr(0, 9), std::string_view("a\0b", 3)));
    written();
    const std::string message = std::make_error_code(std::errc::no_such_file_or_directory).message();
    const std::string code = "\"generic:2 " + message + "\"";
    CHECK(check_line_has(text, "hpp::statement", ("\"message\":" + code).c_str()));
    CHECK(check_line_has(text, "hpp::statement",
                         ("\"view\":\"name\",\"phase\":1,\"team\":\"blue\",\"at\":\"3,-4\",\"ns\":\"5ns\",\"us\":\"7us\","
                          "\"ms\":\"18ms\",\"s\":\"0.25s\",\"min\":\"2min\",\"h\":\"-1h\",\"frames\":\"7[1/60]s\",\"code\":" +
                          code + ",\"none\":\"system:0 ")
                             .c_str()));
    CHECK(check_line_has(text, "hpp::run_time",
                         "\"i\":-1,\"u\":2,\"b\":true,\"d\":0.5,\"view\":\"name\",\"temp\":\"a name more\",\"team\":\"red\","
                         "\"at\":\"1,2\",\"took\":\"18ms\",\"letter\":97,\"null\":\"0x0\",\"literal\":\"text\",\"phase\":0}"));
    CHECK(check_line_has(text, "\"target\":\"hpp::view\"", "\"message\":\"a\\u0000b\""));
}

static void statuses() {
    const std::error_code bad = logfusion::set_filter("game=loud");
    CHECK_EQ(bad.value(), LOGFUSION_E_FILTER);
    CHECK(bad.category() == logfusion::status_category() && bad.message() == logfusion_status_text(LOGFUSION_E_FILTER));
    CHECK(logfusion::last_error().find("loud") != std::string::npos);
    CHECK(!logfusion::set_filter("info"));
    CHECK(logfusion::enabled(logfusion::level::info, "hpp") && !logfusion::enabled(logfusion::level::debug, "hpp"));
    // Settings of its own, while it runs with others.
    CHECK_EQ(logfusion_init_with(&logfusion::settings().format(logfusion::format::text).config()), LOGFUSION_E_RUNNING);
    logfusion_clear_last_error();
    CHECK(logfusion::last_error().empty());
}

static void spans() {
    {
        logfusion::span outer(logfusion::level::info, "hpp::span", "outer", logfusion::kv("n", 7),
                              logfusion::kv("at", game::Point{1, 2}));
        const logfusion::context match("match_id", "m1");
        CHECK(!match.status());
        LF_SPAN("hpp::span", "static", LF_KV("team", game::Team::red));
        LF_INFO("hpp::span", "in_both");
        logfusion::span moved = std::move(outer);
        LF_INFO("hpp::span", "still_in_both");
        moved.exit();
        LF_INFO("hpp::span", "in_none");
    }
    LF_INFO("hpp::span", "out_of_all");
    written();
    const char *const both = "\"spans\":[{\"n\":7,\"at\":\"1,2\",\"name\":\"outer\"},{\"team\":\"red\",\"name\":\"static\"}]";
    CHECK(check_line_has(text, "\"in_both\"", both));
    CHECK(check_line_has(text, "\"still_in_both\"", both));
    CHECK(check_line_has(text, "\"in_none\"", "\"context.match_id\":\"m1\"}"));
    CHECK(!check_line_has(text, "\"in_none\"", "\"spans\""));
    CHECK(!check_line_has(text, "\"out_of_all\"", "context."));
}

// Counts what is alive, so that a callable that is freed too early, twice or never is noticed.
struct Alive {
    static std::atomic<int> count;
    Alive() { count += 1; }
    Alive(const Alive &) { count += 1; }
    Alive(Alive &&) noexcept { count += 1; }
    ~Alive() { count -= 1; }
};
std::atomic<int> Alive::count{0};

static void subscriptions() {
    int seen = 0;
    std::string last;
    {
        const Alive alive;
        const logfusion::subscription counting("hpp::sub", logfusion::level::warn, [&, alive](const logfusion::record &record) {
            seen += 1;
            last = std::string(record.message()) + '|' + std::string(record.target()) + '|' +
                   std::to_string(record.find("n")->value.i64) + '|' + std::to_string(record.line() > 0);
            CHECK(record.level() == logfusion::level::warn && record.find("absent") == nullptr);
            CHECK(std::chrono::system_clock::now() - record.time() < 60s);
        });
        CHECK(!counting.status());
        LF_WARN("hpp::sub::inner", "warned {n}", LF_KV("n", 5));
        LF_INFO("hpp::sub", "not severe enough", LF_KV("n", 6));
        CHECK(!logfusion::flush());
    }
    CHECK_EQ(seen, 1);
    CHECK(last == "warned 5|hpp::sub::inner|5|1");
    CHECK_EQ(Alive::count, 0);
    LF_WARN("hpp::sub", "nobody", LF_KV("n", 7));
    CHECK(!logfusion::flush());
    CHECK_EQ(seen, 1);

    // One that ends itself, and another, inside a callback: both are kept until one ends outside.
    logfusion::subscription itself, other;
    other = logfusion::subscription("hpp::other", logfusion::level::info, [alive = Alive()](const logfusion::record &) {});
    itself = logfusion::subscription("hpp::self", logfusion::level::info, [&, alive = Alive()](const logfusion::record &) {
        seen += 1;
        other.end();
        itself.end();
        CHECK_EQ(Alive::count, 2);
    });
    LF_INFO("hpp::self", "one");
    LF_INFO("hpp::self", "two");
    CHECK(!logfusion::flush());
    CHECK_EQ(seen, 2);
    CHECK_EQ(Alive::count, 2);
    logfusion::subscription("hpp", logfusion::level::error, [](const logfusion::record &) {}).end();
    CHECK_EQ(Alive::count, 0);

    const logfusion::subscription refused(nullptr, logfusion::level::info, [alive = Alive()](const logfusion::record &) {});
    CHECK_EQ(refused.status().value(), LOGFUSION_E_NULL);
    CHECK_EQ(Alive::count, 0);

    // Made and destroyed by two threads under load: a call never meets a dead callable.
    std::atomic<bool> done{false};
    std::thread logging([&] {
        while (!done) {
            LF_INFO("hpp::load", "x");
            std::this_thread::sleep_for(10us);
        }
    });
    std::vector<std::thread> makers;
    for (int maker = 0; maker < 2; maker++) {
        makers.emplace_back([] {
            for (int round = 0; round < 300; round++) {
                auto owned = std::make_unique<std::string>(40, 'o');
                const logfusion::subscription each("hpp::load", logfusion::level::info,
                                                   [alive = Alive(), owned = std::move(owned)](const logfusion::record &) {
                                                       if (owned->size() != 40) {
                                                           std::abort();
                                                       }
                                                   });
                std::this_thread::yield();
            }
        });
    }
    for (std::thread &maker : makers) {
        maker.join();
    }
    done = true;
    logging.join();
    CHECK_EQ(Alive::count, 0);
}

#ifdef __cpp_exceptions
static void an_exception_leaves_the_span() {
    try {
        LF_SPAN("hpp::throw", "left_by_a_throw");
        LF_INFO("hpp::throw", "in_throw");
        throw 1;
    } catch (int) {
        LF_INFO("hpp::throw", "after_throw");
    }
    written();
    CHECK(check_line_has(text, "\"in_throw\"", "left_by_a_throw"));
    CHECK(!check_line_has(text, "\"after_throw\"", "left_by_a_throw"));
}
#endif

int main(int argc, char **argv) {
    check_path(path, sizeof path, check_start(argc, argv), "hpp.json");
    {
        const logfusion::engine engine(
            logfusion::settings().output(path).format(logfusion::format::json).block(1000ms).drain_name("hpp"));
        CHECK(!engine.status());
        CHECK(!logfusion::set_thread_name("main"));
        values();
        statuses();
        spans();
        subscriptions();
#ifdef __cpp_exceptions
        an_exception_leaves_the_span();
#endif
        LF_INFO("hpp", "the_last");
    }
    // The engine's end has written everything.
    std::free(text);
    text = check_read(path);
    CHECK_EQ(check_count(text, "the_last"), 1);
    CHECK(check_line_has(text, "the_last", "\"threadName\":\"main\""));
    check_ledger(1);
    std::free(text);
    return check_end("hpp");
}
