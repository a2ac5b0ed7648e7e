// Opens the OpenBLAS that lies beside this library, without letting it start threads.
#include "backends/cpu/openblas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "core/error.h"
#include "runtime/process_locks.h"

namespace olivine::cpu {
namespace {

constexpr const char* kPrefix = "scipy_";
constexpr const char* kThreads = "OPENBLAS_NUM_THREADS";

std::string library_path() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&openblas_symbol), &info) || !info.dli_fname) {
    fail<std::runtime_error>("[openblas] expected to find the file of the running code");
  }
  const std::string self = info.dli_fname;
  const size_t slash = self.rfind('/');
  return (slash == std::string::npos ? "./" : self.substr(0, slash + 1)) + OLIVINE_OPENBLAS_FILE;
}

// The library reads the variable while it loads, and would start threads then.
void* open_library() {
  const char* before = std::getenv(kThreads);
  const std::optional<std::string> saved =
      before ? std::optional<std::string>(before) : std::nullopt;
  setenv(kThreads, "1", 1);
  const std::string path = library_path();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const std::string reason = library ? "" : dlerror();
  if (saved) {
    setenv(kThreads, saved->c_str(), 1);
  } else {
    unsetenv(kThreads);
  }
  if (!library) fail<std::runtime_error>("[openblas] expected to load ", path, "; got ", reason);
  using SetThreads = void(int);
  if (void* f = dlsym(library, "scipy_openblas_set_num_threads")) {
    reinterpret_cast<SetThreads*>(f)(1);
  }
  return library;
}

}  // namespace

void* openblas_symbol(const char* name) {
  static constinit FirstUse<void*> opened;
  void* library = opened.get_once(Lock::openblas, open_library);
  const std::string symbol = std::string(kPrefix) + name;
  void* f = dlsym(library, symbol.c_str());
  if (!f) fail<std::runtime_error>("[openblas] expected the function ", symbol, "; got none");
  return f;
}

}  // namespace olivine::cpu
