// The namespace mlx::core means olivine.
#pragma once

namespace olivine {}
namespace mlx {
namespace core = olivine;
}
