// Winograd's transforms, a vector of channels at a time.
#include "backends/cpu/gemm/winograd.h"

#include "backends/cpu/gemm/vector-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

using Lanes = Vec<float>;
constexpr int64_t kWidth = kLanes<float>;

void transform_input(const WinogradInputArgs& args) {
  const int64_t step = args.position_step;
  for (int64_t t = 0; t < args.tiles; ++t) {
    for (int64_t c = 0; c < args.width; c += kWidth) {
      const int64_t at = 2 * t * step + c;
      Lanes rows[4][4];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Lanes d0 = load(args.lines[0] + at + j * step);
        const Lanes d1 = load(args.lines[1] + at + j * step);
        const Lanes d2 = load(args.lines[2] + at + j * step);
        const Lanes d3 = load(args.lines[3] + at + j * step);
        rows[0][j] = d0 - d2;
        rows[1][j] = d1 + d2;
        rows[2][j] = d2 - d1;
        rows[3][j] = d1 - d3;
      }
      float* out = args.out + t * args.out_step + c;
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i, out += 4 * args.plane) {
        const Lanes* r = rows[i];
        store(out, r[0] - r[2]);
        store(out + args.plane, r[1] + r[2]);
        store(out + 2 * args.plane, r[2] - r[1]);
        store(out + 3 * args.plane, r[1] - r[3]);
      }
    }
  }
}

inline void expand(Lanes a, Lanes b, Lanes c, Lanes (&to)[4]) {
  const Lanes half = broadcast(0.5f), outer = a + c;
  to[0] = a;
  to[1] = (outer + b) * half;
  to[2] = (outer - b) * half;
  to[3] = c;
}

void transform_weight(const WinogradWeightArgs& args) {
  for (int64_t at = 0; at < args.count; at += kWidth) {
    Lanes columns[3][4];
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
      const float* g = args.taps + j * args.count + at;
      expand(load(g), load(g + 3 * args.count), load(g + 6 * args.count), columns[j]);
    }
    float* out = args.terms + at;
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      Lanes row[4];
      expand(columns[0][i], columns[1][i], columns[2][i], row);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j, out += args.plane) store(out, row[j]);
    }
  }
}

// The four outputs of a vector of channels.
inline void contract(const float* terms, int64_t plane, Lanes (&out)[2][2]) {
  Lanes rows[2][4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const float* m = terms + j * plane;
    const Lanes m0 = load(m), m1 = load(m + 4 * plane), m2 = load(m + 8 * plane),
                m3 = load(m + 12 * plane);
    rows[0][j] = m0 + m1 + m2;
    rows[1][j] = m1 - m2 - m3;
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    out[i][0] = rows[i][0] + rows[i][1] + rows[i][2];
    out[i][1] = rows[i][1] - rows[i][2] - rows[i][3];
  }
}

void transform_output(const WinogradOutputArgs& args) {
  for (int64_t p = 0; p < args.positions; p += 2) {
    const float* terms = args.terms + p / 2 * args.tile_step;
    const int64_t columns = min(2, args.positions - p);
    for (int64_t o = 0; o < args.channels; o += kWidth) {
      Lanes out[2][2];
      contract(terms + o, args.plane, out);
      const int64_t count = min(kWidth, args.channels - o);
      for (int i = 0; i < 2 && args.lines[i]; ++i) {
        for (int64_t j = 0; j < columns; ++j) {
          float* to = args.lines[i] + (p + j) * args.position_step + o;
          count == kWidth ? store(to, out[i][j]) : store_some(to, out[i][j], count);
        }
      }
    }
  }
}

// At most the first `count` lanes are read.
inline Lanes load_first(const float* p, int64_t count) {
  return count >= kWidth ? load(p) : load_some(p, count);
}
// The transpose of contract() for one line.
inline void spread_out(Lanes a, Lanes b, Lanes (&to)[4]) {
  to[0] = a;
  to[1] = a + b;
  to[2] = a - b;
  to[3] = -b;
}

void transform_cotangent(const WinogradCotangentArgs& args) {
  for (int64_t p = 0; p < args.positions; p += 2) {
    for (int64_t o = 0; o < args.channels; o += kWidth) {
      Lanes columns[2][4];
      for (int64_t j = 0; j < 2; ++j) {
        Lanes y[2] = {};
        for (int64_t i = 0; i < 2 && args.lines[i] && p + j < args.positions; ++i) {
          y[i] = load_first(args.lines[i] + (p + j) * args.channels + o, args.channels - o);
        }
        spread_out(y[0], y[1], columns[j]);
      }
      float* out = args.out + p / 2 * args.out_step + o;
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        Lanes row[4];
        spread_out(columns[0][i], columns[1][i], row);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j, out += args.plane) store(out, row[j]);
      }
    }
  }
}

// The transpose of expand().
inline void gather_in(Lanes a, Lanes b, Lanes c, Lanes d, Lanes (&to)[3]) {
  const Lanes half = broadcast(0.5f), sum = (b + c) * half;
  to[0] = a + sum;
  to[1] = (b - c) * half;
  to[2] = sum + d;
}

void transform_gradient(const WinogradGradientArgs& args) {
  for (int64_t at = 0; at < args.count; at += kWidth) {
    const int64_t count = args.count - at;
    Lanes columns[4][3];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      Lanes m[4];
      for (int i = 0; i < 4; ++i) {
        m[i] = load_first(args.terms + (4 * i + j) * args.plane + at, count);
      }
      gather_in(m[0], m[1], m[2], m[3], columns[j]);
    }
    float* to = args.taps + at;
    for (int i = 0; i < 3; ++i) {
      Lanes row[3];
      gather_in(columns[0][i], columns[1][i], columns[2][i], columns[3][i], row);
      for (int j = 0; j < 3; ++j, to += args.count) {
        count >= kWidth ? store(to, row[j]) : store_some(to, row[j], count);
      }
    }
  }
}

}  // namespace

const WinogradKernels winograd_kernels = {transform_input, transform_weight, transform_output,
                                          transform_cotangent, transform_gradient};

}  // namespace olivine::cpu::OLIVINE_ISA
