// game_loop [LOG_FILE]: examples/c/game_loop.c as C++ writes it. Two seconds of a small game that logs about 200,000 records.
//
// The main thread renders at 60 Hz; physics, audio and network run on threads of their own. Every thread logs through its
// own ring and never waits for the log. Everything that the filter passes goes to a rotating file (LOG_FILE, game_loop.log
// by default). A subscription keeps the score of the contacts that physics reports, another one counts by level. At the end
// the ledger tells what became of the records.
#include "logfusion.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using logfusion::level;

namespace game {

constexpr int seconds = 2;
constexpr int frame_hz = 60, physics_hz = 120, network_hz = 100, audio_hz = 100;
constexpr int contacts_a_step = 630, packets_a_tick = 180, voices = 24, sprites_a_frame = 60;

enum class Phase { lobby, battle };

// How a type of the game is shown in the log.
const char *to_field(const Phase &phase, logfusion::as_field) { return phase == Phase::lobby ? "lobby" : "battle"; }

struct Point {
    unsigned x, y;
};

std::string to_field(const Point &point, logfusion::as_field) {
    return std::to_string(point.x) + ',' + std::to_string(point.y);
}

// xorshift: the same game each time.
class Chance {
  public:
    explicit Chance(std::uint32_t seed) : state_(seed) {}
    std::uint32_t operator()(std::uint32_t below) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 17;
        state_ ^= state_ << 5;
        return state_ % below;
    }

  private:
    std::uint32_t state_;
};

// Waits for the ticks of a clock.
class Ticks {
  public:
    Ticks(steady_clock::time_point start, int hz) : next_(start), period_(1'000'000'000 / hz) {}
    void wait() { std::this_thread::sleep_until(next_ += period_); }

  private:
    steady_clock::time_point next_;
    std::chrono::nanoseconds period_;
};

std::chrono::microseconds since(steady_clock::time_point began) {
    return std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began);
}

void physics(steady_clock::time_point start) {
    logfusion::set_thread_name("physics");
    Chance chance(2463534242u);
    Ticks ticks(start, physics_hz);
    for (int step = 0; step < seconds * physics_hz; step++) {
        LF_SPAN_AT(LOGFUSION_DEBUG, "game::physics", "step", LF_KV("number", step));
        const auto began = steady_clock::now();
        for (int i = 0; i < contacts_a_step; i++) {
            LF_DEBUG("game::physics::contact", "contact", LF_KV("body", chance(4096)), LF_KV("other", chance(4096)),
                     LF_KV("impulse", chance(100000) / 100.0), LF_KV("resting", chance(8) == 0));
        }
        if (chance(4) == 0) {
            const Point at{chance(1920), chance(1080)};
            LF_WARN("game::physics", "body {body} left the world at {at}, put back", LF_KV("body", chance(4096)),
                    LF_KV("at", at));
        }
        LF_DEBUG("game::physics", "{contacts} contacts in {took}", LF_KV("contacts", contacts_a_step),
                 LF_KV("took", since(began)));
        ticks.wait();
    }
}

void network(steady_clock::time_point start) {
    logfusion::set_thread_name("network");
    Chance chance(521288629u);
    Ticks ticks(start, network_hz);
    std::array<logfusion_entry, packets_a_tick> packets;
    std::array<std::string, packets_a_tick> texts;
    for (int tick = 0; tick < seconds * network_hz; tick++) {
        // What arrived since the last tick, as one batch.
        for (int p = 0; p < packets_a_tick; p++) {
            std::string &text = texts[static_cast<std::size_t>(p)];
            text = "from 10.0.0." + std::to_string(2 + chance(30)) + ":4000, " + std::to_string(40 + chance(1300)) + " bytes";
            packets[static_cast<std::size_t>(p)] =
                logfusion_entry_make(LOGFUSION_DEBUG, "game::net::packet", text.c_str());
        }
        logfusion_log_batch(packets.data(), packets.size());
        if (chance(3) == 0) {
            LF_WARN("game::net", "slow peer", LF_KV("peer", "10.0.0.7:4000"), LF_KV("rtt", 18ms + chance(90) * 1ms),
                    LF_KV("resent", chance(12)));
        }
        if (tick == network_hz) {
            LF_ERROR("game::net::session", "session closed: {reason}", LF_KV("peer", "10.0.0.23:4000"),
                     LF_KV("reason", std::make_error_code(std::errc::timed_out)));
        }
        ticks.wait();
    }
}

void audio(steady_clock::time_point start) {
    logfusion::set_thread_name("audio");
    Chance chance(88675123u);
    Ticks ticks(start, audio_hz);
    for (int buffer = 0; buffer < seconds * audio_hz; buffer++) {
        // The filter of this program turns these off: one load each, and no gain is computed.
        for (int voice = 0; voice < voices; voice++) {
            LF_TRACE("game::audio::mixer", "voice {voice} gain {gain}", LF_KV("voice", voice),
                     LF_KV("gain", chance(100) / 100.0));
        }
        LF_DEBUG("game::audio", "buffer {buffer}: {voices} voices", LF_KV("buffer", buffer), LF_KV("voices", voices));
        if (chance(60) == 0) {
            LF_WARN_RATE(2, "game::audio", "buffer {buffer} was late", LF_KV("buffer", buffer));
        }
        ticks.wait();
    }
}

void render(steady_clock::time_point start) {
    const logfusion::context match("match_id", "m-4711");
    Chance chance(5783321u);
    Ticks ticks(start, frame_hz);
    for (int frame = 0; frame < seconds * frame_hz; frame++) {
        LF_SPAN("game::render", "frame", LF_KV("number", frame), LF_KV("phase", frame < frame_hz ? Phase::lobby : Phase::battle));
        const auto began = steady_clock::now();
        for (int sprite = 0; sprite < sprites_a_frame; sprite++) {
            LF_DEBUG("game::render::sprite", "draw ship_{sprite}", LF_KV("sprite", sprite), LF_KV("x", chance(1920)),
                     LF_KV("y", chance(1080)));
        }
        LF_INFO_EVERY_N(frame_hz, "game::save", "autosave written to slot {slot}", LF_KV("slot", 1));
        LF_INFO("game::render", "{sprites} sprites in {took}", LF_KV("sprites", sprites_a_frame), LF_KV("took", since(began)));
        ticks.wait();
    }
}

} // namespace game

int main(int argc, char **argv) {
    const logfusion::engine engine(logfusion::settings()
                                       .filter("trace,game::audio::mixer=debug")
                                       .output(argc > 1 ? argv[1] : "game_loop.log")
                                       .rotate(8u << 20, 9)
                                       .span_close());
    if (engine.status()) {
        std::fprintf(stderr, "game_loop: %s (%s)\n", engine.status().message().c_str(), logfusion::last_error().c_str());
        return 1;
    }
    logfusion::set_thread_name("main");

    // Both run on the drain thread, one at a time: what they write needs no lock until they have ended.
    std::array<unsigned long, LOGFUSION_LEVELS> by_level{};
    unsigned long contacts = 0;
    double hardest = 0;
    logfusion::subscription counting("game", level::debug, [&](const logfusion::record &record) {
        by_level[static_cast<std::size_t>(record.level())] += 1;
    });
    logfusion::subscription scoring("game::physics::contact", level::debug, [&](const logfusion::record &record) {
        contacts += 1;
        if (const logfusion_field *impulse = record.find("impulse"); impulse != nullptr && impulse->value.f64 > hardest) {
            hardest = impulse->value.f64;
        }
    });

    const auto start = steady_clock::now();
    std::thread systems[] = {std::thread(game::physics, start), std::thread(game::network, start),
                             std::thread(game::audio, start)};
    game::render(start);
    for (std::thread &system : systems) {
        system.join();
    }
    if (logfusion::flush()) {
        std::fprintf(stderr, "game_loop: %s\n", logfusion::last_error().c_str());
        return 1;
    }
    counting.end();
    scoring.end();

    std::printf("physics reported %lu contacts, the hardest with %.2f Ns\n", contacts, hardest);
    std::printf("%lu errors, %lu warnings, %lu infos, %lu debugs\n", by_level[1], by_level[2], by_level[3], by_level[4]);
    logfusion_stats_t sum{};
    sum.size = sizeof sum;
    logfusion_stats(&sum);
    unsigned long long dropped = 0;
    for (const std::uint64_t level : sum.dropped) {
        dropped += level;
    }
    std::printf("%-12s %10s %10s %10s %8s %8s\n", "", "offered", "delivered", "filtered", "failed", "dropped");
    std::printf("%-12s %10llu %10llu %10llu %8llu %8llu\n", "sum", static_cast<unsigned long long>(sum.offered),
                static_cast<unsigned long long>(sum.delivered), static_cast<unsigned long long>(sum.filtered),
                static_cast<unsigned long long>(sum.failed), dropped);
    return sum.offered == sum.delivered + sum.filtered + sum.failed + dropped ? 0 : 1;
}
