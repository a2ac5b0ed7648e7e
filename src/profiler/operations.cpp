// Floating-point operations and bytes of a step, from the shapes of its operands.
//
// Products are counted as usual: 2 m n k for a matrix product, twice the kernel's size per output
// of a convolution, both products of attention and of its gradient. Elementwise ops count one per
// element, whatever their instructions; ops of several steps (a softmax, a norm) what their formula
// says. What moves or compares values counts as nothing. Ops that have no formula here count as one
// per element.
#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "profiler/recorded.h"

namespace olivine::profiler {
namespace {

using Operand = StepDescription::Operand;
using Operands = std::vector<Operand>;
using std::string_view;

double size(const Operand& o) {
  double n = 1;
  for (int64_t d : o.shape) n *= static_cast<double>(d);
  return n;
}
// Of an axis from the end; 1 if there is none.
double extent(const Operand& o, size_t from_end) {
  return from_end <= o.shape.size() ? static_cast<double>(o.shape[o.shape.size() - from_end]) : 1;
}
double batch(const Operand& o, size_t of_the_last) {
  double n = 1;
  for (size_t d = 0; d + of_the_last < o.shape.size(); ++d) n *= static_cast<double>(o.shape[d]);
  return n;
}

// Per element of the larger of operands and results.
struct PerElement {
  string_view op;
  double operations;
};
constexpr PerElement kPerElement[] = {
    {"softmax", 5},  // maximum, difference, exp, sum, quotient
    {"logsumexp", 4},       {"logcumsumexp", 4},  {"cross_entropy", 5},
    {"rms_norm", 4},        {"rms_norm_vjp", 11}, {"layer_norm", 8},
    {"layer_norm_vjp", 14}, {"rope", 3},          {"linear_recurrence", 2},
};
constexpr string_view kMoves[] = {"all",           "any",         "arange",
                                  "argmax",        "argmin",      "argpartition",
                                  "argsort",       "compress",    "concatenate",
                                  "contiguous",    "csr_pattern", "csr_pattern_count",
                                  "csr_transpose", "expand",      "gather",
                                  "gather_axis",   "imag",        "isfinite",
                                  "isinf",         "isnan",       "less",
                                  "less_equal",    "load",        "logical_and",
                                  "logical_not",   "logical_or",  "logical_xor",
                                  "equal",         "not_equal",   "nonzero",
                                  "partition",     "random_bits", "real",
                                  "searchsorted",  "select",      "slice_update",
                                  "sort",          "view",        "bitwise_and",
                                  "bitwise_or",    "bitwise_xor", "bitwise_invert",
                                  "left_shift",    "right_shift"};
bool is_move(string_view op) {
  return op.starts_with("astype_") || std::ranges::find(kMoves, op) != std::end(kMoves);
}
bool is_product(string_view op) {
  return op.ends_with("matmul") || op.ends_with("_mm") || op.ends_with("_qmm") || op == "addmm" ||
         op == "conv" || op == "conv_weight";
}

// Of one matrix of m rows and n columns (Golub and Van Loan, Matrix Computations, 4th edition).
struct PerMatrix {
  string_view op;
  double (*operations)(double m, double n);
};
double lu(double m, double n) {
  double k = std::min(m, n);
  return m * n * k - (m + n) * k * k / 2 + k * k * k / 3;
}
double qr(double m, double n) {
  return m >= n ? 4 * (m * m * n - m * n * n + n * n * n / 3) : 4.0 / 3 * m * m * m;
}
double svdvals(double m, double n) {
  double most = std::max(m, n), least = std::min(m, n);
  return 4 * most * least * least - 4.0 / 3 * least * least * least;
}
constexpr PerMatrix kPerMatrix[] = {
    {"cholesky", [](double, double n) { return n * n * n / 3; }},
    {"lu", lu},
    {"qr", qr},
    {"eigvalsh", [](double, double n) { return 4.0 / 3 * n * n * n; }},
    {"eigh", [](double, double n) { return 9 * n * n * n; }},
    {"eigvals", [](double, double n) { return 10 * n * n * n; }},
    {"eig", [](double, double n) { return 25 * n * n * n; }},
    {"svdvals", svdvals},
    {"svd", [](double m, double n) { return 4 * m * m * n + 8 * m * n * n + 9 * n * n * n; }},
    {"det", [](double, double n) { return 2.0 / 3 * n * n * n; }},
    {"slogdet", [](double, double n) { return 2.0 / 3 * n * n * n; }},
};

double product(const Operands& in, const Operand& out) { return 2 * size(out) * extent(in[0], 1); }
double attention(const Operands& in, double of_queries, double of_values, double of_pairs) {
  // q, k, v: (B, heads, length, dimensions)
  double pairs = batch(in[0], 1) * extent(in[1], 2);
  return pairs * (of_queries * extent(in[0], 1) + of_values * extent(in[2], 1) + of_pairs);
}
double fft(const Operands& in, const Operand& out) {
  // 5 n log2 n of a complex transform (Van Loan, 1992), along the last axis; half as much where
  // one side is real.
  const Operand& largest = size(in[0]) >= size(out) ? in[0] : out;
  bool both = is_complexfloating(in[0].dtype) && is_complexfloating(out.dtype);
  return (both ? 5 : 2.5) * size(largest) * std::log2(std::max(extent(largest, 1), 2.0));
}
double sparse(const Operands& in, const Operand& out) {
  // Each value meets one row of the dense operand.
  const Operand* values = nullptr;
  for (const Operand& o : in) {
    bool index = o.dtype != bool_ && !is_inexact(o.dtype);
    if (!index && (!values || o.shape.size() < values->shape.size())) values = &o;
  }
  return values ? 2 * size(*values) * (out.shape.size() > 1 ? extent(out, 1) : 1) : 0;
}

struct Formula {
  string_view op;
  size_t inputs;  // that it reads
  double (*operations)(const Operands& in, const Operand& out);
};
constexpr Formula kFormulas[] = {
    {"matmul", 1, product},
    {"quantized_matmul", 1, product},
    {"gather_qmm", 1, product},
    {"addmm", 2,
     [](const Operands& in, const Operand& out) {
       return 2 * size(out) * extent(in[1], 1) + size(out);
     }},
    {"gather_mm", 3,
     [](const Operands& in, const Operand&) {
       return 2 * size(in[2]) * extent(in[0], 2) * extent(in[0], 1) * extent(in[1], 1);
     }},
    // The weight is (O, kernel..., C / groups).
    {"conv", 2,
     [](const Operands& in, const Operand& out) {
       return 2 * size(out) *
              std::floor(size(in[1]) / std::max(extent(in[1], in[1].shape.size()), 1.0));
     }},
    {"conv_weight", 2,
     [](const Operands& in, const Operand& out) {
       return 2 * size(in[1]) *
              std::floor(size(out) / std::max(extent(out, out.shape.size()), 1.0));
     }},
    {"attention", 3, [](const Operands& in, const Operand&) { return attention(in, 2, 2, 5); }},
    {"attention_vjp", 3, [](const Operands& in, const Operand&) { return attention(in, 6, 4, 8); }},
    {"fft", 1, fft},
    {"csr_matmul", 1, sparse},
    {"csr_matmul_transposed", 1, sparse},
    {"triangular_solve", 1,
     [](const Operands& in, const Operand& out) { return extent(in[0], 1) * size(out); }},
    {"lu_solve", 1,
     [](const Operands& in, const Operand& out) { return 2 * extent(in[0], 1) * size(out); }},
    {"hadamard_transform", 1,
     [](const Operands&, const Operand& out) {
       return size(out) * std::log2(std::max(extent(out, 1), 2.0));
     }},
};

// What runs inside is counted.
bool is_container(const StepDescription& s) {
  return s.kind == "plan" || s.kind == "loop" || s.kind == "branch" || s.kind == "arena";
}

double real_operations(const StepDescription& s) {
  const Operand& out = s.out[0];
  if (s.kind == "fused") {
    auto computes = [](const StepDescription::Part& p) { return !is_move(op_name(p.op)); };
    return size(out) * static_cast<double>(std::ranges::count_if(s.parts, computes));
  }
  string_view op = op_name(s.op);
  if (is_move(op) || s.in.empty()) return 0;
  for (const Formula& f : kFormulas) {
    if (f.op == op && s.in.size() >= f.inputs) return f.operations(s.in, out);
  }
  for (const PerMatrix& f : kPerMatrix) {
    if (f.op == op) return batch(s.in[0], 2) * f.operations(extent(s.in[0], 2), extent(s.in[0], 1));
  }
  double largest = size(out), per_element = 1;
  for (const Operand& o : s.in) largest = std::max(largest, size(o));
  for (const PerElement& f : kPerElement) {
    if (f.op == op) per_element = f.operations;
  }
  return per_element * largest;
}

}  // namespace

double operations(const StepDescription& s) {
  if (is_container(s) || s.kind == "copy" || s.op < 0 || s.out.empty()) return 0;
  double per_value = 1;
  string_view op = op_name(s.op);
  if (is_complexfloating(s.key) && op != "fft") per_value = is_product(op) ? 4 : 2;
  return per_value * real_operations(s);
}

double moved(const StepDescription& s) {
  if (is_container(s)) return 0;
  double read = 0, written = 0;
  for (const Operand& o : s.out) written += static_cast<double>(o.bytes);
  for (const Operand& o : s.in) read += static_cast<double>(o.bytes);
  string_view op = s.op < 0 ? "" : op_name(s.op);
  if ((op == "gather" || op == "gather_axis") && s.kind == "kernel" && !s.in.empty()) {
    // Of what it picks from, it reads what it writes.
    return 2 * written + read - static_cast<double>(s.in[0].bytes);
  }
  return written + read;
}

}  // namespace olivine::profiler
