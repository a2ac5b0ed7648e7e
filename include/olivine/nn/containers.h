// Sequential: layers called one after the other.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "olivine/nn/module.h"

namespace olivine::nn {

// A layer of any type, or a function, from one array to one array. A copy is a copy of the layer.
class OLIVINE_API AnyLayer {
 public:
  template <class L>
  requires(!std::same_as<std::remove_cvref_t<L>, AnyLayer> &&
           std::is_invocable_r_v<array, std::decay_t<L>&, const array&>) AnyLayer(L&& layer)
      : held_(std::make_unique<Held<std::decay_t<L>>>(std::forward<L>(layer))) {}
  AnyLayer(const AnyLayer& o) : held_(o.held_->copy()) {}
  AnyLayer(AnyLayer&&) noexcept = default;
  AnyLayer& operator=(const AnyLayer& o) { return *this = AnyLayer(o); }
  AnyLayer& operator=(AnyLayer&&) noexcept = default;

  array operator()(const array& x) { return held_->call(x); }
  // The layer as a module; null if it is a function.
  Module* module() { return held_->module(); }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual array call(const array& x) = 0;
    virtual Module* module() = 0;
    virtual std::unique_ptr<Base> copy() const = 0;
  };
  template <class L>
  struct Held : Base {
    L layer;
    explicit Held(L layer) : layer(std::move(layer)) {}
    array call(const array& x) override { return layer(x); }
    Module* module() override {
      if constexpr (std::derived_from<L, Module>) return &layer;
      return nullptr;
    }
    std::unique_ptr<Base> copy() const override { return std::make_unique<Held>(layer); }
  };
  std::unique_ptr<Base> held_;
};

// Calls each layer (or function) on the result of the one before.
//
//   nn::Sequential model{nn::Linear(64, 128), nn::relu, nn::Linear(128, 10)};
struct OLIVINE_API Sequential : Module {
  std::vector<AnyLayer> layers;

  Sequential(std::initializer_list<AnyLayer> layers) : layers(layers) {}
  explicit Sequential(std::vector<AnyLayer> layers = {}) : layers(std::move(layers)) {}
  array operator()(const array& x);
  void fields(Fields& f) override;
};

}  // namespace olivine::nn
