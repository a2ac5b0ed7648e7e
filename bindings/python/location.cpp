// The user's line of an op: which code object and instruction of the Python program made it.
//
// The current interpreter frame is read without making a frame object for it. A pair (code,
// instruction) gets a number, looked up in a small direct-mapped cache first; code of this package
// is skipped, so that the number names the caller. Files, names and lines are copied, and equal
// ones have one number: a program may make functions without end. A code object carries the numbers
// of its instructions and takes them along when it goes; then the cache is void, as another object
// may come to lie at its address.
#include "location.h"

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030D0000
#define Py_BUILD_CORE
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#endif

#include <atomic>
#include <compare>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/location.h"
#include "olivine/debug.h"
#include "runtime/profile.h"

namespace olivine::python {
namespace {

// ---- Frames.
struct Site {
  PyCodeObject* code = nullptr;
  int instruction = 0;
};

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030C0000
using Frame = _PyInterpreterFrame*;
Frame current_frame(PyThreadState* state) { return state->cframe->current_frame; }
Frame caller(Frame f) { return f->previous; }
// In bytes, as PyCode_Addr2Line counts.
Site site(Frame f) {
  return {f->f_code, _PyInterpreterFrame_LASTI(f) * static_cast<int>(sizeof(_Py_CODEUNIT))};
}
void done(Frame) {}
#elif PY_VERSION_HEX >= 0x030C0000 && PY_VERSION_HEX < 0x030D0000
using Frame = _PyInterpreterFrame*;
Frame current_frame(PyThreadState* state) { return state->cframe->current_frame; }
Frame caller(Frame f) { return f->previous; }
Site site(Frame f) { return {f->f_code, PyUnstable_InterpreterFrame_GetLasti(f)}; }
void done(Frame) {}
#else
using Frame = PyFrameObject*;
Frame current_frame(PyThreadState* state) { return PyThreadState_GetFrame(state); }
Frame caller(Frame f) {
  Frame back = PyFrame_GetBack(f);
  Py_DECREF(f);
  return back;
}
Site site(Frame f) {
  PyCodeObject* code = PyFrame_GetCode(f);
  Py_DECREF(code);  // the frame keeps it
#if PY_VERSION_HEX >= 0x030B0000
  return {code, PyFrame_GetLasti(f)};
#else
  return {code, PyFrame_GetLineNumber(f)};
#endif
}
void done(Frame f) { Py_XDECREF(f); }
#endif

int line_of(const Site& site) {
#if PY_VERSION_HEX >= 0x030B0000
  return PyCode_Addr2Line(site.code, site.instruction);
#else
  return site.instruction;
#endif
}

// ---- Lines that have numbers.
constexpr uint32_t kSkip = UINT32_MAX;  // code of this package
constexpr size_t kMaxLines = 1 << 18;   // a program that makes names without end gets no more

struct Line {
  const std::string *file = nullptr, *function = nullptr;  // of Lines::texts
  int line = 0;
  auto operator<=>(const Line&) const = default;
};
struct Lines {
  std::mutex mutex;
  std::unordered_set<std::string> texts;
  std::map<Line, uint32_t> numbers;
  std::vector<Line> list{Line{}};
  std::string package;
};
Lines& lines() {
  static auto* all = new Lines;  // outlives the interpreter's threads
  return *all;
}

// The place of a site, empty if its file or its name is no text. Errors of Python stay as they are.
Place read_place(const Site& site) {
  Place place;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  const char* file = PyUnicode_AsUTF8(site.code->co_filename);
  const char* name = file ? PyUnicode_AsUTF8(site.code->co_name) : nullptr;
  if (name) place = {.file = file, .function = name, .layer = {}, .line = line_of(site)};
  PyErr_Restore(type, value, trace);
  return place;
}

// The number of a place, 0 if there are too many.
uint32_t number_of(const Place& place) {
  Lines& all = lines();
  std::lock_guard lock(all.mutex);
  const std::string& package = all.package;
  if (!package.empty() && place.file.starts_with(package)) return kSkip;
  if (all.list.size() >= kMaxLines) return 0;
  const Line line{&*all.texts.insert(place.file).first, &*all.texts.insert(place.function).first,
                  place.line};
  auto [it, is_new] = all.numbers.try_emplace(line, static_cast<uint32_t>(all.list.size()));
  if (is_new) all.list.push_back(line);
  return it->second;
}

// ---- What code objects carry: the numbers of their instructions.
using Numbers = std::unordered_map<int, uint32_t>;
Py_ssize_t carried = -1;           // where, among what others have code objects carry
std::atomic<uint32_t> gone_codes;  // of those that carried numbers

void drop_numbers(void* numbers) {
  if (!numbers) return;
  delete static_cast<Numbers*>(numbers);
  gone_codes.fetch_add(1, std::memory_order_relaxed);
}

#if PY_VERSION_HEX >= 0x030C0000
constexpr auto request_extra = PyUnstable_Eval_RequestCodeExtraIndex;
constexpr auto get_extra = PyUnstable_Code_GetExtra;
constexpr auto set_extra = PyUnstable_Code_SetExtra;
#else
constexpr auto request_extra = _PyEval_RequestCodeExtraIndex;
constexpr auto get_extra = _PyCode_GetExtra;
constexpr auto set_extra = _PyCode_SetExtra;
#endif

// Null if the code object can carry none. Under the lock of lines.
Numbers* numbers_of(PyCodeObject* code) {
  auto* o = reinterpret_cast<PyObject*>(code);
  void* numbers = nullptr;
  if (carried < 0 || get_extra(o, carried, &numbers)) return nullptr;
  if (numbers) return static_cast<Numbers*>(numbers);
  auto made = std::make_unique<Numbers>();
  return set_extra(o, carried, made.get()) ? nullptr : made.release();
}

// 0: unknown. Any other number is the site's until its code is gone.
uint32_t number_of(const Site& site) {
  Lines& all = lines();
  {
    std::lock_guard lock(all.mutex);
    const Numbers* numbers = numbers_of(site.code);
    if (!numbers) return 0;
    if (auto it = numbers->find(site.instruction); it != numbers->end()) return it->second;
  }
  const uint32_t number = number_of(read_place(site));  // may run code of the program
  std::lock_guard lock(all.mutex);
  if (Numbers* numbers = numbers_of(site.code)) numbers->emplace(site.instruction, number);
  return number;
}

struct CacheEntry {
  Site site;
  uint32_t number = 0, gone = 0;
};
constexpr size_t kCacheSize = 1024;
#ifdef Py_GIL_DISABLED
thread_local CacheEntry cache[kCacheSize];
#else
CacheEntry cache[kCacheSize];  // the GIL guards it
#endif

uint32_t lookup(const Site& site) {
  auto bits = reinterpret_cast<uintptr_t>(site.code);
  size_t slot = ((bits >> 4) + static_cast<size_t>(site.instruction) * 31) % kCacheSize;
  CacheEntry& e = cache[slot];
  const uint32_t gone = gone_codes.load(std::memory_order_relaxed);
  if (e.site.code != site.code || e.site.instruction != site.instruction || e.gone != gone) {
    uint32_t number = number_of(site);
    if (number == 0) return 0;  // of code that may carry nothing, so that nobody knows when it goes
    e = {site, number, gone};
  }
  return e.number;
}

// ---- Layers, while NaNs are looked for or a profile runs.
PyObject* layer_hook = nullptr;          // the GIL guards it
PyTypeObject* module_type = nullptr;     // and this
constexpr uint32_t kInLayer = 1u << 31;  // the rest is a place in Layers::list

struct Layers {
  std::mutex mutex;
  std::map<std::pair<uint32_t, std::string>, uint32_t> numbers;
  std::vector<std::pair<uint32_t, std::string>> list;  // site and path
};
Layers& layers() {
  static auto* all = new Layers;
  return *all;
}

// The site together with the layer that is running, `inner` of `outer` if that is known; the site
// alone where there is none. Runs code of Python, which may wait for other threads: what makes
// nodes under a lock of the library's names their location itself (LocationScope).
uint32_t ask_layer(uint32_t site, PyObject* inner = nullptr, PyObject* outer = nullptr) {
  static thread_local bool asking = false;  // the hook may make arrays
  if (!layer_hook || asking) return site;
  asking = true;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyObject* answer = inner ? PyObject_CallFunctionObjArgs(layer_hook, inner, outer, nullptr)
                           : PyObject_CallNoArgs(layer_hook);
  const char* path = answer ? PyUnicode_AsUTF8(answer) : nullptr;
  std::string text = path ? path : "";
  Py_XDECREF(answer);
  PyErr_Clear();
  PyErr_Restore(type, value, trace);
  asking = false;
  if (text.empty()) return site;
  Layers& all = layers();
  std::lock_guard lock(all.mutex);
  auto [it, is_new] =
      all.numbers.try_emplace({site, text}, static_cast<uint32_t>(all.list.size()) | kInLayer);
  if (is_new) all.list.emplace_back(site, std::move(text));
  return it->second;
}

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030D0000
#define OLIVINE_READS_LOCALS 1
// Whether a class is one of layers. Classes are kept, so that an address means one class.
bool is_module_type(PyTypeObject* type) {
  struct Known {
    PyTypeObject* type = nullptr;
    bool is_module = false;
  };
  static Known known[256];  // the GIL guards it
  Known& k = known[(reinterpret_cast<uintptr_t>(type) >> 6) % std::size(known)];
  if (k.type == type) return k.is_module;
  bool is_module = PyType_IsSubtype(type, module_type);
  if (!k.type) k = {reinterpret_cast<PyTypeObject*>(Py_NewRef(type)), is_module};
  return is_module;
}

PyObject* call_name = nullptr;  // "__call__", interned as the names of code objects are

// Whose __call__ the frame runs; null if that is no layer.
inline PyObject* called_module(Frame f) {
  if (f->f_code->co_name != call_name || f->f_code->co_argcount == 0) return nullptr;
  PyObject* self = f->localsplus[0];
  if (self && PyCell_Check(self)) self = PyCell_GET(self);
  return self && is_module_type(Py_TYPE(self)) ? self : nullptr;
}

// What the hook said for a site inside these layers: asking it for every op of a profile would take
// as long as many ops do. A small table stands before the map of all. The GIL guards both.
struct InLayers {
  uint32_t site = 0;
  PyObject *inner = nullptr, *outer = nullptr;
  bool operator==(const InLayers&) const = default;
};
struct InLayersHash {
  size_t operator()(const InLayers& k) const {
    return (k.site * size_t{31} + (reinterpret_cast<uintptr_t>(k.inner) >> 4)) * size_t{31} +
           (reinterpret_cast<uintptr_t>(k.outer) >> 4);
  }
};
std::pair<InLayers, uint32_t> recent_layers[1024];
auto& known_layers = *new std::unordered_map<InLayers, uint32_t, InLayersHash>;

uint32_t known_layer(const InLayers& key) {
  auto it = known_layers.find(key);
  if (it != known_layers.end()) return it->second;
  uint32_t number = ask_layer(key.site, key.inner, key.outer);  // may come here again
  known_layers.insert_or_assign(key, number);
  return number;
}

uint32_t find_layer(uint32_t site, Frame f) {
  PyObject *inner = nullptr, *outer = nullptr;
  for (; f; f = caller(f)) {
    if (PyObject* module = called_module(f)) {
      if (!inner) inner = module;
      outer = module;
    }
  }
  if (!inner) return site;
  const InLayers key{site, inner, outer};
  auto& [recent, number] = recent_layers[InLayersHash()(key) % std::size(recent_layers)];
  if (!(recent == key)) {
    uint32_t found = known_layer(key);
    recent = key, number = found;
  }
  return number;
}
#endif

// Zero on threads that do not hold the GIL (or are not Python's).
uint32_t capture() {
  PyThreadState* state = PyGILState_GetThisThreadState();
#if PY_VERSION_HEX >= 0x030D0000
  if (!state || state != PyThreadState_GetUnchecked()) return 0;
#else
  if (!state || state != _PyThreadState_UncheckedGet()) return 0;
#endif
  Frame f = current_frame(state);
  uint32_t number = 0;
  while (f) {
    number = lookup(site(f));
    if (number != kSkip) break;
    f = caller(f);
  }
  done(f);
  if (number == kSkip) number = 0;
  if (debugs_nonfinite()) return ask_layer(number);
  if (!profile::is_running() || !module_type) return number;
#ifdef OLIVINE_READS_LOCALS
  return find_layer(number, current_frame(state));
#else
  return ask_layer(number);
#endif
}

bool find(uint32_t number, Place& place) {
  if (number & kInLayer) {
    Layers& all = layers();
    std::lock_guard lock(all.mutex);
    if ((number & ~kInLayer) >= all.list.size()) return false;
    std::tie(number, place.layer) = all.list[number & ~kInLayer];
  }
  Lines& all = lines();
  std::lock_guard lock(all.mutex);
  if (number >= all.list.size()) return false;
  const Line& line = all.list[number];
  if (!line.file) return !place.layer.empty();
  place.file = *line.file;
  place.function = *line.function;
  place.line = line.line;
  return true;
}

}  // namespace

void set_layer_hook(PyObject* hook, PyObject* type) {
  Py_XINCREF(hook);
  Py_XDECREF(std::exchange(layer_hook, hook));
  module_type = reinterpret_cast<PyTypeObject*>(Py_XNewRef(type));  // lives as long as the process
#ifdef OLIVINE_READS_LOCALS
  call_name = PyUnicode_InternFromString("__call__");
#endif
}

void forget_layers() {
#ifdef OLIVINE_READS_LOCALS
  for (auto& recent : recent_layers) recent = {};
  known_layers.clear();
#endif
}

void install_locations(const std::string& package) {
  lines().package = package;
  carried = request_extra(drop_numbers);
  set_location_hooks(capture, find);
}

}  // namespace olivine::python
