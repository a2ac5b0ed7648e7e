// Parsing and evaluating the cases' expressions.
#include "equality_values.h"

#include <cctype>
#include <cstdlib>

namespace equality {

Value Args::next(const char* name) {
  auto found = named.find(name);
  if (found != named.end()) {
    ++used_;
    return found->second;
  }
  if (at_ >= positional.size()) return {};
  ++used_;
  return positional[at_++];
}

double Args::real(const char* name, double missing) {
  Value v = next(name);
  return v.none() ? missing : v.number();
}

std::optional<array> Args::maybe_array(const char* name) {
  Value v = next(name);
  return v.none() ? std::nullopt : std::optional<array>(v.as<array>());
}

std::optional<int> Args::maybe_integer(const char* name) {
  Value v = next(name);
  return v.none() ? std::nullopt : std::optional<int>(v.as<int>());
}

static nn::PerAxis per_axis_of(const Value& v) {
  if (v.is<int>()) return v.as<int>();
  std::vector<int> values;
  for (const Value& item : v.as<List>()) values.push_back(item.as<int>());
  return values;
}
nn::PerAxis Args::per_axis(const char* name) { return per_axis_of(next(name)); }
nn::PerAxis Args::per_axis(const char* name, int missing) {
  Value v = next(name);
  return v.none() ? nn::PerAxis(missing) : per_axis_of(v);
}

nn::Reduction Args::reduction(nn::Reduction missing) {
  std::string name = text("reduction", "");
  if (name.empty()) return missing;
  return name == "none" ? nn::Reduction::none
                        : (name == "mean" ? nn::Reduction::mean : nn::Reduction::sum);
}

array call(const Function& f, const array& x) {
  Args args;
  args.positional.push_back({x});
  return f(args).as<array>();
}

std::function<array(const array&)> Args::function(const char* name) {
  Value v = next(name);
  if (v.none()) return nullptr;
  return [f = v.as<Function>()](const array& x) { return call(f, x); };
}

void Args::done() const {
  if (used_ != positional.size() + named.size()) throw Unsupported("arguments that are not known");
}

namespace {

class Parser {
 public:
  Parser(const std::string& text, const Scope& scope) : text_(text), scope_(scope) {}

  Value all() {
    Value v = expression();
    skip();
    if (at_ != text_.size()) throw Unsupported("operators: " + text_.substr(at_));
    return v;
  }

 private:
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) throw Unsupported("the form of " + text_.substr(at_));
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  Value expression() {
    char c = peek();
    Value v = c == '(' || c == '[' ? list(c == '(' ? ')' : ']') : c == '\'' ? quoted() : atom(c);
    while (true) {
      if (peek() == '[' && v.is<List>()) {
        ++at_;
        size_t index = static_cast<size_t>(expression().as<int>());
        expect(']');
        v = Value(v.as<List>().at(index));
      } else if (peek() == '.' && v.is<Layer>()) {
        ++at_;
        v = method(v, word());
      } else {
        return v;
      }
    }
  }

  Value method(const Value& v, const std::string& name) {
    auto found = v.as<Layer>().methods.find(name);
    if (found == v.as<Layer>().methods.end()) throw Unsupported("the method " + name);
    expect('(');
    Args args = arguments();
    return found->second(args);
  }

  Value atom(char c) {
    if (c == '-' || std::isdigit(static_cast<unsigned char>(c))) return number();
    std::string name = word();
    // A dotted name, as far as it leads to something known.
    while (!scope_.count(name) && peek() == '.') {
      ++at_;
      name += '.' + word();
    }
    if (name == "True" || name == "False") return {name == "True"};
    if (name == "None") return {};
    if (name == "mx.float16") return {olivine::float16};
    if (name == "mx.bfloat16") return {olivine::bfloat16};
    auto own = scope_.find(name);
    auto known = registry().find(name);
    if (own == scope_.end() && known == registry().end()) throw Unsupported("the name " + name);
    Value v = own != scope_.end() ? own->second : Value{known->second};
    if (v.is<array>() && take('.')) {
      if (word() != "dtype") throw Unsupported("methods of arrays");
      return {v.as<array>().dtype()};
    }
    if (peek() != '(') return v;
    ++at_;
    Args args = arguments();
    if (v.is<nn::init::Initializer>()) return initialized(v, args);
    return v.is<Layer>() ? v.as<Layer>().call(args) : v.as<Function>()(args);
  }

  static Value initialized(const Value& v, Args& args) {
    array x = args.arr("a");
    args.done();
    return {v.as<nn::init::Initializer>()(x)};
  }

  std::string word() {
    skip();
    size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_'))
      ++at_;
    if (begin == at_) throw Unsupported("the form of " + text_.substr(begin));
    return text_.substr(begin, at_ - begin);
  }

  Value number() {
    char* end = nullptr;
    double v = std::strtod(text_.c_str() + at_, &end);
    std::string digits = text_.substr(at_, static_cast<size_t>(end - text_.c_str()) - at_);
    at_ += digits.size();
    if (digits.find_first_of(".e") == std::string::npos) return {static_cast<int>(v)};
    return {v};
  }

  Value quoted() {
    size_t end = text_.find('\'', ++at_);
    std::string found = text_.substr(at_, end - at_);
    at_ = end + 1;
    return {found};
  }

  Value list(char close) {
    ++at_;
    List items;
    bool comma = false;
    while (!take(close)) {
      items.push_back(expression());
      comma = take(',');
      if (!comma) {
        expect(close);
        break;
      }
    }
    if (close == ')' && items.size() == 1 && !comma) return items[0];
    return {items};
  }

  Args arguments() {
    Args args;
    while (!take(')')) {
      size_t begin = at_;
      std::string name;
      if (std::isalpha(static_cast<unsigned char>(peek()))) {
        name = word();
        if (!(take('=') && peek() != '=')) {
          at_ = begin;
          name.clear();
        }
      }
      Value v = expression();
      if (name.empty()) {
        args.positional.push_back(v);
      } else {
        args.named[name] = v;
      }
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return args;
  }

  const std::string& text_;
  const Scope& scope_;
  size_t at_ = 0;
};

}  // namespace

Value evaluate(const std::string& text, const Scope& scope) { return Parser(text, scope).all(); }

}  // namespace equality
