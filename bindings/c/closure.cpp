// The C API of closures: C functions as C++ ones, and the other way around.
#include "olivine/c/closure.h"

#include <memory>
#include <stdexcept>

#include "closures.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

namespace {

using Arrays = std::vector<array>;

// ---- Calling C. Results come in handles that are empty before; inputs are lent.
template <class Handle>
class Result {
 public:
  Result() = default;
  Result(const Result&) = delete;
  ~Result() { c::release(handle_); }
  Handle* out() { return &handle_; }
  c::held_t<Handle> take() {
    return handle_.ctx ? std::move(*c::pointer(handle_)) : c::held_t<Handle>();
  }

 private:
  Handle handle_{nullptr};
};
using ArraysResult = Result<olivine_vector_array>;

template <class Handle>
Handle lent(const c::held_t<Handle>& value) {
  return Handle{const_cast<c::held_t<Handle>*>(&value)};
}
olivine_vector_array lent(const Arrays& v) { return lent<olivine_vector_array>(v); }

// f(args...), whose failure becomes an exception with the last message that f met or set.
template <class F, class... Args>
void checked(const F& f, Args... args) {
  uint64_t before = c::errors_reported();
  int status = f(args...);
  if (status == 0) return;
  if (c::errors_reported() != before) throw c::ReportedError(olivine_last_error());
  fail<std::runtime_error>("[closure] expected the function to return 0; got ", status);
}

// ---- C functions, with a payload or without.
template <class... Args>
auto bound(int (*fun)(Args...)) {
  if (!fun) fail("[closure] expected a function; got null");
  return fun;
}
template <class F>
auto bound(F fun, void* payload, void (*dtor)(void*)) {
  std::shared_ptr<void> held(payload, [dtor](void* p) {
    if (dtor) dtor(p);
  });
  if (!fun) fail("[closure] expected a function; got null");
  return [fun, held](auto... args) { return fun(args..., held.get()); };
}

// ---- As C++ functions.
template <class F>
ArrayFn* new_plain(F f) {
  return new ArrayFn([f](const Arrays& inputs) {
    ArraysResult res;
    checked(f, res.out(), lent(inputs));
    return res.take();
  });
}
template <class F>
FunctionOfBoth* new_kwargs(F f) {
  return new FunctionOfBoth([f](const Arrays& inputs, const Kwargs& named) {
    ArraysResult res;
    checked(f, res.out(), lent(inputs), lent<olivine_map_string_to_array>(named));
    return res.take();
  });
}
template <class F>
ValueAndGradFn* new_value_and_grad(F f) {
  return new ValueAndGradFn([f](const Arrays& inputs) {
    ArraysResult values, gradients;
    checked(f, values.out(), gradients.out(), lent(inputs));
    return std::pair(values.take(), gradients.take());
  });
}
template <class F>
c::CustomVjp* new_vjp(F f) {
  return new c::CustomVjp([f](const Arrays& primals, const Arrays& ct, const Arrays& outputs) {
    ArraysResult res;
    checked(f, res.out(), lent(primals), lent(ct), lent(outputs));
    return res.take();
  });
}
template <class F>
c::CustomJvp* new_jvp(F f) {
  return new c::CustomJvp(
      [f](const Arrays& primals, const Arrays& tangents, const std::vector<int>& argnums) {
        ArraysResult res;
        checked(f, res.out(), lent(primals), lent(tangents), argnums.data(), argnums.size());
        return res.take();
      });
}
template <class F>
c::CustomVmap* new_vmap(F f) {
  return new c::CustomVmap([f](const Arrays& inputs, const std::vector<int>& axes) {
    ArraysResult res;
    Result<olivine_vector_int> out_axes;
    checked(f, res.out(), out_axes.out(), lent(inputs), axes.data(), axes.size());
    return std::pair(res.take(), out_axes.take());
  });
}

}  // namespace

// What all kinds have alike. OLIVINE_C_FUN(...) is the C function, without and with a payload.
#define OLIVINE_C_CLOSURE(NAME, NEW)                                                         \
  NAME NAME##_new(void) { return {nullptr}; }                                                \
  int NAME##_free(NAME cls) { return c::release(cls); }                                      \
  int NAME##_set(NAME* cls, const NAME src) {                                                \
    return guarded([&] { c::set(cls, get(src)); });                                          \
  }                                                                                          \
  NAME NAME##_new_func(OLIVINE_C_FUN()) {                                                    \
    return made<NAME>([&] { return NEW(bound(fun)); });                                      \
  }                                                                                          \
  NAME NAME##_new_func_payload(OLIVINE_C_FUN(, void*), void* payload, void (*dtor)(void*)) { \
    return made<NAME>([&] { return NEW(bound(fun, payload, dtor)); });                       \
  }

#define OLIVINE_C_FUN(...) int (*fun)(olivine_vector_array*, const olivine_vector_array __VA_ARGS__)
OLIVINE_C_CLOSURE(olivine_closure, new_plain)
#undef OLIVINE_C_FUN
#define OLIVINE_C_FUN(...)                                      \
  int (*fun)(olivine_vector_array*, const olivine_vector_array, \
             const olivine_map_string_to_array __VA_ARGS__)
OLIVINE_C_CLOSURE(olivine_closure_kwargs, new_kwargs)
#undef OLIVINE_C_FUN
#define OLIVINE_C_FUN(...) \
  int (*fun)(olivine_vector_array*, olivine_vector_array*, const olivine_vector_array __VA_ARGS__)
OLIVINE_C_CLOSURE(olivine_closure_value_and_grad, new_value_and_grad)
#undef OLIVINE_C_FUN
#define OLIVINE_C_FUN(...)                                                                  \
  int (*fun)(olivine_vector_array*, const olivine_vector_array, const olivine_vector_array, \
             const olivine_vector_array __VA_ARGS__)
OLIVINE_C_CLOSURE(olivine_closure_custom, new_vjp)
#undef OLIVINE_C_FUN
#define OLIVINE_C_FUN(...)                                                                  \
  int (*fun)(olivine_vector_array*, const olivine_vector_array, const olivine_vector_array, \
             const int*, size_t __VA_ARGS__)
OLIVINE_C_CLOSURE(olivine_closure_custom_jvp, new_jvp)
#undef OLIVINE_C_FUN
#define OLIVINE_C_FUN(...)                                                                       \
  int (*fun)(olivine_vector_array*, olivine_vector_int*, const olivine_vector_array, const int*, \
             size_t __VA_ARGS__)
OLIVINE_C_CLOSURE(olivine_closure_custom_vmap, new_vmap)
#undef OLIVINE_C_FUN
#undef OLIVINE_C_CLOSURE

olivine_closure olivine_closure_new_unary(int (*fun)(olivine_array*, const olivine_array)) {
  return made<olivine_closure>([&] {
    return new ArrayFn([f = bound(fun)](const Arrays& inputs) {
      if (inputs.size() != 1) {
        fail("[closure] expected one input of a unary function; got ", inputs.size());
      }
      c::ArrayBox input(inputs[0]);
      Result<olivine_array> res;
      checked(f, res.out(), olivine_array{&input});
      if (!res.out()->ctx) {
        fail<std::runtime_error>("[closure] expected the function to set its result; got none");
      }
      return Arrays{get(*res.out())};
    });
  });
}

// ---- Calling closures.
int olivine_closure_apply(olivine_vector_array* res, olivine_closure cls,
                          const olivine_vector_array input) {
  return guarded([&] { c::set(res, get(cls)(get(input))); });
}
int olivine_closure_kwargs_apply(olivine_vector_array* res, olivine_closure_kwargs cls,
                                 const olivine_vector_array input_0,
                                 const olivine_map_string_to_array input_1) {
  return guarded([&] { c::set(res, get(cls)(get(input_0), get(input_1))); });
}
int olivine_closure_value_and_grad_apply(olivine_vector_array* res_0, olivine_vector_array* res_1,
                                         olivine_closure_value_and_grad cls,
                                         const olivine_vector_array input) {
  return guarded([&] { c::set_both(res_0, res_1, get(cls)(get(input))); });
}
int olivine_closure_custom_apply(olivine_vector_array* res, olivine_closure_custom cls,
                                 const olivine_vector_array input_0,
                                 const olivine_vector_array input_1,
                                 const olivine_vector_array input_2) {
  return guarded([&] { c::set(res, get(cls)(get(input_0), get(input_1), get(input_2))); });
}
int olivine_closure_custom_jvp_apply(olivine_vector_array* res, olivine_closure_custom_jvp cls,
                                     const olivine_vector_array input_0,
                                     const olivine_vector_array input_1, const int* input_2,
                                     size_t input_2_num) {
  return guarded([&] {
    c::set(res, get(cls)(get(input_0), get(input_1), c::numbers(input_2, input_2_num, "closure")));
  });
}
int olivine_closure_custom_vmap_apply(olivine_vector_array* res_0, olivine_vector_int* res_1,
                                      olivine_closure_custom_vmap cls,
                                      const olivine_vector_array input_0, const int* input_1,
                                      size_t input_1_num) {
  return guarded([&] {
    auto [outputs, axes] = get(cls)(get(input_0), c::numbers(input_1, input_1_num, "closure"));
    c::set(res_0, std::move(outputs));
    c::set(res_1, std::move(axes));
  });
}
