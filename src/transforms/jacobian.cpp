// Jacobians and Hessians: one derivative per element of a basis, all of them in one batch.
#include "core/error.h"
#include "core/size.h"
#include "olivine/ops/creation.h"
#include "olivine/ops/shape.h"
#include "olivine/transforms.h"
#include "transforms/argnums.h"
#include "transforms/replay.h"

namespace olivine {
namespace {

using Arrays = std::vector<array>;

void check_real(const Arrays& arrays, const char* op, const char* what) {
  for (const array& a : arrays) {
    if (!is_floating(a.dtype())) {
      fail("[", op, "] expected real floating point ", what, "; got ", a.dtype());
    }
  }
}

// Every unit vector of arrays like `a`, along a new first axis.
array basis(const array& a) {
  Shape shape = a.shape();
  shape.insert(shape.begin(), a.size());
  int n = static_cast<int>(a.size());
  if (n != a.size()) fail("[jacobian] expected less than 2^31 elements; got shape ", a.shape());
  return reshape(eye(n, n, 0, a.dtype()), shape);
}
Shape joined(const Shape& a, const Shape& b) {
  Shape out = a;
  for (int64_t d : b) out.push_back(d);
  return out;
}
// Zeros for all of `like` but one.
Arrays with_one(const Arrays& like, size_t k, const array& a) {
  Arrays out;
  for (size_t i = 0; i < like.size(); ++i) out.push_back(i == k ? a : zeros_like(like[i]));
  return out;
}

// Rows by reverse mode: a cotangent per element of the outputs.
std::vector<Arrays> by_rows(const ArrayFn& fn, const Arrays& inputs, const Arrays& outputs) {
  std::vector<Arrays> jacobians;
  for (size_t k = 0; k < outputs.size(); ++k) {
    Arrays rows;
    if (outputs[k].size() > 0) {
      ArrayFn pull = [&](const Arrays& ct) {
        return vjp(fn, inputs, with_one(outputs, k, ct[0])).second;
      };
      rows = vmap(pull, {0})({basis(outputs[k])});
    }
    Arrays& row = jacobians.emplace_back();
    for (size_t i = 0; i < inputs.size(); ++i) {
      Shape shape = joined(outputs[k].shape(), inputs[i].shape());
      row.push_back(rows.empty() ? zeros(shape, inputs[i].dtype()) : reshape(rows[i], shape));
    }
  }
  return jacobians;
}

// Columns by forward mode: a tangent per element of the inputs.
std::vector<Arrays> by_columns(const ArrayFn& fn, const Arrays& inputs, const Arrays& outputs) {
  std::vector<Arrays> jacobians(outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    Arrays columns;
    if (inputs[i].size() > 0) {
      ArrayFn push = [&](const Arrays& t) {
        return jvp(fn, inputs, with_one(inputs, i, t[0])).second;
      };
      columns = vmap(push, {0})({basis(inputs[i])});
    }
    for (size_t k = 0; k < outputs.size(); ++k) {
      Shape shape = joined(outputs[k].shape(), inputs[i].shape());
      jacobians[k].push_back(
          columns.empty()
              ? zeros(shape, outputs[k].dtype())
              : reshape(transpose(reshape(columns[k], {inputs[i].size(), outputs[k].size()})),
                        shape));
    }
  }
  return jacobians;
}

// A function of some of the inputs, which takes the others as they are; and those inputs.
struct Part {
  Part(const ArrayFn& fn, const Arrays& inputs, const std::vector<int>& argnums, const char* op) {
    std::vector<int> places = argument_positions(argnums, inputs.size(), op);
    for (int i : places) chosen.push_back(inputs[i]);
    call = [&fn, &inputs, places](const Arrays& x) {
      Arrays all = inputs;
      for (size_t i = 0; i < places.size(); ++i) all[places[i]] = x[i];
      return fn(all);
    };
  }
  ArrayFn call;
  Arrays chosen;
};

Arrays flat(const std::vector<Arrays>& rows) {
  Arrays out;
  for (const Arrays& row : rows) out = joined(std::move(out), row);
  return out;
}
std::vector<Arrays> rows_of(const Arrays& flat, size_t length) {
  std::vector<Arrays> rows;
  for (size_t i = 0; i < flat.size(); ++i) {
    if (i % length == 0) rows.emplace_back();
    rows.back().push_back(flat[i]);
  }
  return rows;
}

int64_t total_size(const Arrays& arrays) {
  int64_t n = 0;
  for (const array& a : arrays) n = checked_add(n, a.size());
  return n;
}

}  // namespace

std::pair<Arrays, std::vector<Arrays>> jacobian(const ArrayFn& fn, const Arrays& inputs) {
  if (Recording* recording = Recording::running()) {
    auto step = [](const std::vector<ArrayFn>& fns, const Arrays& in) {
      auto [outputs, rows] = jacobian(fns[0], in);
      return joined(outputs, flat(rows));
    };
    // Each output has a row of as many arrays as there are inputs.
    Arrays all = recording->follow({fn}, inputs, step);
    auto [outputs, rows] = parted(all, all.size() / (inputs.size() + 1));
    return {outputs, rows_of(rows, inputs.size())};
  }
  check_real(inputs, "jacobian", "arguments");
  Arrays outputs = fn(inputs);
  check_real(outputs, "jacobian", "results");
  bool reverse = total_size(outputs) <= total_size(inputs);
  return {outputs, reverse ? by_rows(fn, inputs, outputs) : by_columns(fn, inputs, outputs)};
}

std::pair<Arrays, std::vector<Arrays>> jacobian(const ArrayFn& fn, const Arrays& inputs,
                                                const std::vector<int>& argnums) {
  Part part(fn, inputs, argnums, "jacobian");
  return jacobian(part.call, part.chosen);
}

std::vector<Arrays> hessian(const ArrayFn& fn, const Arrays& inputs) {
  if (Recording* recording = Recording::running()) {
    auto step = [](const std::vector<ArrayFn>& fns, const Arrays& in) {
      return flat(hessian(fns[0], in));
    };
    return rows_of(recording->follow({fn}, inputs, step), inputs.size());
  }
  check_real(inputs, "hessian", "arguments");
  Arrays outputs = fn(inputs);
  if (outputs.size() != 1 || outputs[0].ndim() != 0) {
    fail("[hessian] expected a function that returns one scalar; got ", outputs.size(), " arrays",
         outputs.empty() ? "" : message(", the first of shape ", outputs[0].shape()));
  }
  check_real(outputs, "hessian", "results");
  ArrayFn gradient = [&](const Arrays& x) { return vjp(fn, x, {ones_like(outputs[0])}).second; };
  return by_columns(gradient, inputs, inputs);
}

std::vector<Arrays> hessian(const ArrayFn& fn, const Arrays& inputs,
                            const std::vector<int>& argnums) {
  Part part(fn, inputs, argnums, "hessian");
  return hessian(part.call, part.chosen);
}

}  // namespace olivine
