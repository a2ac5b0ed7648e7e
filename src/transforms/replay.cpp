// Recording the steps of a function, and running them again.
#include "transforms/replay.h"

#include "core/error.h"
#include "core/location.h"
#include "olivine/ops/random.h"
#include "olivine/utils.h"
#include "transforms/traced.h"

namespace olivine {

std::atomic<int> recordings_in_progress{0};

// One call of a function that a transformation was given.
struct Recording::Body {
  Arrays in, out;
  Steps steps;
};

Recording* find_recording() {
  const ShapelessTrace* trace = ShapelessTrace::here();
  return trace && !trace->in_step ? trace->recording : nullptr;
}

void Recording::add(const Arrays& out, Again again) {
  for (const array& a : out) {
    if (a.node()->tracer) continue;
    a.node()->tracer = true;  // so that what is made of it is a step as well
    marked_.push_back(a);
  }
  steps_.push_back({out, std::move(again), capture_location(), default_stream(default_device())});
}

array Recording::owned(const array& a) {
  const bool fresh = a.node()->in_step && a.node()->refs.load(std::memory_order_relaxed) == 1;
  return fresh ? a : make_tracer(a);
}

void Recording::guard(std::function<void(Replay&)> check) {
  if (finished_) return;
  add({}, [check = std::move(check)](Replay& r) {
    check(r);
    return Arrays();
  });
}

void Recording::fix(std::string why) {
  if (fixed_by_.empty()) fixed_by_ = std::move(why);
}

void Recording::finish() {
  if (std::exchange(finished_, true)) return;
  recordings_in_progress.fetch_sub(1, std::memory_order_relaxed);
  for (const array& a : marked_) a.node()->tracer = false;
}

// The function with its steps recorded apart, as one more of its calls.
ArrayFn Recording::watched(const ArrayFn& fn, std::vector<Body>& calls) {
  return [this, &fn, &calls](const Arrays& in) {
    const size_t number = calls.size();
    calls.push_back({in, {}, {}});
    struct Apart {  // puts the outer steps back, after an error as well
      Steps& steps;
      Steps outer = std::exchange(steps, {});
      ~Apart() { std::swap(steps, outer); }
    } apart{steps_};
    Arrays out;
    {
      InStep outside(false);
      out = fn(in);
    }
    calls[number].out = out;
    calls[number].steps = std::move(steps_);
    return out;
  };
}

Arrays Recording::run_bodies(Replay& r, const Bodies& bodies, const Transform& transform,
                             const Arrays& inputs) {
  std::vector<ArrayFn> fns;
  for (const std::vector<Body>& calls : bodies) {
    fns.push_back([&r, &calls, next = std::make_shared<size_t>(0)](const Arrays& in) {
      if (*next == calls.size()) throw OtherOutcome("a function is called more often");
      const Body& body = calls[(*next)++];
      if (in.size() != body.in.size()) throw OtherOutcome("a function is called otherwise");
      for (size_t i = 0; i < in.size(); ++i) {
        // Other arguments were there before, and stand for what they stood for.
        if (body.in[i].node()->in_step) r.set(body.in[i], in[i]);
      }
      r.run(body.steps);
      return r.at(body.out);
    });
  }
  return transform(fns, r.at(inputs));
}

Arrays Recording::follow(const std::vector<ArrayFn>& fns, const Arrays& inputs,
                         Transform transform) {
  const array key = random::state();
  auto bodies = std::make_shared<Bodies>(fns.size());
  std::vector<ArrayFn> followed;
  for (size_t i = 0; i < fns.size(); ++i) followed.push_back(watched(fns[i], (*bodies)[i]));
  Arrays out;
  {
    InStep inside;
    // Nodes of their own: the transformation may give back arrays that others have.
    for (const array& a : transform(followed, inputs)) out.push_back(make_tracer(a));
  }
  Again again = [bodies, transform = std::move(transform), inputs](Replay& r) {
    return run_bodies(r, *bodies, transform, inputs);
  };
  if (drew(key)) {
    add(joined(out, {random::state()}), drawing(key, std::move(again)));
  } else {
    add(out, std::move(again));
  }
  return out;
}

bool Recording::drew(const array& key) { return depends(key) && random::state().id() != key.id(); }

Recording::Again Recording::drawing(const array& key, Again again) {
  return [key, again = std::move(again)](Replay& r) {
    r.draw_from(r.at(key));
    Arrays out = again(r);
    out.push_back(random::state());
    return out;
  };
}

// ---- Replays.
void Replay::set(const array& recorded, const array& now) {
  now_.insert_or_assign(recorded.node(), now);
}

Replay::~Replay() {
  if (key_) random::set_state(*key_);
}
void Replay::draw_from(const array& key) {
  if (!key_) key_ = random::state();
  random::set_state(key);
}

array Replay::at(const array& recorded) {
  Node* n = recorded.node();
  if (!now_.contains(n)) infer(n);
  return now_.at(n);
}

Arrays Replay::at(const Arrays& recorded) {
  Arrays out;
  out.reserve(recorded.size());
  for (const array& a : recorded) out.push_back(at(a));
  return out;
}

void Replay::run(const Recording::Steps& steps) {
  for (const Recording::Step& step : steps) {
    LocationScope of_the_step(step.location);
    std::optional<StreamContext> elsewhere;
    if (step.stream != default_stream(default_device())) elsewhere.emplace(step.stream);
    Arrays out = step.again(*this);
    if (out.size() != step.out.size()) throw OtherOutcome("a step makes other arrays");
    for (size_t i = 0; i < out.size(); ++i) set(step.out[i], out[i]);
  }
}

// Ops between steps are made again on what their inputs are now.
void Replay::infer(Node* top) {
  std::vector<Node*> stack{top};
  while (!stack.empty()) {
    Node* n = stack.back();
    if (now_.contains(n)) {
      stack.pop_back();
      continue;
    }
    const bool outside = !n->of_shapeless_trace, scalar = !n->op && n->shape.empty();
    if (outside || (scalar && !n->placeholder && !n->in_step)) {
      now_.emplace(n, share(n));
      continue;
    }
    if (n->in_step || !n->op || !(n->op->any_size || n->op == &output_op)) {
      throw OtherOutcome("an array comes from nowhere that was followed");
    }
    const size_t depth = stack.size();
    Arrays in;
    for (Node* x : n->inputs) {
      auto it = now_.find(x);
      if (it == now_.end()) {
        stack.push_back(x);
      } else {
        in.push_back(it->second);
      }
    }
    if (stack.size() > depth) continue;
    inferred_ = true;
    now_.emplace(n, remake(n, in));
  }
}

}  // namespace olivine
