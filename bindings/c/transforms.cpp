// The C API of evaluation and transformations.
#include "olivine/c/transforms.h"

#include "closures.h"
#include "olivine/c/transforms_impl.h"
#include "olivine/transforms_impl.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::numbers;
using c::set_both;

int olivine_eval(const olivine_vector_array outputs) {
  return guarded([&] { eval(get(outputs)); });
}
int olivine_async_eval(const olivine_vector_array outputs) {
  return guarded([&] { async_eval(get(outputs)); });
}

int olivine_vjp(olivine_vector_array* res_0, olivine_vector_array* res_1, const olivine_closure fun,
                const olivine_vector_array primals, const olivine_vector_array cotangents) {
  return guarded([&] { set_both(res_0, res_1, vjp(get(fun), get(primals), get(cotangents))); });
}
int olivine_jvp(olivine_vector_array* res_0, olivine_vector_array* res_1, const olivine_closure fun,
                const olivine_vector_array primals, const olivine_vector_array tangents) {
  return guarded([&] { set_both(res_0, res_1, jvp(get(fun), get(primals), get(tangents))); });
}
int olivine_value_and_grad(olivine_closure_value_and_grad* res, const olivine_closure fun,
                           const int* argnums, size_t argnums_num) {
  return guarded([&] {
    c::set(res, value_and_grad(get(fun), numbers(argnums, argnums_num, "value_and_grad")));
  });
}
int olivine_grad(olivine_closure* res, const olivine_closure fun, const int* argnums,
                 size_t argnums_num) {
  return guarded(
      [&] { c::set(res, grad(get(fun), numbers(argnums, argnums_num, "value_and_grad"))); });
}
int olivine_jacobian(olivine_vector_array* res_0, olivine_vector_vector_array* res_1,
                     const olivine_closure fun, const olivine_vector_array inputs,
                     const int* argnums, size_t argnums_num) {
  return guarded([&] {
    std::vector<int> places = numbers(argnums, argnums_num, "jacobian");
    set_both(res_0, res_1, jacobian(get(fun), get(inputs), places));
  });
}
int olivine_hessian(olivine_vector_vector_array* res, const olivine_closure fun,
                    const olivine_vector_array inputs, const int* argnums, size_t argnums_num) {
  return guarded([&] {
    c::set(res, hessian(get(fun), get(inputs), numbers(argnums, argnums_num, "hessian")));
  });
}
int olivine_vmap(olivine_closure* res, const olivine_closure fun, const int* in_axes,
                 size_t in_axes_num, const int* out_axes, size_t out_axes_num) {
  return guarded([&] {
    c::set(res, vmap(get(fun), numbers(in_axes, in_axes_num, "vmap"),
                     numbers(out_axes, out_axes_num, "vmap")));
  });
}
int olivine_checkpoint(olivine_closure* res, const olivine_closure fun) {
  return guarded([&] { c::set(res, checkpoint(get(fun))); });
}

int olivine_custom_function(olivine_closure* res, const olivine_closure fun,
                            const olivine_closure_custom fun_vjp,
                            const olivine_closure_custom_jvp fun_jvp,
                            const olivine_closure_custom_vmap fun_vmap) {
  return guarded([&] {
    CustomRules rules;
    if (fun_vjp.ctx) rules.vjp = get(fun_vjp);
    if (fun_jvp.ctx) rules.jvp = get(fun_jvp);
    if (fun_vmap.ctx) rules.vmap = get(fun_vmap);
    c::set(res, custom_function(get(fun), std::move(rules)));
  });
}
int olivine_custom_vjp(olivine_closure* res, const olivine_closure fun,
                       const olivine_closure_custom fun_vjp) {
  return guarded([&] { c::set(res, custom_vjp(get(fun), get(fun_vjp))); });
}

int olivine_detail_vmap_trace(olivine_vector_array* res_0, olivine_vector_array* res_1,
                              const olivine_closure fun, const olivine_vector_array inputs,
                              const int* in_axes, size_t in_axes_num) {
  return guarded([&] {
    std::vector<int> axes = numbers(in_axes, in_axes_num, "vmap");
    set_both(res_0, res_1, detail::vmap_trace(get(fun), get(inputs), axes));
  });
}
int olivine_detail_vmap_replace(olivine_vector_array* res, const olivine_vector_array inputs,
                                const olivine_vector_array s_inputs,
                                const olivine_vector_array s_outputs, const int* in_axes,
                                size_t in_axes_num, const int* out_axes, size_t out_axes_num) {
  return guarded([&] {
    c::set(res, detail::vmap_replace(get(inputs), get(s_inputs), get(s_outputs),
                                     numbers(in_axes, in_axes_num, "vmap"),
                                     numbers(out_axes, out_axes_num, "vmap")));
  });
}
