// The C API of evaluation, closures and transformations.
#include "olivine/c/transforms.h"

#include <memory>

#include "handles.h"
#include "olivine/compile.h"
#include "olivine/transforms.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

namespace {

const ArrayFn& get(olivine_closure f) {
  if (!f.ctx) fail("[closure] expected a closure; got an empty handle");
  return *static_cast<const ArrayFn*>(f.ctx);
}
void set(olivine_closure* res, ArrayFn f) {
  if (!res) fail("[closure] expected a pointer to a handle; got null");
  if (res->ctx) {
    *static_cast<ArrayFn*>(res->ctx) = std::move(f);
  } else {
    res->ctx = new ArrayFn(std::move(f));
  }
}
void set_pair(olivine_vector_array* first, olivine_vector_array* second,
              std::pair<std::vector<array>, std::vector<array>> p) {
  c::set(first, std::move(p.first));
  c::set(second, std::move(p.second));
}

}  // namespace

int olivine_eval(const olivine_vector_array outputs) {
  return guarded([&] { eval(c::get(outputs)); });
}
int olivine_async_eval(const olivine_vector_array outputs) {
  return guarded([&] { async_eval(c::get(outputs)); });
}

olivine_closure olivine_closure_new(void) { return {nullptr}; }
olivine_closure olivine_closure_new_func_payload(int (*fun)(olivine_vector_array*,
                                                            const olivine_vector_array, void*),
                                                 void* payload, void (*dtor)(void*)) {
  return made<olivine_closure>([&] {
    std::shared_ptr<void> held(payload, [dtor](void* p) {
      if (dtor) dtor(p);
    });
    return new ArrayFn([fun, held](const std::vector<array>& inputs) {
      std::vector<array> in = inputs, out;
      olivine_vector_array result{&out};
      if (fun(&result, olivine_vector_array{&in}, held.get()) != 0) {
        fail<std::runtime_error>("[closure] expected the function to return 0; got a failure");
      }
      return out;
    });
  });
}
int olivine_closure_free(olivine_closure cls) {
  delete static_cast<ArrayFn*>(cls.ctx);
  return 0;
}
int olivine_closure_apply(olivine_vector_array* res, olivine_closure cls,
                          const olivine_vector_array input) {
  return guarded([&] { c::set(res, get(cls)(c::get(input))); });
}

int olivine_vjp(olivine_vector_array* res_0, olivine_vector_array* res_1, const olivine_closure fun,
                const olivine_vector_array primals, const olivine_vector_array cotangents) {
  return guarded(
      [&] { set_pair(res_0, res_1, vjp(get(fun), c::get(primals), c::get(cotangents))); });
}
int olivine_jvp(olivine_vector_array* res_0, olivine_vector_array* res_1, const olivine_closure fun,
                const olivine_vector_array primals, const olivine_vector_array tangents) {
  return guarded([&] { set_pair(res_0, res_1, jvp(get(fun), c::get(primals), c::get(tangents))); });
}
int olivine_value_and_grad_apply(olivine_vector_array* res_0, olivine_vector_array* res_1,
                                 const olivine_closure fun, const olivine_vector_array inputs,
                                 const int* argnums, size_t argnums_num) {
  return guarded([&] {
    c::expect_values(argnums, argnums_num, "value_and_grad");
    std::vector<int> nums(argnums, argnums + argnums_num);
    set_pair(res_0, res_1, value_and_grad(get(fun), c::get(inputs), nums));
  });
}
int olivine_checkpoint(olivine_closure* res, const olivine_closure fun) {
  return guarded([&] { set(res, checkpoint(get(fun))); });
}
int olivine_compile(olivine_closure* res, const olivine_closure fun, bool shapeless) {
  return guarded([&] { set(res, compile(get(fun), shapeless)); });
}
int olivine_disable_compile(void) {
  return guarded([] { disable_compile(); });
}
int olivine_enable_compile(void) {
  return guarded([] { enable_compile(); });
}
