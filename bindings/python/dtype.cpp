// Dtypes, their categories and limits, promotion, and print options.
#include "dtype.h"

#include <nanobind/stl/string.h>

#include <cmath>
#include <numbers>

#include "arguments.h"
#include "convert.h"
#include "core/error.h"
#include "olivine/utils.h"
#include "olivine/version.h"

namespace olivine::python {
namespace {

nb::handle objects[Dtype::kCount];  // never freed: the interpreter is gone before statics are
PyTypeObject* dtype_type = nullptr;

using Category = Dtype::Category;

struct PrintOptionsContext {
  PrintOptions inside, before;
};

std::string full_name(Dtype t) { return "olivine.core." + std::string(name(t)); }

Dtype require_dtype(nb::handle h, const char* op) {
  std::optional<Dtype> t = to_dtype(h.ptr());
  if (!t) fail<TypeError>("[", op, "] expected a Dtype; got ", Py_TYPE(h.ptr())->tp_name);
  return *t;
}

void bind_limits(nb::module_& m) {
  nb::class_<finfo>(m, "finfo")
      .def("__init__",
           [](finfo* self, nb::handle t) { new (self) finfo(require_dtype(t, "finfo")); })
      .def_ro("bits", &finfo::bits)
      .def_prop_ro("dtype", [](finfo& i) { return nb::steal(to_python(i.dtype)); })
      .def_ro("eps", &finfo::eps)
      .def_ro("max", &finfo::max)
      .def_ro("min", &finfo::min)
      .def_ro("smallest_normal", &finfo::smallest_normal)
      .def("__repr__", [](finfo& i) {
        return message("finfo(min=", i.min, ", max=", i.max, ", dtype=", i.dtype, ")");
      });
  nb::class_<iinfo>(m, "iinfo")
      .def("__init__",
           [](iinfo* self, nb::handle t) { new (self) iinfo(require_dtype(t, "iinfo")); })
      .def_prop_ro("bits", [](iinfo& i) { return 8 * i.dtype.size(); })
      .def_prop_ro("dtype", [](iinfo& i) { return nb::steal(to_python(i.dtype)); })
      .def_ro("max", &iinfo::max)
      .def_ro("min", &iinfo::min)
      .def("__repr__", [](iinfo& i) {
        return message("iinfo(min=", i.min, ", max=", i.max, ", dtype=", i.dtype, ")");
      });
}

void bind_print_options(nb::module_& m) {
  nb::class_<PrintOptions>(m, "PrintOptions")
      .def(nb::init<int>(), nb::arg("precision") = -1)
      .def_rw("precision", &PrintOptions::precision);
  nb::class_<PrintOptionsContext>(m, "_PrintOptionsContext")
      .def("__enter__",
           [](PrintOptionsContext& c) {
             c.before = olivine::get_printoptions();
             olivine::set_printoptions(c.inside);
           })
      .def("__exit__",
           [](PrintOptionsContext& c, nb::args) { olivine::set_printoptions(c.before); });
}

constexpr const char* kCategories[] = {"complexfloating", "floating", "inexact", "signedinteger",
                                       "unsignedinteger", "integer",  "number",  "generic"};

}  // namespace

std::optional<Dtype> to_dtype(PyObject* o) {
  if (Py_TYPE(o) != dtype_type) return std::nullopt;
  return *nb::inst_ptr<Dtype>(nb::handle(o));
}

std::optional<Dtype> dtype_named(std::string_view text) {
  for (int i = 0; i < Dtype::kCount; ++i) {
    Dtype t(static_cast<Dtype::Val>(i));
    if (name(t) == text) return t;
  }
  return std::nullopt;
}

PyObject* to_python(Dtype t) { return objects[t.index()].inc_ref().ptr(); }

void bind_dtype(nb::module_& m) {
  nb::object type = nb::class_<Dtype>(m, "Dtype")
                        .def_prop_ro("size", [](Dtype t) { return t.size(); })
                        .def(
                            "__eq__",
                            [](nb::handle a, nb::handle b) {
                              std::optional<Dtype> x = to_dtype(a.ptr()), y = to_dtype(b.ptr());
                              return x && y && *x == *y;
                            },
                            nb::arg("other").none())
                        .def("__hash__", [](Dtype t) { return t.index(); })
                        .def("__repr__", full_name)
                        .def("__copy__", [](nb::object t) { return t; })
                        .def("__deepcopy__", [](nb::object t, nb::handle) { return t; })
                        .def("__reduce__", [](Dtype t) {
                          return t == bool_ ? std::string("bool_") : std::string(name(t));
                        });
  dtype_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  for (int i = 0; i < Dtype::kCount; ++i) {
    Dtype t(static_cast<Dtype::Val>(i));
    objects[i] = nb::cast(t).release();
    std::string attribute(name(t));
    m.attr(t == bool_ ? "bool_" : attribute.c_str()) = objects[i];
  }
  auto categories = nb::enum_<Category>(m, "DtypeCategory");
  for (int i = 0; i < 8; ++i) categories.value(kCategories[i], static_cast<Category>(i));
  for (const char* c : kCategories) m.attr(c) = categories.attr(c);
  bind_limits(m);
  bind_print_options(m);
  m.attr("pi") = std::numbers::pi;
  m.attr("e") = std::numbers::e;
  m.attr("euler_gamma") = std::numbers::egamma;
  m.attr("inf") = HUGE_VAL;
  m.attr("nan") = std::nan("");
  m.attr("newaxis") = nb::none();
  m.attr("__version__") = OLIVINE_VERSION;
}

// ---- Functions (api/dtype.pyi).
namespace hand {

PyObject* issubdtype(Arguments& in) {
  std::optional<Dtype> a = to_dtype(in.raw(0)), b = to_dtype(in.raw(1));
  Category x{}, y{};
  if (!a && !nb::try_cast(nb::handle(in.raw(0)), x)) in.mismatch(0, "a Dtype or a DtypeCategory");
  if (!b && !nb::try_cast(nb::handle(in.raw(1)), y)) in.mismatch(1, "a Dtype or a DtypeCategory");
  if (a) return to_python(b ? olivine::issubdtype(*a, *b) : olivine::issubdtype(*a, y));
  return to_python(b ? false : olivine::issubdtype(x, y));
}

static bool matches(Arguments& in, PyObject* kind) {
  if (PyTuple_Check(kind)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kind); ++i) {
      if (matches(in, PyTuple_GET_ITEM(kind, i))) return true;
    }
    return false;
  }
  if (std::optional<Dtype> t = to_dtype(kind)) return *t == in.dtype(0);
  if (!PyUnicode_Check(kind)) in.mismatch(1, "a Dtype, a str or a tuple of these");
  return olivine::isdtype(in.dtype(0), text_of(kind));
}
PyObject* isdtype(Arguments& in) { return to_python(matches(in, in.raw(1))); }

PyObject* can_cast(Arguments& in) {
  std::optional<Dtype> from = to_dtype(in.raw(0));
  Dtype source = from ? *from : in.ref(0).dtype();
  return to_python(olivine::can_cast(source, in.dtype(1)));
}

PyObject* result_type(Arguments& in) {
  PyObject* items = in.raw(0);
  std::optional<Dtype> common;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(items); ++i) {
    PyObject* o = PyTuple_GET_ITEM(items, i);
    std::optional<Dtype> t = to_dtype(o);
    if (!t) {
      std::optional<array> a = from_operand(o, common);
      if (!a) fail<TypeError>("[result_type] expected arrays or Dtypes; got ", Py_TYPE(o)->tp_name);
      t = a->dtype();
    }
    common = common ? promote_types(*common, *t) : *t;
  }
  if (!common) fail("[result_type] expected at least one array or Dtype; got none");
  return to_python(*common);
}

PyObject* __array_namespace_info__(Arguments&) {
  return nb::module_::import_("olivine.array_api._info").attr("info")().release().ptr();
}

PyObject* get_printoptions(Arguments&) {
  return nb::cast(olivine::get_printoptions()).release().ptr();
}
PyObject* set_printoptions(Arguments& in) {
  olivine::set_printoptions({in.integer(0, -1)});
  return Py_NewRef(Py_None);
}
PyObject* printoptions(Arguments& in) {
  int precision = in.integer(0, -1);
  return nb::cast(PrintOptionsContext{{precision}, {}}).release().ptr();
}

}  // namespace hand
}  // namespace olivine::python
