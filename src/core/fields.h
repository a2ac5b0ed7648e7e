// Reading and writing parameter structs field by field, as their `fields()` list them.
//
// A struct of bools, integers, enums, numbers, dtypes, strings, and lists, pairs, optionals or such
// structs of these needs no code of its own: `&params_type<P>` in an op's record is all that export
// asks for.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/params.h"

namespace olivine {

struct FieldWriter {
  virtual ~FieldWriter() = default;
  virtual void boolean(bool v) = 0;
  virtual void integer(int64_t v) = 0;
  virtual void number(double v) = 0;
  virtual void dtype(Dtype v) = 0;
  virtual void text(const std::string& v) = 0;
  virtual void list(size_t length) = 0;  // the items follow
};
// Each throws if the next field is not of that kind. A list is no longer than what is left to read.
struct FieldReader {
  virtual ~FieldReader() = default;
  virtual bool boolean() = 0;
  virtual int64_t integer() = 0;
  virtual double number() = 0;
  virtual Dtype dtype() = 0;
  virtual std::string text() = 0;
  virtual size_t list() = 0;
  [[noreturn]] virtual void out_of_range(int64_t v) = 0;
  [[noreturn]] virtual void bad_name() = 0;
};

namespace fields {

template <class T>
struct IsList : std::false_type {};
template <class T, uint32_t N>
struct IsList<SmallVector<T, N>> : std::true_type {};
template <class T>
struct IsList<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
concept TupleLike = requires {
  std::tuple_size<T>::value;
};
template <class T>
concept HasFields = requires(const T& v) {
  v.fields();
};

// A name that outlives every reader: string views among parameters name functions in errors.
OLIVINE_API std::string_view kept_name(FieldReader& r, const std::string& name);

template <class T>
void write(FieldWriter& w, const T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    w.boolean(v);
  } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
    w.integer(static_cast<int64_t>(v));
  } else if constexpr (std::is_floating_point_v<T>) {
    w.number(v);
  } else if constexpr (std::is_same_v<T, Dtype>) {
    w.dtype(v);
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
    w.text(std::string(v));
  } else if constexpr (HasFields<T>) {
    std::apply([&](const auto&... x) { (write(w, x), ...); }, v.fields());
  } else if constexpr (IsList<T>::value) {
    w.list(v.size());
    for (const typename T::value_type x : v) write(w, x);
  } else if constexpr (IsOptional<T>::value) {
    w.boolean(v.has_value());
    if (v) write(w, *v);
  } else {
    static_assert(TupleLike<T>, "a parameter of a type that core/fields.h does not know");
    std::apply([&](const auto&... x) { (write(w, x), ...); }, v);
  }
}

template <class T>
void read(FieldReader& r, T& v) {
  if constexpr (std::is_same_v<T, bool>) {
    v = r.boolean();
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> x;
    read(r, x);
    v = static_cast<T>(x);
  } else if constexpr (std::is_integral_v<T>) {
    int64_t x = r.integer();
    v = static_cast<T>(x);
    if (static_cast<int64_t>(v) != x) r.out_of_range(x);
  } else if constexpr (std::is_floating_point_v<T>) {
    v = static_cast<T>(r.number());
  } else if constexpr (std::is_same_v<T, Dtype>) {
    v = r.dtype();
  } else if constexpr (std::is_same_v<T, std::string>) {
    v = r.text();
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    v = kept_name(r, r.text());
  } else if constexpr (HasFields<T>) {
    // `fields` lists const references to the members of `v`, which is not const.
    std::apply(
        [&](const auto&... x) { (read(r, const_cast<std::remove_cvref_t<decltype(x)>&>(x)), ...); },
        std::as_const(v).fields());
  } else if constexpr (IsList<T>::value) {
    v = T();
    for (size_t n = r.list(); n > 0; --n) {
      typename T::value_type x{};
      read(r, x);
      v.push_back(x);
    }
  } else if constexpr (IsOptional<T>::value) {
    v.reset();
    if (r.boolean()) read(r, v.emplace());
  } else {
    static_assert(TupleLike<T>, "a parameter of a type that core/fields.h does not know");
    std::apply([&](auto&... x) { (read(r, x), ...); }, v);
  }
}

}  // namespace fields

// How the parameters of one type are written and read.
struct ParamsType {
  const std::type_info& type;
  void (*write)(const ParamsRef&, FieldWriter&);
  ParamsRef (*read)(FieldReader&);
};
template <class P>
inline const ParamsType params_type{
    typeid(P), [](const ParamsRef& p, FieldWriter& w) { fields::write(w, p.as<P>()); },
    [](FieldReader& r) {
      P p{};
      fields::read(r, p);
      return make_params(std::move(p));
    }};

}  // namespace olivine
