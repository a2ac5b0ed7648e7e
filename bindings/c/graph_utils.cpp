// The C API of graphs as text.
#include "olivine/c/graph_utils.h"

#include <cerrno>
#include <cstring>
#include <sstream>

#include "handles.h"
#include "olivine/graph_utils.h"

using namespace olivine;
using c::get;
using c::guarded;
using c::made;

namespace olivine::c {
OLIVINE_C_HELD(olivine_node_namer, NodeNamer);
}  // namespace olivine::c

namespace {

using Printer = void (*)(std::ostream&, NodeNamer, const std::vector<array>&);
int print(FILE* os, olivine_node_namer namer, olivine_vector_array outputs, const char* op,
          Printer f) {
  return guarded([&] {
    if (!os) fail("[", op, "] expected a file; got null");
    std::ostringstream text;
    f(text, namer.ctx ? c::filled(namer) : NodeNamer(), get(outputs));
    std::string s = text.str();
    if (std::fwrite(s.data(), 1, s.size(), os) != s.size()) {
      fail<std::runtime_error>("[", op, "] expected to write ", s.size(), " bytes; got ",
                               std::strerror(errno));
    }
  });
}

}  // namespace

olivine_node_namer olivine_node_namer_new(void) {
  return made<olivine_node_namer>([] { return new NodeNamer(); });
}
int olivine_node_namer_free(olivine_node_namer namer) { return c::release(namer); }
int olivine_node_namer_set_name(olivine_node_namer namer, const olivine_array arr,
                                const char* name) {
  return guarded([&] { c::filled(namer).set_name(get(arr), c::name(name, "node_namer")); });
}
int olivine_node_namer_get_name(const char** name, olivine_node_namer namer,
                                const olivine_array arr) {
  return guarded([&] { c::store(name, c::filled(namer).get_name(get(arr)).c_str()); });
}

int olivine_export_to_dot(FILE* os, const olivine_node_namer namer,
                          const olivine_vector_array outputs) {
  return print(os, namer, outputs, "export_to_dot", export_to_dot);
}
int olivine_print_graph(FILE* os, const olivine_node_namer namer,
                        const olivine_vector_array outputs) {
  return print(os, namer, outputs, "print_graph", print_graph);
}
