// Attention and its gradient without a matrix of all scores.
//
// FlashAttention 2 (Dao, 2023): tiles of queries meet tiles of keys; a running maximum and sum per
// query make the softmax, and the gradient computes the weights again from the logsumexp. The query
// heads that share a key head are stacked: row r is query r % Tq of head r / Tq of the group.
//
// Scores are held transposed, one row per key with the queries in lanes, so that the softmax needs
// no sums across lanes and only queries have to be transposed.
#include <cstring>

#include "backends/cpu/attention_tiles.h"
#include "backends/cpu/kernels/attention_few-inl.h"
#include "backends/cpu/kernels/shuffles-inl.h"
#include "backends/cpu/kernels/tile_product-inl.h"
#include "backends/cpu/scratch.h"
#include "runtime/thread_pool.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

using namespace attention_tiles;

constexpr int64_t kTask = 1 << 17;  // products of a task

// Packed rows to out[i * kStride + r], with zeros for the lanes up to a whole vector.
void transpose(const float* rows, int64_t count, int64_t n, float* out) {
  constexpr int64_t lanes = kVectorBytes / 4;
  const int64_t width = padded(n);
  for (int64_t r = 0; r < count; r += lanes) {
    for (int64_t i = 0; i < n; i += lanes) {
      Lanes square[lanes];
      for (int64_t k = 0; k < lanes; ++k) {
        square[k] = r + k < count ? load_native<float>(rows + (r + k) * width + i) : Lanes{};
      }
      transpose<float>(square);
      for (int64_t k = 0; k < lanes; ++k) store_native(out + (i + k) * kStride + r, square[k]);
    }
  }
}

template <class T>
struct Attention : AttentionCall {
  int64_t tiles;  // of a key head

  explicit Attention(const KernelCall& call)
      : AttentionCall(call), tiles((rows + kRows - 1) / kRows) {}

  // A tile of rows, and how many keys each of them sees.
  struct Tile {
    Rows of;
    int64_t width;  // rows up to a whole vector
    int32_t visible[kRows];
    int64_t end;  // keys that some row sees
  };

  // Tile t of key head `unit` of all batches.
  Tile tile(int64_t unit, int64_t t) const {
    Tile out;
    const int64_t first = t * kRows;
    out.of = query_rows(unit, first, smaller(kRows, rows - first));
    out.width = padded(out.of.count);
    out.end = params.causal ? 0 : keys;
    for (int64_t r = 0; r < out.width; ++r) {
      const int64_t seen = visible(first + r);
      out.visible[r] = int32_t(seen);
      if (r < out.of.count) out.end = larger(out.end, seen);
    }
    return out;
  }
  // scores[key * kRows + row] of packed keys and transposed queries, masked.
  void score(const Tile& t, const Rows& kr, const float* key_tile, const float* queries_t,
             float* scores) const {
    multiply({key_tile, padded(depth), 1, queries_t, kStride, scores, kRows, kr.count, t.width,
              depth, false});
    if (params.has_mask) {
      for (int64_t r = 0; r < t.of.count; ++r) {
        apply_mask<T>(t.of, r, kr.first, kr.count, scores + r, kRows);
      }
    }
    if (!params.causal) return;
    for (int64_t j = 0; j < kr.count; ++j) {
      const int32_t key = int32_t(kr.first + j);
      float* s = scores + j * kRows;
      for (int64_t r = 0; r < t.width; ++r) s[r] = key < t.visible[r] ? s[r] : kLow;
    }
  }

  // `n` vectors of tops to the largest scores so far. Their chains of comparisons run side by side.
  // A NaN among the scores may be passed over: its weight is NaN, and so is its row's output.
  template <int n>
  static void raise_tops(const float* scores, int64_t count, float* top) {
    constexpr int64_t lanes = kVectorBytes / 4;
    Lanes m[n];
    for (int i = 0; i < n; ++i) m[i] = load_native<float>(top + i * lanes);
    for (int64_t j = 0; j < count; ++j) {
#pragma GCC unroll 4
      for (int i = 0; i < n; ++i) {
        const Lanes s = load_native<float>(scores + j * kRows + i * lanes);
        m[i] = s > m[i] ? s : m[i];
      }
    }
    for (int i = 0; i < n; ++i) store_native(top + i * lanes, m[i]);
  }

  // Scores to exp(score - new maximum); what the old sums and outputs must be scaled by is left in
  // `factor`.
  static void online_softmax(float* scores, int64_t count, int64_t width, float* top, float* sum,
                             float* factor) {
    constexpr int64_t lanes = kVectorBytes / 4;
    std::memcpy(factor, top, sizeof(float) * static_cast<size_t>(width));
    int64_t done = 0;
    for (; done + 4 * lanes <= width; done += 4 * lanes) {
      raise_tops<4>(scores + done, count, top + done);
    }
    for (; done < width; done += lanes) raise_tops<1>(scores + done, count, top + done);
    for (int64_t r = 0; r < width; r += lanes) {
      const Lanes m = load_native<float>(top + r);
      const Lanes base = m == kLow ? Lanes{} : m;
      const Lanes scale = weight_of(load_native<float>(factor + r) - base);
      Lanes total = load_native<float>(sum + r) * scale;
      for (int64_t j = 0; j < count; ++j) {
        const Lanes e = weight_of(load_native<float>(scores + j * kRows + r) - base);
        store_native(scores + j * kRows + r, e);
        total = total + e;
      }
      store_native(sum + r, total);
      store_native(factor + r, scale);
    }
  }

  static void scale_rows(float* x, int64_t count, int64_t width, const float* factor) {
    for (int64_t r = 0; r < count; ++r, x += width) {
      if (factor[r] == 1) continue;
      for (int64_t i = 0; i < width; ++i) x[i] *= factor[r];
    }
  }

  void start(const Tile& t, float* top, float* sum) const {
    for (int64_t r = 0; r < kRows; ++r) {
      top[r] = r < t.of.count ? sink<T>(t.of, r) : kLow;
      sum[r] = top[r] == kLow ? 0 : 1;
    }
  }

  // How many tiles of queries meet the same packed keys: reading and packing those costs as much as
  // the products of one tile. What the tiles remember stays in cache, and many tasks remain.
  int64_t shared_tiles() const { return depths().shared(batches * key_heads * tiles); }
  Depths depths() const { return {padded(depth), padded(value_depth)}; }

  // A tile of queries and what it remembers of the keys so far.
  struct Running {
    Tile tile;
    float *queries_t, *o;
    alignas(64) float top[kRows], sum[kRows];
  };

  // Tiles `index` to `index + count` of key head `unit`.
  void forward_tiles(int64_t unit, int64_t index, int64_t count, float* scratch, T* out,
                     float* lse) const {
    const int64_t d = padded(depth), dv = padded(value_depth);
    float* rows_q = scratch;
    float* rows_k = rows_q + kRows * d;
    float* rows_v = rows_k + kMostKeys * d;
    float* scores = rows_v + kMostKeys * dv;
    float* next = scores + kRows * kMostKeys;
    Running running[kShare];
    int64_t end = 0;
    for (int64_t i = 0; i < count; ++i, next += kStride * d + kRows * dv) {
      Running& r = running[i];
      r.tile = tile(unit, index + i);
      r.queries_t = next, r.o = next + kStride * d;
      pack<T>(q, r.tile.of, depth, float(params.scale), rows_q);
      transpose(rows_q, r.tile.of.count, depth, r.queries_t);
      start(r.tile, r.top, r.sum);
      fill(r.o, r.tile.of.count * dv, 0.f);
      end = larger(end, r.tile.end);
    }
    const int64_t together = end <= kMostKeys ? kMostKeys : kKeys;
    for (int64_t first = 0; first < end; first += together) {
      const Rows kr = key_rows(unit, first, smaller(together, end - first));
      with_stored<T>(stored, [&](auto kind) {
        pack<decltype(kind)>(k, kr, depth, 1, rows_k);
        pack<decltype(kind)>(v, kr, value_depth, 1, rows_v);
      });
      for (int64_t i = 0; i < count; ++i) meet(running[i], kr, rows_k, rows_v, scores);
    }
    for (int64_t i = 0; i < count; ++i) finish(running[i], unit, out, lse);
  }

  // Adds what the queries see of packed keys and values.
  void meet(Running& r, Rows kr, const float* rows_k, const float* rows_v, float* scores) const {
    const Tile& t = r.tile;
    kr.count = smaller(kr.count, t.end - kr.first);
    if (kr.count <= 0) return;
    const int64_t d_v = padded(value_depth), n = t.of.count;
    alignas(64) float factor[kRows];
    score(t, kr, rows_k, r.queries_t, scores);
    online_softmax(scores, kr.count, t.width, r.top, r.sum, factor);
    if (kr.first > 0) scale_rows(r.o, n, d_v, factor);
    multiply({scores, 1, kRows, rows_v, d_v, r.o, d_v, n, d_v, kr.count, true});
  }

  void finish(const Running& r, int64_t unit, T* out, float* lse) const {
    const int64_t n = r.tile.of.count, at = unit * rows + r.tile.of.first;
    float factor[kRows];
    for (int64_t i = 0; i < n; ++i) {
      factor[i] = r.sum[i] == 0 ? 0 : 1 / r.sum[i];
      lse[at + i] = r.top[i] == kLow ? kLow : r.top[i] + __builtin_logf(r.sum[i]);
    }
    scale_rows(r.o, n, padded(value_depth), factor);
    unpack(r.o, n, value_depth, out + at * value_depth);
  }

  static void forward(const KernelCall& call) {
    const Attention a(call);
    if (a.rows <= kFewRows) return attend_few<T>(a, call.out[0].as<T>(), call.out[1].as<float>());
    const int64_t shared = a.shared_tiles(), groups = (a.tiles + shared - 1) / shared;
    const int64_t work = shared * kRows * larger(1, a.keys) * larger(1, a.depth + a.value_depth);
    const int64_t grain = larger(1, kTask / work);
    parallel_for(a.batches * a.key_heads * groups, grain, [&](int64_t b, int64_t e) {
      ScratchBytes scratch(a.depths().forward_floats(shared), sizeof(float));
      for (; b < e; ++b) {
        const int64_t index = b % groups * shared;
        a.forward_tiles(b / groups, index, smaller(shared, a.tiles - index),
                        static_cast<float*>(scratch.data()), call.out[0].as<T>(),
                        call.out[1].as<float>());
      }
    });
  }

  // ---- The gradient.

  // Scratch of one task.
  struct Space {
    float *rows_q, *rows_qt, *rows_ct, *rows_ctt, *rows_k, *rows_v, *scores, *slopes, *dq, *dk, *dv;
    Space(const Attention& a, float* p) {
      const int64_t d = padded(a.depth), w = padded(a.value_depth);
      auto take = [&](int64_t n) {
        float* part = p;
        p += n;
        return part;
      };
      rows_q = take(kRows * d), rows_qt = take(kStride * d), dq = take(kRows * d);
      rows_ct = take(kRows * w), rows_ctt = take(kStride * w);
      rows_k = take(kKeys * d), rows_v = take(kKeys * w);
      scores = take(kRows * kKeys), slopes = take(kRows * kKeys);
      dk = take(a.keys * d), dv = take(a.keys * w);
    }
  };

  // delta = the sum of o * ct along each row; lse of rows that see nothing becomes 0, so that their
  // weights are 0.
  void row_terms(const Tile& t, const Operand& o, const Operand& lse, const Space& s, float* delta,
                 float* base) const {
    const int64_t w = padded(value_depth);
    pack<T>(o, t.of, value_depth, 1, s.rows_ctt);  // free until the cotangent is transposed
    for (int64_t r = 0; r < kRows; ++r) {
      delta[r] = base[r] = 0;
      if (r >= t.of.count) continue;
      Wide<float> sum = broadcast<float>(0);
      for (int64_t i = 0; i < w; i += L) {
        const auto part = [&](const float* rows) {
          const float* p = rows + r * w + i;
          return i + L <= w ? load<float>(p) : load_first<float>(p, w - i, 0.f);
        };
        Wide<float> x = part(s.rows_ctt), y = part(s.rows_ct);
        x = map(x, y, [](Lanes a, Lanes b) { return a * b; });
        sum = map(sum, x, [](Lanes a, Lanes b) { return a + b; });
      }
      delta[r] = fold_lanes(sum, [](float a, float b) { return a + b; });
      base[r] = static_cast<const float*>(lse.data)[t.of.offset(lse, r)];
      if (base[r] == kLow) base[r] = 0;
    }
  }

  // f(x, y, terms) for each vector of a tile: x, y its places in `scores` and `slopes`.
  template <class F>
  static void each_vector(const Space& s, int64_t count, int64_t width, const float* terms, F f) {
    constexpr int64_t lanes = kVectorBytes / 4;
    for (int64_t j = 0; j < count; ++j) {
      for (int64_t r = 0; r < width; r += lanes) {
        const int64_t at = j * kRows + r;
        f(s.scores + at, s.slopes + at, load_native<float>(terms + r));
      }
    }
  }

  void backward_tile(int64_t unit, int64_t index, const Operand& o, const Operand& lse,
                     const Operand& ct, const Space& s, T* out) const {
    const Tile t = tile(unit, index);
    const int64_t d = padded(depth), w = padded(value_depth), n = t.of.count;
    alignas(64) float delta[kRows], base[kRows];
    pack<T>(q, t.of, depth, float(params.scale), s.rows_q);
    pack<T>(ct, t.of, value_depth, 1, s.rows_ct);
    row_terms(t, o, lse, s, delta, base);
    transpose(s.rows_q, n, depth, s.rows_qt);
    transpose(s.rows_ct, n, value_depth, s.rows_ctt);
    fill(s.dq, n * d, 0.f);
    for (int64_t first = 0; first < t.end; first += kKeys) {
      const Rows kr = key_rows(unit, first, smaller(kKeys, t.end - first));
      const int64_t m = kr.count;
      pack<T>(k, kr, depth, 1, s.rows_k);
      pack<T>(v, kr, value_depth, 1, s.rows_v);
      score(t, kr, s.rows_k, s.rows_qt, s.scores);
      each_vector(s, m, t.width, base, [](float* x, float*, Lanes b) {
        store_native(x, weight_of(load_native<float>(x) - b));
      });
      multiply({s.scores, kRows, 1, s.rows_ct, w, s.dv + first * w, w, m, w, n, true});
      multiply(
          {s.rows_v, w, 1, s.rows_ctt, kStride, s.slopes, kRows, m, t.width, value_depth, false});
      each_vector(s, m, t.width, delta, [](float* x, float* y, Lanes b) {
        store_native(y, load_native<float>(x) * (load_native<float>(y) - b));
      });
      multiply({s.slopes, kRows, 1, s.rows_q, d, s.dk + first * d, d, m, d, n, true});
      multiply({s.slopes, 1, kRows, s.rows_k, d, s.dq, d, n, d, m, true});
    }
    for (int64_t i = 0; i < n * d; ++i) s.dq[i] *= float(params.scale);
    unpack(s.dq, n, depth, out + (unit * rows + t.of.first) * depth);
  }

  static void backward(const KernelCall& call) {
    const Attention a(call);
    const size_t last = call.in.size() - 1;
    const Operand o(call.in[last - 2]), lse(call.in[last - 1]), ct(call.in[last]);
    const int64_t work = a.rows * larger(1, a.keys) * larger(1, a.depth + a.value_depth);
    const int64_t grain = larger(1, kTask / larger(1, work));
    parallel_for(a.batches * a.key_heads, grain, [&](int64_t b, int64_t e) {
      ScratchBytes scratch(a.depths().backward_floats(a.keys), sizeof(float));
      const Space s(a, static_cast<float*>(scratch.data()));
      for (; b < e; ++b) {
        fill(s.dk, a.keys * padded(a.depth), 0.f);
        fill(s.dv, a.keys * padded(a.value_depth), 0.f);
        for (int64_t t = 0; t < a.tiles; ++t) {
          a.backward_tile(b, t, o, lse, ct, s, call.out[0].as<T>());
        }
        unpack(s.dk, a.keys, a.depth, call.out[1].as<T>() + b * a.keys * a.depth);
        unpack(s.dv, a.keys, a.value_depth, call.out[2].as<T>() + b * a.keys * a.value_depth);
      }
    });
  }
};

template <class T>
void add(KernelTable& table, Dtype dtype) {
  table.add("attention", dtype, {.run = Attention<T>::forward});
  table.add("attention_vjp", dtype, {.run = Attention<T>::backward});
}

}  // namespace

void register_attention(KernelTable& table) {
  add<float16_t>(table, float16);
  add<bfloat16_t>(table, bfloat16);
  add<float>(table, float32);
}

}  // namespace olivine::cpu::OLIVINE_ISA
