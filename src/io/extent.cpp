// Reading extents: in parallel chunks from files, in order from other sources.
#include "io/extent.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/node.h"
#include "runtime/thread_pool.h"

namespace olivine {
namespace {

constexpr int64_t kChunk = 4 << 20;  // bytes that one thread reads at a time

// Extents have no inputs, so no derivative or batching can be asked for.
const Op load_op{.name = "load",
                 .key = KernelKey::output,
                 .infer = [](const ParamsRef& p, std::span<const array>) {
                   return p.as<LoadParams>().extent->outs;
                 }};

template <class T>
T reversed(T v) {
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(v);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(v);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(v);
}

template <class T>
void decode_swapped(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  auto* to = static_cast<T*>(out[0]) + first;
  for (int64_t i = 0; i < count; ++i) {
    T v;
    std::memcpy(&v, in + i * int64_t(sizeof(T)), sizeof(T));
    to[i] = reversed(v);
  }
}

void decode_bool(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  auto* to = static_cast<unsigned char*>(out[0]) + first;
  for (int64_t i = 0; i < count; ++i) to[i] = in[i] != 0;
}

constexpr Codec kBool{1, decode_bool};
constexpr Codec kSwap2{2, decode_swapped<uint16_t>};
constexpr Codec kSwap4{4, decode_swapped<uint32_t>};
constexpr Codec kSwap8{8, decode_swapped<uint64_t>};

// Calls body(begin, end) for parts of [0, n): on the pool if the source may be read from there.
template <class F>
void in_chunks(const ByteSource& source, int64_t n, int64_t grain, F&& body) {
  if (source.lasting) return parallel_for(n, grain, body);
  for (int64_t begin = 0; begin < n; begin += grain) body(begin, std::min(n, begin + grain));
}

}  // namespace

void Extent::read(void* const* out) const {
  if (!codec) {
    in_chunks(*source, int64_t(bytes), kChunk, [&](int64_t begin, int64_t end) {
      source->read(offset + uint64_t(begin), static_cast<char*>(out[0]) + begin,
                   size_t(end - begin));
    });
    return;
  }
  // Decoded chunks are small enough to stay in cache between reading and decoding.
  int64_t size = int64_t(codec->block_bytes);
  int64_t grain = std::max<int64_t>(1, (256 << 10) / size);
  in_chunks(*source, int64_t(bytes) / size, grain, [&](int64_t begin, int64_t end) {
    std::vector<unsigned char> stored(size_t((end - begin) * size));
    source->read(offset + uint64_t(begin * size), stored.data(), stored.size());
    codec->decode(stored.data(), begin, end - begin, out);
  });
}

Arrays load_extent(Extent extent) {
  if (extent.source->lasting) {
    auto specs = extent.outs;
    auto params = make_params(LoadParams{std::make_shared<Extent>(std::move(extent))});
    if (specs.size() > 1) return make_nodes(load_op, params, {}, std::move(specs));
    return {make_node(load_op, params, std::span<const array>(), specs[0].shape, specs[0].dtype)};
  }
  Arrays arrays;
  std::vector<void*> out;
  for (const OutSpec& o : extent.outs) {
    uint64_t n = 0;
    storage_size(o.shape, o.dtype.size(), n);
    BufferRef buffer = allocate(n);
    out.push_back(buffer->data);
    arrays.push_back(make_done(std::move(buffer), o.shape, o.dtype));
  }
  if (extent.bytes > 0) extent.read(out.data());
  return arrays;
}

const Codec* storage_codec(Dtype dtype, bool swapped) {
  if (dtype == bool_) return &kBool;
  if (!swapped) return nullptr;
  switch (is_complexfloating(dtype) ? dtype.size() / 2 : dtype.size()) {
    case 2:
      return &kSwap2;
    case 4:
      return &kSwap4;
    case 8:
      return &kSwap8;
    default:
      return nullptr;
  }
}

bool storage_size(const Shape& shape, size_t itemsize, uint64_t& bytes) {
  uint64_t n = 1;
  for (int64_t d : shape) {
    if (d < 0 || __builtin_mul_overflow(n, uint64_t(d), &n)) return false;
  }
  return !__builtin_mul_overflow(n, itemsize, &bytes) && bytes <= uint64_t{INT64_MAX};
}

}  // namespace olivine
