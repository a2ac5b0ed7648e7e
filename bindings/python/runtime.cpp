// Evaluation without the GIL, errors between C++ and Python, signals, and references dropped late.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/node.h"
#include "object.h"
#include "olivine/debug.h"
#include "runtime/interrupt.h"
#include "runtime/profile.h"
#include "transforms/graph.h"

namespace olivine::python {

// ---- Errors.
namespace {
// Cut where it is longer than anyone reads: a message may quote an argument.
std::string shortened(std::string text) {
  constexpr size_t kHead = 800, kTail = 400;
  if (text.size() <= kHead + kTail) return text;
  size_t end = kHead, start = text.size() - kTail;
  auto within = [&](size_t i) { return (text[i] & 0xC0) == 0x80; };  // a character of UTF-8
  while (end > 0 && within(end)) --end;
  while (start < text.size() && within(start)) ++start;
  return text.substr(0, end) + " … " + text.substr(start);
}
// Texts may quote bytes of files, and names of them, that are no UTF-8.
void raise(PyObject* type, const char* what) {
  std::string cut = shortened(what);
  auto size = static_cast<Py_ssize_t>(cut.size());
  nb::object text = nb::steal(PyUnicode_DecodeUTF8(cut.data(), size, "backslashreplace"));
  if (text.is_valid()) PyErr_SetObject(type, text.ptr());
}
}  // namespace

void set_error() {
  try {
    throw;
  } catch (nb::python_error& e) {
    e.restore();
  } catch (const Interrupted& e) {
    // The check below left the exception of the signal handler in place.
    if (!PyErr_Occurred()) raise(PyExc_KeyboardInterrupt, e.what());
  } catch (const TypeError& e) {
    raise(PyExc_TypeError, e.what());
  } catch (const std::out_of_range& e) {
    raise(PyExc_IndexError, e.what());
  } catch (const std::invalid_argument& e) {
    raise(PyExc_ValueError, e.what());
  } catch (const OutOfMemory& e) {
    raise(PyExc_MemoryError, e.what());
  } catch (const NonFiniteError& e) {
    raise(PyExc_FloatingPointError, e.what());
  } catch (const std::bad_alloc&) {
    raise(PyExc_MemoryError, "[olivine] expected memory for this call; got none");
  } catch (const std::bad_cast&) {  // what nanobind throws where a value does not convert
    raise(PyExc_TypeError,
          "[olivine] expected a value of another type from a Python object; got one that does not "
          "convert");
  } catch (const nb::builtin_exception& e) {
    raise(PyExc_ValueError, e.what());
  } catch (const std::exception& e) {
    raise(PyExc_RuntimeError, e.what());
  } catch (...) {
    raise(PyExc_RuntimeError, "unknown error");
  }
}

std::string text_of(nb::handle s) {
  Py_ssize_t size;
  const char* text = PyUnicode_AsUTF8AndSize(s.ptr(), &size);
  if (!text) throw nb::python_error();
  return {text, static_cast<size_t>(size)};
}
std::string shown(PyObject* o) {
  bool plain = PyLong_Check(o) || PyFloat_Check(o) || PyComplex_Check(o) || PyUnicode_Check(o) ||
               PyList_Check(o) || PyTuple_Check(o) || PyDict_Check(o) || PySlice_Check(o) ||
               o == Py_None || o == Py_Ellipsis;
  nb::object text = plain ? nb::steal(PyObject_Repr(o)) : nb::object();
  const char* utf8 = text.is_valid() ? PyUnicode_AsUTF8(text.ptr()) : nullptr;
  if (utf8 && std::string_view(utf8).size() <= 80 && !std::strstr(utf8, " at 0x")) return utf8;
  PyErr_Clear();
  return Py_TYPE(o)->tp_name;
}

// ---- Signals.
namespace {

std::thread::id main_thread;

// Python runs signal handlers on the main thread alone.
bool signal_pending() {
  if (!Py_IsInitialized()) return false;
  if (std::this_thread::get_id() != main_thread) {
    // A trace evaluates with the GIL; the thread it waits for may need it here.
    if (PyGILState_Check()) {
      Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS
    }
    return false;
  }
  PyGILState_STATE state = PyGILState_Ensure();
  bool pending = PyErr_CheckSignals() != 0;  // the exception stays set on this thread
  PyGILState_Release(state);
  return pending;
}

// ---- What must wait for the GIL.
struct Later {
  void (*f)(void*);
  void* arg;
};
std::mutex later_mutex;
std::vector<Later> later;

int run_later(void*) {
  std::vector<Later> work;
  {
    std::lock_guard lock(later_mutex);
    work.swap(later);
  }
  for (const Later& l : work) l.f(l.arg);
  return 0;
}

}  // namespace

void with_gil(void (*f)(void*), void* arg) {
  if (!Py_IsInitialized()) return;  // nothing of Python is left to release
  if (PyGILState_Check()) return f(arg);
  bool first;
  {
    std::lock_guard lock(later_mutex);
    first = later.empty();
    later.push_back({f, arg});
  }
  if (first) Py_AddPendingCall(run_later, nullptr);
}

void release_reference(PyObject* o) {
  with_gil([](void* p) { Py_DECREF(static_cast<PyObject*>(p)); }, o);
}

// Python ends a thread that asks for the GIL while the interpreter finalizes by unwinding its stack
// (before 3.14), which C++ answers with std::terminate. Such a thread sleeps instead, to the end.
static void sleep_at_exit() {
  auto usual = std::set_terminate(nullptr);
  static std::terminate_handler previous = usual ? usual : std::abort;
  std::set_terminate([] {
#if PY_VERSION_HEX >= 0x030D0000
    bool finalizing = Py_IsFinalizing();
#else
    bool finalizing = _Py_IsFinalizing();
#endif
    while (finalizing) pause();
    previous();
  });
}

void install_signals() {
  sleep_at_exit();
  main_thread = std::this_thread::get_id();
  set_interrupt_check(signal_pending);
}

// ---- Evaluation.
void evaluate(const std::vector<array>& arrays) {
  bool done = true;
  for (const array& a : arrays) done = done && a.node()->done();
  if (done) return;
  std::optional<profile::Scope> waiting;  // for the interpreter, afterwards
  nb::gil_scoped_release unlocked;
  olivine::eval(arrays);
  waiting.emplace(profile::Phase::waiting, false);
}

void evaluate(const array& a) {
  if (a.node()->done()) return;
  array held = a;                    // the Python object may be changed meanwhile
  if (try_eval_small(held)) return;  // quicker than letting go of the interpreter
  std::optional<profile::Scope> waiting;
  nb::gil_scoped_release unlocked;
  olivine::eval(std::span<const array>(&held, 1));
  waiting.emplace(profile::Phase::waiting, false);
}

}  // namespace olivine::python
