// ParamsRef: an op's parameters, a plain struct P behind one reference-counted pointer.
#pragma once

#include <atomic>
#include <cstdint>
#include <tuple>
#include <typeinfo>

#include "core/ref.h"

namespace olivine {

struct ParamsBase {
  std::atomic<uint32_t> refs{1};
  virtual ~ParamsBase() = default;
  virtual const void* get() const = 0;
  virtual bool equals(const ParamsBase& o) const = 0;
  virtual const std::type_info& type() const = 0;
  void retain() const {
    const_cast<ParamsBase*>(this)->refs.fetch_add(1, std::memory_order_relaxed);
  }
  void release() const {
    if (const_cast<ParamsBase*>(this)->refs.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }
};

// P is a plain struct with one method, `auto fields() const { return std::tie(a, b, …); }`, from
// which equality (and with it common-subexpression elimination and caching) follows.
template <class P>
struct ParamsBox final : ParamsBase {
  explicit ParamsBox(P p) : value(std::move(p)) {}
  const void* get() const override { return &value; }
  bool equals(const ParamsBase& o) const override {
    if (typeid(o) != typeid(*this)) return false;
    return value.fields() == static_cast<const ParamsBox&>(o).value.fields();
  }
  const std::type_info& type() const override { return typeid(P); }
  P value;
};

class ParamsRef {
 public:
  ParamsRef() = default;
  template <class P>
  const P& as() const {
    return *static_cast<const P*>(ref_->get());
  }
  const void* raw() const { return ref_ ? ref_->get() : nullptr; }
  bool is_of(const std::type_info& type) const { return ref_ && ref_->type() == type; }
  bool operator==(const ParamsRef& o) const {
    if (ref_ == o.ref_) return true;
    return ref_ && o.ref_ && ref_->equals(*o.ref_);
  }
  explicit operator bool() const { return static_cast<bool>(ref_); }

  template <class P>
  friend ParamsRef make_params(P p);

 private:
  Ref<const ParamsBase> ref_;
};

template <class P>
ParamsRef make_params(P p) {
  ParamsRef r;
  r.ref_ = Ref<const ParamsBase>::adopt(new ParamsBox<P>(std::move(p)));
  return r;
}

}  // namespace olivine
