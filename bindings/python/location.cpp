// The user's line of an op: which code object and instruction of the Python program made it.
//
// The current interpreter frame is read without making a frame object for it. A pair (code,
// instruction) gets a number, looked up in a small direct-mapped cache first; code of this package
// is skipped, so that the number names the caller. Code objects are kept alive for the description.
#include "location.h"

#if PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030D0000
#define Py_BUILD_CORE
#include <internal/pycore_frame.h>
#undef Py_BUILD_CORE
#endif

#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
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

// ---- Numbers of sites.
constexpr uint32_t kSkip = UINT32_MAX;  // code of this package
constexpr size_t kMaxSites = 1 << 20;   // a program that makes code without end gets no more

struct SiteHash {
  size_t operator()(const Site& s) const {
    return reinterpret_cast<uintptr_t>(s.code) * 0x9E3779B97F4A7C15u +
           static_cast<size_t>(s.instruction);
  }
};
struct SiteEqual {
  bool operator()(const Site& a, const Site& b) const {
    return a.code == b.code && a.instruction == b.instruction;
  }
};

struct Sites {
  std::mutex mutex;
  std::unordered_map<Site, uint32_t, SiteHash, SiteEqual> numbers;
  std::vector<Site> list{Site{}};
  std::unordered_map<PyCodeObject*, bool> own;  // code of this package
  std::string package;
};
Sites& sites() {
  static auto* s = new Sites;  // outlives the interpreter's threads
  return *s;
}

bool is_own(Sites& s, PyCodeObject* code) {
  auto [it, is_new] = s.own.try_emplace(code, false);
  if (is_new) {
    Py_INCREF(code);
    const char* file = PyUnicode_AsUTF8(code->co_filename);
    if (!file) PyErr_Clear();
    it->second = file && !s.package.empty() && std::string_view(file).starts_with(s.package);
  }
  return it->second;
}

uint32_t number_of(const Site& site) {
  Sites& s = sites();
  std::lock_guard lock(s.mutex);
  if (s.own.size() < kMaxSites && is_own(s, site.code)) return kSkip;
  auto found = s.numbers.find(site);
  if (found != s.numbers.end()) return found->second;
  if (s.list.size() >= kMaxSites) return 0;
  Py_INCREF(site.code);
  auto number = static_cast<uint32_t>(s.list.size());
  s.numbers.emplace(site, number);
  s.list.push_back(site);
  return number;
}

struct CacheEntry {
  Site site;
  uint32_t number = 0;
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
  if (e.site.code != site.code || e.site.instruction != site.instruction) {
    uint32_t number = number_of(site);
    if (number == 0) return 0;  // not kept alive, so that its address may come again
    e = {site, number};
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

// The site together with the layer that is running; the site alone where there is none. Runs code
// of Python, which may wait for other threads: what makes nodes under a lock of the library's names
// their location itself (LocationScope).
uint32_t ask_layer(uint32_t site) {
  static thread_local bool asking = false;  // the hook may make arrays
  if (!layer_hook || asking) return site;
  asking = true;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  PyObject* answer = PyObject_CallNoArgs(layer_hook);
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
  uint32_t number = ask_layer(key.site);  // may come here again
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

int line_of(const Site& site) {
#if PY_VERSION_HEX >= 0x030B0000
  return PyCode_Addr2Line(site.code, site.instruction);
#else
  return site.instruction;
#endif
}

bool find(uint32_t number, Place& place) {
  if (!Py_IsInitialized()) return false;
  if (number & kInLayer) {
    Layers& all = layers();
    std::lock_guard lock(all.mutex);
    if ((number & ~kInLayer) >= all.list.size()) return false;
    std::tie(number, place.layer) = all.list[number & ~kInLayer];
  }
  Site site;
  {
    Sites& s = sites();
    std::lock_guard lock(s.mutex);
    if (number >= s.list.size()) return false;
    site = s.list[number];
  }
  if (!site.code) return !place.layer.empty();
  PyGILState_STATE state = PyGILState_Ensure();
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);
  const char* file = PyUnicode_AsUTF8(site.code->co_filename);
  const char* name = PyUnicode_AsUTF8(site.code->co_name);
  if (file && name) {
    place.file = file;
    place.function = name;
    place.line = line_of(site);
  }
  PyErr_Restore(type, value, trace);
  PyGILState_Release(state);
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
  sites().package = package;
  set_location_hooks(capture, find);
}

}  // namespace olivine::python
