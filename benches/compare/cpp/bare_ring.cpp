// bare_ring: clock|no_clock. The floor, and no logger: records of logfusion's sizes go into a ring of its default size, which another thread
// reads and forgets. There are no sites, levels, order, re-entry, ledger, wake or output; what is left is the clock read, if any, the
// stores and the transfer of the lines.
#include "bench.hpp"

#include <atomic>

namespace {
constexpr std::uint64_t SIZE = 1 << 20, LONGEST = 72;

struct ring {
    alignas(64) std::atomic<std::uint64_t> head{0};
    std::uint64_t limit = SIZE; // how far the head may go, as far as the producer knows
    alignas(64) std::atomic<std::uint64_t> tail{0};
    long read = 0;
    alignas(64) unsigned char bytes[SIZE + LONGEST]; // the last record reaches beyond the end
} ring;
std::atomic<bool> is_over{false};
long pushed = 0;

void rest() {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
}

void put(unsigned char *at, std::uint64_t word) {
    std::memcpy(at, &word, sizeof word);
}

template <bool CLOCK, class Write>
void push(std::uint64_t size, Write &&write) {
    const std::uint64_t head = ring.head.load(std::memory_order_relaxed);
    while (head + size > ring.limit) {
        ring.limit = ring.tail.load(std::memory_order_acquire) + SIZE;
    }
    unsigned char *const record = ring.bytes + head % SIZE;
    put(record, size);
    put(record + 8, CLOCK ? __rdtsc() : head);
    put(record + 16, 142);
    write(record + 24);
    ring.head.store(head + size, std::memory_order_release);
    pushed += 1;
}

void consume() {
    std::uint64_t sum = 0, tail = 0;
    while (!is_over) {
        const std::uint64_t head = ring.head.load(std::memory_order_acquire);
        while (tail != head) {
            std::uint64_t record[LONGEST / 8];
            std::memcpy(record, ring.bytes + tail % SIZE, sizeof record);
            for (std::uint64_t i = 0; i < record[0] / 8; i++) {
                sum += record[i];
            }
            ring.read += 1;
            tail += record[0];
        }
        ring.tail.store(tail, std::memory_order_release);
        rest();
    }
    __asm__ volatile("" ::"r"(sum));
}

template <bool CLOCK>
int measure(const char *name) {
    std::thread consumer(consume);
    const char *volatile hidden = bench::TEXT;
    const char *const text = hidden;
    const int status = bench::measure(
        name, nullptr,
        [](int i) {
            push<CLOCK>(40, [=](unsigned char *at) {
                put(at, static_cast<std::uint64_t>(i));
                put(at + 8, 0x4042A00000000000);
            });
        },
        [=](int i) {
            push<CLOCK>(72, [=](unsigned char *at) {
                put(at, static_cast<std::uint64_t>(i));
                put(at + 8, 35);
                std::memcpy(at + 12, text, 36);
            });
        },
        [] {
            while (ring.tail.load(std::memory_order_acquire) != ring.head.load(std::memory_order_relaxed)) {
                rest();
            }
        });
    is_over = true;
    consumer.join();
    if (ring.read != pushed) {
        std::fprintf(stderr, "%s: %ld of %ld records were read\n", name, ring.read, pushed);
        return 1;
    }
    return status;
}
} // namespace

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    return std::string(argv[1]) == "clock" ? measure<true>("bare ring") : measure<false>("bare ring, no clock");
}
