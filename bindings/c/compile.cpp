// The C API of compilation.
#include "olivine/c/compile.h"

#include "closures.h"
#include "olivine/compile_impl.h"

using namespace olivine;
using c::get;
using c::guarded;

int olivine_compile(olivine_closure* res, const olivine_closure fun, bool shapeless) {
  return guarded([&] { c::set(res, compile(get(fun), shapeless)); });
}
int olivine_compile_within(olivine_closure* res, const olivine_closure fun, bool shapeless,
                           size_t memory_limit, const int* donated, size_t donated_num) {
  return guarded([&] {
    MemoryBudget budget{memory_limit, c::numbers(donated, donated_num, "compile")};
    c::set(res, compile(get(fun), shapeless, std::move(budget)));
  });
}
int olivine_memory_plan(olivine_memory_totals* res, const olivine_closure fun,
                        const olivine_vector_array inputs) {
  return guarded([&] {
    const MemoryPlan p = memory_plan(get(fun), get(inputs));
    const olivine_memory_totals totals{p.peak,    p.arguments,   p.donated,   p.constants,
                                       p.results, p.temporaries, p.workspace, p.recomputed};
    c::store(res, totals);
  });
}
int olivine_memory_plan_text(olivine_string* res, const olivine_closure fun,
                             const olivine_vector_array inputs) {
  return guarded([&] { c::set(res, memory_plan(get(fun), get(inputs)).text()); });
}
int olivine_memory_plan_svg(olivine_string* res, const olivine_closure fun,
                            const olivine_vector_array inputs) {
  return guarded([&] { c::set(res, memory_plan(get(fun), get(inputs)).svg()); });
}
int olivine_detail_compile(olivine_closure* res, const olivine_closure fun, uintptr_t fun_id,
                           bool shapeless, const uint64_t* constants, size_t constants_num) {
  return guarded([&] {
    c::expect_values(constants, constants_num, "compile");
    std::vector<uint64_t> values;
    if (constants_num > 0) values.assign(constants, constants + constants_num);
    c::set(res, detail::compile(get(fun), fun_id, shapeless, std::move(values)));
  });
}
int olivine_detail_compile_clear_cache(void) {
  return guarded([] { detail::compile_clear_cache(); });
}
int olivine_detail_compile_erase(uintptr_t fun_id) {
  return guarded([&] { detail::compile_erase(fun_id); });
}
int olivine_disable_compile(void) {
  return guarded([] { disable_compile(); });
}
int olivine_enable_compile(void) {
  return guarded([] { enable_compile(); });
}
int olivine_set_compile_mode(olivine_compile_mode mode) {
  return guarded([&] {
    if (mode < OLIVINE_COMPILE_MODE_DISABLED || mode > OLIVINE_COMPILE_MODE_ENABLED) {
      fail("[set_compile_mode] expected a mode of olivine_compile_mode; got ",
           static_cast<int>(mode));
    }
    set_compile_mode(static_cast<CompileMode>(mode));
  });
}
