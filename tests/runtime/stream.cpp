// Devices and streams: defaults per thread, order of tasks, synchronisation, clear errors.
#include "runtime/stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include "runtime/interrupt.h"
#include "runtime/watchdog.h"

namespace olivine {
namespace {

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "no error";
}

TEST(Device, OnlyTheCpuIsAvailable) {
  EXPECT_TRUE(is_available(Device::cpu));
  EXPECT_FALSE(is_available(Device(Device::cpu, 1)));
  EXPECT_FALSE(is_available(Device(Device::cpu, -1)));
  EXPECT_FALSE(is_available(Device::gpu));
  EXPECT_EQ(device_count(Device::cpu), 1);
  EXPECT_EQ(device_count(Device::gpu), 0);
  EXPECT_EQ(default_device(), Device{});
}

TEST(Device, ChoosingAnAbsentOneSaysWhatWasGot) {
  const std::string expected = "[device] expected an available device; got gpu";
  EXPECT_EQ(error_of([] { set_default_device(Device::gpu); }), expected);
  EXPECT_EQ(error_of([] { new_stream(Device::gpu); }), expected);
  EXPECT_EQ(error_of([] { default_stream(Device::gpu); }), expected);
  EXPECT_EQ(error_of([] { StreamOrDevice s(Device::gpu); }), expected);
  EXPECT_EQ(error_of([] { set_default_device(Device(Device::cpu, 3)); }),
            "[device] expected an available device; got Device(cpu, 3)");
}

TEST(Device, InfoHoldsPlausibleFacts) {
  std::vector<DeviceFact> facts = device_info(Device{});
  auto integer = [&](const std::string& key) {
    for (auto& [k, v] : facts) {
      if (k == key) return std::get<int64_t>(v);
    }
    return int64_t{-1};
  };
  auto has = [&](const std::string& key) {
    return std::any_of(facts.begin(), facts.end(), [&](auto& f) { return f.first == key; });
  };
  EXPECT_TRUE(has("isa") && has("device_name") && has("architecture"));
  EXPECT_GE(integer("threads"), 1);
  EXPECT_GT(integer("memory_size"), 1 << 20);
  EXPECT_LE(integer("memory_limit"), integer("memory_size"));
  EXPECT_GE(integer("page_size"), 4096);
  EXPECT_THROW(device_info(Device::gpu), std::invalid_argument);
}

TEST(Stream, UnknownOnesAreRefused) {
  EXPECT_THROW(to_stream(StreamOrDevice(Stream{100000, Device{}})), std::invalid_argument);
  EXPECT_THROW(set_default_stream(Stream{-5, Device{}}), std::invalid_argument);
  EXPECT_THROW(synchronize(Stream{100000, Device{}}), std::invalid_argument);
  EXPECT_THROW(enqueue(100000, [] {}), std::invalid_argument);
}

TEST(Stream, DefaultsBelongToTheThread) {
  Stream before = default_stream(Device{});
  Stream s = new_stream(Device{});
  EXPECT_EQ(streams().back(), s);
  set_default_stream(s);
  EXPECT_EQ(default_stream(Device{}), s);
  EXPECT_EQ(to_stream({}), s);
  EXPECT_EQ(to_stream(Device{}), s);
  std::thread([] { EXPECT_EQ(default_stream(Device{}).index, 0); }).join();
  EXPECT_EQ(to_stream(before), before);
  set_default_stream(before);
}

TEST(Stream, AnyThreadMayUseAnyStream) {
  testing::Watchdog watchdog;
  Stream s;
  std::thread([&] { s = new_stream(Device{}); }).join();
  std::atomic<int> ran{0};
  enqueue(s.index, [&] { ++ran; });
  synchronize(s);
  EXPECT_EQ(ran.load(), 1);
}

TEST(Stream, TasksRunInOrderAndSynchronizeWaitsForThem) {
  testing::Watchdog watchdog;
  Stream a = new_stream(Device{}), b = new_stream(Device{});
  std::vector<int> order_a, order_b;
  for (int i = 0; i < 500; ++i) {
    enqueue(a.index, [&, i] { order_a.push_back(i); });
    enqueue(b.index, [&, i] { order_b.push_back(i); });
  }
  synchronize(a);
  EXPECT_EQ(order_a.size(), 500u);
  synchronize();
  ASSERT_EQ(order_b.size(), 500u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(order_b[static_cast<size_t>(i)], i);
}

TEST(Stream, WhatATaskHoldsIsReleasedWhenItIsDone) {
  testing::Watchdog watchdog;
  Stream s = new_stream(Device{});
  auto held = std::make_shared<int>(1);
  enqueue(s.index, [held] {});
  synchronize(s);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Stream, TasksMaySynchronizeAndEnqueue) {
  testing::Watchdog watchdog;
  Stream a = new_stream(Device{}), b = new_stream(Device{});
  std::atomic<int> ran{0};
  enqueue(a.index, [&] {
    synchronize(a);
    enqueue(b.index, [&] { ++ran; });
    synchronize(b);
    enqueue(a.index, [&] { ++ran; });
  });
  synchronize(a);
  synchronize(a);
  EXPECT_EQ(ran.load(), 2);
}

TEST(Stream, WaitingCanBeInterrupted) {
  testing::Watchdog watchdog;
  Stream s = new_stream(Device{});
  std::atomic<bool> go_on{false};
  enqueue(s.index, [&] {
    while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  set_interrupt_check([] { return true; });
  EXPECT_THROW(synchronize(s), Interrupted);
  set_interrupt_check(nullptr);
  go_on = true;
  synchronize(s);
}

TEST(Stream, ManyThreadsMayEnqueueAndWait) {
  testing::Watchdog watchdog;
  Stream s = new_stream(Device{});
  int64_t sum = 0;  // only tasks touch it
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 300; ++i) {
        enqueue(s.index, [&] { ++sum; });
        if (i % 50 == 0) synchronize(s);
      }
    });
  }
  for (auto& t : threads) t.join();
  synchronize();
  EXPECT_EQ(sum, 1200);
}

}  // namespace
}  // namespace olivine
