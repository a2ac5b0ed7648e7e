// The kernel families of the CPU: adding one costs one line here.
//
// Each name F stands for `void register_F(KernelTable&)`.
#pragma once

// Defined in kernels/*.cpp or gemm/*_isa.cpp, once per instruction set, in namespace
// olivine::cpu::<isa>.
#define OLIVINE_ISA_FAMILIES(X) \
  X(elementwise_arithmetic)     \
  X(elementwise_integer)        \
  X(elementwise_compare)        \
  X(elementwise_cast)           \
  X(elementwise_math)           \
  X(elementwise_complex)        \
  X(shape)                      \
  X(selection)                  \
  X(indexing)                   \
  X(scatter)                    \
  X(creation)                   \
  X(random)                     \
  X(reduction)                  \
  X(arg_reduction)              \
  X(softmax)                    \
  X(norm)                       \
  X(rope)                       \
  X(attention)                  \
  X(hadamard)                   \
  X(scan)                       \
  X(fft)                        \
  X(conv_depthwise)             \
  X(sparse)                     \
  X(sparse_sampled)             \
  X(sparse_transposed)          \
  X(sort)

// Defined once, in namespace olivine::cpu.
#define OLIVINE_COMMON_FAMILIES(X) \
  X(matmul)                        \
  X(conv)                          \
  X(linalg_factor)                 \
  X(linalg_spectral)               \
  X(matrix_functions)              \
  X(load)                          \
  X(primitive)                     \
  X(gather_matmul)                 \
  X(sparse_product)                \
  X(quantized)                     \
  X(special)
