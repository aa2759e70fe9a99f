// What every program of the comparison does: the same records, the same rounds, the same checks. A program says how it logs
// a record of each shape, and how it waits until everything is in the file; `measure` does the rest and prints one JSON
// object a line. rust/src/lib.rs is the same in Rust.
//
// numbers   int + int + double, bursts of BURST calls into an empty queue, less the empty loop; ns a call, the median
// text      the same with int + int + 35 bytes of text
// spaced    20 calls of `numbers`, then a pause of 200 us, 10,000 times: the time of the 20, over 20, less that of an empty
//           loop; [p50, p99, p99.9] for each repeat, and the histogram of the repeat with the least p99
// file      records of `text` a second, from the first call to the last byte written, none lost; a value for each round
//
// How the machine was is asked around each burst: see benches/common/machine.h. `… quiet` of the first two is the median of those
// where it was quiet, and how many they are; `machine` how it was at its best, by which charts.py sees whether this program met a quiet
// moment at all. (Behind a pause that says little: a call then waits for memory.)
#ifndef BENCH_HPP
#define BENCH_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "../../common/machine.h"

namespace bench {

constexpr int BURST = 1000, ROUNDS = 101, SPACED = 10000, CALLS = 20, REPEATS = 2, FILE_RECORDS = 500000,
              FILE_ROUNDS = 7, LEAST_QUIET = 21;
constexpr const char *TEXT = "player 142 joined, 37 ms round trip";
static_assert(sizeof "player 142 joined, 37 ms round trip" == 36);

// ns a tick of the processor's counter.
inline double tick_ns() {
    const double began = wall_ns();
    const std::uint64_t ticks = __rdtsc();
    while (wall_ns() - began < 50e6) {
    }
    return (wall_ns() - began) / static_cast<double>(__rdtsc() - ticks);
}

inline void print(const char *name, const char *what, const std::vector<double> &values) {
    std::printf("{\"peer\":\"%s\",\"what\":\"%s\",\"values\":[", name, what);
    for (std::size_t i = 0; i < values.size(); i++) {
        std::printf("%s%.4g", i == 0 ? "" : ",", values[i]);
    }
    std::printf("]}\n");
    std::fflush(stdout);
}

inline std::vector<double> clock_reads() {
    std::vector<double> reads;
    for (int round = 0; round < ROUNDS; round++) {
        std::uint64_t sum = 0;
        const double began = wall_ns();
        for (int i = 0; i < 50000; i++) {
            sum += __rdtsc();
        }
        reads.push_back((wall_ns() - began) / 50000);
        __asm__ __volatile__("" ::"r"(sum));
    }
    return reads;
}

inline double at(const std::vector<double> &sorted, double share) {
    return sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * share)];
}

inline long lines_of(const char *path) {
    std::FILE *file = std::fopen(path, "rb");
    long lines = 0;
    if (file != nullptr) {
        std::vector<char> buffer(1 << 20);
        std::size_t got;
        while ((got = std::fread(buffer.data(), 1, buffer.size(), file)) > 0) {
            lines += std::count(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got), '\n');
        }
        std::fclose(file);
    }
    return lines;
}

// Times, and how the machine was around each.
struct samples {
    std::vector<double> times;
    std::vector<machine> around;

    void add(double time, machine seen) {
        times.push_back(time);
        around.push_back(seen);
    }
    std::vector<double> sorted() const {
        std::vector<double> all = times;
        std::sort(all.begin(), all.end());
        return all;
    }
    machine at_best() const {
        std::vector<machine> seen = around;
        return machine_at_best(seen.data(), static_cast<int>(seen.size()));
    }
    // Those of quiet moments, sorted; empty: too few.
    std::vector<double> quiet() const {
        std::vector<double> found;
        const machine best = at_best();
        for (std::size_t i = 0; i < times.size(); i++) {
            if (machine_is_quiet(around[i], best)) {
                found.push_back(times[i]);
            }
        }
        std::sort(found.begin(), found.end());
        return found.size() < LEAST_QUIET ? std::vector<double>() : found;
    }
};

inline void print_medians(const char *name, const char *what, const samples &all) {
    print(name, what, {at(all.sorted(), 0.5)});
    const std::vector<double> quiet = all.quiet();
    if (!quiet.empty()) {
        print(name, (std::string(what) + " quiet").c_str(), {at(quiet, 0.5), static_cast<double>(quiet.size())});
    }
}

template <class F>
double burst(F &&call) {
    const double began = wall_ns();
    for (int i = 0; i < BURST; i++) {
        call(i);
        __asm__ __volatile__("" ::: "memory"); // the empty loop has it, too
    }
    return (wall_ns() - began) / BURST;
}

template <class F>
std::vector<double> spaced(int count, F &&call, double ns_a_tick) {
    std::vector<double> times;
    times.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; i++) {
        const std::uint64_t began = __rdtsc();
        for (int j = 0; j < CALLS; j++) {
            call(j);
            __asm__ __volatile__("" ::: "memory");
        }
        times.push_back(static_cast<double>(__rdtsc() - began) * ns_a_tick / CALLS);
        timespec rest{0, 200000};
        nanosleep(&rest, nullptr);
    }
    std::sort(times.begin(), times.end());
    return times;
}

// `flush` returns when everything that was logged is in the file `path`, whose lines are counted at the end, but for `extra`
// ones; nullptr: they are no lines of a text file. What was logged is then told on stderr, for whoever counts it.
template <class Numbers, class Text, class Flush>
int measure(const char *name, const char *path, Numbers &&numbers, Text &&text, Flush &&flush, long extra = 0) {
    long logged = 0;
    const double ns_a_tick = tick_ns();
    const auto nothing = [](int) {};
    print(name, "clock", clock_reads());

    const auto timed = [&](samples &all, auto &call) {
        flush();
        const machine before = machine_look(600);
        const double time = burst(call);
        all.add(time - burst(nothing), machine_worse(before, machine_look(600)));
        logged += BURST;
    };
    samples with_numbers, with_text;
    for (int round = 0; round < ROUNDS + 2; round++) {
        timed(with_numbers, numbers);
        timed(with_text, text);
        if (round == 1) { // the first rounds make rings and sites
            with_numbers = with_text = {};
        }
    }
    flush();
    print_medians(name, "numbers", with_numbers);
    print_medians(name, "text", with_text);
    const machine at_best = with_numbers.at_best();
    print(name, "machine", {at_best.additions, at_best.lines});

    const double least = at(spaced(SPACED / 10, nothing, ns_a_tick), 0.5);
    std::vector<double> percentiles, best;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        std::vector<double> times = spaced(SPACED, numbers, ns_a_tick);
        logged += static_cast<long>(SPACED) * CALLS;
        flush();
        for (double &time : times) {
            time = std::max(time - least, 0.1);
        }
        for (const double share : {0.5, 0.99, 0.999}) {
            percentiles.push_back(at(times, share));
        }
        if (best.empty() || at(times, 0.99) < at(best, 0.99)) {
            best = times;
        }
    }
    print(name, "spaced", percentiles);
    std::vector<double> histogram(60); // ten buckets a decade, from 0.1 ns
    for (const double time : best) {
        const int bucket = static_cast<int>((std::log10(time) + 1) * 10);
        histogram[static_cast<std::size_t>(std::clamp(bucket, 0, 59))] += 1;
    }
    print(name, "histogram", histogram);

    if (path == nullptr) {
        std::fprintf(stderr, "%ld\n", logged);
        return 0;
    }
    std::vector<double> rates;
    for (int round = 0; round < FILE_ROUNDS; round++) {
        const double began = wall_ns();
        for (int i = 0; i < FILE_RECORDS; i++) {
            text(i);
        }
        flush();
        rates.push_back(FILE_RECORDS / (wall_ns() - began) * 1e9);
        logged += FILE_RECORDS;
    }
    print(name, "file", rates);
    const long lines = lines_of(path);
    if (lines != logged + extra) {
        std::fprintf(stderr, "%s: %ld lines for %ld records\n", name, lines, logged);
        return 1;
    }
    return 0;
}

} // namespace bench

#endif
