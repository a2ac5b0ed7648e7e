// <mlx/distributed/primitives.h> by Olivine: the operations of a group as primitives.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mlx/namespace.h"
#include "mlx/primitive_macros.h"
#include "olivine/distributed.h"

namespace olivine::distributed {

// What has a group; a subclass of the user's says what it computes (eval_cpu).
class DistPrimitive : public FunctionPrimitive {
 public:
  DistPrimitive(Stream stream, Group group)
      : DistPrimitive(stream, std::move(group), "DistPrimitive",
                      PrimitiveFunction::Arity(0, PrimitiveFunction::any), nullptr) {}
  DistPrimitive(Stream stream, Group group, std::string name, PrimitiveFunction::Arity arity,
                PrimitiveFunction::Call call)
      : FunctionPrimitive(stream, std::move(name), arity, std::move(call)),
        group_(std::move(group)) {}
  const Group& group() const { return group_; }

 private:
  Group group_;
};

class AllReduce : public DistPrimitive {
 public:
  enum ReduceType { And, Or, Sum, Prod, Min, Max };
  AllReduce(Stream s, Group g, ReduceType reduce_type)
      : DistPrimitive(s, g, "AllReduce", 1, [=](const std::vector<array>& in, const ArraySpecs&) {
          return std::vector<array>{reduced(in[0], reduce_type, g, s)};
        }) {}

 private:
  static array reduced(const array& x, ReduceType type, const Group& g, Stream s) {
    switch (type) {
      case Sum:
        return all_sum(x, g, s);
      case Max:
        return all_max(x, g, s);
      case Min:
        return all_min(x, g, s);
      default:
        throw std::runtime_error("[AllReduce] expected Sum, Max or Min; got reduction " +
                                 std::to_string(type));
    }
  }
};

class AllGather : public DistPrimitive {
 public:
  AllGather(Stream s, Group g)
      : DistPrimitive(s, g, "AllGather", 1, [=](const std::vector<array>& in, const ArraySpecs&) {
          return std::vector<array>{all_gather(in[0], g, s)};
        }) {}
};

class Send : public DistPrimitive {
 public:
  Send(Stream s, Group g, int dst)
      : DistPrimitive(s, g, "Send", 1, [=](const std::vector<array>& in, const ArraySpecs&) {
          return std::vector<array>{send(in[0], dst, g, s)};
        }) {}
};

// Of the shape and dtype that are asked for.
class Recv : public DistPrimitive {
 public:
  Recv(Stream s, Group g, int src)
      : DistPrimitive(s, g, "Recv", 0, [=](const std::vector<array>&, const ArraySpecs& asked) {
          if (asked.empty()) {
            throw std::invalid_argument("[Recv] expected an output to be asked for; got none");
          }
          return std::vector<array>{recv(asked[0].first, asked[0].second, src, g, s)};
        }) {}
};

class ReduceScatter : public DistPrimitive {
 public:
  enum ReduceType { Sum, Min, Max };
  ReduceScatter(Stream s, Group g, ReduceType reduce_type)
      : DistPrimitive(s, g, "ReduceScatter", 1,
                      [=](const std::vector<array>& in, const ArraySpecs&) {
                        if (reduce_type != Sum) {
                          throw std::runtime_error("[ReduceScatter] expected Sum; got reduction " +
                                                   std::to_string(reduce_type));
                        }
                        return std::vector<array>{sum_scatter(in[0], g, s)};
                      }) {}
};

}  // namespace olivine::distributed
