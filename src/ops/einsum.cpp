// Einstein summation: subscripts are parsed, a greedy order of pairs is found, and each pair is one
// matrix product (or one elementwise product, where nothing is summed or the dtype has none).
//
// Labels are small ints: letters in ASCII order from kLetters, axes of an ellipsis below, counted
// from the right. A term is an operand with one label per axis.
#include "olivine/ops/einsum.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <map>
#include <set>

#include "core/error.h"
#include "core/size.h"
#include "olivine/ops/elementwise.h"
#include "olivine/ops/matmul.h"
#include "olivine/ops/reduction.h"
#include "olivine/ops/shape.h"

namespace olivine {
namespace {

constexpr int kLetters = 1000;

using Labels = std::vector<int>;
using LabelSet = std::set<int>;
using Sizes = std::map<int, int64_t>;

// ---- Subscripts.
struct Subscript {
  std::string before, after;  // letters left and right of the ellipsis
  bool ellipsis = false;
};

Subscript read_subscript(const std::string& text) {
  Subscript out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 3, "...") == 0 && !out.ellipsis) {
      out.ellipsis = true;
      i += 2;
    } else if (std::isalpha(static_cast<unsigned char>(text[i]))) {
      (out.ellipsis ? out.after : out.before).push_back(text[i]);
    } else {
      fail("[einsum] expected letters, commas, one '->' and '...' in the subscripts; got '",
           text[i], "'");
    }
  }
  return out;
}

void append_letters(Labels& labels, const std::string& letters) {
  for (char c : letters) labels.push_back(kLetters + c);
}
// `count` axes of an ellipsis; the last one has the label kLetters - 1.
void append_ellipsis(Labels& labels, int count) {
  for (int i = count; i > 0; --i) labels.push_back(kLetters - i);
}

struct Problem {
  std::vector<Labels> inputs;
  Labels output;
  Sizes sizes;
  std::string text;  // the subscripts without spaces
};

Labels labels_of(const Subscript& s, int rank, size_t operand) {
  int named = static_cast<int>(s.before.size() + s.after.size());
  if (named > rank || (named < rank && !s.ellipsis)) {
    fail("[einsum] expected ", named, s.ellipsis ? " or more" : "", " axes of operand ", operand,
         "; got ", rank);
  }
  Labels labels;
  append_letters(labels, s.before);
  append_ellipsis(labels, rank - named);
  append_letters(labels, s.after);
  return labels;
}

void note_sizes(Problem& p, const array& a, size_t operand) {
  const Labels& labels = p.inputs[operand];
  for (int i = 0; i < a.ndim(); ++i) {
    const auto first = std::find(labels.begin(), labels.begin() + i, labels[i]) - labels.begin();
    if (a.shape()[first] != a.shape()[i]) {  // a diagonal does not broadcast
      fail("[einsum] expected one size for axes ", first, " and ", i, " of operand ", operand,
           "; got shape ", a.shape());
    }
    int64_t& size = p.sizes.try_emplace(labels[i], 1).first->second;
    if (size == 1) {
      size = a.shape()[i];
    } else if (a.shape()[i] != 1 && a.shape()[i] != size) {
      fail("[einsum] expected size 1 or ", size, " for axis ", i, " of operand ", operand,
           "; got shape ", a.shape());
    }
  }
}

Labels implicit_output(const Problem& p) {
  std::map<int, int> uses;
  for (const Labels& labels : p.inputs) {
    for (int label : labels) ++uses[label];
  }
  Labels out;
  for (auto [label, count] : uses) {
    if (label < kLetters || count == 1) out.push_back(label);
  }
  return out;
}

Labels explicit_output(const Problem& p, const std::string& text) {
  Subscript s = read_subscript(text);
  Labels out;
  append_letters(out, s.before);
  if (s.ellipsis) {
    for (auto [label, size] : p.sizes) {
      if (label < kLetters) out.push_back(label);
    }
  }
  append_letters(out, s.after);
  if (LabelSet(out.begin(), out.end()).size() != out.size()) {
    fail("[einsum] expected each letter of the output once; got '", text, "'");
  }
  for (int label : out) {
    if (!p.sizes.contains(label)) {
      fail("[einsum] expected letters of the operands in the output; got '", text, "'");
    }
  }
  return out;
}

std::vector<std::string> split_text(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

Problem parse(const std::string& subscripts, const std::vector<array>& operands) {
  if (operands.empty()) fail("[einsum] expected at least one operand; got none");
  Problem p;
  for (char c : subscripts) {
    if (!std::isspace(static_cast<unsigned char>(c))) p.text.push_back(c);
  }
  size_t arrow = p.text.find("->");
  std::vector<std::string> terms = split_text(p.text.substr(0, arrow), ',');
  if (terms.size() != operands.size()) {
    fail("[einsum] expected as many operands as subscripts, ", terms.size(), "; got ",
         operands.size());
  }
  for (size_t i = 0; i < terms.size(); ++i) {
    p.inputs.push_back(labels_of(read_subscript(terms[i]), operands[i].ndim(), i));
    note_sizes(p, operands[i], i);
  }
  p.output = arrow == std::string::npos ? implicit_output(p)
                                        : explicit_output(p, p.text.substr(arrow + 2));
  return p;
}

// ---- The order. Sizes and costs are doubles: they only rank and inform.
double size_of(const LabelSet& labels, const Sizes& sizes) {
  double n = 1;
  for (int label : labels) n *= static_cast<double>(sizes.at(label));
  return n;
}

// Multiplications and additions when `terms` operands with these labels become one.
double cost_of(const LabelSet& labels, bool sums, size_t terms, const Sizes& sizes) {
  double per_element = std::max<double>(1, static_cast<double>(terms) - 1) + (sums ? 1 : 0);
  return size_of(labels, sizes) * per_element;
}

LabelSet merged(const LabelSet& a, const LabelSet& b) {
  LabelSet out = a;
  out.insert(b.begin(), b.end());
  return out;
}
bool disjoint(const LabelSet& a, const LabelSet& b) {
  return std::none_of(a.begin(), a.end(), [&](int label) { return b.contains(label); });
}

struct Step {
  std::vector<int> operands;
  LabelSet result;
  double cost = 0;
  double scaling = 0;
};

class Planner {
 public:
  explicit Planner(const Problem& p) : sizes_(p.sizes), output_(p.output.begin(), p.output.end()) {
    for (const Labels& labels : p.inputs) terms_.emplace_back(labels.begin(), labels.end());
  }

  std::vector<Step> plan() {
    std::vector<Step> steps;
    if (terms_.size() <= 2) {
      steps.push_back(all_at_once());
      return steps;
    }
    while (terms_.size() > 1) {
      Step best = best_pair();
      terms_.erase(terms_.begin() + best.operands[1]);
      terms_.erase(terms_.begin() + best.operands[0]);
      terms_.push_back(best.result);
      steps.push_back(std::move(best));
    }
    return steps;
  }

  Step all_at_once() const {
    LabelSet all;
    Step step;
    for (size_t i = 0; i < terms_.size(); ++i) {
      all = merged(all, terms_[i]);
      step.operands.push_back(static_cast<int>(i));
    }
    step.result = output_;
    step.cost = cost_of(all, all.size() > output_.size(), terms_.size(), sizes_);
    step.scaling = static_cast<double>(all.size());
    return step;
  }

 private:
  Step pair(size_t i, size_t j) const {
    LabelSet all = merged(terms_[i], terms_[j]), kept;
    for (int label : all) {
      bool needed = output_.contains(label);
      for (size_t k = 0; k < terms_.size() && !needed; ++k) {
        needed = k != i && k != j && terms_[k].contains(label);
      }
      if (needed) kept.insert(label);
    }
    double cost = cost_of(all, all.size() > kept.size(), 2, sizes_);
    return {
        {static_cast<int>(i), static_cast<int>(j)}, kept, cost, static_cast<double>(all.size())};
  }

  // The pair whose product frees the most memory; of equal ones the cheapest, then the first. Pairs
  // without a common label only if there is no other.
  Step best_pair() const {
    std::optional<Step> best;
    double best_freed = 0;
    for (bool outer : {false, true}) {
      for (size_t i = 0; i < terms_.size(); ++i) {
        for (size_t j = i + 1; j < terms_.size(); ++j) {
          if (!outer && disjoint(terms_[i], terms_[j])) continue;
          Step step = pair(i, j);
          double freed = size_of(terms_[i], sizes_) + size_of(terms_[j], sizes_) -
                         size_of(step.result, sizes_);
          if (best && (freed < best_freed || (freed == best_freed && step.cost >= best->cost))) {
            continue;
          }
          best = std::move(step);
          best_freed = freed;
        }
      }
      if (best) break;
    }
    return *best;
  }

  const Sizes& sizes_;
  LabelSet output_;
  std::vector<LabelSet> terms_;
};

// ---- Contraction.
struct Term {
  array value;
  Labels labels;
};

bool has(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}
int position(const Labels& labels, int label) {
  return static_cast<int>(std::find(labels.begin(), labels.end(), label) - labels.begin());
}

// The term with each label once: repeated ones take the diagonal.
Term without_repeats(Term t, StreamOrDevice s) {
  for (size_t i = 0; i < t.labels.size(); ++i) {
    auto again = std::find(t.labels.begin() + static_cast<std::ptrdiff_t>(i) + 1, t.labels.end(),
                           t.labels[i]);
    if (again == t.labels.end()) continue;
    int label = t.labels[i], second = static_cast<int>(again - t.labels.begin());
    t.value = diagonal(t.value, 0, static_cast<int>(i), second, s);
    t.labels.erase(again);
    t.labels.erase(t.labels.begin() + static_cast<std::ptrdiff_t>(i));
    t.labels.push_back(label);
    --i;
  }
  return t;
}

// Drops axes of size 1 whose label has another size elsewhere: the product broadcasts.
Term without_ones(Term t, const Sizes& sizes, StreamOrDevice s) {
  std::vector<int> dropped;
  Labels kept;
  for (size_t i = 0; i < t.labels.size(); ++i) {
    if (t.value.shape()[i] == 1 && sizes.at(t.labels[i]) != 1) {
      dropped.push_back(static_cast<int>(i));
    } else {
      kept.push_back(t.labels[i]);
    }
  }
  if (dropped.empty()) return t;
  return {squeeze(t.value, dropped, s), kept};
}

Term sum_out(Term t, const LabelSet& kept, StreamOrDevice s) {
  std::vector<int> axes;
  Labels labels;
  for (size_t i = 0; i < t.labels.size(); ++i) {
    if (kept.contains(t.labels[i])) {
      labels.push_back(t.labels[i]);
    } else {
      axes.push_back(static_cast<int>(i));
    }
  }
  if (axes.empty()) return t;
  return {sum(t.value, axes, false, s), labels};
}

// The axes of `t` in the order of `labels`; labels that it lacks become axes of size 1.
array arranged(const Term& t, const Labels& labels, StreamOrDevice s) {
  std::vector<int> order, missing;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (has(t.labels, labels[i])) {
      order.push_back(position(t.labels, labels[i]));
    } else {
      missing.push_back(static_cast<int>(i));
    }
  }
  array a = transpose(t.value, order, s);
  return missing.empty() ? a : expand_dims(a, missing, s);
}

int64_t count_of(const Labels& labels, const Sizes& sizes) {
  int64_t n = 1;
  for (int label : labels) n = checked_mul(n, sizes.at(label), "einsum");
  return n;
}

Labels joined(std::initializer_list<const Labels*> parts) {
  Labels out;
  for (const Labels* part : parts) out.insert(out.end(), part->begin(), part->end());
  return out;
}

// The product of two terms as a batch of matrix products: batch x rows x summed @ summed x columns.
Term multiply_matrices(const Term& a, const Term& b, const LabelSet& kept, const Sizes& sizes,
                       StreamOrDevice s) {
  Labels batch, rows, summed, columns;
  for (int label : a.labels) {
    bool shared = has(b.labels, label);
    (!shared ? rows : kept.contains(label) ? batch : summed).push_back(label);
  }
  for (int label : b.labels) {
    if (!has(a.labels, label)) columns.push_back(label);
  }
  int64_t m = count_of(rows, sizes), k = count_of(summed, sizes), n = count_of(columns, sizes);
  Shape left, right, out;
  for (int label : batch) {
    for (Shape* shape : {&left, &right, &out}) shape->push_back(sizes.at(label));
  }
  for (int64_t d : {m, k}) left.push_back(d);
  for (int64_t d : {k, n}) right.push_back(d);
  for (const Labels* labels : {&rows, &columns}) {
    for (int label : *labels) out.push_back(sizes.at(label));
  }
  array x = reshape(arranged(a, joined({&batch, &rows, &summed}), s), left, s);
  array y = reshape(arranged(b, joined({&batch, &summed, &columns}), s), right, s);
  return {reshape(matmul(x, y, s), out, s), joined({&batch, &rows, &columns})};
}

Term contract(Term a, Term b, const LabelSet& kept, const Sizes& sizes, StreamOrDevice s) {
  // What only one operand has and nothing needs is summed before the product.
  auto only_needed = [&](Term t, const Term& other) {
    LabelSet needed = kept;
    needed.insert(other.labels.begin(), other.labels.end());
    return sum_out(std::move(t), needed, s);
  };
  a = only_needed(std::move(a), b);
  b = only_needed(std::move(b), a);
  bool sums = std::any_of(a.labels.begin(), a.labels.end(),
                          [&](int label) { return has(b.labels, label) && !kept.contains(label); });
  Dtype dtype = promote_types(a.value.dtype(), b.value.dtype());
  if (sums && is_inexact(dtype)) return multiply_matrices(a, b, kept, sizes, s);
  Labels labels = a.labels;
  for (int label : b.labels) {
    if (!has(labels, label)) labels.push_back(label);
  }
  Term product{multiply(arranged(a, labels, s), arranged(b, labels, s), s), labels};
  return sum_out(std::move(product), kept, s);
}

std::string count_text(double n) {
  return n < 1e15 ? std::to_string(static_cast<int64_t>(n)) : message(n);
}

std::string plan_text(const Problem& p, const std::vector<Step>& steps, const Step& naive) {
  double cost = 0, scaling = 0;
  for (const Step& step : steps) {
    cost += step.cost;
    scaling = std::max(scaling, step.scaling);
  }
  return message("  Complete contraction:  ", p.text, "\n         Naive scaling:  ", naive.scaling,
                 "\n     Optimized scaling:  ", scaling,
                 "\n      Naive FLOP count:  ", count_text(naive.cost),
                 "\n  Optimized FLOP count:  ", count_text(cost), "\n");
}

}  // namespace

std::pair<std::vector<std::vector<int>>, std::string> einsum_path(
    const std::string& subscripts, const std::vector<array>& operands) {
  Problem p = parse(subscripts, operands);
  Planner planner(p);
  Step naive = planner.all_at_once();
  std::vector<Step> steps = planner.plan();
  std::vector<std::vector<int>> path;
  for (const Step& step : steps) path.push_back(step.operands);
  return {path, plan_text(p, steps, naive)};
}

array einsum(const std::string& subscripts, const std::vector<array>& operands, StreamOrDevice s) {
  Problem p = parse(subscripts, operands);
  std::vector<Term> terms;
  for (size_t i = 0; i < operands.size(); ++i) {
    Term t = without_repeats({operands[i], p.inputs[i]}, s);
    terms.push_back(without_ones(std::move(t), p.sizes, s));
  }
  LabelSet output(p.output.begin(), p.output.end());
  for (const Step& step : Planner(p).plan()) {
    if (step.operands.size() == 1) {
      terms[0] = sum_out(terms[0], output, s);
      break;
    }
    Term a = terms[step.operands[0]], b = terms[step.operands[1]];
    terms.erase(terms.begin() + step.operands[1]);
    terms.erase(terms.begin() + step.operands[0]);
    terms.push_back(contract(std::move(a), std::move(b), step.result, p.sizes, s));
  }
  return arranged(terms[0], p.output, s);
}

}  // namespace olivine
