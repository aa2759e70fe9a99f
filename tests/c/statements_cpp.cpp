// Statements in C++17: the types that a field may have, user types through an overload, and what lives how long.
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <string>
#include <string_view>
#include <vector>

namespace game {

enum class Phase : unsigned char { lobby = 1, battle = 2 };
enum Plain { zero, one };

struct Point {
    int x, y;
};

// A temporary text: it has to live until the record is written.
std::string to_field(const Point &point, logfusion::as_field) {
    return std::string(20, '.') + std::to_string(point.x) + "," + std::to_string(point.y);
}

enum class Color { red, green };
const char *to_field(const Color &color, logfusion::as_field) { return color == Color::red ? "red" : "green"; }

// A type whose overload gives another type that has one.
struct Player {
    Point at;
};
Point to_field(const Player &player, logfusion::as_field) { return player.at; }

} // namespace game

static int copies = 0;

struct Counted {
    std::string text = "counted";
    Counted() = default;
    Counted(const Counted &other) : text(other.text) { copies += 1; }
    const char *data() const { return text.data(); }
    std::size_t size() const { return text.size(); }
};

template <class T>
static void log_from_a_template(T value) {
    LF_INFO("cpp::template", "{value}", LF_KV("value", value));
}

static void function() {}

int main(int argc, char **argv) {
    const char *const directory = check_start(argc, argv);
    char path[512];
    logfusion_config config = LOGFUSION_CONFIG_INIT;
    config.output = check_path(path, sizeof path, directory, "statements.json");
    config.format = LOGFUSION_FORMAT_JSON;
    CHECK_EQ(logfusion_init_with(&config), LOGFUSION_OK);

    const std::string text = "a std::string";
    const std::string_view view = std::string_view(text).substr(2, 3);
    const Counted counted;
    const char array[] = "array";
    const game::Player player{{5, 6}};
    LF_INFO("cpp::types", "{view} at {point}", LF_KV("text", text), LF_KV("view", view), LF_KV("array", array),
            LF_KV("temporary", std::string("temp") + "orary"), LF_KV("counted", counted),
            LF_KV("point", (game::Point{3, -4})), LF_KV("player", player), LF_KV("phase", game::Phase::battle),
            LF_KV("plain", game::one), LF_KV("color", game::Color::green), LF_KV("flag", true), LF_KV("letter", 'a'),
            LF_KV("real", 0.25f), LF_KV("null", nullptr), LF_KV("no_text", static_cast<const char *>(nullptr)),
            LF_KV_N("part", text.c_str(), 5), LF_KV("bytes", (logfusion::bytes{"ab\0c", 4})));
    LF_INFO("cpp::pointers", "", LF_KV("object", static_cast<const void *>(&text)), LF_KV("function", &function));
    log_from_a_template(1);
    log_from_a_template(1.5);
    log_from_a_template("text");
    const auto lambda = [](int number) { LF_WARN("cpp::lambda", "in a lambda", LF_KV("number", number)); };
    lambda(7);
    for (int i = 0; i < 6; i++) {
        LF_INFO_EVERY_N(3, "cpp::seldom", "", LF_KV("i", i));
        LF_ERROR_ONCE("cpp::once", "once");
        LF_WARN_RATE(2, "cpp::rate", "rate");
    }
    int evaluated = 0;
    LF_TRACE("cpp::off", "off", LF_KV("n", ++evaluated));
    CHECK_EQ(evaluated, 0);
    CHECK_EQ(copies, 0);
    CHECK_EQ(logfusion_flush(5000), LOGFUSION_OK);

    char *const written = check_read(path);
    CHECK(check_line_has(written, "cpp::types",
                         "\"message\":\"std at ....................3,-4\",\"text\":\"a std::string\",\"view\":\"std\","
                         "\"array\":\"array\",\"temporary\":\"temporary\",\"counted\":\"counted\","
                         "\"point\":\"....................3,-4\",\"player\":\"....................5,6\",\"phase\":2,"
                         "\"plain\":1,\"color\":\"green\",\"flag\":true,\"letter\":97,\"real\":0.25,\"null\":\"0x0\","
                         "\"no_text\":\"(null)\",\"part\":\"a std\",\"bytes\":\"ab\\u0000c\"}"));
    char pointer[64];
    std::snprintf(pointer, sizeof pointer, "\"object\":\"%p\"", static_cast<const void *>(&text));
    CHECK(check_line_has(written, "cpp::pointers", pointer));
    CHECK_EQ(check_count(written, "\"target\":\"cpp::template\""), 3);
    CHECK(strstr(written, "\"message\":\"1.5\",\"value\":1.5") != nullptr);
    CHECK(check_line_has(written, "cpp::lambda", "\"number\":7"));
    CHECK_EQ(check_count(written, "\"target\":\"cpp::seldom\""), 2);
    CHECK_EQ(check_count(written, "\"target\":\"cpp::once\""), 1);
    CHECK(check_count(written, "\"target\":\"cpp::rate\"") >= 2);
    free(written);
    check_ledger(1);
    logfusion_shutdown();
    return check_end("statements_cpp");
}
