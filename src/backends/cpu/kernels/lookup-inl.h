// Exponentials, tanh and erf of floats on AVX-512 registers.
//
// tanh and erf: the positive axis is cut into intervals of one width, each with a polynomial, and
// the coefficients are permuted out of registers by the interval's number: a third of the work of
// formulas that hold on all of the axis. Where the function rounds to 1 the last interval is
// constant. Fitted by weighted least squares that approach the minimax, coefficients rounded to
// floats one by one.
//
// exp: a permutation is not needed; scaling by 2^n is an instruction here, right down to
// subnormals.
//
// A tail is a masked vector, so it gives the same bits as the body.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backends/cpu/kernels/half-inl.h"

namespace olivine::cpu::OLIVINE_ISA {
namespace {

#define OLIVINE_LANES [[gnu::always_inline]] inline

// GCC 12 takes the unmasked forms of some intrinsics for uses of uninitialized variables.
constexpr __mmask16 kAll = 0xffff;

OLIVINE_LANES __m512 all_lanes_of(float x) { return _mm512_set1_ps(x); }
OLIVINE_LANES __m512 magnitude_of(__m512 x) { return _mm512_abs_ps(x); }
OLIVINE_LANES __m512 with_sign(__m512 magnitude, __m512 x) {
  return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
      _mm512_castps_si512(magnitude), _mm512_castps_si512(x), _mm512_set1_epi32(INT32_MIN), 0xd8));
}

// Interval i is centred on i * width. The polynomial is in the distance d from there: of f, but in
// interval 0 of (f(d) - d) / d, times d.
struct ErfTable {
  static constexpr int degree = 5;
  static constexpr float per_unit = 8.f, width = 0.125f, last = 3.9f;
  alignas(64) static constexpr float c[degree + 1][32] = {
      {0.f,          0.140316203f, 0.276326388f, 0.404116899f, 0.520499885f, 0.623240888f,
       0.711155653f, 0.784075081f, 0.842700779f, 0.888388216f, 0.92290014f,  0.948170066f,
       0.966105163f, 0.978443742f, 0.986671686f, 0.99199003f,  0.995322287f, 0.997345984f,
       0.998537302f, 0.999217033f, 0.999593019f, 0.999794602f, 0.999899387f, 0.999952137f,
       0.999977887f, 0.999990106f, 0.999995708f, 0.999998212f, 0.999999285f, 0.999999702f,
       0.999999881f, 1.f},
      {0.128379166f,    1.11088526f,     1.06001413f,     0.980352819f,
       0.87878257f,     0.763499558f,    0.642931044f,    0.524745047f,
       0.415107489f,    0.318273962f,    0.236521125f,    0.170359775f,
       0.118930288f,    0.0804722607f,   0.0527749956f,   0.0335458294f,
       0.0206669848f,   0.0123408204f,   0.00714231888f,  0.004006478f,
       0.00217828434f,  0.0011478751f,   0.000586277281f, 0.000290228287f,
       0.000139253054f, 6.47586858e-05f, 2.91890265e-05f, 1.27517424e-05f,
       5.39942721e-06f, 2.21592063e-06f, 8.81432356e-07f, 0.f},
      {0.f,
       -0.138860464f,
       -0.265003175f,
       -0.367631882f,
       -0.439390868f,
       -0.477186859f,
       -0.48219806f,
       -0.459151834f,
       -0.415107548f,
       -0.358058333f,
       -0.295651585f,
       -0.234244883f,
       -0.178395599f,
       -0.130767539f,
       -0.0923563167f,
       -0.0628984645f,
       -0.0413339734f,
       -0.0262242276f,
       -0.0160701927f,
       -0.00951535814f,
       -0.00544568663f,
       -0.00301315286f,
       -0.00161224825f,
       -0.000834396516f,
       -0.000417752803f,
       -0.000202366995f,
       -9.48620655e-05f,
       -4.30358668e-05f,
       -1.88973245e-05f,
       -8.03237072e-06f,
       -3.30520447e-06f,
       0.f},
      {-0.37612617f,    -0.358724743f,   -0.309172004f,   -0.234877259f,
       -0.146464676f,   -0.0556725785f,  0.0267882291f,   0.0929232016f,
       0.138368919f,    0.162452206f,    0.167535782f,    0.157937765f,
       0.138752118f,    0.114840746f,    0.0901573971f,   0.0674411803f,
       0.0482230261f,   0.033037439f,    0.021724565f,    0.0137305316f,
       0.00835007988f,  0.00489041395f,  0.00276037701f,  0.00150252646f,
       0.000789093552f, 0.000400014949f, 0.000195806628f, 9.25811109e-05f,
       4.2294454e-05f,  1.86731831e-05f, 7.96930908e-06f, 0.f},
      {0.f,
       0.0685755536f,
       0.126743987f,
       0.166290224f,
       0.182786778f,
       0.176217765f,
       0.150529578f,
       0.112335801f,
       0.0692114532f,
       0.0280641951f,
       -0.00603471184f,
       -0.0303708427f,
       -0.0444856584f,
       -0.0496344008f,
       -0.048049666f,
       -0.042235788f,
       -0.0344422609f,
       -0.0263714623f,
       -0.0191003773f,
       -0.0131514473f,
       -0.00863876846f,
       -0.00542746019f,
       -0.00326782884f,
       -0.001888445f,
       -0.00104872673f,
       -0.000560227723f,
       -0.000288115873f,
       -0.000142747551f,
       -6.81744059e-05f,
       -3.14007411e-05f,
       -1.39545664e-05f,
       0.f},
      {0.112680689f,    0.104364552f,    0.0802344754f,   0.0456714518f,
       0.00753091881f,  -0.0272056758f,  -0.0530512668f,  -0.0670571402f,
       -0.0690708458f,  -0.0612595193f,  -0.0471633449f,  -0.0306247883f,
       -0.01490793f,    -0.00218550349f, 0.00657612504f,  0.0114238262f,
       0.013062804f,    0.0124809137f,   0.0106524667f,   0.00835836492f,
       0.00612158608f,  0.0042231991f,   0.00276085315f,  0.00171739317f,
       0.0010196002f,   0.000579046027f, 0.000315127516f, 0.000164570098f,
       8.25714742e-05f, 3.98367993e-05f, 1.85007193e-05f, 0.f},
  };
};
struct TanhTable {
  static constexpr int degree = 6;
  static constexpr float per_unit = 3.5f, width = 2.f / 7, last = 8.9f;
  alignas(64) static constexpr float c[degree + 1][32] = {
      {0.f,          0.278185517f, 0.516407669f, 0.694782674f, 0.815373957f, 0.891373456f,
       0.93717128f,  0.964027584f, 0.979525447f, 0.988385856f, 0.993424654f, 0.996281505f,
       0.9978984f,   0.998812616f, 0.999329329f, 0.999621212f, 0.999786079f, 0.999879181f,
       0.999931753f, 0.999961495f, 0.999978244f, 0.999987721f, 0.999993086f, 0.999996066f,
       0.999997795f, 0.999998748f, 0.999999285f, 0.999999583f, 0.999999762f, 0.999999881f,
       0.99999994f,  1.f},
      {-1.40901335e-08f, 0.922612846f,    0.733323157f,    0.517277002f,
       0.335165292f,     0.205453306f,    0.121710017f,    0.0706508085f,
       0.0405299328f,    0.0230933409f,   0.0131074078f,   0.00742322113f,
       0.0041988208f,    0.00237332075f,  0.00134095026f,  0.000757479982f,
       0.000427833205f,  0.000241627669f, 0.000136458693f, 7.70629849e-05f,
       4.35195907e-05f,  2.4576535e-05f,  1.38788882e-05f, 7.83768337e-06f,
       4.42608916e-06f,  2.49949517e-06f, 1.41151088e-06f, 7.97106054e-07f,
       4.5014022e-07f,   2.54202405e-07f, 1.43552683e-07f, 0.f},
      {0.f,
       -0.256657362f,
       -0.378693789f,
       -0.359395176f,
       -0.273285061f,
       -0.183135629f,
       -0.114063129f,
       -0.0681093335f,
       -0.0397000983f,
       -0.0228251312f,
       -0.0130212223f,
       -0.00739561766f,
       -0.00418999651f,
       -0.0023705028f,
       -0.00134005083f,
       -0.000757193076f,
       -0.000427741674f,
       -0.000241598464f,
       -0.00013644938f,
       -7.70600163e-05f,
       -4.35186448e-05f,
       -2.4576233e-05f,
       -1.38787918e-05f,
       -7.83765245e-06f,
       -4.42607916e-06f,
       -2.49949176e-06f,
       -1.4115094e-06f,
       -7.97106054e-07f,
       -4.50140107e-07f,
       -2.54202376e-07f,
       -1.4355183e-07f,
       0.f},
      {-0.333320856f,   -0.236137137f,   -0.0488917902f,  0.0772712678f,
       0.111108847f,    0.0947594419f,   0.0663274825f,   0.0421092436f,
       0.0253773015f,   0.0148622235f,   0.00856643077f,  0.00489368336f,
       0.00278156693f,  0.00157657103f,  0.000892162672f, 0.000504409429f,
       0.000285037153f, 0.000161025615f, 9.095321e-05f,   5.13690247e-05f,
       2.90109656e-05f, 1.63836376e-05f, 9.25233689e-06f, 5.22502432e-06f,
       2.95068617e-06f, 1.66630889e-06f, 9.41003179e-07f, 5.31396438e-07f,
       3.00098748e-07f, 1.69463803e-07f, 9.57024113e-08f, 0.f},
      {0.f,
       0.151215613f,
       0.151487172f,
       0.0661184043f,
       0.000502286013f,
       -0.0234202426f,
       -0.0241391361f,
       -0.0178914387f,
       -0.0116244154f,
       -0.00708128279f,
       -0.00416972628f,
       -0.00241029775f,
       -0.0013790658f,
       -0.000784537289f,
       -0.000444884034f,
       -0.000251822581f,
       -0.000142396661f,
       -8.04739393e-05f,
       -4.5464225e-05f,
       -2.56805652e-05f,
       -1.45042077e-05f,
       -8.19141042e-06f,
       -4.62602975e-06f,
       -2.61244395e-06f,
       -1.47533331e-06f,
       -8.33183321e-07f,
       -4.70555506e-07f,
       -2.65663715e-07f,
       -1.50052827e-07f,
       -8.47358876e-08f,
       -4.79727937e-08f,
       0.f},
      {0.131697357f,    0.056925863f,    -0.0445424952f,  -0.0597473532f,
       -0.0301041305f,  -0.00630497327f, 0.00313901249f,  0.00475770747f,
       0.00382581935f,  0.00256153522f,  0.0015816947f,   0.000937667442f,
       0.000543944247f, 0.000311821263f, 0.000177581023f, 0.000100759818f,
       5.70531593e-05f, 3.22676497e-05f, 1.82376116e-05f, 1.03040511e-05f,
       5.82043958e-06f, 3.28743477e-06f, 1.85654756e-06f, 1.04852563e-06f,
       5.92133972e-07f, 3.34532672e-07f, 1.88684041e-07f, 1.06769903e-07f,
       6.00423462e-08f, 3.41409212e-08f, 1.92213356e-08f, 0.f},
      {0.f,
       -0.0704132691f,
       -0.0357816778f,
       0.0112287654f,
       0.0180937964f,
       0.00926090963f,
       0.00254155532f,
       -0.000138757387f,
       -0.000750798208f,
       -0.000674258161f,
       -0.00046761593f,
       -0.000293098623f,
       -0.000175021327f,
       -0.000101913953f,
       -5.8541631e-05f,
       -3.33761345e-05f,
       -1.89497096e-05f,
       -1.07333508e-05f,
       -6.071597e-06f,
       -3.43221063e-06f,
       -1.93978326e-06f,
       -1.09579094e-06f,
       -6.19115042e-07f,
       -3.50398977e-07f,
       -1.97266488e-07f,
       -1.1056084e-07f,
       -6.11970705e-08f,
       -3.65345905e-08f,
       -1.98892156e-08f,
       -1.11974972e-08f,
       -2.25980279e-09f,
       0.f},
  };
};

// An odd function by its table.
template <class Table>
struct Lookup {
  __m512 c[Table::degree + 1][2];

  OLIVINE_LANES Lookup() {
    for (int k = 0; k <= Table::degree; ++k) {
      for (int h = 0; h < 2; ++h) c[k][h] = _mm512_load_ps(Table::c[k] + 16 * h);
    }
  }
  OLIVINE_LANES __m512 operator()(__m512 x) const {
    // The second operand of a minimum is the result where one is NaN.
    const __m512 a = _mm512_maskz_min_ps(kAll, all_lanes_of(Table::last), magnitude_of(x));
    const __m512 magic = all_lanes_of(12582912.f);  // 1.5 * 2^23: adding it rounds to an integer
    const __m512 t = _mm512_fmadd_ps(a, all_lanes_of(Table::per_unit), magic);
    const __m512 d = _mm512_fnmadd_ps(_mm512_sub_ps(t, magic), all_lanes_of(Table::width), a);
    const __m512i i = _mm512_castps_si512(t);  // the low five bits count
    __m512 r = _mm512_permutex2var_ps(c[Table::degree][0], i, c[Table::degree][1]);
#pragma GCC unroll 8
    for (int k = Table::degree - 1; k > 0; --k) {
      r = _mm512_fmadd_ps(r, d, _mm512_permutex2var_ps(c[k][0], i, c[k][1]));
    }
    const __mmask16 first = _mm512_cmpeq_ps_mask(t, magic);
    const __m512 centre = _mm512_permutex2var_ps(c[0][0], i, c[0][1]);
    return with_sign(_mm512_fmadd_ps(r, d, _mm512_mask_mov_ps(centre, first, a)), x);
  }
};

struct ExpLanes {
  OLIVINE_LANES __m512 operator()(__m512 x) const {
    x = _mm512_maskz_min_ps(kAll, all_lanes_of(89.f),
                            _mm512_maskz_max_ps(kAll, all_lanes_of(-105.f), x));
    const __m512 n =
        _mm512_maskz_roundscale_ps(kAll, _mm512_mul_ps(x, all_lanes_of(0x1.715476p0f)), 8);
    __m512 r = _mm512_fnmadd_ps(n, all_lanes_of(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, all_lanes_of(-2.12194440e-4f), r);
    __m512 q = all_lanes_of(0.00139504916f);
    q = _mm512_fmadd_ps(q, r, all_lanes_of(0.0083688898f));
    q = _mm512_fmadd_ps(q, r, all_lanes_of(0.041666206f));
    q = _mm512_fmadd_ps(q, r, all_lanes_of(0.166665182f));
    q = _mm512_fmadd_ps(q, r, all_lanes_of(0.5f));
    q = _mm512_fmadd_ps(_mm512_mul_ps(r, r), q, r);
    return _mm512_maskz_scalef_ps(kAll, _mm512_add_ps(q, all_lanes_of(1.f)), n);
  }
};
struct SigmoidLanes {
  OLIVINE_LANES __m512 operator()(__m512 x) const {
    const __m512 one = all_lanes_of(1.f);
    const __m512 e = ExpLanes{}(_mm512_or_ps(x, all_lanes_of(-0.f)));
    const __m512 top = _mm512_mask_mov_ps(one, _mm512_movepi32_mask(_mm512_castps_si512(x)), e);
    return _mm512_div_ps(top, _mm512_add_ps(one, e));
  }
};

template <class F>
void lanes_v(const void* pa, void* po, int64_t n) {
  const float* a = static_cast<const float*>(pa);
  float* o = static_cast<float*>(po);
  const F f;
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m512 x = _mm512_loadu_ps(a + i), y = _mm512_loadu_ps(a + i + 16);
    _mm512_storeu_ps(o + i, f(x));
    _mm512_storeu_ps(o + i + 16, f(y));
  }
  for (; i < n; i += 16) {
    const int64_t left = n - i < 16 ? n - i : 16;
    const __mmask16 mask = static_cast<__mmask16>((1u << left) - 1);
    _mm512_mask_storeu_ps(o + i, mask, f(_mm512_maskz_loadu_ps(mask, a + i)));
  }
}

// The same on 16-bit floats, widened and rounded in registers.
template <class F>
void float16_lanes_v(const void* pa, void* po, int64_t n) {
  const float16_t* a = static_cast<const float16_t*>(pa);
  float16_t* o = static_cast<float16_t*>(po);
  const F f;
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 mask = n - i < 16 ? static_cast<__mmask16>((1u << (n - i)) - 1) : kAll;
    const __m512 x = _mm512_maskz_cvtph_ps(kAll, _mm256_maskz_loadu_epi16(mask, a + i));
    _mm256_mask_storeu_epi16(o + i, mask, _mm512_maskz_cvtps_ph(kAll, f(x), 0));
  }
}

// Lanes computed from bfloat16 only; see rounded_computed.
OLIVINE_LANES WordLanes rounded_lanes(__m512 x) {
  const WordLanes u = (WordLanes)x;
  return u + (((u >> 16) & 1) + 0x7fff);
}
template <class F>
struct RoundedLanes {
  F f;
  OLIVINE_LANES __m512 operator()(__m512 x) const {
    return (__m512)(rounded_lanes(f(x)) & 0xffff0000);
  }
};
template <class F>
void bfloat16_lanes_v(const void* pa, void* po, int64_t n) {
  const bfloat16_t* a = static_cast<const bfloat16_t*>(pa);
  bfloat16_t* o = static_cast<bfloat16_t*>(po);
  const F f;
  for (int64_t i = 0; i < n; i += 32) {
    const __mmask32 mask = n - i < 32 ? (1u << (n - i)) - 1 : ~0u;
    const WordLanes pairs = (WordLanes)_mm512_maskz_loadu_epi16(mask, a + i);
    const WordLanes low = rounded_lanes(f((__m512)(pairs << 16))) >> 16;
    const WordLanes high = rounded_lanes(f((__m512)(pairs & 0xffff0000)));
    const __m512i both = _mm512_mask_mov_epi16((__m512i)low, 0xaaaaaaaa, (__m512i)high);
    _mm512_mask_storeu_epi16(o + i, mask, both);
  }
}

}  // namespace
}  // namespace olivine::cpu::OLIVINE_ISA
