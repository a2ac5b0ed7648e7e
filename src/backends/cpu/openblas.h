// OpenBLAS, opened at first use: LAPACK for the linear-algebra kernels.
#pragma once

namespace olivine::cpu {

// The function of this name ("cblas_dgemm", "dgesdd_", without the library's prefix). It runs on
// the calling thread alone. Throws std::runtime_error when the library or the function is missing.
void* openblas_symbol(const char* name);

// openblas<int (float)>("name") with the function's type.
template <class F>
F* openblas(const char* name) {
  return reinterpret_cast<F*>(openblas_symbol(name));
}

}  // namespace olivine::cpu
