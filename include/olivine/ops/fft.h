// Discrete Fourier transforms, their frequencies, and short-time transforms. Other inputs than
// complex ones become complex64, or complex128 for float64.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::fft {

// Where 1 / n goes: to the inverse transform, as 1 / sqrt(n) to both, or to the forward one.
enum class FFTNorm { Backward, Ortho, Forward };

// The same, also from "backward", "ortho" or "forward".
struct OLIVINE_API Norm {
  Norm(FFTNorm norm) : value(norm) {}
  Norm(const std::string& name);
  Norm(const char* name) : Norm(std::string(name)) {}
  FFTNorm value;
};

// Per direction and kind: along one axis, along two, and along several (without `axes`: all), of
// the input cut or zero-padded to `n` elements there. The forms called `_over` are the general
// ones: without `n` the sizes stay.
#define OLIVINE_FFT(one, two, many)                                                              \
  OLIVINE_API array one(const array& a, int n, int axis, Norm norm = FFTNorm::Backward,          \
                        StreamOrDevice s = {});                                                  \
  OLIVINE_API array one(const array& a, int axis = -1, Norm norm = FFTNorm::Backward,            \
                        StreamOrDevice s = {});                                                  \
  OLIVINE_API array two##_over(const array& a, const std::optional<Shape>& n,                    \
                               const std::optional<std::vector<int>>& axes, Norm norm,           \
                               StreamOrDevice s);                                                \
  inline array two(const array& a, const Shape& n, const std::vector<int>& axes,                 \
                   Norm norm = FFTNorm::Backward, StreamOrDevice s = {}) {                       \
    return two##_over(a, n, axes, norm, s);                                                      \
  }                                                                                              \
  inline array two(const array& a, const std::vector<int>& axes = {-2, -1},                      \
                   Norm norm = FFTNorm::Backward, StreamOrDevice s = {}) {                       \
    return two##_over(a, std::nullopt, axes, norm, s);                                           \
  }                                                                                              \
  OLIVINE_API array many##_over(const array& a, const std::optional<Shape>& n,                   \
                                const std::optional<std::vector<int>>& axes, Norm norm,          \
                                StreamOrDevice s);                                               \
  inline array many(const array& a, const Shape& n, const std::vector<int>& axes,                \
                    Norm norm = FFTNorm::Backward, StreamOrDevice s = {}) {                      \
    return many##_over(a, n, axes, norm, s);                                                     \
  }                                                                                              \
  inline array many(const array& a, const std::vector<int>& axes, Norm norm = FFTNorm::Backward, \
                    StreamOrDevice s = {}) {                                                     \
    return many##_over(a, std::nullopt, axes, norm, s);                                          \
  }                                                                                              \
  inline array many(const array& a, Norm norm = FFTNorm::Backward, StreamOrDevice s = {}) {      \
    return many##_over(a, std::nullopt, std::nullopt, norm, s);                                  \
  }
// Complex to complex.
OLIVINE_FFT(fft, fft2, fftn)
OLIVINE_FFT(ifft, ifft2, ifftn)
// Real values to the first n / 2 + 1 of the last axis' spectrum, and back (there, `n` counts the
// real values; without it, 2 (m - 1) for m values).
OLIVINE_FFT(rfft, rfft2, rfftn)
OLIVINE_FFT(irfft, irfft2, irfftn)
#undef OLIVINE_FFT

// The frequencies of the n results of fft, and of the n / 2 + 1 of rfft, for a sample spacing of d.
OLIVINE_API array fftfreq(int n, double d = 1.0, StreamOrDevice s = {});
OLIVINE_API array rfftfreq(int n, double d = 1.0, StreamOrDevice s = {});
// Moves the zero frequency to the centre of the axes (without them: all), and back.
OLIVINE_API array fftshift(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
OLIVINE_API array fftshift(const array& a, StreamOrDevice s = {});
OLIVINE_API array ifftshift(const array& a, const std::vector<int>& axes, StreamOrDevice s = {});
OLIVINE_API array ifftshift(const array& a, StreamOrDevice s = {});

// Transforms of windowed frames, hop_length (n_fft / 4) apart, of the last axis: (…, freq, frames).
OLIVINE_API array stft(const array& x, int n_fft = 2048,
                       const std::optional<int>& hop_length = std::nullopt,
                       const std::optional<int>& win_length = std::nullopt,
                       const std::optional<array>& window = std::nullopt, bool center = true,
                       const std::string& pad_mode = "reflect", Norm norm = FFTNorm::Backward,
                       const std::optional<bool>& onesided = std::nullopt, StreamOrDevice s = {});
// The real signal with this short-time transform, by weighted overlap-add.
OLIVINE_API array istft(const array& stft_matrix, const std::optional<int>& n_fft = std::nullopt,
                        const std::optional<int>& hop_length = std::nullopt,
                        const std::optional<int>& win_length = std::nullopt,
                        const std::optional<array>& window = std::nullopt, bool center = true,
                        Norm norm = FFTNorm::Backward,
                        const std::optional<bool>& onesided = std::nullopt,
                        const std::optional<int>& length = std::nullopt, StreamOrDevice s = {});

}  // namespace olivine::fft
