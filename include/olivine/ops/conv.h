// Convolutions (cross-correlations, as usual in neural networks): inputs (N, spatial…, C), weights
// (O, kernel…, C / groups), results (N, spatial…, O). Floating dtypes.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine {

// One to three spatial axes; lists hold one value for all of them, or one each. `flip`: the kernel
// is read backwards, as in the mathematical convolution. Negative padding cuts off.
OLIVINE_API array conv_general(const array& input, const array& weight,
                               const std::vector<int>& stride, const std::vector<int>& padding_lo,
                               const std::vector<int>& padding_hi,
                               const std::vector<int>& kernel_dilation = {},
                               const std::vector<int>& input_dilation = {}, int groups = 1,
                               bool flip = false, StreamOrDevice s = {});
inline array conv_general(const array& input, const array& weight,
                          const std::vector<int>& stride = {}, const std::vector<int>& padding = {},
                          const std::vector<int>& kernel_dilation = {},
                          const std::vector<int>& input_dilation = {}, int groups = 1,
                          bool flip = false, StreamOrDevice s = {}) {
  return conv_general(input, weight, stride, padding, padding, kernel_dilation, input_dilation,
                      groups, flip, s);
}
OLIVINE_API array conv1d(const array& input, const array& weight, int stride = 1, int padding = 0,
                         int dilation = 1, int groups = 1, StreamOrDevice s = {});
OLIVINE_API array conv2d(const array& input, const array& weight,
                         const std::pair<int, int>& stride = {1, 1},
                         const std::pair<int, int>& padding = {0, 0},
                         const std::pair<int, int>& dilation = {1, 1}, int groups = 1,
                         StreamOrDevice s = {});
OLIVINE_API array conv3d(const array& input, const array& weight,
                         const std::tuple<int, int, int>& stride = {1, 1, 1},
                         const std::tuple<int, int, int>& padding = {0, 0, 0},
                         const std::tuple<int, int, int>& dilation = {1, 1, 1}, int groups = 1,
                         StreamOrDevice s = {});

// Transposed: what a convolution with these parameters does to the gradient of its input, for
// weights (O, kernel…, C / groups) all the same; output_padding adds to the end of the result.
OLIVINE_API array conv_transpose1d(const array& input, const array& weight, int stride = 1,
                                   int padding = 0, int dilation = 1, int output_padding = 0,
                                   int groups = 1, StreamOrDevice s = {});
OLIVINE_API array conv_transpose2d(const array& input, const array& weight,
                                   const std::pair<int, int>& stride = {1, 1},
                                   const std::pair<int, int>& padding = {0, 0},
                                   const std::pair<int, int>& dilation = {1, 1},
                                   const std::pair<int, int>& output_padding = {0, 0},
                                   int groups = 1, StreamOrDevice s = {});
OLIVINE_API array conv_transpose3d(const array& input, const array& weight,
                                   const std::tuple<int, int, int>& stride = {1, 1, 1},
                                   const std::tuple<int, int, int>& padding = {0, 0, 0},
                                   const std::tuple<int, int, int>& dilation = {1, 1, 1},
                                   const std::tuple<int, int, int>& output_padding = {0, 0, 0},
                                   int groups = 1, StreamOrDevice s = {});

// The convolution of two sequences. mode: "full", "same" (the middle, as long as the longer one) or
// "valid" (where they overlap completely).
OLIVINE_API array convolve(const array& a, const array& v, const std::string& mode = "full",
                           StreamOrDevice s = {});

}  // namespace olivine
