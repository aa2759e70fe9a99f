// What every program of the comparison does: the same records, the same rounds, the same checks. A program says how it logs
// a record of each shape, and how it waits until everything is in the file; `measure` does the rest and prints one JSON
// object a line. rust/src/lib.rs is the same in Rust.
//
// numbers   int + int + double, bursts of BURST calls into an empty queue; ns a call, a value for each round
// text      the same with int + int + 35 bytes of text
// spaced    20 calls of `numbers`, then a pause of 200 us, 10,000 times: the time of the 20, over 20, less that of an empty
//           loop; [p50, p99, p99.9] for each repeat, and the histogram of the repeat with the least p99
// file      records of `text` a second, from the first call to the last byte written, none lost; a value for each round
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

#include <x86intrin.h>

namespace bench {

constexpr int BURST = 4000, ROUNDS = 31, SPACED = 10000, CALLS = 20, REPEATS = 5, FILE_RECORDS = 500000, FILE_ROUNDS = 5;
constexpr const char *TEXT = "player 142 joined, 37 ms round trip";
static_assert(sizeof "player 142 joined, 37 ms round trip" == 36);

inline double now_ns() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// ns a tick of the processor's counter.
inline double tick_ns() {
    const double began = now_ns();
    const std::uint64_t ticks = __rdtsc();
    while (now_ns() - began < 50e6) {
    }
    return (now_ns() - began) / static_cast<double>(__rdtsc() - ticks);
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
        const double began = now_ns();
        for (int i = 0; i < 50000; i++) {
            sum += __rdtsc();
        }
        reads.push_back((now_ns() - began) / 50000);
        __asm__ __volatile__("" ::"r"(sum));
    }
    return reads;
}

inline double at(std::vector<double> &sorted, double share) {
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

template <class F>
double burst(F &&call) {
    const double began = now_ns();
    for (int i = 0; i < BURST; i++) {
        call(i);
        __asm__ __volatile__("" ::: "memory"); // the empty loop has it, too
    }
    return (now_ns() - began) / BURST;
}

template <class F>
std::vector<double> spaced(F &&call, double ns_a_tick) {
    std::vector<double> times;
    times.reserve(SPACED);
    for (int i = 0; i < SPACED; i++) {
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

    std::vector<double> with_numbers, with_text, empty;
    for (int round = 0; round < ROUNDS + 2; round++) {
        flush();
        const double first = burst(numbers);
        flush();
        const double second = burst(text);
        const double loop = burst(nothing);
        logged += 2 * BURST;
        if (round >= 2) { // the first rounds make rings and sites
            with_numbers.push_back(first - loop);
            with_text.push_back(second - loop);
        }
    }
    flush();
    print(name, "numbers", with_numbers);
    print(name, "text", with_text);

    std::vector<double> percentiles, best;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        std::vector<double> idle = spaced(nothing, ns_a_tick);
        std::vector<double> times = spaced(numbers, ns_a_tick);
        logged += static_cast<long>(SPACED) * CALLS;
        flush();
        const double least = at(idle, 0.5);
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
        const double began = now_ns();
        for (int i = 0; i < FILE_RECORDS; i++) {
            text(i);
        }
        flush();
        rates.push_back(FILE_RECORDS / (now_ns() - began) * 1e9);
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
