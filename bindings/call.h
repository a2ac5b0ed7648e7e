// Calls of C++ functions from generated wrappers: arguments whose foreign types are wider than C++.
//
// A foreign `None | int | Sequence[int]` meets C++ functions that take Axes, an optional, or that
// have one overload per form. `call` offers the function every form that an argument may take and
// uses the first one that it accepts; a function that accepts none does not compile.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/error.h"
#include "olivine/array.h"
#include "olivine/device.h"

namespace olivine::bindings {

// An integer that becomes any integral type it fits.
struct Int {
  int64_t value;
  const char* op;

  template <class T>
  requires(std::integral<T> && !std::same_as<T, bool>) operator T() const {
    if (!std::in_range<T>(value)) {
      fail("[", op, "] expected an int of ", 8 * sizeof(T), " bits; got ", value);
    }
    return static_cast<T>(value);
  }
};

template <class C>
struct FromInts;  // specialised for what a sequence of ints may become

// A sequence of integers that becomes a shape, a vector, a pair…
struct Ints {
  SmallVector<int64_t, 6> values;
  const char* op;

  template <class C>
  requires requires { FromInts<C>::make; }
  operator C() const { return FromInts<C>::make(*this); }
  Int operator[](size_t i) const { return {values[i], op}; }
  void expect(size_t n) const {
    if (values.size() != n) fail("[", op, "] expected ", n, " ints; got ", values.size());
  }
};

template <std::integral T>
struct FromInts<std::vector<T>> {
  static std::vector<T> make(const Ints& v) {
    std::vector<T> out;
    out.reserve(v.values.size());
    for (size_t i = 0; i < v.values.size(); ++i) out.push_back(v[i]);
    return out;
  }
};
template <std::integral T, uint32_t N>
struct FromInts<SmallVector<T, N>> {
  static SmallVector<T, N> make(const Ints& v) {
    SmallVector<T, N> out;
    out.reserve(v.values.size());
    for (size_t i = 0; i < v.values.size(); ++i) out.push_back(v[i]);
    return out;
  }
};
// One int stands for all of a pair, triple or fixed array, as in `stride=2`.
template <class T>
requires requires { std::tuple_size<T>::value; }
struct FromInts<T> {
  static T make(const Ints& v) {
    constexpr size_t n = std::tuple_size<T>::value;
    if (v.values.size() != 1) v.expect(n);
    auto at = [&](size_t i) { return v.values.size() == 1 ? v[0] : v[i]; };
    return [&]<size_t... I>(std::index_sequence<I...>) {
      return T{static_cast<std::tuple_element_t<I, T>>(at(I))...};
    }
    (std::make_index_sequence<n>());
  }
};

// A value or none; C++ takes std::optional<T>, or has an overload without the parameter.
template <class T>
struct Maybe {
  std::optional<T> value;
};
// The same for ints, where the optional's type is up to the C++ function.
struct MaybeInt {
  std::optional<Int> value;
};
// An int or a sequence of ints.
struct IntOrInts {
  Ints values;
  bool single;
};
struct MaybeInts {
  std::optional<IntOrInts> value;
};

// std::optional of an unnamed integral or container type, or anything made from one (Axes).
struct OptionalInt {
  const std::optional<Int>& value;
  template <class T>
  requires(std::integral<T>) operator std::optional<T>() const {
    return value ? std::optional<T>(static_cast<T>(*value)) : std::nullopt;
  }
};
struct OptionalInts {
  const std::optional<IntOrInts>& value;
  template <class C>
  requires requires { FromInts<C>::make; }
  operator std::optional<C>() const {
    return value ? std::optional<C>(FromInts<C>::make(value->values)) : std::nullopt;
  }
};

// ---- Which forms an argument may take, tried in order.
struct Dropped {};
template <class T>
struct Forms {
  using list = std::tuple<const T&>;
};
template <class T>
struct Forms<Maybe<T>> {
  using list = std::tuple<const std::optional<T>&, const T&, Dropped>;
};
template <>
struct Forms<MaybeInt> {
  using list = std::tuple<OptionalInt, Int, Dropped>;
};
template <>
struct Forms<IntOrInts> {
  using list = std::tuple<Int, const Ints&>;
};
template <>
struct Forms<MaybeInts> {
  using list = std::tuple<OptionalInts, Int, const Ints&, Dropped>;
};

template <class F, class Done, class... Pending>
struct Accepts;
template <class F, class... Done>
struct Accepts<F, std::tuple<Done...>> : std::is_invocable<F, Done...> {};
template <class F, class Done, class Form, class... Rest>
struct AcceptsForm;
template <class F, class... Done, class Form, class... Rest>
struct AcceptsForm<F, std::tuple<Done...>, Form, Rest...>
    : Accepts<F, std::tuple<Done..., Form>, Rest...> {};
template <class F, class... Done, class... Rest>
struct AcceptsForm<F, std::tuple<Done...>, Dropped, Rest...>
    : Accepts<F, std::tuple<Done...>, Rest...> {};
template <class F, class Done, class List, class... Rest>
struct AcceptsAny;
template <class F, class Done, class... Form, class... Rest>
struct AcceptsAny<F, Done, std::tuple<Form...>, Rest...>
    : std::disjunction<AcceptsForm<F, Done, Form, Rest...>...> {};
template <class F, class Done, class Next, class... Rest>
struct Accepts<F, Done, Next, Rest...> : AcceptsAny<F, Done, typename Forms<Next>::list, Rest...> {
};

template <class F, class... Done>
decltype(auto) resolve(F& f, std::tuple<Done...> done) {
  return std::apply(f, std::move(done));
}
template <class F, class... Done, class Next, class... Rest>
decltype(auto) resolve(F& f, std::tuple<Done...> done, const Next& next, const Rest&... rest) {
  using Tuple = std::tuple<Done...>;
  auto with = [&]<class Form>(Form&& form) -> decltype(auto) {
    return resolve(f, std::tuple_cat(std::move(done), std::tuple<Form&&>(std::forward<Form>(form))),
                   rest...);
  };
  if constexpr (requires { next.single; }) {
    if constexpr (AcceptsForm<F, Tuple, Int, Rest...>::value) {
      if (next.single) return with(next.values[0]);
    }
    if constexpr (AcceptsForm<F, Tuple, const Ints&, Rest...>::value) {
      return with(next.values);
    } else {
      fail<TypeError>("[", next.values.op, "] expected an int; got a sequence");
    }
  } else if constexpr (requires { next.value.has_value(); }) {
    using Optional = std::tuple_element_t<0, typename Forms<Next>::list>;
    if constexpr (AcceptsForm<F, Tuple, Optional, Rest...>::value) {
      return with(Optional{next.value});
    } else {
      if (!next.value) return resolve(f, std::move(done), rest...);
      return resolve(f, std::move(done), *next.value, rest...);
    }
  } else {
    return with(next);
  }
}

// f(args...), each argument in the first form that f accepts.
template <class F, class... Args>
decltype(auto) call(F f, const Args&... args) {
  static_assert(Accepts<F, std::tuple<>, Args...>::value,
                "the C++ function takes other parameters than its definition in api/ says");
  return resolve(f, std::tuple<>(), args...);
}

}  // namespace olivine::bindings

// The overload set of a function as an object.
#define OLIVINE_FUNCTION(f)                                         \
  [](auto&&... x) -> decltype(f(std::forward<decltype(x)>(x)...)) { \
    return f(std::forward<decltype(x)>(x)...);                      \
  }
