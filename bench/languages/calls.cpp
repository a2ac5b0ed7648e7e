// Nanoseconds of a call through C++: build an addition; build and compute one of 4 numbers.
#include <olivine/olivine.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

using olivine::array;

template <class F>
static void row(const char* name, F&& call) {
  constexpr int kCalls = 100000, kRounds = 7;
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) call();
    std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - start;
    times.push_back(taken.count() / kCalls);
  }
  std::sort(times.begin(), times.end());
  std::printf("%s %.1f\n", name, times[kRounds / 2]);
}

int main() {
  array a({1.0f, 2.0f, 3.0f, 4.0f}), b({5.0f, 6.0f, 7.0f, 8.0f});
  olivine::eval(a, b);
  row("build", [&] { array c = olivine::add(a, b); });
  row("compute", [&] { olivine::add(a, b).eval(); });
}
