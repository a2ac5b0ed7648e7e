// The C API of exported and imported functions.
#include "olivine/c/export.h"

#include "closures.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

namespace olivine::c {
OLIVINE_C_HELD(olivine_function_exporter, FunctionExporter);
OLIVINE_C_HELD(olivine_imported_function, ImportedFunction);
}  // namespace olivine::c

namespace {

FunctionExporter& exporter_of(olivine_function_exporter f) {
  if (!f.ctx) fail("[function_exporter] expected an exporter; got an empty handle");
  return *c::pointer(f);
}
const ImportedFunction& function_of(olivine_imported_function f) {
  if (!f.ctx) fail("[imported_function] expected a function; got an empty handle");
  return *c::pointer(f);
}
template <class Closure>
olivine_function_exporter new_exporter(const char* file, Closure fun, bool shapeless) {
  return made<olivine_function_exporter>([&] {
    return new FunctionExporter(exporter(c::name(file, "export_function"), get(fun), shapeless));
  });
}

}  // namespace

int olivine_export_function(const char* file, const olivine_closure fun,
                            const olivine_vector_array args, bool shapeless) {
  return guarded(
      [&] { export_function(c::name(file, "export_function"), get(fun), get(args), shapeless); });
}
int olivine_export_function_kwargs(const char* file, const olivine_closure_kwargs fun,
                                   const olivine_vector_array args,
                                   const olivine_map_string_to_array kwargs, bool shapeless) {
  return guarded([&] {
    export_function(c::name(file, "export_function"), get(fun), get(args), get(kwargs), shapeless);
  });
}

olivine_function_exporter olivine_function_exporter_new(const char* file, const olivine_closure fun,
                                                        bool shapeless) {
  return new_exporter(file, fun, shapeless);
}
olivine_function_exporter olivine_function_exporter_new_kwargs(const char* file,
                                                               const olivine_closure_kwargs fun,
                                                               bool shapeless) {
  return new_exporter(file, fun, shapeless);
}
int olivine_function_exporter_free(olivine_function_exporter xfunc) {
  if (!xfunc.ctx) return 0;
  int status = guarded([&] { exporter_of(xfunc).close(); });
  c::release(xfunc);
  return status;
}
int olivine_function_exporter_apply(const olivine_function_exporter xfunc,
                                    const olivine_vector_array args) {
  return guarded([&] { exporter_of(xfunc)(get(args)); });
}
int olivine_function_exporter_apply_kwargs(const olivine_function_exporter xfunc,
                                           const olivine_vector_array args,
                                           const olivine_map_string_to_array kwargs) {
  return guarded([&] { exporter_of(xfunc)(get(args), get(kwargs)); });
}

olivine_imported_function olivine_imported_function_new(const char* file) {
  return made<olivine_imported_function>(
      [&] { return new ImportedFunction(import_function(c::name(file, "import_function"))); });
}
int olivine_imported_function_free(olivine_imported_function xfunc) { return c::release(xfunc); }
int olivine_imported_function_apply(olivine_vector_array* res,
                                    const olivine_imported_function xfunc,
                                    const olivine_vector_array args) {
  return guarded([&] { c::set(res, function_of(xfunc)(get(args))); });
}
int olivine_imported_function_apply_kwargs(olivine_vector_array* res,
                                           const olivine_imported_function xfunc,
                                           const olivine_vector_array args,
                                           const olivine_map_string_to_array kwargs) {
  return guarded([&] { c::set(res, function_of(xfunc)(get(args), get(kwargs))); });
}
