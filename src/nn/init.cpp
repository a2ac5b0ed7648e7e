// Initializers.
#include "olivine/nn/init.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "olivine/ops/indexing.h"
#include "olivine/ops/linalg.h"
#include "olivine/ops/random.h"
#include "olivine/ops/shape.h"
#include "olivine/ops/sort.h"
#include "weak.h"

namespace olivine::nn::init {
namespace {

array normal_of(const Shape& shape, double mean, double std, Dtype dtype) {
  return random::normal(shape, dtype, array(mean), array(std));
}

// Inputs and outputs per unit of a weight shaped (out, ..., in).
std::pair<double, double> fans(const char* op, const array& x) {
  if (x.ndim() < 2) fail("[init.", op, "] expected at least 2 dimensions; got shape ", x.shape());
  double receptive = 1;
  for (int i = 1; i + 1 < x.ndim(); ++i) receptive *= static_cast<double>(x.shape(i));
  return {static_cast<double>(x.shape(-1)) * receptive,
          static_cast<double>(x.shape(0)) * receptive};
}

double fan_of(const char* op, const array& x, Fan mode) {
  auto [in, out] = fans(op, x);
  return mode == Fan::in ? in : out;
}

void check_matrix(const char* op, const array& a) {
  if (a.ndim() != 2) fail("[init.", op, "] expected a matrix; got shape ", a.shape());
}

}  // namespace

Initializer constant(double value, Dtype dtype) {
  return [=](const array& a) { return full(a.shape(), array(value, dtype), dtype); };
}

Initializer normal(double mean, double std, Dtype dtype) {
  return [=](const array& a) { return normal_of(a.shape(), mean, std, dtype); };
}

Initializer uniform(double low, double high, Dtype dtype) {
  return [=](const array& a) { return random::uniform(array(low), array(high), a.shape(), dtype); };
}

Initializer identity(Dtype dtype) {
  return [=](const array& a) {
    if (a.ndim() != 2 || a.shape(0) != a.shape(1)) {
      fail("[init.identity] expected a square matrix; got shape ", a.shape());
    }
    return eye(static_cast<int>(a.shape(0)), dtype);
  };
}

Initializer glorot_normal(Dtype dtype, double gain) {
  return [=](const array& a) {
    auto [in, out] = fans("glorot_normal", a);
    return normal_of(a.shape(), 0, gain * std::sqrt(2.0 / (in + out)), dtype);
  };
}

Initializer glorot_uniform(Dtype dtype, double gain) {
  return [=](const array& a) {
    auto [in, out] = fans("glorot_uniform", a);
    double bound = gain * std::sqrt(6.0 / (in + out));
    return random::uniform(array(-bound), array(bound), a.shape(), dtype);
  };
}

Initializer he_normal(Dtype dtype, Fan mode, double gain) {
  return [=](const array& a) {
    return normal_of(a.shape(), 0, gain / std::sqrt(fan_of("he_normal", a, mode)), dtype);
  };
}

Initializer he_uniform(Dtype dtype, Fan mode, double gain) {
  return [=](const array& a) {
    double bound = gain * std::sqrt(3.0 / fan_of("he_uniform", a, mode));
    return random::uniform(array(-bound), array(bound), a.shape(), dtype);
  };
}

Initializer sparse(double sparsity, double mean, double std, Dtype dtype) {
  return [=](const array& a) {
    check_matrix("sparse", a);
    int zeros = static_cast<int>(std::ceil(sparsity * static_cast<double>(a.shape(1))));
    array rank = argsort(argsort(random::uniform(a.shape()), 1), 1);
    array values = normal_of(a.shape(), mean, std, dtype);
    return where(rank < zeros, array(0, dtype), values);
  };
}

Initializer orthogonal(double gain, Dtype dtype) {
  // Part of the orthogonal factor of a square Gaussian matrix's QR decomposition, which is
  // uniformly distributed if the diagonal of R is positive (Mezzadri, 2007).
  return [=](const array& a) {
    check_matrix("orthogonal", a);
    ShapeElem rows = a.shape(0), columns = a.shape(1), size = std::max(rows, columns);
    auto [q, r] = linalg::qr(random::normal({size, size}));
    array oriented = q * sign(diag(r));
    return astype(gain * slice(oriented, Shape{0, 0}, Shape{rows, columns}), dtype);
  };
}

}  // namespace olivine::nn::init
