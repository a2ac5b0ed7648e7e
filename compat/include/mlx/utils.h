// <mlx/utils.h> by Olivine.
#pragma once

#include "mlx/namespace.h"
#include "olivine/utils.h"

// What the environment says of MLX's back-ends for Metal and CUDA; Olivine has none of these.
namespace olivine::env {

inline int bfs_max_width() { return get_var("MLX_BFS_MAX_WIDTH", 20); }
inline int max_ops_per_buffer(int default_value) {
  return get_var("MLX_MAX_OPS_PER_BUFFER", default_value);
}
inline int max_mb_per_buffer(int default_value) {
  return get_var("MLX_MAX_MB_PER_BUFFER", default_value);
}
inline int residency_set_max_pct() { return get_var("MLX_RESIDENCY_SET_MAX_PCT", 100); }
inline bool residency_debug() { return get_var("MLX_RESIDENCY_DEBUG", 0) != 0; }
inline bool metal_fast_synch() { return get_var("MLX_METAL_FAST_SYNCH", 0) != 0; }
inline bool enable_tf32() { return get_var("MLX_ENABLE_TF32", 1) != 0; }
inline int nccl_timeout(int default_value) { return get_var("MLX_NCCL_TIMEOUT", default_value); }
inline const std::string& metal_gpu_arch() {
  static const std::string arch = get_var("MLX_METAL_GPU_ARCH", "");
  return arch;
}

}  // namespace olivine::env
