// The module olivine.core: puts its parts together.
#include <dlfcn.h>

#include "arguments.h"
#include "array.h"
#include "core/error.h"
#include "device.h"
#include "dtype.h"
#include "location.h"
#include "modules.h"
#include "olivine/debug.h"
#include "random_state.h"
#include "recording.h"
#include "suggest.h"
#include "transforms.h"

namespace olivine::python {

void install_signals();

// The folder that this module was loaded from.
static std::string package_folder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&install_signals), &info) || !info.dli_fname) return {};
  std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/') + 1);
}

}  // namespace olivine::python

NB_MODULE(core, m) {
  using namespace olivine::python;
  nb::set_leak_warnings(false);  // dtypes and streams live as long as the process
  m.doc() = "Arrays, their operations and the transformations of functions.";
  nb::register_exception_translator(
      [](const std::exception_ptr& p, void*) {
        try {
          std::rethrow_exception(p);
        } catch (const olivine::TypeError&) {
          set_error();
        } catch (const olivine::OutOfMemory&) {
          set_error();
        } catch (const olivine::NonFiniteError&) {
          set_error();
        } catch (const olivine::Interrupted&) {
          set_error();
        }
      },
      nullptr);
  nb::set_leak_warnings(false);  // dtypes, and what programs still hold at exit, live on
  make_array_type(m.ptr());
  bind_array_at(m);
  bind_dtype(m);
  bind_device(m);
  bind_transforms(m);
  bind_random_state(m);
  bind_distributed(m);
  bind_custom_kernels(m);
  bind_debug(m);
  bind_memory_plan(m);
  bind_profile(m);
  bind_array_like(m);
  bind_sizes(m);
  add_families(m.ptr());
  add_cpp_interface(m.ptr());
  make_construction_fast();
  suggest_names(m);
  for (nb::handle part : nb::borrow<nb::dict>(m.attr("__dict__")).values()) {
    if (PyModule_Check(part.ptr())) suggest_names(nb::borrow<nb::module_>(part));
  }
  install_signals();
  install_locations(package_folder());
  m.attr("profiler") = nb::module_::import_("olivine.profiler");
}
