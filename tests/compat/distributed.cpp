// A transport of the user's: two ranks on two threads, joined by a socket.
#include <mlx/distributed/distributed.h>
#include <mlx/distributed/distributed_impl.h>
#include <mlx/distributed/ops.h>
#include <mlx/distributed/primitives.h>
#include <mlx/distributed/reduction_ops.h>
#include <mlx/distributed/utils.h>
#include <mlx/mlx.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>

namespace mx = mlx::core;
namespace dist = mlx::core::distributed;

static std::atomic<int> failures = 0;

static void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  ++failures;
}
static bool same(const mx::array& a, const mx::array& b) {
  return a.dtype() == b.dtype() && mx::array_equal(a, b).item<bool>();
}
template <class F>
static void expect_error(F f, const char* what) {
  try {
    f();
  } catch (const std::exception& e) {
    expect(std::strstr(e.what(), "expected") != nullptr, what);
    return;
  }
  expect(false, what);
}

// float32 between two ranks; each message is small enough for the system to buffer.
class Wire : public dist::detail::GroupImpl {
 public:
  Wire(int rank, dist::detail::TCPSocket socket) : rank_(rank), socket_(std::move(socket)) {}
  mx::Stream communication_stream(mx::StreamOrDevice s) override { return mx::to_stream(s); }
  int rank() override { return rank_; }
  int size() override { return 2; }
  std::shared_ptr<GroupImpl> split(int, int) override { throw std::runtime_error("no parts"); }
  void all_sum(const mx::array& in, mx::array& out, mx::Stream) override {
    combine(in, out, dist::detail::SumOp<float>());
  }
  void all_max(const mx::array& in, mx::array& out, mx::Stream) override {
    combine(in, out, dist::detail::MaxOp<float>());
  }
  void all_min(const mx::array& in, mx::array& out, mx::Stream) override {
    combine(in, out, dist::detail::MinOp<float>());
  }
  void all_gather(const mx::array& in, mx::array& out, mx::Stream) override {
    char* parts = out.data<char>();
    std::memcpy(parts + rank_ * in.nbytes(), in.data<char>(), in.nbytes());
    socket_.send("[wire]", in.data<char>(), in.nbytes());
    socket_.recv("[wire]", parts + (1 - rank_) * in.nbytes(), in.nbytes());
  }
  void send(const mx::array& in, int, mx::Stream) override {
    socket_.send("[wire]", in.data<char>(), in.nbytes());
  }
  void recv(mx::array& out, int, mx::Stream) override {
    socket_.recv("[wire]", out.data<char>(), out.nbytes());
  }
  void sum_scatter(const mx::array& in, mx::array& out, mx::Stream) override {
    const char* parts = in.data<char>();
    socket_.send("[wire]", parts + (1 - rank_) * out.nbytes(), out.nbytes());
    socket_.recv("[wire]", out.data<char>(), out.nbytes());
    const auto* mine = reinterpret_cast<const float*>(parts + rank_ * out.nbytes());
    dist::detail::SumOp<float>()(mine, out.data<float>(), static_cast<size_t>(out.size()));
  }

 private:
  template <class Op>
  void combine(const mx::array& in, mx::array& out, Op op) {
    socket_.send("[wire]", in.data<char>(), in.nbytes());
    socket_.recv("[wire]", out.data<char>(), out.nbytes());
    op(in.data<float>(), out.data<float>(), static_cast<size_t>(in.size()));
  }
  int rank_;
  dist::detail::TCPSocket socket_;
};

// Rank 0 has 1, 2, 3, 4 and rank 1 has 5, 3, 1, 0.
static void differentiate(const mx::array& x, const dist::Group& group);
static void compiled(const mx::array& x, const dist::Group& group);

static void work(const dist::Group& group) {
  int rank = group.rank();
  mx::array x =
      rank == 0 ? mx::array({1.0f, 2.0f, 3.0f, 4.0f}) : mx::array({5.0f, 3.0f, 1.0f, 0.0f});
  expect(same(dist::all_sum(x, group), mx::array({6.0f, 5.0f, 4.0f, 4.0f})), "all_sum");
  expect(same(dist::all_max(x, group), mx::array({5.0f, 3.0f, 3.0f, 4.0f})), "all_max");
  expect(same(dist::all_min(x, group), mx::array({1.0f, 2.0f, 1.0f, 0.0f})), "all_min");
  expect(
      same(dist::all_gather(x, group), mx::array({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 3.0f, 1.0f, 0.0f})),
      "all_gather");
  expect(same(dist::sum_scatter(x, group),
              rank == 0 ? mx::array({6.0f, 5.0f}) : mx::array({4.0f, 4.0f})),
         "sum_scatter");
  if (rank == 0) {
    mx::eval(dist::send(mx::transpose(mx::reshape(x, {2, 2})), 1, group));
  } else {
    expect(same(dist::recv({2, 2}, mx::float32, 0, group),
                mx::array({1.0f, 3.0f, 2.0f, 4.0f}, {2, 2})),
           "a message");
  }
  auto columns = mx::transpose(mx::reshape(x, {2, 2}));
  if (rank == 0) {
    mx::eval(mx::vmap([&](const mx::array& v) { return dist::send(v, 1, group); })(columns));
  } else {
    expect(same(dist::recv({2, 2}, mx::float32, 0, group),
                mx::array({1.0f, 3.0f, 2.0f, 4.0f}, {2, 2})),
           "a batch as one message");
  }
  compiled(x, group);
  expect_error([&] { dist::send(x, 2, group); }, "a rank that there is not");
  mx::Stream s = mx::default_stream(mx::default_device());
  auto reduce = std::make_shared<dist::AllReduce>(s, group, dist::AllReduce::Sum);
  expect(same(mx::array(x.shape(), x.dtype(), reduce, {x}), mx::array({6.0f, 5.0f, 4.0f, 4.0f})),
         "AllReduce");
  auto gather = std::make_shared<dist::AllGather>(s, group);
  expect(mx::array({8}, x.dtype(), gather, {x}).shape(0) == 8, "AllGather");
  differentiate(x, group);
}

static void differentiate(const mx::array& x, const dist::Group& group) {
  int rank = group.rank();
  auto squares = [&](const mx::array& v) { return mx::sum(mx::square(dist::all_sum(v, group))); };
  expect(same(mx::grad(squares)(x), mx::array({12.0f, 10.0f, 8.0f, 8.0f})), "a sum's gradient");
  auto largest = [&](const mx::array& v) { return mx::sum(dist::all_max(v, group)); };
  expect(same(mx::grad(largest)(x), rank == 0 ? mx::array({0.0f, 0.0f, 1.0f, 1.0f})
                                              : mx::array({1.0f, 1.0f, 0.0f, 0.0f})),
         "a maximum's gradient");
  auto all = [&](const mx::array& v) {
    return mx::sum(dist::all_gather(v, group) * mx::astype(mx::arange(8), mx::float32));
  };
  expect(same(mx::grad(all)(x), rank == 0 ? mx::array({0.0f, 1.0f, 2.0f, 3.0f})
                                          : mx::array({4.0f, 5.0f, 6.0f, 7.0f})),
         "a gathering's gradient");
  auto rows = mx::reshape(x, {2, 2});
  auto mapped = mx::vmap([&](const mx::array& v) { return dist::all_gather(v, group); });
  expect(same(mapped(rows), mx::array({1.0f, 2.0f, 5.0f, 3.0f, 3.0f, 4.0f, 1.0f, 0.0f}, {2, 4})),
         "gatherings of a batch");
}

static void compiled(const mx::array& x, const dist::Group& group) {
  using Arrays = std::vector<mx::array>;
  if (group.rank() == 0) {
    auto give =
        mx::compile([&](const Arrays& in) { return Arrays{dist::send(2 * in[0], 1, group)}; });
    for (int i = 0; i < 4; ++i) mx::eval(give({x + static_cast<float>(i)}));
    return;
  }
  auto first = mx::array({1.0f, 2.0f, 3.0f, 4.0f});  // of rank 0
  auto take = mx::compile([&](const Arrays& in) {
    return Arrays{in[0] + dist::recv({4}, mx::float32, 0, group), in[0]};
  });
  for (int i = 0; i < 2; ++i) {
    auto sent = 2 * (first + static_cast<float>(i));
    expect(same(take({x})[0], x + sent), "each call of a compiled function receives");
  }
  auto outer = mx::compile([&](const Arrays& in) { return Arrays{2 * take(in)[0]}; });
  expect(same(outer({x})[0], 2 * (x + 2 * (first + 2.0f))), "so does one inside another");
  auto loss = [&](const mx::array& v) {
    return mx::sum(v * dist::recv({4}, mx::float32, 0, group));
  };
  expect(same(mx::grad(loss)(x), 2 * (first + 3.0f)), "what was received is a factor");
}

static void alone() {
  dist::Group group = dist::init();
  expect(group.size() == 1 && group.raw_group()->rank() == 0, "a group of one");
  expect(group == dist::Group(group.raw_group()), "its transport is its own");
  auto x = mx::array({1.0f, 2.0f});
  mx::array out({2}, mx::float32, nullptr, {});
  dist::detail::all_sum(group, x, out, mx::to_stream({}));
  expect(same(out, x), "it sums its own");
  expect_error([&] { dist::send(x, 0, group); }, "nobody to send to");
  expect_error([] { dist::Group none(nullptr); }, "no transport");
  dist::clear_backends();
}

int main() {
  using dist::detail::parse_address;
  using dist::detail::TCPSocket;
  alone();
  expect_error([] { parse_address("nowhere"); }, "an address without a port");
  // A free port: the system's choice, read back.
  TCPSocket server("[server]");
  server.listen("[server]", parse_address("127.0.0.1:0"));
  dist::detail::address_t address;
  address.len = sizeof(address.addr);
  ::getsockname(server, reinterpret_cast<sockaddr*>(&address.addr), &address.len);
  std::thread other([&] {
    auto socket = TCPSocket::connect("[client]", address, 3, 10);
    work(dist::Group(std::make_shared<Wire>(1, std::move(socket))));
  });
  work(dist::Group(std::make_shared<Wire>(0, server.accept("[server]"))));
  other.join();
  std::printf(failures ? "%d failures\n" : "all is well\n", failures.load());
  return failures != 0;
}
