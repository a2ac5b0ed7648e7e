// Recurrent layers.
#include "olivine/nn/recurrent.h"

#include "core/error.h"
#include "layers.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/shape.h"
#include "weak.h"

namespace olivine::nn {
namespace {

int steps_of(const char* op, const array& x) {
  if (x.ndim() < 2) {
    fail("[", op, "] expected a sequence of shape (..., length, features); got shape ", x.shape());
  }
  return static_cast<int>(x.shape(-2));
}

// Elements [begin, end) of an axis counted from the back.
array part(const array& x, int axis, ShapeElem begin, ShapeElem end) {
  Shape start(x.shape().size(), 0), stop = x.shape();
  size_t at = static_cast<size_t>(x.ndim() + axis);
  start[at] = begin;
  stop[at] = end;
  return slice(x, start, stop);
}
// x[..., t, :]
array step_of(const array& x, int t) { return squeeze(part(x, -2, t, t + 1), -2); }

array product(const array& x, const array& weight, const std::optional<array>& bias) {
  return bias ? addmm(*bias, x, transpose(weight)) : matmul(x, transpose(weight));
}

std::string sizes(const array& input, const array& recurrent) {
  return message("input_dims=", input.shape(1), ", hidden_size=", recurrent.shape(1));
}

array drawn(const char* op, int hidden_size, const Shape& shape) {
  return uniform_weight(op, hidden_size, shape);
}

}  // namespace

RNN::RNN(int input_size, int hidden_size, bool with_bias,
         std::function<array(const array&)> nonlinearity)
    : Wxh(drawn("RNN", hidden_size, {hidden_size, input_size})),
      Whh(drawn("RNN", hidden_size, {hidden_size, hidden_size})),
      nonlinearity(std::move(nonlinearity)) {
  if (!this->nonlinearity) fail("[RNN] expected nonlinearity to be a function; got none");
  if (with_bias) bias = drawn("RNN", hidden_size, {hidden_size});
}

array RNN::operator()(const array& given, std::optional<array> hidden) const {
  int steps = steps_of("RNN", given);
  array x = product(given, Wxh, bias);
  std::vector<array> states;
  for (int t = 0; t < steps; ++t) {
    array inner = step_of(x, t);
    hidden = nonlinearity(hidden ? inner + matmul(*hidden, transpose(Whh)) : inner);
    states.push_back(*hidden);
  }
  return stack(states, -2);
}

std::string RNN::extra_repr() const {
  return sizes(Wxh, Whh) + ", nonlinearity=<function>, bias=" + truth(bias.has_value());
}

GRU::GRU(int input_size, int hidden_size, bool with_bias)
    : Wx(drawn("GRU", hidden_size, {3 * hidden_size, input_size})),
      Wh(drawn("GRU", hidden_size, {3 * hidden_size, hidden_size})) {
  if (!with_bias) return;
  b = drawn("GRU", hidden_size, {3 * hidden_size});
  bhn = drawn("GRU", hidden_size, {hidden_size});
}

array GRU::operator()(const array& given, std::optional<array> hidden) const {
  int steps = steps_of("GRU", given);
  ShapeElem size = Wh.shape(1);
  array x = product(given, Wx, b);
  std::vector<array> states;
  for (int t = 0; t < steps; ++t) {
    array now = step_of(x, t);
    array gates = part(now, -1, 0, 2 * size), added = part(now, -1, 2 * size, 3 * size);
    std::optional<array> recurrent = bhn;
    if (hidden) {
      array from = matmul(*hidden, transpose(Wh));
      gates = gates + part(from, -1, 0, 2 * size);
      array own = part(from, -1, 2 * size, 3 * size);
      recurrent = bhn ? *bhn + own : own;
    }
    std::vector<array> both = split(olivine::sigmoid(gates), 2, -1);
    const array &reset = both[0], &update = both[1];
    array candidate = olivine::tanh(recurrent ? added + reset * *recurrent : added);
    array kept = (1 - update) * candidate;
    hidden = hidden ? kept + update * *hidden : kept;
    states.push_back(*hidden);
  }
  return stack(states, -2);
}

std::string GRU::extra_repr() const { return sizes(Wx, Wh) + ", bias=" + truth(b.has_value()); }

LSTM::LSTM(int input_size, int hidden_size, bool with_bias)
    : Wx(drawn("LSTM", hidden_size, {4 * hidden_size, input_size})),
      Wh(drawn("LSTM", hidden_size, {4 * hidden_size, hidden_size})) {
  if (with_bias) bias = drawn("LSTM", hidden_size, {4 * hidden_size});
}

std::pair<array, array> LSTM::operator()(const array& given, std::optional<array> hidden,
                                         std::optional<array> cell) const {
  int steps = steps_of("LSTM", given);
  array x = product(given, Wx, bias);
  std::vector<array> hiddens, cells;
  for (int t = 0; t < steps; ++t) {
    array gates = step_of(x, t);
    if (hidden) gates = gates + matmul(*hidden, transpose(Wh));
    std::vector<array> parts = split(gates, 4, -1);
    array added = olivine::sigmoid(parts[0]) * olivine::tanh(parts[2]);
    cell = cell ? olivine::sigmoid(parts[1]) * *cell + added : added;
    hidden = olivine::sigmoid(parts[3]) * olivine::tanh(*cell);
    hiddens.push_back(*hidden);
    cells.push_back(*cell);
  }
  return {stack(hiddens, -2), stack(cells, -2)};
}

std::string LSTM::extra_repr() const { return sizes(Wx, Wh) + ", bias=" + truth(bias.has_value()); }

}  // namespace olivine::nn
