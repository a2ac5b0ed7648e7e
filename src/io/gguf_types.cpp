// The table of GGUF's tensor types, and the decoders that make arrays of their blocks.
#include <cstring>

#include "io/gguf.h"

namespace olivine::gguf {
namespace {

template <int values, int bytes, BlockDecoder decode>
void to_half(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  auto* to = static_cast<float16_t*>(out[0]) + first * values;
  float y[values];
  for (int64_t i = 0; i < count; ++i, in += bytes, to += values) {
    decode(in, y);
    for (int j = 0; j < values; ++j) to[j] = to_float16(y[j]);
  }
}

template <int values, int bytes, BlockDecoder decode>
void to_single(const unsigned char* in, int64_t first, int64_t count, void* const* out) {
  auto* to = static_cast<float*>(out[0]) + first * values;
  for (int64_t i = 0; i < count; ++i, in += bytes, to += values) decode(in, to);
}

constexpr Type plain(uint32_t id, std::string_view name, Dtype t) {
  auto size = uint32_t(t.size());
  return {id, name, 1, size, Form::plain, t, {}, {}, {}, {}};
}
template <int values, int bytes, BlockDecoder decode>
constexpr Type decoded(uint32_t id, std::string_view name) {
  Codec half{bytes, to_half<values, bytes, decode>};
  Codec single{bytes, to_single<values, bytes, decode>};
  return {id, name, values, bytes, Form::decoded, float16, half, single, {}, {}};
}
using Pack = decltype(Codec::decode);
// As quantize() packs, and without loss.
constexpr Type packed(uint32_t id, std::string_view name, uint32_t bytes, int bits, Pack pack,
                      QuantMode mode, Pack keep) {
  Packing packing{{QuantMode::affine, 32, bits}, {bytes, pack}};
  Packing kept{{mode, 32, bits}, {bytes, keep}};
  return {id, name, 32, bytes, Form::packed, float16, {}, {}, packing, kept};
}
constexpr Type packable(Type type, QuantMode mode, int group_size, int bits, Pack pack) {
  type.form = Form::packable;
  type.kept = {{mode, group_size, bits}, {type.bytes, pack}};
  return type;
}
constexpr Type unreadable(uint32_t id, std::string_view name) {
  return {id, name, 1, 1, Form::unreadable, float16, {}, {}, {}, {}};
}
constexpr auto kAffine = QuantMode::affine, kSymmetric = QuantMode::symmetric;
constexpr auto kNested = QuantMode::k, kNestedSymmetric = QuantMode::k_symmetric;

// Q8_1 holds intermediate results and is in no file; the others of the unreadable ones are retired.
constexpr Type kTypes[] = {
    plain(0, "F32", float32),
    plain(1, "F16", float16),
    packed(2, "Q4_0", 18, 4, pack_q4_0, kSymmetric, keep_q4_0),
    packed(3, "Q4_1", 20, 4, pack_q4_1, kAffine, pack_q4_1),
    unreadable(4, "Q4_2"),
    unreadable(5, "Q4_3"),
    packable(decoded<32, 22, decode_q5_0>(6, "Q5_0"), kSymmetric, 32, 5, pack_q5_0),
    packable(decoded<32, 24, decode_q5_1>(7, "Q5_1"), kAffine, 32, 5, pack_q5_1),
    packed(8, "Q8_0", 34, 8, pack_q8_0, kSymmetric, keep_q8_0),
    unreadable(9, "Q8_1"),
    packable(decoded<256, 84, decode_q2_k>(10, "Q2_K"), kNested, 16, 2, pack_q2_k),
    packable(decoded<256, 110, decode_q3_k>(11, "Q3_K"), kNestedSymmetric, 16, 3, pack_q3_k),
    packable(decoded<256, 144, decode_q4_k>(12, "Q4_K"), kNested, 32, 4, pack_q4_k),
    packable(decoded<256, 176, decode_q5_k>(13, "Q5_K"), kNested, 32, 5, pack_q5_k),
    packable(decoded<256, 210, decode_q6_k>(14, "Q6_K"), kNestedSymmetric, 16, 6, pack_q6_k),
    decoded<256, 292, decode_q8_k>(15, "Q8_K"),
    decoded<256, 66, decode_iq2_xxs>(16, "IQ2_XXS"),
    decoded<256, 74, decode_iq2_xs>(17, "IQ2_XS"),
    decoded<256, 98, decode_iq3_xxs>(18, "IQ3_XXS"),
    decoded<256, 50, decode_iq1_s>(19, "IQ1_S"),
    decoded<32, 18, decode_iq4_nl>(20, "IQ4_NL"),
    decoded<256, 110, decode_iq3_s>(21, "IQ3_S"),
    decoded<256, 82, decode_iq2_s>(22, "IQ2_S"),
    decoded<256, 136, decode_iq4_xs>(23, "IQ4_XS"),
    plain(24, "I8", int8),
    plain(25, "I16", int16),
    plain(26, "I32", int32),
    plain(27, "I64", int64),
    plain(28, "F64", float64),
    decoded<256, 56, decode_iq1_m>(29, "IQ1_M"),
    plain(30, "BF16", bfloat16),
    unreadable(31, "Q4_0_4_4"),
    unreadable(32, "Q4_0_4_8"),
    unreadable(33, "Q4_0_8_8"),
    decoded<256, 54, decode_tq1_0>(34, "TQ1_0"),
    decoded<256, 66, decode_tq2_0>(35, "TQ2_0"),
    unreadable(36, "IQ4_NL_4_4"),
    unreadable(37, "IQ4_NL_4_8"),
    unreadable(38, "IQ4_NL_8_8"),
    decoded<32, 17, decode_mxfp4>(39, "MXFP4"),
    unreadable(40, "NVFP4"),
    unreadable(41, "Q1_0"),
};

}  // namespace

const Type* find_type(uint32_t id) { return id < std::size(kTypes) ? &kTypes[id] : nullptr; }

}  // namespace olivine::gguf
