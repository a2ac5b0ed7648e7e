// Initializers: each returns a function that gives new values for an array of the same shape.
#pragma once

#include <functional>

#include "olivine/array.h"

namespace olivine::nn::init {

using Initializer = std::function<array(const array&)>;
enum class Fan { in, out };

// Every element is `value`.
OLIVINE_API Initializer constant(double value, Dtype dtype = float32);
OLIVINE_API Initializer normal(double mean = 0, double std = 1, Dtype dtype = float32);
// Within [low, high).
OLIVINE_API Initializer uniform(double low = 0, double high = 1, Dtype dtype = float32);
// The identity matrix; only for square matrices.
OLIVINE_API Initializer identity(Dtype dtype = float32);
// Variance 2 gain^2 / (fan_in + fan_out) (Glorot and Bengio, 2010).
OLIVINE_API Initializer glorot_normal(Dtype dtype = float32, double gain = 1);
OLIVINE_API Initializer glorot_uniform(Dtype dtype = float32, double gain = 1);
// Variance gain^2 / fan (He et al., 2015).
OLIVINE_API Initializer he_normal(Dtype dtype = float32, Fan mode = Fan::in, double gain = 1);
OLIVINE_API Initializer he_uniform(Dtype dtype = float32, Fan mode = Fan::in, double gain = 1);
// Normal, with the fraction `sparsity` (rounded up) of every row set to zero.
OLIVINE_API Initializer sparse(double sparsity, double mean = 0, double std = 1,
                               Dtype dtype = float32);
// A random matrix with orthonormal rows or columns (whichever are fewer), times gain.
OLIVINE_API Initializer orthogonal(double gain = 1, Dtype dtype = float32);

}  // namespace olivine::nn::init
